//! Token counts in OpenAI's words, and in those of servers that speak its format.

use serde_json::{Value, json};

use crate::message::Usage;

/// `None` where the object holds no count.
pub(in crate::dialect) fn read(usage: &Value) -> Option<Usage> {
    let count = |name: &str| usage.get(name).and_then(Value::as_u64);
    let detail =
        |group: &str, name: &str| usage.get(group).and_then(|it| it.get(name)).and_then(Value::as_u64);
    let prompt = count("prompt_tokens");
    // DeepSeek has its own name for tokens read from the cache.
    let cache_read =
        detail("prompt_tokens_details", "cached_tokens").or_else(|| count("prompt_cache_hit_tokens"));
    // Some of xAI's models on Azure report more tokens from the cache than the prompt has.
    let cache_read = cache_read.map(|read| prompt.map_or(read, |prompt| read.min(prompt)));
    let cache_write = detail("prompt_tokens_details", "cache_write_tokens");
    let reasoning =
        detail("completion_tokens_details", "reasoning_tokens").or_else(|| count("reasoning_tokens"));
    let cached = cache_read.unwrap_or(0).saturating_add(cache_write.unwrap_or(0));
    let output = count("completion_tokens").map(|output| match (prompt, reasoning, count("total_tokens")) {
        // xAI counts reasoning beside the completion: only the total shows it.
        (Some(prompt), Some(reasoning), Some(total))
            if total == prompt.saturating_add(output).saturating_add(reasoning) =>
        {
            output.saturating_add(reasoning)
        }
        _ => output,
    });
    let usage = Usage {
        input: prompt.map(|prompt| prompt.saturating_sub(cached)),
        cache_read,
        cache_write,
        cache_write_1h: None,
        output,
        reasoning,
    };
    usage.is_known().then_some(usage)
}

/// Where usage stands in an answer or a chunk: Groq puts the one of a stream in a member of its own.
pub(in crate::dialect) fn find(body: &Value) -> Option<Usage> {
    let own = body.get("usage").and_then(read);
    own.or_else(|| body.get("x_groq").and_then(|it| it.get("usage")).and_then(read))
}

/// Null where a count is unknown.
pub(in crate::dialect) fn write(usage: &Usage) -> Value {
    let (prompt, output) = (usage.prompt(), usage.output);
    let total = prompt.zip(output).map(|(prompt, output)| prompt.saturating_add(output));
    let mut out = json!({"prompt_tokens": prompt, "completion_tokens": output, "total_tokens": total});
    if usage.cache_read.is_some() || usage.cache_write.is_some() {
        let mut details = json!({"cached_tokens": usage.cache_read.unwrap_or(0)});
        if let Some(written) = usage.cache_write {
            set(&mut details, "cache_write_tokens", written.into());
        }
        set(&mut out, "prompt_tokens_details", details);
    }
    if let Some(reasoning) = usage.reasoning {
        set(&mut out, "completion_tokens_details", json!({"reasoning_tokens": reasoning}));
    }
    out
}

fn set(target: &mut Value, name: &str, value: Value) {
    if let Value::Object(map) = target {
        map.insert(name.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(input: u64, cache_read: Option<u64>, cache_write: Option<u64>, output: u64) -> Usage {
        Usage { input: Some(input), cache_read, cache_write, output: Some(output), ..Usage::default() }
    }

    #[test]
    fn vendors_spellings() {
        for (body, want) in [
            (
                json!({"usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}}),
                usage(9, None, None, 2),
            ),
            (
                json!({"usage": {"prompt_tokens": 4020, "completion_tokens": 4, "prompt_tokens_details": {"cache_write_tokens": 4012, "cached_tokens": 0}}}),
                usage(8, Some(0), Some(4012), 4),
            ),
            (
                json!({"usage": {"prompt_tokens": 10, "completion_tokens": 1, "prompt_tokens_details": null, "prompt_cache_hit_tokens": 6, "prompt_cache_miss_tokens": 4}}),
                usage(4, Some(6), None, 1),
            ),
            (
                json!({"usage": null, "x_groq": {"usage": {"prompt_tokens": 3, "completion_tokens": 1}}}),
                usage(3, None, None, 1),
            ),
            (
                json!({"usage": {"prompt_tokens": 468, "completion_tokens": 82, "total_tokens": 870, "completion_tokens_details": {"reasoning_tokens": 320}}}),
                Usage { reasoning: Some(320), ..usage(468, None, None, 402) },
            ),
        ] {
            assert_eq!(find(&body), Some(want), "{body}");
        }
        assert_eq!(find(&json!({"usage": {}})), None);
        assert_eq!(find(&json!({"usage": "many"})), None);
    }

    #[test]
    fn written_usage_reads_back() {
        let usage = Usage { reasoning: Some(1), ..usage(5, Some(7), Some(2), 3) };
        let written = write(&usage);
        assert_eq!(written["prompt_tokens"], 14);
        assert_eq!(written["total_tokens"], 17);
        assert_eq!(read(&written), Some(usage));
        assert_eq!(write(&Usage { output: Some(1), ..Usage::default() })["prompt_tokens"], Value::Null);
    }
}
