//! Token counts in Anthropic's words: the classes stand beside each other.

use serde_json::{Map, Value};

use crate::message::Usage;

pub(super) fn read(usage: &Value) -> Usage {
    let count = |name: &str| usage.get(name).and_then(Value::as_u64);
    Usage {
        input: count("input_tokens"),
        cache_read: count("cache_read_input_tokens"),
        cache_write: count("cache_creation_input_tokens"),
        cache_write_1h: usage
            .get("cache_creation")
            .and_then(|it| it.get("ephemeral_1h_input_tokens"))
            .and_then(Value::as_u64),
        output: count("output_tokens"),
        reasoning: usage
            .get("output_tokens_details")
            .and_then(|it| it.get("thinking_tokens"))
            .and_then(Value::as_u64),
    }
}

/// The format has no way to say that a count is unknown: it is 0 here, and the proxy's meter knows better.
pub(super) fn write(usage: &Usage) -> Value {
    let mut out = Map::new();
    out.insert("input_tokens".into(), usage.input.unwrap_or(0).into());
    if let Some(written) = usage.cache_write {
        out.insert("cache_creation_input_tokens".into(), written.into());
    }
    if let Some(read) = usage.cache_read {
        out.insert("cache_read_input_tokens".into(), read.into());
    }
    out.insert("output_tokens".into(), usage.output.unwrap_or(0).into());
    if let Some(reasoning) = usage.reasoning {
        out.insert("output_tokens_details".into(), serde_json::json!({"thinking_tokens": reasoning}));
    }
    out.into()
}
