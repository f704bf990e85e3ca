//! Probabilities of tokens: four lists here, a list of objects in the neutral answer (the chat format's).

use serde_json::{Map, Value, json};

/// `None` where there are none.
pub(super) fn read(logprobs: &Value) -> Option<Value> {
    let list =
        |name: &str| logprobs.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let (values, tops) = (list("token_logprobs"), list("top_logprobs"));
    let tokens = list("tokens");
    if tokens.is_empty() {
        return None;
    }
    let content: Vec<Value> = tokens
        .iter()
        .enumerate()
        .map(|(i, token)| {
            let top = tops.get(i).and_then(Value::as_object).into_iter().flatten();
            let top: Vec<Value> =
                top.map(|(token, value)| json!({"token": token, "logprob": value, "bytes": null})).collect();
            // The first token of an echoed prompt has no probability.
            let value = values.get(i).unwrap_or(&Value::Null);
            json!({"token": token, "logprob": value, "bytes": null, "top_logprobs": top})
        })
        .collect();
    Some(json!({"content": content, "refusal": null}))
}

/// `offset` is how many characters of the text stand before the first of these tokens.
pub(super) fn write(logprobs: &Value, mut offset: u64) -> Value {
    let Some(content) = logprobs.get("content").and_then(Value::as_array).filter(|it| !it.is_empty()) else {
        return Value::Null;
    };
    let (mut tokens, mut values, mut tops, mut offsets) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for entry in content {
        let token = entry.get("token").and_then(Value::as_str).unwrap_or_default();
        tokens.push(Value::from(token));
        values.push(entry.get("logprob").cloned().unwrap_or_default());
        let top = entry.get("top_logprobs").and_then(Value::as_array).into_iter().flatten();
        let top =
            top.filter_map(|it| Some((it.get("token")?.as_str()?.to_owned(), it.get("logprob")?.clone())));
        tops.push(Value::Object(top.collect::<Map<_, _>>()));
        offsets.push(Value::from(offset));
        offset = offset.saturating_add(token.chars().count().try_into().unwrap_or(u64::MAX));
    }
    json!({"tokens": tokens, "token_logprobs": values, "top_logprobs": tops, "text_offset": offsets})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_shapes_say_the_same() {
        let lists = json!({
            "tokens": ["H\u{e9}", "y"],
            "token_logprobs": [null, -0.5],
            "top_logprobs": [{}, {"y": -0.5, "z": -2.0}],
            "text_offset": [3, 5],
        });
        let objects = read(&lists).unwrap();
        assert_eq!(objects["content"][1]["top_logprobs"][1]["token"], "z");
        assert_eq!(write(&objects, 3), lists);
    }

    #[test]
    fn none_is_null() {
        assert_eq!(read(&json!(null)), None);
        assert_eq!(read(&json!({"tokens": []})), None);
        assert_eq!(write(&json!({"content": null}), 0), Value::Null);
    }
}
