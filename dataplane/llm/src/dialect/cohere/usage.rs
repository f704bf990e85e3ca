//! Token counts in Cohere's words.

use serde_json::{Value, json};

use crate::message::{Billed, Usage};

/// `tokens` is what the model read and wrote, and what its context window holds; `billed_units` leave out the template
/// around the conversation, and can be a thirtieth of it. The first is what others report too, so it is what we tell; the
/// second is what is paid for, so it is kept beside; a server that has only the second is believed. In recorded answers, tokens of images stand beside `input_tokens`, `cached_tokens` are a part of
/// them, and `reasoning_tokens` are a part of `output_tokens`.
pub(super) fn read(usage: &Value) -> Usage {
    let group = |name: &str| usage.get(name).filter(|group| group.is_object());
    let Some(tokens) = group("tokens").or_else(|| group("billed_units")) else { return Usage::default() };
    let of_tokens = |name: &str| tokens.get(name).and_then(count);
    let cached = usage.get("cached_tokens").and_then(count);
    // What is billed counts images in already.
    let images = group("tokens").and(of_tokens("image_tokens")).unwrap_or(0);
    let prompt = of_tokens("input_tokens").map(|input| input.saturating_add(images));
    let cache_read = cached.map(|cached| prompt.map_or(cached, |prompt| cached.min(prompt)));
    let billed = group("tokens").and(group("billed_units")).and_then(|units| {
        let of_units = |name: &str| units.get(name).and_then(count);
        Some(Billed { input: of_units("input_tokens")?, output: of_units("output_tokens")? })
    });
    Usage {
        billed,
        input: prompt.map(|prompt| prompt.saturating_sub(cache_read.unwrap_or(0))),
        cache_read,
        output: of_tokens("output_tokens"),
        reasoning: of_tokens("reasoning_tokens"),
        ..Usage::default()
    }
}

/// The SDK types counts as floats, so a server may write `7.0`.
fn count(value: &Value) -> Option<u64> {
    let whole = |number: f64| (0.0..=1e15).contains(&number).then_some(number as u64);
    value.as_u64().or_else(|| value.as_f64().and_then(whole))
}

pub(super) fn write(usage: &Usage) -> Value {
    let mut tokens = json!({});
    let mut out = json!({});
    if let (Some(Billed { input, output }), Value::Object(out)) = (usage.billed, &mut out) {
        out.insert("billed_units".into(), json!({"input_tokens": input, "output_tokens": output}));
    }
    let set = |target: &mut Value, name: &str, count: Option<u64>| {
        if let (Some(count), Value::Object(target)) = (count, target) {
            target.insert(name.to_owned(), count.into());
        }
    };
    set(&mut tokens, "input_tokens", usage.prompt());
    set(&mut tokens, "output_tokens", usage.output);
    set(&mut tokens, "reasoning_tokens", usage.reasoning);
    if let Value::Object(out) = &mut out {
        out.insert("tokens".into(), tokens);
    }
    set(&mut out, "cached_tokens", usage.cache_read);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn billed(input: u64, output: u64, usage: Usage) -> Usage {
        Usage { billed: Some(Billed { input, output }), ..usage }
    }

    fn usage(input: u64, cache_read: Option<u64>, output: u64, reasoning: Option<u64>) -> Usage {
        Usage { input: Some(input), cache_read, output: Some(output), reasoning, ..Usage::default() }
    }

    #[test]
    fn tokens_count_and_what_is_billed_stands_beside() {
        for (body, want) in [
            (
                json!({"billed_units": {"input_tokens": 7, "output_tokens": 8}, "tokens": {"input_tokens": 70, "output_tokens": 9}}),
                billed(7, 8, usage(70, None, 9, None)),
            ),
            (
                json!({"billed_units": {"input_tokens": 7, "output_tokens": 8}, "tokens": {"input_tokens": 70.0, "output_tokens": 90, "reasoning_tokens": 80}, "cached_tokens": 64}),
                billed(7, 8, usage(6, Some(64), 90, Some(80))),
            ),
            (
                json!({"billed_units": {"input_tokens": 250, "output_tokens": 8}, "tokens": {"input_tokens": 30, "image_tokens": 240, "output_tokens": 9}, "cached_tokens": 0}),
                billed(250, 8, usage(270, Some(0), 9, None)),
            ),
            // More from the cache than there was.
            (
                json!({"tokens": {"input_tokens": 70, "output_tokens": 9}, "cached_tokens": 80}),
                usage(0, Some(70), 9, None),
            ),
            (json!({"billed_units": {"input_tokens": 7, "output_tokens": 8}}), usage(7, None, 8, None)),
            (
                json!({"billed_units": {"search_units": 1}, "tokens": {"input_tokens": 7, "output_tokens": 8}}),
                usage(7, None, 8, None),
            ),
            (json!({"tokens": {"input_tokens": -1, "output_tokens": "many"}}), Usage::default()),
            (json!({"billed_units": null, "tokens": null}), Usage::default()),
        ] {
            assert_eq!(read(&body), want, "{body}");
        }
    }

    #[test]
    fn written_usage_reads_back() {
        let usage = usage(6, Some(64), 90, Some(80));
        let billed = billed(7, 8, usage);
        assert_eq!((read(&write(&usage)), read(&write(&billed))), (usage, billed));
        assert_eq!(write(&Usage::default()), json!({"tokens": {}}));
    }
}
