//! Token counts in Google's words.
//!
//! The prompt includes what came from a cache; the candidates exclude the thoughts; what provider-run tools read
//! stands beside the prompt and is billed like it. A count of 0 is left out. Source: the discovery document,
//! `UsageMetadata`.

use serde_json::{Map, Value};

use crate::message::Usage;

/// `None` where the object holds no count, as in all but the last chunk of Vertex.
pub(super) fn read(usage: &Value) -> Option<Usage> {
    let count = |name: &str| usage.get(name).and_then(Value::as_u64);
    let (prompt, total) = (count("promptTokenCount"), count("totalTokenCount"));
    let read_by_tools = count("toolUsePromptTokenCount");
    let cache_read = count("cachedContentTokenCount").map(|read| prompt.map_or(read, |it| read.min(it)));
    let input = prompt.map(|prompt| {
        prompt.saturating_sub(cache_read.unwrap_or(0)).saturating_add(read_by_tools.unwrap_or(0))
    });
    let (answer, reasoning) = (count("candidatesTokenCount"), count("thoughtsTokenCount"));
    let output = match (answer, reasoning) {
        (None, None) => {
            let known = prompt?.saturating_add(read_by_tools.unwrap_or(0));
            total.map(|total| total.saturating_sub(known))
        }
        (answer, reasoning) => Some(answer.unwrap_or(0).saturating_add(reasoning.unwrap_or(0))),
    };
    let usage =
        Usage { input, cache_read, cache_write: None, cache_write_1h: None, output, reasoning, billed: None };
    usage.is_known().then_some(usage)
}

pub(super) fn write(usage: &Usage, tier: Option<&str>) -> Value {
    let mut out = Map::new();
    let mut put = |name: &str, count: Option<u64>| {
        if let Some(count) = count {
            out.insert(name.to_owned(), count.into());
        }
    };
    let (prompt, output, reasoning) = (usage.prompt(), usage.output, usage.reasoning);
    put("promptTokenCount", prompt);
    put("cachedContentTokenCount", usage.cache_read);
    put("candidatesTokenCount", output.map(|output| output.saturating_sub(reasoning.unwrap_or(0))));
    put("thoughtsTokenCount", reasoning);
    put("totalTokenCount", prompt.zip(output).map(|(prompt, output)| prompt.saturating_add(output)));
    if let Some(tier) = tier.map(write_tier) {
        out.insert("serviceTier".into(), tier.into());
    }
    out.into()
}

/// The tier in OpenAI's word. Vertex tells it as the kind of its traffic.
pub(super) fn read_tier(usage: &Value) -> Option<String> {
    let word = |name: &str| usage.get(name).and_then(Value::as_str);
    let tier = match (word("serviceTier"), word("trafficType")) {
        (Some(tier), _) => read_tier_word(tier)?,
        (None, Some("ON_DEMAND_PRIORITY")) => "priority".to_owned(),
        (None, Some("ON_DEMAND_FLEX")) => "flex".to_owned(),
        (None, _) => return None,
    };
    Some(tier)
}

/// `None` where the word says nothing.
pub(super) fn read_tier_word(word: &str) -> Option<String> {
    let word = word.to_ascii_lowercase();
    match word.strip_prefix("service_tier_").unwrap_or(&word) {
        "unspecified" | "" => None,
        "standard" => Some("default".into()),
        other => Some(other.to_owned()),
    }
}

pub(super) fn write_tier(tier: &str) -> &str {
    if tier == "default" { "standard" } else { tier }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn classes_do_not_overlap() {
        let usage = |input, cache_read, output, reasoning| {
            Some(Usage { input: Some(input), cache_read, output, reasoning, ..Usage::default() })
        };
        for (body, want) in [
            (
                json!({"promptTokenCount": 9613, "cachedContentTokenCount": 9602, "candidatesTokenCount": 33, "thoughtsTokenCount": 39, "totalTokenCount": 9685}),
                usage(11, Some(9602), Some(72), Some(39)),
            ),
            (
                json!({"promptTokenCount": 25, "toolUsePromptTokenCount": 1130, "candidatesTokenCount": 49, "thoughtsTokenCount": 38, "totalTokenCount": 1242}),
                usage(1155, None, Some(87), Some(38)),
            ),
            // Nothing but thoughts before the limit.
            (
                json!({"promptTokenCount": 5, "thoughtsTokenCount": 60, "totalTokenCount": 65}),
                usage(5, None, Some(60), Some(60)),
            ),
            (json!({"promptTokenCount": 5, "totalTokenCount": 5}), usage(5, None, Some(0), None)),
            (json!({"promptTokenCount": 5}), usage(5, None, None, None)),
            (json!({"trafficType": "ON_DEMAND"}), None),
            (json!("many"), None),
        ] {
            assert_eq!(read(&body), want, "{body}");
        }
    }

    #[test]
    fn written_usage_reads_back() {
        let usage = Usage {
            input: Some(5),
            cache_read: Some(7),
            output: Some(9),
            reasoning: Some(4),
            ..Usage::default()
        };
        let written = write(&usage, Some("default"));
        assert_eq!(read(&written), Some(usage));
        assert_eq!(read_tier(&written).as_deref(), Some("default"));
        assert_eq!(written["totalTokenCount"], 21);
        assert_eq!(write(&Usage::default(), None), json!({}));
    }
}
