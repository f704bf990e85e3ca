//! A request for a provider's counter: what the generation format's encoder writes, less what is no prompt, in the
//! counter's wrapping.
//!
//! Sources: <https://docs.claude.com/en/api/messages-count-tokens>, <https://ai.google.dev/api/tokens>,
//! <https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/count-tokens>, Bedrock's service model,
//! OpenAI's OpenAPI description (`/responses/input_tokens`), the official SDKs.

use serde_json::{Map, Value, json};

use crate::dialect::{Format, Upstream};
use crate::error::Refused;
use crate::ledger::Ledger;
use crate::message::{Issuer, Request};
use crate::translate;

/// Filled in where Anthropic's encoder would note that it is missing: more than a budget of reasoning needs.
const ROOM: u64 = 64_000;

/// Members of a generation that Anthropic's counter refuses. All else it takes, or the client asked for.
const NO_PROMPT: &[&str] =
    &["max_tokens", "metadata", "service_tier", "stop_sequences", "stream", "temperature", "top_k", "top_p"];

/// What the others take.
const GEMINI: &[&str] =
    &["contents", "systemInstruction", "tools", "toolConfig", "generationConfig", "cachedContent"];
const VERTEX: &[&str] = &["contents", "systemInstruction", "tools", "generationConfig"];
const CONVERSE: &[&str] = &["messages", "system", "toolConfig", "additionalModelRequestFields"];
const RESPONSES: &[&str] = &[
    "model",
    "input",
    "instructions",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "text",
    "reasoning",
    "truncation",
    "conversation",
    "previous_response_id",
];

pub(super) fn encode(
    request: &Request,
    format: Format,
    upstream: &Upstream<'_>,
    ledger: &mut Ledger,
) -> Result<Vec<u8>, Refused> {
    let prompt = prompt_of(request, format, upstream);
    let body = translate::encode_request(&prompt, format, upstream, ledger)?;
    let Ok(Value::Object(body)) = serde_json::from_slice(&body) else { return Ok(body) };
    let body = match format {
        Format::Messages => messages(body, upstream),
        Format::Gemini if upstream.issuer() == Some(Issuer::Vertex) => only(VERTEX, body),
        Format::Gemini => gemini(body, upstream),
        Format::Converse => wrap("input", wrap("converse", only(CONVERSE, body))),
        Format::Responses => only(RESPONSES, body),
        Format::Chat | Format::Completions | Format::Cohere | Format::Ollama => {
            let message = format!("{} has no counter of tokens in this format", upstream.provider.name());
            return Err(Refused { field: "messages".into(), message });
        }
    };
    // Writing into memory cannot fail.
    Ok(serde_json::to_vec(&body).unwrap_or_default())
}

/// The request without what only steers the answer.
fn prompt_of(request: &Request, format: Format, upstream: &Upstream<'_>) -> Request {
    let Request {
        model,
        stream: _,
        include_usage: _,
        system,
        messages,
        tools,
        tool_choice,
        parallel_tool_calls,
        max_tokens,
        temperature: _,
        top_p: _,
        top_k: _,
        stop: _,
        user: _,
        reasoning,
        thinking_mode,
        response_format,
        n: _,
        seed: _,
        presence_penalty: _,
        frequency_penalty: _,
        logit_bias: _,
        logprobs: _,
        top_logprobs: _,
        service_tier: _,
        verbosity: _,
        metadata: _,
        provider_options,
        extra,
        origin,
    } = request.clone();
    let room = (format == Format::Messages).then(|| upstream.facts.max_output.unwrap_or(ROOM));
    Request {
        model,
        system,
        messages,
        tools,
        tool_choice,
        parallel_tool_calls,
        max_tokens: max_tokens.or(room),
        reasoning,
        thinking_mode,
        response_format,
        provider_options,
        extra,
        origin,
        ..Request::default()
    }
}

/// A counter stands at one URL for all models, so that a provider which takes the model out of a generation's body
/// still finds it here.
fn messages(mut body: Map<String, Value>, upstream: &Upstream<'_>) -> Map<String, Value> {
    body.retain(|name, _| !NO_PROMPT.contains(&name.as_str()));
    body.entry("model").or_insert_with(|| upstream.model.into());
    body
}

/// AI Studio counts a whole request, which names its model, or bare contents without instructions and tools.
fn gemini(body: Map<String, Value>, upstream: &Upstream<'_>) -> Map<String, Value> {
    let mut request = only(GEMINI, body);
    let model = upstream.model.strip_prefix("models/").unwrap_or(upstream.model);
    request.insert("model".into(), format!("models/{model}").into());
    wrap("generateContentRequest", request)
}

fn only(names: &[&str], mut body: Map<String, Value>) -> Map<String, Value> {
    body.retain(|name, _| names.contains(&name.as_str()));
    body
}

fn wrap(name: &str, inner: Map<String, Value>) -> Map<String, Value> {
    Map::from_iter([(name.to_owned(), json!(inner))])
}
