//! Token counts in the words of this format.

use serde_json::{Value, json};

use crate::message::Usage;

/// `None` where the object holds no count.
pub(super) fn read(usage: &Value) -> Option<Usage> {
    let count = |name: &str| usage.get(name).and_then(Value::as_u64);
    let detail =
        |group: &str, name: &str| usage.get(group).and_then(|it| it.get(name)).and_then(Value::as_u64);
    let prompt = count("input_tokens");
    let cache_read = detail("input_tokens_details", "cached_tokens");
    // More tokens from the cache than the prompt has are no count.
    let cache_read = cache_read.map(|read| prompt.map_or(read, |prompt| read.min(prompt)));
    let cache_write = detail("input_tokens_details", "cache_write_tokens");
    let cached = cache_read.unwrap_or(0).saturating_add(cache_write.unwrap_or(0));
    let usage = Usage {
        input: prompt.map(|prompt| prompt.saturating_sub(cached)),
        cache_read,
        cache_write,
        cache_write_1h: None,
        output: count("output_tokens"),
        reasoning: detail("output_tokens_details", "reasoning_tokens"),
        billed: None,
    };
    usage.is_known().then_some(usage)
}

/// Null where one of the counts is unknown: the official SDKs take no object without both. The details are required
/// too, and 0 stands for those that nobody told.
pub(super) fn write(usage: &Usage) -> Value {
    let (Some(input), Some(output)) = (usage.prompt(), usage.output) else { return Value::Null };
    json!({
        "input_tokens": input,
        "input_tokens_details": {
            "cached_tokens": usage.cache_read.unwrap_or(0),
            "cache_write_tokens": usage.cache_write.unwrap_or(0),
        },
        "output_tokens": output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning.unwrap_or(0)},
        "total_tokens": input.saturating_add(output),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_read_and_write() {
        let body = json!({
            "input_tokens": 4020,
            "input_tokens_details": {"cached_tokens": 8, "cache_write_tokens": 4000},
            "output_tokens": 5,
            "output_tokens_details": {"reasoning_tokens": 3},
            "total_tokens": 4025,
        });
        let usage = read(&body).unwrap();
        assert_eq!((usage.input, usage.cache_read, usage.cache_write), (Some(12), Some(8), Some(4000)));
        assert_eq!((usage.output, usage.reasoning), (Some(5), Some(3)));
        assert_eq!(write(&usage), body);
    }

    #[test]
    fn what_is_unknown_is_not_zero() {
        assert_eq!(read(&json!({})), None);
        assert_eq!(read(&json!(null)), None);
        let usage = read(&json!({"input_tokens": 5, "input_tokens_details": {"cached_tokens": 9}})).unwrap();
        assert_eq!((usage.input, usage.cache_read, usage.output), (Some(0), Some(5), None));
        assert_eq!(write(&usage), Value::Null);
    }
}
