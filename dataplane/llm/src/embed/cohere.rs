//! Cohere's embeddings: `POST /v2/embed`, and the same models behind Amazon Bedrock's `InvokeModel`.
//!
//! Sources: <https://docs.cohere.com/reference/embed>,
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-embed.html>, recorded answers.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::dialect::Upstream;
use crate::error::{Broken, Refused, UpstreamError};
use crate::ledger::Ledger;

use super::read::{self, tokens};
use super::vector::Vector;
use super::{EmbedRequest, EmbedResponse, Purpose, leave_out, texts};

/// "Maximum number of texts per call is 96."
const MOST: usize = 96;

/// Who serves the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Host {
    Cohere,
    Bedrock,
}

pub(super) fn encode(
    request: &EmbedRequest,
    host: Host,
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
    let texts = texts(request, MOST, upstream)?;
    let mut out = Map::new();
    if host == Host::Cohere {
        out.insert("model".into(), upstream.model.into());
        out.insert("embedding_types".into(), vec!["float"].into());
    }
    out.insert("texts".into(), texts.into());
    out.insert("input_type".into(), their_word(Purpose::mandatory(input_type.as_deref(), ledger)).into());
    // A text that is too long is an error, as with OpenAI, and not cut in silence.
    out.insert("truncate".into(), "NONE".into());
    if let Some(size) = dimensions {
        out.insert("output_dimension".into(), (*size).into());
    }
    Ok(out)
}

fn their_word(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Query => "search_query",
        Purpose::Classification => "classification",
        Purpose::Clustering => "clustering",
        _ => "search_document",
    }
}

#[derive(Deserialize)]
struct Answer {
    embeddings: Embeddings,
    #[serde(default)]
    meta: Value,
}

/// By type, or floats alone as the third generation does on Bedrock.
#[derive(Deserialize)]
#[serde(untagged)]
enum Embeddings {
    Typed { float: Vec<Vector> },
    Floats(Vec<Vector>),
}

pub(super) fn decode(body: &[u8]) -> Result<Result<EmbedResponse, UpstreamError>, Broken> {
    Ok(read::answer::<Answer>(body)?.map(|Answer { embeddings, meta }| {
        let vectors = match embeddings {
            Embeddings::Typed { float } => float,
            Embeddings::Floats(vectors) => vectors,
        };
        // Of an embedding all tokens are billed. Bedrock says nothing in the body.
        let prompt = tokens(&meta, "/tokens/input_tokens");
        let prompt = prompt.or_else(|| tokens(&meta, "/billed_units/input_tokens"));
        EmbedResponse {
            model: None,
            vectors: vectors.into_iter().map(|vector| vector.0).collect(),
            usage: read::usage(prompt),
        }
    }))
}
