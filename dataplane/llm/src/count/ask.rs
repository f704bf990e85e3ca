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
    // Writing into memory cannot fail.
    Ok(serde_json::to_vec(&question(body, format, upstream)?).unwrap_or_default())
}

/// What the counter takes of a generation's body, in its wrapping.
fn question(
    body: Map<String, Value>,
    format: Format,
    upstream: &Upstream<'_>,
) -> Result<Map<String, Value>, Refused> {
    match format {
        Format::Messages => Ok(messages(body, upstream)),
        Format::Gemini if upstream.issuer() == Some(Issuer::Vertex) => Ok(only(VERTEX, body)),
        Format::Gemini => Ok(gemini(body, upstream)),
        Format::Converse => Ok(wrap("input", wrap("converse", only(CONVERSE, body)))),
        Format::Responses => Ok(only(RESPONSES, body)),
        Format::Chat | Format::Completions | Format::Cohere | Format::Ollama => {
            let message = format!("{} has no counter of tokens in this format", upstream.provider.name());
            Err(Refused { field: "messages".into(), message })
        }
    }
}

/// The request without what only steers the answer.
fn prompt_of(request: &Request, format: Format, upstream: &Upstream<'_>) -> Request {
    let Request {
        model,
        stream: _,
        include_usage: _,
        system,
        late_system,
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
    let room = || max_tokens.or(upstream.facts.max_output).unwrap_or(ROOM);
    Request {
        model,
        system,
        late_system,
        messages,
        tools,
        tool_choice,
        parallel_tool_calls,
        max_tokens: (format == Format::Messages).then(room),
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
    let id = upstream.model.rsplit('/').next().unwrap_or(upstream.model);
    body.entry("model").or_insert_with(|| id.into());
    body
}

/// AI Studio counts a whole request, which names its model, or bare contents without instructions and tools.
fn gemini(body: Map<String, Value>, upstream: &Upstream<'_>) -> Map<String, Value> {
    let mut request = only(GEMINI, body);
    // One that is named with its collection (`tunedModels/x`) keeps it.
    let collection = if upstream.model.contains('/') { "" } else { "models/" };
    request.insert("model".into(), format!("{collection}{}", upstream.model).into());
    wrap("generateContentRequest", request)
}

fn only(names: &[&str], mut body: Map<String, Value>) -> Map<String, Value> {
    body.retain(|name, _| names.contains(&name.as_str()));
    body
}

fn wrap(name: &str, inner: Map<String, Value>) -> Map<String, Value> {
    Map::from_iter([(name.to_owned(), json!(inner))])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::{self, Call, Provider, Site};

    /// Gemini on Vertex AI.
    #[derive(Debug)]
    struct Vertex;

    impl Provider for Vertex {
        fn name(&self) -> &'static str {
            "VertexAI"
        }

        fn otel_name(&self) -> &'static str {
            "gcp.vertex_ai"
        }

        fn docs(&self) -> &'static str {
            ""
        }

        fn formats(&self, _model: &str) -> &'static [Format] {
            &[Format::Gemini]
        }

        fn url(&self, _site: &Site<'_>, _model: &str, _format: Format, _call: Call) -> Option<String> {
            None
        }

        fn issuer(&self, _model: &str) -> Option<Issuer> {
            Some(Issuer::Vertex)
        }
    }

    fn asked(body: Value, format: Format, provider: &'static dyn Provider) -> Value {
        let Value::Object(body) = body else { panic!() };
        question(body, format, &Upstream::new("the-model", provider)).unwrap().into()
    }

    fn named(name: &str) -> &'static dyn Provider {
        provider::by_name(name).unwrap()
    }

    #[test]
    fn ai_studio_counts_a_whole_request() {
        let body = json!({
            "contents": [{"role": "user", "parts": [{"text": "hi"}]}],
            "systemInstruction": {"parts": [{"text": "be brief"}]},
            "tools": [{"functionDeclarations": []}],
            "toolConfig": {"functionCallingConfig": {"mode": "ANY"}},
            "safetySettings": [{}],
        });
        let mut whole = body.clone();
        whole.as_object_mut().unwrap().remove("safetySettings");
        whole["model"] = "models/the-model".into();
        let question = json!({"generateContentRequest": whole});
        assert_eq!(asked(body.clone(), Format::Gemini, named("OpenAI")), question);
        // Vertex AI names the model in the URL, and its counter has no place for the choice of a tool.
        let mut bare = body;
        for name in ["safetySettings", "toolConfig"] {
            bare.as_object_mut().unwrap().remove(name);
        }
        assert_eq!(asked(bare.clone(), Format::Gemini, &Vertex), bare);
    }

    #[test]
    fn bedrock_counts_a_converse_request() {
        let prompt = json!({
            "messages": [{"role": "user", "content": [{"text": "hi"}]}],
            "system": [{"text": "be brief"}],
            "toolConfig": {"tools": []},
            "additionalModelRequestFields": {"thinking": {"type": "enabled"}},
        });
        let mut body = prompt.clone();
        body["inferenceConfig"] = json!({"maxTokens": 5});
        body["requestMetadata"] = json!({"a": "b"});
        assert_eq!(asked(body, Format::Converse, named("OpenAI")), json!({"input": {"converse": prompt}}));
    }

    #[test]
    fn openai_counts_a_response_s_input() {
        let prompt =
            json!({"model": "gpt-5", "instructions": "be brief", "input": [], "tools": [], "text": {}});
        let mut body = prompt.clone();
        for (name, value) in [("stream", json!(false)), ("store", json!(false)), ("include", json!([]))] {
            body[name] = value;
        }
        assert_eq!(asked(body, Format::Responses, named("OpenAI")), prompt);
    }

    #[test]
    fn anthropic_s_counter_is_told_the_model_whatever_the_provider_does_with_it() {
        let body =
            json!({"anthropic_version": "v", "messages": [], "max_tokens": 5, "stream": false, "new": 1});
        let question = json!({"anthropic_version": "v", "messages": [], "new": 1, "model": "the-model"});
        assert_eq!(asked(body, Format::Messages, named("Anthropic")), question);
    }

    #[test]
    fn formats_without_a_counter_are_refused() {
        for format in [Format::Chat, Format::Completions, Format::Cohere, Format::Ollama] {
            assert!(question(Map::new(), format, &Upstream::new("m", named("OpenAI"))).is_err());
        }
    }
}
