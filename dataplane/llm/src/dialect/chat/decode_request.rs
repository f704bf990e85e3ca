//! A client's chat completions request to the neutral one.

use serde_json::Value;

use crate::dialect::fields::{Fields, take_own, with_paths, wrong};
use crate::dialect::{Format, media};
use crate::error::BadRequest;
use crate::message::{
    Message, Part, PartBody, Reasoning, ReasoningBlock, Request, ResponseFormat, Role, Tool, ToolCall,
    ToolChoice,
};

use super::reasoning;

type Decoded<T> = Result<T, BadRequest>;

pub(super) fn decode(body: &[u8]) -> Decoded<Request> {
    let mut fields = Fields::of_body(body)?;
    let mut request = Request {
        model: fields.required_string("model")?,
        stream: fields.bool("stream")?.unwrap_or(false),
        origin: Some(Format::Chat),
        ..Request::default()
    };
    for (path, value) in fields.list("messages")?.ok_or_else(|| fields.missing("messages"))? {
        message(Fields::of(value, path)?, &mut request)?;
    }
    for (path, value) in fields.list("tools")?.unwrap_or_default() {
        request.tools.push(tool(Fields::of(value, path)?)?);
    }
    request.tool_choice = tool_choice(&mut fields)?;
    request.parallel_tool_calls = fields.bool("parallel_tool_calls")?;
    let older = fields.count("max_tokens")?;
    request.max_tokens = fields.count("max_completion_tokens")?.or(older);
    request.temperature = fields.number("temperature")?;
    request.top_p = fields.number("top_p")?;
    request.stop = stop(&mut fields)?;
    request.user = fields.string("user")?;
    request.reasoning = fields.string("reasoning_effort")?.map(|effort| match effort.as_str() {
        "none" => Reasoning::Off,
        _ => Reasoning::Effort(effort),
    });
    request.response_format = response_format(&mut fields)?;
    if let Some(mut options) = fields.object("stream_options")? {
        request.include_usage = options.bool("include_usage")?.unwrap_or(false);
        if !options.is_empty() {
            fields.keep("stream_options", options.rest().into());
        }
    }
    take_own(&mut fields, &mut request)?;
    request.extra = fields.rest();
    Ok(request)
}

fn message(mut fields: Fields, request: &mut Request) -> Decoded<()> {
    let role = fields.required_string("role")?;
    let content_path = fields.path("content");
    let mut parts = content(fields.take("content"), &content_path)?;
    let message = match role.as_str() {
        "system" | "developer" => {
            let mut rest = fields.rest();
            if let Some(first) = parts.first_mut() {
                first.extra.append(&mut rest);
            }
            request.system.append(&mut parts);
            return Ok(());
        }
        "user" => Message { name: fields.string("name")?, ..Message::new(Role::User, parts) },
        "assistant" => assistant(&mut fields, parts)?,
        "tool" => {
            let id = fields.required_string("tool_call_id")?;
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
    request.messages.push(Message { extra: fields.rest(), ..message });
    Ok(())
}

fn assistant(fields: &mut Fields, mut content: Vec<Part>) -> Decoded<Message> {
    let mut parts = reasoning_parts(fields)?;
    parts.append(&mut content);
    if let Some(refusal) = fields.string("refusal")? {
        parts.push(PartBody::Refusal(refusal).into());
    }
    for (path, value) in fields.list("tool_calls")?.unwrap_or_default() {
        parts.push(tool_call(Fields::of(value, path)?)?);
    }
    if let Some(mut call) = fields.object("function_call")? {
        let name = call.required_string("name")?;
        let arguments = call.string("arguments")?.unwrap_or_default();
        parts
            .push(PartBody::ToolCall(ToolCall { id: name.clone(), name, arguments, signature: None }).into());
    }
    Ok(Message { name: fields.string("name")?, ..Message::new(Role::Assistant, parts) })
}

/// The carrier of an earlier answer, see [`reasoning`]; where there is none, or another gateway's, the plain text.
fn reasoning_parts(fields: &mut Fields) -> Decoded<Vec<Part>> {
    let path = fields.path("reasoning_content");
    let blocks = fields.get("reasoning_details").and_then(reasoning::read_details);
    let text = match fields.take("reasoning_content") {
        None => None,
        Some(Value::String(text)) => Some(text),
        Some(_) => return Err(wrong(path, "a string")),
    };
    let blocks = match (blocks, text) {
        (Some(blocks), _) => {
            fields.take("reasoning_details");
            blocks
        }
        (None, Some(text)) if !text.is_empty() => vec![ReasoningBlock::Thinking { text, signature: None }],
        (None, _) => Vec::new(),
    };
    Ok(blocks.into_iter().map(|block| PartBody::Reasoning(block).into()).collect())
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
    let part = Part::from(PartBody::ToolCall(ToolCall { id, name, arguments, signature: None }));
    Ok(Part { extra: fields.rest(), ..part })
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
        "image_url" => PartBody::Image(image(&mut fields)?),
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

fn image(fields: &mut Fields) -> Decoded<crate::message::Media> {
    // Some servers and clients write the URL without the object around it.
    if let Some(Value::String(url)) = fields.get("image_url") {
        let url = url.clone();
        fields.take("image_url");
        return Ok(media::from_url(url, None));
    }
    let mut image = fields.object("image_url")?.ok_or_else(|| fields.missing("image_url"))?;
    let url = image.required_string("url")?;
    Ok(media::from_url(url, image.string("detail")?))
}

/// A file whose bytes are here; one by id is only its provider's.
fn document(fields: &Fields) -> Option<PartBody> {
    let file = fields.get("file")?;
    let (media_type, data) = media::split(file.get("file_data")?.as_str()?)?;
    let media = crate::message::Media::Base64 {
        media_type: media_type.to_owned(),
        data: data.to_owned(),
        detail: None,
    };
    let name = file.get("filename").and_then(Value::as_str).map(str::to_owned);
    Some(PartBody::Document { media, name })
}

fn tool(mut fields: Fields) -> Decoded<Tool> {
    // Mistral's own clients leave the type out.
    let kind = match fields.string("type")? {
        Some(kind) => kind,
        None if fields.get("function").is_some() => "function".to_owned(),
        None => return Err(fields.missing("type")),
    };
    let mut tool = Tool {
        name: String::new(),
        description: None,
        parameters: None,
        strict: None,
        cache_control: None,
        opaque: None,
        extra: serde_json::Map::new(),
    };
    if kind != "function" {
        fields.keep("type", kind.into());
        tool.opaque = Some(fields.rest().into());
        return Ok(tool);
    }
    let mut function = fields.object("function")?.ok_or_else(|| fields.missing("function"))?;
    tool.name = function.required_string("name")?;
    tool.description = function.string("description")?;
    if let Some(parameters) = function.object("parameters")? {
        tool.parameters = Some(parameters.rest().into());
    }
    tool.strict = function.bool("strict")?;
    tool.cache_control = fields.take("cache_control");
    tool.extra = function.rest();
    Ok(tool)
}

fn tool_choice(fields: &mut Fields) -> Decoded<Option<ToolChoice>> {
    let path = fields.path("tool_choice");
    let named = |value: &Value| value.get("function")?.get("name")?.as_str().map(str::to_owned);
    Ok(match fields.take("tool_choice") {
        None => None,
        Some(Value::String(word)) => match word.as_str() {
            "auto" => Some(ToolChoice::Auto),
            "none" => Some(ToolChoice::None),
            // `any` is Mistral's word.
            "required" | "any" => Some(ToolChoice::Required),
            _ => return Err(wrong(path, "one of auto, none, required, or an object")),
        },
        Some(value @ Value::Object(_)) => match named(&value) {
            Some(name) => Some(ToolChoice::Named(name)),
            // `allowed_tools` and custom tools.
            None => {
                fields.keep("tool_choice", value);
                None
            }
        },
        Some(_) => return Err(wrong(path, "one of auto, none, required, or an object")),
    })
}

fn stop(fields: &mut Fields) -> Decoded<Vec<String>> {
    if let Some(Value::String(_)) = fields.get("stop") {
        return Ok(fields.string("stop")?.into_iter().collect());
    }
    let items = fields.list("stop")?.unwrap_or_default();
    items
        .into_iter()
        .map(|(path, item)| match item {
            Value::String(text) => Ok(text),
            _ => Err(wrong(path, "a string")),
        })
        .collect()
}

fn response_format(fields: &mut Fields) -> Decoded<Option<ResponseFormat>> {
    let Some(mut format) = fields.object("response_format")? else { return Ok(None) };
    let kind = format.required_string("type")?;
    Ok(Some(match kind.as_str() {
        "text" => ResponseFormat::Text,
        "json_object" => ResponseFormat::JsonObject,
        "json_schema" => {
            let mut inner = format.object("json_schema")?.ok_or_else(|| format.missing("json_schema"))?;
            ResponseFormat::JsonSchema {
                name: inner.required_string("name")?,
                strict: inner.bool("strict")?,
                description: inner.string("description")?,
                schema: inner
                    .object("schema")?
                    .map_or_else(|| Value::Object(Default::default()), |it| it.rest().into()),
            }
        }
        _ => {
            format.keep("type", kind.into());
            fields.keep("response_format", format.rest().into());
            return Ok(None);
        }
    }))
}
