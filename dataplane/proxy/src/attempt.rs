//! One attempt at one target: encode, send, wait for the first meaningful event.
//!
//! Says what came of it; whether another target is tried is the pipeline's decision.

use std::sync::Arc;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT};
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use penstock_config::FailoverReason;
use penstock_llm::envelope::Envelope;
use penstock_llm::simulated::{self, Behaviour, Failure as SimulatedFailure, Plan};
use penstock_llm::sse::Parser;
use penstock_llm::{
    BadRequest, Broken, ErrorKind, FinishReason, Format, Ledger, Refused, Reply, Upstream, UpstreamError,
    Usage,
};

use crate::health::{Admission, AllRest, Key, KeyRing, RestReason};
use crate::metrics::{AttemptResult, SkipReason};
use crate::pump::{Fault, Pump, Source, Writer};
use crate::runtime::{Candidate, Route, Via};
use crate::upstream::SendError;

/// Largest error body that is read.
const ERROR_BODY_LIMIT: usize = 1 << 20;
/// How long the rest of an error answer may take.
const ERROR_BODY_TIME: Duration = Duration::from_secs(5);
/// A key that the provider refused is left alone for so long: a rotation may be under way.
const REFUSED_KEY_REST: Duration = Duration::from_secs(30);

/// What all attempts of a request share.
pub struct Job<'a> {
    pub format: Format,
    pub body: &'a Bytes,
    pub envelope: &'a Envelope,
    pub headers: &'a HeaderMap,
    pub reply: Reply,
    pub route: &'a Arc<Route>,
    pub max_answer_bytes: usize,
    /// Decoded when the first target of another format needs it.
    pub decoded: OnceLock<Result<penstock_llm::Request, BadRequest>>,
}

/// A target's answer, from its first meaningful event on.
pub struct Answer {
    pub body: AnswerBody,
    pub ledger: Ledger,
    /// Time spent after the provider's last byte (answers that are not streamed).
    pub overhead: Duration,
}

pub enum AnswerBody {
    Whole { bytes: Bytes, usage: Usage },
    Stream(Box<Pump>),
}

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

/// The request cannot go to this target at all.
pub enum Unsendable {
    /// The request itself cannot be read.
    Bad(BadRequest),
    /// The provider has no way to do what the request needs.
    Refused(Refused),
}

/// A request's bytes as a provider wants them.
pub struct Encoded {
    body: Vec<u8>,
    ledger: Ledger,
}

impl Job<'_> {
    fn decoded(&self) -> Result<&penstock_llm::Request, BadRequest> {
        self.decoded
            .get_or_init(|| self.format.dialect().decode_request(self.body))
            .as_ref()
            .map_err(Clone::clone)
    }

    /// The client and this target speak the same format.
    fn is_same_format(&self, target: &Candidate) -> bool {
        target.provider.format() == Some(self.format)
    }

    /// Chat providers report usage in a stream only when asked.
    fn forces_usage(&self) -> bool {
        self.format == Format::Chat && self.envelope.stream
    }

    /// Does the history hold reasoning that may not reach this target as it stands? Signed by another issuer, or by
    /// none, or in a member that the provider refuses: another target wrote it, in an earlier turn. Such a request is
    /// written anew. A look at the bytes only, which may say yes too often.
    fn has_foreign_reasoning(&self, target: &Candidate) -> bool {
        let text = std::str::from_utf8(self.body).unwrap_or_default();
        match self.format {
            Format::Chat => {
                let refused = !target.provider.takes_reasoning_content();
                text.contains("\"reasoning_details\"") || (refused && text.contains("\"reasoning_content\""))
            }
            Format::Messages => text.split("\"signature\"").skip(1).any(|rest| {
                let value = rest.trim_start().strip_prefix(':');
                value.is_some_and(|value| value.trim_start().starts_with("\"\""))
            }),
        }
    }

    /// The request in the target's format. A simulated target needs no bytes.
    pub fn encode(&self, target: &Candidate) -> Result<Encoded, Unsendable> {
        let mut ledger = Ledger::default();
        let body = match target.provider.format() {
            Some(format) if format == self.format && !self.has_foreign_reasoning(target) => {
                self.envelope.splice(self.body, &target.upstream, self.forces_usage())
            }
            Some(format) => {
                let request = self.decoded().map_err(Unsendable::Bad)?;
                let upstream = Upstream { model: &target.upstream, provider: target.provider };
                format
                    .dialect()
                    .encode_request(request, &upstream, &mut ledger)
                    .map_err(Unsendable::Refused)?
            }
            None => {
                self.decoded().map_err(Unsendable::Bad)?;
                Vec::new()
            }
        };
        Ok(Encoded { body, ledger })
    }
}

/// Leave to try a target. Dropped without a word (the client left), it frees the breaker's probe.
pub struct Permit {
    target: Arc<Candidate>,
    settled: bool,
}

impl Permit {
    pub fn ask(target: &Arc<Candidate>, now: Instant) -> Result<Self, (SkipReason, Duration)> {
        if let Err(AllRest { left, reason }) = target.keys.pick(now, &mut rand::rng()) {
            let reason = match reason {
                RestReason::RateLimited => SkipReason::KeysResting,
                RestReason::Refused => SkipReason::KeysRefused,
            };
            return Err((reason, left));
        }
        match target.breaker.admit(now) {
            Admission::Admitted | Admission::Probe => Ok(Self { target: target.clone(), settled: false }),
            Admission::Open(wait) => Err((SkipReason::BreakerOpen, wait)),
        }
    }

    pub fn settle(mut self, outcome: Result<&Answer, &Failure>, now: Instant) {
        use FailoverReason::{Connect, Overloaded, ServerError, Timeout};
        self.settled = true;
        let Candidate { breaker, metrics, .. } = &*self.target;
        match outcome {
            Ok(answer) => {
                metrics.attempt(AttemptResult::Ok);
                match &answer.body {
                    AnswerBody::Whole { .. } => breaker.succeeded(),
                    AnswerBody::Stream(_) => breaker.began(),
                }
            }
            Err(Failure { reason: Some(reason), .. }) => {
                metrics.attempt(AttemptResult::Failed(*reason));
                match reason {
                    Connect | Timeout | ServerError | Overloaded => breaker.failed(now),
                    FailoverReason::RateLimited | FailoverReason::ContextLength => breaker.released(),
                }
            }
            Err(Failure { reason: None, .. }) => {
                metrics.attempt(AttemptResult::Rejected);
                breaker.succeeded();
            }
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if !self.settled {
            self.target.breaker.released();
            self.target.metrics.attempt(AttemptResult::Abandoned);
        }
    }
}

/// Tries a target until its answer has begun. `is_last`: no other target would be tried, so that a complete answer
/// without content is better than none.
pub async fn run(
    job: &Job<'_>,
    target: &Arc<Candidate>,
    encoded: Encoded,
    deadline: Instant,
    is_last: bool,
) -> Result<Answer, Failure> {
    let Encoded { body, ledger } = encoded;
    let attempt = async {
        match &target.via {
            Via::Http(_) => {
                let key = target.keys.pick(Instant::now(), &mut rand::rng()).map_err(Failure::keys_rest)?;
                let outcome = over_http(job, target, key, body, is_last).await;
                outcome.map_err(|failure| failure.account_to(key).redacted(&target.keys))
            }
            Via::Simulated { behaviour, ordinal } => {
                let ordinal = Candidate::next_ordinal(ordinal);
                let outcome = by_simulation(job, behaviour, ordinal, is_last).await;
                match target.keys.pick(Instant::now(), &mut rand::rng()) {
                    Ok(key) => outcome.map_err(|failure| failure.account_to(key)),
                    Err(_) => outcome,
                }
            }
        }
    };
    let mut answer = match tokio::time::timeout_at(deadline.into(), attempt).await {
        Ok(outcome) => outcome?,
        Err(_) => return Err(Failure::timeout(job.envelope.stream)),
    };
    let mut disclosed = ledger;
    disclosed.merge(&answer.ledger);
    answer.ledger = disclosed;
    Ok(answer)
}

async fn over_http(
    job: &Job<'_>,
    target: &Candidate,
    key: &Key,
    body: Vec<u8>,
    is_last: bool,
) -> Result<Answer, Failure> {
    let request = upstream_request(job, target, key, body)?;
    let response = job.route.client.send(request).await.map_err(Failure::from_send)?;
    if !response.status().is_success() {
        return Err(error_answer(job, target, response).await);
    }
    if !job.envelope.stream {
        return whole_answer(job, target, response, is_last).await;
    }
    let is_stream = response
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_none_or(|value| !value.trim_start().to_ascii_lowercase().starts_with("application/json"));
    if !is_stream {
        return Err(json_instead_of_stream(job, target, response).await);
    }
    let same = job.is_same_format(target);
    // A simulated target never comes here, so there is a format.
    let format = target.provider.format().unwrap_or(job.format);
    let source = Source::Wire {
        body: response.into_body(),
        frames: Parser::new(Parser::DEFAULT_LIMIT),
        decoder: format.dialect().stream_decoder(),
    };
    let writer = if same {
        Writer::Same { strip_usage: job.forces_usage() && !job.envelope.include_usage() }
    } else {
        Writer::Translate(job.format.dialect().stream_encoder(job.reply.clone()))
    };
    begin(Pump::new(source, writer, job.format, job.reply.clone()), is_last).await
}

/// Only what is named here reaches a provider: never the client's credentials, cookies or addresses.
fn upstream_request(
    job: &Job<'_>,
    target: &Candidate,
    key: &Key,
    body: Vec<u8>,
) -> Result<Request<Full<Bytes>>, Failure> {
    let Via::Http(uri) = &target.via else { return Err(Failure::internal("a target without URL")) };
    let mut request = Request::new(Full::new(Bytes::from(body)));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri.clone();
    let headers = request.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let accept = if job.envelope.stream { "text/event-stream" } else { "application/json" };
    headers.insert(ACCEPT, HeaderValue::from_static(accept));
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("penstock/", env!("CARGO_PKG_VERSION"))));
    for (name, value) in target.provider.fixed_headers() {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    if job.is_same_format(target) {
        for name in target.provider.passed_headers() {
            // A list may come in several lines; the first one replaces what is fixed.
            for (n, value) in job.headers.get_all(*name).iter().enumerate() {
                if n == 0 {
                    headers.remove(*name);
                }
                headers.append(HeaderName::from_static(name), value.clone());
            }
        }
    }
    if let Some(secret) = &key.value {
        let (name, value) = target.provider.auth_header(secret.expose());
        let mut value = HeaderValue::from_str(&value)
            .map_err(|_| Failure::internal("a provider key holds characters that no header may have"))?;
        value.set_sensitive(true);
        headers.insert(HeaderName::from_static(name), value);
    }
    Ok(request)
}

async fn whole_answer(
    job: &Job<'_>,
    target: &Candidate,
    response: Response<Incoming>,
    is_last: bool,
) -> Result<Answer, Failure> {
    let bytes = read_body(response.into_body(), job.max_answer_bytes, job.route.idle).await?;
    let read_at = Instant::now();
    let format = target.provider.format().unwrap_or(job.format);
    let response = match format.dialect().decode_response(&bytes) {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => return Err(Failure::from_upstream(error)),
        // Nowhere else to go: an answer that the provider calls complete is passed on as it is.
        Err(Broken::Empty) if is_last && job.is_same_format(target) && !bytes.is_empty() => {
            let body = AnswerBody::Whole { bytes, usage: Usage::default() };
            return Ok(Answer { body, ledger: Ledger::default(), overhead: read_at.elapsed() });
        }
        Err(broken) => return Err(Failure::broken(&broken)),
    };
    let usage = response.usage;
    let mut ledger = Ledger::default();
    let bytes = if job.is_same_format(target) {
        bytes
    } else {
        job.format.dialect().encode_response(&response, &job.reply, &mut ledger).into()
    };
    let body = AnswerBody::Whole { bytes, usage };
    Ok(Answer { body, ledger, overhead: read_at.elapsed() })
}

/// Bounded in size, and in the time between pieces.
async fn read_body(body: Incoming, limit: usize, idle: Duration) -> Result<Bytes, Failure> {
    let mut body = Limited::new(body, limit);
    let mut out = Vec::new();
    loop {
        match tokio::time::timeout(idle, body.frame()).await {
            Err(_) => return Err(Failure::timeout(false)),
            Ok(None) => return Ok(out.into()),
            Ok(Some(Ok(frame))) => out.extend_from_slice(&frame.into_data().unwrap_or_default()),
            Ok(Some(Err(error))) if error.is::<http_body_util::LengthLimitError>() => {
                return Err(Failure::broken(&Broken::TooLarge(limit)));
            }
            Ok(Some(Err(error))) => return Err(Failure::connection_lost(&error.to_string())),
        }
    }
}

/// Reads until the answer has begun, or is known not to.
async fn begin(mut pump: Pump, is_last: bool) -> Result<Answer, Failure> {
    loop {
        pump.advance().await.map_err(Failure::from_fault)?;
        let explained = match pump.finish_reason() {
            // The provider says why there is nothing to read.
            Some(FinishReason::ContentFilter | FinishReason::Length | FinishReason::ToolCalls) => true,
            Some(_) => is_last,
            None => false,
        };
        if pump.has_begun() || (pump.is_complete() && explained) {
            let body = AnswerBody::Stream(Box::new(pump));
            return Ok(Answer { body, ledger: Ledger::default(), overhead: Duration::ZERO });
        }
        if pump.is_complete() {
            return Err(Failure::broken(&Broken::Empty));
        }
    }
}

async fn by_simulation(
    job: &Job<'_>,
    behaviour: &Behaviour,
    ordinal: u64,
    is_last: bool,
) -> Result<Answer, Failure> {
    let request = job.decoded().map_err(Failure::bad_request)?;
    let (events, complete) = match simulated::plan(request, behaviour, ordinal) {
        Plan::Answer { events, complete } => (events, complete),
        Plan::Fail { after, failure } => {
            tokio::time::sleep(after).await;
            return Err(simulated_failure(failure).await);
        }
    };
    if job.envelope.stream {
        let writer = Writer::Translate(job.format.dialect().stream_encoder(job.reply.clone()));
        let source = Source::Simulated { events: events.into_iter(), complete };
        return begin(Pump::new(source, writer, job.format, job.reply.clone()), is_last).await;
    }
    let pause = events.iter().map(|(pause, _)| *pause).sum();
    tokio::time::sleep(pause).await;
    if !complete {
        return Err(Failure::broken(&Broken::Cut));
    }
    let response = penstock_llm::collect::collect(events.into_iter().map(|(_, event)| event));
    let mut ledger = Ledger::default();
    let bytes = job.format.dialect().encode_response(&response, &job.reply, &mut ledger).into();
    let body = AnswerBody::Whole { bytes, usage: response.usage };
    Ok(Answer { body, ledger, overhead: Duration::ZERO })
}

async fn simulated_failure(failure: SimulatedFailure) -> Failure {
    let upstream = |kind, status, code: &str| {
        let message = format!("simulated failure: {code}");
        Failure::from_upstream(UpstreamError {
            kind,
            status,
            code: Some(code.to_owned()),
            param: None,
            message,
        })
    };
    match failure {
        SimulatedFailure::Connect => Failure::from_send(SendError::Connect {
            timed_out: false,
            message: "simulated: connection refused".into(),
        }),
        SimulatedFailure::Timeout => std::future::pending().await,
        SimulatedFailure::RateLimited => {
            let mut failure = upstream(ErrorKind::RateLimited, 429, "rate_limit_exceeded");
            failure.wait = Some(Duration::from_secs(1));
            failure
        }
        SimulatedFailure::ServerError => upstream(ErrorKind::ServerError, 503, "server_error"),
        SimulatedFailure::Overloaded => upstream(ErrorKind::Overloaded, 529, "overloaded_error"),
        SimulatedFailure::ContextLength => upstream(ErrorKind::ContextLength, 400, "context_length_exceeded"),
        SimulatedFailure::EmptyAnswer => Failure::broken(&Broken::Empty),
        SimulatedFailure::CutStream => Failure::broken(&Broken::Cut),
    }
}

async fn error_answer(job: &Job<'_>, target: &Candidate, response: Response<Incoming>) -> Failure {
    let status = response.status().as_u16();
    let wait = retry_after(response.headers());
    let body = tokio::time::timeout(
        ERROR_BODY_TIME,
        read_body(response.into_body(), ERROR_BODY_LIMIT, ERROR_BODY_TIME),
    )
    .await
    .ok()
    .and_then(Result::ok)
    .unwrap_or_default();
    let mut failure = Failure::from_upstream(target.provider.classify(status, &body));
    failure.wait = wait;
    if job.is_same_format(target)
        && failure.reason.is_none()
        && serde_json::from_slice::<serde::de::IgnoredAny>(&body).is_ok()
    {
        failure.verbatim = Some(body);
    }
    failure
}

/// A stream was asked for, and JSON came: an error inside a 200, or a server that cannot stream.
async fn json_instead_of_stream(job: &Job<'_>, target: &Candidate, response: Response<Incoming>) -> Failure {
    let format = target.provider.format().unwrap_or(job.format);
    match read_body(response.into_body(), job.max_answer_bytes, job.route.idle).await {
        Err(failure) => failure,
        Ok(bytes) => match format.dialect().decode_response(&bytes) {
            Ok(Err(error)) => Failure::from_upstream(error),
            _ => Failure::broken(&Broken::Malformed(
                "a stream was asked for, and the provider sent JSON".into(),
            )),
        },
    }
}

/// `retry-after-ms`, or `Retry-After` in seconds. A date is not read: the clocks need not agree.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let number =
        |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<f64>().ok().filter(|n| *n >= 0.0);
    let seconds = number("retry-after-ms").map(|ms| ms / 1000.0).or_else(|| number(RETRY_AFTER.as_str()))?;
    Duration::try_from_secs_f64(seconds).ok()
}

impl Failure {
    fn new(reason: FailoverReason, kind: ErrorKind, status: u16, code: &str, message: String) -> Self {
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

    fn from_upstream(error: UpstreamError) -> Self {
        let UpstreamError { kind, status, code, param, message } = error;
        let reason = match kind {
            ErrorKind::InvalidRequest | ErrorKind::ContentFiltered => None,
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
        Self { reason, kind, status, code, param, message, wait: None, verbatim: None }
    }

    fn from_send(error: SendError) -> Self {
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

    fn connection_lost(message: &str) -> Self {
        let message = format!("the connection to the provider broke: {message}");
        Self::new(FailoverReason::Connect, ErrorKind::ServerError, 502, "connection_lost", message)
    }

    fn broken(broken: &Broken) -> Self {
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
    fn keys_rest(all_rest: AllRest) -> Self {
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

    fn internal(message: &str) -> Self {
        Self::new(FailoverReason::ServerError, ErrorKind::ServerError, 502, "internal", message.to_owned())
    }

    fn bad_request(bad: BadRequest) -> Self {
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

    /// Rests the key that met this failure.
    fn account_to(self, key: &Key) -> Self {
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
