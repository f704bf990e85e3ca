//! What is not an answer: errors, read and written, and the list of models.
//!
//! Sources: <https://ai.google.dev/gemini-api/docs/troubleshooting>, <https://cloud.google.com/apis/design/errors>,
//! recorded answers.

use std::time::Duration;

use serde_json::{Value, json};

use crate::dialect::failure::{self, Report};
use crate::error::{ClientError, ErrorKind, UpstreamError};

/// Reasons in an error's `ErrorInfo`, which say more than its status does.
const REASONS: &[(&str, ErrorKind)] = &[
    ("ACCESS_TOKEN_EXPIRED", ErrorKind::Credentials),
    ("ACCESS_TOKEN_SCOPE_INSUFFICIENT", ErrorKind::Credentials),
    ("ACCESS_TOKEN_TYPE_UNSUPPORTED", ErrorKind::Credentials),
    ("ACCOUNT_STATE_INVALID", ErrorKind::Credentials),
    ("API_KEY_ANDROID_APP_BLOCKED", ErrorKind::Credentials),
    ("API_KEY_HTTP_REFERRER_BLOCKED", ErrorKind::Credentials),
    // Comes with a 400.
    ("API_KEY_INVALID", ErrorKind::Credentials),
    ("API_KEY_IOS_APP_BLOCKED", ErrorKind::Credentials),
    ("API_KEY_IP_ADDRESS_BLOCKED", ErrorKind::Credentials),
    ("API_KEY_SERVICE_BLOCKED", ErrorKind::Credentials),
    ("BILLING_DISABLED", ErrorKind::Credentials),
    ("CONSUMER_INVALID", ErrorKind::Credentials),
    ("CONSUMER_SUSPENDED", ErrorKind::Credentials),
    ("CREDENTIALS_MISSING", ErrorKind::Credentials),
    ("IAM_PERMISSION_DENIED", ErrorKind::Credentials),
    ("RATE_LIMIT_EXCEEDED", ErrorKind::RateLimited),
    ("RESOURCE_QUOTA_EXCEEDED", ErrorKind::RateLimited),
    ("SERVICE_DISABLED", ErrorKind::Credentials),
    ("USER_PROJECT_DENIED", ErrorKind::Credentials),
];

/// Google's canonical codes, and the HTTP status of each.
const STATUSES: &[(&str, ErrorKind, u16)] = &[
    ("INVALID_ARGUMENT", ErrorKind::InvalidRequest, 400),
    ("OUT_OF_RANGE", ErrorKind::InvalidRequest, 400),
    // "User location is not supported for the API use", "enable billing": about the account, not the request.
    ("FAILED_PRECONDITION", ErrorKind::Credentials, 400),
    ("UNAUTHENTICATED", ErrorKind::Credentials, 401),
    ("PERMISSION_DENIED", ErrorKind::Credentials, 403),
    ("NOT_FOUND", ErrorKind::NotFound, 404),
    ("ABORTED", ErrorKind::ServerError, 409),
    ("RESOURCE_EXHAUSTED", ErrorKind::RateLimited, 429),
    ("CANCELLED", ErrorKind::ServerError, 499),
    ("INTERNAL", ErrorKind::ServerError, 500),
    ("UNKNOWN", ErrorKind::ServerError, 500),
    ("DATA_LOSS", ErrorKind::ServerError, 500),
    ("UNIMPLEMENTED", ErrorKind::ServerError, 501),
    ("UNAVAILABLE", ErrorKind::Overloaded, 503),
    ("DEADLINE_EXCEEDED", ErrorKind::Timeout, 504),
];

/// Wordings of a 400 about the key, lower case, where no reason comes with it.
const ABOUT_THE_KEY: &[&str] = &["api key not valid", "api key expired", "api key not found"];

/// No wait is longer.
const LONGEST_WAIT: f64 = 86_400.0;

/// An answer with an error status. Anything but Google's shape is read as every other error is.
pub(super) fn read(status: u16, body: &[u8]) -> UpstreamError {
    read_google(status, body).unwrap_or_else(|| failure::read_body(status, body))
}

/// `None` where the body is no error of Google's.
pub(super) fn read_google(status: u16, body: &[u8]) -> Option<UpstreamError> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let error = find(&body)?;
    error.get("status").and_then(Value::as_str)?;
    Some(understand(error, Some(status)))
}

/// An error object in a body or chunk of status 200.
pub(super) fn in_band(body: &Value) -> Option<UpstreamError> {
    find(body).map(|error| understand(error, None))
}

/// The error object; streams that are no server-sent events are lists.
fn find(body: &Value) -> Option<&Value> {
    let holder = match body {
        Value::Array(items) => items.iter().find(|item| item.get("error").is_some())?,
        other => other,
    };
    holder.get("error").filter(|error| !error.is_null())
}

fn understand(error: &Value, status: Option<u16>) -> UpstreamError {
    let text = |name: &str| error.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let word = text("status");
    let known = word.and_then(|word| STATUSES.iter().find(|(known, ..)| *known == word));
    let told = error.get("code").and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok());
    let told = told.filter(|code| (400..600).contains(code));
    let status = status.or(told).or(known.map(|(_, _, status)| *status)).unwrap_or(500);
    let details = Details::of(error);
    let message = match error {
        Value::String(message) => message.clone(),
        _ => text("message").unwrap_or_default().to_owned(),
    };
    let lower = message.to_lowercase();
    let about_key = ABOUT_THE_KEY.iter().any(|wording| lower.contains(wording));
    let report = Report {
        code: details.reason.clone().or_else(|| word.map(str::to_owned)),
        param: details.field,
        message,
        ..Report::default()
    };
    let mut out = report.into_error(status);
    // A wording that every format shares (a full context window) is more exact than Google's own code.
    let is_exact = matches!(out.kind, ErrorKind::ContextLength | ErrorKind::ContentFiltered);
    let by_reason = details.reason.and_then(|reason| REASONS.iter().find(|(known, _)| *known == reason));
    match (by_reason, known) {
        (Some((_, kind)), _) => out.kind = *kind,
        _ if about_key => out.kind = ErrorKind::Credentials,
        (None, Some((_, kind, _))) if !is_exact => out.kind = *kind,
        _ => {}
    }
    out.retry_after = details.retry_after;
    out
}

/// What the error's `details` say, each by its type.
#[derive(Debug, Default)]
struct Details {
    reason: Option<String>,
    field: Option<String>,
    retry_after: Option<Duration>,
}

impl Details {
    fn of(error: &Value) -> Self {
        let mut out = Self::default();
        let details = error.get("details").and_then(Value::as_array);
        for detail in details.map(Vec::as_slice).unwrap_or_default() {
            let text = |name: &str| detail.get(name).and_then(Value::as_str);
            if let Some(delay) = text("retryDelay") {
                out.retry_after = out.retry_after.or(read_delay(delay));
            }
            if let Some(reason) = text("reason") {
                out.reason.get_or_insert_with(|| reason.to_owned());
            }
            let violations = detail.get("fieldViolations").and_then(Value::as_array);
            let field = violations.and_then(|list| list.first()?.get("field")?.as_str());
            out.field = out.field.or(field.filter(|field| !field.is_empty()).map(str::to_owned));
        }
        out
    }
}

/// `3.5s`.
fn read_delay(text: &str) -> Option<Duration> {
    let seconds: f64 = text.strip_suffix('s')?.parse().ok()?;
    (0.0..=LONGEST_WAIT).contains(&seconds).then(|| Duration::from_secs_f64(seconds))
}

/// An ending that is no end but a failure of the model or the service: nothing was answered that can be used, and
/// another try may go well.
pub(super) fn of_finish(word: &str, message: Option<&str>) -> UpstreamError {
    let message = match message {
        Some(message) => format!("the provider ended its answer with `{word}`: {message}"),
        None => format!("the provider ended its answer with `{word}`"),
    };
    let report = Report { code: Some(word.to_owned()), message, ..Report::default() };
    UpstreamError { kind: ErrorKind::ServerError, ..report.into_error(500) }
}

/// For a client.
pub(super) fn write(error: &ClientError, request_id: &str) -> Value {
    const TYPE: &str = "type.googleapis.com/google.rpc";
    let ClientError { status, code, param, message } = error;
    let mut details = Vec::new();
    if let Some(code) = code {
        let reason = code.to_ascii_uppercase();
        details.push(json!({"@type": format!("{TYPE}.ErrorInfo"), "reason": reason, "domain": "penstock"}));
    }
    if let Some(param) = param {
        let violation = json!({"field": param, "description": message});
        details.push(json!({"@type": format!("{TYPE}.BadRequest"), "fieldViolations": [violation]}));
    }
    details.push(json!({"@type": format!("{TYPE}.RequestInfo"), "requestId": request_id}));
    json!({"error": {"code": status, "message": message, "status": class(*status), "details": details}})
}

fn class(status: u16) -> &'static str {
    match status {
        401 => "UNAUTHENTICATED",
        402 | 403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        408 | 504 => "DEADLINE_EXCEEDED",
        409 => "ABORTED",
        429 => "RESOURCE_EXHAUSTED",
        499 => "CANCELLED",
        501 => "UNIMPLEMENTED",
        502 | 503 | 529 => "UNAVAILABLE",
        400..=499 => "INVALID_ARGUMENT",
        _ => "INTERNAL",
    }
}

/// As `GET /v1beta/models` lists them.
pub(super) fn write_models(ids: &[&str]) -> Value {
    let model = |id: &&str| {
        json!({
            "name": format!("models/{id}"),
            "displayName": id,
            "supportedGenerationMethods": ["generateContent", "streamGenerateContent"],
        })
    };
    json!({"models": ids.iter().map(model).collect::<Vec<_>>()})
}

#[cfg(test)]
mod tests {
    use super::*;
    use ErrorKind::*;

    #[test]
    fn kinds() {
        let details =
            |reason: &str| json!([{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason}]);
        for (status, body, kind) in [
            (
                400,
                json!({"code": 400, "message": "API key not valid. Please pass a valid API key.", "status": "INVALID_ARGUMENT", "details": details("API_KEY_INVALID")}),
                Credentials,
            ),
            (
                400,
                json!({"code": 400, "message": "API key expired. Please renew the API key.", "status": "INVALID_ARGUMENT"}),
                Credentials,
            ),
            (
                400,
                json!({"code": 400, "message": "The input token count (1250074) exceeds the maximum number of tokens allowed (1048576).", "status": "INVALID_ARGUMENT"}),
                ContextLength,
            ),
            (
                400,
                json!({"code": 400, "message": "Unable to submit request because it has a temperature value of 1000", "status": "INVALID_ARGUMENT", "details": []}),
                InvalidRequest,
            ),
            (
                400,
                json!({"code": 400, "message": "User location is not supported for the API use.", "status": "FAILED_PRECONDITION"}),
                Credentials,
            ),
            (
                403,
                json!({"code": 403, "message": "Vertex AI API has not been used in project", "status": "PERMISSION_DENIED", "details": details("SERVICE_DISABLED")}),
                Credentials,
            ),
            (404, json!({"code": 404, "message": "models/x is not found", "status": "NOT_FOUND"}), NotFound),
            (
                429,
                json!({"code": 429, "message": "Resource exhausted", "status": "RESOURCE_EXHAUSTED"}),
                RateLimited,
            ),
            (
                503,
                json!({"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}),
                Overloaded,
            ),
            (
                503,
                json!({"code": 503, "message": "Service is not available.", "status": "UNAVAILABLE"}),
                Overloaded,
            ),
            (
                504,
                json!({"code": 504, "message": "Deadline expired", "status": "DEADLINE_EXCEEDED"}),
                Timeout,
            ),
            (500, json!({"code": 500, "message": "Internal error", "status": "INTERNAL"}), ServerError),
            (499, json!({"code": 499, "message": "gone", "status": "CANCELLED"}), ServerError),
        ] {
            for body in [json!({"error": body}), json!([{"error": body}])] {
                let error = read(status, body.to_string().as_bytes());
                assert_eq!((error.kind, error.status), (kind, status), "{body}");
                assert_eq!(in_band(&body).unwrap().kind, kind, "{body}");
            }
        }
    }

    #[test]
    fn others_words_are_read_as_theirs() {
        let error = read(502, b"<html>bad gateway</html>");
        assert_eq!((error.kind, error.message.as_str()), (ServerError, "<html>bad gateway</html>"));
        let error = read(529, br#"{"type":"error","error":{"type":"overloaded_error","message":"x"}}"#);
        assert_eq!(error.kind, Overloaded);
        assert_eq!(in_band(&json!({"candidates": []})), None);
        assert_eq!(in_band(&json!({"error": "broken"})).unwrap().message, "broken");
    }

    #[test]
    fn the_wait_is_read() {
        for (text, wait) in [
            ("3.5s", Some(Duration::from_millis(3500))),
            ("36s", Some(Duration::from_secs(36))),
            ("0s", Some(Duration::ZERO)),
            ("-1s", None),
            ("NaNs", None),
            ("1e300s", None),
            ("36", None),
        ] {
            assert_eq!(read_delay(text), wait, "{text}");
        }
    }

    #[test]
    fn what_we_write_reads_back() {
        for (status, kind) in [
            (400, InvalidRequest),
            (401, Credentials),
            (404, NotFound),
            (429, RateLimited),
            (503, Overloaded),
        ] {
            let error =
                ClientError { param: Some("contents[0]".into()), ..ClientError::new(status, "x_y", "words") };
            let body = write(&error, "req1").to_string();
            let read = read(status, body.as_bytes());
            assert_eq!((read.kind, read.status, read.message.as_str()), (kind, status, "words"));
            assert_eq!(read.param.as_deref(), Some("contents[0]"));
            assert_eq!(read.code.as_deref(), Some("X_Y"));
        }
    }
}
