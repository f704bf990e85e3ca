//! Events to chunks for a client.

use serde_json::{Map, Value, json};

use crate::dialect::{Format, Reply, StreamEncoder};
use crate::error::ClientError;
use crate::field::Field;
use crate::ledger::{Fate, Ledger};
use crate::message::{Event, FinishReason, ReasoningBlock, ToolCall, Usage};
use crate::sse;

use super::citations::Writer;
use super::{error, logprobs, parts, signature, usage, write_finish};

/// `collect` keeps no more.
const MAX_CHOICES: usize = 128;

/// Chunks of one answer: parts as they come, each call whole, then one chunk with reasons and usage. No end marker.
#[derive(Debug)]
pub(super) struct Encoder {
    reply: Reply,
    id: Option<String>,
    model: Option<String>,
    choices: Vec<Choice>,
    at: usize,
    usage: Usage,
    tier: Option<String>,
    ledger: Ledger,
}

#[derive(Debug, Default)]
struct Choice {
    /// Calls that still get arguments.
    calls: Vec<(usize, ToolCall)>,
    sources: Writer,
    finish: Option<FinishReason>,
    /// The last part was a thought: a signature behind it is the thought's.
    in_thought: bool,
}

impl Encoder {
    pub fn new(reply: Reply) -> Self {
        let choices = vec![Choice::default()];
        let ledger = Ledger::new(Format::Gemini);
        let (usage, tier) = (Usage::default(), None);
        Self { reply, id: None, model: None, choices, at: 0, usage, tier, ledger }
    }

    fn choice(&mut self) -> Option<&mut Choice> {
        self.choices.get_mut(self.at)
    }

    fn chunk(&self, candidates: Value, usage: Option<Value>, out: &mut Vec<u8>) {
        let mut chunk = Map::new();
        chunk.insert("candidates".into(), candidates);
        if let Some(usage) = usage {
            chunk.insert("usageMetadata".into(), usage);
        }
        let model = self.model.as_deref().unwrap_or(&self.reply.model);
        chunk.insert("modelVersion".into(), model.into());
        let id = self.id.as_deref().unwrap_or(&self.reply.request_id);
        chunk.insert("responseId".into(), id.into());
        sse::write_json(out, None, &chunk);
    }

    fn parts(&self, parts: &[Value], out: &mut Vec<u8>) {
        let content = json!({"parts": parts, "role": "model"});
        self.chunk(json!([{"content": content, "index": self.at}]), None, out);
    }

    /// Calls are told whole, together: nothing more is added to them once something else comes.
    fn flush_calls(&mut self, out: &mut Vec<u8>) {
        let calls = self.choice().map(|choice| std::mem::take(&mut choice.calls)).unwrap_or_default();
        if calls.is_empty() {
            return;
        }
        let ledger = &mut self.ledger;
        let written: Vec<Value> = calls.iter().map(|(_, call)| parts::write_call(call, ledger)).collect();
        self.parts(&written, out);
    }

    fn part(&mut self, part: Value, in_thought: bool, out: &mut Vec<u8>) {
        self.flush_calls(out);
        if let Some(choice) = self.choice() {
            choice.in_thought = in_thought;
        }
        self.parts(&[part], out);
    }

    fn text(&mut self, text: &str, out: &mut Vec<u8>) {
        if let Some(choice) = self.choice() {
            choice.sources.text.push(text);
        }
        self.part(json!({"text": text}), false, out);
    }

    fn opaque(&mut self, value: &Value, out: &mut Vec<u8>) {
        let is_kept = self.choice().is_some_and(|choice| choice.sources.keep(value));
        if !is_kept {
            self.part(value.clone(), false, out);
        }
    }

    fn logprobs(&mut self, value: &Value, out: &mut Vec<u8>) {
        match logprobs::write(value) {
            Some(result) => {
                let candidate = json!({"content": no_content(), "index": self.at, "logprobsResult": result});
                self.chunk(json!([candidate]), None, out);
            }
            None => self.ledger.note(Field::AnswerLogprobs, Fate::Dropped),
        }
    }
}

impl StreamEncoder for Encoder {
    fn push(&mut self, event: &Event, out: &mut Vec<u8>) {
        match event {
            Event::Start { id, model, created: _ } => {
                self.id.clone_from(id);
                self.model.clone_from(model);
            }
            Event::Text(text) | Event::Refusal(text) => self.text(text, out),
            Event::Reasoning(text) => self.part(json!({"text": text, "thought": true}), true, out),
            Event::ReasoningSignature(signed) => {
                let mut part = json!({"text": "", "thoughtSignature": signature::write(signed)});
                let in_thought = self.choice().is_some_and(|choice| choice.in_thought);
                if let (true, Value::Object(part)) = (in_thought, &mut part) {
                    part.insert("thought".into(), true.into());
                }
                self.part(part, false, out);
            }
            Event::ReasoningRedacted(data) => {
                let block = ReasoningBlock::Redacted { data: data.clone() };
                self.part(parts::write_block(&block), false, out);
            }
            Event::ToolCallStart { index, id, name, signature } => {
                let (id, name, signature) = (id.clone(), name.clone(), signature.clone());
                let call = ToolCall { id, name, arguments: String::new(), signature };
                if let Some(choice) = self.choice() {
                    choice.calls.push((*index, call));
                }
            }
            Event::ToolCallArguments { index, fragment } => {
                let calls = self.choice().map(|choice| choice.calls.iter_mut()).into_iter().flatten();
                if let Some((_, call)) = calls.rev().find(|(known, _)| known == index) {
                    call.arguments.push_str(fragment);
                }
            }
            Event::Citation(citation) => {
                if let Some(choice) = self.choice() {
                    choice.sources.cite(citation);
                }
            }
            Event::Image(media) | Event::Audio(media) => self.part(parts::write_media(media), false, out),
            Event::Opaque { format: Format::Gemini, value } => self.opaque(value, out),
            Event::Opaque { value, .. } => {
                let is_citation = value.get("type").is_some_and(|kind| kind == "citations_delta");
                let field = if is_citation { Field::AnswerCitations } else { Field::AnswerPart };
                self.ledger.note(field, Fate::Dropped);
            }
            Event::Choice(index) => {
                self.flush_calls(out);
                self.at = (*index).min(MAX_CHOICES - 1);
                if self.at >= self.choices.len() {
                    self.choices.resize_with(self.at + 1, Choice::default);
                }
            }
            Event::Logprobs(value) => self.logprobs(value, out),
            Event::ServiceTier(tier) => self.tier = Some(tier.clone()),
            Event::Usage(usage) => self.usage.merge(usage),
            Event::Finish(reason) => {
                if let Some(choice) = self.choice() {
                    choice.finish = Some(reason.clone());
                }
            }
            // Who drives the stream turns it into `error`.
            Event::Error(_) => {}
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        for at in 0..self.choices.len() {
            self.at = at;
            self.flush_calls(out);
        }
        let candidate = |(index, choice): (usize, &mut Choice)| {
            let mut out = Map::new();
            out.insert("content".into(), no_content());
            // Without a reason from the provider there is none to tell.
            if let Some(reason) = &choice.finish {
                out.insert("finishReason".into(), write_finish(reason).into());
            }
            out.insert("index".into(), index.into());
            choice.sources.write(&mut out);
            Value::from(out)
        };
        let candidates: Vec<Value> = self.choices.iter_mut().enumerate().map(candidate).collect();
        let usage = usage::write(&self.usage, self.tier.as_deref());
        self.chunk(candidates.into(), Some(usage), out);
    }

    fn error(&mut self, error: &ClientError, out: &mut Vec<u8>) {
        sse::write_json(out, None, &error::write(error, &self.reply.request_id));
    }

    fn ledger(&self) -> &Ledger {
        &self.ledger
    }
}

/// The SDKs count a turn as broken that has a chunk without parts.
fn no_content() -> Value {
    json!({"parts": [{"text": ""}], "role": "model"})
}
