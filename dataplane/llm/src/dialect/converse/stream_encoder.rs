//! Neutral events to Bedrock's, for a client.

use std::collections::VecDeque;

use serde_json::{Value, json};

use crate::dialect::{Format, Reply, StreamEncoder, carrier};
use crate::error::ClientError;
use crate::eventstream;
use crate::field::Field;
use crate::ledger::{Fate, Ledger};
use crate::message::{Event, FinishReason, Issuer, Usage};

use super::finish::{self, Seen};
use super::{attachments, blob, citations, error, usage};

/// One answer: `messageStart`, blocks one after the other, `messageStop`, `metadata`.
#[derive(Debug)]
pub(super) struct Encoder {
    is_started: bool,
    /// Of several answers only the first has a place.
    choice: usize,
    /// Index of the next block.
    next: usize,
    open: Open,
    /// Calls behind the open one: chat may mix the pieces of parallel calls, and here a block ends before the next
    /// begins. They are written when the open one can get no more.
    waiting: VecDeque<Waiting>,
    seen: Seen,
    finish: Option<FinishReason>,
    usage: Usage,
    service_tier: Option<String>,
    ledger: Ledger,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Open {
    Nothing,
    Text,
    /// A text with its sources; more text is another's.
    Cited,
    Reasoning,
    /// The call's own index.
    Tool(usize),
}

#[derive(Debug)]
struct Waiting {
    index: usize,
    id: String,
    name: String,
    arguments: String,
}

impl Encoder {
    pub fn new(_reply: Reply) -> Self {
        Self {
            is_started: false,
            choice: 0,
            next: 0,
            open: Open::Nothing,
            waiting: VecDeque::new(),
            seen: Seen::default(),
            finish: None,
            usage: Usage::default(),
            service_tier: None,
            ledger: Ledger::new(Format::Converse),
        }
    }

    fn start(&mut self, out: &mut Vec<u8>) {
        if !self.is_started {
            self.is_started = true;
            write(out, "messageStart", &json!({"role": "assistant"}));
        }
    }

    /// Only calls and images have a start of their own.
    fn open(&mut self, open: Open, start: Option<Value>, out: &mut Vec<u8>) {
        self.start(out);
        self.close(out);
        self.open = open;
        if let Some(start) = start {
            write(out, "contentBlockStart", &json!({"contentBlockIndex": self.next, "start": start}));
        }
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        if self.open != Open::Nothing {
            self.open = Open::Nothing;
            self.end(out);
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        write(out, "contentBlockStop", &json!({"contentBlockIndex": self.next}));
        self.next += 1;
    }

    fn delta(&self, delta: Value, out: &mut Vec<u8>) {
        write(out, "contentBlockDelta", &json!({"contentBlockIndex": self.next, "delta": delta}));
    }

    /// Something else than a call follows, so no call gets more.
    fn ensure(&mut self, open: Open, out: &mut Vec<u8>) {
        if self.open != open {
            self.flush_calls(out);
            self.open(open, None, out);
        }
    }

    fn call(&mut self, call: Waiting, out: &mut Vec<u8>) {
        let Waiting { index, id, name, arguments } = call;
        self.open(Open::Tool(index), Some(json!({"toolUse": {"toolUseId": id, "name": name}})), out);
        self.arguments(&arguments, out);
    }

    fn arguments(&self, arguments: &str, out: &mut Vec<u8>) {
        if !arguments.is_empty() {
            self.delta(json!({"toolUse": {"input": arguments}}), out);
        }
    }

    fn flush_calls(&mut self, out: &mut Vec<u8>) {
        while let Some(call) = self.waiting.pop_front() {
            self.call(call, out);
        }
    }

    /// A block that is there at once.
    fn whole(&mut self, start: Value, delta: Value, out: &mut Vec<u8>) {
        self.flush_calls(out);
        self.open(Open::Nothing, Some(start), out);
        self.delta(delta, out);
        self.end(out);
    }

    /// A tool that Bedrock ran itself, and its result.
    fn own_block(&mut self, value: &Value, out: &mut Vec<u8>) {
        let split = |kind: &str, member: &str| {
            let mut start = value.get(kind)?.clone();
            let inner = start.as_object_mut()?.shift_remove(member).unwrap_or_default();
            Some((json!({kind: start}), inner))
        };
        if let Some((start, input)) = split("toolUse", "input") {
            self.whole(start, json!({"toolUse": {"input": input.to_string()}}), out);
        } else if let Some((start, content)) = split("toolResult", "content") {
            self.whole(start, json!({"toolResult": content}), out);
        } else {
            self.ledger.note(Field::AnswerPart, Fate::Dropped);
        }
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
            Event::Start { id: _, model: _, created: _ } => self.start(out),
            Event::Text(text) | Event::Refusal(text) => {
                self.seen.refusal |= matches!(event, Event::Refusal(_));
                self.ensure(Open::Text, out);
                self.delta(json!({"text": text}), out);
            }
            Event::Reasoning(text) => {
                self.ensure(Open::Reasoning, out);
                self.delta(json!({"reasoningContent": {"text": text}}), out);
            }
            Event::ReasoningSignature(signature) => {
                self.ensure(Open::Reasoning, out);
                let signature = carrier::tag(signature, Issuer::Anthropic);
                self.delta(json!({"reasoningContent": {"signature": signature}}), out);
                self.close(out);
            }
            Event::ReasoningRedacted(data) => {
                self.flush_calls(out);
                self.open(Open::Reasoning, None, out);
                self.delta(json!({"reasoningContent": {"redactedContent": blob::write(data)}}), out);
                self.close(out);
            }
            Event::ToolCallStart { index, id, name, signature: _ } => {
                self.seen.tool_call = true;
                let call =
                    Waiting { index: *index, id: id.clone(), name: name.clone(), arguments: String::new() };
                if matches!(self.open, Open::Tool(_)) {
                    self.waiting.push_back(call);
                } else {
                    self.call(call, out);
                }
            }
            Event::ToolCallArguments { index, fragment } => {
                if self.open == Open::Tool(*index) {
                    self.arguments(fragment, out);
                } else if let Some(call) = self.waiting.iter_mut().find(|call| call.index == *index) {
                    call.arguments.push_str(fragment);
                } else {
                    // A block that has ended, or a call that never began.
                    self.ledger.note(Field::AnswerArguments, Fate::Dropped);
                }
            }
            Event::Citation(citation) => {
                if self.open != Open::Cited {
                    self.ensure(Open::Text, out);
                    self.open = Open::Cited;
                }
                self.delta(json!({"citation": citations::write(citation)}), out);
            }
            Event::Image(media) => match attachments::IMAGE.source(media) {
                Ok((format, source)) => {
                    self.whole(
                        json!({"image": {"format": format}}),
                        json!({"image": {"source": source}}),
                        out,
                    );
                }
                Err(_) => self.ledger.note(Field::AnswerPart, Fate::Dropped),
            },
            Event::Opaque { format: Format::Converse, value } => self.own_block(value, out),
            Event::Opaque { .. } | Event::Audio(_) => self.ledger.note(Field::AnswerPart, Fate::Dropped),
            Event::Logprobs(_) => self.ledger.note(Field::AnswerLogprobs, Fate::Dropped),
            Event::ServiceTier(tier) => self.service_tier = Some(tier.clone()),
            Event::Usage(usage) => self.usage.merge(usage),
            Event::Finish(reason) => self.finish = Some(reason.clone()),
            // Who drives the stream turns errors into `error`.
            Event::Choice(_) | Event::Error(_) => {}
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        self.start(out);
        self.flush_calls(out);
        self.close(out);
        // Without a reason from the provider there is none to tell.
        let reason = self.finish.as_ref().map(|reason| finish::write(reason, self.seen));
        let mut stop = json!({"stopReason": reason});
        if let (Some(sequence), Value::Object(stop)) =
            (self.finish.as_ref().and_then(finish::sequence), &mut stop)
        {
            stop.insert("additionalModelResponseFields".into(), json!({"stop_sequence": sequence}));
        }
        write(out, "messageStop", &stop);
        let mut metadata = json!({"usage": usage::write(&self.usage), "metrics": {"latencyMs": 0}});
        if let (Some(tier), Value::Object(metadata)) = (&self.service_tier, &mut metadata) {
            metadata.insert("serviceTier".into(), json!({"type": tier}));
        }
        write(out, "metadata", &metadata);
    }

    fn error(&mut self, error: &ClientError, out: &mut Vec<u8>) {
        write(out, error::exception(error.status), &error::write(error));
    }

    fn ledger(&self) -> &Ledger {
        &self.ledger
    }
}

fn write(out: &mut Vec<u8>, event: &str, payload: &Value) {
    eventstream::write_event(out, event, payload.to_string().as_bytes());
}
