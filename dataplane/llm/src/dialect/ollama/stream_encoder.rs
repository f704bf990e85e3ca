//! Neutral events to Ollama's lines, for a client.

use serde_json::{Map, Value, json};

use crate::dialect::{Format, Reply, StreamEncoder};
use crate::error::ClientError;
use crate::field::Field;
use crate::ledger::{Fate, Ledger};
use crate::message::{Event, FinishReason, Media, Usage};

use super::response::{end, line, write_call};
use super::{error, logprobs, write_finish};

/// Lines of one answer, the last with the reason and the usage.
#[derive(Debug)]
pub(super) struct Encoder {
    model: String,
    created: u64,
    /// Calls, by their neutral index less what was written: a line holds whole ones, so they wait for the end.
    calls: Vec<Call>,
    /// Of several answers the first is told.
    choice: usize,
    finish: Option<FinishReason>,
    usage: Usage,
    ledger: Ledger,
}

#[derive(Debug)]
struct Call {
    neutral: usize,
    id: String,
    name: String,
    arguments: String,
}

impl Encoder {
    pub fn new(reply: Reply) -> Self {
        Self {
            model: reply.model,
            created: reply.created,
            calls: Vec::new(),
            choice: 0,
            finish: None,
            usage: Usage::default(),
            ledger: Ledger::new(Format::Ollama),
        }
    }

    fn piece(&self, content: &str, more: Option<(&str, Value)>, out: &mut Vec<u8>) {
        let mut message = Map::new();
        message.insert("role".into(), "assistant".into());
        message.insert("content".into(), content.into());
        if let Some((name, value)) = more {
            message.insert(name.to_owned(), value);
        }
        let mut line = line(&self.model, self.created, message.into());
        line.insert("done".into(), false.into());
        write(out, line.into());
    }
}

impl StreamEncoder for Encoder {
    fn push(&mut self, event: &Event, out: &mut Vec<u8>) {
        if let Event::Choice(choice) = event {
            self.choice = *choice;
            if *choice > 0 {
                self.ledger.note(Field::AnswerChoices, Fate::Dropped);
            }
            return;
        }
        if self.choice > 0 && !matches!(event, Event::Usage(_)) {
            return;
        }
        match event {
            Event::Start { id: _, model, created } => {
                if let Some(model) = model {
                    self.model.clone_from(model);
                }
                self.created = created.unwrap_or(self.created);
            }
            Event::Text(text) | Event::Refusal(text) => self.piece(text, None, out),
            Event::Reasoning(text) => self.piece("", Some(("thinking", text.as_str().into())), out),
            Event::ReasoningSignature(_) | Event::ReasoningRedacted(_) => {
                self.ledger.note(Field::ReasoningSignature, Fate::Dropped);
            }
            Event::ToolCallStart { index, id, name, signature } => {
                if signature.is_some() {
                    self.ledger.note(Field::ReasoningSignature, Fate::Dropped);
                }
                let (id, name) = (id.clone(), name.clone());
                self.calls.push(Call { neutral: *index, id, name, arguments: String::new() });
            }
            Event::ToolCallArguments { index, fragment } => {
                if let Some(call) = self.calls.iter_mut().rfind(|call| call.neutral == *index) {
                    call.arguments.push_str(fragment);
                }
            }
            Event::Image(Media::Base64 { data, .. }) => self.piece("", Some(("images", json!([data]))), out),
            Event::Logprobs(piece) => {
                if let Some(logprobs) = logprobs::write(piece) {
                    let message = json!({"role": "assistant", "content": ""});
                    let mut line = line(&self.model, self.created, message);
                    line.insert("done".into(), false.into());
                    line.insert("logprobs".into(), logprobs);
                    write(out, line.into());
                }
            }
            Event::Citation(_) => self.ledger.note(Field::AnswerCitations, Fate::Dropped),
            Event::Opaque { value, .. } => {
                let is_citation = value.get("type").is_some_and(|kind| kind == "citations_delta");
                let field = if is_citation { Field::AnswerCitations } else { Field::AnswerPart };
                self.ledger.note(field, Fate::Dropped);
            }
            Event::Image(_) | Event::Audio(_) => self.ledger.note(Field::AnswerPart, Fate::Dropped),
            Event::Usage(usage) => self.usage.merge(usage),
            Event::Finish(reason) => self.finish = Some(reason.clone()),
            // There is no place for the tier; who drives the stream turns an error into `error`.
            Event::ServiceTier(_) | Event::Choice(_) | Event::Error(_) => {}
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        let ledger = &mut self.ledger;
        let calls: Vec<Value> = std::mem::take(&mut self.calls)
            .iter()
            .enumerate()
            .map(|(index, call)| write_call(&call.id, &call.name, &call.arguments, index, ledger))
            .collect();
        if !calls.is_empty() {
            self.piece("", Some(("tool_calls", calls.into())), out);
        }
        let message = json!({"role": "assistant", "content": ""});
        let mut line = line(&self.model, self.created, message);
        // Without a reason from the provider there is none to tell.
        end(&mut line, self.finish.as_ref().map(write_finish), &self.usage);
        write(out, line.into());
    }

    fn error(&mut self, error: &ClientError, out: &mut Vec<u8>) {
        write(out, error::write(error));
    }

    fn ledger(&self) -> &Ledger {
        &self.ledger
    }
}

fn write(out: &mut Vec<u8>, line: Value) {
    // Writing into memory cannot fail, and the keys of a `Value` are strings.
    let _ = serde_json::to_writer(&mut *out, &line);
    out.push(b'\n');
}
