//! A provider's complete answers.

use serde_json::{Map, Value, json};

use crate::dialect::failure::{Report, bounded};
use crate::dialect::ids::made_call_id;
use crate::dialect::{Format, carrier, media};
use crate::error::{Broken, UpstreamError};
use crate::message::{Choice, Issuer, Media, Part, PartBody, ReasoningBlock, Response, ToolCall};

use super::{MAX_CHOICES, annotations, read_finish, reasoning, signatures, tier, usage};

pub(super) fn decode(body: &[u8], issuer: Option<Issuer>) -> Result<Result<Response, UpstreamError>, Broken> {
    let body: Value = serde_json::from_slice(body).map_err(|error| Broken::Malformed(error.to_string()))?;
    if let Some(error) = error_in(&body) {
        return Ok(Err(error));
    }
    let choices = match body.get("choices").and_then(Value::as_array).map(Vec::as_slice) {
        Some([]) => return Err(Broken::Empty),
        Some(choices) => choices,
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
    let text = |name: &str| body.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let mut all = Vec::with_capacity(choices.len().min(MAX_CHOICES));
    for choice in choices.iter().take(MAX_CHOICES) {
        match read_choice(choice, text("id"), issuer) {
            Ok(choice) => all.push(choice),
            Err(error) => return Ok(Err(error)),
        }
    }
    let mut all = all.into_iter();
    let Choice { mut parts, finish, logprobs } = all.next().unwrap_or_default();
    parts.extend(annotations::read_lists(&body).into_iter().map(|it| PartBody::Citation(it).into()));
    let response = Response {
        id: text("id").map(str::to_owned),
        model: text("model").map(str::to_owned),
        created: body.get("created").and_then(Value::as_u64),
        parts,
        finish,
        logprobs,
        more: all.collect(),
        usage: usage::find(&body, issuer).unwrap_or_default(),
        service_tier: text("service_tier").and_then(tier::read).map(str::to_owned),
    };
    let has_more = response.more.iter().any(|choice| !choice.parts.is_empty());
    if response.is_empty() && !has_more { Err(Broken::Empty) } else { Ok(Ok(response)) }
}

/// An error object in spite of status 200.
pub(super) fn error_in(body: &Value) -> Option<UpstreamError> {
    let is_error = body.get("error").is_some_and(|error| !error.is_null())
        // vLLM.
        || body.get("object").is_some_and(|object| object == "error");
    is_error.then(|| Report::read(body).unwrap_or_default().in_band())
}

fn read_choice(choice: &Value, id: Option<&str>, issuer: Option<Issuer>) -> Result<Choice, UpstreamError> {
    // OpenRouter reports a provider's failure here.
    if let Some(error) = error_in(choice) {
        return Err(error);
    }
    let word = choice.get("finish_reason").and_then(Value::as_str).filter(|word| !word.is_empty());
    let finish = word.map(read_finish).transpose()?;
    let parts = choice.get("message").map(|message| read_message(message, id, issuer)).unwrap_or_default();
    Ok(Choice { parts, finish, logprobs: logprobs(choice) })
}

/// Servers write objects of nulls and empty lists where there are none.
pub(super) fn logprobs(choice: &Value) -> Option<Value> {
    let logprobs = choice.get("logprobs")?;
    let says = |value: &Value| !value.is_null() && value.as_array().is_none_or(|list| !list.is_empty());
    logprobs.as_object()?.values().any(says).then(|| logprobs.clone())
}

fn read_message(message: &Value, id: Option<&str>, issuer: Option<Issuer>) -> Vec<Part> {
    let text = |name: &str| message.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let mut calls = Vec::new();
    for (index, call) in list(message, "tool_calls").iter().enumerate() {
        calls.push(tool_call(call, id, index, issuer));
    }
    if let Some(function) = legacy_call(message) {
        let call = json!({"function": function});
        calls.push(tool_call(&call, id, calls.len(), issuer));
    }
    let riders = carrier::dismount_calls(&mut calls);
    let mut parts = read_reasoning(message, riders, issuer);
    match message.get("content") {
        Some(Value::String(text)) if !text.is_empty() => parts.push(Part::text(text)),
        Some(Value::Array(pieces)) => parts.extend(pieces.iter().map(content_piece)),
        // Cloudflare parses the JSON that was asked for.
        Some(object @ Value::Object(_)) => parts.push(Part::text(object.to_string())),
        _ => {}
    }
    parts.extend(images(message).map(|image| PartBody::Image(image).into()));
    parts.extend(
        list(message, "annotations").iter().map(|it| PartBody::Citation(annotations::read(it)).into()),
    );
    if let Some(refusal) = text("refusal") {
        parts.push(PartBody::Refusal(refusal.to_owned()).into());
    }
    parts.append(&mut calls);
    parts.extend(own_members(message, issuer));
    parts
}

/// Our own carrier; else what rode on a call; else the plain text, and what its issuer wants back.
fn read_reasoning(message: &Value, riders: Vec<ReasoningBlock>, issuer: Option<Issuer>) -> Vec<Part> {
    let mut out = match message.get("reasoning_details").and_then(reasoning::read_details) {
        Some(blocks) => blocks,
        None if !riders.is_empty() => riders,
        None if let Some(blocks) = claude_thoughts(message, issuer) => blocks,
        None => {
            let text = reasoning_text(message);
            text.map(|text| ReasoningBlock::Thinking { text, signature: None }).into_iter().collect()
        }
    };
    if issuer == Some(Issuer::OpenRouter) {
        let mut entries = reasoning::Entries::of(list(message, "reasoning_details"));
        out.extend(entries.take().map(|data| ReasoningBlock::Redacted { data }));
    }
    let extra = message.get("extra_content");
    if let Some(signature) = extra.and_then(|it| signatures::in_extra_content(it, signatures::google(issuer)))
    {
        out.push(ReasoningBlock::Thinking { text: String::new(), signature: Some(signature) });
    }
    out.into_iter().map(|block| PartBody::Reasoning(block).into()).collect()
}

/// Entries of a server that has no format of its own for the thoughts of Claude.
fn claude_thoughts(message: &Value, issuer: Option<Issuer>) -> Option<Vec<ReasoningBlock>> {
    issuer.filter(|issuer| *issuer == Issuer::Anthropic)?;
    reasoning::read_claude(list(message, "reasoning_details"))
}

/// Servers differ in the name, and some use several for the same text. Snowflake, and OpenRouter before some models, have
/// it in the details alone.
pub(super) fn reasoning_text(message: &Value) -> Option<String> {
    let text = |name: &str| message.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let named = text("reasoning_content").or_else(|| text("reasoning")).map(str::to_owned);
    named.or_else(|| reasoning::readable(list(message, "reasoning_details")))
}

/// The one call of a message or delta from before there were several. Snowflake writes one without a name where there
/// is none.
pub(super) fn legacy_call(message: &Value) -> Option<&Value> {
    message.get("function_call").filter(|call| says_something(call.get("name")))
}

fn says_something(member: Option<&Value>) -> bool {
    member.and_then(Value::as_str).is_some_and(|text| !text.is_empty())
}

/// Snowflake writes sound of empty texts where there is none.
fn is_silent(audio: &Value) -> bool {
    audio.as_object().is_some_and(|_| {
        !["id", "data", "transcript"].into_iter().any(|name| says_something(audio.get(name)))
    })
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

/// OpenRouter's images, which the model made.
pub(super) fn images(message: &Value) -> impl Iterator<Item = Media> {
    list(message, "images").iter().filter_map(|image| {
        let url = image.get("image_url")?.get("url")?.as_str()?;
        Some(media::from_url(url.to_owned(), None))
    })
}

fn tool_call(call: &Value, answer: Option<&str>, index: usize, issuer: Option<Issuer>) -> Part {
    let Some(function) = call.get("function").filter(|function| function.is_object()) else {
        return PartBody::Opaque { format: Format::Chat, value: json!({"tool_calls": [call]}) }.into();
    };
    let text = |of: &Value, name: &str| of.get(name).and_then(Value::as_str).map(str::to_owned);
    let id = text(call, "id")
        .filter(|id| !id.is_empty())
        .unwrap_or_else(|| made_call_id(answer.unwrap_or_default(), index));
    let arguments = function.get("arguments").map(arguments).filter(|text| !text.is_empty());
    PartBody::ToolCall(ToolCall {
        id,
        name: text(function, "name").unwrap_or_default(),
        arguments: arguments.unwrap_or_else(|| "{}".into()),
        signature: call_signature(call, issuer),
    })
    .into()
}

pub(super) fn call_signature(call: &Value, issuer: Option<Issuer>) -> Option<crate::message::Signature> {
    signatures::in_extra_content(call.get("extra_content")?, signatures::google(issuer))
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
pub(super) fn own_members(message: &Value, issuer: Option<Issuer>) -> impl Iterator<Item = Part> {
    ["audio", "reasoning_details"].into_iter().filter_map(move |name| {
        let value = message.get(name)?;
        let is_told = match name {
            "reasoning_details" => {
                issuer == Some(Issuer::OpenRouter)
                    || reasoning::read_details(value).is_some()
                    || claude_thoughts(message, issuer).is_some()
            }
            _ => is_silent(value),
        };
        if is_told || value.is_null() || value.as_array().is_some_and(Vec::is_empty) {
            return None;
        }
        let mut object = Map::new();
        object.insert(name.to_owned(), value.clone());
        Some(PartBody::Opaque { format: Format::Chat, value: object.into() }.into())
    })
}

pub(super) fn list<'a>(of: &'a Value, name: &str) -> &'a [Value] {
    of.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}
