//! Token counts in OpenAI's words, and in those of servers that speak its format.

use serde_json::{Value, json};

use crate::message::{Issuer, Usage};

use super::signatures::google;

/// `None` where the object holds no count.
pub(in crate::dialect) fn read(usage: &Value, issuer: Option<Issuer>) -> Option<Usage> {
    let count = |name: &str| usage.get(name).and_then(Value::as_u64);
    let detail =
        |group: &str, name: &str| usage.get(group).and_then(|it| it.get(name)).and_then(Value::as_u64);
    let first = |names: &[&str]| names.iter().find_map(|name| count(name));
    let sound = sound_beside_prompt(usage);
    let prompt = count("prompt_tokens").map(|prompt| prompt.saturating_add(sound.unwrap_or(0)));
    // DeepSeek; Databricks and gateways before Claude; Moonshot; Mistral.
    const READ: &[&str] =
        &["prompt_cache_hit_tokens", "cache_read_input_tokens", "cached_tokens", "num_cached_tokens"];
    let cache_read = detail("prompt_tokens_details", "cached_tokens").or_else(|| first(READ));
    let cache_write = detail("prompt_tokens_details", "cache_write_tokens")
        .or_else(|| detail("prompt_tokens_details", "cache_creation_tokens"))
        .or_else(|| count("cache_creation_input_tokens"));
    let sum = |read: Option<u64>, write: Option<u64>| read.unwrap_or(0).saturating_add(write.unwrap_or(0));
    let rest = beside(usage).filter(|_| sound.is_none());
    // Some gateways before Claude count a cache beside the prompt.
    let is_beside = rest.is_some_and(|rest| rest == sum(cache_read, cache_write));
    let (cache_read, cache_write) = match prompt.filter(|_| !is_beside) {
        // Some of xAI's models on Azure report more tokens from the cache than the prompt has.
        Some(prompt) => {
            let read = cache_read.map(|read| read.min(prompt));
            let left = prompt.saturating_sub(read.unwrap_or(0));
            (read, cache_write.map(|written| written.min(left)))
        }
        None => (cache_read, cache_write),
    };
    let cached = if is_beside { 0 } else { sum(cache_read, cache_write) };
    let rest = rest.filter(|_| !is_beside);
    let (output, reasoning) = generated(usage, rest, issuer);
    let usage = Usage {
        input: prompt.map(|prompt| prompt.saturating_sub(cached)),
        cache_read,
        cache_write,
        cache_write_1h: None,
        output,
        reasoning,
        billed: None,
    };
    usage.is_known().then_some(usage)
}

/// What an answer's total has beyond its prompt and completion: which of the two it belongs to differs.
fn beside(usage: &Value) -> Option<u64> {
    let count = |name: &str| usage.get(name).and_then(Value::as_u64);
    let told = count("prompt_tokens")?.saturating_add(count("completion_tokens")?);
    count("total_tokens")?.checked_sub(told).filter(|&beside| beside > 0)
}

/// Mistral counts the sound of a prompt in the total and in a detail, but not in the prompt.
fn sound_beside_prompt(usage: &Value) -> Option<u64> {
    let audio = usage.get("prompt_tokens_details")?.get("audio_tokens")?.as_u64();
    beside(usage).filter(|beside| Some(*beside) == audio)
}

/// All generated tokens, and those of reasoning among them. `rest` is what the total has more, and nothing explains.
fn generated(usage: &Value, rest: Option<u64>, issuer: Option<Issuer>) -> (Option<u64>, Option<u64>) {
    let count = |name: &str| usage.get(name).and_then(Value::as_u64);
    let details = usage.get("completion_tokens_details");
    let reasoning = details.and_then(|it| it.get("reasoning_tokens")).and_then(Value::as_u64);
    let reasoning = reasoning.or_else(|| count("reasoning_tokens"));
    let Some(output) = count("completion_tokens") else { return (None, reasoning) };
    match (reasoning, rest) {
        // xAI counts reasoning beside the completion, which only the total shows. Vercel's gateway leaves Gemini's out of
        // the total too, where only a reasoning greater than the completion shows it.
        (Some(reasoning), rest) if rest == Some(reasoning) || reasoning > output => {
            (Some(output.saturating_add(reasoning)), Some(reasoning))
        }
        // Google counts thoughts in the total alone.
        (None, Some(rest)) => {
            // Of an unknown server it is not known what they were, but they were generated.
            let reasoning = google(issuer).map(|_| rest);
            (Some(output.saturating_add(rest)), reasoning)
        }
        _ => (Some(output), reasoning),
    }
}

/// Where usage stands in an answer or a chunk: Groq puts the one of a stream in a member of its own.
pub(in crate::dialect) fn find(body: &Value, issuer: Option<Issuer>) -> Option<Usage> {
    let own = body.get("usage").and_then(|usage| read(usage, issuer));
    own.or_else(|| body.get("x_groq")?.get("usage").and_then(|usage| read(usage, issuer)))
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
                json!({"usage": {"prompt_tokens": 20, "completion_tokens": 1, "cache_read_input_tokens": 5, "cache_creation_input_tokens": 7}}),
                usage(8, Some(5), Some(7), 1),
            ),
            (
                json!({"usage": {"prompt_tokens": 20, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 90, "cache_creation_tokens": 5}}}),
                usage(0, Some(20), Some(0), 1),
            ),
            (
                json!({"usage": {"prompt_tokens": 468, "completion_tokens": 82, "total_tokens": 870, "completion_tokens_details": {"reasoning_tokens": 320}}}),
                Usage { reasoning: Some(320), ..usage(468, None, None, 402) },
            ),
        ] {
            assert_eq!(find(&body, None), Some(want), "{body}");
        }
        assert_eq!(find(&json!({"usage": {}}), None), None);
        assert_eq!(find(&json!({"usage": "many"}), None), None);
    }

    #[test]
    fn thoughts_that_only_the_total_counts() {
        let body = json!({"prompt_tokens": 35, "completion_tokens": 12, "total_tokens": 109});
        assert_eq!(read(&body, None), Some(usage(35, None, None, 74)));
        let want = Usage { reasoning: Some(62), ..usage(35, None, None, 74) };
        assert_eq!(read(&body, Some(Issuer::Gemini)), Some(want));
    }

    #[test]
    fn reasoning_greater_than_the_completion_stands_beside_it() {
        let details = json!({"reasoning_tokens": 96});
        let body = json!({"prompt_tokens": 61, "completion_tokens": 10, "total_tokens": 71, "completion_tokens_details": details});
        let want = Usage { reasoning: Some(96), ..usage(61, None, None, 106) };
        assert_eq!(read(&body, None), Some(want));
    }

    #[test]
    fn sound_that_the_prompt_leaves_out() {
        let body = json!({"prompt_tokens": 9, "completion_tokens": 24, "total_tokens": 408, "prompt_tokens_details": {"audio_tokens": 375}});
        assert_eq!(read(&body, None), Some(usage(384, None, None, 24)));
        // As OpenAI counts it.
        let body = json!({"prompt_tokens": 384, "completion_tokens": 24, "total_tokens": 408, "prompt_tokens_details": {"audio_tokens": 375}});
        assert_eq!(read(&body, None), Some(usage(384, None, None, 24)));
    }

    #[test]
    fn a_cache_beside_the_prompt_is_not_generated() {
        let body = json!({"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 18, "cache_read_input_tokens": 7});
        assert_eq!(read(&body, None), Some(usage(9, Some(7), None, 2)));
        // A cache that is greater than the prompt.
        let body = json!({"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 4011, "cache_read_input_tokens": 4000});
        assert_eq!(read(&body, None), Some(usage(9, Some(4000), None, 2)));
        let body = json!({"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 31, "cache_read_input_tokens": 15, "cache_creation_input_tokens": 5});
        assert_eq!(read(&body, None), Some(usage(9, Some(15), Some(5), 2)));
    }

    #[test]
    fn written_usage_reads_back() {
        let usage = Usage { reasoning: Some(1), ..usage(5, Some(7), Some(2), 3) };
        let written = write(&usage);
        assert_eq!(written["prompt_tokens"], 14);
        assert_eq!(written["total_tokens"], 17);
        assert_eq!(read(&written, None), Some(usage));
        assert_eq!(write(&Usage { output: Some(1), ..Usage::default() })["prompt_tokens"], Value::Null);
    }
}
