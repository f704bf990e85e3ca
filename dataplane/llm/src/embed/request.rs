//! A client's request, as OpenAI's `POST /v1/embeddings` takes it.

use serde_json::Value;

use crate::dialect::{Fields, wrong};
use crate::error::BadRequest;

use super::{EmbedInput, EmbedRequest, MOST_INPUTS};

type Decoded<T> = Result<T, BadRequest>;

pub(super) fn decode(body: &[u8]) -> Decoded<EmbedRequest> {
    let mut fields = Fields::of_body(body)?;
    let model = fields.required_string("model")?;
    let inputs = match fields.take("input") {
        None => return Err(fields.missing("input")),
        Some(Value::String(text)) => vec![EmbedInput::Text(text)],
        Some(Value::Array(items)) => list(items)?,
        Some(_) => return Err(fields.wrong("input", "a string or a list")),
    };
    let dimensions = size(&mut fields, "dimensions")?;
    // Voyage's, Mistral's and Cohere's name of the same: left in `extra` it would be lost, and the vectors too long.
    let dimensions = dimensions.or(size(&mut fields, "output_dimension")?);
    let base64 = match fields.string("encoding_format")?.as_deref() {
        None | Some("float") => false,
        Some("base64") => true,
        Some(_) => return Err(fields.wrong("encoding_format", "float or base64")),
    };
    let user = fields.string("user")?;
    let input_type = fields.string("input_type")?;
    let provider_options = fields.provider_options()?;
    Ok(EmbedRequest {
        model,
        inputs,
        dimensions,
        base64,
        user,
        input_type,
        provider_options,
        extra: fields.rest(),
    })
}

fn size(fields: &mut Fields, name: &str) -> Decoded<Option<u64>> {
    match fields.count(name)? {
        Some(0) => Err(fields.wrong(name, "a whole number from 1 on")),
        size => Ok(size),
    }
}

/// Texts, token lists, or the tokens of one text.
fn list(items: Vec<Value>) -> Decoded<Vec<EmbedInput>> {
    if items.is_empty() {
        return Err(BadRequest::new("input", "`input` is empty"));
    }
    if items.first().is_some_and(Value::is_number) {
        return Ok(vec![EmbedInput::Tokens(tokens(items, "input")?)]);
    }
    if items.len() > MOST_INPUTS {
        let message =
            format!("`input` has {} items, and at most {MOST_INPUTS} are taken at once", items.len());
        return Err(BadRequest::new("input", message));
    }
    let input = |(i, item): (usize, Value)| match item {
        Value::String(text) => Ok(EmbedInput::Text(text)),
        Value::Array(items) => Ok(EmbedInput::Tokens(tokens(items, &format!("input[{i}]"))?)),
        _ => Err(wrong(format!("input[{i}]"), "a string or a list of tokens")),
    };
    items.into_iter().enumerate().map(input).collect()
}

fn tokens(items: Vec<Value>, path: &str) -> Decoded<Vec<u64>> {
    if items.is_empty() {
        return Err(BadRequest::new(path, format!("`{path}` is empty")));
    }
    let token = |(i, item): (usize, Value)| {
        item.as_u64().ok_or_else(|| wrong(format!("{path}[{i}]"), "a token: a whole number"))
    };
    items.into_iter().enumerate().map(token).collect()
}
