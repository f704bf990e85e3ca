//! A recorded request, read as a client's and written for provider types of every format.

use penstock_llm::message::PartBody;
use penstock_llm::{Fate, Field, Format, Ledger, Refused, Request, Upstream, provider, translate};
use serde_json::Value;

use crate::exchange::Exchange;
use crate::report::Report;

/// A provider type that requests are written for.
struct Target<'a> {
    name: &'static str,
    format: Format,
    model: &'a str,
    /// It takes all that its format has: what the ledger does not name must come through unchanged.
    takes_all: bool,
}

const fn target(name: &'static str, format: Format, model: &'static str) -> Target<'static> {
    Target { name, format, model, takes_all: false }
}

const TARGETS: &[Target<'_>] = &[
    target("OpenAI", Format::Chat, "gpt-4o"),
    target("OpenAI", Format::Chat, "gpt-5"),
    target("OpenAI", Format::Responses, "gpt-5"),
    target("Mistral", Format::Chat, "mistral-large-latest"),
    target("DeepSeek", Format::Chat, "deepseek-chat"),
    target("OpenRouter", Format::Chat, "anthropic/claude-sonnet-4.5"),
    Target { takes_all: true, ..target("OpenAICompatible", Format::Chat, "llama-3.3-70b-instruct") },
    Target { takes_all: true, ..target("OpenAICompatible", Format::Responses, "gpt-oss-120b") },
    Target { takes_all: true, ..target("OpenAICompatible", Format::Completions, "davinci-002") },
    Target { takes_all: true, ..target("Anthropic", Format::Messages, "claude-sonnet-4-5") },
    target("VertexAI", Format::Messages, "claude-sonnet-4-5"),
    Target { takes_all: true, ..target("Gemini", Format::Gemini, "gemini-2.5-flash") },
    target("VertexAI", Format::Gemini, "gemini-3-pro-preview"),
    Target {
        takes_all: true,
        ..target("Bedrock", Format::Converse, "eu.anthropic.claude-sonnet-4-5-20250929-v1:0")
    },
    target("Bedrock", Format::Converse, "amazon.nova-pro-v1:0"),
    Target { takes_all: true, ..target("Cohere", Format::Cohere, "command-a-03-2025") },
    Target { takes_all: true, ..target("Ollama", Format::Ollama, "llama3.1") },
];

pub fn check(exchange: &Exchange, format: Format, report: &mut Report) {
    // The recorded server could not read it either.
    let Some(body) = exchange.request(format).filter(|_| exchange.status != 422) else { return };
    let request = match format.dialect().decode_request(&body) {
        Ok(request) => request,
        // Its provider did not take it either.
        Err(_) if exchange.status == 400 => return,
        // Some libraries leave out what their providers need.
        Err(_) if exchange.fidelity == "sdk" => {
            return report.skip(exchange, "its request is not in the provider's format");
        }
        Err(error) => return report.problem(exchange, format!("request: {error} ({})", error.param)),
    };
    report.counts(exchange).requests += 1;
    for target in TARGETS {
        if let Err(refused) = send(exchange, &request, format, target, report) {
            report.refuse(refused.message);
        }
    }
    // The provider that took it must get it.
    let own = exchange.provider_type(format);
    let own = Target { name: own.name(), format, model: &exchange.model, takes_all: false };
    match send(exchange, &request, format, &own, report) {
        Err(refused) if exchange.status == 200 => {
            report.problem(exchange, format!("{} would not get its own request: {refused}", own.name));
        }
        _ => {}
    }
}

fn send(
    exchange: &Exchange,
    request: &Request,
    format: Format,
    target: &Target<'_>,
    report: &mut Report,
) -> Result<(), Refused> {
    let Target { name, format: spoken, model, takes_all: _ } = *target;
    let upstream = Upstream::new(model, provider::by_name(name).expect("the registry has this type"));
    let mut ledger = Ledger::new(format);
    let bytes = translate::encode_request(request, spoken, &upstream, &mut ledger)?;
    report.counts(exchange).sent += 1;
    let Ok(Value::Object(mut body)) = serde_json::from_slice(&bytes) else {
        report.problem(exchange, format!("the request to {name} is no JSON object"));
        return Ok(());
    };
    // They stand in the URL, at some.
    if spoken != Format::Converse {
        body.insert("model".into(), model.into());
    }
    if spoken == Format::Gemini {
        body.insert("stream".into(), request.stream.into());
    }
    match spoken.dialect().decode_request(Value::from(body).to_string().as_bytes()) {
        Ok(again) => same(exchange, request, again, target, &ledger, report),
        Err(error) => report.problem(exchange, format!("our request to {name}: {error}")),
    }
    Ok(())
}

fn same(
    exchange: &Exchange,
    request: &Request,
    mut again: Request,
    target: &Target<'_>,
    ledger: &Ledger,
    report: &mut Report,
) {
    let Target { name, format, takes_all, .. } = *target;
    // Nothing was noted, so nothing may be lost.
    if takes_all && request.origin == Some(format) && ledger.is_empty() {
        again.include_usage = request.include_usage;
        again.model.clone_from(&request.model);
        let (before, after) = (plain(request.clone()), plain(again.clone()));
        if before != after {
            report
                .problem(exchange, format!("the request to {name} changed: {}", difference(&before, &after)));
        }
    }
    let (before, after) = (Shape::of(request), Shape::of(&again));
    if !before.is_kept(&after, format, ledger) {
        report.problem(exchange, format!("to {name} ({ledger}): {before:?} became {after:?}"));
    }
}

/// Without what says nothing: beside tool calls, null and an empty text are the same; names of stored items mean
/// something to who stored them alone.
fn plain(mut request: Request) -> Request {
    for message in &mut request.messages {
        message.parts.retain(|part| !matches!(&part.body, PartBody::Text(text) if text.is_empty()));
        message.parts.iter_mut().for_each(|part| drop(part.extra.remove("id")));
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

/// What no translation may lose in silence.
#[derive(Debug, PartialEq)]
struct Shape<'a> {
    calls: usize,
    results: usize,
    tools: Vec<&'a str>,
}

impl<'a> Shape<'a> {
    fn of(request: &'a Request) -> Self {
        let count = |is: fn(&PartBody) -> bool| {
            let parts = request.messages.iter().flat_map(|message| &message.parts);
            parts.filter(|part| is(&part.body)).count()
        };
        let tools = request.tools.iter().filter(|tool| tool.opaque.is_none());
        Self {
            calls: count(|body| matches!(body, PartBody::ToolCall(_))),
            results: count(|body| matches!(body, PartBody::ToolResult { .. })),
            tools: tools.map(|tool| tool.name.as_str()).collect(),
        }
    }

    fn is_kept(&self, after: &Self, format: Format, ledger: &Ledger) -> bool {
        let emulated = |field| ledger.has(field, Fate::Emulated);
        // A transcript holds all of it as text.
        let is_text = format == Format::Completions && emulated(Field::Messages);
        let has_parts = is_text || (self.calls, self.results) == (after.calls, after.results);
        let has = |tools: &[&str], all: &[&str]| all.iter().all(|name| tools.contains(name));
        // Left out where none may be called or another one must be, or where the format has no tools.
        let may_lack =
            emulated(Field::ToolChoice) || format == Format::Completions && noted(ledger, Field::Tool);
        // Added where an answer in JSON is a call, and where the history needs tools that the request lacks.
        let may_add = emulated(Field::ResponseFormat) || emulated(Field::Tool);
        has_parts
            && (may_lack || has(&after.tools, &self.tools))
            && (may_add || has(&self.tools, &after.tools))
    }
}

fn noted(ledger: &Ledger, field: Field) -> bool {
    [Fate::Emulated, Fate::Clamped, Fate::Dropped].into_iter().any(|fate| ledger.has(field, fate))
}
