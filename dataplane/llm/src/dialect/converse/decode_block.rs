//! Content blocks, which requests and answers share.

use serde_json::{Map, Value};

use crate::dialect::fields::{Fields, wrong};
use crate::dialect::{Format, carrier};
use crate::error::BadRequest;
use crate::message::{Issuer, Media, Part, PartBody, ReasoningBlock, Signature, ToolCall};

use super::attachments::{AUDIO, DOCUMENT, IMAGE, Kind, VIDEO};
use super::{blob, cache, citations};

type Decoded<T> = Result<T, BadRequest>;

/// A list of blocks. `issuer` signed what is signed there.
pub(super) fn content(items: Vec<(String, Value)>, issuer: Option<Issuer>) -> Decoded<Vec<Part>> {
    let mut parts: Vec<Part> = Vec::with_capacity(items.len());
    for (path, item) in items {
        let Value::Object(item) = item else { return Err(wrong(path, "an object")) };
        if let Some(marker) = item.get("cachePoint").and_then(cache::marker)
            && let Some(last) = parts.last_mut().filter(|last| takes_marker(last))
        {
            last.cache_control = Some(marker);
            continue;
        }
        block(path, item, issuer, &mut parts)?;
    }
    Ok(parts)
}

/// A cache point behind anything else stays a block of its own.
fn takes_marker(part: &Part) -> bool {
    let is_kept_whole =
        matches!(part.body, PartBody::Opaque { .. } | PartBody::Reasoning(_) | PartBody::Citation(_));
    part.cache_control.is_none() && !is_kept_whole
}

fn block(path: String, item: Map<String, Value>, issuer: Option<Issuer>, out: &mut Vec<Part>) -> Decoded<()> {
    // A union: one member.
    let Some((kind, value)) = item.iter().find(|(_, value)| !value.is_null()) else {
        return Err(wrong(path, "a content block"));
    };
    let whole = || Part::from(PartBody::Opaque { format: Format::Converse, value: item.clone().into() });
    let path = format!("{path}.{kind}");
    let part = match kind.as_str() {
        "text" => match value {
            Value::String(text) => Some(Part::text(text.clone())),
            _ => return Err(wrong(path, "a string")),
        },
        // What a tool gave back, as JSON.
        "json" => Some(Part::text(value.to_string())),
        "image" => attachment(&IMAGE, path, value)?,
        "document" => attachment(&DOCUMENT, path, value)?,
        "audio" => attachment(&AUDIO, path, value)?,
        "video" => attachment(&VIDEO, path, value)?,
        "toolUse" => tool_use(Fields::of(value.clone(), path)?)?,
        "toolResult" => tool_result(Fields::of(value.clone(), path)?, issuer)?,
        "reasoningContent" => reasoning(value, issuer),
        "citationsContent" => {
            cited(value, out);
            return Ok(());
        }
        _ => None,
    };
    out.push(part.unwrap_or_else(whole));
    Ok(())
}

/// `None` for what only this format can say; the block is kept whole then.
fn attachment(kind: &Kind, path: String, value: &Value) -> Decoded<Option<Part>> {
    let Value::Object(members) = value else { return Err(wrong(path, "an object")) };
    let Some(source) = members.get("source").and_then(Value::as_object) else {
        return Err(wrong(format!("{path}.source"), "an object"));
    };
    let text = |name: &str| members.get(name).and_then(Value::as_str);
    let Some(media) = media(kind, text("format"), source) else { return Ok(None) };
    let mut extra = members.clone();
    extra.retain(|name, _| name != "format" && name != "source");
    let body = match kind.block {
        "image" => PartBody::Image(media),
        "audio" => PartBody::Audio(media),
        "video" => PartBody::Video(media),
        _ => {
            let name = text("name").map(str::to_owned);
            extra.shift_remove("name");
            PartBody::Document { media, name }
        }
    };
    Ok(Some(Part { extra, ..body.into() }))
}

fn media(kind: &Kind, format: Option<&str>, source: &Map<String, Value>) -> Option<Media> {
    let (name, value) = source.iter().find(|(_, value)| !value.is_null())?;
    match (name.as_str(), value) {
        ("bytes", Value::String(data)) => {
            let media_type = kind.media_type(format?)?.to_owned();
            Some(Media::Base64 { media_type, data: data.clone(), detail: None })
        }
        ("text", Value::String(text)) => Some(Media::PlainText(text.clone())),
        ("s3Location", Value::Object(place)) if place.len() == 1 => {
            let url = place.get("uri")?.as_str()?;
            (kind.of_address(url) == format).then(|| Media::Url { url: url.to_owned(), detail: None })
        }
        _ => None,
    }
}

fn tool_use(mut fields: Fields) -> Decoded<Option<Part>> {
    match fields.get("type").and_then(Value::as_str) {
        // Recorded, though the service model does not have it.
        None | Some("tool_use") => fields.take("type"),
        // A tool that Bedrock runs itself: never a call for the client.
        Some(_) => return Ok(None),
    };
    let (id, name) = (fields.required_string("toolUseId")?, fields.required_string("name")?);
    let arguments = fields.take("input").map_or_else(|| "{}".to_owned(), |input| input.to_string());
    let body = PartBody::ToolCall(ToolCall { id, name, arguments, signature: None });
    Ok(Some(Part { extra: fields.rest(), ..body.into() }))
}

fn tool_result(mut fields: Fields, issuer: Option<Issuer>) -> Decoded<Option<Part>> {
    if fields.get("type").is_some() {
        return Ok(None);
    }
    let id = fields.required_string("toolUseId")?;
    let parts = content(fields.list("content")?.ok_or_else(|| fields.missing("content"))?, issuer)?;
    let is_error = fields.get("status").is_some_and(|status| status == "error");
    if is_error {
        fields.take("status");
    }
    Ok(Some(Part { extra: fields.rest(), ..PartBody::ToolResult { id, parts, is_error }.into() }))
}

fn reasoning(value: &Value, issuer: Option<Issuer>) -> Option<Part> {
    if let Some(data) = value.get("redactedContent") {
        let data = blob::read(data.as_str()?, issuer)?;
        return Some(PartBody::Reasoning(ReasoningBlock::Redacted { data }).into());
    }
    let reasoning = value.get("reasoningText")?;
    let text = reasoning.get("text").and_then(Value::as_str).unwrap_or_default().to_owned();
    let signature = reasoning.get("signature").and_then(Value::as_str).filter(|text| !text.is_empty());
    let signature = signature.and_then(|text| signed(text, issuer));
    Some(PartBody::Reasoning(ReasoningBlock::Thinking { text, signature }).into())
}

/// A signature as it stands in an answer or a history.
pub(super) fn signed(text: &str, issuer: Option<Issuer>) -> Option<Signature> {
    carrier::untag(text, issuer.unwrap_or(Issuer::Bedrock))
}

fn cited(value: &Value, out: &mut Vec<Part>) {
    let list = |name: &str| value.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    out.push(Part::text(citations::texts(list("content"))));
    for citation in list("citations") {
        out.push(PartBody::Citation(citations::read(citation)).into());
    }
}
