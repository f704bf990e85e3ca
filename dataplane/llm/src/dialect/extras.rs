//! Fields without a neutral meaning on their way to another format.
//!
//! The ledger's names are bounded by code, so that a client cannot fill a metric with labels: a field that is not
//! in these lists is noted as `other`.

use serde_json::{Map, Value};

use super::fields::add_missing;
use crate::field::Field;
use crate::ledger::{Fate, Ledger};

/// Members of requests in each format, at any level, that nothing else takes.
const KNOWN: &[&str] = &[
    // Embeddings, of servers in OpenAI's format
    "embedding_types",
    "late_chunking",
    "normalized",
    "output_dtype",
    "task",
    "thinking_mode",
    // OpenAI, and servers that speak its format
    "audio",
    "chat_template_kwargs",
    "extra_content",
    "function_call",
    "functions",
    "metadata",
    "modalities",
    "moderation",
    "prediction",
    "best_of",
    "echo",
    "frequency_penalty",
    "include",
    "logit_bias",
    "logprobs",
    "max_tool_calls",
    "n",
    "namespace",
    "output_schema",
    "phase",
    "presence_penalty",
    "prompt_cache_breakpoint",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "reasoning",
    "reasoning_details",
    "response_format",
    "safety_identifier",
    "store",
    "stream_options",
    "suffix",
    "text",
    "tool_choice",
    "top_k",
    "top_logprobs",
    "truncation",
    "verbosity",
    "web_search_options",
    // Anthropic
    "allowed_callers",
    "cache_control",
    "caller",
    "citations",
    "container",
    "context",
    "context_management",
    "defer_loading",
    "eager_input_streaming",
    "inference_geo",
    "input_examples",
    "mcp_servers",
    "output_config",
    "speed",
    "thinking",
    // Cohere
    "citation_options",
    "documents",
    "priority",
    "safety_mode",
    // Ollama
    "keep_alive",
    "options",
    "shift",
    "truncate",
    // Google
    "behavior",
    "cachedContent",
    "fileData",
    "functionCall",
    "functionResponse",
    "generationConfig",
    "inlineData",
    "labels",
    "mediaResolution",
    "modelArmorConfig",
    "partMetadata",
    "response",
    "responseJsonSchema",
    "safetySettings",
    "systemInstruction",
    "toolConfig",
    "videoMetadata",
];

/// Ways to ask a server that speaks OpenAI's format to think, and the members of each that
/// [`crate::Request::reasoning`] tells. They stay where they are for servers of which nothing more is known.
const REASONING: &[(&str, &[&str])] = &[
    ("reasoning", &["effort", "max_tokens", "enabled"]),
    ("thinking", &["type", "budget_tokens"]),
    ("enable_thinking", &[]),
    ("thinking_budget", &[]),
];

/// Notes each as dropped, but for those that say nothing, see [`note_one`].
pub(crate) fn note_dropped(extra: &Map<String, Value>, ledger: &mut Ledger) {
    for (name, value) in extra {
        note_one(name, value, ledger);
    }
}

/// Adds what only the client's format knows to what is written in that format; for another, notes that it is lost.
pub(super) fn join(
    target: &mut Map<String, Value>,
    extra: &Map<String, Value>,
    is_same_format: bool,
    ledger: &mut Ledger,
) {
    if is_same_format {
        add_missing(target, extra);
    } else {
        note_dropped(extra, ledger);
    }
}

/// Notes a member as dropped, unless it says nothing or the neutral request says it already.
pub(super) fn note_one(name: &str, value: &Value, ledger: &mut Ledger) {
    if says_nothing(name, value) || is_told(name, value) || google_says_nothing(name, value) {
        return;
    }
    let field = KNOWN.iter().copied().find(|known| *known == name).unwrap_or("other");
    ledger.note(Field::Extra(field), Fate::Dropped);
}

/// Null, an empty list or object, and what has no meaning outside its format.
fn says_nothing(name: &str, value: &Value) -> bool {
    match (name, value) {
        (_, Value::Null) => true,
        (_, Value::Array(items)) if items.is_empty() => true,
        (_, Value::Object(members)) if members.is_empty() => true,
        // OpenAI's sources of an earlier answer, which the model never saw, and names of what it may have stored.
        ("annotations" | "id", _) => true,
        // Nobody else keeps an answer.
        ("store", Value::Bool(false)) => true,
        // State of reasoning travels without being asked for.
        ("include", Value::Array(items)) => items.iter().all(|item| item == "reasoning.encrypted_content"),
        // Other formats show what a model thought without being asked.
        ("reasoning", Value::Object(members)) => {
            members.keys().all(|name| matches!(name.as_str(), "summary" | "generate_summary"))
        }
        _ => false,
    }
}

/// The neutral request has it.
fn is_told(name: &str, value: &Value) -> bool {
    match name {
        "thought_signature" => true,
        "extra_content" => is_signature_alone(value),
        // Anthropic: the model itself called.
        "caller" => value.get("type").is_some_and(|kind| kind == "direct"),
        _ => beside_reasoning(name, value).is_some_and(|rest| rest.is_empty()),
    }
}

/// Google's signature of a message or call, which the neutral message has.
fn is_signature_alone(extra_content: &Value) -> bool {
    let is_sole = |value: Option<&Value>, known: &[&str]| {
        value
            .and_then(Value::as_object)
            .is_some_and(|members| members.keys().all(|name| known.contains(&name.as_str())))
    };
    is_sole(Some(extra_content), &["google"])
        && is_sole(extra_content.get("google"), &["thought_signature", "thought"])
}

/// What such a member says beside [`crate::Request::reasoning`]; `None` for any other member.
pub(super) fn beside_reasoning(name: &str, value: &Value) -> Option<Map<String, Value>> {
    let (_, told) = REASONING.iter().find(|(known, _)| *known == name)?;
    let members = value.as_object().into_iter().flatten();
    let rest = members.filter(|(member, _)| !told.contains(&member.as_str()));
    Some(rest.map(|(member, value)| (member.clone(), value.clone())).collect())
}

/// Answers in text are what every format gives; thoughts are shown where they are asked for.
fn google_says_nothing(name: &str, value: &Value) -> bool {
    match (name, value) {
        ("generationConfig" | "thinkingConfig", Value::Object(members)) => {
            members.iter().all(|(name, value)| google_says_nothing(name, value))
        }
        ("responseModalities", Value::Array(kinds)) => {
            kinds.iter().all(|kind| kind.as_str().is_some_and(|kind| kind.eq_ignore_ascii_case("text")))
        }
        ("includeThoughts", _) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Format;

    #[test]
    fn what_says_nothing_is_not_noted() {
        let extra = json!({
            "a": null, "b": [], "c": {}, "annotations": [1], "id": "x", "store": false,
            "include": ["reasoning.encrypted_content"], "reasoning": {"summary": "auto"},
        });
        let mut ledger = Ledger::new(Format::Responses);
        note_dropped(extra.as_object().unwrap(), &mut ledger);
        assert!(ledger.is_empty(), "{ledger}");
        let extra = json!({
            "store": true, "include": ["code_interpreter_call.outputs"], "reasoning": {"context": "all_turns"}, "new": 1,
        });
        note_dropped(extra.as_object().unwrap(), &mut ledger);
        assert_eq!(ledger.to_string(), "store=dropped, include=dropped, reasoning=dropped, other=dropped");
    }
}
