//! A client's chat completions request to the neutral one.

use serde_json::Value;

use crate::dialect::Format;
use crate::dialect::fields::{Fields, take_own, wrong};
use crate::error::BadRequest;
use crate::message::{Reasoning, Request, ResponseFormat, Tool, ToolChoice};

use super::decode_message::message;

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
    request.user = fields.string("user")?;
    request.service_tier = fields.string("service_tier")?;
    request.verbosity = fields.string("verbosity")?;
    request.metadata = fields.object("metadata")?.map(Fields::rest);
    sampling(&mut fields, &mut request)?;
    request.reasoning = reasoning(&mut fields)?;
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

fn sampling(fields: &mut Fields, request: &mut Request) -> Decoded<()> {
    request.temperature = fields.number("temperature")?;
    request.top_p = fields.number("top_p")?;
    // vLLM's -1 means all tokens; nobody else knows it.
    if fields.get("top_k").and_then(Value::as_i64).is_none_or(|top_k| top_k >= 0) {
        request.top_k = fields.count("top_k")?;
    }
    request.stop = stop(fields)?;
    request.n = fields.count("n")?;
    request.seed = fields.integer("seed")?;
    request.presence_penalty = fields.number("presence_penalty")?;
    request.frequency_penalty = fields.number("frequency_penalty")?;
    request.logit_bias = fields.object("logit_bias")?.map(|biases| biases.rest().into());
    request.logprobs = fields.bool("logprobs")?;
    request.top_logprobs = fields.count("top_logprobs")?;
    Ok(())
}

/// How much to think. OpenAI has one word for it, other servers have their own members. Those stay where they are: a
/// server of which nothing is known gets them as they came.
fn reasoning(fields: &mut Fields) -> Decoded<Option<Reasoning>> {
    let effort = fields.string("reasoning_effort")?;
    let from_word = |word: &str| match word {
        "none" => Reasoning::Off,
        _ => Reasoning::Effort(word.to_owned()),
    };
    // Anthropic's, and the same member with less in it: DeepSeek, Zhipu, Moonshot, ByteDance.
    let thinking = match look_into(fields, "thinking")? {
        None => None,
        Some(mut thinking) => {
            let budget = thinking.count("budget_tokens")?;
            match thinking.string("type")?.as_deref() {
                Some("disabled") => Some(Reasoning::Off),
                Some("adaptive" | "auto") => Some(Reasoning::Adaptive(effort.clone())),
                Some("enabled") => Some(budget.map_or(Reasoning::On, Reasoning::Budget)),
                Some(_) => return Err(thinking.wrong("type", "one of enabled, disabled, adaptive, auto")),
                None => None,
            }
        }
    };
    // OpenRouter's.
    let object = match look_into(fields, "reasoning")? {
        None => None,
        Some(mut reasoning) => {
            let (word, tokens) = (reasoning.string("effort")?, reasoning.count("max_tokens")?);
            let switch = reasoning.bool("enabled")?.map(on_or_off);
            word.as_deref().map(from_word).or(tokens.map(Reasoning::Budget)).or(switch)
        }
    };
    // Qwen's.
    let mut qwen = fields.look(&["thinking_budget", "enable_thinking"]);
    let budget = qwen.count("thinking_budget")?.map(Reasoning::Budget);
    let switch = match qwen.bool("enable_thinking")? {
        Some(true) => budget.or(Some(Reasoning::On)),
        Some(false) => Some(Reasoning::Off),
        None => budget,
    };
    Ok(match (thinking, effort) {
        (Some(decided @ (Reasoning::Off | Reasoning::Adaptive(_))), _) => Some(decided),
        (_, Some(effort)) => Some(from_word(&effort)),
        (thinking, None) => object.or(thinking).or(switch),
    })
}

fn on_or_off(on: bool) -> Reasoning {
    if on { Reasoning::On } else { Reasoning::Off }
}

/// An object's members, which stay where they are.
fn look_into(fields: &Fields, name: &str) -> Decoded<Option<Fields>> {
    fields.look(&[name]).object(name)
}

fn tool(mut fields: Fields) -> Decoded<Tool> {
    // Mistral's own clients leave the type out.
    let kind = match fields.string("type")? {
        Some(kind) => kind,
        None if fields.get("function").is_some() => "function".to_owned(),
        None => return Err(fields.missing("type")),
    };
    let mut tool = Tool::default();
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
    if !function.is_empty() {
        fields.keep("function", function.rest().into());
    }
    tool.extra = fields.rest();
    Ok(tool)
}

fn tool_choice(fields: &mut Fields) -> Decoded<Option<ToolChoice>> {
    let path = fields.path("tool_choice");
    let named = |value: &Value| {
        // Anthropic's spelling, which xAI takes too.
        let is_tool = value.get("type").is_some_and(|kind| kind == "tool");
        let holder = if is_tool { value } else { value.get("function")? };
        holder.get("name")?.as_str().map(str::to_owned)
    };
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
