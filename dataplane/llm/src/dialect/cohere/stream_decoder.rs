//! A provider's events to neutral ones.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::dialect::StreamDecoder;
use crate::dialect::failure::{Report, bounded};
use crate::dialect::ids::made_call_id;
use crate::error::Broken;
use crate::framing::Frame;
use crate::message::Event;

use super::{citation, logprobs, read_finish, usage};

#[derive(Debug, Default)]
pub(super) struct Decoder {
    id: Option<String>,
    is_started: bool,
    is_finished: bool,
    is_done: bool,
    /// Characters of answer text so far.
    chars: u64,
    /// How many of them stand before each content block, by the provider's index.
    blocks: BTreeMap<u64, u64>,
    /// A call's place in the list is its index towards the client.
    calls: Vec<Call>,
    /// The place of the last call that began with an index of the provider's.
    places: BTreeMap<u64, usize>,
}

#[derive(Debug)]
struct Call {
    has_arguments: bool,
    is_closed: bool,
}

impl StreamDecoder for Decoder {
    fn push(&mut self, frame: &Frame, out: &mut Vec<Event>) -> Result<(), Broken> {
        let data = frame.data.trim();
        if data.is_empty() || self.is_done {
            return Ok(());
        }
        if data == "[DONE]" {
            self.is_done = true;
            return Ok(());
        }
        let Ok(event) = serde_json::from_str::<Value>(data) else {
            return Err(Broken::Malformed(format!("an event is not JSON: {}", bounded(data, 200))));
        };
        let kind = event.get("type").and_then(Value::as_str).or(frame.event.as_deref()).unwrap_or_default();
        let index = event.get("index").and_then(Value::as_u64).unwrap_or(0);
        let message = event.get("delta").and_then(|delta| delta.get("message")).unwrap_or(&Value::Null);
        match kind {
            "message-start" => self.start(&event, out),
            "content-start" => {
                self.blocks.insert(index, self.chars);
                self.content(one(message, "content"), out);
            }
            "content-delta" => {
                self.content(one(message, "content"), out);
                let logprobs = event.get("logprobs").and_then(logprobs::read);
                out.extend(logprobs.map(|it| Event::Logprobs(serde_json::json!({"content": [it]}))));
            }
            "tool-plan-delta" => out.extend(text(message, "tool_plan").map(Event::Reasoning)),
            "tool-call-start" => self.call_start(index, one(message, "tool_calls"), out),
            "tool-call-delta" => self.call_delta(index, one(message, "tool_calls"), out),
            "tool-call-end" => {
                if let Some(&place) = self.places.get(&index) {
                    self.close_call(place, out);
                }
            }
            "citation-start" => self.citation(one(message, "citations"), out),
            "message-end" => self.end(&event, out),
            // `content-end`, `citation-end`, `debug`, and what newer versions bring.
            _ if kind.contains('-') || kind == "debug" => {}
            // No event of Cohere's: the body of an error that came too late for a status.
            _ => self.fail(&event, out),
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.is_done
    }

    fn finish(&mut self, out: &mut Vec<Event>) -> Result<(), Broken> {
        if !self.is_finished && !self.is_done {
            return Err(Broken::Cut);
        }
        self.close_calls(out);
        Ok(())
    }
}

impl Decoder {
    fn start(&mut self, event: &Value, out: &mut Vec<Event>) {
        if self.is_started {
            return;
        }
        self.is_started = true;
        self.id = text(event, "id");
        out.push(Event::Start { id: self.id.clone(), model: None, created: None });
    }

    /// Only an object that says what went wrong is an error.
    fn fail(&mut self, event: &Value, out: &mut Vec<Event>) {
        let is_error =
            event.get("error").is_some_and(|error| !error.is_null()) || text(event, "message").is_some();
        if is_error && let Some(report) = Report::read(event) {
            self.is_done = true;
            out.push(Event::Error(report.in_band()));
        }
    }

    fn content(&mut self, content: &Value, out: &mut Vec<Event>) {
        out.extend(text(content, "thinking").map(Event::Reasoning));
        if let Some(text) = text(content, "text") {
            self.chars = self.chars.saturating_add(text.chars().count() as u64);
            out.push(Event::Text(text));
        }
    }

    fn call_start(&mut self, theirs: u64, call: &Value, out: &mut Vec<Event>) {
        let index = self.calls.len();
        let function = call.get("function").unwrap_or(&Value::Null);
        let answer = self.id.as_deref().unwrap_or_default();
        let id = text(call, "id").unwrap_or_else(|| made_call_id(answer, index));
        self.calls.push(Call { has_arguments: false, is_closed: false });
        self.places.insert(theirs, index);
        let name = text(function, "name").unwrap_or_default();
        out.push(Event::ToolCallStart { index, id, name, signature: None });
        self.arguments(index, function, out);
    }

    fn call_delta(&mut self, theirs: u64, call: &Value, out: &mut Vec<Event>) {
        if let Some(&index) = self.places.get(&theirs) {
            self.arguments(index, call.get("function").unwrap_or(&Value::Null), out);
        }
    }

    fn arguments(&mut self, index: usize, function: &Value, out: &mut Vec<Event>) {
        let Some(call) = self.calls.get_mut(index) else { return };
        if let Some(fragment) = text(function, "arguments") {
            call.has_arguments = true;
            out.push(Event::ToolCallArguments { index, fragment });
        }
    }

    /// A call without a word of arguments has none.
    fn close_call(&mut self, index: usize, out: &mut Vec<Event>) {
        let Some(call) = self.calls.get_mut(index) else { return };
        if !call.has_arguments && !call.is_closed {
            out.push(Event::ToolCallArguments { index, fragment: "{}".into() });
        }
        call.is_closed = true;
    }

    fn close_calls(&mut self, out: &mut Vec<Event>) {
        for index in 0..self.calls.len() {
            self.close_call(index, out);
        }
    }

    fn citation(&mut self, citation: &Value, out: &mut Vec<Event>) {
        if !citation.is_object() {
            return;
        }
        let block = citation.get("content_index").and_then(Value::as_u64);
        // Older streams do not say which block, and have one; the event's own index counts citations.
        let behind = block.and_then(|block| self.blocks.get(&block)).copied().unwrap_or(0);
        out.extend(citation::read(citation, behind).into_iter().map(Event::Citation));
    }

    fn end(&mut self, event: &Value, out: &mut Vec<Event>) {
        let delta = event.get("delta").unwrap_or(&Value::Null);
        if let Some(reported) = delta.get("usage").filter(|usage| usage.is_object()) {
            out.push(Event::Usage(usage::read(reported)));
        }
        let error = text(delta, "error");
        let word = text(delta, "finish_reason").or_else(|| error.as_ref().map(|_| "ERROR".to_owned()));
        let Some(word) = word.filter(|_| !self.is_finished) else { return };
        self.close_calls(out);
        match read_finish(&word, error.as_deref()) {
            Ok(reason) => {
                self.is_finished = true;
                out.push(Event::Finish(reason));
            }
            Err(error) => {
                self.is_done = true;
                out.push(Event::Error(error));
            }
        }
    }
}

/// A text that says something.
fn text(of: &Value, name: &str) -> Option<String> {
    of.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// Members that are lists in an answer hold one item in an event; some servers write a list of one.
fn one<'a>(message: &'a Value, name: &str) -> &'a Value {
    match message.get(name) {
        Some(Value::Array(list)) => list.first().unwrap_or(&Value::Null),
        Some(value) => value,
        None => &Value::Null,
    }
}
