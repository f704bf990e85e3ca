//! Amazon Titan's embedding models behind Bedrock's `InvokeModel`: one text a request.
//!
//! Sources: <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html>,
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-mm.html>, recorded answers.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::dialect::Upstream;
use crate::error::{Broken, Refused, UpstreamError};
use crate::field::Field;
use crate::ledger::{Fate, Ledger};

use super::read::{self, tokens};
use super::vector::Vector;
use super::{EmbedRequest, EmbedResponse, leave_out, texts};

/// The only size of the first text model's vectors.
const FIRST_SIZE: u64 = 1536;

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
    out.insert("inputText".into(), texts(request, 1, upstream)?.concat().into());
    let is = |family: &str| upstream.model.contains(family);
    match dimensions {
        None => {}
        Some(size) if is("titan-embed-image") => {
            out.insert("embeddingConfig".into(), json!({"outputEmbeddingLength": size}));
        }
        Some(FIRST_SIZE) if is("titan-embed-text-v1") || is("titan-embed-g1-text") => {}
        Some(size) if is("titan-embed-text-v1") || is("titan-embed-g1-text") => {
            return Err(Refused {
                field: "dimensions".into(),
                message: format!(
                    "{} makes vectors of {FIRST_SIZE} values, and not of {size}",
                    upstream.model
                ),
            });
        }
        Some(size) => drop(out.insert("dimensions".into(), (*size).into())),
    }
    Ok(out)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    embedding: Vector,
    #[serde(default)]
    input_text_token_count: Value,
}

pub(super) fn decode(body: &[u8]) -> Result<Result<EmbedResponse, UpstreamError>, Broken> {
    Ok(read::answer::<Answer>(body)?.map(|Answer { embedding, input_text_token_count }| EmbedResponse {
        model: None,
        vectors: vec![embedding.0],
        usage: read::usage(tokens(&input_text_token_count, "")),
    }))
}
