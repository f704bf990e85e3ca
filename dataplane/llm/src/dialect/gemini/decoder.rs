//! A provider's chunks to events. A complete answer is one chunk.

use serde_json::{Map, Value};

use crate::dialect::failure::bounded;
use crate::dialect::{Format, StreamDecoder, ids};
use crate::error::Broken;
use crate::framing::Frame;
use crate::message::{Event, FinishReason, Issuer, Media, ReasoningBlock, Signature, Usage};

use super::citations::Reader;
use super::partial::PartialCall;
use super::{error, logprobs, read_finish, signature, usage};

/// `collect` keeps no more.
const MAX_CHOICES: usize = 128;

#[derive(Debug, Default)]
pub(super) struct Decoder {
    issuer: Option<Issuer>,
    id: Option<String>,
    is_started: bool,
    /// Answers by the provider's index.
    choices: Vec<Choice>,
    /// Whose events were told last.
    at: usize,
    usage: Usage,
    tier: Option<String>,
    /// The prompt was refused, so that there is no answer to come.
    is_blocked: bool,
    /// An error was told: nothing follows.
    is_failed: bool,
}

#[derive(Debug, Default)]
struct Choice {
    /// Not only a gap before one of a higher index.
    is_seen: bool,
    /// Tool calls so far: our own counter.
    calls: usize,
    /// A call whose arguments come in pieces.
    partial: Option<PartialCall>,
    sources: Reader,
    finish: Option<FinishReason>,
}

impl StreamDecoder for Decoder {
    fn push(&mut self, frame: &Frame, out: &mut Vec<Event>) -> Result<(), Broken> {
        let data = frame.data.trim();
        // Not Google's, but harmless from what stands in front of it.
        if data.is_empty() || data == "[DONE]" {
            return Ok(());
        }
        let chunk: Value = serde_json::from_str(data)
            .map_err(|_| Broken::Malformed(format!("a chunk is not JSON: {}", bounded(data, 200))))?;
        self.chunks(&chunk, out);
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.is_failed
    }

    /// Reasons are told here: a chunk behind the one that named the reason may still bring text or usage.
    fn finish(&mut self, out: &mut Vec<Event>) -> Result<(), Broken> {
        if self.is_failed {
            return Ok(());
        }
        let is_whole = |choice: &Choice| !choice.is_seen || choice.finish.is_some();
        if !self.has_answer() || !self.choices.iter().all(is_whole) {
            return Err(Broken::Cut);
        }
        self.end(out);
        Ok(())
    }
}

impl Decoder {
    pub fn new(issuer: Option<Issuer>) -> Self {
        Self { issuer, ..Self::default() }
    }

    /// Was there anything that an answer has?
    pub fn has_answer(&self) -> bool {
        self.is_blocked || self.is_failed || !self.choices.is_empty()
    }

    /// Tells what is left, and how each answer ended.
    pub fn end(&mut self, out: &mut Vec<Event>) {
        if self.is_failed {
            return;
        }
        if self.is_blocked && self.choices.is_empty() {
            return out.push(Event::Finish(FinishReason::ContentFilter));
        }
        let choices = std::mem::take(&mut self.choices).into_iter().enumerate();
        for (index, mut choice) in choices.filter(|(_, choice)| choice.is_seen) {
            self.turn_to(index, out);
            choice.close_partial(out);
            choice.sources.finish(out);
            out.extend(choice.finish.take().map(|reason| match reason {
                // Google has no reason of its own for calls.
                FinishReason::Stop if choice.calls > 0 => Event::Finish(FinishReason::ToolCalls),
                reason => Event::Finish(reason),
            }));
        }
    }

    /// A chunk, or a list of them: that is what a stream is that was not asked for as server-sent events.
    pub fn chunks(&mut self, value: &Value, out: &mut Vec<Event>) {
        match value {
            Value::Array(chunks) => chunks.iter().for_each(|chunk| self.chunk(chunk, out)),
            chunk => self.chunk(chunk, out),
        }
    }

    fn chunk(&mut self, chunk: &Value, out: &mut Vec<Event>) {
        if self.is_failed {
            return;
        }
        if let Some(error) = error::in_band(chunk) {
            self.is_failed = true;
            return out.push(Event::Error(error));
        }
        let text = |name: &str| chunk.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        if !self.is_started && chunk.as_object().is_some_and(|chunk| !chunk.is_empty()) {
            self.is_started = true;
            self.id = text("responseId").map(str::to_owned);
            let model = text("modelVersion").map(str::to_owned);
            out.push(Event::Start { id: self.id.clone(), model, created: None });
        }
        if let Some(feedback) = chunk.get("promptFeedback")
            && feedback.get("blockReason").and_then(Value::as_str).is_some()
        {
            self.is_blocked = true;
        }
        let candidates = chunk.get("candidates").and_then(Value::as_array).map(Vec::as_slice);
        for (place, candidate) in candidates.unwrap_or_default().iter().enumerate() {
            let index =
                candidate.get("index").and_then(Value::as_u64).and_then(|it| usize::try_from(it).ok());
            let index = index.unwrap_or(place);
            if index < MAX_CHOICES && candidate.is_object() {
                self.candidate(index, candidate, chunk, out);
            }
        }
        if self.is_failed {
            return;
        }
        if let Some(reported) = chunk.get("usageMetadata") {
            self.usage(reported, out);
        }
    }

    fn usage(&mut self, reported: &Value, out: &mut Vec<Event>) {
        if let Some(usage) = usage::read(reported) {
            self.usage.merge(&usage);
            out.push(Event::Usage(self.usage));
        }
        if let Some(tier) = usage::read_tier(reported).filter(|tier| self.tier.as_ref() != Some(tier)) {
            self.tier = Some(tier.clone());
            out.push(Event::ServiceTier(tier));
        }
    }

    /// The events behind belong to this answer.
    fn turn_to(&mut self, index: usize, out: &mut Vec<Event>) {
        if self.at != index {
            self.at = index;
            out.push(Event::Choice(index));
        }
    }

    fn candidate(&mut self, index: usize, candidate: &Value, chunk: &Value, out: &mut Vec<Event>) {
        if index >= self.choices.len() {
            self.choices.resize_with(index + 1, Choice::default);
        }
        self.turn_to(index, out);
        let ids = Ids { answer: self.id.as_deref(), choice: index, chunk };
        let issuer = self.issuer;
        let Some(choice) = self.choices.get_mut(index) else { return };
        choice.is_seen = true;
        let parts = candidate.get("content").and_then(|content| content.get("parts"));
        for part in parts.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default() {
            choice.part(part, issuer, &ids, out);
        }
        choice.sources.read(candidate, out);
        out.extend(candidate.get("logprobsResult").and_then(logprobs::read).map(Event::Logprobs));
        let message = candidate.get("finishMessage").and_then(Value::as_str);
        let Some(word) = candidate.get("finishReason").and_then(finish_word) else { return };
        match read_finish(word, message) {
            // A later chunk may only repeat that it stopped.
            Ok(FinishReason::Stop) if choice.finish.is_some() => {}
            Ok(reason) => choice.finish = Some(reason),
            Err(error) => {
                self.is_failed = true;
                out.push(Event::Error(error));
            }
        }
    }
}

/// Some ask for enumerations as numbers. Source: `google.cloud.aiplatform.v1.Candidate.FinishReason`.
fn finish_word(value: &Value) -> Option<&str> {
    const WORDS: &[&str] = &[
        "",
        "STOP",
        "MAX_TOKENS",
        "SAFETY",
        "RECITATION",
        "OTHER",
        "BLOCKLIST",
        "PROHIBITED_CONTENT",
        "SPII",
        "MALFORMED_FUNCTION_CALL",
    ];
    let word = match value {
        Value::String(word) => word,
        Value::Number(number) => {
            WORDS.get(usize::try_from(number.as_u64()?).ok()?).copied().unwrap_or("OTHER")
        }
        _ => return None,
    };
    Some(word).filter(|word| !matches!(*word, "" | "FINISH_REASON_UNSPECIFIED"))
}

/// Makes ids for calls that come without one.
struct Ids<'a> {
    answer: Option<&'a str>,
    choice: usize,
    chunk: &'a Value,
}

impl Ids<'_> {
    /// The answer's own id makes it differ from turn to turn; where there is none, what the chunk says does.
    fn make(&self, index: usize) -> String {
        let mut answer = match self.answer {
            Some(answer) => answer.to_owned(),
            None => format!("{:016x}", hash(&self.chunk.to_string())),
        };
        if self.choice > 0 {
            answer.push_str(&format!("c{}", self.choice));
        }
        ids::made_call_id(&answer, index)
    }
}

/// FNV-1a.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

impl Choice {
    fn part(&mut self, part: &Value, issuer: Option<Issuer>, ids: &Ids<'_>, out: &mut Vec<Event>) {
        let signed = part.get("thoughtSignature").and_then(Value::as_str).filter(|text| !text.is_empty());
        let signed = signed.and_then(|text| signature::from_provider(text, issuer));
        if let Some(call) = part.get("functionCall").and_then(Value::as_object) {
            let signature = match signed {
                Some(ReasoningBlock::Thinking { signature, .. }) => signature,
                Some(ReasoningBlock::Redacted { .. }) | None => None,
            };
            return self.call(call, signature, ids, out);
        }
        let signed = signed.and_then(|block| match block {
            ReasoningBlock::Thinking { signature, .. } => signature.map(Event::ReasoningSignature),
            ReasoningBlock::Redacted { data } => Some(Event::ReasoningRedacted(data)),
        });
        self.close_partial(out);
        if let Some(text) = part.get("text").and_then(Value::as_str) {
            let is_thought = part.get("thought") == Some(&Value::Bool(true));
            match (text.is_empty(), is_thought) {
                (true, _) => {}
                (false, true) => out.push(Event::Reasoning(text.to_owned())),
                (false, false) => {
                    self.sources.text.push(text);
                    out.push(Event::Text(text.to_owned()));
                }
            }
            out.extend(signed);
            return;
        }
        match part.get("inlineData").and_then(media) {
            Some((true, image)) => out.push(Event::Image(image)),
            Some((false, audio)) => out.push(Event::Audio(audio)),
            None if is_bare(part) => {}
            // What Google's own tools did, and what newer versions bring.
            None => {
                let mut value = part.clone();
                signature::stamp(&mut value, issuer);
                return out.push(Event::Opaque { format: Format::Gemini, value });
            }
        }
        out.extend(signed);
    }

    fn call(
        &mut self,
        call: &Map<String, Value>,
        signature: Option<Signature>,
        ids: &Ids<'_>,
        out: &mut Vec<Event>,
    ) {
        let text = |name: &str| call.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let arguments = call.get("args").and_then(Value::as_object);
        let goes_on = call.get("willContinue") == Some(&Value::Bool(true));
        let pieces = call.get("partialArgs").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        if let Some(name) = text("name") {
            self.close_partial(out);
            let index = self.calls;
            self.calls += 1;
            let id = text("id").map_or_else(|| ids.make(index), str::to_owned);
            out.push(Event::ToolCallStart { index, id, name: name.to_owned(), signature });
            self.partial = Some(PartialCall::new(index));
        }
        let Some(partial) = &mut self.partial else { return };
        if let Some(arguments) = arguments {
            partial.merge(arguments);
        }
        pieces.iter().for_each(|piece| partial.push(piece));
        if !goes_on {
            self.close_partial(out);
        }
    }

    fn close_partial(&mut self, out: &mut Vec<Event>) {
        if let Some(call) = self.partial.take() {
            let (index, fragment) = call.into_arguments();
            out.push(Event::ToolCallArguments { index, fragment });
        }
    }
}

/// Bytes that the model made, and whether they are an image.
fn media(blob: &Value) -> Option<(bool, Media)> {
    let text = |name: &str| blob.get(name).and_then(Value::as_str);
    let (media_type, data) = (text("mimeType")?, text("data")?);
    let is_image = media_type.starts_with("image/");
    let media = Media::Base64 { media_type: media_type.to_owned(), data: data.to_owned(), detail: None };
    (is_image || media_type.starts_with("audio/")).then_some((is_image, media))
}

/// Nothing but marks.
fn is_bare(part: &Value) -> bool {
    let is_mark = |name: &str| matches!(name, "thought" | "thoughtSignature");
    part.as_object().is_none_or(|part| part.keys().all(|name| is_mark(name)))
}
