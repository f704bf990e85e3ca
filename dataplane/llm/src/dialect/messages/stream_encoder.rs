//! Neutral events to Anthropic's, for a client.

use std::collections::VecDeque;

use serde::Serialize;
use serde_json::{Value, json};

use crate::dialect::{Format, Reply, StreamEncoder, carrier};
use crate::error::ClientError;
use crate::field::Field;
use crate::ledger::{Fate, Ledger};
use crate::message::{Citation, Event, FinishReason, Issuer, Usage};
use crate::sse;

use super::response::call_id;
use super::{Seen, answer_id, citations, error, usage, write_finish};

/// One answer: `message_start`, blocks one after the other, `message_delta`, `message_stop`.
#[derive(Debug)]
pub(super) struct Encoder {
    reply: Reply,
    id: Option<String>,
    model: Option<String>,
    is_started: bool,
    /// Index of the next block.
    next: usize,
    open: Open,
    /// Calls that began before the open one was complete: chat may mix the pieces of parallel calls, and here a
    /// block ends before the next begins.
    waiting: VecDeque<Waiting>,
    seen: Seen,
    /// The one of several answers that events belong to; only the first can be told here.
    choice: usize,
    tier: Option<String>,
    finish: Option<FinishReason>,
    usage: Usage,
    ledger: Ledger,
}

#[derive(Debug)]
enum Open {
    Nothing,
    /// `is_cited`: sources follow the text, so that more text belongs to another block.
    Text {
        is_cited: bool,
    },
    Thinking,
    Tool {
        index: usize,
        arguments: Balance,
    },
}

#[derive(Debug)]
struct Waiting {
    index: usize,
    id: String,
    name: String,
    arguments: String,
}

/// Tells when the JSON text of an object is whole, piece by piece.
#[derive(Debug, Default)]
struct Balance {
    depth: usize,
    in_string: bool,
    is_escaped: bool,
    is_whole: bool,
}

impl Balance {
    fn feed(&mut self, text: &str) {
        for byte in text.bytes() {
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' if self.in_string => self.is_escaped = true,
                b'"' => self.in_string = !self.in_string,
                b'{' | b'[' if !self.in_string => self.depth += 1,
                b'}' | b']' if !self.in_string => {
                    self.depth = self.depth.saturating_sub(1);
                    self.is_whole = self.depth == 0;
                }
                _ => {}
            }
        }
    }
}

#[derive(Serialize)]
struct BlockDelta<'a> {
    r#type: &'static str,
    index: usize,
    delta: Delta<'a>,
}

#[derive(Serialize)]
#[serde(tag = "type")]
enum Delta<'a> {
    #[serde(rename = "text_delta")]
    Text { text: &'a str },
    #[serde(rename = "thinking_delta")]
    Thinking { thinking: &'a str },
    #[serde(rename = "signature_delta")]
    Signature { signature: &'a str },
    #[serde(rename = "input_json_delta")]
    InputJson { partial_json: &'a str },
}

impl Encoder {
    pub fn new(reply: Reply) -> Self {
        Self {
            reply,
            id: None,
            model: None,
            is_started: false,
            next: 0,
            open: Open::Nothing,
            waiting: VecDeque::new(),
            seen: Seen::default(),
            choice: 0,
            tier: None,
            finish: None,
            usage: Usage::default(),
            ledger: Ledger::new(Format::Messages),
        }
    }

    fn start(&mut self, out: &mut Vec<u8>) {
        if self.is_started {
            return;
        }
        self.is_started = true;
        let message = json!({
            "id": answer_id(self.id.as_deref(), &self.reply),
            "type": "message",
            "role": "assistant",
            "model": self.model.as_deref().unwrap_or(&self.reply.model),
            "content": [],
            "stop_reason": null,
            "stop_sequence": null,
            "usage": usage::write(&self.usage, self.tier.as_deref()),
        });
        write(out, "message_start", &json!({"type": "message_start", "message": message}));
    }

    fn open_block(&mut self, open: Open, block: &Value, out: &mut Vec<u8>) {
        self.start(out);
        self.close_block(out);
        let start = json!({"type": "content_block_start", "index": self.next, "content_block": block});
        write(out, "content_block_start", &start);
        self.open = open;
    }

    fn close_block(&mut self, out: &mut Vec<u8>) {
        if !matches!(self.open, Open::Nothing) {
            self.end_block(out);
        }
        self.open = Open::Nothing;
    }

    fn end_block(&mut self, out: &mut Vec<u8>) {
        write(out, "content_block_stop", &json!({"type": "content_block_stop", "index": self.next}));
        self.next += 1;
    }

    /// A block that needs no delta.
    fn whole_block(&mut self, block: &Value, out: &mut Vec<u8>) {
        self.flush_calls(out);
        self.open_block(Open::Nothing, block, out);
        self.end_block(out);
    }

    fn delta(&self, delta: Delta<'_>, out: &mut Vec<u8>) {
        let delta = BlockDelta { r#type: "content_block_delta", index: self.next, delta };
        write(out, "content_block_delta", &delta);
    }

    fn text(&mut self, text: &str, out: &mut Vec<u8>) {
        if !matches!(self.open, Open::Text { is_cited: false }) {
            self.flush_calls(out);
            self.open_block(Open::Text { is_cited: false }, &json!({"type": "text", "text": ""}), out);
        }
        self.delta(Delta::Text { text }, out);
    }

    /// Sources stand at the text before them.
    fn cite(&mut self, source: &Citation, out: &mut Vec<u8>) {
        match (citations::write(source), &mut self.open) {
            (Some(citation), Open::Text { is_cited }) => {
                *is_cited = true;
                let delta = json!({"type": "citations_delta", "citation": citation});
                let delta = json!({"type": "content_block_delta", "index": self.next, "delta": delta});
                write(out, "content_block_delta", &delta);
            }
            _ => self.ledger.note(Field::AnswerCitations, Fate::Dropped),
        }
    }

    fn think(&mut self, delta: Delta<'_>, out: &mut Vec<u8>) {
        if !matches!(self.open, Open::Thinking) {
            self.flush_calls(out);
            self.open_block(
                Open::Thinking,
                &json!({"type": "thinking", "thinking": "", "signature": ""}),
                out,
            );
        }
        self.delta(delta, out);
    }

    fn call_start(&mut self, waiting: Waiting, out: &mut Vec<u8>) {
        let Waiting { index, id, name, arguments } = waiting;
        let block = json!({"type": "tool_use", "id": id, "name": name, "input": {}});
        self.open_block(Open::Tool { index, arguments: Balance::default() }, &block, out);
        if !arguments.is_empty() {
            self.call_arguments(index, &arguments, out);
        }
    }

    fn call_arguments(&mut self, index: usize, fragment: &str, out: &mut Vec<u8>) {
        if let Some(waiting) = self.waiting.iter_mut().find(|waiting| waiting.index == index) {
            waiting.arguments.push_str(fragment);
            return;
        }
        if let Open::Tool { index: open, arguments } = &mut self.open
            && *open == index
        {
            arguments.feed(fragment);
            self.delta(Delta::InputJson { partial_json: fragment }, out);
        }
    }

    fn is_incomplete_call_open(&self) -> bool {
        matches!(&self.open, Open::Tool { arguments, .. } if !arguments.is_whole)
    }

    /// Writes calls that waited, while the open one allows it.
    fn advance_calls(&mut self, out: &mut Vec<u8>) {
        while !self.is_incomplete_call_open()
            && let Some(waiting) = self.waiting.pop_front()
        {
            self.call_start(waiting, out);
        }
    }

    /// Writes all of them: something else follows, so no call gets more arguments.
    fn flush_calls(&mut self, out: &mut Vec<u8>) {
        while let Some(waiting) = self.waiting.pop_front() {
            self.call_start(waiting, out);
        }
    }
}

impl StreamEncoder for Encoder {
    fn push(&mut self, event: &Event, out: &mut Vec<u8>) {
        if self.choice > 0 && event.is_meaningful() {
            return self.ledger.note(Field::AnswerChoices, Fate::Dropped);
        }
        match event {
            Event::Start { id, model, created: _ } => {
                self.id.clone_from(id);
                self.model.clone_from(model);
                self.start(out);
            }
            Event::Text(text) => self.text(text, out),
            Event::Refusal(text) => {
                self.seen.refusal = true;
                self.text(text, out);
            }
            Event::Reasoning(text) => self.think(Delta::Thinking { thinking: text }, out),
            Event::ReasoningSignature(signature) => {
                let signature = carrier::tag(signature, Issuer::Anthropic);
                self.think(Delta::Signature { signature: &signature }, out);
                self.close_block(out);
            }
            Event::ReasoningRedacted(data) => {
                let data = carrier::tag(data, Issuer::Anthropic);
                self.whole_block(&json!({"type": "redacted_thinking", "data": data}), out);
            }
            Event::ToolCallStart { index, id, name, signature } => {
                self.seen.tool_call = true;
                let (id, name) = (call_id(id, signature.as_ref()), name.clone());
                self.waiting.push_back(Waiting { index: *index, id, name, arguments: String::new() });
                self.advance_calls(out);
            }
            Event::ToolCallArguments { index, fragment } => {
                self.call_arguments(*index, fragment, out);
                self.advance_calls(out);
            }
            Event::Opaque { format: Format::Messages, value } => self.whole_block(value, out),
            Event::Citation(source) => self.cite(source, out),
            Event::Opaque { .. } | Event::Image(_) | Event::Audio(_) => {
                self.ledger.note(Field::AnswerPart, Fate::Dropped);
            }
            Event::Choice(choice) => self.choice = *choice,
            Event::Logprobs(_) => self.ledger.note(Field::AnswerLogprobs, Fate::Dropped),
            Event::ServiceTier(tier) => self.tier = Some(tier.clone()),
            Event::Usage(usage) => self.usage.merge(usage),
            Event::Finish(reason) if self.choice == 0 => self.finish = Some(reason.clone()),
            Event::Finish(_) => {}
            // Who drives the stream turns it into `error`.
            Event::Error(_) => {}
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        self.start(out);
        self.flush_calls(out);
        self.close_block(out);
        // Without a reason from the provider there is none to tell.
        let finish = self.finish.as_ref().map(|reason| write_finish(reason, self.seen));
        let (reason, sequence) = finish.map_or((None, None), |(reason, sequence)| (Some(reason), sequence));
        let delta = json!({
            "type": "message_delta",
            "delta": {"stop_reason": reason, "stop_sequence": sequence},
            "usage": usage::write(&self.usage, self.tier.as_deref()),
        });
        write(out, "message_delta", &delta);
        write(out, "message_stop", &json!({"type": "message_stop"}));
    }

    fn error(&mut self, error: &ClientError, out: &mut Vec<u8>) {
        write(out, "error", &error::write(error, Some(&self.reply.request_id)));
    }

    fn ledger(&self) -> &Ledger {
        &self.ledger
    }
}

fn write(out: &mut Vec<u8>, event: &str, data: &impl Serialize) {
    sse::write_json(out, Some(event), data);
}
