//! A client's completions request to the neutral one.

use serde_json::Value;

use crate::dialect::Format;
use crate::dialect::fields::{Fields, take_own, wrong};
use crate::error::BadRequest;
use crate::message::{Message, Part, Request, Role};

use super::PROMPT;

type Decoded<T> = Result<T, BadRequest>;

pub(super) fn decode(body: &[u8]) -> Decoded<Request> {
    let mut fields = Fields::of_body(body)?;
    let mut request = Request {
        model: fields.required_string("model")?,
        stream: fields.bool("stream")?.unwrap_or(false),
        origin: Some(Format::Completions),
        ..Request::default()
    };
    match prompt(&mut fields)? {
        Prompt::Text(text) => request.messages.push(Message::new(Role::User, vec![Part::text(text)])),
        Prompt::Other(value) => fields.keep(PROMPT, value),
    }
    request.max_tokens = fields.count("max_tokens")?;
    request.temperature = fields.number("temperature")?;
    request.top_p = fields.number("top_p")?;
    request.top_k = fields.count("top_k")?;
    request.stop = stop(&mut fields)?;
    request.user = fields.string("user")?;
    request.n = fields.count("n")?;
    request.seed = seed(&mut fields)?;
    request.presence_penalty = fields.number("presence_penalty")?;
    request.frequency_penalty = fields.number("frequency_penalty")?;
    request.logit_bias = fields.object("logit_bias")?.map(|bias| bias.rest().into());
    if let Some(top) = fields.count("logprobs")? {
        request.logprobs = Some(true);
        request.top_logprobs = Some(top);
    }
    if let Some(mut options) = fields.object("stream_options")? {
        request.include_usage = options.bool("include_usage")?.unwrap_or(false);
        if !options.is_empty() {
            fields.keep("stream_options", options.rest().into());
        }
    }
    take_own(&mut fields, &mut request)?;
    request.extra = fields.rest();
    // The defaults, which say nothing to another provider.
    request.extra.retain(|name, value| {
        !(value.is_null()
            || (name == "echo" && *value == Value::Bool(false))
            || (name == "best_of" && *value == 1))
    });
    Ok(request)
}

enum Prompt {
    Text(String),
    /// Several, or ids of tokens.
    Other(Value),
}

fn prompt(fields: &mut Fields) -> Decoded<Prompt> {
    const WANT: &str = "a string, a list of strings, or token ids";
    let path = fields.path(PROMPT);
    let Some(prompt) = fields.take(PROMPT) else { return Err(fields.missing(PROMPT)) };
    let is_ids = |value: &Value| value.as_array().is_some_and(|ids| ids.iter().all(Value::is_u64));
    match prompt {
        Value::String(text) => Ok(Prompt::Text(text)),
        Value::Array(mut list) => match list.as_mut_slice() {
            [] => Err(wrong(path, WANT)),
            [Value::String(only)] => Ok(Prompt::Text(std::mem::take(only))),
            many if many.iter().all(Value::is_string)
                || many.iter().all(Value::is_u64)
                || many.iter().all(is_ids) =>
            {
                Ok(Prompt::Other(list.into()))
            }
            _ => Err(wrong(path, WANT)),
        },
        _ => Err(wrong(path, WANT)),
    }
}

fn stop(fields: &mut Fields) -> Decoded<Vec<String>> {
    if let Some(Value::String(_)) = fields.get("stop") {
        return Ok(fields.string("stop")?.into_iter().collect());
    }
    let items = fields.list("stop")?.unwrap_or_default();
    let text = |(path, item): (String, Value)| match item {
        Value::String(text) => Ok(text),
        _ => Err(wrong(path, "a string")),
    };
    items.into_iter().map(text).collect()
}

fn seed(fields: &mut Fields) -> Decoded<Option<i64>> {
    let seed = fields.take("seed");
    seed.map(|seed| seed.as_i64().ok_or_else(|| fields.wrong("seed", "a whole number"))).transpose()
}
