//! Token counts in Bedrock's words: the classes stand beside each other, and there is none for reasoning.

use serde_json::{Map, Value};

use crate::message::Usage;

pub(super) fn read(usage: &Value) -> Usage {
    let count = |name: &str| usage.get(name).and_then(Value::as_u64);
    // The breakdown is of all writes, where there is one.
    let writes = usage.get("cacheDetails").and_then(Value::as_array).filter(|list| !list.is_empty());
    let hour = writes.map(|list| {
        let of_hour = list.iter().filter(|write| write.get("ttl").is_some_and(|life| life == "1h"));
        of_hour.filter_map(|write| write.get("inputTokens")?.as_u64()).fold(0, u64::saturating_add)
    });
    Usage {
        input: count("inputTokens"),
        cache_read: count("cacheReadInputTokens"),
        cache_write: count("cacheWriteInputTokens"),
        cache_write_1h: hour,
        output: count("outputTokens"),
        reasoning: None,
        billed: None,
    }
}

/// The format has no way to say that a count is unknown: it is 0 here, and the proxy's meter knows better.
pub(super) fn write(usage: &Usage) -> Value {
    let Usage { input, cache_read, cache_write, cache_write_1h, output, reasoning: _, billed: _ } = *usage;
    let mut out = Map::new();
    let total = usage.prompt().unwrap_or(0).saturating_add(output.unwrap_or(0));
    out.insert("inputTokens".into(), input.unwrap_or(0).into());
    out.insert("outputTokens".into(), output.unwrap_or(0).into());
    out.insert("totalTokens".into(), total.into());
    if let Some(read) = cache_read {
        out.insert("cacheReadInputTokens".into(), read.into());
    }
    if let Some(written) = cache_write {
        out.insert("cacheWriteInputTokens".into(), written.into());
    }
    if let Some(hour) = cache_write_1h {
        let rest = cache_write.unwrap_or(0).saturating_sub(hour);
        let writes = [("1h", hour), ("5m", rest)].into_iter().filter(|(_, tokens)| *tokens > 0);
        let writes: Vec<Value> =
            writes.map(|(ttl, tokens)| serde_json::json!({"ttl": ttl, "inputTokens": tokens})).collect();
        out.insert("cacheDetails".into(), writes.into());
    }
    out.into()
}
