//! Fields without a neutral meaning on their way to another format.
//!
//! The ledger's names are bounded by code, so that a client cannot fill a metric with labels: a field that is not
//! in these lists is noted as `other`.

use serde_json::{Map, Value};

use crate::field::Field;
use crate::ledger::{Fate, Ledger};

/// Members of requests in each format, at any level, that nothing else takes.
const KNOWN: &[&str] = &[
    // OpenAI, and servers that speak its format
    "audio",
    "best_of",
    "chat_template_kwargs",
    "echo",
    "extra_content",
    "function_call",
    "functions",
    "include",
    "max_tool_calls",
    "metadata",
    "modalities",
    "moderation",
    "namespace",
    "output_schema",
    "phase",
    "prediction",
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
pub(super) fn note_dropped(extra: &Map<String, Value>, ledger: &mut Ledger) {
    for (name, value) in extra {
        note_one(name, value, ledger);
    }
}

/// Notes a member as dropped, unless it says nothing: null, an empty list or object, a default, OpenAI's
/// `annotations` of an earlier answer, which the model never saw, and what the neutral request says already.
pub(super) fn note_one(name: &str, value: &Value, ledger: &mut Ledger) {
    let says_nothing = match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        // Nobody else keeps an answer.
        Value::Bool(false) => name == "store",
        _ => false,
    };
    let is_told = match name {
        // `id` names what a provider may have stored.
        "annotations" | "id" | "thought_signature" => true,
        // State of reasoning travels without being asked for.
        "include" => {
            value.as_array().is_some_and(|all| all.iter().all(|it| it == "reasoning.encrypted_content"))
        }
        "extra_content" => is_signature_alone(value),
        // Anthropic: the model itself called.
        "caller" => value.get("type").is_some_and(|kind| kind == "direct"),
        // Other formats show what a model thought without being asked for a summary.
        _ => beside_reasoning(name, value).is_some_and(|rest| {
            rest.keys().all(|name| matches!(name.as_str(), "summary" | "generate_summary"))
        }),
    };
    if says_nothing || is_told {
        return;
    }
    let field = KNOWN.iter().copied().find(|known| *known == name).unwrap_or("other");
    ledger.note(Field::Extra(field), Fate::Dropped);
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
