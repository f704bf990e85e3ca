//! One attempt at one target: encode, send, wait for the first meaningful event.
//!
//! Says what came of it; whether another target is tried is the pipeline's decision.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT};
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use penstock_config::FailoverReason;
use penstock_llm::ratelimit::Limits;
use penstock_llm::simulated::{self, Behaviour, Failure as SimulatedFailure, Plan};
use penstock_llm::sse::Parser;
use penstock_llm::{
    Broken, ErrorKind, Event, FinishReason, Format, Ledger, UpstreamError, Usage, collect, passthrough,
};

use tokio::sync::OwnedSemaphorePermit;

use crate::failure::Failure;
use crate::health::{Admission, AllRest, Key, LastFailure, RestReason, Saturated, Seat};
use crate::job::{Ask, Encoded, Job, Rendered, Wire};
use crate::metrics::{AttemptResult, SkipReason};
use crate::pump::{Pump, Source, Stamp, Writer};
use crate::runtime::{Candidate, Via};
use crate::unix_time::unix_ms;
use crate::upstream::SendError;

/// Largest error body that is read.
const ERROR_BODY_LIMIT: usize = 1 << 20;
/// How long the rest of an error answer may take.
const ERROR_BODY_TIME: Duration = Duration::from_secs(5);
/// A target's answer, from its first meaningful event on.
pub struct Answer {
    pub body: AnswerBody,
    pub ledger: Ledger,
    /// What the provider says of its limits.
    pub limits: Limits,
    /// Time spent after the provider's last byte (answers that are not streamed).
    pub overhead: Duration,
}

impl Answer {
    fn whole(rendered: Rendered, overhead: Duration) -> Self {
        let Rendered { bytes, usage, ledger, is_filtered: _ } = rendered;
        Self { body: AnswerBody::Whole { bytes, usage }, ledger, limits: Limits::default(), overhead }
    }
}

pub enum AnswerBody {
    Whole { bytes: Bytes, usage: Usage },
    Stream(Box<Pump>),
}

/// Leave to try a target, and a seat at it. Dropped without a word (the client left, another answer was faster), it
/// frees the breaker's probe.
pub struct Permit {
    target: Arc<Candidate>,
    /// Taken out when it is settled.
    seat: Option<Seat>,
    streamed: bool,
    began: Instant,
}

/// Why there is no permit, and for how long.
type Denied = (SkipReason, Option<Duration>);

impl Permit {
    /// Waits in the provider's queue where it has one, but no longer than `most`.
    pub async fn ask(target: &Arc<Candidate>, streamed: bool, most: Duration) -> Result<Self, Denied> {
        Self::foresee_health(target, Instant::now())?;
        let place = match &target.places {
            None => None,
            Some(places) => {
                Some(places.take(most).await.map_err(|Saturated| (SkipReason::Saturated, Some(SOON)))?)
            }
        };
        Self::admit(target, streamed, place, Instant::now())
    }

    /// Without a wait.
    pub fn ask_now(target: &Arc<Candidate>, streamed: bool, now: Instant) -> Result<Self, Denied> {
        Self::foresee(target, now)?;
        let place = match &target.places {
            None => None,
            Some(places) => Some(places.take_now().map_err(|Saturated| (SkipReason::Saturated, Some(SOON)))?),
        };
        Self::admit(target, streamed, place, now)
    }

    fn admit(
        target: &Arc<Candidate>,
        streamed: bool,
        place: Option<OwnedSemaphorePermit>,
        now: Instant,
    ) -> Result<Self, Denied> {
        match target.vitals.breaker.admit(now) {
            Admission::Admitted | Admission::Probe => Ok(Self {
                target: target.clone(),
                seat: Some(Seat::take(&target.vitals.load, place)),
                streamed,
                began: now,
            }),
            refused => Err(denied(refused)),
        }
    }

    /// Would there be one now? Takes none, and so no probe.
    pub fn foresee(target: &Candidate, now: Instant) -> Result<(), Denied> {
        Self::foresee_health(target, now)?;
        let is_full = target.places.as_ref().is_some_and(|places| !places.has_room());
        if is_full { Err((SkipReason::Saturated, Some(SOON))) } else { Ok(()) }
    }

    fn foresee_health(target: &Candidate, now: Instant) -> Result<(), Denied> {
        any_key(target, now)?;
        target.vitals.breaker.foresee(now).map_or(Ok(()), |refused| Err(denied(refused)))
    }

    /// Accounts for how the attempt ended. The seat is the answer's, as long as that goes on.
    pub fn settle(mut self, outcome: Result<&Answer, &Failure>, now: Instant) -> Option<Seat> {
        use FailoverReason::{
            Connect, ContentFilter, ContextLength, Overloaded, RateLimited, ServerError, Timeout,
        };
        let mut seat = self.seat.take();
        let Candidate { vitals, metrics, .. } = &*self.target;
        let (breaker, took) = (&vitals.breaker, now.saturating_duration_since(self.began));
        match outcome {
            Ok(answer) => {
                metrics.attempt(AttemptResult::Ok);
                vitals.load.took(self.streamed, took, now);
                seat.iter_mut().for_each(Seat::began);
                match &answer.body {
                    AnswerBody::Whole { .. } => breaker.succeeded(now),
                    AnswerBody::Stream(_) => breaker.began(now),
                }
                return seat;
            }
            Err(Failure { reason: Some(reason), kind, code, message, wait, .. }) => {
                metrics.attempt(match reason {
                    ContentFilter => AttemptResult::Rejected,
                    reason => AttemptResult::Failed(*reason),
                });
                match reason {
                    // Clients name the models of an open target: one that is not there says nothing of its health.
                    _ if *kind == ErrorKind::NotFound && self.target.is_open => {
                        breaker.released();
                    }
                    Connect | Timeout | ServerError | Overloaded => {
                        breaker.note(LastFailure::new(*reason, code.as_deref(), message, now));
                        breaker.failed(now);
                    }
                    RateLimited | ContextLength => breaker.released(),
                    ContentFilter => breaker.succeeded(now),
                }
                if let (Overloaded | ServerError, Some(wait)) = (reason, wait) {
                    breaker.wait(now, *wait);
                }
                if *reason == Timeout {
                    vitals.load.took(self.streamed, took, now);
                }
            }
            Err(Failure { reason: None, .. }) => {
                metrics.attempt(AttemptResult::Rejected);
                breaker.succeeded(now);
            }
        }
        None
    }
}

/// What is told to whoever asks when a place will be free: nobody knows.
const SOON: Duration = Duration::from_secs(1);

fn denied(admission: Admission) -> Denied {
    match admission {
        Admission::AskedToWait(left) => (SkipReason::AskedToWait, Some(left)),
        Admission::Open(left) => (SkipReason::BreakerOpen, Some(left)),
        Admission::Admitted | Admission::Probe => (SkipReason::BreakerOpen, None),
    }
}

fn any_key(target: &Candidate, now: Instant) -> Result<(), Denied> {
    if target.keys.any_awake(now) {
        return Ok(());
    }
    target.keys.pick(now, &mut rand::rng()).map(|_| ()).map_err(|AllRest { left, reason }| {
        let reason = match reason {
            RestReason::RateLimited => SkipReason::KeysResting,
            RestReason::Refused => SkipReason::KeysRefused,
        };
        (reason, Some(left))
    })
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.seat.is_some() {
            let now = Instant::now();
            let vitals = &self.target.vitals;
            vitals.breaker.released();
            vitals.load.took_longer_than(self.streamed, now.saturating_duration_since(self.began), now);
            self.target.metrics.attempt(AttemptResult::Abandoned);
        }
    }
}

/// Is nobody asked? Such an answer says nothing of its target's health.
pub fn answers_by_itself(job: &Job<'_>, encoded: &Encoded) -> bool {
    encoded.wire == Wire::Nothing && !matches!(job.ask, Ask::Generate(_))
}

/// Who could answer in place of this target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Next {
    /// Nobody, so that a complete answer without content is better than none.
    pub is_none: bool,
    /// Somebody who is there for content that this one filters.
    pub takes_filtered: bool,
}

/// Tries a target until its answer has begun.
pub async fn run(
    job: &Job<'_>,
    target: &Arc<Candidate>,
    encoded: Encoded,
    deadline: Instant,
    next: Next,
) -> Result<Answer, Failure> {
    let attempt = async {
        match &target.via {
            _ if answers_by_itself(job, &encoded) => job
                .render_by_itself()
                .map(|rendered| Answer::whole(rendered, Duration::ZERO))
                .map_err(Failure::bad_request),
            Via::Http => {
                let key = target.keys.pick(Instant::now(), &mut rand::rng()).map_err(Failure::keys_rest)?;
                let outcome = over_http(job, target, key, &encoded, next).await;
                if outcome.is_ok() {
                    key.worked(Instant::now());
                }
                outcome.map_err(|failure| failure.account_to(key).redacted(&target.keys))
            }
            Via::Simulated { behaviour, ordinal } => {
                let ordinal = Candidate::next_ordinal(ordinal);
                let outcome = by_simulation(job, behaviour, ordinal, next).await;
                match target.keys.pick(Instant::now(), &mut rand::rng()) {
                    Ok(key) => outcome.map_err(|failure| failure.account_to(key)),
                    Err(_) => outcome,
                }
            }
        }
    };
    let mut answer = match tokio::time::timeout_at(deadline.into(), attempt).await {
        Ok(outcome) => outcome?,
        Err(_) => return Err(Failure::timeout(job.is_stream())),
    };
    let mut disclosed = encoded.ledger;
    disclosed.merge(&answer.ledger);
    answer.ledger = disclosed;
    Ok(answer)
}

async fn over_http(
    job: &Job<'_>,
    target: &Arc<Candidate>,
    key: &Key,
    encoded: &Encoded,
    next: Next,
) -> Result<Answer, Failure> {
    let request = upstream_request(job, target, key, encoded).await?;
    let response = target.limits.client.send(request).await.map_err(Failure::from_send)?;
    let limits = limits_of(response.headers());
    let outcome = read_answer(job, target, encoded, response, next).await;
    // Only what the provider itself refused is renewed: pools share a token, and a mistake in one of them (a host that
    // the token may not go to) must not cost the others theirs.
    if matches!(&outcome, Err(failure) if failure.kind == ErrorKind::Credentials) {
        key.authorizer.refused();
    }
    // The next request would be a 429.
    if let Some(wait) = limits.spent() {
        key.rest(Instant::now(), RestReason::RateLimited, Some(Duration::from_millis(wait)));
    }
    Ok(Answer { limits, ..outcome? })
}

fn limits_of(headers: &HeaderMap) -> Limits {
    Limits::read(|name| headers.get(name)?.to_str().ok(), unix_ms())
}

async fn read_answer(
    job: &Job<'_>,
    target: &Arc<Candidate>,
    encoded: &Encoded,
    response: Response<Incoming>,
    next: Next,
) -> Result<Answer, Failure> {
    if !response.status().is_success() {
        return Err(error_answer(job, target, encoded.wire, response).await);
    }
    if let Wire::Generate { format, collects: true, .. } = encoded.wire {
        return collected_answer(job, target, format, response, next).await;
    }
    let (Wire::Generate { format, as_it_is, .. }, true) = (encoded.wire, job.is_stream()) else {
        return whole_answer(job, target, encoded.wire, response, next).await;
    };
    let is_stream = response
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_none_or(|value| !value.trim_start().to_ascii_lowercase().starts_with("application/json"));
    if !is_stream {
        return Err(json_instead_of_stream(job, target, format, response).await);
    }
    let dialect = format.dialect();
    let source = Source::Wire {
        body: response.into_body(),
        frames: dialect.framing().frames(Parser::DEFAULT_LIMIT),
        decoder: dialect.stream_decoder(&target.upstream()),
    };
    let writer = if as_it_is {
        Writer::Same { usage: job.usage_chunk(), stamp: stamp(format, target) }
    } else {
        Writer::Translate(job.format().dialect().stream_encoder(job.reply.clone()))
    };
    begin(Pump::new(source, writer, job.format(), job.reply.clone()), next).await
}

/// Reasoning state of another issuer than the format's own is told apart in streams that pass as they are.
fn stamp(format: Format, target: &Arc<Candidate>) -> Option<Stamp> {
    let target = target.clone();
    passthrough::stamps(format, &target.upstream())
        .then(|| Box::new(move |data: &str| passthrough::stamp(data, format, &target.upstream())) as Stamp)
}

/// A stream for a client that wants the answer whole, of a provider that only streams.
async fn collected_answer(
    job: &Job<'_>,
    target: &Candidate,
    format: Format,
    response: Response<Incoming>,
    next: Next,
) -> Result<Answer, Failure> {
    let bytes = read_body(response.into_body(), job.max_answer_bytes, target.limits.idle).await?;
    let read_at = Instant::now();
    let dialect = format.dialect();
    let mut frames = dialect.framing().frames(Parser::DEFAULT_LIMIT);
    let mut decoder = dialect.stream_decoder(&target.upstream());
    let mut events = Vec::new();
    let mut read = || -> Result<(), Broken> {
        frames.push(&bytes);
        while let Some(frame) = frames.next()? {
            decoder.push(&frame, &mut events)?;
        }
        if let Some(frame) = frames.finish() {
            decoder.push(&frame, &mut events)?;
        }
        decoder.finish(&mut events)
    };
    read().map_err(|broken| Failure::broken(&broken))?;
    if let Some(error) = events.iter().find_map(|event| match event {
        Event::Error(error) => Some(error.clone()),
        _ => None,
    }) {
        return Err(Failure::from_upstream(error));
    }
    let response = collect(events);
    if response.is_empty() {
        return Err(Failure::broken(&Broken::Empty));
    }
    if response.is_filtered() && next.takes_filtered {
        return Err(Failure::filtered());
    }
    Ok(Answer::whole(job.render_response(&response), read_at.elapsed()))
}

/// Only what is named here reaches a provider: never the client's credentials, cookies or addresses.
async fn upstream_request(
    job: &Job<'_>,
    target: &Candidate,
    key: &Key,
    encoded: &Encoded,
) -> Result<Request<Full<Bytes>>, Failure> {
    let Encoded { body, ledger: _, wire } = encoded;
    let streams = job.is_stream() || matches!(wire, Wire::Generate { collects: true, .. });
    let uri = target.uri_of(*wire, streams);
    let uri = uri.ok_or_else(|| Failure::internal("the provider has no URL for this call"))?;
    let mut request = Request::new(Full::new(body.clone()));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri.clone();
    let headers = request.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let accept = match wire {
        Wire::Generate { format, collects, .. } if job.is_stream() || *collects => {
            format.dialect().framing().accept()
        }
        _ => "application/json",
    };
    headers.insert(ACCEPT, HeaderValue::from_static(accept));
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("penstock/", env!("CARGO_PKG_VERSION"))));
    for (name, value) in target.provider.fixed_headers() {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    if wire.format() == Some(job.format()) {
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
    // Last: a signature covers the rest.
    let authorized = key.authorizer.authorize(&mut request, body, &target.limits.client).await;
    authorized.map_err(Failure::from_credentials)?;
    Ok(request)
}

async fn whole_answer(
    job: &Job<'_>,
    target: &Candidate,
    wire: Wire,
    response: Response<Incoming>,
    next: Next,
) -> Result<Answer, Failure> {
    let bytes = read_body(response.into_body(), job.max_answer_bytes, target.limits.idle).await?;
    let read_at = Instant::now();
    let rendered = match job.render(bytes.clone(), wire, target) {
        Ok(Ok(rendered)) if rendered.is_filtered && next.takes_filtered => return Err(Failure::filtered()),
        Ok(Ok(rendered)) => rendered,
        Ok(Err(error)) => return Err(Failure::from_upstream(error)),
        // Nowhere else to go: an answer that the provider calls complete is passed on as it is.
        Err(Broken::Empty)
            if next.is_none && matches!(wire, Wire::Generate { as_it_is: true, .. }) && !bytes.is_empty() =>
        {
            Rendered { bytes, usage: Usage::default(), ledger: Ledger::new(job.format()), is_filtered: false }
        }
        Err(broken) => return Err(Failure::broken(&broken)),
    };
    Ok(Answer::whole(rendered, read_at.elapsed()))
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
async fn begin(mut pump: Pump, next: Next) -> Result<Answer, Failure> {
    loop {
        pump.advance().await.map_err(Failure::from_fault)?;
        let explained = match pump.finish_reason() {
            // The provider says why there is nothing to read.
            Some(FinishReason::ContentFilter) if next.takes_filtered => false,
            Some(FinishReason::ContentFilter | FinishReason::Length | FinishReason::ToolCalls) => true,
            Some(_) => next.is_none,
            None => false,
        };
        if pump.has_begun() || (pump.is_complete() && explained) {
            return Ok(Answer {
                ledger: Ledger::new(pump.format()),
                body: AnswerBody::Stream(Box::new(pump)),
                limits: Limits::default(),
                overhead: Duration::ZERO,
            });
        }
        if pump.is_complete() {
            return Err(match pump.finish_reason() {
                Some(FinishReason::ContentFilter) => Failure::filtered(),
                _ => Failure::broken(&Broken::Empty),
            });
        }
    }
}

async fn by_simulation(
    job: &Job<'_>,
    behaviour: &Behaviour,
    ordinal: u64,
    next: Next,
) -> Result<Answer, Failure> {
    let request = job.request().map_err(Failure::bad_request)?;
    let (events, complete) = match simulated::plan(request, behaviour, ordinal) {
        Plan::Answer { events, complete } => (events, complete),
        Plan::Fail { after, failure } => {
            tokio::time::sleep(after).await;
            return Err(simulated_failure(failure).await);
        }
    };
    if job.is_stream() {
        let writer = Writer::Translate(job.format().dialect().stream_encoder(job.reply.clone()));
        let source = Source::Simulated { events: events.into_iter(), complete };
        return begin(Pump::new(source, writer, job.format(), job.reply.clone()), next).await;
    }
    let pause = events.iter().map(|(pause, _)| *pause).sum();
    tokio::time::sleep(pause).await;
    if !complete {
        return Err(Failure::broken(&Broken::Cut));
    }
    let response = collect(events.into_iter().map(|(_, event)| event));
    let mut ledger = Ledger::new(job.format());
    let bytes = job.format().dialect().encode_response(&response, &job.reply, &mut ledger).into();
    Ok(Answer::whole(Rendered { bytes, usage: response.usage, ledger, is_filtered: false }, Duration::ZERO))
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
            retry_after: None,
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

async fn error_answer(
    job: &Job<'_>,
    target: &Candidate,
    wire: Wire,
    response: Response<Incoming>,
) -> Failure {
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
    let format = wire.format().unwrap_or(job.format());
    let mut failure = Failure::from_upstream(target.provider.classify(format, status, &body));
    failure.wait = wait.or(failure.wait);
    if format == job.format()
        && failure.reason.is_none()
        && serde_json::from_slice::<serde::de::IgnoredAny>(&body).is_ok()
    {
        failure.verbatim = Some(body);
    }
    failure
}

/// A stream was asked for, and JSON came: an error inside a 200, or a server that cannot stream.
async fn json_instead_of_stream(
    job: &Job<'_>,
    target: &Candidate,
    format: Format,
    response: Response<Incoming>,
) -> Failure {
    match read_body(response.into_body(), job.max_answer_bytes, target.limits.idle).await {
        Err(failure) => failure,
        Ok(bytes) => match format.dialect().decode_response(&bytes, &target.upstream()) {
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
