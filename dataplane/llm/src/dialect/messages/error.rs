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
    let created_at = timestamp(created);
    let model = |id: &&str| json!({"type": "model", "id": id, "display_name": id, "created_at": created_at});
    json!({
        "data": ids.iter().map(model).collect::<Vec<_>>(),
        "has_more": false,
        "first_id": ids.first(),
        "last_id": ids.last(),
    })
}

/// RFC 3339 in UTC. The days-to-date rule is Howard Hinnant's `civil_from_days`: eras of 400 years that begin in March.
fn timestamp(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps() {
        assert_eq!(timestamp(0), "1970-01-01T00:00:00Z");
        assert_eq!(timestamp(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(timestamp(1_767_225_599), "2025-12-31T23:59:59Z");
    }
}
