//! What is not an answer: errors and the list of models, as OpenAI writes them.

use serde_json::{Value, json};

use crate::error::ClientError;

pub(in crate::dialect) fn write(error: &ClientError) -> Value {
    let ClientError { status, code, param, message } = error;
    json!({"error": {"message": message, "type": class(*status), "param": param, "code": code}})
}

/// The official SDKs choose their exception by the status; `type` is for people and logs.
fn class(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        403 => "permission_error",
        429 => "rate_limit_error",
        400..500 => "invalid_request_error",
        _ => "server_error",
    }
}

pub(in crate::dialect) fn write_models(ids: &[&str], created: u64) -> Value {
    let model = |id: &&str| json!({"id": id, "object": "model", "created": created, "owned_by": "penstock"});
    json!({"object": "list", "data": ids.iter().map(model).collect::<Vec<_>>()})
}
