//! Fields without a neutral meaning on their way to another format.
//!
//! The ledger's names are bounded by code, so that a client cannot fill a metric with labels: a field that is not
//! in these lists is noted as `other`.

use serde_json::{Map, Value};

use crate::field::Field;
use crate::ledger::{Fate, Ledger};

/// Members of OpenAI's and Anthropic's requests, at any level, that nothing else takes.
const KNOWN: &[&str] = &[
    // OpenAI
    "audio",
    "best_of",
    "echo",
    "frequency_penalty",
    "function_call",
    "functions",
    "include",
    "logit_bias",
    "logprobs",
    "max_tool_calls",
    "metadata",
    "modalities",
    "moderation",
    "n",
    "namespace",
    "output_schema",
    "phase",
    "prediction",
    "presence_penalty",
    "prompt_cache_breakpoint",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "reasoning",
    "reasoning_details",
    "response_format",
    "safety_identifier",
    "seed",
    "service_tier",
    "store",
    "stream_options",
    "suffix",
    "text",
    "tool_choice",
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
];

/// Notes each as dropped, but for those that say nothing.
pub(super) fn note_dropped(extra: &Map<String, Value>, ledger: &mut Ledger) {
    for (name, value) in extra {
        if says_nothing(name, value) {
            continue;
        }
        let field = KNOWN.iter().copied().find(|known| known == name).unwrap_or("other");
        ledger.note(Field::Extra(field), Fate::Dropped);
    }
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
