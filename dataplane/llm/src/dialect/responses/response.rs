//! Complete answers.

use serde_json::{Value, json};

use crate::dialect::failure::{Report, bounded};
use crate::dialect::openai_shared::read_custom_call;
use crate::dialect::{Format, Reply, carrier, extras};
use crate::error::{Broken, UpstreamError};
use crate::field::Field;
use crate::ledger::{Fate, Ledger};
use crate::message::{Citation, Issuer, Part, PartBody, ReasoningBlock, Response, ToolCall};

use super::output::{self, Frame, State, answer_id, item_id};
use super::read_output::{Reader, count_chars, failure, finish, list};
use super::{annotations, ids, state, usage};

pub(super) fn decode(body: &[u8], issuer: Option<Issuer>) -> Result<Result<Response, UpstreamError>, Broken> {
    let body: Value = serde_json::from_slice(body).map_err(|error| Broken::Malformed(error.to_string()))?;
    let text = |name: &str| body.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let error = body.get("error").filter(|error| !error.is_null());
    if let Some(error) = error.or((text("status") == Some("failed")).then_some(&Value::Null)) {
        // An answer that failed holds its own kind of error, without a type.
        let is_answer = text("object") == Some("response");
        return Ok(Err(failure(if is_answer || !error.is_object() { error } else { &body })));
    }
    let Some(output) = body.get("output").and_then(Value::as_array) else {
        return match Report::read(&body) {
            Some(report) => Ok(Err(report.in_band())),
            None => Err(Broken::Malformed(format!("no `output` in {}", bounded(&body.to_string(), 200)))),
        };
    };
    let mut reader = Reader::new(issuer);
    let parts: Vec<Part> = output.iter().flat_map(|item| reader.item(item)).collect();
    let response = Response {
        id: text("id").map(str::to_owned),
        model: text("model").map(str::to_owned),
        created: created(&body),
        parts,
        finish: finish(&body, reader.calls > 0),
        logprobs: (!reader.logprobs.is_empty()).then(|| json!({"content": reader.logprobs, "refusal": null})),
        more: Vec::new(),
        usage: body.get("usage").and_then(usage::read).unwrap_or_default(),
        service_tier: text("service_tier").map(str::to_owned),
    };
    if response.is_empty() { Err(Broken::Empty) } else { Ok(Ok(response)) }
}

/// Seconds; some servers write them with a fraction.
pub(super) fn created(answer: &Value) -> Option<u64> {
    let created = answer.get("created_at")?;
    let seconds = created.as_u64().or_else(|| created.as_f64().map(|seconds| seconds as u64))?;
    (seconds > 0).then_some(seconds)
}

pub(super) fn encode(response: &Response, reply: &Reply, ledger: &mut Ledger) -> Vec<u8> {
    let Response { id, model, created, parts, finish, logprobs, more, usage, service_tier } = response;
    if !more.is_empty() {
        ledger.note(Field::AnswerChoices, Fate::Dropped);
    }
    let tier = service_tier.as_deref().filter(|tier| output::knows_tier(tier));
    if service_tier.is_some() && tier.is_none() {
        ledger.note(Field::ServiceTier, Fate::Dropped);
    }
    let state = State::of(finish.as_ref());
    let mut writer = Writer {
        reply,
        ledger,
        output: Vec::new(),
        content: Vec::new(),
        chars: 0,
        base: 0,
        logprobs: logprobs.as_ref().map(output::logprobs).unwrap_or_default(),
    };
    for part in parts {
        writer.part(part);
    }
    writer.close_message(state.of_last_item());
    if !writer.logprobs.is_empty() {
        writer.ledger.note(Field::AnswerLogprobs, Fate::Dropped);
    }
    let id = answer_id(id.as_deref(), reply);
    let frame = Frame {
        id: &id,
        model: model.as_deref().unwrap_or(&reply.model),
        created: created.unwrap_or(reply.created),
        tier,
    };
    frame.write(&state, &writer.output, usage).to_string().into_bytes()
}

/// Parts to items: texts and refusals that stand together are one message.
struct Writer<'a> {
    reply: &'a Reply,
    ledger: &'a mut Ledger,
    output: Vec<Value>,
    /// Content of the message that is open.
    content: Vec<Value>,
    /// Characters of the answer's text so far, and of what stands before the last text part.
    chars: u64,
    base: u64,
    /// Probabilities of the tokens, until a text takes them.
    logprobs: Vec<Value>,
}

impl Writer<'_> {
    fn part(&mut self, part: &Part) {
        extras::note_dropped(&part.extra, self.ledger);
        match &part.body {
            PartBody::Text(text) => {
                let logprobs = std::mem::take(&mut self.logprobs);
                self.content.push(output::text(text, &[], &logprobs));
                self.base = self.chars;
                self.chars = self.chars.saturating_add(count_chars(text));
            }
            PartBody::Refusal(text) => self.content.push(output::refusal(text)),
            PartBody::Citation(citation) => self.cite(citation),
            PartBody::Reasoning(block) => {
                let sealed = state::seal(block);
                let text = match block {
                    ReasoningBlock::Thinking { text, .. } => text.as_str(),
                    ReasoningBlock::Redacted { .. } => "",
                };
                let (id, encrypted) = sealed.map_or((None, None), |(id, state)| (id, Some(state)));
                let id = id.unwrap_or_else(|| self.next_id(ids::MADE_REASONING));
                self.item(output::reasoning(&id, text, encrypted.as_deref()));
            }
            PartBody::ToolCall(call) => {
                let ToolCall { id: call_id, name, arguments, signature } = call;
                let rider = carrier::Rider { blocks: Vec::new(), call: signature.clone() };
                let id = self.next_id("fc_");
                let call_id = carrier::mount(call_id, &rider);
                self.item(output::call(&id, &call_id, name, arguments, "completed"));
            }
            PartBody::Image(media) => {
                let id = self.next_id("ig_");
                match output::image(&id, media) {
                    Some(item) => self.item(item),
                    None => self.ledger.note(Field::AnswerPart, Fate::Dropped),
                }
            }
            PartBody::Opaque { format: Format::Responses, value } => self.item(value.clone()),
            PartBody::Opaque { format: Format::Chat, value } => {
                let calls: Vec<_> = list(value, "tool_calls").map(read_custom_call).collect();
                if calls.is_empty() {
                    self.ledger.note(Field::AnswerPart, Fate::Dropped);
                }
                for call in calls {
                    match call {
                        Some((call_id, name, input)) => {
                            let id = self.next_id("ctc_");
                            self.item(output::custom_call(&id, call_id, name, input));
                        }
                        None => self.ledger.note(Field::AnswerPart, Fate::Dropped),
                    }
                }
            }
            PartBody::Opaque { .. }
            | PartBody::Audio(_)
            | PartBody::Video(_)
            | PartBody::Document { .. }
            | PartBody::ToolResult { .. } => self.ledger.note(Field::AnswerPart, Fate::Dropped),
        }
    }

    /// A source belongs to the text before it, if need be an empty one.
    fn cite(&mut self, citation: &Citation) {
        let is_text = |part: &Value| part.get("annotations").is_some();
        if annotations::can_write(citation) && !self.content.last().is_some_and(is_text) {
            self.content.push(output::text("", &[], &[]));
            self.base = self.chars;
        }
        let annotation = annotations::write(citation, self.base, self.chars.saturating_sub(self.base));
        let text = self.content.last_mut().and_then(|part| part.get_mut("annotations"));
        match (annotation, text) {
            (Some(annotation), Some(Value::Array(all))) => all.push(annotation),
            _ => self.ledger.note(Field::AnswerCitations, Fate::Dropped),
        }
    }

    /// The id of the item behind the message that is open.
    fn next_id(&self, prefix: &str) -> String {
        item_id(prefix, self.reply, self.output.len() + usize::from(!self.content.is_empty()))
    }

    fn item(&mut self, item: Value) {
        self.close_message("completed");
        self.output.push(item);
    }

    fn close_message(&mut self, status: &str) {
        if self.content.is_empty() {
            return;
        }
        let id = item_id("msg_", self.reply, self.output.len());
        let content = std::mem::take(&mut self.content);
        self.output.push(output::message(&id, status, &content));
    }
}
