//! Events to chunks for a client.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::dialect::{Format, Reply, StreamEncoder};
use crate::error::ClientError;
use crate::field::Field;
use crate::ledger::{Fate, Ledger};
use crate::message::{Event, FinishReason, ReasoningBlock, Signature, Usage};
use crate::sse;

use super::signatures::{self, Passengers};
use super::{
    MAX_CHOICES, annotations, answer_id, encode_response, error, reasoning, tier, usage, write_finish,
};

/// Chunks of one answer: the role first, then deltas, one finish reason a choice, the usage where asked for, `[DONE]`.
#[derive(Debug)]
pub(super) struct Encoder {
    reply: Reply,
    id: String,
    model: String,
    created: u64,
    tier: Option<String>,
    /// The choice that events belong to, and its number.
    now: ChoiceState,
    at: usize,
    /// The others that began.
    others: BTreeMap<usize, ChoiceState>,
    usage: Usage,
    ledger: Ledger,
}

#[derive(Debug, Default)]
struct ChoiceState {
    is_started: bool,
    /// Text of the reasoning block that is open: its carrier repeats it whole, with the signature.
    thought: String,
    details: usize,
    images: usize,
    passengers: Passengers,
    /// Written in one chunk: the official SDKs join lists of deltas by an `index` that annotations do not have.
    annotations: Vec<Value>,
    /// They wait for the text that they belong to.
    logprobs: Option<Value>,
    finish: Option<FinishReason>,
}

#[derive(Serialize)]
struct Chunk<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: &'a [Choice<'a>],
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'a str>,
    /// Null in every chunk but the last, as OpenAI does it, where the client asked for usage.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Value>,
}

#[derive(Serialize)]
struct Choice<'a> {
    index: usize,
    delta: Delta<'a>,
    logprobs: Option<Value>,
    finish_reason: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Delta<'a> {
    Role { role: &'static str, content: &'static str, refusal: Option<()> },
    Content { content: &'a str },
    Refusal { refusal: &'a str },
    Reasoning { reasoning_content: &'a str },
    Details { reasoning_details: Vec<Value> },
    Call { tool_calls: [Call<'a>; 1] },
    Annotations { annotations: Vec<Value> },
    Images { images: [Value; 1] },
    Own(&'a Value),
    Nothing {},
}

#[derive(Serialize)]
struct Call<'a> {
    index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<&'static str>,
    function: Function<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    extra_content: Option<Value>,
}

#[derive(Serialize)]
struct Function<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    arguments: &'a str,
}

impl Encoder {
    pub fn new(reply: Reply) -> Self {
        Self {
            id: answer_id(None, &reply),
            model: reply.model.clone(),
            created: reply.created,
            reply,
            tier: None,
            now: ChoiceState::default(),
            at: 0,
            others: BTreeMap::new(),
            usage: Usage::default(),
            ledger: Ledger::new(Format::Chat),
        }
    }

    fn go_to(&mut self, choice: usize) {
        let left = std::mem::take(&mut self.now);
        self.others.insert(self.at, left);
        self.at = choice;
        self.now = self.others.remove(&choice).unwrap_or_default();
    }

    fn start(&mut self, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.now.is_started, true) {
            self.write(Delta::Role { role: "assistant", content: "", refusal: None }, None, None, out);
        }
    }

    fn delta(&mut self, delta: Delta<'_>, out: &mut Vec<u8>) {
        self.start(out);
        let says = matches!(delta, Delta::Content { .. } | Delta::Refusal { .. });
        let logprobs = if says { self.now.logprobs.take() } else { None };
        self.write(delta, logprobs, None, out);
    }

    fn write(
        &self,
        delta: Delta<'_>,
        logprobs: Option<Value>,
        finish_reason: Option<&str>,
        out: &mut Vec<u8>,
    ) {
        let choice = Choice { index: self.at, delta, logprobs, finish_reason };
        self.write_chunk(&[choice], self.reply.include_usage.then_some(Value::Null), out);
    }

    fn write_chunk(&self, choices: &[Choice<'_>], usage: Option<Value>, out: &mut Vec<u8>) {
        let (id, model, created) = (&self.id, &self.model, self.created);
        let service_tier = self.tier.as_deref();
        let chunk =
            Chunk { id, object: "chat.completion.chunk", created, model, choices, service_tier, usage };
        sse::write_json(out, None, &chunk);
    }

    /// A block that must come back in the next turn, whole.
    fn detail(&mut self, block: &ReasoningBlock, out: &mut Vec<u8>) {
        self.now.passengers.add(block);
        let details = reasoning::write_details(block, self.now.details);
        self.now.details += details.len();
        if !details.is_empty() {
            self.delta(Delta::Details { reasoning_details: details }, out);
        }
    }

    fn call_start(
        &mut self,
        index: usize,
        id: &str,
        name: &str,
        signature: Option<&Signature>,
        out: &mut Vec<u8>,
    ) {
        let id = self.now.passengers.mount(id, signature);
        let function = Function { name: Some(name), arguments: "" };
        let extra_content = signature.map(signatures::carried_extra_content);
        let call = Call { index, id: Some(&id), r#type: Some("function"), function, extra_content };
        self.delta(Delta::Call { tool_calls: [call] }, out);
    }

    /// Pieces that find no text to stand beside are joined.
    fn logprobs(&mut self, piece: &Value) {
        let Value::Object(piece) = piece else { return };
        let held = self.now.logprobs.get_or_insert_with(|| Map::new().into());
        let Value::Object(held) = held else { return };
        for (name, value) in piece {
            match (held.get_mut(name), value) {
                (Some(Value::Array(list)), Value::Array(more)) => list.extend(more.iter().cloned()),
                (Some(_), Value::Null) => {}
                _ => drop(held.insert(name.clone(), value.clone())),
            }
        }
    }

    /// What the choice still owes its reader.
    fn end_choice(&mut self, out: &mut Vec<u8>) {
        self.start(out);
        let annotations = std::mem::take(&mut self.now.annotations);
        if !annotations.is_empty() {
            self.delta(Delta::Annotations { annotations }, out);
        }
        if let Some(logprobs) = self.now.logprobs.take() {
            self.write(Delta::Nothing {}, Some(logprobs), None, out);
        }
        // Without a reason from the provider there is none to tell.
        if let Some(reason) = self.now.finish.take() {
            self.write(Delta::Nothing {}, None, Some(write_finish(&reason)), out);
        }
    }
}

impl StreamEncoder for Encoder {
    fn push(&mut self, event: &Event, out: &mut Vec<u8>) {
        match event {
            Event::Start { id, model, created } => {
                self.id = answer_id(id.as_deref(), &self.reply);
                if let Some(model) = model {
                    self.model.clone_from(model);
                }
                self.created = created.unwrap_or(self.created);
                self.start(out);
            }
            Event::Text(text) => self.delta(Delta::Content { content: text }, out),
            Event::Refusal(text) => self.delta(Delta::Refusal { refusal: text }, out),
            Event::Reasoning(text) => {
                self.now.thought.push_str(text);
                self.delta(Delta::Reasoning { reasoning_content: text }, out);
            }
            Event::ReasoningSignature(signature) => {
                let text = std::mem::take(&mut self.now.thought);
                let block = ReasoningBlock::Thinking { text, signature: Some(signature.clone()) };
                self.detail(&block, out);
            }
            Event::ReasoningRedacted(data) => {
                self.detail(&ReasoningBlock::Redacted { data: data.clone() }, out);
            }
            Event::ToolCallStart { index, id, name, signature } => {
                self.call_start(*index, id, name, signature.as_ref(), out);
            }
            Event::ToolCallArguments { index, fragment } => {
                let function = Function { name: None, arguments: fragment };
                let call = Call { index: *index, id: None, r#type: None, function, extra_content: None };
                self.delta(Delta::Call { tool_calls: [call] }, out);
            }
            Event::Citation(citation) => match annotations::write(citation) {
                Some(annotation) => self.now.annotations.push(annotation),
                None => self.ledger.note(Field::AnswerCitations, Fate::Dropped),
            },
            Event::Image(image) => match encode_response::write_image(image, self.now.images) {
                Some(image) => {
                    self.now.images += 1;
                    self.delta(Delta::Images { images: [image] }, out);
                }
                None => self.ledger.note(Field::AnswerPart, Fate::Dropped),
            },
            Event::Opaque { format: Format::Chat, value } => self.delta(Delta::Own(value), out),
            Event::Opaque { .. } | Event::Audio(_) => self.ledger.note(Field::AnswerPart, Fate::Dropped),
            Event::Choice(choice) => self.go_to((*choice).min(MAX_CHOICES)),
            Event::Logprobs(piece) => self.logprobs(piece),
            Event::ServiceTier(word) => self.tier = tier::read(word).map(str::to_owned),
            Event::Usage(usage) => self.usage.merge(usage),
            Event::Finish(reason) => self.now.finish = Some(reason.clone()),
            // Who drives the stream turns it into `error`.
            Event::Error(_) => {}
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        let now = std::mem::take(&mut self.now);
        self.others.insert(self.at, now);
        for (choice, state) in std::mem::take(&mut self.others) {
            self.at = choice;
            self.now = state;
            self.end_choice(out);
        }
        if self.reply.include_usage && self.usage.is_known() {
            self.write_chunk(&[], Some(usage::write(&self.usage)), out);
        }
        sse::write_event(out, None, "[DONE]");
    }

    fn error(&mut self, error: &ClientError, out: &mut Vec<u8>) {
        sse::write_json(out, None, &error::write(error));
    }

    fn ledger(&self) -> &Ledger {
        &self.ledger
    }
}
