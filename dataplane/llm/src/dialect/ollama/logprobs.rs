//! Log probabilities: OpenAI's entries but for members that OpenAI's always have.

use serde_json::{Map, Value, json};

/// OpenAI's `choices[].logprobs` of an answer's or a line's list.
pub(super) fn read(items: &Value) -> Option<Value> {
    let content: Vec<Value> = items.as_array()?.iter().filter_map(entry).collect();
    (!content.is_empty()).then(|| json!({"content": content}))
}

fn entry(item: &Value) -> Option<Value> {
    let mut out = alternative(item)?;
    let top = item.get("top_logprobs").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let top: Vec<Value> = top.iter().filter_map(|it| Some(alternative(it)?.into())).collect();
    out.insert("top_logprobs".into(), top.into());
    Some(out.into())
}

fn alternative(item: &Value) -> Option<Map<String, Value>> {
    let (token, logprob) = (item.get("token")?.as_str()?, item.get("logprob")?.as_f64()?);
    let bytes = item.get("bytes").filter(|bytes| bytes.is_array()).cloned();
    let bytes = bytes.unwrap_or_else(|| json!(token.as_bytes()));
    let mut out = Map::new();
    out.insert("token".into(), token.into());
    out.insert("logprob".into(), logprob.into());
    out.insert("bytes".into(), bytes);
    Some(out)
}

/// The entries of OpenAI's `choices[].logprobs`, which are Ollama's too.
pub(super) fn write(logprobs: &Value) -> Option<Value> {
    logprobs.get("content").filter(|content| content.as_array().is_some_and(|list| !list.is_empty())).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_whole() {
        let items = json!([
            {"token": "é", "logprob": -0.5, "top_logprobs": [{"token": "e", "logprob": -1.0, "bytes": [101]}]},
            {"token": "broken"},
        ]);
        let want = json!({"content": [{"token": "é", "logprob": -0.5, "bytes": [195, 169], "top_logprobs": [
            {"token": "e", "logprob": -1.0, "bytes": [101]},
        ]}]});
        assert_eq!(read(&items), Some(want.clone()));
        assert_eq!(read(&write(&want).unwrap()), Some(want));
        assert_eq!(read(&json!([])), None);
        assert_eq!(write(&json!({"content": []})), None);
    }
}
