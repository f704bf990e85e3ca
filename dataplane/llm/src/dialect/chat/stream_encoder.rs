//! Events to chunks for a client.

use serde::Serialize;
use serde_json::Value;

use crate::dialect::{Format, Reply, StreamEncoder};
use crate::error::ClientError;
use crate::field::Field;
use crate::ledger::{Fate, Ledger};
use crate::message::{Event, FinishReason, ReasoningBlock, Usage};
use crate::sse;

use super::{answer_id, error, reasoning, usage, write_finish};

/// Chunks of one answer: the role first, then deltas, one finish reason, the usage where asked for, `[DONE]`.
#[derive(Debug)]
pub(super) struct Encoder {
    reply: Reply,
    id: String,
    model: String,
    created: u64,
    is_started: bool,
    /// Text of the reasoning block that is open: its carrier repeats it whole, with the signature.
    thought: String,
    details: usize,
    finish: Option<FinishReason>,
    usage: Usage,
    ledger: Ledger,
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
    index: usize,
    delta: Delta<'a>,
    logprobs: Option<()>,
    finish_reason: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Delta<'a> {
    Role { role: &'static str, content: &'static str, refusal: Option<()> },
    Content { content: &'a str },
    Refusal { refusal: &'a str },
    Reasoning { reasoning_content: &'a str },
    Details { reasoning_details: [Value; 1] },
    Call { tool_calls: [Call<'a>; 1] },
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
            is_started: false,
            thought: String::new(),
            details: 0,
            finish: None,
            usage: Usage::default(),
            ledger: Ledger::new(Format::Chat),
        }
    }

    fn start(&mut self, out: &mut Vec<u8>) {
        if !self.is_started {
            self.is_started = true;
            self.write(Delta::Role { role: "assistant", content: "", refusal: None }, None, out);
        }
    }

    fn delta(&mut self, delta: Delta<'_>, out: &mut Vec<u8>) {
        self.start(out);
        self.write(delta, None, out);
    }

    fn write(&self, delta: Delta<'_>, finish_reason: Option<&str>, out: &mut Vec<u8>) {
        let choice = Choice { index: 0, delta, logprobs: None, finish_reason };
        self.write_chunk(&[choice], self.reply.include_usage.then_some(Value::Null), out);
    }

    fn write_chunk(&self, choices: &[Choice<'_>], usage: Option<Value>, out: &mut Vec<u8>) {
        let (id, model, created) = (&self.id, &self.model, self.created);
        let chunk = Chunk { id, object: "chat.completion.chunk", created, model, choices, usage };
        sse::write_json(out, None, &chunk);
    }

    /// A block that must come back in the next turn, whole.
    fn detail(&mut self, block: &ReasoningBlock, out: &mut Vec<u8>) {
        if let Some(detail) = reasoning::write_detail(block, self.details) {
            self.details += 1;
            self.delta(Delta::Details { reasoning_details: [detail] }, out);
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
                self.thought.push_str(text);
                self.delta(Delta::Reasoning { reasoning_content: text }, out);
            }
            Event::ReasoningSignature(signature) => {
                let text = std::mem::take(&mut self.thought);
                let block = ReasoningBlock::Thinking { text, signature: Some(signature.clone()) };
                self.detail(&block, out);
            }
            Event::ReasoningRedacted(data) => {
                self.detail(&ReasoningBlock::Redacted { data: data.clone() }, out);
            }
            Event::ToolCallStart { index, id, name, signature: _ } => {
                let function = Function { name: Some(name), arguments: "" };
                let call = Call { index: *index, id: Some(id), r#type: Some("function"), function };
                self.delta(Delta::Call { tool_calls: [call] }, out);
            }
            Event::ToolCallArguments { index, fragment } => {
                let function = Function { name: None, arguments: fragment };
                let call = Call { index: *index, id: None, r#type: None, function };
                self.delta(Delta::Call { tool_calls: [call] }, out);
            }
            Event::Opaque { format: Format::Chat, value } => self.delta(Delta::Own(value), out),
            Event::Opaque { value, .. } => {
                let is_citation = value.get("type").is_some_and(|kind| kind == "citations_delta");
                self.ledger.note(
                    if is_citation { Field::AnswerCitations } else { Field::AnswerPart },
                    Fate::Dropped,
                );
            }
            Event::Citation(_) => self.ledger.note(Field::AnswerCitations, Fate::Dropped),
            Event::Image(_) | Event::Audio(_) => self.ledger.note(Field::AnswerPart, Fate::Dropped),
            Event::Choice(_) | Event::Logprobs(_) | Event::ServiceTier(_) => {}
            Event::Usage(usage) => self.usage.merge(usage),
            Event::Finish(reason) => self.finish = Some(reason.clone()),
            // Who drives the stream turns it into `error`.
            Event::Error(_) => {}
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        self.start(out);
        // Without a reason from the provider there is none to tell.
        if let Some(reason) = self.finish.take() {
            self.write(Delta::Nothing {}, Some(write_finish(&reason)), out);
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
