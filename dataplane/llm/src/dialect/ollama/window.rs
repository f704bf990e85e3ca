//! How large a context window a request needs.
//!
//! Ollama loads a model with a window of `num_ctx` tokens for prompt and answer together, and cuts a prompt that is
//! longer, from the front, without a word. The default depends on the machine (4,096 below 24 GiB of graphics memory:
//! <https://docs.ollama.com/context-length>), and neither request nor answer tells it. So a prompt that may not fit the
//! smallest default asks for a window that holds it.

use serde_json::Value;

/// The smallest default.
const DEFAULT: u64 = 4096;
/// Room for an answer whose length the client did not limit.
const ANSWER: u64 = 1024;
/// A model's template adds words around each message.
const MESSAGE: u64 = 8;
/// Models with vision read an image as 256 to some thousand tokens.
const IMAGE: u64 = 1024;

/// Tokens of a prompt, from above: three bytes of UTF-8 a token. English text has four to five, source code and other
/// alphabets about three. `messages` and `tools` are as they are sent.
pub(super) fn estimate(messages: &[Value], tools: Option<&Value>) -> u64 {
    let of_message = |message: &Value| {
        let text = |name: &str| message.get(name).and_then(Value::as_str).map_or(0, str::len);
        let calls = message.get("tool_calls").map_or(0, |calls| calls.to_string().len());
        let images = message.get("images").and_then(Value::as_array).map_or(0, Vec::len);
        let bytes = text("content") + text("thinking") + text("tool_name") + calls;
        tokens(bytes) + MESSAGE + IMAGE * images as u64
    };
    let tools = tools.map_or(0, |tools| tokens(tools.to_string().len()));
    messages.iter().map(of_message).fold(tools, u64::saturating_add)
}

fn tokens(bytes: usize) -> u64 {
    (bytes as u64).div_ceil(3)
}

/// The window to ask for; `None` where any default does. `most` is the model's own, where that is known.
///
/// A model is loaded anew when the window changes, which takes seconds: windows are powers of two, so that they change
/// seldom. Ollama itself limits a window to what the model was made for.
pub(super) fn choose(prompt: u64, max_tokens: Option<u64>, most: Option<u64>) -> Option<u64> {
    let needed = prompt.saturating_add(max_tokens.unwrap_or(ANSWER));
    let most = most.unwrap_or(u64::MAX);
    if needed <= DEFAULT || most <= DEFAULT {
        return None;
    }
    Some(needed.checked_next_power_of_two().unwrap_or(u64::MAX).min(most).min(i64::MAX as u64))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn windows() {
        for (prompt, max_tokens, most, window) in [
            (100, None, None, None),
            (3072, None, None, None),
            (3073, None, None, Some(8192)),
            (100, Some(4000), Some(131_072), Some(8192)),
            (100, Some(3996), Some(131_072), None),
            (20_000, Some(1000), Some(131_072), Some(32_768)),
            (40_000, None, Some(40_960), Some(40_960)),
            (500_000, None, Some(131_072), Some(131_072)),
            (10_000, None, Some(2048), None),
            (u64::MAX, Some(u64::MAX), None, Some(i64::MAX as u64)),
        ] {
            assert_eq!(choose(prompt, max_tokens, most), window, "{prompt} {max_tokens:?} {most:?}");
        }
    }

    #[test]
    fn estimates_are_from_above() {
        assert_eq!(estimate(&[], None), 0);
        let message = json!({"role": "user", "content": "x".repeat(300), "images": ["AAAA"]});
        assert_eq!(estimate(&[message], None), 100 + MESSAGE + IMAGE);
        let call = json!({"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "f", "arguments": {}}}]});
        assert!(estimate(&[call], Some(&json!([{"type": "function"}]))) > 20);
        // 48 words of English are about 62 tokens.
        let words = "the quick brown fox jumps over the lazy dog and then rests ".repeat(4);
        assert!(estimate(&[json!({"content": words})], None) > 62);
    }
}
