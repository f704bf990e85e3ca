//! Events to chunks for a client.

use serde::Serialize;
use serde_json::Value;

use crate::dialect::chat::{error, usage};
use crate::dialect::{Format, Reply, StreamEncoder};
use crate::error::ClientError;
use crate::field::Field;
use crate::ledger::{Fate, Ledger};
use crate::message::{Event, FinishReason, Usage};
use crate::sse;

use super::{answer_id, logprobs, write_finish};

/// Chunks of one or several answers, the usage where asked for, `[DONE]`.
#[derive(Debug)]
pub(super) struct Encoder {
    reply: Reply,
    id: String,
    model: String,
    created: u64,
    /// Which answer the events belong to.
    choice: usize,
    answers: Vec<Answer>,
    usage: Usage,
    ledger: Ledger,
}

#[derive(Debug, Default)]
struct Answer {
    finish: Option<FinishReason>,
    /// Characters whose probabilities were told.
    offset: u64,
}

#[derive(Serialize)]
struct Chunk<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: &'a [Choice<'a>],
    /// Null in every chunk but the last, as OpenAI does it, where the client asked for usage.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Value>,
}

#[derive(Serialize)]
struct Choice<'a> {
    text: &'a str,
    index: usize,
    logprobs: Option<Value>,
    finish_reason: Option<&'a str>,
}

impl Encoder {
    pub fn new(reply: Reply) -> Self {
        Self {
            id: answer_id(None, &reply),
            model: reply.model.clone(),
            created: reply.created,
            reply,
            choice: 0,
            answers: Vec::new(),
            usage: Usage::default(),
            ledger: Ledger::new(Format::Completions),
        }
    }

    fn answer(&mut self) -> Option<&mut Answer> {
        if self.answers.len() <= self.choice {
            self.answers.resize_with(self.choice + 1, Answer::default);
        }
        self.answers.get_mut(self.choice)
    }

    fn write(&self, choice: Choice<'_>, out: &mut Vec<u8>) {
        self.write_chunk(&[choice], self.reply.include_usage.then_some(Value::Null), out);
    }

    fn write_chunk(&self, choices: &[Choice<'_>], usage: Option<Value>, out: &mut Vec<u8>) {
        let (id, model, created) = (&self.id, &self.model, self.created);
        let chunk = Chunk { id, object: "text_completion", created, model, choices, usage };
        sse::write_json(out, None, &chunk);
    }

    fn logprobs(&mut self, piece: &Value, out: &mut Vec<u8>) {
        let index = self.choice;
        let Some(answer) = self.answer() else { return };
        let written = logprobs::write(piece, answer.offset);
        let tokens = written.get("tokens").and_then(Value::as_array).into_iter().flatten();
        let chars: usize = tokens.filter_map(Value::as_str).map(|token| token.chars().count()).sum();
        answer.offset = answer.offset.saturating_add(chars.try_into().unwrap_or(u64::MAX));
        if !written.is_null() {
            self.write(Choice { text: "", index, logprobs: Some(written), finish_reason: None }, out);
        }
    }
}

/// [`Event::Choice`] comes from decoders, which bound it; a stranger's is not worth its memory.
const MAX_CHOICES: usize = 128;

impl StreamEncoder for Encoder {
    fn push(&mut self, event: &Event, out: &mut Vec<u8>) {
        match event {
            Event::Start { id, model, created } => {
                self.id = answer_id(id.as_deref(), &self.reply);
                if let Some(model) = model {
                    self.model.clone_from(model);
                }
                self.created = created.unwrap_or(self.created);
            }
            Event::Choice(index) => self.choice = (*index).min(MAX_CHOICES),
            Event::Text(text) | Event::Refusal(text) => {
                let choice = Choice { text, index: self.choice, logprobs: None, finish_reason: None };
                self.write(choice, out);
            }
            Event::Logprobs(piece) => self.logprobs(piece, out),
            Event::Finish(reason) => {
                if let Some(answer) = self.answer() {
                    answer.finish = Some(reason.clone());
                }
            }
            Event::Usage(usage) => self.usage.merge(usage),
            Event::Citation(_) => self.ledger.note(Field::AnswerCitations, Fate::Dropped),
            Event::Reasoning(_)
            | Event::ReasoningSignature(_)
            | Event::ReasoningRedacted(_)
            | Event::ToolCallStart { .. }
            | Event::ToolCallArguments { .. }
            | Event::Image(_)
            | Event::Audio(_)
            | Event::Opaque { .. } => self.ledger.note(Field::AnswerPart, Fate::Dropped),
            // Who drives the stream turns an error into `error`.
            Event::ServiceTier(_) | Event::Error(_) => {}
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        for (index, answer) in std::mem::take(&mut self.answers).into_iter().enumerate() {
            // Without a reason from the provider there is none to tell.
            if let Some(reason) = answer.finish {
                let finish_reason = Some(write_finish(&reason));
                self.write(Choice { text: "", index, logprobs: None, finish_reason }, out);
            }
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
