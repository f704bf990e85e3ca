//! What is not an answer: errors and the list of models, as Ollama writes them.

use serde_json::{Value, json};

use crate::dialect::failure::Report;
use crate::dialect::timestamp;
use crate::error::{ClientError, ErrorKind, UpstreamError};

/// An error inside an answer of status 200: `{"error": "..."}`, which tells no status. A wording that is known is the
/// request's fault, anything else the server's.
pub(super) fn read_in_band(body: &Value) -> UpstreamError {
    let report = || Report::read(body).unwrap_or_default();
    let by_wording = report().into_error(400);
    if by_wording.kind == ErrorKind::InvalidRequest { report().in_band() } else { by_wording }
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
    let modified_at = timestamp::write(created);
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
