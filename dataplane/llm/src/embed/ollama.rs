//! Ollama's `POST /api/embed`.
//!
//! Source: <https://docs.ollama.com/api/embed>, the official Python client.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::dialect::Upstream;
use crate::error::{Broken, Refused, UpstreamError};
use crate::field::Field;
use crate::ledger::{Fate, Ledger};

use super::read::{self, tokens};
use super::vector::Vector;
use super::{EmbedRequest, EmbedResponse, MOST_INPUTS, leave_out, texts};

pub(super) fn encode(
    request: &EmbedRequest,
    upstream: &Upstream<'_>,
    ledger: &mut Ledger,
) -> Result<Map<String, Value>, Refused> {
    let EmbedRequest {
        model: _,
        inputs: _,
        dimensions,
        base64: _,
        user,
        input_type,
        provider_options: _,
        extra,
    } = request;
    leave_out(user, extra, ledger);
    if input_type.is_some() {
        ledger.note(Field::InputType, Fate::Dropped);
    }
    let mut out = Map::new();
    out.insert("model".into(), upstream.model.into());
    out.insert("input".into(), texts(request, MOST_INPUTS, upstream)?.into());
    // A text that is too long is an error, as with OpenAI, and not cut in silence.
    out.insert("truncate".into(), false.into());
    if let Some(size) = dimensions {
        out.insert("dimensions".into(), (*size).into());
    }
    Ok(out)
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    model: Value,
    embeddings: Vec<Vector>,
    #[serde(default)]
    prompt_eval_count: Value,
}

pub(super) fn decode(body: &[u8]) -> Result<Result<EmbedResponse, UpstreamError>, Broken> {
    Ok(read::answer::<Answer>(body)?.map(|Answer { model, embeddings, prompt_eval_count }| EmbedResponse {
        model: read::text(model),
        vectors: embeddings.into_iter().map(|vector| vector.0).collect(),
        usage: read::usage(tokens(&prompt_eval_count, "")),
    }))
}
