//! Vertex AI's `predict`, by which it serves the embedding models that are older than Gemini's.
//!
//! Source: <https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api>, the official
//! `google-genai` SDK.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::dialect::Upstream;
use crate::error::{Broken, Refused, UpstreamError};
use crate::ledger::Ledger;

use super::gemini::task_type;
use super::read::{self, tokens};
use super::vector::Vector;
use super::{EmbedRequest, EmbedResponse, leave_out, texts};

/// "Up to 250 input texts".
const MOST: usize = 250;

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
    let texts = texts(request, MOST, upstream)?;
    let task = task_type(input_type.as_deref(), upstream.model, ledger);
    let instance = |text: &str| match task {
        Some(task) => json!({"content": text, "task_type": task}),
        None => json!({"content": text}),
    };
    let instances: Vec<Value> = texts.into_iter().map(instance).collect();
    // A text that is too long is an error, as with OpenAI, and not cut in silence.
    let mut parameters = json!({"autoTruncate": false});
    if let (Some(size), Value::Object(parameters)) = (dimensions, &mut parameters) {
        parameters.insert("outputDimensionality".into(), (*size).into());
    }
    let mut out = Map::new();
    out.insert("instances".into(), instances.into());
    out.insert("parameters".into(), parameters);
    Ok(out)
}

#[derive(Deserialize)]
struct Answer {
    predictions: Vec<Prediction>,
}

#[derive(Deserialize)]
struct Prediction {
    embeddings: Embeddings,
}

#[derive(Deserialize)]
struct Embeddings {
    values: Vector,
    #[serde(default)]
    statistics: Value,
}

pub(super) fn decode(body: &[u8]) -> Result<Result<EmbedResponse, UpstreamError>, Broken> {
    Ok(read::answer::<Answer>(body)?.map(|Answer { predictions }| {
        let count = |one: &Prediction| tokens(&one.embeddings.statistics, "/token_count");
        // One that is unknown makes the sum unknown.
        let prompt = predictions.iter().try_fold(0u64, |sum, one| Some(sum.saturating_add(count(one)?)));
        EmbedResponse {
            model: None,
            vectors: predictions.into_iter().map(|one| one.embeddings.values.0).collect(),
            usage: read::usage(prompt),
        }
    }))
}
