//! Neutral events to Cohere's, for a client.

use std::collections::VecDeque;

use serde_json::{Map, Value, json};

use crate::dialect::{Format, Reply, StreamEncoder};
use crate::error::ClientError;
use crate::field::Field;
use crate::ledger::{Fate, Ledger};
use crate::message::{Event, FinishReason, Usage};
use crate::sse;

use super::{answer_id, citation, error, logprobs, usage, write_finish};

/// One answer: `message-start`, blocks and calls one after the other, `message-end`, `[DONE]`.
#[derive(Debug)]
pub(super) struct Encoder {
    reply: Reply,
    id: Option<String>,
    is_started: bool,
    open: Open,
    /// Indices of the next block, call and citation.
    next_block: usize,
    next_call: usize,
    next_citation: usize,
    /// Calls that began while another was open, with their arguments: clients know one open call.
    waiting: VecDeque<Waiting>,
    /// Of several answers the first is told.
    choice: usize,
    finish: Option<FinishReason>,
    usage: Usage,
    ledger: Ledger,
}

#[derive(Debug, PartialEq)]
enum Open {
    Nothing,
    Text,
    Thinking,
    /// With the index that its events have here, and the neutral one.
    Call {
        index: usize,
        neutral: usize,
    },
}

#[derive(Debug)]
struct Waiting {
    neutral: usize,
    id: String,
    name: String,
    arguments: String,
}

impl Encoder {
    pub fn new(reply: Reply) -> Self {
        Self {
            reply,
            id: None,
            is_started: false,
            open: Open::Nothing,
            next_block: 0,
            next_call: 0,
            next_citation: 0,
            waiting: VecDeque::new(),
            choice: 0,
            finish: None,
            usage: Usage::default(),
            ledger: Ledger::new(Format::Cohere),
        }
    }

    fn start(&mut self, out: &mut Vec<u8>) {
        if self.is_started {
            return;
        }
        self.is_started = true;
        let message =
            json!({"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []});
        let id = answer_id(self.id.as_deref(), &self.reply);
        write(out, "message-start", json!({"id": id, "delta": {"message": message}}));
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        match std::mem::replace(&mut self.open, Open::Nothing) {
            Open::Nothing => {}
            Open::Text | Open::Thinking => {
                write(out, "content-end", json!({"index": self.next_block}));
                self.next_block += 1;
            }
            Open::Call { index, .. } => write(out, "tool-call-end", json!({"index": index})),
        }
    }

    /// Closes what is open, and writes the calls that waited: something else follows, so none gets more arguments.
    fn settle(&mut self, out: &mut Vec<u8>) {
        self.close(out);
        while let Some(call) = self.waiting.pop_front() {
            self.call(call, out);
            self.close(out);
        }
    }

    fn piece(&mut self, open: Open, text: &str, logprobs: Option<Value>, out: &mut Vec<u8>) {
        self.start(out);
        let name = if open == Open::Text { "text" } else { "thinking" };
        if self.open != open {
            self.settle(out);
            let content = content(name, "", true);
            write(
                out,
                "content-start",
                json!({"index": self.next_block, "delta": delta("content", content)}),
            );
            self.open = open;
        }
        let mut event =
            json!({"index": self.next_block, "delta": delta("content", content(name, text, false))});
        if let (Some(logprobs), Value::Object(event)) = (logprobs, &mut event) {
            event.insert("logprobs".into(), logprobs);
        }
        write(out, "content-delta", event);
    }

    fn call(&mut self, call: Waiting, out: &mut Vec<u8>) {
        let Waiting { neutral, id, name, arguments } = call;
        self.start(out);
        let index = self.next_call;
        self.next_call += 1;
        let call = json!({"id": id, "type": "function", "function": {"name": name, "arguments": ""}});
        write(out, "tool-call-start", json!({"index": index, "delta": delta("tool_calls", call)}));
        self.open = Open::Call { index, neutral };
        if !arguments.is_empty() {
            Self::arguments(index, &arguments, out);
        }
    }

    fn arguments(index: usize, fragment: &str, out: &mut Vec<u8>) {
        let call = json!({"function": {"arguments": fragment}});
        write(out, "tool-call-delta", json!({"index": index, "delta": delta("tool_calls", call)}));
    }

    fn end(&mut self, end: Value, out: &mut Vec<u8>) {
        write(out, "message-end", json!({"delta": end}));
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
            Event::Start { id, model: _, created: _ } => {
                self.id.clone_from(id);
                self.start(out);
            }
            Event::Text(text) | Event::Refusal(text) => self.piece(Open::Text, text, None, out),
            Event::Reasoning(text) => self.piece(Open::Thinking, text, None, out),
            Event::ReasoningSignature(_) | Event::ReasoningRedacted(_) => {
                self.ledger.note(Field::ReasoningSignature, Fate::Dropped);
            }
            Event::ToolCallStart { index, id, name, signature } => {
                if signature.is_some() {
                    self.ledger.note(Field::ReasoningSignature, Fate::Dropped);
                }
                let (id, name) = (id.clone(), name.clone());
                let call = Waiting { neutral: *index, id, name, arguments: String::new() };
                if matches!(self.open, Open::Call { .. }) {
                    self.waiting.push_back(call);
                } else {
                    self.close(out);
                    self.call(call, out);
                }
            }
            Event::ToolCallArguments { index, fragment } => match self.open {
                Open::Call { index: theirs, neutral } if neutral == *index => {
                    Self::arguments(theirs, fragment, out);
                }
                _ => match self.waiting.iter_mut().rfind(|call| call.neutral == *index) {
                    Some(call) => call.arguments.push_str(fragment),
                    // Its call was closed when something else began.
                    None => self.ledger.note(Field::AnswerArguments, Fate::Dropped),
                },
            },
            Event::Citation(citation) => {
                self.start(out);
                let index = self.next_citation;
                self.next_citation += 1;
                let delta = delta("citations", citation::write(citation));
                write(out, "citation-start", json!({"index": index, "delta": delta}));
                write(out, "citation-end", json!({"index": index}));
            }
            Event::Logprobs(piece) => {
                for item in logprobs::write(piece) {
                    self.piece(Open::Text, "", Some(item), out);
                }
            }
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
        self.start(out);
        self.settle(out);
        let mut end = Map::new();
        // Without a reason from the provider there is none to tell.
        if let Some(reason) = &self.finish {
            end.insert("finish_reason".into(), write_finish(reason, self.next_call > 0).into());
        }
        if self.usage.is_known() {
            end.insert("usage".into(), usage::write(&self.usage));
        }
        self.end(end.into(), out);
        sse::write_event(out, None, "[DONE]");
    }

    fn error(&mut self, error: &ClientError, out: &mut Vec<u8>) {
        self.end(json!({"error": error::message(error), "finish_reason": "ERROR"}), out);
    }

    fn ledger(&self) -> &Ledger {
        &self.ledger
    }
}

/// Where a block begins, its type is told.
fn content(name: &str, text: &str, is_start: bool) -> Value {
    let mut content = Map::new();
    if is_start {
        content.insert("type".into(), name.into());
    }
    content.insert(name.to_owned(), text.into());
    content.into()
}

fn delta(name: &str, value: Value) -> Value {
    json!({"message": {name: value}})
}

/// An event's type stands in its data too.
fn write(out: &mut Vec<u8>, kind: &str, event: Value) {
    let mut whole = Map::new();
    whole.insert("type".into(), kind.into());
    if let Value::Object(event) = event {
        whole.extend(event);
    }
    sse::write_json(out, Some(kind), &whole);
}
