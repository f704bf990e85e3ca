//! A decoded answer, encoded for clients of every format and read back by the reading of that format.

use penstock_llm::{ClientError, Event, Format, Ledger, Reply, Response, UpstreamError};
use serde_json::{Value, json};

use crate::exchange::Exchange;
use crate::reading::{self, Finish, Outcome, Reading};
use crate::report::Report;

/// Formats of the clients that answers are encoded for.
const CLIENTS: [Format; 5] =
    [Format::Chat, Format::Messages, Format::Responses, Format::Gemini, Format::Completions];

/// Where an id of a call ends, and state begins that its provider wants back.
const RIDER: &str = "__ps1_";

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
            if reading::stream(&broken_off(events, client), client) != Outcome::Failure {
                report.problem(exchange, format!("{client:?} stream: a failure looks like an end"));
            }
        }
    }
}

/// A provider's error has the shape of the client's format, whatever shape it came in.
pub fn check_error(exchange: &Exchange, error: &UpstreamError, report: &mut Report) {
    let UpstreamError { status, code, param, message, kind: _, retry_after: _ } = error.clone();
    let error = ClientError { status, code, param, message };
    for client in CLIENTS {
        let body = client.dialect().encode_error(&error, "req1");
        let body: Value = serde_json::from_slice(&body).expect("an encoded error is JSON");
        let is_typed = match client {
            Format::Messages => body["type"] == "error" && body["error"]["type"].is_string(),
            Format::Gemini => body["error"]["code"] == status && body["error"]["status"].is_string(),
            _ => body["error"]["type"].is_string(),
        };
        // Anthropic has no member for the field that the error is about: its name stands before the message.
        let says = body["error"]["message"].as_str().is_some_and(|text| text.ends_with(&error.message));
        if !is_typed || !says {
            report.problem(exchange, format!("error for a {client:?} client: {body}"));
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

/// A stream whose provider failed half-way, behind a reason to end if that came first.
fn broken_off(events: &[Event], client: Format) -> Vec<u8> {
    let mut encoder = client.dialect().stream_encoder(reply());
    let mut out = Vec::new();
    events[..events.len() / 2].iter().for_each(|event| encoder.push(event, &mut out));
    encoder.error(&ClientError::new(502, "upstream_error", "the provider broke off"), &mut out);
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
        Outcome::Answer(mut got) => {
            // What rides on the id of a call is for the next turn.
            for id in got.calls.iter_mut().filter_map(|call| call.id.as_mut()) {
                id.truncate(id.find(RIDER).unwrap_or(id.len()));
            }
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
    if !matches!(client, Format::Chat | Format::Gemini | Format::Completions) {
        // One answer.
        seen.more.clear();
    }
    seen.more.iter_mut().for_each(|answer| see(answer, client));
    see(&mut seen, client);
    if client == Format::Messages {
        // No count is unknown.
        seen.tokens.prompt.get_or_insert(0);
        seen.tokens.output.get_or_insert(0);
    }
    if client == Format::Gemini {
        // Writing to a cache is a call of its own.
        seen.tokens.written = 0;
    }
    seen
}

/// The same of one answer.
fn see(answer: &mut Reading, client: Format) {
    if client == Format::Chat {
        return;
    }
    if client == Format::Completions {
        // Text and nothing else.
        answer.thoughts.clear();
        answer.calls.clear();
    }
    if client == Format::Responses && answer.finish.is_none() {
        // It says that an answer ended, and not why.
        answer.finish = Some(Finish::Stop);
    }
    if answer.finish == Some(Finish::Stop) && !answer.calls.is_empty() {
        answer.finish = Some(Finish::ToolCalls);
    } else if answer.finish == Some(Finish::ToolCalls)
        && answer.calls.is_empty()
        && client != Format::Responses
    {
        // The call was of a kind that only OpenAI has.
        answer.finish = Some(Finish::Stop);
    }
    if client == Format::Gemini && matches!(answer.finish, Some(Finish::Other(_))) {
        answer.finish = Some(Finish::Other("OTHER".into()));
    }
    if client != Format::Responses {
        // No text that is a refusal.
        let refusal = std::mem::take(&mut answer.refusal);
        answer.text.push_str(&refusal);
        if client == Format::Messages && answer.finish == Some(Finish::Stop) && !refusal.is_empty() {
            answer.finish = Some(Finish::ContentFilter);
        }
    }
    for call in &mut answer.calls {
        // Arguments are an object.
        if client != Format::Responses && !call.arguments.is_object() {
            call.arguments = json!({"arguments": call.arguments});
        }
    }
}

fn reply() -> Reply {
    Reply { request_id: "req1".into(), model: "asked".into(), created: 1_700_000_000, include_usage: true }
}

/// OpenAI's answers with a kind of source that its own SDK has no type for.
const NEWER_THAN_SDK: &[&str] = &[
    "pydantic-ai:tests/models/cassettes/test_openai_responses/test_openai_responses_model_web_search_tool_stream.yaml#0",
];

/// Formats that an official SDK has types for, as the check with them calls them.
fn sdk_name(client: Format) -> Option<&'static str> {
    match client {
        Format::Chat => Some("chat"),
        Format::Messages => Some("messages"),
        Format::Responses => Some("responses"),
        Format::Completions => Some("completions"),
        _ => None,
    }
}

fn write(exchange: &Exchange, client: Format, more: Value, report: &mut Report) {
    let is_wanted = std::env::var_os("PENSTOCK_REENCODED_OUT").is_some()
        && exchange.fidelity != "sdk"
        && !NEWER_THAN_SDK.iter().any(|id| exchange.id == *id);
    let Some(name) = sdk_name(client).filter(|_| is_wanted) else { return };
    let mut line = json!({"id": exchange.id, "client_format": name});
    line.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    report.written.push(line.to_string());
}
