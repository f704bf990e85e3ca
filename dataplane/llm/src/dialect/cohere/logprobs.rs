//! Log probabilities: Cohere tells them by piece of text, OpenAI by token.

use serde_json::{Value, json};

/// An entry of OpenAI's `logprobs.content`. A piece may be several tokens, whose texts nobody tells: its probability is
/// their product.
pub(super) fn read(item: &Value) -> Option<Value> {
    let logprobs: Vec<f64> = item.get("logprobs")?.as_array()?.iter().filter_map(Value::as_f64).collect();
    if logprobs.is_empty() {
        return None;
    }
    let token = item.get("text").and_then(Value::as_str).unwrap_or_default();
    let sum: f64 = logprobs.iter().sum();
    Some(json!({"token": token, "logprob": sum, "bytes": token.as_bytes(), "top_logprobs": []}))
}

/// OpenAI's `choices[].logprobs` of an answer's list.
pub(super) fn read_all(items: &Value) -> Option<Value> {
    let content: Vec<Value> = items.as_array()?.iter().filter_map(read).collect();
    (!content.is_empty()).then(|| json!({"content": content}))
}

/// The entries of OpenAI's `choices[].logprobs` in Cohere's words; ids of tokens are not known.
pub(super) fn write(logprobs: &Value) -> Vec<Value> {
    let entries = logprobs.get("content").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let item = |entry: &Value| {
        let (token, logprob) = (entry.get("token")?.as_str()?, entry.get("logprob")?.as_f64()?);
        Some(json!({"text": token, "token_ids": [], "logprobs": [logprob]}))
    };
    entries.iter().filter_map(item).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_become_tokens() {
        let items = json!([
            {"text": "hé", "token_ids": [1, 2], "logprobs": [-0.5, -0.25]},
            {"text": "y", "token_ids": [3], "logprobs": [-1.0]},
            {"text": "unknown", "token_ids": [4]},
        ]);
        let want = json!({"content": [
            {"token": "hé", "logprob": -0.75, "bytes": [104, 195, 169], "top_logprobs": []},
            {"token": "y", "logprob": -1.0, "bytes": [121], "top_logprobs": []},
        ]});
        assert_eq!(read_all(&items), Some(want.clone()));
        assert_eq!(read_all(&write(&want).into()), Some(want));
        assert_eq!(read_all(&json!([])), None);
    }
}
