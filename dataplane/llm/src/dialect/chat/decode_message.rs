//! Messages of a client's request, and their parts.

use serde_json::Value;

use crate::dialect::fields::{Fields, with_paths, wrong};
use crate::dialect::{Format, carrier, media};
use crate::error::BadRequest;
use crate::message::{Issuer, Media, Message, Part, PartBody, ReasoningBlock, Request, Role, ToolCall};

use super::{reasoning, signatures};

type Decoded<T> = Result<T, BadRequest>;

pub(super) fn message(mut fields: Fields, request: &mut Request) -> Decoded<()> {
    let role = fields.required_string("role")?;
    let content_path = fields.path("content");
    let mut parts = content(fields.take("content"), &content_path)?;
    let mut message = match role.as_str() {
        "system" | "developer" => {
            mark_last(&mut parts, &mut fields);
            let mut rest = fields.rest();
            if let Some(first) = parts.first_mut() {
                first.extra.append(&mut rest);
            }
            request.instruct(parts);
            return Ok(());
        }
        "user" => Message { name: fields.string("name")?, ..Message::new(Role::User, parts) },
        "assistant" => assistant(&mut fields, parts)?,
        "tool" => {
            let id = fields.required_string("tool_call_id")?;
            let id = carrier::dismount(&id).0.to_owned();
            let result = PartBody::ToolResult { id, parts, is_error: false };
            Message { name: fields.string("name")?, ..Message::new(Role::User, vec![result.into()]) }
        }
        // What tools were before they had ids: the name stands for the id.
        "function" => {
            let id = fields.required_string("name")?;
            Message::new(Role::User, vec![PartBody::ToolResult { id, parts, is_error: false }.into()])
        }
        _ => return Err(fields.wrong("role", "one of system, developer, user, assistant, tool")),
    };
    mark_last(&mut message.parts, &mut fields);
    request.messages.push(Message { extra: fields.rest(), ..message });
    Ok(())
}

/// OpenRouter's clients may mark a whole message for the cache, which means its last part.
fn mark_last(parts: &mut [Part], fields: &mut Fields) {
    if let Some(last) = parts.last_mut()
        && last.cache_control.is_none()
    {
        last.cache_control = fields.take("cache_control");
    }
}

fn assistant(fields: &mut Fields, mut content: Vec<Part>) -> Decoded<Message> {
    if let Some(refusal) = fields.string("refusal")? {
        content.push(PartBody::Refusal(refusal).into());
    }
    let mut calls = Vec::new();
    for (path, value) in fields.list("tool_calls")?.unwrap_or_default() {
        calls.push(tool_call(Fields::of(value, path)?)?);
    }
    if let Some(mut call) = fields.object("function_call")? {
        let name = call.required_string("name")?;
        let arguments = call.string("arguments")?.unwrap_or_default();
        calls
            .push(PartBody::ToolCall(ToolCall { id: name.clone(), name, arguments, signature: None }).into());
    }
    let riders = carrier::dismount_calls(&mut calls);
    let mut parts = reasoning_parts(fields, riders)?;
    parts.append(&mut content);
    parts.append(&mut calls);
    Ok(Message { name: fields.string("name")?, ..Message::new(Role::Assistant, parts) })
}

/// The carrier of an earlier answer, see [`reasoning`]; without it what rode on a tool call; without that the plain
/// text, and Google's signature of the message.
fn reasoning_parts(fields: &mut Fields, riders: Vec<ReasoningBlock>) -> Decoded<Vec<Part>> {
    let blocks = fields.get("reasoning_details").and_then(reasoning::read_details);
    let newer = text_of(fields, "reasoning")?;
    let text = text_of(fields, "reasoning_content")?.or(newer);
    let mut out = match (blocks, text) {
        (Some(blocks), _) => {
            fields.take("reasoning_details");
            blocks
        }
        (None, _) if !riders.is_empty() => riders,
        (None, Some(text)) => vec![ReasoningBlock::Thinking { text, signature: None }],
        (None, None) => Vec::new(),
    };
    let extra = fields.get("extra_content");
    if let Some(signature) = extra.and_then(|it| signatures::in_extra_content(it, Some(Issuer::Gemini))) {
        let is_known = |block: &ReasoningBlock| matches!(block, ReasoningBlock::Thinking { signature: Some(known), .. } if *known == signature);
        if !out.iter().any(is_known) {
            out.push(ReasoningBlock::Thinking { text: String::new(), signature: Some(signature) });
        }
        keep_rest_of_extra_content(fields);
    }
    Ok(out.into_iter().map(|block| PartBody::Reasoning(block).into()).collect())
}

/// Text that says something.
fn text_of(fields: &mut Fields, name: &str) -> Decoded<Option<String>> {
    Ok(fields.string(name)?.filter(|text| !text.is_empty()))
}

/// One without our own member stays as it is too: it may be of a server that reads it again.
fn keep_rest_of_extra_content(fields: &mut Fields) {
    if fields.get("extra_content").is_some_and(|extra| extra.get("penstock").is_none()) {
        return;
    }
    if let Some(rest) = fields.take("extra_content").and_then(signatures::rest_of_extra_content) {
        fields.keep("extra_content", rest);
    }
}

fn tool_call(mut fields: Fields) -> Decoded<Part> {
    if fields.get("function").is_none() {
        // A custom tool's call: free text, which no other format has.
        return Ok(PartBody::Opaque { format: Format::Chat, value: fields.rest().into() }.into());
    }
    let id = fields.required_string("id")?;
    let mut function = fields.object("function")?.ok_or_else(|| fields.missing("function"))?;
    let name = function.required_string("name")?;
    let arguments = function.string("arguments")?.unwrap_or_default();
    fields.take("type");
    // The place in the list says it.
    fields.take("index");
    let extra = fields.get("extra_content");
    let signature = extra.and_then(|it| signatures::in_extra_content(it, Some(Issuer::Gemini)));
    if signature.is_some() {
        keep_rest_of_extra_content(&mut fields);
    }
    let cache_control = fields.take("cache_control");
    let body = PartBody::ToolCall(ToolCall { id, name, arguments, signature });
    Ok(Part { body, cache_control, extra: fields.rest() })
}

fn content(value: Option<Value>, path: &str) -> Decoded<Vec<Part>> {
    match value {
        None => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(vec![Part::text(text)]),
        Some(Value::Array(items)) => {
            with_paths(path, items).into_iter().map(|(path, item)| part(Fields::of(item, path)?)).collect()
        }
        Some(_) => Err(wrong(path.to_owned(), "a string or a list")),
    }
}

fn part(mut fields: Fields) -> Decoded<Part> {
    let kind = fields.required_string("type")?;
    let body = match kind.as_str() {
        "text" => PartBody::Text(fields.required_string("text")?),
        "refusal" => PartBody::Refusal(fields.required_string("refusal")?),
        "image_url" => PartBody::Image(by_url(&mut fields, "image_url")?),
        // vLLM and OpenRouter.
        "video_url" => PartBody::Video(by_url(&mut fields, "video_url")?),
        "audio_url" => PartBody::Audio(by_url(&mut fields, "audio_url")?),
        "input_audio" => PartBody::Audio(sound(&mut fields)?),
        "file" => match document(&fields) {
            Some(document) => {
                fields.take("file");
                document
            }
            None => return Ok(opaque(kind, fields)),
        },
        _ => return Ok(opaque(kind, fields)),
    };
    let cache_control = fields.take("cache_control");
    Ok(Part { body, cache_control, extra: fields.rest() })
}

fn opaque(kind: String, mut fields: Fields) -> Part {
    fields.keep("type", kind.into());
    PartBody::Opaque { format: Format::Chat, value: fields.rest().into() }.into()
}

fn by_url(fields: &mut Fields, name: &str) -> Decoded<Media> {
    // Some servers and clients write the URL without the object around it.
    if let Some(Value::String(url)) = fields.get(name) {
        let url = url.clone();
        fields.take(name);
        return Ok(media::from_url(url, None));
    }
    let mut inner = fields.object(name)?.ok_or_else(|| fields.missing(name))?;
    let url = inner.required_string("url")?;
    Ok(media::from_url(url, inner.string("detail")?))
}

fn sound(fields: &mut Fields) -> Decoded<Media> {
    let mut audio = fields.object("input_audio")?.ok_or_else(|| fields.missing("input_audio"))?;
    let data = audio.required_string("data")?;
    Ok(media::from_bytes(audio_type(&audio.required_string("format")?), data))
}

/// OpenAI's word for a sound's format to its media type.
fn audio_type(format: &str) -> String {
    match format {
        "mp3" => "audio/mpeg".to_owned(),
        word => format!("audio/{word}"),
    }
}

/// A file whose bytes are here, or that is on the web, as OpenRouter takes it; one by id is only its provider's.
fn document(fields: &Fields) -> Option<PartBody> {
    /// `%PDF-`, in base64.
    const PDF: &str = "JVBERi0";
    let file = fields.get("file")?;
    let data = file.get("file_data")?.as_str()?;
    let media = match media::split(data) {
        Some((media_type, data)) => {
            Media::Base64 { media_type: media_type.to_owned(), data: data.to_owned(), detail: None }
        }
        None if data.starts_with("https://") || data.starts_with("http://") => {
            Media::Url { url: data.to_owned(), detail: None }
        }
        None if data.starts_with(PDF) => {
            Media::Base64 { media_type: "application/pdf".to_owned(), data: data.to_owned(), detail: None }
        }
        None => return None,
    };
    let name = file.get("filename").and_then(Value::as_str).map(str::to_owned);
    Some(PartBody::Document { media, name })
}
