//! A provider's chunks to events.

use serde_json::Value;

use crate::dialect::failure::{Report, bounded};
use crate::dialect::{StreamDecoder, carrier};
use crate::error::Broken;
use crate::framing::Frame;
use crate::message::{Citation, Event, FinishReason, Issuer, PartBody, Signature};

use super::decode_response::{self, list};
use super::stream_calls::Calls;
use super::{MAX_CHOICES, annotations, read_finish, reasoning, signatures, tier, usage};

/// Chunks of one answer.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    issuer: Option<Issuer>,
    /// The server may end without a finish reason.
    unsaid_finish: bool,
    id: Option<String>,
    /// In the order in which they began, as some servers number from 1.
    choices: Vec<Choice>,
    /// The choice that the events so far belong to.
    at: usize,
    is_started: bool,
    is_done: bool,
    tier: Option<String>,
    /// Perplexity's lists, which stand in every chunk.
    sources: Vec<Citation>,
}

/// One answer of several.
#[derive(Debug, Default)]
struct Choice {
    /// The provider's number for it.
    theirs: u64,
    is_finished: bool,
    calls: Calls,
    entries: reasoning::Entries,
}

impl StreamDecoder for Decoder {
    fn push(&mut self, frame: &Frame, out: &mut Vec<Event>) -> Result<(), Broken> {
        let data = frame.data.trim();
        if data.is_empty() || self.is_done {
            return Ok(());
        }
        if data == "[DONE]" {
            self.is_done = true;
            let is_open = !self.choices.is_empty() && !self.choices.iter().any(|choice| choice.is_finished);
            return if is_open && !self.unsaid_finish { Err(Broken::Cut) } else { Ok(()) };
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
        let is_finished = !self.choices.is_empty() && self.choices.iter().all(|choice| choice.is_finished);
        if !is_finished && !self.is_done {
            return Err(Broken::Cut);
        }
        for place in 0..self.choices.len() {
            self.complete(place, out);
        }
        Ok(())
    }
}

impl Decoder {
    pub fn new(issuer: Option<Issuer>, unsaid_finish: bool) -> Self {
        Self { issuer, unsaid_finish, ..Self::default() }
    }

    fn fail(&mut self, report: Report, out: &mut Vec<Event>) {
        self.is_done = true;
        out.push(Event::Error(report.in_band()));
    }

    fn chunk(&mut self, chunk: &Value, out: &mut Vec<Event>) {
        let text = |name: &str| chunk.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        if let Some(error) = decode_response::error_in(chunk) {
            self.is_done = true;
            return out.push(Event::Error(error));
        }
        let choices = list(chunk, "choices");
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
        if let Some(tier) = text("service_tier").and_then(tier::read)
            && self.tier.as_deref() != Some(tier)
        {
            self.tier = Some(tier.to_owned());
            out.push(Event::ServiceTier(tier.to_owned()));
        }
        if chunk.get("citations").is_some() || chunk.get("search_results").is_some() {
            self.sources = annotations::read_lists(chunk);
        }
        for choice in choices {
            if let Some(place) = self.place_of(choice) {
                self.choice(place, choice, out);
            }
        }
        if let Some(usage) = usage::find(chunk, self.issuer).filter(|_| !self.is_done) {
            out.push(Event::Usage(usage));
        }
    }

    fn place_of(&mut self, choice: &Value) -> Option<usize> {
        let theirs = choice.get("index").and_then(Value::as_u64).unwrap_or(0);
        if let Some(place) = self.choices.iter().position(|known| known.theirs == theirs) {
            return Some(place);
        }
        if self.choices.len() == MAX_CHOICES {
            return None;
        }
        self.choices.push(Choice { theirs, ..Choice::default() });
        Some(self.choices.len() - 1)
    }

    fn choice(&mut self, place: usize, choice: &Value, out: &mut Vec<Event>) {
        if let Some(error) = decode_response::error_in(choice) {
            self.is_done = true;
            return out.push(Event::Error(error));
        }
        self.go_to(place, out);
        // Before the text that it belongs to, so that an encoder can write both in one chunk.
        out.extend(decode_response::logprobs(choice).map(Event::Logprobs));
        if let Some(delta) = choice.get("delta") {
            self.delta(place, delta, out);
        }
        let is_finished = self.choices.get(place).is_none_or(|choice| choice.is_finished);
        let word = choice.get("finish_reason").and_then(Value::as_str).filter(|word| !word.is_empty());
        match word.filter(|_| !is_finished).map(read_finish) {
            None => {}
            Some(Ok(reason)) => self.end(place, reason, out),
            Some(Err(error)) => {
                self.is_done = true;
                out.push(Event::Error(error));
            }
        }
    }

    fn go_to(&mut self, place: usize, out: &mut Vec<Event>) {
        if self.at != place {
            self.at = place;
            out.push(Event::Choice(place));
        }
    }

    fn end(&mut self, place: usize, reason: FinishReason, out: &mut Vec<Event>) {
        self.complete(place, out);
        if let Some(choice) = self.choices.get_mut(place) {
            choice.is_finished = true;
        }
        out.push(Event::Finish(reason));
    }

    /// What was held back of a choice until all of it was known.
    fn complete(&mut self, place: usize, out: &mut Vec<Event>) {
        let mut late = Vec::new();
        if let Some(choice) = self.choices.get_mut(place) {
            choice.calls.complete(&mut late);
            late.extend(choice.entries.take().map(Event::ReasoningRedacted));
        }
        if place == 0 {
            late.extend(std::mem::take(&mut self.sources).into_iter().map(Event::Citation));
        }
        if !late.is_empty() {
            self.go_to(place, out);
            out.append(&mut late);
        }
    }

    fn delta(&mut self, place: usize, delta: &Value, out: &mut Vec<Event>) {
        let Some(choice) = self.choices.get_mut(place) else { return };
        let issuer = self.issuer;
        if let Some(text) = decode_response::reasoning_text(delta) {
            out.push(Event::Reasoning(text));
        }
        for detail in list(delta, "reasoning_details") {
            if issuer == Some(Issuer::OpenRouter) {
                choice.entries.add(detail);
            }
            out.extend(reasoning_detail(detail));
            if issuer == Some(Issuer::Anthropic) {
                out.extend(reasoning::claude_signature(detail).map(Event::ReasoningSignature));
            }
        }
        let calls = list(delta, "tool_calls");
        let function = delta.get("function_call").filter(|call| call.is_object());
        // What comes behind the name is told by the call that it goes on with.
        let function =
            function.filter(|_| decode_response::legacy_call(delta).is_some() || !choice.calls.is_empty());
        let content = delta.get("content");
        let has_text = content.is_some_and(|it| it.as_str().is_some_and(|text| !text.is_empty()));
        // Whatever comes behind the reasoning closes it: what must come back rides on the first call.
        if has_text || !calls.is_empty() || function.is_some() {
            out.extend(choice.entries.take().map(Event::ReasoningRedacted));
        }
        let extra = delta.get("extra_content");
        out.extend(
            extra
                .and_then(|it| signatures::in_extra_content(it, signatures::google(issuer)))
                .map(Event::ReasoningSignature),
        );
        match content {
            Some(Value::String(text)) if !text.is_empty() => out.push(Event::Text(text.clone())),
            Some(Value::Array(pieces)) => {
                out.extend(pieces.iter().filter_map(decode_response::read_piece).map(
                    |(is_reasoning, text)| {
                        if is_reasoning { Event::Reasoning(text) } else { Event::Text(text) }
                    },
                ));
            }
            _ => {}
        }
        if let Some(refusal) = delta.get("refusal").and_then(Value::as_str).filter(|text| !text.is_empty()) {
            out.push(Event::Refusal(refusal.to_owned()));
        }
        out.extend(decode_response::images(delta).map(Event::Image));
        let sources = list(delta, "annotations").iter().map(annotations::read);
        out.extend(sources.map(Event::Citation));
        for call in calls {
            let function = call.get("function").unwrap_or(&Value::Null);
            choice.calls.piece(call, function, self.id.as_deref(), issuer, out);
        }
        if let Some(function) = function {
            let call = serde_json::json!({"index": 0});
            choice.calls.piece(&call, function, self.id.as_deref(), issuer, out);
        }
        out.extend(decode_response::own_members(delta, issuer).filter_map(|part| match part.body {
            PartBody::Opaque { format, value } => Some(Event::Opaque { format, value }),
            _ => None,
        }));
    }
}

/// Our own carrier: the text of a block has come already, piece by piece.
fn reasoning_detail(detail: &Value) -> Option<Event> {
    let signed =
        |name: &str| -> Option<Signature> { carrier::untag(detail.get(name)?.as_str()?, Issuer::Anthropic) };
    match detail.get("type").and_then(Value::as_str) {
        Some("thinking") => signed("signature").map(Event::ReasoningSignature),
        Some("redacted_thinking") => signed("data").map(Event::ReasoningRedacted),
        _ => None,
    }
}
