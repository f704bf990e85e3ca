//! A client's Messages request to the neutral one.

use serde_json::{Map, Value, json};

use crate::dialect::fields::{Fields, take_own, wrong};
use crate::dialect::{Format, carrier};
use crate::error::BadRequest;
use crate::message::{Message, Part, PartBody, Reasoning, Request, ResponseFormat, Role, Tool, ToolChoice};

use super::decode_block::content;
use super::{citations, tier};

type Decoded<T> = Result<T, BadRequest>;

pub(super) fn decode(body: &[u8]) -> Decoded<Request> {
    let mut fields = Fields::of_body(body)?;
    let mut request = Request {
        model: fields.required_string("model")?,
        stream: fields.bool("stream")?.unwrap_or(false),
        include_usage: true,
        origin: Some(Format::Messages),
        ..Request::default()
    };
    request.system = content(fields.take("system"), "system")?;
    for (path, value) in fields.list("messages")?.ok_or_else(|| fields.missing("messages"))? {
        message(Fields::of(value, path)?, &mut request)?;
    }
    for (path, value) in fields.list("tools")?.unwrap_or_default() {
        request.tools.push(tool(Fields::of(value, path)?)?);
    }
    tool_choice(&mut fields, &mut request)?;
    request.max_tokens = fields.count("max_tokens")?;
    request.temperature = fields.number("temperature")?;
    request.top_p = fields.number("top_p")?;
    request.top_k = fields.count("top_k")?;
    for (path, item) in fields.list("stop_sequences")?.unwrap_or_default() {
        match item {
            Value::String(text) => request.stop.push(text),
            _ => return Err(wrong(path, "a string")),
        }
    }
    if let Some(mut metadata) = fields.object("metadata")? {
        request.user = metadata.string("user_id")?;
        keep_rest(&mut fields, "metadata", metadata);
    }
    request.service_tier = fields.string("service_tier")?.map(|word| tier::read_request(&word).to_owned());
    reasoning_and_format(&mut fields, &mut request)?;
    take_own(&mut fields, &mut request)?;
    request.extra = fields.rest();
    Ok(request)
}

fn keep_rest(fields: &mut Fields, name: &str, inner: Fields) {
    if !inner.is_empty() {
        fields.keep(name, inner.rest().into());
    }
}

fn message(mut fields: Fields, request: &mut Request) -> Decoded<()> {
    let role = match fields.required_string("role")?.as_str() {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        // Newer models take instructions, and changes of the tools, in mid-conversation.
        "system" => return system_message(fields, request),
        _ => return Err(fields.wrong("role", "user or assistant")),
    };
    let path = fields.path("content");
    if fields.get("content").is_none_or(Value::is_null) {
        return Err(fields.missing("content"));
    }
    let mut parts = content(fields.take("content"), &path)?;
    let riders = carrier::dismount_calls(&mut parts);
    let has_thoughts = parts.iter().any(|part| matches!(part.body, PartBody::Reasoning(_)));
    if !has_thoughts {
        parts.splice(0..0, riders.into_iter().map(|block| PartBody::Reasoning(block).into()));
    }
    parts.iter_mut().for_each(citations::forget_carried);
    request.messages.push(Message { extra: fields.rest(), ..Message::new(role, parts) });
    Ok(())
}

/// Text joins the instructions; anything else is a message that only this format has, kept whole.
fn system_message(mut fields: Fields, request: &mut Request) -> Decoded<()> {
    let path = fields.path("content");
    let whole = fields.take("content");
    let parts = content(whole.clone(), &path)?;
    if parts.iter().all(|part| matches!(part.body, PartBody::Text(_))) {
        request.instruct(parts);
        return Ok(());
    }
    let value = json!({"role": "system", "content": whole});
    let part = Part::from(PartBody::Opaque { format: Format::Messages, value });
    request.messages.push(Message::new(Role::User, vec![part]));
    Ok(())
}

fn tool(mut fields: Fields) -> Decoded<Tool> {
    let kind = fields.string("type")?;
    let mut tool = Tool::default();
    if let Some(kind) = kind.filter(|kind| kind != "custom") {
        fields.keep("type", kind.into());
        tool.opaque = Some(fields.rest().into());
        return Ok(tool);
    }
    tool.name = fields.required_string("name")?;
    tool.description = fields.string("description")?;
    tool.parameters = fields.object("input_schema")?.map(|schema| schema.rest().into());
    tool.strict = fields.bool("strict")?;
    tool.cache_control = fields.take("cache_control");
    tool.extra = fields.rest();
    Ok(tool)
}

fn tool_choice(fields: &mut Fields, request: &mut Request) -> Decoded<()> {
    let Some(mut choice) = fields.object("tool_choice")? else { return Ok(()) };
    request.tool_choice = Some(match choice.required_string("type")?.as_str() {
        "auto" => ToolChoice::Auto,
        "any" => ToolChoice::Required,
        "none" => ToolChoice::None,
        "tool" => ToolChoice::Named(choice.required_string("name")?),
        _ => return Err(choice.wrong("type", "one of auto, any, tool, none")),
    });
    request.parallel_tool_calls = choice.bool("disable_parallel_tool_use")?.map(|disabled| !disabled);
    Ok(())
}

/// `thinking`, and `output_config` with the effort and the answer's format; what they hold beside that is kept.
fn reasoning_and_format(fields: &mut Fields, request: &mut Request) -> Decoded<()> {
    let mut effort = None;
    // The beta's name of what is now `output_config.format`.
    let mut format = fields.object("output_format")?;
    if let Some(mut config) = fields.object("output_config")? {
        effort = config.string("effort")?;
        format = config.object("format")?.or(format);
        keep_rest(fields, "output_config", config);
    }
    if let Some(format) = format {
        request.response_format = response_format(fields, format)?;
    }
    let Some(mut thinking) = fields.object("thinking")? else {
        request.reasoning = effort.map(Reasoning::Effort);
        return Ok(());
    };
    request.reasoning = Some(match thinking.required_string("type")?.as_str() {
        "disabled" => Reasoning::Off,
        "adaptive" => Reasoning::Adaptive(effort.take()),
        "enabled" => {
            let budget = thinking.count("budget_tokens")?.ok_or_else(|| thinking.missing("budget_tokens"))?;
            Reasoning::Budget(budget)
        }
        _ => return Err(thinking.wrong("type", "one of enabled, adaptive, disabled")),
    });
    keep_rest(fields, "thinking", thinking);
    if let Some(effort) = effort {
        let mut config = match fields.take("output_config") {
            Some(Value::Object(config)) => config,
            _ => Map::new(),
        };
        config.insert("effort".into(), effort.into());
        fields.keep("output_config", config.into());
    }
    Ok(())
}

fn response_format(fields: &mut Fields, mut format: Fields) -> Decoded<Option<ResponseFormat>> {
    let kind = format.string("type")?;
    match format.take("schema") {
        Some(schema) if kind.as_deref().is_none_or(|kind| kind == "json_schema") => {
            let name = schema_name(&schema);
            Ok(Some(ResponseFormat::JsonSchema { name, schema, strict: None, description: None }))
        }
        _ => {
            fields.keep("output_format", format.rest().into());
            Ok(None)
        }
    }
}

/// OpenAI wants a name of letters, digits, `_` and `-`.
fn schema_name(schema: &Value) -> String {
    let title = schema.get("title").and_then(Value::as_str).unwrap_or_default();
    let is_fit = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let name: String = title.chars().filter(is_fit).take(64).collect();
    if name.is_empty() { "answer".to_owned() } else { name }
}
