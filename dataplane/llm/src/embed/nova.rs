//! Amazon Nova's embedding models behind Bedrock's `InvokeModel`: one text a request.
//!
//! Source: <https://docs.aws.amazon.com/nova/latest/userguide/embeddings-schema.html>, recorded answers.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::dialect::Upstream;
use crate::error::{Broken, Refused, UpstreamError};
use crate::ledger::Ledger;
use crate::message::Usage;

use super::read;
use super::vector::Vector;
use super::{EmbedRequest, EmbedResponse, Purpose, leave_out, texts};

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
    let purpose = their_word(Purpose::mandatory(input_type.as_deref(), ledger));
    let mut single = Map::new();
    single.insert("embeddingPurpose".into(), purpose.into());
    if let Some(size) = dimensions {
        single.insert("embeddingDimension".into(), (*size).into());
    }
    // A text that is too long is an error, as with OpenAI, and not cut in silence.
    single.insert(
        "text".into(),
        json!({"truncationMode": "NONE", "value": texts(request, 1, upstream)?.concat()}),
    );
    let mut out = Map::new();
    out.insert("taskType".into(), "SINGLE_EMBEDDING".into());
    out.insert("singleEmbeddingParams".into(), single.into());
    Ok(out)
}

fn their_word(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Query => "GENERIC_RETRIEVAL",
        Purpose::Classification => "CLASSIFICATION",
        Purpose::Clustering => "CLUSTERING",
        _ => "GENERIC_INDEX",
    }
}

#[derive(Deserialize)]
struct Answer {
    embeddings: Vec<Embedding>,
}

#[derive(Deserialize)]
struct Embedding {
    embedding: Vector,
}

pub(super) fn decode(body: &[u8]) -> Result<Result<EmbedResponse, UpstreamError>, Broken> {
    Ok(read::answer::<Answer>(body)?.map(|Answer { embeddings }| EmbedResponse {
        model: None,
        vectors: embeddings.into_iter().map(|one| one.embedding.0).collect(),
        // The body has none.
        usage: Usage::default(),
    }))
}
