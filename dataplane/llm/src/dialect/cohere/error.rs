//! What is not an answer: errors and the list of models, as Cohere writes them.

use serde_json::{Value, json};

use crate::dialect::failure;
use crate::error::{ClientError, ErrorKind, UpstreamError};

/// `{"id", "message"}`, without any code: <https://docs.cohere.com/reference/errors>.
pub(super) fn read(status: u16, body: &[u8]) -> UpstreamError {
    let error = failure::read_body(status, body);
    let kind = match (status, error.kind) {
        // The SDK calls it an invalid token, but it is no credential: Cohere's OpenAPI document says "returned when a
        // request or response contains a deny-listed token".
        (498, ErrorKind::InvalidRequest) => ErrorKind::ContentFiltered,
        // "Request cancelled", which was not us: "try the request again".
        (499, ErrorKind::InvalidRequest) => ErrorKind::ServerError,
        (_, kind) => kind,
    };
    UpstreamError { kind, ..error }
}

pub(super) fn write(error: &ClientError, request_id: &str) -> Value {
    json!({"id": request_id, "message": message(error)})
}

/// There is no member for the field: the message names it.
pub(super) fn message(error: &ClientError) -> String {
    let ClientError { status: _, code: _, param, message } = error;
    match param {
        Some(param) if !message.contains(param.as_str()) => format!("{param}: {message}"),
        _ => message.clone(),
    }
}

pub(super) fn write_models(ids: &[&str]) -> Value {
    let model = |id: &&str| json!({"name": id, "endpoints": ["chat"]});
    json!({"models": ids.iter().map(model).collect::<Vec<_>>()})
}
