//! A provider's chunks to events.

use serde_json::Value;

use crate::dialect::StreamDecoder;
use crate::dialect::chat::usage;
use crate::dialect::failure::{Report, bounded};
use crate::error::Broken;
use crate::framing::Frame;
use crate::message::Event;

use super::{logprobs, read_finish, response};

/// More answers than OpenAI's greatest `n` and `best_of` give; further ones are nobody's.
const MAX_CHOICES: usize = 128;

/// Chunks of one or several answers.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    is_started: bool,
    is_done: bool,
    /// Which answer the last event belongs to.
    choice: usize,
    /// Whether each answer has ended; its place is the provider's index.
    ended: Vec<bool>,
    unsaid_finish: bool,
}

impl StreamDecoder for Decoder {
    fn push(&mut self, frame: &Frame, out: &mut Vec<Event>) -> Result<(), Broken> {
        let data = frame.data.trim();
        if data.is_empty() || self.is_done {
            return Ok(());
        }
        if data == "[DONE]" {
            self.is_done = true;
            let is_open = !self.ended.is_empty() && !self.ended.contains(&true);
            return if is_open && !self.unsaid_finish { Err(Broken::Cut) } else { Ok(()) };
        }
        let is_error = frame.event.as_deref() == Some("error");
        let report = match serde_json::from_str::<Value>(data) {
            Ok(chunk) if is_error => Report::read(&chunk).unwrap_or_default(),
            Ok(chunk) => {
                self.chunk(&chunk, out);
                return Ok(());
            }
            Err(_) if is_error => Report { message: bounded(data, 300), ..Report::default() },
            Err(_) => {
                return Err(Broken::Malformed(format!("a chunk is not JSON: {}", bounded(data, 200))));
            }
        };
        self.is_done = true;
        out.push(Event::Error(report.in_band()));
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.is_done
    }

    fn finish(&mut self, _out: &mut Vec<Event>) -> Result<(), Broken> {
        let has_ended = !self.ended.is_empty() && self.ended.iter().all(|ended| *ended);
        if has_ended || self.is_done { Ok(()) } else { Err(Broken::Cut) }
    }
}

impl Decoder {
    /// `unsaid_finish`: this server may end a whole answer without saying why.
    pub fn new(unsaid_finish: bool) -> Self {
        Self { unsaid_finish, ..Self::default() }
    }

    fn chunk(&mut self, chunk: &Value, out: &mut Vec<Event>) {
        if let Some(error) = response::error_in(chunk) {
            self.is_done = true;
            return out.push(Event::Error(error));
        }
        let text = |name: &str| chunk.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let choices = chunk.get("choices").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        if !self.is_started && (text("id").is_some() || text("model").is_some() || !choices.is_empty()) {
            self.is_started = true;
            out.push(Event::Start {
                id: text("id").map(str::to_owned),
                model: text("model").map(str::to_owned),
                created: chunk.get("created").and_then(Value::as_u64).filter(|&seconds| seconds > 0),
            });
        }
        choices.iter().for_each(|choice| self.choice(choice, out));
        if let Some(usage) = usage::find(chunk, None) {
            out.push(Event::Usage(usage));
        }
    }

    fn choice(&mut self, choice: &Value, out: &mut Vec<Event>) {
        let index = choice.get("index").and_then(Value::as_u64).unwrap_or(0);
        let Some(index) = usize::try_from(index).ok().filter(|index| *index < MAX_CHOICES) else { return };
        if self.ended.len() <= index {
            self.ended.resize(index + 1, false);
        }
        let text = |name: &str| choice.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let mut events = Vec::new();
        if let Some(piece) = text("text") {
            events.push(Event::Text(piece.to_owned()));
        }
        events.extend(choice.get("logprobs").and_then(logprobs::read).map(Event::Logprobs));
        if let (Some(word), Some(ended)) = (text("finish_reason"), self.ended.get_mut(index))
            && !std::mem::replace(ended, true)
        {
            events.push(Event::Finish(read_finish(word)));
        }
        if !events.is_empty() && self.choice != index {
            self.choice = index;
            out.push(Event::Choice(index));
        }
        out.append(&mut events);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_without_a_reason_is_a_cut_but_from_servers_that_give_none() {
        let frame = |data: &str| Frame { event: None, data: data.to_owned(), raw: Default::default() };
        for (unsaid, reason, want) in
            [(false, "null", Err(Broken::Cut)), (true, "null", Ok(())), (false, "\"stop\"", Ok(()))]
        {
            let (mut decoder, mut out) = (Decoder::new(unsaid), Vec::new());
            let chunk = format!(r#"{{"choices":[{{"index":0,"text":"hi","finish_reason":{reason}}}]}}"#);
            decoder.push(&frame(&chunk), &mut out).unwrap();
            assert_eq!(decoder.push(&frame("[DONE]"), &mut out), want);
        }
    }
}
