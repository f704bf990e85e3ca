//! Usage in a stream of OpenAI's older formats that passes as it is: one chunk, the last, without choices, and only
//! where the client asked for it. Some servers write it beside the finish reason, others into every chunk.

use serde_json::{Map, Value};

use crate::framing::Frame;
use crate::sse;

/// The chunk that tells the usage, held back until the end.
#[derive(Debug)]
pub struct UsageChunk {
    is_asked: bool,
    /// The latest one, as it goes out.
    held: Vec<u8>,
}

impl UsageChunk {
    pub fn new(is_asked: bool) -> Self {
        Self { is_asked, held: Vec::new() }
    }

    /// Writes a frame for the client; `has_usage` where its decoder read counts in it. Other frames pass unread.
    pub fn write(&mut self, frame: &Frame, has_usage: bool, out: &mut Vec<u8>) {
        if has_usage && self.take(frame, out) {
            return;
        }
        if frame.data.trim() == "[DONE]" {
            self.finish(out);
        }
        out.extend_from_slice(&frame.raw);
    }

    /// The stream ended.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        out.append(&mut self.held);
    }

    /// False for a frame that passes as it is: a vendor's own member holds the counts.
    fn take(&mut self, frame: &Frame, out: &mut Vec<u8>) -> bool {
        let Ok(mut chunk) = serde_json::from_str::<Map<String, Value>>(&frame.data) else { return false };
        let nothing = Value::Array(Vec::new());
        let is_alone = chunk.get("choices") == Some(&nothing);
        if is_alone && !self.is_asked {
            return true;
        }
        if !chunk.get("usage").is_some_and(Value::is_object) {
            return false;
        }
        if is_alone {
            self.held = frame.raw.to_vec();
            return true;
        }
        let choices = chunk.insert("choices".into(), nothing);
        if self.is_asked {
            self.held.clear();
            sse::write_json(&mut self.held, frame.event.as_deref(), &chunk);
        }
        let Some(choices) = choices.filter(|choices| !choices.is_null()) else { return true };
        chunk.insert("choices".into(), choices);
        match self.is_asked {
            // As OpenAI does it.
            true => drop(chunk.insert("usage".into(), Value::Null)),
            false => drop(chunk.shift_remove("usage")),
        }
        sse::write_json(out, frame.event.as_deref(), &chunk);
        true
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn frame(data: &str) -> Frame {
        Frame { event: None, data: data.into(), raw: format!("data:  {data}\n\n").into() }
    }

    /// What a client gets of these chunks and `[DONE]`; each with whether it holds counts.
    fn pass(is_asked: bool, chunks: &[(Value, bool)]) -> String {
        let mut usage = UsageChunk::new(is_asked);
        let mut out = Vec::new();
        for (chunk, has_usage) in chunks {
            usage.write(&frame(&chunk.to_string()), *has_usage, &mut out);
        }
        usage.write(&frame("[DONE]"), false, &mut out);
        usage.finish(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn usage_beside_choices_goes_last_and_only_where_it_was_asked_for() {
        let chunks = [
            (json!({"id": "x", "choices": [{"delta": {"content": "a"}}]}), false),
            (json!({"id": "x", "choices": [{"finish_reason": "stop"}], "usage": {"prompt_tokens": 1}}), true),
        ];
        let text = r#"data:  {"id":"x","choices":[{"delta":{"content":"a"}}]}"#;
        assert_eq!(
            pass(false, &chunks),
            format!(
                "{text}\n\ndata: {{\"id\":\"x\",\"choices\":[{{\"finish_reason\":\"stop\"}}]}}\n\ndata:  [DONE]\n\n"
            )
        );
        let asked = pass(true, &chunks);
        let lines: Vec<&str> = asked.split("\n\n").collect();
        assert_eq!(
            lines,
            [
                text,
                r#"data: {"id":"x","choices":[{"finish_reason":"stop"}],"usage":null}"#,
                r#"data: {"id":"x","choices":[],"usage":{"prompt_tokens":1}}"#,
                "data:  [DONE]",
                "",
            ]
        );
    }

    #[test]
    fn of_several_the_last_stays() {
        let chunks = [
            (json!({"choices": [{"delta": {}}], "usage": {"completion_tokens": 1}}), true),
            (json!({"choices": [{"delta": {}}], "usage": {"completion_tokens": 2}}), true),
            (json!({"choices": [], "usage": {"completion_tokens": 3}}), true),
        ];
        let asked = pass(true, &chunks);
        assert_eq!(asked.matches("completion_tokens").count(), 1);
        assert!(
            asked.ends_with(
                "data:  {\"choices\":[],\"usage\":{\"completion_tokens\":3}}\n\ndata:  [DONE]\n\n"
            )
        );
        let unasked = pass(false, &chunks);
        assert_eq!((unasked.matches("usage").count(), unasked.matches("delta").count()), (0, 2));
    }

    #[test]
    fn counts_in_a_vendors_member_stay_there() {
        let chunks = [(json!({"choices": [{}], "x_groq": {"usage": {"prompt_tokens": 1}}}), true)];
        assert!(pass(false, &chunks).starts_with("data:  {\"choices\":[{}],\"x_groq\""));
    }
}
