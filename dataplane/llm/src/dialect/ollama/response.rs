//! Complete answers.

use serde_json::{Map, Value, json};

use crate::dialect::failure::bounded;
use crate::dialect::ids::made_call_id;
use crate::dialect::{Reply, extras};
use crate::error::{Broken, UpstreamError};
use crate::field::Field;
use crate::ledger::{Fate, Ledger};
use crate::message::{Media, Part, PartBody, ReasoningBlock, Response, ToolCall, Usage};
use crate::time;

use super::{arguments, error, image, logprobs, read_finish, unreadable_arguments, usage, write_finish};

pub(super) fn decode(body: &[u8]) -> Result<Result<Response, UpstreamError>, Broken> {
    let body: Value = serde_json::from_slice(body).map_err(|error| Broken::Malformed(error.to_string()))?;
    if has_error(&body) {
        return Ok(Err(error::read_in_band(&body)));
    }
    let Some(message) = body.get("message").filter(|message| message.is_object()) else {
        return Err(Broken::Malformed(format!("no `message` in {}", bounded(&body.to_string(), 200))));
    };
    let text = |name: &str| body.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let began = text("created_at").unwrap_or_default();
    let parts = read_message(message, began);
    let has_call = parts.iter().any(|part| matches!(part.body, PartBody::ToolCall(_)));
    let response = Response {
        model: text("model").map(str::to_owned),
        created: time::parse_rfc3339(began),
        parts,
        finish: text("done_reason").map(|word| read_finish(word, has_call)),
        logprobs: body.get("logprobs").and_then(logprobs::read),
        usage: usage::read(&body).unwrap_or_default(),
        ..Response::default()
    };
    if response.is_empty() { Err(Broken::Empty) } else { Ok(Ok(response)) }
}

pub(super) fn has_error(body: &Value) -> bool {
    body.get("error").is_some_and(|error| !error.is_null())
}

/// `began` is the moment of the answer, which makes ids for its calls.
fn read_message(message: &Value, began: &str) -> Vec<Part> {
    let text = |name: &str| message.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let mut parts = Vec::new();
    parts.extend(text("thinking").map(|text| {
        Part::from(PartBody::Reasoning(ReasoningBlock::Thinking { text: text.to_owned(), signature: None }))
    }));
    parts.extend(text("content").map(Part::text));
    parts.extend(images(message).map(|image| PartBody::Image(image).into()));
    parts.extend(calls(message).iter().enumerate().map(|(index, call)| {
        let (id, name, arguments) = read_call(call, began, index);
        PartBody::ToolCall(ToolCall { id, name, arguments, signature: None }).into()
    }));
    parts
}

pub(super) fn images(message: &Value) -> impl Iterator<Item = Media> {
    let list = message.get("images").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(Value::as_str).filter(|data| !data.is_empty()).map(image::read)
}

pub(super) fn calls(message: &Value) -> &[Value] {
    message.get("tool_calls").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// Id, name, and the JSON text of the arguments. Older servers give no id.
pub(super) fn read_call(call: &Value, began: &str, index: usize) -> (String, String, String) {
    let text = |of: &Value, name: &str| {
        of.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let function = call.get("function").unwrap_or(&Value::Null);
    let arguments = match function.get("arguments") {
        None | Some(Value::Null) => "{}".to_owned(),
        Some(Value::String(text)) if text.is_empty() => "{}".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(arguments) => arguments.to_string(),
    };
    let id = text(call, "id").unwrap_or_else(|| made_call_id(began, index));
    (id, text(function, "name").unwrap_or_default(), arguments)
}

pub(super) fn encode(response: &Response, reply: &Reply, ledger: &mut Ledger) -> Vec<u8> {
    let Response {
        // There is no place for the id and the tier.
        id: _,
        model,
        created,
        parts,
        finish,
        logprobs,
        more,
        usage,
        service_tier: _,
    } = response;
    if !more.is_empty() {
        ledger.note(Field::AnswerChoices, Fate::Dropped);
    }
    let model = model.as_deref().unwrap_or(&reply.model);
    let mut out = line(model, created.unwrap_or(reply.created), write_message(parts, ledger));
    if let Some(logprobs) = logprobs.as_ref().and_then(logprobs::write) {
        out.insert("logprobs".into(), logprobs);
    }
    end(&mut out, finish.as_ref().map(write_finish), usage);
    Value::from(out).to_string().into_bytes()
}

/// An answer, or a line of a stream.
pub(super) fn line(model: &str, created: u64, message: Value) -> Map<String, Value> {
    let mut out = Map::new();
    out.insert("model".into(), model.into());
    out.insert("created_at".into(), time::rfc3339(created).into());
    out.insert("message".into(), message);
    out
}

pub(super) fn end(out: &mut Map<String, Value>, reason: Option<&str>, usage: &Usage) {
    out.insert("done".into(), true.into());
    if let Some(reason) = reason {
        out.insert("done_reason".into(), reason.into());
    }
    usage::write(usage, out);
}

fn write_message(parts: &[Part], ledger: &mut Ledger) -> Value {
    let mut content = String::new();
    let mut thinking = String::new();
    let mut images: Vec<Value> = Vec::new();
    let mut calls: Vec<Value> = Vec::new();
    for part in parts {
        extras::note_dropped(&part.extra, ledger);
        match &part.body {
            PartBody::Text(text) | PartBody::Refusal(text) => content.push_str(text),
            PartBody::Reasoning(ReasoningBlock::Thinking { text, signature }) => {
                thinking.push_str(text);
                if signature.is_some() {
                    ledger.note(Field::ReasoningSignature, Fate::Dropped);
                }
            }
            PartBody::Reasoning(ReasoningBlock::Redacted { .. }) => {
                ledger.note(Field::ReasoningSignature, Fate::Dropped);
            }
            PartBody::ToolCall(ToolCall { id, name, arguments, signature }) => {
                if signature.is_some() {
                    ledger.note(Field::ReasoningSignature, Fate::Dropped);
                }
                calls.push(write_call(id, name, arguments, calls.len(), ledger));
            }
            PartBody::Image(Media::Base64 { data, .. }) => images.push(data.as_str().into()),
            PartBody::Citation(_) => ledger.note(Field::AnswerCitations, Fate::Dropped),
            PartBody::Image(_)
            | PartBody::Opaque { .. }
            | PartBody::Audio(_)
            | PartBody::Video(_)
            | PartBody::Document { .. }
            | PartBody::ToolResult { .. } => ledger.note(Field::AnswerPart, Fate::Dropped),
        }
    }
    let mut out = Map::new();
    out.insert("role".into(), "assistant".into());
    out.insert("content".into(), content.into());
    if !thinking.is_empty() {
        out.insert("thinking".into(), thinking.into());
    }
    if !images.is_empty() {
        out.insert("images".into(), images.into());
    }
    if !calls.is_empty() {
        out.insert("tool_calls".into(), calls.into());
    }
    out.into()
}

/// An answer cut at its token limit may end in half a call.
pub(super) fn write_call(id: &str, name: &str, text: &str, index: usize, ledger: &mut Ledger) -> Value {
    let arguments = arguments(text).unwrap_or_else(|| {
        ledger.note(Field::AnswerArguments, Fate::Emulated);
        unreadable_arguments(text)
    });
    json!({"id": id, "function": {"index": index, "name": name, "arguments": arguments}})
}
