//! A client's request to the neutral one.

use serde_json::{Map, Value};

use crate::dialect::Format;
use crate::dialect::fields::{Fields, take_own, wrong};
use crate::error::BadRequest;
use crate::message::{Reasoning, Request, ResponseFormat, Tool, ToolChoice};

use super::openapi::to_json_schema;
use super::{case, decode_content, thinking, usage};

type Decoded<T> = Result<T, BadRequest>;

pub(super) fn decode(body: &[u8]) -> Decoded<Request> {
    let mut fields = case::fields(Fields::of_body(body)?.rest().into(), String::new())?;
    let mut request = Request {
        model: fields.required_string("model")?,
        stream: fields.bool("stream")?.unwrap_or(false),
        include_usage: true,
        origin: Some(Format::Gemini),
        ..Request::default()
    };
    if let Some(mut system) = case::object(&mut fields, "systemInstruction")? {
        // Nobody reads the role of instructions.
        system.take("role");
        let parts = case::list(&mut system, "parts")?.unwrap_or_default();
        request.system = decode_content::system(parts)?;
        keep(&mut fields, "systemInstruction", system);
    }
    let contents = case::list(&mut fields, "contents")?.ok_or_else(|| fields.missing("contents"))?;
    request.messages = decode_content::messages(contents)?;
    for (path, value) in case::list(&mut fields, "tools")?.unwrap_or_default() {
        tools(case::fields(value, path)?, &mut request.tools)?;
    }
    if let Some(mut config) = case::object(&mut fields, "toolConfig")? {
        request.tool_choice = tool_choice(&mut config)?;
        keep(&mut fields, "toolConfig", config);
    }
    if let Some(mut config) = case::object(&mut fields, "generationConfig")? {
        generation_config(&mut config, &mut request)?;
        keep(&mut fields, "generationConfig", config);
    }
    request.service_tier = fields.string("serviceTier")?.as_deref().and_then(usage::read_tier_word);
    request.metadata = fields.object("labels")?.map(Fields::rest);
    take_own(&mut fields, &mut request)?;
    request.extra = fields.rest();
    Ok(request)
}

/// Puts what is left of a member back.
fn keep(fields: &mut Fields, name: &str, inner: Fields) {
    if !inner.is_empty() {
        fields.keep(name, inner.rest().into());
    }
}

/// One entry may hold functions and Google's own tools beside each other.
fn tools(mut fields: Fields, out: &mut Vec<Tool>) -> Decoded<()> {
    for (path, value) in case::list(&mut fields, "functionDeclarations")?.unwrap_or_default() {
        out.push(function(case::fields(value, path)?)?);
    }
    if !fields.is_empty() {
        out.push(Tool { opaque: Some(fields.rest().into()), ..Tool::default() });
    }
    Ok(())
}

fn function(mut fields: Fields) -> Decoded<Tool> {
    let name = fields.required_string("name")?;
    let description = fields.string("description")?;
    let openapi = fields.object("parameters")?.map(|schema| to_json_schema(schema.rest().into()));
    let parameters = fields.object("parametersJsonSchema")?.map(|schema| schema.rest().into()).or(openapi);
    Ok(Tool { name, description, parameters, extra: fields.rest(), ..Tool::default() })
}

fn tool_choice(config: &mut Fields) -> Decoded<Option<ToolChoice>> {
    let Some(mut calling) = case::object(config, "functionCallingConfig")? else { return Ok(None) };
    let mode = calling.string("mode")?;
    let path = calling.path("allowedFunctionNames");
    let names = calling.take("allowedFunctionNames");
    let names = match &names {
        None => &[],
        Some(Value::Array(names)) => names.as_slice(),
        Some(_) => return Err(wrong(path, "a list")),
    };
    let choice = match (mode.as_deref(), names) {
        (Some("AUTO"), []) => Some(ToolChoice::Auto),
        (Some("NONE"), []) => Some(ToolChoice::None),
        (Some("ANY"), [Value::String(name)]) => Some(ToolChoice::Named(name.clone())),
        (Some("ANY"), names) => {
            if !names.is_empty() {
                calling.keep("allowedFunctionNames", names.into());
            }
            Some(ToolChoice::Required)
        }
        // `VALIDATED`, and what newer versions bring.
        (mode, names) => {
            if let Some(mode) = mode {
                calling.keep("mode", mode.into());
            }
            if !names.is_empty() {
                calling.keep("allowedFunctionNames", names.into());
            }
            None
        }
    };
    keep(config, "functionCallingConfig", calling);
    Ok(choice)
}

fn generation_config(config: &mut Fields, request: &mut Request) -> Decoded<()> {
    request.max_tokens = whole(config, "maxOutputTokens")?;
    request.temperature = config.number("temperature")?;
    request.top_p = config.number("topP")?;
    request.top_k = whole(config, "topK")?;
    request.n = whole(config, "candidateCount")?;
    request.presence_penalty = config.number("presencePenalty")?;
    request.frequency_penalty = config.number("frequencyPenalty")?;
    request.logprobs = config.bool("responseLogprobs")?;
    request.top_logprobs = whole(config, "logprobs")?;
    request.seed = match config.take("seed") {
        None => None,
        Some(seed) => Some(seed.as_i64().ok_or_else(|| config.wrong("seed", "a whole number"))?),
    };
    for (path, item) in config.list("stopSequences")?.unwrap_or_default() {
        match item {
            Value::String(text) => request.stop.push(text),
            _ => return Err(wrong(path, "a string")),
        }
    }
    request.response_format = response_format(config)?;
    if let Some(mut thinking) = case::object(config, "thinkingConfig")? {
        request.reasoning = reasoning(&mut thinking)?;
        keep(config, "thinkingConfig", thinking);
    }
    Ok(())
}

/// The SDKs write `topK` as a float.
fn whole(fields: &mut Fields, name: &str) -> Decoded<Option<u64>> {
    match fields.get(name).and_then(Value::as_f64) {
        Some(number) if number.fract() == 0.0 && (0.0..9e15).contains(&number) => {
            fields.take(name);
            Ok(Some(number as u64))
        }
        _ => fields.count(name),
    }
}

fn reasoning(config: &mut Fields) -> Decoded<Option<Reasoning>> {
    if let Some(budget) = config.take("thinkingBudget") {
        return match budget.as_i64() {
            Some(0) => Ok(Some(Reasoning::Off)),
            Some(thinking::DYNAMIC) => Ok(Some(Reasoning::Adaptive(None))),
            Some(tokens @ 1..) => Ok(Some(Reasoning::Budget(tokens.unsigned_abs()))),
            _ => Err(config.wrong("thinkingBudget", "a number of tokens, 0, or -1")),
        };
    }
    if let Some(level) = config.string("thinkingLevel")? {
        let word = level.to_ascii_lowercase();
        if word != "thinking_level_unspecified" {
            return Ok(Some(Reasoning::Effort(word)));
        }
    }
    // Who wants to read thoughts wants the model to think.
    let shows = config.get("includeThoughts") == Some(&Value::Bool(true));
    if shows {
        config.take("includeThoughts");
    }
    Ok(shows.then_some(Reasoning::On))
}

/// The schema as OpenAPI, as JSON Schema, or in the newer `responseFormat`.
fn response_format(config: &mut Fields) -> Decoded<Option<ResponseFormat>> {
    let mime_type = config.string("responseMimeType")?;
    let of_text = match config.get("responseFormat").and_then(|it| it.as_object()) {
        Some(format) if format.len() == 1 && format.contains_key("text") => {
            let mut format =
                config.object("responseFormat")?.ok_or_else(|| config.missing("responseFormat"))?;
            case::object(&mut format, "text")?
        }
        _ => None,
    };
    if let Some(mut text) = of_text {
        let kind = text.string("mimeType")?;
        let schema = text.take("schema");
        return Ok(match (kind.as_deref(), schema) {
            (_, Some(schema)) => Some(json_schema(schema)),
            (Some("APPLICATION_JSON" | "application/json"), None) => Some(ResponseFormat::JsonObject),
            _ => Some(ResponseFormat::Text),
        });
    }
    match mime_type.as_deref() {
        Some("application/json") => {}
        Some("text/plain") => return Ok(Some(ResponseFormat::Text)),
        // `text/x.enum` and the like; their schema stays where it is.
        Some(_) => {
            config.keep("responseMimeType", mime_type.into());
            return Ok(None);
        }
        None => return Ok(None),
    }
    let internal = config.take("_responseJsonSchema");
    let schema = config.take("responseJsonSchema").or(internal);
    let openapi = config.take("responseSchema").map(to_json_schema);
    Ok(Some(schema.or(openapi).map_or(ResponseFormat::JsonObject, json_schema)))
}

fn json_schema(schema: Value) -> ResponseFormat {
    let name = schema_name(&schema);
    let schema = if schema.is_object() { schema } else { Map::new().into() };
    ResponseFormat::JsonSchema { name, schema, strict: None, description: None }
}

/// OpenAI wants a name of letters, digits, `_` and `-`.
fn schema_name(schema: &Value) -> String {
    let title = schema.get("title").and_then(Value::as_str).unwrap_or_default();
    let is_fit = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let name: String = title.chars().filter(is_fit).take(64).collect();
    if name.is_empty() { "answer".to_owned() } else { name }
}
