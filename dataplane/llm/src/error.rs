//! Whose fault it is, and what the client gets to read.

use std::time::Duration;

/// What went wrong upstream, independent of how a provider words it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The request itself is wrong; no other target would take it.
    InvalidRequest,
    /// The prompt does not fit the model's context window.
    ContextLength,
    /// The provider's policy refused the content.
    ContentFiltered,
    /// The provider refused the credentials it was given, or the account has no credit.
    Credentials,
    /// The provider does not know the model or the path.
    NotFound,
    /// Too many requests or tokens.
    RateLimited,
    /// The provider says that it has no capacity.
    Overloaded,
    /// The provider gave up waiting.
    Timeout,
    /// Any other failure of the provider.
    ServerError,
}

/// An error that a provider answered, or put into a stream.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct UpstreamError {
    pub kind: ErrorKind,
    /// HTTP status; for an error inside a stream the status that its type stands for.
    pub status: u16,
    /// The provider's own code or type, for example `context_length_exceeded` or `overloaded_error`.
    pub code: Option<String>,
    /// The field that the provider complains about.
    pub param: Option<String>,
    /// The provider's message; never holds a credential of ours.
    pub message: String,
    /// How long the provider asks to wait, where its body says so.
    pub retry_after: Option<Duration>,
}

/// The client's request cannot be read. Becomes a 400 in the client's format.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct BadRequest {
    /// Path of the field, as `messages[2].content[0].type`; empty when the body as a whole is broken.
    pub param: String,
    pub message: String,
}

impl BadRequest {
    pub fn new(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self { param: param.into(), message: message.into() }
    }
}

/// The request uses something that this provider cannot do and that must not be dropped.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct Refused {
    pub field: String,
    pub message: String,
}

/// A provider's answer cannot be read, or ended before it was complete.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Broken {
    #[error("the provider's answer is not what its API promises: {0}")]
    Malformed(String),
    #[error("the provider's stream ended before the answer was complete")]
    Cut,
    #[error("the provider answered without any content")]
    Empty,
    #[error("the provider sent a frame of more than {0} bytes")]
    TooLarge(usize),
}

/// What the client is told, independent of its format.
#[derive(Clone, Debug, PartialEq)]
pub struct ClientError {
    pub status: u16,
    /// OpenAI's `error.code`, for example `model_not_found`; `None` is sent as null.
    pub code: Option<String>,
    pub param: Option<String>,
    pub message: String,
}

impl ClientError {
    pub fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self { status, code: Some(code.to_owned()), param: None, message: message.into() }
    }
}

impl From<BadRequest> for ClientError {
    fn from(bad: BadRequest) -> Self {
        Self {
            status: 400,
            code: Some("invalid_request".into()),
            param: (!bad.param.is_empty()).then_some(bad.param),
            message: bad.message,
        }
    }
}
