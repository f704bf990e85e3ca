//! Fields without a neutral meaning on their way to another format.
//!
//! The ledger's names are bounded by code, so that a client cannot fill a metric with labels: a field that is not
//! in these lists is noted as `other`.

use serde_json::{Map, Value};

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
    "truncation",
    // OpenAI
    "audio",
    "frequency_penalty",
    "function_call",
    "functions",
    "logit_bias",
    "logprobs",
    "metadata",
    "modalities",
    "moderation",
    "n",
    "prediction",
    "presence_penalty",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "reasoning_details",
    "response_format",
    "safety_identifier",
    "seed",
    "service_tier",
    "store",
    "stream_options",
    "tool_choice",
    "top_logprobs",
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
];

/// Notes each as dropped, but for those that say nothing: null, an empty list or object, OpenAI's `annotations` of
/// an earlier answer, which the model never saw.
pub(crate) fn note_dropped(extra: &Map<String, Value>, ledger: &mut Ledger) {
    for (name, value) in extra {
        let says_nothing = match value {
            Value::Null => true,
            Value::Array(items) => items.is_empty(),
            Value::Object(members) => members.is_empty(),
            _ => false,
        };
        if says_nothing || name == "annotations" {
            continue;
        }
        let field = KNOWN.iter().copied().find(|known| known == name).unwrap_or("other");
        ledger.note(Field::Extra(field), Fate::Dropped);
    }
}
