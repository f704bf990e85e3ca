//! A recorded request, read as a client's and written for provider types of every format.

use penstock_llm::message::PartBody;
use penstock_llm::{Format, Ledger, Request, Upstream, provider, translate};
use serde_json::Value;

use crate::exchange::Exchange;
use crate::report::Report;

/// Provider types, and a model of each.
const TARGETS: &[(&str, Format, &str)] = &[
    ("OpenAI", Format::Chat, "gpt-4o"),
    ("OpenAI", Format::Chat, "gpt-5"),
    ("OpenAICompatible", Format::Chat, "llama-3.3-70b-instruct"),
    ("Anthropic", Format::Messages, "claude-sonnet-4-5"),
];

pub fn check(exchange: &Exchange, format: Format, report: &mut Report) {
    // The recorded server could not read it either.
    let Some(body) = exchange.request(format).filter(|_| exchange.status != 422) else { return };
    let request = match format.dialect().decode_request(&body) {
        Ok(request) => request,
        Err(error) => return report.problem(exchange, format!("request: {error} ({})", error.param)),
    };
    report.counts(exchange).requests += 1;
    for &(name, target, model) in TARGETS {
        let upstream = Upstream::new(model, provider::by_name(name).expect("the registry has this type"));
        send(exchange, &request, format, target, &upstream, report);
    }
}

fn send(
    exchange: &Exchange,
    request: &Request,
    format: Format,
    target: Format,
    upstream: &Upstream<'_>,
    report: &mut Report,
) {
    let name = upstream.provider.name();
    let mut ledger = Ledger::new(format);
    match translate::encode_request(request, target, upstream, &mut ledger) {
        Ok(bytes) => {
            report.counts(exchange).sent += 1;
            if !matches!(serde_json::from_slice(&bytes), Ok(Value::Object(_))) {
                report.problem(exchange, format!("the request to {name} is no JSON object"));
            }
        }
        Err(refused) if target == format => {
            report.problem(exchange, format!("{name} refused a request of its own format: {refused}"));
        }
        Err(refused) => return report.refuse(format!("{name}: {}", refused.message)),
    }
    // Read back as the format has it, without what the provider type changes behind the encoder.
    let bytes = target.dialect().encode_request(request, upstream, &mut Ledger::new(format));
    let Ok(mut body) = serde_json::from_slice::<Value>(&bytes.expect("it was encoded above")) else { return };
    if target == Format::Gemini {
        body["model"] = upstream.model.into();
    }
    match target.dialect().decode_request(body.to_string().as_bytes()) {
        Ok(again) => same(exchange, request, again, upstream, target, &ledger, report),
        Err(error) => report.problem(exchange, format!("our request to {name}: {error}")),
    }
}

fn same(
    exchange: &Exchange,
    request: &Request,
    mut again: Request,
    upstream: &Upstream<'_>,
    target: Format,
    ledger: &Ledger,
    report: &mut Report,
) {
    let name = upstream.provider.name();
    // Nothing was noted, so nothing may be lost.
    if request.origin == Some(target) && ledger.is_empty() {
        again.include_usage = request.include_usage;
        again.model.clone_from(&request.model);
        let (before, after) = (without_empty_texts(request.clone()), without_empty_texts(again.clone()));
        if before != after {
            report
                .problem(exchange, format!("the request to {name} changed: {}", difference(&before, &after)));
        }
    }
    if shape(request) != shape(&again) {
        let (before, after) = (shape(request), shape(&again));
        report.problem(exchange, format!("calls, results, tools for {name}: {before:?}, {after:?}"));
    }
}

/// Beside tool calls, null and an empty text are the same.
fn without_empty_texts(mut request: Request) -> Request {
    for message in &mut request.messages {
        message.parts.retain(|part| !matches!(&part.body, PartBody::Text(text) if text.is_empty()));
    }
    request
}

/// Where two values begin to differ.
fn difference(before: &Request, after: &Request) -> String {
    let (before, after) = (format!("{before:?}"), format!("{after:?}"));
    let same = before.chars().zip(after.chars()).take_while(|(a, b)| a == b).count().saturating_sub(100);
    let around = |text: &str| text.chars().skip(same).take(300).collect::<String>();
    format!("\n  {}\n  {}", around(&before), around(&after))
}

/// Tool calls, tool results, names of tools: what no translation may lose.
fn shape(request: &Request) -> (usize, usize, Vec<&str>) {
    let count = |is: fn(&PartBody) -> bool| {
        let parts = request.messages.iter().flat_map(|message| &message.parts);
        parts.filter(|part| is(&part.body)).count()
    };
    let tools = request.tools.iter().filter(|tool| tool.opaque.is_none());
    (
        count(|body| matches!(body, PartBody::ToolCall(_))),
        count(|body| matches!(body, PartBody::ToolResult { .. })),
        tools.map(|tool| tool.name.as_str()).collect(),
    )
}
