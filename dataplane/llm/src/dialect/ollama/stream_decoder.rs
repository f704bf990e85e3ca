//! A provider's lines to events.

use serde_json::Value;

use crate::dialect::StreamDecoder;
use crate::dialect::failure::bounded;
use crate::error::Broken;
use crate::framing::Frame;
use crate::message::Event;
use crate::time;

use super::response::{calls, has_error, images, read_call};
use super::{error, logprobs, read_finish, usage};

/// Lines of one answer; the last says `done`.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    is_started: bool,
    is_done: bool,
    /// The moment of the first line, which makes ids for the calls.
    began: String,
    /// Tool calls so far: our own counter.
    calls: usize,
}

impl StreamDecoder for Decoder {
    fn push(&mut self, frame: &Frame, out: &mut Vec<Event>) -> Result<(), Broken> {
        let data = frame.data.trim();
        if data.is_empty() || self.is_done {
            return Ok(());
        }
        let line: Value = serde_json::from_str(data)
            .map_err(|_| Broken::Malformed(format!("a line is not JSON: {}", bounded(data, 200))))?;
        if has_error(&line) {
            self.is_done = true;
            out.push(Event::Error(error::read_in_band(&line)));
            return Ok(());
        }
        self.start(&line, out);
        if let Some(message) = line.get("message") {
            self.message(message, out);
        }
        out.extend(line.get("logprobs").and_then(logprobs::read).map(Event::Logprobs));
        if line.get("done") == Some(&Value::Bool(true)) {
            self.is_done = true;
            out.extend(usage::read(&line).map(Event::Usage));
            let word = line.get("done_reason").and_then(Value::as_str).filter(|word| !word.is_empty());
            out.extend(word.map(|word| Event::Finish(read_finish(word, self.calls > 0))));
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.is_done
    }

    fn finish(&mut self, _out: &mut Vec<Event>) -> Result<(), Broken> {
        if self.is_done { Ok(()) } else { Err(Broken::Cut) }
    }
}

impl Decoder {
    fn start(&mut self, line: &Value, out: &mut Vec<Event>) {
        if self.is_started {
            return;
        }
        self.is_started = true;
        let text = |name: &str| line.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        self.began = text("created_at").unwrap_or_default().to_owned();
        out.push(Event::Start {
            id: None,
            model: text("model").map(str::to_owned),
            created: time::parse_rfc3339(&self.began),
        });
    }

    fn message(&mut self, message: &Value, out: &mut Vec<Event>) {
        let text = |name: &str| {
            message.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
        };
        out.extend(text("thinking").map(Event::Reasoning));
        out.extend(text("content").map(Event::Text));
        out.extend(images(message).map(Event::Image));
        // Whole, and without an index that could be trusted.
        for call in calls(message) {
            let index = self.calls;
            self.calls += 1;
            let (id, name, fragment) = read_call(call, &self.began, index);
            out.push(Event::ToolCallStart { index, id, name, signature: None });
            out.push(Event::ToolCallArguments { index, fragment });
        }
    }
}
