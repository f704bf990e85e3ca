//! What Bedrock's errors mean, and errors as Bedrock writes them.
//!
//! An error's type stands in the header `x-amzn-errortype`, which is not seen here, so its status and wording decide; in
//! a stream it is the event's name. Sources: the service model's exceptions,
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/troubleshooting-api-error-codes.html>, recorded answers.

use serde_json::{Value, json};

use crate::dialect::failure::{Report, bounded};
use crate::error::{ClientError, ErrorKind, UpstreamError};
use crate::eventstream::{ERROR, EXCEPTION};

/// Types, with their status.
const TYPES: &[(&str, ErrorKind, u16)] = &[
    ("ThrottlingException", ErrorKind::RateLimited, 429),
    ("ServiceQuotaExceededException", ErrorKind::RateLimited, 400),
    // The model is being loaded: it is not the account's rate that is too high.
    ("ModelNotReadyException", ErrorKind::Overloaded, 429),
    ("ServiceUnavailableException", ErrorKind::Overloaded, 503),
    ("ModelTimeoutException", ErrorKind::Timeout, 408),
    ("ModelErrorException", ErrorKind::ServerError, 424),
    ("ModelStreamErrorException", ErrorKind::ServerError, 424),
    ("InternalServerException", ErrorKind::ServerError, 500),
    ("InternalFailure", ErrorKind::ServerError, 500),
    ("ConflictException", ErrorKind::InvalidRequest, 400),
    ("ValidationException", ErrorKind::InvalidRequest, 400),
    ("AccessDeniedException", ErrorKind::Credentials, 403),
    ("UnrecognizedClientException", ErrorKind::Credentials, 403),
    ("ExpiredTokenException", ErrorKind::Credentials, 403),
    ("InvalidSignatureException", ErrorKind::Credentials, 403),
    ("ResourceNotFoundException", ErrorKind::NotFound, 404),
];

/// Wordings, lower case, that say more than type and status; the first that fits counts.
const WORDINGS: &[(&str, ErrorKind)] = &[
    // Of 400s: the prompt is too long. Claude, on any model's behalf, Nova, Titan, Llama, Mistral and Qwen.
    ("prompt is too long", ErrorKind::ContextLength),
    ("input is too long for requested model", ErrorKind::ContextLength),
    ("input tokens exceeded", ErrorKind::ContextLength),
    ("too many input tokens", ErrorKind::ContextLength),
    ("maximum context length", ErrorKind::ContextLength),
    ("exceed context limit", ErrorKind::ContextLength),
    ("exceeds the context window", ErrorKind::ContextLength),
    ("exceeds the maximum number of tokens", ErrorKind::ContextLength),
    // Of 400s, 403s and 404s: the model is not there for this account. The apostrophe is a typographic one.
    ("model identifier is invalid", ErrorKind::NotFound),
    ("with on-demand throughput isn", ErrorKind::NotFound),
    ("could not resolve the foundation model", ErrorKind::NotFound),
    ("have access to the model with the specified model id", ErrorKind::NotFound),
    ("model access is denied", ErrorKind::NotFound),
    ("reached the end of its life", ErrorKind::NotFound),
    ("marked by provider as legacy", ErrorKind::NotFound),
    ("provisioned throughput could not be found", ErrorKind::NotFound),
    // The account.
    ("security token included in the request", ErrorKind::Credentials),
    ("is not authorized to perform", ErrorKind::Credentials),
    ("signature we calculated does not match", ErrorKind::Credentials),
    ("signature expired", ErrorKind::Credentials),
    ("signature not yet current", ErrorKind::Credentials),
    // Its quotas.
    ("too many tokens", ErrorKind::RateLimited),
    ("too many requests", ErrorKind::RateLimited),
    ("too many concurrent requests", ErrorKind::RateLimited),
    ("request rate is too high", ErrorKind::RateLimited),
    ("service quota", ErrorKind::RateLimited),
    // Of the service.
    ("model is not ready", ErrorKind::Overloaded),
    // Claude's and guardrails' of requests that are an error altogether.
    ("content filtering policy", ErrorKind::ContentFiltered),
    ("blocked by responsible ai policy", ErrorKind::ContentFiltered),
];

/// An answer with an error status.
pub(super) fn read_body(status: u16, body: &[u8]) -> UpstreamError {
    let report: Option<Value> = serde_json::from_slice(body).ok();
    match report.as_ref().and_then(Value::as_object) {
        Some(_) => classify(None, Some(status), report.as_ref().unwrap_or(&Value::Null)),
        None => {
            let text = bounded(String::from_utf8_lossy(body).trim(), 300);
            classify(None, Some(status), &json!({"message": text}))
        }
    }
}

/// A frame's event that is a failure: the error.
pub(super) fn read_event(event: &str, data: &str) -> Option<UpstreamError> {
    let name = event.strip_prefix(EXCEPTION).or_else(|| event.strip_prefix(ERROR))?;
    let payload = serde_json::from_str(data).unwrap_or_else(|_| json!({"message": bounded(data, 300)}));
    Some(classify(Some(name), None, &payload))
}

fn classify(name: Option<&str>, status: Option<u16>, body: &Value) -> UpstreamError {
    let text = |name: &str| body.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    // `Message` is what the parts of AWS in front of Bedrock write.
    let mut message = text("message").or_else(|| text("Message")).unwrap_or_default().to_owned();
    if message.is_empty() {
        let report = Report::read(body).unwrap_or_default();
        message = report.message;
    }
    if let Some(original) = text("originalMessage").filter(|original| !message.contains(original)) {
        message = format!("{message} ({original})");
    }
    let named = name.or_else(|| text("__type")).or_else(|| text("name")).map(type_name);
    let known = named.and_then(|name| TYPES.iter().find(|(known, ..)| known.eq_ignore_ascii_case(name)));
    let status = status.or(known.map(|(.., status)| *status)).unwrap_or(500);
    let by_status = known.map_or_else(|| kind_of(status), |(_, kind, _)| *kind);
    let lower = message.to_lowercase();
    let worded = WORDINGS.iter().find(|(wording, _)| lower.contains(wording)).map(|(_, kind)| *kind);
    // What the service itself failed at is no matter of the request, whatever it says.
    let kind = worded.filter(|_| status < 500 && status != 424 && status != 408).unwrap_or(by_status);
    if message.is_empty() {
        message = format!("the provider answered with status {status}");
    }
    UpstreamError {
        kind,
        status,
        code: known.map(|(name, ..)| (*name).to_owned()).or_else(|| named.map(str::to_owned)),
        param: None,
        message: bounded(&message, 2000),
        retry_after: None,
    }
}

/// Without the namespace in front (`com.amazon#Name`) and the address behind (`Name:http://...`).
fn type_name(text: &str) -> &str {
    let text = text.rsplit('#').next().unwrap_or(text);
    text.split(':').next().unwrap_or(text)
}

fn kind_of(status: u16) -> ErrorKind {
    match status {
        401..=403 => ErrorKind::Credentials,
        404 => ErrorKind::NotFound,
        408 => ErrorKind::Timeout,
        409 | 424 | 425 => ErrorKind::ServerError,
        429 => ErrorKind::RateLimited,
        400..500 => ErrorKind::InvalidRequest,
        503 | 529 => ErrorKind::Overloaded,
        504 => ErrorKind::Timeout,
        _ => ErrorKind::ServerError,
    }
}

/// The body of an error, or the payload of an exception in a stream.
pub(super) fn write(error: &ClientError) -> Value {
    let ClientError { status: _, code: _, param, message } = error;
    // There is no member for the field: the message names it.
    match param {
        Some(param) if !message.contains(param.as_str()) => json!({"message": format!("{param}: {message}")}),
        _ => json!({"message": message}),
    }
}

/// The exceptions that a stream may hold.
pub(super) fn exception(status: u16) -> &'static str {
    match status {
        429 => "exception:throttlingException",
        424 => "exception:modelStreamErrorException",
        503 | 529 => "exception:serviceUnavailableException",
        400..500 => "exception:validationException",
        _ => "exception:internalServerException",
    }
}

#[cfg(test)]
mod tests {
    use ErrorKind::*;

    use super::*;

    /// Status, message, kind.
    const TABLE: &[(u16, &str, ErrorKind)] = &[
        (400, "Input is too long for requested model.", ContextLength),
        (
            400,
            "The model returned the following errors: prompt is too long: 210000 tokens > 200000 maximum",
            ContextLength,
        ),
        (
            400,
            "The model returned the following errors: Input Tokens Exceeded: Number of input tokens exceeds maximum length.",
            ContextLength,
        ),
        (
            400,
            "400 Bad Request: Too many input tokens. Max input tokens: 8192, request input token count: 9001",
            ContextLength,
        ),
        (
            400,
            "This model's maximum context length is 8192 tokens. Please reduce the length of the prompt",
            ContextLength,
        ),
        (400, "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000", ContextLength),
        (400, "The provided model identifier is invalid.", NotFound),
        (
            400,
            "Invocation of model ID anthropic.claude-x with on-demand throughput isn\u{2019}t supported. Retry your request with the ID or ARN of an inference profile that contains this model.",
            NotFound,
        ),
        (403, "You don't have access to the model with the specified model ID.", NotFound),
        (404, "This model version has reached the end of its life.", NotFound),
        (404, "Could not resolve the foundation model from the provided model identifier.", NotFound),
        (403, "The security token included in the request is expired", Credentials),
        (
            403,
            "User: arn:aws:iam::1:user/x is not authorized to perform: bedrock:InvokeModel on resource: y",
            Credentials,
        ),
        (400, "User is not authorized to perform this", Credentials),
        (403, "Bearer Token has expired", Credentials),
        (401, "", Credentials),
        (429, "Too many tokens, please wait before trying again.", RateLimited),
        (
            429,
            "Too many requests, please wait before trying again. You have sent too many requests.",
            RateLimited,
        ),
        (400, "Too many tokens per day, please wait before trying again.", RateLimited),
        (429, "Model is not ready for inference. Wait and try your request again.", Overloaded),
        (429, "", RateLimited),
        (503, "Model is getting throttled. Try your request again.", Overloaded),
        (503, "Too many connections, please wait before trying again.", Overloaded),
        (408, "Model has timed out in processing the request. Try your request again.", Timeout),
        (424, "The model returned the following errors: too many requests", ServerError),
        (
            500,
            "The system encountered an unexpected error during processing. Try your request again.",
            ServerError,
        ),
        (500, "prompt is too long", ServerError),
        (
            400,
            "This model doesn't support the video content block that you provided. Update the content block and try again.",
            InvalidRequest,
        ),
        (400, "messages: text content blocks must be non-empty", InvalidRequest),
        (413, "", InvalidRequest),
    ];

    #[test]
    fn bodies() {
        for (status, message, kind) in TABLE {
            for name in ["message", "Message"] {
                let error = read_body(*status, json!({name: message}).to_string().as_bytes());
                assert_eq!((error.kind, error.status), (*kind, *status), "{status} {message}");
                assert!(error.message.starts_with(message) && !error.message.is_empty());
            }
        }
        assert_eq!(read_body(502, b"<html>").kind, ServerError);
        assert_eq!(read_body(502, b"<html>").message, "<html>");
        assert_eq!(read_body(400, br#"{"__type":"com.amazon.x#ThrottlingException"}"#).kind, RateLimited);
        let named = read_body(400, br#"{"error":"Could not process image","name":"ValidationException"}"#);
        assert_eq!(
            (named.code.as_deref(), named.message.as_str()),
            (Some("ValidationException"), "Could not process image")
        );
    }

    #[test]
    fn exceptions_in_a_stream() {
        for (event, kind, status) in [
            ("exception:throttlingException", RateLimited, 429),
            ("exception:modelStreamErrorException", ServerError, 424),
            ("exception:serviceUnavailableException", Overloaded, 503),
            ("exception:internalServerException", ServerError, 500),
            ("exception:validationException", InvalidRequest, 400),
            ("exception:modelTimeoutException", Timeout, 408),
            ("exception:somethingNew", ServerError, 500),
            ("error:InternalFailure", ServerError, 500),
            ("error:", ServerError, 500),
        ] {
            let error = read_event(event, r#"{"message":"x"}"#).unwrap();
            assert_eq!((error.kind, error.status, error.message.as_str()), (kind, status, "x"), "{event}");
        }
        let long = read_event(
            "exception:validationException",
            r#"{"message":"Input is too long for requested model."}"#,
        );
        assert_eq!(long.unwrap().kind, ContextLength);
        assert_eq!(read_event("exception:x", "no json").unwrap().message, "no json");
        let quoted = r#"{"message":"failed","originalStatusCode":500,"originalMessage":"it broke"}"#;
        assert_eq!(
            read_event("exception:modelStreamErrorException", quoted).unwrap().message,
            "failed (it broke)"
        );
        assert_eq!(read_event("messageStart", "{}"), None);
    }

    #[test]
    fn what_is_written_is_understood() {
        for status in [400, 424, 429, 500, 503] {
            let error = ClientError::new(status, "x", "words");
            let read = read_event(exception(status), &write(&error).to_string()).unwrap();
            assert_eq!((read.status, read.message.as_str()), (status, "words"));
        }
    }
}
