//! What is not an answer: errors and the list of models, as Ollama writes them.

use serde_json::{Value, json};

use crate::dialect::failure::Report;
use crate::error::{ClientError, UpstreamError};
use crate::time;

/// An error inside an answer of status 200: `{"error": "..."}`, which tells no status.
pub(super) fn read_in_band(body: &Value) -> UpstreamError {
    Report::read(body).unwrap_or_default().in_band()
}

/// There is no member for the field: the message names it.
pub(super) fn write(error: &ClientError) -> Value {
    let ClientError { status: _, code: _, param, message } = error;
    let message = match param {
        Some(param) if !message.contains(param.as_str()) => format!("{param}: {message}"),
        _ => message.clone(),
    };
    json!({"error": message})
}

/// As `GET /api/tags`; what a file on a disk has and a route has not is empty.
pub(super) fn write_models(ids: &[&str], created: u64) -> Value {
    let modified_at = time::rfc3339(created);
    let model = |id: &&str| {
        json!({
            "name": id,
            "model": id,
            "modified_at": modified_at,
            "size": 0,
            "digest": "",
            "details": {"format": "", "family": "", "families": null, "parameter_size": "", "quantization_level": ""},
        })
    };
    json!({"models": ids.iter().map(model).collect::<Vec<_>>()})
}
