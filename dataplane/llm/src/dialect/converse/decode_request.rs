//! A client's Converse request to the neutral one.
//!
//! Model and streaming stand in the URL, so they are not here: who took the URL apart adds them. A `modelId` in the
//! body, as some clients write it, is read.
//!
//! No client speaks this format to Penstock. Tests do, to see that what is written reads back; a member without a meaning of
//! its own may be lost here.

use serde_json::{Map, Value, json};

use crate::dialect::Format;
use crate::dialect::fields::{Fields, take_own, with_paths, wrong};
use crate::error::BadRequest;
use crate::message::{
    Issuer, Message, Part, PartBody, Reasoning, Request, ResponseFormat, Role, Tool, ToolChoice,
};

use super::cache;
use super::decode_block::content;

type Decoded<T> = Result<T, BadRequest>;

/// Signatures of others come tagged.
const HOME: Option<Issuer> = Some(Issuer::Anthropic);

pub(super) fn decode(body: &[u8]) -> Decoded<Request> {
    let mut fields = Fields::of_body(body)?;
    let mut request = Request {
        model: fields.string("modelId")?.unwrap_or_default(),
        include_usage: true,
        origin: Some(Format::Converse),
        ..Request::default()
    };
    request.system = content(fields.list("system")?.unwrap_or_default(), HOME)?;
    for (path, value) in fields.list("messages")?.ok_or_else(|| fields.missing("messages"))? {
        message(Fields::of(value, path)?, &mut request)?;
    }
    if let Some(mut config) = fields.object("toolConfig")? {
        tool_config(&mut config, &mut request)?;
        keep_rest(&mut fields, "toolConfig", config);
    }
    if let Some(mut config) = fields.object("inferenceConfig")? {
        request.max_tokens = config.count("maxTokens")?;
        request.temperature = config.number("temperature")?;
        request.top_p = config.number("topP")?;
        for (path, item) in config.list("stopSequences")?.unwrap_or_default() {
            match item {
                Value::String(text) => request.stop.push(text),
                _ => return Err(wrong(path, "a string")),
            }
        }
        keep_rest(&mut fields, "inferenceConfig", config);
    }
    if let Some(mut members) = fields.object("additionalModelRequestFields")? {
        model_fields(&mut members, &mut request)?;
        keep_rest(&mut fields, "additionalModelRequestFields", members);
    }
    if let Some(mut config) = fields.object("outputConfig")? {
        output_config(&mut config, &mut request)?;
        keep_rest(&mut fields, "outputConfig", config);
    }
    if let Some(mut tier) = fields.object("serviceTier")? {
        request.service_tier = Some(tier.required_string("type")?);
    }
    request.metadata = fields.object("requestMetadata")?.map(Fields::rest);
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
    let parts = content(fields.list("content")?.ok_or_else(|| fields.missing("content"))?, HOME)?;
    request.messages.push(Message { extra: fields.rest(), ..Message::new(role, parts) });
    Ok(())
}

/// Text joins the instructions; anything else is a message that only this format has, kept whole.
fn system_message(mut fields: Fields, request: &mut Request) -> Decoded<()> {
    let path = fields.path("content");
    let whole = fields.take("content").ok_or_else(|| fields.missing("content"))?;
    let Value::Array(items) = &whole else { return Err(wrong(path, "a list")) };
    let parts = content(with_paths(&path, items.clone()), HOME)?;
    if parts.iter().all(|part| matches!(part.body, PartBody::Text(_))) {
        request.instruct(parts);
        return Ok(());
    }
    let value = json!({"role": "system", "content": whole});
    let part = Part::from(PartBody::Opaque { format: Format::Converse, value });
    request.messages.push(Message::new(Role::User, vec![part]));
    Ok(())
}

fn tool_config(config: &mut Fields, request: &mut Request) -> Decoded<()> {
    for (path, value) in config.list("tools")?.ok_or_else(|| config.missing("tools"))? {
        tool(path, value, request)?;
    }
    let Some(mut choice) = config.object("toolChoice")? else { return Ok(()) };
    request.tool_choice = if choice.take("auto").is_some() {
        Some(ToolChoice::Auto)
    } else if choice.take("any").is_some() {
        Some(ToolChoice::Required)
    } else if let Some(mut named) = choice.object("tool")? {
        Some(ToolChoice::Named(named.required_string("name")?))
    } else {
        return Err(config.wrong("toolChoice", "one of auto, any, tool"));
    };
    Ok(())
}

fn tool(path: String, value: Value, request: &mut Request) -> Decoded<()> {
    let Value::Object(mut item) = value else { return Err(wrong(path, "an object")) };
    if let Some(marker) = item.get("cachePoint").and_then(cache::marker)
        && let Some(last) = request.tools.last_mut().filter(|last| last.opaque.is_none())
    {
        last.cache_control = Some(marker);
        return Ok(());
    }
    let Some(spec) = item.shift_remove("toolSpec") else {
        // A tool of Bedrock's own, and what comes later.
        request.tools.push(Tool { opaque: Some(item.into()), ..Tool::default() });
        return Ok(());
    };
    let mut spec = Fields::of(spec, format!("{path}.toolSpec"))?;
    let mut schema = spec.object("inputSchema")?.ok_or_else(|| spec.missing("inputSchema"))?;
    request.tools.push(Tool {
        name: spec.required_string("name")?,
        description: spec.string("description")?,
        parameters: schema.take("json"),
        strict: spec.bool("strict")?,
        extra: spec.rest(),
        ..Tool::default()
    });
    Ok(())
}

/// What the vendors' models take beside Converse's own members; the rest is kept for them.
fn model_fields(members: &mut Fields, request: &mut Request) -> Decoded<()> {
    request.top_k = members.count("top_k")?;
    if let Some(mut config) = members.object("inferenceConfig")? {
        request.top_k = config.count("topK")?.or(request.top_k);
        keep_rest(members, "inferenceConfig", config);
    }
    request.reasoning = members.string("reasoning_effort")?.map(Reasoning::Effort);
    if let Some(config) = members.get("reasoningConfig").and_then(Value::as_object)
        && let Some(reasoning) = nova(config)
    {
        request.reasoning = Some(reasoning);
        members.take("reasoningConfig");
    }
    if let Some(thinking) = members.get("thinking").and_then(Value::as_object)
        && let Some(reasoning) = claude(thinking)
    {
        request.reasoning = Some(reasoning);
        members.take("thinking");
    }
    Ok(())
}

fn nova(config: &Map<String, Value>) -> Option<Reasoning> {
    let word = |name: &str| config.get(name).and_then(Value::as_str);
    match (word("type")?, word("maxReasoningEffort"), config.len()) {
        ("disabled", None, 1) => Some(Reasoning::Off),
        ("enabled", Some(effort), 2) => Some(Reasoning::Effort(effort.to_owned())),
        _ => None,
    }
}

fn claude(thinking: &Map<String, Value>) -> Option<Reasoning> {
    let budget = thinking.get("budget_tokens").and_then(Value::as_u64);
    match (thinking.get("type")?.as_str()?, budget, thinking.len()) {
        ("disabled", None, 1) => Some(Reasoning::Off),
        ("adaptive", None, 1) => Some(Reasoning::Adaptive(None)),
        ("enabled", Some(budget), 2) => Some(Reasoning::Budget(budget)),
        _ => None,
    }
}

fn output_config(config: &mut Fields, request: &mut Request) -> Decoded<()> {
    if let Some(effort) = config.string("effort")? {
        match &mut request.reasoning {
            None => request.reasoning = Some(Reasoning::Effort(effort)),
            Some(Reasoning::Adaptive(given)) => *given = Some(effort),
            Some(_) => config.keep("effort", effort.into()),
        }
    }
    let format = config
        .get("textFormat")
        .and_then(|format| format.get("structure"))
        .and_then(|it| it.get("jsonSchema"));
    if let Some(format) = format.and_then(response_format) {
        request.response_format = Some(format);
        config.take("textFormat");
    }
    Ok(())
}

/// The schema is JSON text.
fn response_format(format: &Value) -> Option<ResponseFormat> {
    let text = |name: &str| format.get(name).and_then(Value::as_str).map(str::to_owned);
    let schema = serde_json::from_str(format.get("schema")?.as_str()?).ok()?;
    let name = text("name").unwrap_or_default();
    Some(ResponseFormat::JsonSchema { name, schema, strict: None, description: text("description") })
}
