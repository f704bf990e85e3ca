//! An answer for the client, in OpenAI's format.

use serde::Serialize;

use crate::count;
use crate::dialect::Reply;

use super::vector::Written;
use super::{EmbedInput, EmbedRequest, EmbedResponse};

#[derive(Serialize)]
struct Answer<'a> {
    object: &'static str,
    data: Vec<Item<'a>>,
    model: &'a str,
    usage: Count,
}

#[derive(Serialize)]
struct Item<'a> {
    object: &'static str,
    index: usize,
    embedding: Written<'a>,
}

#[derive(Serialize)]
struct Count {
    prompt_tokens: u64,
    total_tokens: u64,
}

pub(super) fn encode(response: &EmbedResponse, request: &EmbedRequest, reply: &Reply) -> Vec<u8> {
    let EmbedResponse { model, vectors, usage } = response;
    let written = |vector| if request.base64 { Written::Base64(vector) } else { Written::Numbers(vector) };
    let item = |(index, vector)| Item { object: "embedding", index, embedding: written(vector) };
    let prompt_tokens = usage.prompt().unwrap_or_else(|| estimate(request));
    let answer = Answer {
        object: "list",
        data: vectors.iter().map(Vec::as_slice).enumerate().map(item).collect(),
        model: model.as_deref().unwrap_or(&reply.model),
        usage: Count { prompt_tokens, total_tokens: prompt_tokens },
    };
    // Writing into memory cannot fail.
    serde_json::to_vec(&answer).unwrap_or_default()
}

/// Tokens of all inputs: exact for tokens, an estimate for texts.
pub(super) fn estimate(request: &EmbedRequest) -> u64 {
    let tokens = |input: &EmbedInput| match input {
        EmbedInput::Text(text) => count::text(text),
        EmbedInput::Tokens(tokens) => tokens.len() as u64,
    };
    request.inputs.iter().map(tokens).fold(0, u64::saturating_add)
}
