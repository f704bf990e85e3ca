//! A client's Cohere request to the neutral one.
//!
//! No client speaks this format to Penstock. Tests do, to see that what is written reads back; a member without a meaning of
//! its own may be lost here.

use serde_json::{Map, Value};

use crate::dialect::fields::{Fields, take_own, with_paths, wrong};
use crate::dialect::{Format, media};
use crate::error::BadRequest;
use crate::message::{
    Media, Message, Part, PartBody, Reasoning, ReasoningBlock, Request, ResponseFormat, Role, Tool, ToolCall,
    ToolChoice,
};

use super::citation;

type Decoded<T> = Result<T, BadRequest>;

pub(super) fn decode(body: &[u8]) -> Decoded<Request> {
    let mut fields = Fields::of_body(body)?;
    let mut request = Request {
        model: fields.required_string("model")?,
        stream: fields.bool("stream")?.unwrap_or(false),
        include_usage: true,
        origin: Some(Format::Cohere),
        ..Request::default()
    };
    for (path, value) in fields.list("messages")?.ok_or_else(|| fields.missing("messages"))? {
        message(Fields::of(value, path)?, &mut request)?;
    }
    let strict = fields.bool("strict_tools")?;
    for (path, value) in fields.list("tools")?.unwrap_or_default() {
        request.tools.push(Tool { strict, ..tool(Fields::of(value, path)?)? });
    }
    request.tool_choice = match fields.string("tool_choice")?.as_deref() {
        None => None,
        Some("REQUIRED") => Some(ToolChoice::Required),
        Some("NONE") => Some(ToolChoice::None),
        Some(_) => return Err(fields.wrong("tool_choice", "REQUIRED or NONE")),
    };
    request.max_tokens = fields.count("max_tokens")?;
    request.temperature = fields.number("temperature")?;
    request.top_p = fields.number("p")?;
    request.top_k = fields.count("k")?;
    for (path, item) in fields.list("stop_sequences")?.unwrap_or_default() {
        match item {
            Value::String(text) => request.stop.push(text),
            _ => return Err(wrong(path, "a string")),
        }
    }
    request.seed = seed(&mut fields)?;
    request.frequency_penalty = fields.number("frequency_penalty")?;
    request.presence_penalty = fields.number("presence_penalty")?;
    request.logprobs = fields.bool("logprobs")?;
    request.response_format = response_format(&mut fields)?;
    request.reasoning = reasoning(&mut fields)?;
    take_own(&mut fields, &mut request)?;
    request.extra = fields.rest();
    Ok(request)
}

/// Unsigned here. What has no place in an `i64` stays as it is.
fn seed(fields: &mut Fields) -> Decoded<Option<i64>> {
    let Some(seed) = fields.count("seed")? else { return Ok(None) };
    match i64::try_from(seed) {
        Ok(seed) => Ok(Some(seed)),
        Err(_) => {
            fields.keep("seed", seed.into());
            Ok(None)
        }
    }
}

fn message(mut fields: Fields, request: &mut Request) -> Decoded<()> {
    let role = fields.required_string("role")?;
    let path = fields.path("content");
    let value = fields.take("content");
    let parts = match role.as_str() {
        "system" | "developer" => {
            request.instruct(content(value, &path)?);
            return Ok(());
        }
        "user" => content(value, &path)?,
        "assistant" => assistant(&mut fields, content(value, &path)?)?,
        "tool" => {
            let id = fields.required_string("tool_call_id")?;
            vec![PartBody::ToolResult { id, parts: content(value, &path)?, is_error: false }.into()]
        }
        _ => return Err(fields.wrong("role", "one of system, user, assistant, tool")),
    };
    let role = if role == "assistant" { Role::Assistant } else { Role::User };
    request.messages.push(Message { extra: fields.rest(), ..Message::new(role, parts) });
    Ok(())
}

/// The plan, what was thought and said, the sources of that, the calls.
fn assistant(fields: &mut Fields, mut content: Vec<Part>) -> Decoded<Vec<Part>> {
    let mut parts = Vec::new();
    if let Some(text) = fields.string("tool_plan")?.filter(|text| !text.is_empty()) {
        parts.push(PartBody::Reasoning(ReasoningBlock::Thinking { text, signature: None }).into());
    }
    parts.append(&mut content);
    for (_, value) in fields.list("citations")?.unwrap_or_default() {
        parts.extend(citation::read(&value, 0).into_iter().map(|it| PartBody::Citation(it).into()));
    }
    for (path, value) in fields.list("tool_calls")?.unwrap_or_default() {
        parts.push(tool_call(Fields::of(value, path)?)?);
    }
    Ok(parts)
}

fn tool_call(mut fields: Fields) -> Decoded<Part> {
    let id = fields.required_string("id")?;
    let mut function = fields.object("function")?.ok_or_else(|| fields.missing("function"))?;
    let name = function.required_string("name")?;
    let arguments = function.string("arguments")?.unwrap_or_else(|| "{}".to_owned());
    fields.take("type");
    let part = Part::from(PartBody::ToolCall(ToolCall { id, name, arguments, signature: None }));
    Ok(Part { extra: fields.rest(), ..part })
}

/// Text, or a list of parts.
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
        "thinking" => {
            let text = fields.string("thinking")?.unwrap_or_default();
            PartBody::Reasoning(ReasoningBlock::Thinking { text, signature: None })
        }
        "image_url" => {
            let mut image = fields.object("image_url")?.ok_or_else(|| fields.missing("image_url"))?;
            PartBody::Image(media::from_url(image.required_string("url")?, image.string("detail")?))
        }
        "document" => match fields.get("document").and_then(document) {
            Some(document) => {
                fields.take("document");
                document
            }
            None => return Ok(opaque(kind, fields)),
        },
        _ => return Ok(opaque(kind, fields)),
    };
    Ok(Part { extra: fields.rest(), ..body.into() })
}

fn opaque(kind: String, mut fields: Fields) -> Part {
    fields.keep("type", kind.into());
    PartBody::Opaque { format: Format::Cohere, value: fields.rest().into() }.into()
}

/// A document that is a title and a text; any other is a set of fields that only this format has.
fn document(document: &Value) -> Option<PartBody> {
    let Some(("data", Value::Object(data))) = single(document.as_object()?) else { return None };
    if data.keys().any(|name| name != "title" && name != "text") {
        return None;
    }
    let text = data.get("text")?.as_str()?.to_owned();
    let name = match data.get("title") {
        None => None,
        Some(title) => Some(title.as_str()?.to_owned()),
    };
    Some(PartBody::Document { media: Media::PlainText(text), name })
}

/// The only member of an object.
fn single(map: &Map<String, Value>) -> Option<(&str, &Value)> {
    let mut members = map.iter();
    match (members.next(), members.next()) {
        (Some((name, value)), None) => Some((name, value)),
        _ => None,
    }
}

fn tool(mut fields: Fields) -> Decoded<Tool> {
    let kind = fields.string("type")?;
    if kind.as_deref().is_some_and(|kind| kind != "function") {
        fields.keep("type", kind.into());
        return Ok(Tool { opaque: Some(fields.rest().into()), ..Tool::default() });
    }
    let mut function = fields.object("function")?.ok_or_else(|| fields.missing("function"))?;
    Ok(Tool {
        name: function.required_string("name")?,
        description: function.string("description")?,
        parameters: function.object("parameters")?.map(|parameters| parameters.rest().into()),
        extra: function.rest(),
        ..Tool::default()
    })
}

/// The schema's member was called `schema` before it was called `json_schema`.
fn response_format(fields: &mut Fields) -> Decoded<Option<ResponseFormat>> {
    let Some(mut format) = fields.object("response_format")? else { return Ok(None) };
    let schema = match format.object("json_schema")? {
        Some(schema) => Some(schema),
        None => format.object("schema")?,
    };
    Ok(Some(match (format.required_string("type")?.as_str(), schema) {
        ("text", _) => ResponseFormat::Text,
        ("json_object", None) => ResponseFormat::JsonObject,
        ("json_object", Some(schema)) => ResponseFormat::JsonSchema {
            name: "answer".to_owned(),
            schema: schema.rest().into(),
            strict: None,
            description: None,
        },
        _ => return Err(format.wrong("type", "text or json_object")),
    }))
}

fn reasoning(fields: &mut Fields) -> Decoded<Option<Reasoning>> {
    let Some(mut thinking) = fields.object("thinking")? else { return Ok(None) };
    let budget = thinking.count("token_budget")?;
    Ok(Some(match (thinking.required_string("type")?.as_str(), budget) {
        ("disabled", _) => Reasoning::Off,
        ("enabled", Some(budget)) => Reasoning::Budget(budget),
        ("enabled", None) => Reasoning::On,
        _ => return Err(thinking.wrong("type", "enabled or disabled")),
    }))
}
