//! Probabilities of tokens: Google's `logprobsResult` and OpenAI's `logprobs`, which the neutral types carry.

use serde_json::{Value, json};

/// In OpenAI's form.
pub(super) fn read(result: &Value) -> Option<Value> {
    let chosen = result.get("chosenCandidates").and_then(Value::as_array)?;
    let tops = result.get("topCandidates").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let content: Vec<Value> = chosen
        .iter()
        .enumerate()
        .map(|(i, candidate)| {
            let top = tops.get(i).and_then(|top| top.get("candidates")).and_then(Value::as_array);
            let top: Vec<Value> = top.map(|list| list.iter().map(token).collect()).unwrap_or_default();
            let mut out = token(candidate);
            if let Value::Object(out) = &mut out {
                out.insert("top_logprobs".into(), top.into());
            }
            out
        })
        .collect();
    Some(json!({"content": content, "refusal": null}))
}

fn token(candidate: &Value) -> Value {
    let text = candidate.get("token").and_then(Value::as_str).unwrap_or_default();
    json!({"token": text, "logprob": candidate.get("logProbability"), "bytes": text.as_bytes()})
}

/// From OpenAI's form; `None` where it is none.
pub(super) fn write(logprobs: &Value) -> Option<Value> {
    let content = logprobs.get("content").and_then(Value::as_array)?;
    let candidate =
        |token: &Value| json!({"token": token.get("token"), "logProbability": token.get("logprob")});
    let tops = content.iter().map(|token| {
        let top = token.get("top_logprobs").and_then(Value::as_array);
        let top: Vec<Value> = top.map(|list| list.iter().map(candidate).collect()).unwrap_or_default();
        json!({"candidates": top})
    });
    let tops: Vec<Value> = tops.collect();
    let chosen: Vec<Value> = content.iter().map(candidate).collect();
    Some(json!({"chosenCandidates": chosen, "topCandidates": tops}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways() {
        let google = json!({
            "chosenCandidates": [{"token": "é", "logProbability": -0.5}, {"token": "!", "logProbability": -1.5}],
            "topCandidates": [{"candidates": [{"token": "é", "logProbability": -0.5}]}, {"candidates": []}],
        });
        let openai = read(&google).unwrap();
        assert_eq!(
            openai["content"][0],
            json!({"token": "é", "logprob": -0.5, "bytes": [195, 169], "top_logprobs": [{"token": "é", "logprob": -0.5, "bytes": [195, 169]}]})
        );
        assert_eq!(write(&openai), Some(google));
        assert_eq!(read(&json!({})), None);
    }
}
