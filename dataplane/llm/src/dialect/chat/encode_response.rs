//! Complete answers for a client.

use serde_json::{Map, Value, json};

use crate::dialect::{Format, Reply, extras, media};
use crate::field::Field;
use crate::ledger::{Fate, Ledger};
use crate::message::{FinishReason, Media, Part, PartBody, ReasoningBlock, Response};

use super::signatures::{Passengers, carry_call};
use super::{annotations, answer_id, reasoning, tier, usage, write_finish};

pub(super) fn encode(response: &Response, reply: &Reply, ledger: &mut Ledger) -> Vec<u8> {
    let Response { id, model, created, parts, finish, logprobs, more, usage, service_tier } = response;
    let mut choices = vec![write_choice(0, parts, finish.as_ref(), logprobs.as_ref(), ledger)];
    for (index, choice) in more.iter().enumerate() {
        let (finish, logprobs) = (choice.finish.as_ref(), choice.logprobs.as_ref());
        choices.push(write_choice(index + 1, &choice.parts, finish, logprobs, ledger));
    }
    let mut out = Map::new();
    out.insert("id".into(), answer_id(id.as_deref(), reply).into());
    out.insert("object".into(), "chat.completion".into());
    out.insert("created".into(), created.unwrap_or(reply.created).into());
    out.insert("model".into(), model.as_deref().unwrap_or(&reply.model).into());
    out.insert("choices".into(), choices.into());
    if usage.is_known() {
        out.insert("usage".into(), usage::write(usage));
    }
    if let Some(tier) = service_tier.as_deref().and_then(tier::read) {
        out.insert("service_tier".into(), tier.into());
    }
    Value::from(out).to_string().into_bytes()
}

fn write_choice(
    index: usize,
    parts: &[Part],
    finish: Option<&FinishReason>,
    logprobs: Option<&Value>,
    ledger: &mut Ledger,
) -> Value {
    json!({
        "index": index,
        "message": write_message(parts, ledger),
        "logprobs": logprobs,
        "finish_reason": finish.map(write_finish),
    })
}

#[derive(Default)]
struct Message {
    content: String,
    refusal: Option<String>,
    thought: String,
    details: Vec<Value>,
    annotations: Vec<Value>,
    images: Vec<Value>,
    calls: Vec<Value>,
    passengers: Passengers,
    /// Members that only this format has.
    own: Map<String, Value>,
}

fn write_message(parts: &[Part], ledger: &mut Ledger) -> Value {
    let mut message = Message::default();
    for part in parts {
        extras::note_dropped(&part.extra, ledger);
        message.add(&part.body, ledger);
    }
    message.write()
}

impl Message {
    fn add(&mut self, body: &PartBody, ledger: &mut Ledger) {
        match body {
            PartBody::Text(text) => self.content.push_str(text),
            PartBody::Refusal(text) => self.refusal.get_or_insert_default().push_str(text),
            PartBody::Reasoning(block) => {
                if let ReasoningBlock::Thinking { text, .. } = block {
                    self.thought.push_str(text);
                }
                self.details.extend(reasoning::write_details(block, self.details.len()));
                self.passengers.add(block);
            }
            PartBody::ToolCall(call) => self.calls.push(carry_call(call, &mut self.passengers).into()),
            PartBody::Citation(citation) => match annotations::write(citation) {
                Some(annotation) => self.annotations.push(annotation),
                None => ledger.note(Field::AnswerCitations, Fate::Dropped),
            },
            PartBody::Image(image) => match write_image(image, self.images.len()) {
                Some(image) => self.images.push(image),
                None => ledger.note(Field::AnswerPart, Fate::Dropped),
            },
            // Pieces that are no text have no place where clients expect one.
            PartBody::Opaque { format: Format::Chat, value } if value.get("content").is_some() => {
                ledger.note(Field::AnswerPart, Fate::Dropped);
            }
            PartBody::Opaque { format: Format::Chat, value } => join(&mut self.own, value),
            PartBody::Opaque { .. }
            | PartBody::Audio(_)
            | PartBody::Video(_)
            | PartBody::Document { .. }
            | PartBody::ToolResult { .. } => ledger.note(Field::AnswerPart, Fate::Dropped),
        }
    }

    fn write(self) -> Value {
        let Self { content, refusal, thought, details, annotations, images, calls, passengers: _, own } =
            self;
        let is_null = content.is_empty() && (!calls.is_empty() || refusal.is_some());
        let mut out = Map::new();
        out.insert("role".into(), "assistant".into());
        out.insert("content".into(), if is_null { Value::Null } else { content.into() });
        out.insert("refusal".into(), refusal.into());
        if !thought.is_empty() {
            out.insert("reasoning_content".into(), thought.into());
        }
        for (name, list) in [
            ("reasoning_details", details),
            ("annotations", annotations),
            ("images", images),
            ("tool_calls", calls),
        ] {
            if !list.is_empty() {
                out.insert(name.to_owned(), list.into());
            }
        }
        join(&mut out, &own.into());
        out.into()
    }
}

/// As OpenRouter has it. `index` lets the official SDKs' delta accumulation join lists.
pub(super) fn write_image(image: &Media, index: usize) -> Option<Value> {
    let url = match image {
        Media::Url { url, .. } => url.clone(),
        Media::Base64 { media_type, data, .. } => media::data_url(media_type, data),
        Media::PlainText(_) => return None,
    };
    Some(json!({"type": "image_url", "image_url": {"url": url}, "index": index}))
}

/// Lists grow, anything else is set.
fn join(target: &mut Map<String, Value>, members: &Value) {
    for (name, value) in members.as_object().into_iter().flatten() {
        match (target.get_mut(name), value) {
            (Some(Value::Array(list)), Value::Array(more)) => list.extend(more.iter().cloned()),
            _ => drop(target.insert(name.clone(), value.clone())),
        }
    }
}
