//! A client's Responses request to the neutral one.

use serde_json::{Map, Value};

use crate::dialect::Format;
use crate::dialect::fields::{Fields, take_own, wrong};
use crate::error::BadRequest;
use crate::message::{Part, Reasoning, Request, ResponseFormat, Tool, ToolChoice};

use super::decode_items;

type Decoded<T> = Result<T, BadRequest>;

/// What `include` asks for by this word has a neutral field.
pub(super) const INCLUDE_LOGPROBS: &str = "message.output_text.logprobs";
/// Members that may stand in place of `input`: the provider keeps what to answer.
pub(super) const STATE: &[&str] = &["previous_response_id", "conversation", "prompt"];

pub(super) fn decode(body: &[u8]) -> Decoded<Request> {
    let mut fields = Fields::of_body(body)?;
    let mut request = Request {
        model: fields.required_string("model")?,
        stream: fields.bool("stream")?.unwrap_or(false),
        // Part of the last event of every stream.
        include_usage: true,
        origin: Some(Format::Responses),
        ..Request::default()
    };
    if let Some(instructions) = fields.string("instructions")?.filter(|text| !text.is_empty()) {
        request.system.push(Part::text(instructions));
    }
    match fields.take("input") {
        Some(input) => decode_items::input(input, &mut request)?,
        None if STATE.iter().any(|name| fields.get(name).is_some_and(|value| !value.is_null())) => {}
        None => return Err(fields.missing("input")),
    }
    for (path, value) in fields.list("tools")?.unwrap_or_default() {
        request.tools.push(tool(Fields::of(value, path)?)?);
    }
    request.tool_choice = tool_choice(&mut fields)?;
    request.parallel_tool_calls = fields.bool("parallel_tool_calls")?;
    request.max_tokens = fields.count("max_output_tokens")?;
    request.temperature = fields.number("temperature")?;
    request.top_p = fields.number("top_p")?;
    request.user = fields.string("user")?;
    beyond_the_reference(&mut fields, &mut request)?;
    request.service_tier = fields.string("service_tier")?;
    request.metadata = fields.object("metadata")?.map(Fields::rest);
    reasoning(&mut fields, &mut request)?;
    text(&mut fields, &mut request)?;
    logprobs(&mut fields, &mut request)?;
    take_own(&mut fields, &mut request)?;
    request.extra = fields.rest();
    // The defaults, which say nothing to another provider.
    let says_nothing = |name: &str, value: &Value| {
        value.is_null()
            || (name == "background" && *value == Value::Bool(false))
            || (name == "truncation" && *value == "disabled")
    };
    request.extra.retain(|name, value| !says_nothing(name, value));
    Ok(request)
}

/// Members that OpenAI's reference does not have here, and other servers and models know.
fn beyond_the_reference(fields: &mut Fields, request: &mut Request) -> Decoded<()> {
    request.top_k = fields.count("top_k")?;
    request.presence_penalty = fields.number("presence_penalty")?;
    request.frequency_penalty = fields.number("frequency_penalty")?;
    if let Some(Value::String(_)) = fields.get("stop") {
        request.stop.extend(fields.string("stop")?);
    }
    for (path, item) in fields.list("stop")?.unwrap_or_default() {
        match item {
            Value::String(text) => request.stop.push(text),
            _ => return Err(wrong(path, "a string")),
        }
    }
    let seed = fields.take("seed");
    request.seed =
        seed.map(|seed| seed.as_i64().ok_or_else(|| fields.wrong("seed", "a whole number"))).transpose()?;
    Ok(())
}

fn tool(mut fields: Fields) -> Decoded<Tool> {
    let kind = fields.required_string("type")?;
    if kind != "function" {
        fields.keep("type", kind.into());
        return Ok(Tool { opaque: Some(fields.rest().into()), ..Tool::default() });
    }
    let name = fields.required_string("name")?;
    // Some clients write the chat format's object beside the name.
    if fields.get("parameters").is_none()
        && let Some(function) = fields.object("function")?
    {
        for (name, value) in function.rest() {
            if name != "name" && fields.get(&name).is_none() {
                fields.keep(&name, value);
            }
        }
    }
    let description = fields.string("description")?;
    let parameters = fields.object("parameters")?.map(|parameters| parameters.rest().into());
    let strict = fields.bool("strict")?;
    let cache_control = fields.take("cache_control");
    Ok(Tool { name, description, parameters, strict, cache_control, opaque: None, extra: fields.rest() })
}

fn tool_choice(fields: &mut Fields) -> Decoded<Option<ToolChoice>> {
    const WANT: &str = "one of auto, none, required, or an object";
    let path = fields.path("tool_choice");
    let Some(choice) = fields.take("tool_choice") else { return Ok(None) };
    if let Value::String(word) = &choice {
        return match word.as_str() {
            "auto" => Ok(Some(ToolChoice::Auto)),
            "none" => Ok(Some(ToolChoice::None)),
            "required" => Ok(Some(ToolChoice::Required)),
            _ => Err(wrong(path, WANT)),
        };
    }
    let mut inner = Fields::of(choice.clone(), path.clone()).map_err(|_| wrong(path, WANT))?;
    let kind = inner.required_string("type")?;
    if kind == "function" {
        return Ok(Some(ToolChoice::Named(inner.required_string("name")?)));
    }
    // `allowed_tools` and the tools that the provider runs. Whether a call must come is what every format can say.
    let is_forced = kind == "allowed_tools" && inner.string("mode")?.as_deref() == Some("required");
    fields.keep("tool_choice", choice);
    Ok(is_forced.then_some(ToolChoice::Required))
}

/// `reasoning`; what it holds beside the effort is kept.
fn reasoning(fields: &mut Fields, request: &mut Request) -> Decoded<()> {
    let Some(mut reasoning) = fields.object("reasoning")? else { return Ok(()) };
    request.reasoning = reasoning.string("effort")?.map(|effort| match effort.as_str() {
        "none" => Reasoning::Off,
        _ => Reasoning::Effort(effort),
    });
    keep_rest(fields, "reasoning", reasoning);
    Ok(())
}

/// `text`: the answer's format, and how wordy it shall be.
fn text(fields: &mut Fields, request: &mut Request) -> Decoded<()> {
    let Some(mut text) = fields.object("text")? else { return Ok(()) };
    request.verbosity = text.string("verbosity")?;
    if let Some(mut format) = text.object("format")? {
        let kind = format.required_string("type")?;
        request.response_format = match kind.as_str() {
            "text" => Some(ResponseFormat::Text),
            "json_object" => Some(ResponseFormat::JsonObject),
            "json_schema" => Some(ResponseFormat::JsonSchema {
                name: format.required_string("name")?,
                schema: format.object("schema")?.ok_or_else(|| format.missing("schema"))?.rest().into(),
                strict: format.bool("strict")?,
                description: format.string("description")?,
            }),
            _ => {
                format.keep("type", kind.into());
                text.keep("format", format.rest().into());
                None
            }
        };
    }
    keep_rest(fields, "text", text);
    Ok(())
}

/// `include` asks for the probabilities of the answer's tokens; `top_logprobs` alone asks for nothing.
fn logprobs(fields: &mut Fields, request: &mut Request) -> Decoded<()> {
    let path = fields.path("include");
    match fields.take("include") {
        None => {}
        Some(Value::Array(mut include)) => {
            let before = include.len();
            include.retain(|word| *word != INCLUDE_LOGPROBS);
            request.logprobs = (include.len() < before).then_some(true);
            if !include.is_empty() {
                fields.keep("include", include.into());
            }
        }
        Some(_) => return Err(wrong(path, "a list")),
    }
    if request.logprobs.is_some() {
        request.top_logprobs = fields.count("top_logprobs")?;
    }
    Ok(())
}

fn keep_rest(fields: &mut Fields, name: &str, inner: Fields) {
    let mut rest: Map<String, Value> = inner.rest();
    rest.retain(|_, value| !value.is_null());
    if !rest.is_empty() {
        fields.keep(name, rest.into());
    }
}
