//! Google's `batchEmbedContents`, on AI Studio and on Vertex AI.
//!
//! Sources: <https://ai.google.dev/api/embeddings>, the discovery document, the official `google-genai` SDK (which
//! shows Vertex AI's form), recorded answers.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::dialect::Upstream;
use crate::error::{Broken, Refused, UpstreamError};
use crate::field::Field;
use crate::ledger::{Fate, Ledger};

use super::read::{self, tokens};
use super::vector::Vector;
use super::{EmbedRequest, EmbedResponse, Purpose, leave_out, texts};

/// "At most 100 requests can be in one batch", as the API says itself.
const MOST: usize = 100;

/// Who serves the model: the settings stand in another place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Host {
    AiStudio,
    Vertex,
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
        // The client's answer is written anew in either form.
        base64: _,
        user,
        input_type,
        provider_options: _,
        extra,
    } = request;
    leave_out(user, extra, ledger);
    let texts = texts(request, MOST, upstream)?;
    let task = task_type(input_type.as_deref(), upstream.model, ledger);
    let mut settings = Map::new();
    if let Some(task) = task {
        settings.insert("taskType".into(), task.into());
    }
    if let Some(size) = dimensions {
        settings.insert("outputDimensionality".into(), (*size).into());
    }
    let one = |text: &str| {
        let content = json!({"parts": [{"text": text}]});
        match host {
            Host::AiStudio => {
                let mut one = settings.clone();
                one.insert("model".into(), resource(upstream.model).into());
                one.insert("content".into(), content);
                Value::Object(one)
            }
            Host::Vertex => {
                let mut config = settings.clone();
                // A text that is too long is an error, as with OpenAI, and not cut in silence.
                config.insert("autoTruncate".into(), false.into());
                json!({"content": content, "embedContentConfig": config})
            }
        }
    };
    let requests: Vec<Value> = texts.into_iter().map(one).collect();
    let mut out = Map::new();
    out.insert("requests".into(), requests.into());
    Ok(out)
}

/// A model that is named with its collection (`models/x`, `tunedModels/x`) keeps it.
fn resource(model: &str) -> String {
    if model.contains('/') { model.to_owned() } else { format!("models/{model}") }
}

/// Google's word for what the vectors are for.
pub(super) fn task_type(input_type: Option<&str>, model: &str, ledger: &mut Ledger) -> Option<&'static str> {
    let word = input_type?;
    // The second generation ignores it: recorded answers are the same for a query and for a document.
    let task = match Purpose::read(word) {
        Some(purpose) if !model.contains("gemini-embedding-2") => Some(purpose.google()),
        _ => None,
    };
    if task.is_none() {
        ledger.note(Field::InputType, Fate::Dropped);
    }
    task
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    embeddings: Vec<Embedding>,
    #[serde(default)]
    usage_metadata: Value,
}

#[derive(Deserialize)]
struct Embedding {
    values: Vector,
}

pub(super) fn decode(body: &[u8]) -> Result<Result<EmbedResponse, UpstreamError>, Broken> {
    Ok(read::answer::<Answer>(body)?.map(|Answer { embeddings, usage_metadata }| EmbedResponse {
        model: None,
        vectors: embeddings.into_iter().map(|embedding| embedding.values.0).collect(),
        // The first generation says nothing.
        usage: read::usage(tokens(&usage_metadata, "/promptTokenCount")),
    }))
}
