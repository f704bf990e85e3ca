//! Complete answers.

use serde_json::{Map, Value, json};

use crate::dialect::failure::{Report, bounded};
use crate::dialect::{Format, Reply, extras};
use crate::error::{Broken, UpstreamError};
use crate::field::Field;
use crate::ledger::{Fate, Ledger};
use crate::message::{Issuer, Part, PartBody, ReasoningBlock, Response, ToolCall};

use super::{answer_id, made_call_id, read_finish, reasoning, usage, write_finish};

pub(super) fn decode(
    body: &[u8],
    _issuer: Option<Issuer>,
) -> Result<Result<Response, UpstreamError>, Broken> {
    let body: Value = serde_json::from_slice(body).map_err(|error| Broken::Malformed(error.to_string()))?;
    if let Some(error) = error_in(&body) {
        return Ok(Err(error));
    }
    let choice = match body.get("choices").and_then(Value::as_array).map(Vec::as_slice) {
        Some([choice, ..]) => choice,
        Some([]) => return Err(Broken::Empty),
        None => match Report::read(&body) {
            Some(report) => return Ok(Err(report.in_band())),
            None => {
                return Err(Broken::Malformed(format!(
                    "no `choices` in {}",
                    bounded(&body.to_string(), 200)
                )));
            }
        },
    };
    // OpenRouter reports a provider's failure here.
    if let Some(error) = error_in(choice) {
        return Ok(Err(error));
    }
    let text = |name: &str| body.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let finish = choice.get("finish_reason").and_then(Value::as_str).filter(|word| !word.is_empty());
    let finish = match finish.map(read_finish).transpose() {
        Ok(finish) => finish,
        Err(error) => return Ok(Err(error)),
    };
    let mut response = Response {
        id: text("id").map(str::to_owned),
        model: text("model").map(str::to_owned),
        created: body.get("created").and_then(Value::as_u64),
        parts: Vec::new(),
        finish,
        usage: usage::find(&body).unwrap_or_default(),
        ..Response::default()
    };
    if let Some(message) = choice.get("message") {
        read_message(message, &mut response);
    }
    if response.is_empty() { Err(Broken::Empty) } else { Ok(Ok(response)) }
}

/// An error object in spite of status 200.
pub(super) fn error_in(body: &Value) -> Option<UpstreamError> {
    let is_error = body.get("error").is_some_and(|error| !error.is_null())
        // vLLM.
        || body.get("object").is_some_and(|object| object == "error");
    is_error.then(|| Report::read(body).unwrap_or_default().in_band())
}

fn read_message(message: &Value, response: &mut Response) {
    let text = |name: &str| message.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    match message.get("reasoning_details").and_then(reasoning::read_details) {
        Some(blocks) => response.parts.extend(blocks.into_iter().map(|it| PartBody::Reasoning(it).into())),
        None => {
            if let Some(text) = reasoning_text(message) {
                let block = ReasoningBlock::Thinking { text: text.to_owned(), signature: None };
                response.parts.push(PartBody::Reasoning(block).into());
            }
        }
    }
    match message.get("content") {
        Some(Value::String(text)) if !text.is_empty() => response.parts.push(Part::text(text)),
        Some(Value::Array(pieces)) => response.parts.extend(pieces.iter().map(content_piece)),
        // Cloudflare parses the JSON that was asked for.
        Some(object @ Value::Object(_)) => response.parts.push(Part::text(object.to_string())),
        _ => {}
    }
    if let Some(refusal) = text("refusal") {
        response.parts.push(PartBody::Refusal(refusal.to_owned()).into());
    }
    let calls = message.get("tool_calls").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for (index, call) in calls.iter().enumerate() {
        response.parts.push(tool_call(call, response.id.as_deref(), index));
    }
    if let Some(function) = message.get("function_call").filter(|call| call.is_object()) {
        let call = json!({"function": function});
        response.parts.push(tool_call(&call, response.id.as_deref(), calls.len()));
    }
    response.parts.extend(own_members(message));
}

/// Servers differ in the name, and some use both for the same text.
pub(super) fn reasoning_text(message: &Value) -> Option<&str> {
    let text = |name: &str| message.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    text("reasoning_content").or_else(|| text("reasoning"))
}

/// Mistral writes content as a list where the model thinks.
fn content_piece(piece: &Value) -> Part {
    match read_piece(piece) {
        Some((true, text)) => PartBody::Reasoning(ReasoningBlock::Thinking { text, signature: None }).into(),
        Some((false, text)) => Part::text(text),
        None => PartBody::Opaque { format: Format::Chat, value: json!({"content": [piece]}) }.into(),
    }
}

/// Whether it is reasoning, and its text.
pub(super) fn read_piece(piece: &Value) -> Option<(bool, String)> {
    match piece.get("type")?.as_str()? {
        "text" => Some((false, piece.get("text")?.as_str()?.to_owned())),
        "thinking" => {
            let pieces = piece.get("thinking")?.as_array()?;
            Some((true, pieces.iter().filter_map(|it| it.get("text")?.as_str()).collect()))
        }
        _ => None,
    }
}

fn tool_call(call: &Value, answer: Option<&str>, index: usize) -> Part {
    let Some(function) = call.get("function").filter(|function| function.is_object()) else {
        return PartBody::Opaque { format: Format::Chat, value: json!({"tool_calls": [call]}) }.into();
    };
    let text = |of: &Value, name: &str| of.get(name).and_then(Value::as_str).map(str::to_owned);
    let id = text(call, "id").filter(|id| !id.is_empty()).unwrap_or_else(|| made_call_id(answer, index));
    let arguments = function.get("arguments").map(arguments).filter(|text| !text.is_empty());
    PartBody::ToolCall(ToolCall {
        id,
        name: text(function, "name").unwrap_or_default(),
        arguments: arguments.unwrap_or_else(|| "{}".into()),
        signature: None,
    })
    .into()
}

/// JSON text, as OpenAI has it, or the object itself, as some servers write it.
pub(super) fn arguments(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Members of a message or delta that only this format has, each as an object that joins the message again.
pub(super) fn own_members(message: &Value) -> impl Iterator<Item = Part> {
    ["annotations", "audio"].into_iter().filter_map(|name| {
        let value = message.get(name)?;
        let says_nothing = value.is_null() || value.as_array().is_some_and(Vec::is_empty);
        let mut object = Map::new();
        object.insert(name.to_owned(), value.clone());
        (!says_nothing).then(|| PartBody::Opaque { format: Format::Chat, value: object.into() }.into())
    })
}

pub(super) fn encode(response: &Response, reply: &Reply, ledger: &mut Ledger) -> Vec<u8> {
    let mut out = json!({
        "id": answer_id(response.id.as_deref(), reply),
        "object": "chat.completion",
        "created": response.created.unwrap_or(reply.created),
        "model": response.model.as_deref().unwrap_or(&reply.model),
        "choices": [{
            "index": 0,
            "message": write_message(&response.parts, ledger),
            "logprobs": null,
            "finish_reason": response.finish.as_ref().map(write_finish),
        }],
    });
    if let (true, Value::Object(out)) = (response.usage.is_known(), &mut out) {
        out.insert("usage".into(), usage::write(&response.usage));
    }
    out.to_string().into_bytes()
}

fn write_message(parts: &[Part], ledger: &mut Ledger) -> Value {
    let mut content = String::new();
    let mut refusal: Option<String> = None;
    let mut thought = String::new();
    let mut details: Vec<Value> = Vec::new();
    let mut calls: Vec<Value> = Vec::new();
    let mut own = Map::new();
    for part in parts {
        extras::note_dropped(&part.extra, ledger);
        match &part.body {
            PartBody::Text(text) => content.push_str(text),
            PartBody::Refusal(text) => refusal.get_or_insert_default().push_str(text),
            PartBody::Reasoning(block) => {
                if let ReasoningBlock::Thinking { text, .. } = block {
                    thought.push_str(text);
                }
                details.extend(reasoning::write_detail(block, details.len()));
            }
            PartBody::ToolCall(ToolCall { id, name, arguments, signature: _ }) => calls.push(json!({
                "id": id,
                "type": "function",
                "function": {"name": name, "arguments": arguments},
            })),
            PartBody::Opaque { format: Format::Chat, value } => join(&mut own, value),
            PartBody::Opaque { .. }
            | PartBody::Image(_)
            | PartBody::Audio(_)
            | PartBody::Video(_)
            | PartBody::Citation(_)
            | PartBody::Document { .. }
            | PartBody::ToolResult { .. } => ledger.note(Field::AnswerPart, Fate::Dropped),
        }
    }
    let is_null = content.is_empty() && (!calls.is_empty() || refusal.is_some());
    let mut out = Map::new();
    out.insert("role".into(), "assistant".into());
    out.insert("content".into(), if is_null { Value::Null } else { content.into() });
    out.insert("refusal".into(), refusal.into());
    if !thought.is_empty() {
        out.insert("reasoning_content".into(), thought.into());
    }
    if !details.is_empty() {
        out.insert("reasoning_details".into(), details.into());
    }
    if !calls.is_empty() {
        out.insert("tool_calls".into(), calls.into());
    }
    join(&mut out, &own.into());
    out.into()
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
