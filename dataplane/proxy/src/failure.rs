//! Why an attempt failed: whose fault it is, whether another target may mend it, what the client would hear.

use std::time::{Duration, Instant};

use bytes::Bytes;
use penstock_config::FailoverReason;
use penstock_llm::{BadRequest, Broken, ErrorKind, UpstreamError};

use crate::credentials::CredentialError;
use crate::health::{AllRest, Key, KeyRing, RestReason};
use crate::pump::Fault;
use crate::upstream::SendError;

/// A key that the provider refused is left alone for so long: a rotation may be under way.
const REFUSED_KEY_REST: Duration = Duration::from_secs(30);

/// Why an attempt failed.
#[derive(Debug)]
pub struct Failure {
    /// The class of failure; `None` where the fault is in the request, and no target would mend it.
    pub reason: Option<FailoverReason>,
    pub kind: ErrorKind,
    /// What the client is told if this failure is the one that it hears of.
    pub status: u16,
    pub code: Option<String>,
    pub param: Option<String>,
    pub message: String,
    /// How long the provider asked to wait.
    pub wait: Option<Duration>,
    /// The provider's own error body, where it is in the client's format.
    pub verbatim: Option<Bytes>,
}

impl Failure {
    pub fn new(reason: FailoverReason, kind: ErrorKind, status: u16, code: &str, message: String) -> Self {
        Self {
            reason: Some(reason),
            kind,
            status,
            code: Some(code.into()),
            param: None,
            message,
            wait: None,
            verbatim: None,
        }
    }

    pub fn from_upstream(error: UpstreamError) -> Self {
        let UpstreamError { kind, status, code, param, message, retry_after } = error;
        let reason = match kind {
            ErrorKind::InvalidRequest => None,
            ErrorKind::ContentFiltered => Some(FailoverReason::ContentFilter),
            ErrorKind::ContextLength => Some(FailoverReason::ContextLength),
            ErrorKind::RateLimited => Some(FailoverReason::RateLimited),
            ErrorKind::Overloaded => Some(FailoverReason::Overloaded),
            ErrorKind::Timeout => Some(FailoverReason::Timeout),
            ErrorKind::ServerError | ErrorKind::Credentials | ErrorKind::NotFound => {
                Some(FailoverReason::ServerError)
            }
        };
        // A provider that refuses our key, or does not know the model that the route names, is no fault of the
        // client: a 401 or 404 would send it looking in the wrong place. What the provider says of a key stays here.
        let (status, code, message) = match kind {
            ErrorKind::Credentials => (
                502,
                Some("provider_credentials".into()),
                "the provider refused the gateway's credentials".into(),
            ),
            ErrorKind::NotFound => (502, Some("provider_model_not_found".into()), message),
            ErrorKind::Timeout => (504, code, message),
            _ => (status, code, message),
        };
        Self { reason, kind, status, code, param, message, wait: retry_after, verbatim: None }
    }

    /// The proxy itself has no credentials to show. What is wrong with them is the operator's to know: it is logged.
    pub fn from_credentials(error: CredentialError) -> Self {
        tracing::warn!(%error, "no credentials for a provider");
        let kind = if error.is_passing() { ErrorKind::ServerError } else { ErrorKind::Credentials };
        let message = "the gateway has no valid credentials for the provider".to_owned();
        Self::new(FailoverReason::ServerError, kind, 502, "provider_credentials", message)
    }

    pub fn from_send(error: SendError) -> Self {
        match error {
            SendError::Connect { timed_out: true, message } => {
                Self::new(FailoverReason::Timeout, ErrorKind::Timeout, 504, "connect_timeout", message)
            }
            SendError::Connect { timed_out: false, message } => Self::new(
                FailoverReason::Connect,
                ErrorKind::ServerError,
                502,
                "connect_failed",
                format!("no connection to the provider: {message}"),
            ),
            SendError::Sent(message) => Self::connection_lost(&message),
        }
    }

    pub fn from_fault(fault: Fault) -> Self {
        match fault {
            Fault::Upstream(error) => Self::from_upstream(error),
            Fault::Broken(broken) => Self::broken(&broken),
            Fault::Transport(message) => Self::connection_lost(&message),
        }
    }

    pub fn connection_lost(message: &str) -> Self {
        let message = format!("the connection to the provider broke: {message}");
        Self::new(FailoverReason::Connect, ErrorKind::ServerError, 502, "connection_lost", message)
    }

    pub fn broken(broken: &Broken) -> Self {
        let code = match broken {
            Broken::Malformed(_) => "provider_answer_malformed",
            Broken::Cut => "provider_stream_cut",
            Broken::Empty => "provider_answer_empty",
            Broken::TooLarge(_) => "provider_answer_too_large",
        };
        Self::new(FailoverReason::ServerError, ErrorKind::ServerError, 502, code, broken.to_string())
    }

    pub fn timeout(stream: bool) -> Self {
        let what = if stream { "no first token" } else { "no complete answer" };
        let message = format!("{what} from the provider in time");
        Self::new(FailoverReason::Timeout, ErrorKind::Timeout, 504, "provider_timeout", message)
    }

    /// Between the permit and the attempt another request met a 429 or a 401 with the last key.
    pub fn keys_rest(all_rest: AllRest) -> Self {
        let mut failure = match all_rest.reason {
            RestReason::RateLimited => Self::new(
                FailoverReason::RateLimited,
                ErrorKind::RateLimited,
                429,
                "rate_limit_exceeded",
                "every key of the provider rests after a 429".to_owned(),
            ),
            RestReason::Refused => Self::new(
                FailoverReason::ServerError,
                ErrorKind::Credentials,
                502,
                "provider_credentials",
                "the provider refused the gateway's credentials".to_owned(),
            ),
        };
        failure.wait = Some(all_rest.left);
        failure
    }

    pub fn internal(message: &str) -> Self {
        Self::new(FailoverReason::ServerError, ErrorKind::ServerError, 502, "internal", message.to_owned())
    }

    pub fn bad_request(bad: BadRequest) -> Self {
        Self {
            reason: None,
            kind: ErrorKind::InvalidRequest,
            status: 400,
            code: None,
            param: Some(bad.param),
            message: bad.message,
            wait: None,
            verbatim: None,
        }
    }

    /// Does it say something of the request, and not of the provider? The client should hear it as it is.
    pub fn is_of_request(&self) -> bool {
        matches!(self.reason, None | Some(FailoverReason::ContentFilter))
    }

    /// The client named the model: that the provider does not know it is the client's to hear.
    pub fn of_named_model(mut self) -> Self {
        if self.kind == ErrorKind::NotFound {
            self.status = 404;
            self.code = Some("model_not_found".into());
            self.param = Some("model".into());
        }
        self
    }

    /// May the same target answer in a moment? Not one that hung, that has no such model, that does not take our key, or
    /// that asks for more time than `most`.
    pub fn passes(&self, most: Duration) -> bool {
        let waits = self.wait.is_none_or(|wait| wait <= most);
        match (self.reason, self.kind) {
            (_, ErrorKind::Credentials | ErrorKind::NotFound) => false,
            (Some(FailoverReason::Connect | FailoverReason::ServerError | FailoverReason::Overloaded), _) => {
                waits
            }
            (Some(FailoverReason::RateLimited), _) => self.wait.is_some() && waits,
            (None | Some(_), _) => false,
        }
    }

    /// The answer is nothing but the word that its content was filtered.
    pub fn filtered() -> Self {
        let message = "the provider filtered the content of its answer".to_owned();
        Self::new(FailoverReason::ContentFilter, ErrorKind::ContentFiltered, 400, "content_filter", message)
    }

    /// Rests the key that met this failure.
    pub fn account_to(self, key: &Key) -> Self {
        match self.kind {
            ErrorKind::RateLimited => key.rest(Instant::now(), RestReason::RateLimited, self.wait),
            ErrorKind::Credentials => {
                key.rest(Instant::now(), RestReason::Refused, Some(REFUSED_KEY_REST));
            }
            _ => {}
        }
        self
    }

    /// Without the provider's keys, should it have quoted one.
    pub fn redacted(mut self, keys: &KeyRing) -> Self {
        let texts = [Some(&mut self.message), self.code.as_mut(), self.param.as_mut()];
        for text in texts.into_iter().flatten() {
            if let Some(redacted) = keys.redact(text) {
                *text = redacted;
            }
        }
        self.verbatim = self.verbatim.filter(|body| keys.redact(&String::from_utf8_lossy(body)).is_none());
        self
    }
}
