//! A decoded answer, encoded for clients of every format and read back by the reading of that format.

use penstock_llm::{Event, Format, Ledger, Reply, Response};
use serde_json::{Value, json};

use crate::exchange::Exchange;
use crate::reading::{self, Finish, Outcome, Reading};
use crate::report::Report;

/// Formats of the clients that answers are encoded for.
const CLIENTS: [Format; 2] = [Format::Chat, Format::Messages];

pub fn check(
    exchange: &Exchange,
    response: &Response,
    events: Option<&[Event]>,
    recorded: &Reading,
    report: &mut Report,
) {
    for client in CLIENTS {
        let wanted = seen_by(recorded, client);
        let body = client.dialect().encode_response(response, &reply(), &mut Ledger::new(client));
        let body: Value = serde_json::from_slice(&body).expect("an encoded answer is JSON");
        let got = reading::whole(&body, client);
        compare(exchange, client, "answer", got, &wanted, report);
        write(exchange, client, json!({"stream": false, "body": body}), report);
        if let Some(events) = events {
            let bytes = stream(events, client);
            compare(exchange, client, "stream", reading::stream(&bytes, client), &wanted, report);
            write(exchange, client, json!({"stream": true, "sse": String::from_utf8_lossy(&bytes)}), report);
        }
    }
}

fn stream(events: &[Event], client: Format) -> Vec<u8> {
    let mut encoder = client.dialect().stream_encoder(reply());
    let mut out = Vec::new();
    events.iter().for_each(|event| encoder.push(event, &mut out));
    encoder.finish(&mut out);
    out
}

fn compare(
    exchange: &Exchange,
    client: Format,
    kind: &str,
    got: Outcome,
    wanted: &Reading,
    report: &mut Report,
) {
    report.counts(exchange).replies += 1;
    match got {
        Outcome::Answer(got) => {
            let differences = got.differences(wanted);
            if !differences.is_empty() {
                report.problem(exchange, format!("{client:?} {kind}: {}", differences.join("; ")));
            }
        }
        Outcome::Failure => report.problem(exchange, format!("{client:?} {kind}: a failure")),
    }
}

/// What a client of this format can see of the answer.
fn seen_by(recorded: &Reading, client: Format) -> Reading {
    let mut seen = recorded.clone();
    if client == Format::Chat {
        return seen;
    }
    // One answer, no text that is a refusal, arguments that are an object, no counts that are unknown.
    seen.more.clear();
    let refusal = std::mem::take(&mut seen.refusal);
    seen.text.push_str(&refusal);
    if seen.finish == Some(Finish::Stop) && !seen.calls.is_empty() {
        seen.finish = Some(Finish::ToolCalls);
    } else if seen.finish == Some(Finish::Stop) && !refusal.is_empty() {
        seen.finish = Some(Finish::ContentFilter);
    }
    seen.tokens.prompt.get_or_insert(0);
    seen.tokens.output.get_or_insert(0);
    for call in &mut seen.calls {
        if !call.arguments.is_object() {
            call.arguments = json!({"arguments": call.arguments});
        }
    }
    seen
}

fn reply() -> Reply {
    Reply { request_id: "req1".into(), model: "asked".into(), created: 1_700_000_000, include_usage: true }
}

fn write(exchange: &Exchange, client: Format, more: Value, report: &mut Report) {
    if std::env::var_os("PENSTOCK_REENCODED_OUT").is_none() {
        return;
    }
    let mut line = json!({"id": exchange.id, "client_format": client.as_str()});
    line.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    report.written.push(line.to_string());
}
