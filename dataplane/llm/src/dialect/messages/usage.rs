//! Token counts in Anthropic's words: the classes stand beside each other.

use serde_json::{Map, Value, json};

use crate::message::Usage;

pub(super) fn read(usage: &Value) -> Usage {
    let count = |name: &str| usage.get(name).and_then(Value::as_u64);
    let of_life =
        |name: &str| usage.get("cache_creation").and_then(|it| it.get(name)).and_then(Value::as_u64);
    let (short, long) = (of_life("ephemeral_5m_input_tokens"), of_life("ephemeral_1h_input_tokens"));
    let by_life = short.or(long).map(|_| short.unwrap_or(0).saturating_add(long.unwrap_or(0)));
    let details = usage.get("output_tokens_details");
    Usage {
        input: count("input_tokens"),
        cache_read: count("cache_read_input_tokens"),
        cache_write: count("cache_creation_input_tokens").or(by_life),
        cache_write_1h: long,
        output: count("output_tokens"),
        reasoning: details.and_then(|it| it.get("thinking_tokens")).and_then(Value::as_u64),
        billed: None,
    }
}

/// The format has no way to say that a count is unknown: it is 0 here, and the proxy's meter knows better.
pub(super) fn write(usage: &Usage, tier: Option<&str>) -> Value {
    let Usage { input, cache_read, cache_write, cache_write_1h, output, reasoning, billed: _ } = usage;
    let mut out = Map::new();
    out.insert("input_tokens".into(), input.unwrap_or(0).into());
    if let Some(written) = cache_write {
        out.insert("cache_creation_input_tokens".into(), (*written).into());
    }
    if let Some(read) = cache_read {
        out.insert("cache_read_input_tokens".into(), (*read).into());
    }
    if let Some(long) = cache_write_1h {
        let short = cache_write.unwrap_or(*long).saturating_sub(*long);
        let by_life = json!({"ephemeral_5m_input_tokens": short, "ephemeral_1h_input_tokens": long});
        out.insert("cache_creation".into(), by_life);
    }
    out.insert("output_tokens".into(), output.unwrap_or(0).into());
    if let Some(reasoning) = reasoning {
        out.insert("output_tokens_details".into(), json!({"thinking_tokens": reasoning}));
    }
    if let Some(word) = tier.and_then(super::tier::write_answer) {
        out.insert("service_tier".into(), word.into());
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cache_writes_by_their_life() {
        let usage = json!({"input_tokens": 1, "cache_creation_input_tokens": 9, "cache_creation": {"ephemeral_5m_input_tokens": 5, "ephemeral_1h_input_tokens": 4}, "output_tokens": 2});
        let known = read(&usage);
        assert_eq!((known.cache_write, known.cache_write_1h), (Some(9), Some(4)));
        assert_eq!(read(&write(&known, None)), known);
        let sums = json!({"cache_creation": {"ephemeral_1h_input_tokens": 4}});
        assert_eq!(read(&sums).cache_write, Some(4));
    }

    #[test]
    fn tiers_in_anthropics_words() {
        for (tier, word) in [("default", Some("standard")), ("priority", Some("priority")), ("flex", None)] {
            let written = write(&Usage::default(), Some(tier));
            assert_eq!(written.get("service_tier").and_then(Value::as_str), word);
        }
    }
}
