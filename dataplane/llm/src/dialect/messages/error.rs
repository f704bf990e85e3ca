//! What is not an answer: errors and the list of models, as Anthropic writes them.

use serde_json::{Value, json};

use crate::error::ClientError;

/// <https://docs.claude.com/en/api/errors>.
pub(super) fn write(error: &ClientError, request_id: Option<&str>) -> Value {
    let ClientError { status, code: _, param, message } = error;
    // There is no member for the field: the message names it.
    let message = match param {
        Some(param) if !message.contains(param.as_str()) => format!("{param}: {message}"),
        _ => message.clone(),
    };
    let mut out = json!({"type": "error", "error": {"type": class(*status), "message": message}});
    if let (Some(id), Value::Object(out)) = (request_id, &mut out) {
        out.insert("request_id".into(), id.into());
    }
    out
}

fn class(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        504 => "timeout_error",
        529 => "overloaded_error",
        400..500 => "invalid_request_error",
        _ => "api_error",
    }
}

pub(super) fn write_models(ids: &[&str], created: u64) -> Value {
    let created_at = crate::time::rfc3339(created);
    let model = |id: &&str| json!({"type": "model", "id": id, "display_name": id, "created_at": created_at});
    json!({
        "data": ids.iter().map(model).collect::<Vec<_>>(),
        "has_more": false,
        "first_id": ids.first(),
        "last_id": ids.last(),
    })
}
