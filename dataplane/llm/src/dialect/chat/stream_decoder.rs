//! A provider's chunks to events.

use serde_json::Value;

use crate::dialect::failure::{Report, bounded};
use crate::dialect::{StreamDecoder, carrier};
use crate::error::Broken;
use crate::framing::Frame;
use crate::message::{Event, Issuer, PartBody};

use super::{made_call_id, read_finish, response, usage};

/// Chunks of one answer. Of several choices only the first is read: no other format has more than one. It is the one
/// that comes first, as some servers number from 1.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    id: Option<String>,
    /// Index of the choice that is read.
    choice: Option<u64>,
    is_started: bool,
    is_finished: bool,
    is_done: bool,
    calls: Vec<Call>,
}

/// A tool call; its place in the list is its index towards the client.
#[derive(Debug)]
struct Call {
    /// The provider's own index, which may be missing, or the same for all.
    theirs: Option<u64>,
    id: Option<String>,
    /// Its start has been told: that takes a name, which some servers send late.
    is_open: bool,
    /// Arguments that came before the name.
    held: String,
    has_arguments: bool,
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
        let Ok(chunk) = serde_json::from_str::<Value>(data) else {
            if frame.event.as_deref() == Some("error") {
                self.fail(Report { message: bounded(data, 300), ..Report::default() }, out);
                return Ok(());
            }
            return Err(Broken::Malformed(format!("a chunk is not JSON: {}", bounded(data, 200))));
        };
        if frame.event.as_deref() == Some("error") {
            self.fail(Report::read(&chunk).unwrap_or_default(), out);
            return Ok(());
        }
        self.chunk(&chunk, out);
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.is_done
    }

    fn finish(&mut self, out: &mut Vec<Event>) -> Result<(), Broken> {
        if !self.is_finished && !self.is_done {
            return Err(Broken::Cut);
        }
        self.complete_calls(out);
        Ok(())
    }
}

impl Decoder {
    pub fn new(_issuer: Option<Issuer>) -> Self {
        Self::default()
    }

    fn fail(&mut self, report: Report, out: &mut Vec<Event>) {
        self.is_done = true;
        out.push(Event::Error(report.in_band()));
    }

    fn chunk(&mut self, chunk: &Value, out: &mut Vec<Event>) {
        let text = |name: &str| chunk.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        if let Some(error) = response::error_in(chunk) {
            self.is_done = true;
            return out.push(Event::Error(error));
        }
        let choices = chunk.get("choices").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        // Azure begins with a chunk that names nothing.
        if !self.is_started && (text("id").is_some() || text("model").is_some() || !choices.is_empty()) {
            self.is_started = true;
            self.id = text("id").map(str::to_owned);
            out.push(Event::Start {
                id: self.id.clone(),
                model: text("model").map(str::to_owned),
                created: chunk.get("created").and_then(Value::as_u64).filter(|&seconds| seconds > 0),
            });
        }
        for choice in choices {
            let index = choice.get("index").and_then(Value::as_u64).unwrap_or(0);
            if *self.choice.get_or_insert(index) == index {
                self.choice(choice, out);
            }
        }
        if let Some(usage) = usage::find(chunk).filter(|_| !self.is_done) {
            out.push(Event::Usage(usage));
        }
    }

    fn choice(&mut self, choice: &Value, out: &mut Vec<Event>) {
        if let Some(error) = response::error_in(choice) {
            self.is_done = true;
            return out.push(Event::Error(error));
        }
        if let Some(delta) = choice.get("delta") {
            self.delta(delta, out);
        }
        let word = choice.get("finish_reason").and_then(Value::as_str).filter(|word| !word.is_empty());
        match word.filter(|_| !self.is_finished).map(read_finish) {
            None => {}
            Some(Ok(reason)) => {
                self.complete_calls(out);
                self.is_finished = true;
                out.push(Event::Finish(reason));
            }
            Some(Err(error)) => {
                self.is_done = true;
                out.push(Event::Error(error));
            }
        }
    }

    fn delta(&mut self, delta: &Value, out: &mut Vec<Event>) {
        if let Some(text) = response::reasoning_text(delta) {
            out.push(Event::Reasoning(text.to_owned()));
        }
        for detail in list(delta, "reasoning_details") {
            self.reasoning_detail(detail, out);
        }
        match delta.get("content") {
            Some(Value::String(text)) if !text.is_empty() => out.push(Event::Text(text.clone())),
            Some(Value::Array(pieces)) => {
                out.extend(pieces.iter().filter_map(response::read_piece).map(|(is_reasoning, text)| {
                    if is_reasoning { Event::Reasoning(text) } else { Event::Text(text) }
                }));
            }
            _ => {}
        }
        if let Some(refusal) = delta.get("refusal").and_then(Value::as_str).filter(|text| !text.is_empty()) {
            out.push(Event::Refusal(refusal.to_owned()));
        }
        for call in list(delta, "tool_calls") {
            self.tool_call(call, call.get("function").unwrap_or(&Value::Null), out);
        }
        if let Some(function) = delta.get("function_call").filter(|call| call.is_object()) {
            self.tool_call(&serde_json::json!({"index": 0}), function, out);
        }
        out.extend(response::own_members(delta).filter_map(|part| match part.body {
            PartBody::Opaque { format, value } => Some(Event::Opaque { format, value }),
            _ => None,
        }));
    }

    /// Our own carrier: the text of a block has come already, piece by piece.
    fn reasoning_detail(&mut self, detail: &Value, out: &mut Vec<Event>) {
        let signed = |name: &str| carrier::untag(detail.get(name)?.as_str()?, Issuer::Anthropic);
        match detail.get("type").and_then(Value::as_str) {
            Some("thinking") => out.extend(signed("signature").map(Event::ReasoningSignature)),
            Some("redacted_thinking") => out.extend(signed("data").map(Event::ReasoningRedacted)),
            _ => {}
        }
    }

    fn tool_call(&mut self, call: &Value, function: &Value, out: &mut Vec<Event>) {
        let text = |of: &Value, name: &str| {
            of.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let (theirs, id, name) =
            (call.get("index").and_then(Value::as_u64), text(call, "id"), text(function, "name"));
        let index = self.find_call(theirs, id.as_deref(), name.as_deref()).unwrap_or_else(|| {
            self.calls.push(Call { theirs, id, is_open: false, held: String::new(), has_arguments: false });
            self.calls.len() - 1
        });
        let answer = self.id.as_deref();
        let Some(call) = self.calls.get_mut(index) else { return };
        let mut fragment = function.get("arguments").map(response::arguments).unwrap_or_default();
        if let (false, Some(name)) = (call.is_open, name) {
            call.is_open = true;
            let id = call.id.get_or_insert_with(|| made_call_id(answer, index)).clone();
            out.push(Event::ToolCallStart { index, id, name, signature: None });
            fragment.insert_str(0, &std::mem::take(&mut call.held));
        }
        if !call.is_open {
            call.held.push_str(&fragment);
        } else if !fragment.is_empty() {
            call.has_arguments = true;
            out.push(Event::ToolCallArguments { index, fragment });
        }
    }

    /// Which call a piece belongs to. Ids come first: some servers number every call 0.
    fn find_call(&self, theirs: Option<u64>, id: Option<&str>, name: Option<&str>) -> Option<usize> {
        if let Some(id) = id
            && let Some(index) = self.calls.iter().position(|call| call.id.as_deref() == Some(id))
        {
            return Some(index);
        }
        let is_another = |call: &Call| {
            // Another id, or another name without any id or index.
            let other_id = id.is_some() && call.id.is_some();
            other_id || (theirs.is_none() && name.is_some() && call.is_open)
        };
        let same = match theirs {
            Some(theirs) => self.calls.iter().rposition(|call| call.theirs == Some(theirs)),
            None => self.calls.len().checked_sub(1),
        }?;
        self.calls.get(same).filter(|call| !is_another(call)).map(|_| same)
    }

    /// A call without a word of arguments has none.
    fn complete_calls(&mut self, out: &mut Vec<Event>) {
        for (index, call) in self.calls.iter_mut().enumerate().filter(|(_, call)| call.is_open) {
            if !call.has_arguments {
                call.has_arguments = true;
                out.push(Event::ToolCallArguments { index, fragment: "{}".into() });
            }
        }
    }
}

fn list<'a>(of: &'a Value, name: &str) -> &'a [Value] {
    of.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}
