//! A provider's events to neutral ones.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::dialect::StreamDecoder;
use crate::dialect::failure::bounded;
use crate::error::Broken;
use crate::framing::Frame;
use crate::message::{Event, Issuer, Part, PartBody, ReasoningBlock, ToolCall};

use super::read_output::{Reader, count_chars, failure, finish, list, read_call};
use super::{annotations, response, state, usage};

/// Events of one answer. Items come in pieces and then whole: what was told in pieces is not told again.
#[derive(Debug)]
pub(super) struct Decoder {
    reader: Reader,
    /// Items by their place in the output.
    items: HashMap<u64, Item>,
    /// The place that the last event named.
    last: u64,
    is_started: bool,
    is_finished: bool,
    is_done: bool,
}

/// What was told of an item.
#[derive(Debug, Default)]
struct Item {
    /// Its whole form has come.
    is_closed: bool,
    /// Something of its text or arguments.
    has_spoken: bool,
    /// Our index of the call that it is.
    call: Option<usize>,
    /// Arguments that came before the call's name.
    held: String,
    annotations: usize,
    has_logprobs: bool,
    /// Characters of the answer before each part of the content.
    bases: HashMap<u64, u64>,
    /// Which of its texts a reasoning item tells, and the part of it that came last.
    thought: Option<(Thought, u64)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Thought {
    Summary,
    Text,
}

impl Decoder {
    pub fn new(issuer: Option<Issuer>) -> Self {
        Self {
            reader: Reader::new(issuer),
            items: HashMap::new(),
            last: 0,
            is_started: false,
            is_finished: false,
            is_done: false,
        }
    }

    fn event(&mut self, event: &Value, name: &str, out: &mut Vec<Event>) {
        let text = |name: &str| event.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let answer = event.get("response").filter(|answer| answer.is_object());
        if let Some(answer) = answer.filter(|_| !self.is_started) {
            self.start(answer, out);
        }
        if let Some(at) = event.get("output_index").and_then(Value::as_u64) {
            self.last = at;
        }
        let item = event.get("item").filter(|item| item.is_object());
        match name {
            "response.output_item.added" => {
                if let Some(item) = item.filter(|item| kind_of(item) == "function_call") {
                    self.call_start(item, out);
                } else {
                    self.items.entry(self.last).or_default();
                }
            }
            "response.output_text.delta" => {
                if let Some(piece) = text("delta") {
                    self.text(event, piece, out);
                }
            }
            "response.refusal.delta" => {
                if let Some(piece) = text("delta") {
                    self.current().has_spoken = true;
                    out.push(Event::Refusal(piece.to_owned()));
                }
            }
            "response.output_text.annotation.added" => {
                if let Some(annotation) = event.get("annotation") {
                    let part = part_of(event);
                    let chars = self.reader.chars;
                    let item = self.current();
                    item.annotations += 1;
                    let base = item.bases.get(&part).copied().unwrap_or(chars);
                    out.push(Event::Citation(annotations::read(annotation, base)));
                }
            }
            "response.reasoning_summary_text.delta" => {
                let part = event.get("summary_index").and_then(Value::as_u64).unwrap_or(0);
                self.think(Thought::Summary, part, text("delta"), out);
            }
            "response.reasoning_text.delta" => {
                self.think(Thought::Text, part_of(event), text("delta"), out);
            }
            "response.function_call_arguments.delta" => {
                if let Some(piece) = text("delta") {
                    self.arguments(piece, out);
                }
            }
            "response.output_item.done" => {
                if let Some(item) = item {
                    self.item_done(self.last, item, out);
                }
            }
            "response.completed" | "response.incomplete" => {
                self.end(name, answer.unwrap_or(&Value::Null), out);
            }
            "response.failed" | "response.cancelled" => {
                self.is_done = true;
                let error = answer.and_then(|it| it.get("error")).unwrap_or(&Value::Null);
                out.push(Event::Error(failure(error)));
            }
            "error" => {
                self.is_done = true;
                out.push(Event::Error(failure(event)));
            }
            // Pieces of items that only this format has: they come whole at their end. Whatever else says nothing.
            _ => {}
        }
    }

    fn start(&mut self, answer: &Value, out: &mut Vec<Event>) {
        self.is_started = true;
        let text = |name: &str| answer.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        out.push(Event::Start {
            id: text("id").map(str::to_owned),
            model: text("model").map(str::to_owned),
            created: response::created(answer),
        });
    }

    fn current(&mut self) -> &mut Item {
        self.items.entry(self.last).or_default()
    }

    fn text(&mut self, event: &Value, piece: &str, out: &mut Vec<Event>) {
        let chars = self.reader.chars;
        let item = self.current();
        item.has_spoken = true;
        item.bases.entry(part_of(event)).or_insert(chars);
        let logprobs: Vec<&Value> = list(event, "logprobs").collect();
        item.has_logprobs |= !logprobs.is_empty();
        self.reader.chars = chars.saturating_add(count_chars(piece));
        out.push(Event::Text(piece.to_owned()));
        if !logprobs.is_empty() {
            out.push(Event::Logprobs(json!({"content": logprobs})));
        }
    }

    /// A reasoning item that shows a summary and its own text tells the one that comes first.
    fn think(&mut self, thought: Thought, part: u64, piece: Option<&str>, out: &mut Vec<Event>) {
        let Some(piece) = piece else { return };
        let item = self.current();
        let (told, last) = *item.thought.get_or_insert((thought, part));
        if told != thought {
            return;
        }
        item.has_spoken = true;
        item.thought = Some((thought, part));
        let separator = if part == last { "" } else { state::SEPARATOR };
        out.push(Event::Reasoning(format!("{separator}{piece}")));
    }

    /// The call can be told as soon as its name is known.
    fn call_start(&mut self, item: &Value, out: &mut Vec<Event>) {
        let ToolCall { id, name, arguments: _, signature } = read_call(item);
        let index = self.reader.calls;
        let call = self.current();
        if call.call.is_some() || name.is_empty() {
            return;
        }
        call.call = Some(index);
        let held = std::mem::take(&mut call.held);
        self.reader.calls += 1;
        out.push(Event::ToolCallStart { index, id, name, signature });
        if !held.is_empty() {
            out.push(Event::ToolCallArguments { index, fragment: held });
        }
    }

    fn arguments(&mut self, piece: &str, out: &mut Vec<Event>) {
        let item = self.current();
        item.has_spoken = true;
        match item.call {
            Some(index) => out.push(Event::ToolCallArguments { index, fragment: piece.to_owned() }),
            None => item.held.push_str(piece),
        }
    }

    /// The whole item: what its pieces did not tell.
    fn item_done(&mut self, at: u64, item: &Value, out: &mut Vec<Event>) {
        self.last = at;
        let told = self.current();
        if std::mem::replace(&mut told.is_closed, true) {
            return;
        }
        let (has_spoken, annotations, has_logprobs) = (told.has_spoken, told.annotations, told.has_logprobs);
        match kind_of(item) {
            "function_call" => {
                self.call_start(item, out);
                let Some(index) = self.current().call else { return };
                if !has_spoken {
                    let arguments = read_call(item).arguments;
                    let fragment = if arguments.is_empty() { "{}".to_owned() } else { arguments };
                    out.push(Event::ToolCallArguments { index, fragment });
                }
            }
            "message" if has_spoken => self.rest_of_message(item, annotations, has_logprobs, out),
            "reasoning" if has_spoken => {
                if let Some(ReasoningBlock::Thinking { signature, .. }) =
                    state::read(item, self.reader.issuer)
                {
                    out.extend(signature.map(Event::ReasoningSignature));
                }
            }
            _ => {
                let parts = self.reader.item(item);
                parts.into_iter().for_each(|part| tell(part, out));
                let logprobs = std::mem::take(&mut self.reader.logprobs);
                if !logprobs.is_empty() {
                    out.push(Event::Logprobs(json!({"content": logprobs})));
                }
            }
        }
    }

    /// Sources and probabilities that some servers tell only here.
    fn rest_of_message(
        &mut self,
        item: &Value,
        annotations: usize,
        has_logprobs: bool,
        out: &mut Vec<Event>,
    ) {
        let chars = self.reader.chars;
        let bases = &self.current().bases;
        let content = (0u64..).zip(list(item, "content"));
        let all = content.flat_map(|(part, piece)| {
            let base = bases.get(&part).copied().unwrap_or(chars);
            list(piece, "annotations").map(move |it| annotations::read(it, base))
        });
        out.extend(all.skip(annotations).map(Event::Citation));
        if !has_logprobs {
            let logprobs: Vec<&Value> =
                list(item, "content").flat_map(|piece| list(piece, "logprobs")).collect();
            if !logprobs.is_empty() {
                out.push(Event::Logprobs(json!({"content": logprobs})));
            }
        }
    }

    fn end(&mut self, name: &str, answer: &Value, out: &mut Vec<Event>) {
        // A server that streams no items sends them here.
        let is_told = self.items.values().any(|item| item.is_closed);
        for (at, item) in (0u64..).zip(list(answer, "output")).filter(|_| !is_told) {
            self.item_done(at, item, out);
        }
        if let Some(usage) = answer.get("usage").and_then(usage::read) {
            out.push(Event::Usage(usage));
        }
        if let Some(tier) = answer.get("service_tier").and_then(Value::as_str) {
            out.push(Event::ServiceTier(tier.to_owned()));
        }
        self.is_done = true;
        if std::mem::replace(&mut self.is_finished, true) {
            return;
        }
        let has_calls = self.reader.calls > 0;
        // The event's name says as much as the status in it.
        let by_name = || finish(&json!({"status": name.trim_start_matches("response.")}), has_calls);
        out.extend(finish(answer, has_calls).or_else(by_name).map(Event::Finish));
    }
}

fn kind_of(item: &Value) -> &str {
    item.get("type").and_then(Value::as_str).unwrap_or_default()
}

fn part_of(event: &Value) -> u64 {
    event.get("content_index").and_then(Value::as_u64).unwrap_or(0)
}

/// A part that came whole.
fn tell(part: Part, out: &mut Vec<Event>) {
    match part.body {
        PartBody::Text(text) => out.push(Event::Text(text)),
        PartBody::Refusal(text) => out.push(Event::Refusal(text)),
        PartBody::Citation(citation) => out.push(Event::Citation(citation)),
        PartBody::Image(media) => out.push(Event::Image(media)),
        PartBody::Opaque { format, value } => out.push(Event::Opaque { format, value }),
        PartBody::Reasoning(ReasoningBlock::Thinking { text, signature }) => {
            if !text.is_empty() {
                out.push(Event::Reasoning(text));
            }
            out.extend(signature.map(Event::ReasoningSignature));
        }
        PartBody::Reasoning(ReasoningBlock::Redacted { data }) => out.push(Event::ReasoningRedacted(data)),
        // A call has pieces; an item is none of the others.
        PartBody::ToolCall(_)
        | PartBody::Audio(_)
        | PartBody::Video(_)
        | PartBody::Document { .. }
        | PartBody::ToolResult { .. } => {}
    }
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
        let event: Value = match serde_json::from_str(data) {
            Ok(event) => event,
            Err(_) if frame.event.as_deref() == Some("error") => json!({"message": bounded(data, 300)}),
            Err(_) => {
                return Err(Broken::Malformed(format!("an event is not JSON: {}", bounded(data, 200))));
            }
        };
        let name = event.get("type").and_then(Value::as_str).or(frame.event.as_deref());
        // A server in front of the provider may answer in another format's words.
        let is_error = event.get("error").is_some_and(Value::is_object);
        let name = if is_error { "error" } else { name.unwrap_or_default() }.to_owned();
        self.event(&event, &name, out);
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.is_done
    }

    fn finish(&mut self, _out: &mut Vec<Event>) -> Result<(), Broken> {
        if self.is_finished || self.is_done { Ok(()) } else { Err(Broken::Cut) }
    }
}
