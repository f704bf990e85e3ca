//! READ FIRST: a request's life, from top to bottom.
//!
//! authenticate → read → envelope → route → attempt loop [permit → encode → send → first meaningful event] →
//! commit → stream → meter on every exit.
//!
//! Nothing is sent to the client before the commit point. Until then a failure goes to the next target; after it,
//! a failure becomes an error event in the client's own format.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::stream;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, Limited, StreamBody};
use hyper::body::Incoming;
use penstock_config::FailoverReason;
use penstock_llm::envelope::Envelope;
use penstock_llm::{BadRequest, ClientError, ErrorKind, Format, Refused, Reply};
use serde_json::value::RawValue;

use crate::asked;
use crate::attempt::{self, Answer, AnswerBody, Permit};
use crate::endpoint::{self, ENDPOINTS, Endpoint, Missing};
use crate::failure::Failure;
use crate::job::{Ask, Job, Unsendable};
use crate::meter::Meter;
use crate::metrics::{Outcome, SkipReason};
use crate::pick;
use crate::proxy::Proxy;
use crate::pump::Pump;
use crate::reply::{self, Body};
use crate::runtime::{Candidate, Route, Rule, Runtime, Via};
use crate::unix_time::unix_ms;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const ROUTE: HeaderName = HeaderName::from_static("x-penstock-route");
const TARGET: HeaderName = HeaderName::from_static("x-penstock-target");
const ATTEMPTS: HeaderName = HeaderName::from_static("x-penstock-attempts");
const TRANSLATION: HeaderName = HeaderName::from_static("x-penstock-translation");

/// Answers one request. Never fails: a failure is an answer too.
pub async fn handle(proxy: Arc<Proxy>, request: Request<Incoming>) -> Response<Body> {
    let id = request_id(request.headers());
    let path = request.uri().path().to_owned();
    let mut response = match endpoint::find(request.method(), &path) {
        Ok(Endpoint::Ask(ask)) => serve(&proxy, ask, None, request, &id).await,
        Ok(Endpoint::Gemini { model, stream }) => {
            let said = SaidByUrl { model: percent_decoded(model), stream };
            serve(&proxy, Ask::Generate(Format::Gemini), Some(said), request, &id).await
        }
        Ok(Endpoint::Models(format)) => models(&proxy, format, None, request.headers(), &id),
        Ok(Endpoint::Model(format, model)) => {
            models(&proxy, format, Some(&percent_decoded(model)), request.headers(), &id)
        }
        Ok(Endpoint::Health) => reply::text(StatusCode::OK, "ok\n"),
        Ok(Endpoint::Readiness) => readiness(&proxy),
        Err(Missing::Method { allowed, format }) => {
            let error = ClientError::new(405, "method_not_allowed", format!("{path} takes {allowed}"));
            let mut response = reply::error(format, &error, &id, None);
            response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
            response
        }
        Err(Missing::Path) => {
            let (method, path) = (request.method(), bounded(&path, 200));
            let message = format!("no such endpoint: {method} {path}; there are {ENDPOINTS}");
            reply::error(Format::Chat, &ClientError::new(404, "unknown_endpoint", message), &id, None)
        }
    };
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// What Google's URLs say that other formats say in the body.
struct SaidByUrl {
    model: String,
    stream: bool,
}

impl SaidByUrl {
    /// The body with those members in front, as the other formats have them.
    fn join(&self, body: &Bytes) -> Result<Bytes, ClientError> {
        let text = body.trim_ascii_start();
        let Some(rest) = text.strip_prefix(b"{") else {
            return Err(BadRequest::new("", "the body is not a JSON object").into());
        };
        let rest = &*without_own(text, rest);
        let comma = if rest.trim_ascii_start().starts_with(b"}") { "" } else { "," };
        let model = serde_json::Value::from(self.model.as_str());
        let mut out = format!("{{\"model\":{model},\"stream\":{}{comma}", self.stream).into_bytes();
        out.extend_from_slice(rest);
        Ok(out.into())
    }
}

/// Google's schema has `model` in the body as well. The URL's word counts, and any other is left out.
fn without_own<'a>(text: &[u8], rest: &'a [u8]) -> Cow<'a, [u8]> {
    let is_named = |name: &str| std::str::from_utf8(rest).is_ok_and(|rest| rest.contains(name));
    if !is_named("\"model\"") && !is_named("\"stream\"") {
        return rest.into();
    }
    // What is no JSON is for the envelope to refuse.
    let Ok(mut members) = serde_json::from_slice::<BTreeMap<String, &RawValue>>(text) else {
        return rest.into();
    };
    members.remove("model");
    members.remove("stream");
    let written = serde_json::to_vec(&members).unwrap_or_default();
    written.strip_prefix(b"{").map_or(rest.into(), |members| members.to_vec().into())
}

/// A path segment; what is no escape stays as it is.
fn percent_decoded(segment: &str) -> String {
    percent_encoding::percent_decode_str(segment).decode_utf8_lossy().into_owned()
}

pub fn readiness(proxy: &Proxy) -> Response<Body> {
    if proxy.is_ready() {
        reply::text(StatusCode::OK, "ok\n")
    } else {
        reply::text(StatusCode::SERVICE_UNAVAILABLE, "no configuration yet, or shutting down\n")
    }
}

/// The list of models, or one of them, in the format of the SDK that asks: Anthropic's sends its version header,
/// Google's its own header for the key.
fn models(
    proxy: &Proxy,
    format: Option<Format>,
    only: Option<&str>,
    headers: &HeaderMap,
    id: &str,
) -> Response<Body> {
    let of_sdk = || match (headers.contains_key("anthropic-version"), headers.contains_key("x-goog-api-key"))
    {
        (true, _) => Format::Messages,
        (false, true) => Format::Gemini,
        (false, false) => Format::Chat,
    };
    let format = format.unwrap_or_else(of_sdk);
    let listing = configured(proxy).and_then(|runtime| {
        authenticate(&runtime, headers)?;
        let names = runtime.model_names();
        let Some(model) = only else { return Ok(format.dialect().encode_models(&names, unix_now())) };
        if runtime.route(model).is_none() {
            return Err(unknown_model(&runtime, model));
        }
        let list = format.dialect().encode_models(&[model], unix_now());
        Ok(first_of(&list).unwrap_or(list))
    });
    match listing {
        Ok(body) => reply::json(StatusCode::OK, body),
        Err(exit) => reply::error(format, &exit.error, id, exit.wait),
    }
}

/// The one entry of a listing that has one.
fn first_of(list: &[u8]) -> Option<Vec<u8>> {
    let list: serde_json::Value = serde_json::from_slice(list).ok()?;
    let entries = list.get("data").or_else(|| list.get("models"))?;
    Some(entries.get(0)?.to_string().into_bytes())
}

/// A request that ends without an answer of a target.
struct Exit {
    error: ClientError,
    outcome: Outcome,
    wait: Option<Duration>,
    /// The provider's own words, in the client's format.
    verbatim: Option<Bytes>,
    route: Option<Arc<Route>>,
    attempts: usize,
}

impl From<ClientError> for Exit {
    fn from(error: ClientError) -> Self {
        let outcome = if error.status < 500 { Outcome::ClientError } else { Outcome::UpstreamError };
        Self { error, outcome, wait: None, verbatim: None, route: None, attempts: 0 }
    }
}

/// What was found for a request: an answer that has begun.
struct Found {
    answer: Answer,
    target: Arc<Candidate>,
    route: Arc<Route>,
    attempts: usize,
    deadline: Instant,
}

async fn serve(
    proxy: &Arc<Proxy>,
    ask: Ask,
    said: Option<SaidByUrl>,
    request: Request<Incoming>,
    id: &str,
) -> Response<Body> {
    let mut meter = Meter::start(proxy.metrics.clone());
    match find_answer(proxy, ask, said, request, id, &mut meter).await {
        Ok(found) => deliver(ask.format(), found, meter),
        Err(exit) => {
            meter.end(exit.outcome);
            refuse(ask.format(), &exit, id)
        }
    }
}

async fn find_answer(
    proxy: &Arc<Proxy>,
    ask: Ask,
    said: Option<SaidByUrl>,
    request: Request<Incoming>,
    id: &str,
    meter: &mut Meter,
) -> Result<Found, Exit> {
    // Loaded once: a change of configuration does not touch requests in flight.
    let runtime = configured(proxy)?;
    authenticate(&runtime, request.headers())?;
    let (head, body) = request.into_parts();
    let original = read_request(proxy, &head.headers, body).await?;
    meter.request_read();
    let body = match &said {
        Some(said) => said.join(&original)?,
        None => original.clone(),
    };
    let envelope = Envelope::parse(&body).map_err(ClientError::from)?;
    let route =
        runtime.route(&envelope.model).cloned().ok_or_else(|| unknown_model(&runtime, &envelope.model))?;
    meter.routed(&route);
    let reply = Reply {
        request_id: id.to_owned(),
        model: envelope.model.clone(),
        created: unix_now(),
        include_usage: envelope.include_usage(),
    };
    let bodies = (&body, &original);
    let job = Job::new(ask, bodies, &envelope, &head.headers, reply, &route, proxy);
    let rule = asked::choose(&job, &proxy.metrics).map_err(|error| {
        let mut exit = Exit::from(error);
        exit.route = Some(route.clone());
        exit
    })?;
    meter.met(rule);
    try_targets(&job, rule, meter).await
}

fn configured(proxy: &Proxy) -> Result<Arc<Runtime>, Exit> {
    proxy.runtime().ok_or_else(|| {
        ClientError::new(503, "not_configured", "this proxy has not received its configuration yet").into()
    })
}

fn authenticate(runtime: &Runtime, headers: &HeaderMap) -> Result<(), Exit> {
    if runtime.callers.admit(headers) {
        return Ok(());
    }
    // Says the same whether a key was missing, malformed or unknown.
    let message = "no valid API key: send one as `Authorization: Bearer KEY`, `x-api-key: KEY` or \
                   `x-goog-api-key: KEY`";
    Err(ClientError::new(401, "invalid_api_key", message).into())
}

/// Reads the body whole, bounded in size and in the silence between its pieces.
async fn read_request(proxy: &Proxy, headers: &HeaderMap, body: Incoming) -> Result<Bytes, ClientError> {
    let limit = proxy.settings.max_request_bytes;
    let too_large = || {
        ClientError::new(413, "request_too_large", format!("the request body is larger than {limit} bytes"))
    };
    let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    let mut body = Limited::new(body, limit);
    let mut pieces: Vec<Bytes> = Vec::new();
    loop {
        match tokio::time::timeout(proxy.settings.client_idle, body.frame()).await {
            Err(_) => {
                let message = "the request body did not arrive in time";
                return Err(ClientError::new(408, "request_timeout", message));
            }
            Ok(None) => break,
            Ok(Some(Ok(frame))) => pieces.extend(frame.into_data().ok()),
            Ok(Some(Err(error))) if error.is::<http_body_util::LengthLimitError>() => return Err(too_large()),
            Ok(Some(Err(error))) => {
                return Err(ClientError::new(
                    400,
                    "request_cut",
                    format!("the request body broke off: {error}"),
                ));
            }
        }
    }
    // Most bodies come in one piece, which is then not copied.
    Ok(if pieces.len() == 1 { pieces.swap_remove(0) } else { pieces.concat().into() })
}

fn unknown_model(runtime: &Runtime, model: &str) -> Exit {
    let close = runtime.close_names(model);
    let hint = match close.as_slice() {
        [] => "GET /v1/models lists the models of this gateway".to_owned(),
        names => format!("did you mean {}?", names.join(", ")),
    };
    let message = format!("the model `{}` does not exist here; {hint}", bounded(model, 200));
    let mut error = ClientError::new(404, "model_not_found", message);
    error.param = Some("model".into());
    error.into()
}

/// The attempt loop: targets in their order, until one has begun to answer.
async fn try_targets(job: &Job<'_>, rule: &Rule, meter: &mut Meter) -> Result<Found, Exit> {
    let route = job.route;
    let deadline = meter.started() + route.total;
    let mut queue = queue(rule);
    if queue.is_empty() {
        let message = format!(
            "rule `{}` of route {} has no usable target: the status of the ModelRoute says why",
            rule.name, route.name
        );
        let mut exit = Exit::from(ClientError::new(503, "no_target_available", message));
        exit.outcome = Outcome::UpstreamError;
        exit.route = Some(route.clone());
        return Err(exit);
    }
    let mut failures: Vec<(Arc<Candidate>, Failure)> = Vec::new();
    let mut skipped: Vec<Skip> = Vec::new();
    let mut fetching = Duration::ZERO;
    while let Some(target) = queue.pop_front() {
        let attempts_left = route.max_attempts.saturating_sub(failures.len());
        if attempts_left == 0 || Instant::now() >= deadline {
            break;
        }
        let encoded = match job.encode(&target) {
            Err(Unsendable::Refused(refused)) if job.is_worth_fetching(&target) => {
                if let Err((reason, wait)) = Permit::foresee(&target, Instant::now()) {
                    skipped.push(Skip::new(target, reason, Some(wait)));
                    continue;
                }
                let asked = Instant::now();
                // The other half is for the answer: a slow file must not look like a slow provider.
                let until = asked + deadline.saturating_duration_since(asked) / 2;
                let inlined = Box::pin(job.encode_inlined(&target, until)).await;
                fetching += asked.elapsed();
                inlined.unwrap_or(Err(Unsendable::Refused(refused)))
            }
            encoded => encoded,
        };
        let encoded = match encoded {
            Ok(encoded) => encoded,
            Err(Unsendable::Bad(bad)) => return Err(ClientError::from(bad).into()),
            Err(Unsendable::Refused(refused)) => {
                skipped.push(Skip::new(target, SkipReason::CannotTranslate, None).because(refused));
                continue;
            }
        };
        let by_itself = matches!(target.via, Via::Http) && attempt::answers_by_itself(job, &encoded);
        let permit = match (!by_itself).then(|| Permit::ask(&target, Instant::now())).transpose() {
            Ok(permit) => permit,
            Err((reason, wait)) => {
                skipped.push(Skip::new(target, reason, Some(wait)));
                continue;
            }
        };
        if let Some((left, failure)) = failures.last()
            && let Some(reason) = failure.reason
        {
            left.metrics.failover(reason);
        }
        if failures.is_empty() {
            meter.add_overhead(meter.started().elapsed() - fetching);
        }
        let tries = attempts_left.min(queue.len() + 1);
        let outcome =
            attempt::run(job, &target, encoded, attempt_deadline(job, deadline, tries), tries == 1).await;
        if let Some(permit) = permit {
            permit.settle(outcome.as_ref(), Instant::now());
        }
        match outcome {
            Ok(answer) => {
                meter.answered_by(&target);
                if job.ask == Ask::CountTokens {
                    meter.has_no_usage();
                }
                meter.add_overhead(answer.overhead);
                meter.disclose(&answer.ledger);
                let attempts = failures.len() + 1;
                return Ok(Found { answer, target, route: route.clone(), attempts, deadline });
            }
            Err(failure) => {
                tracing::debug!(route = route.name, target = target.label, ?failure.reason, failure.message, "attempt failed");
                let goes_on = failure.reason.is_some_and(|reason| route.failover_on.contains(&reason));
                let another_key = matches!(failure.kind, ErrorKind::RateLimited | ErrorKind::Credentials)
                    && target.keys.any_awake(Instant::now());
                if goes_on && another_key {
                    queue.push_front(target.clone());
                }
                failures.push((target, failure));
                if !goes_on {
                    break;
                }
            }
        }
    }
    Err(every_target_failed(route, failures, &skipped))
}

/// Every candidate of the rule, in the order in which they are tried.
fn queue(rule: &Rule) -> VecDeque<Arc<Candidate>> {
    let weights: Vec<(u32, u32)> =
        rule.targets.iter().map(|target| (target.priority, target.weight)).collect();
    let order = pick::order(&weights, &mut rand::rng());
    order
        .into_iter()
        .filter_map(|i| rule.targets.get(i))
        .flat_map(|target| target.candidates.iter().cloned())
        .collect()
}

/// A streamed answer has until `firstToken`; one that is not streamed has no first token, and gets an even share of
/// the time that is left, so that a target that hangs leaves some for the others.
fn attempt_deadline(job: &Job<'_>, deadline: Instant, tries: usize) -> Instant {
    let now = Instant::now();
    let left = deadline.saturating_duration_since(now);
    if job.is_stream() {
        now + job.route.first_token.min(left)
    } else {
        now + left / u32::try_from(tries.max(1)).unwrap_or(1)
    }
}

/// A target that was passed over.
struct Skip {
    target: Arc<Candidate>,
    reason: SkipReason,
    wait: Option<Duration>,
    /// What of the request it cannot do.
    refused: Option<Refused>,
}

impl Skip {
    fn new(target: Arc<Candidate>, reason: SkipReason, wait: Option<Duration>) -> Self {
        target.metrics.skip(reason);
        Self { target, reason, wait, refused: None }
    }

    fn because(self, refused: Refused) -> Self {
        Self { refused: Some(refused), ..self }
    }

    fn explain(&self) -> String {
        let seconds = self.wait.unwrap_or_default().as_secs_f64().ceil();
        match self.reason {
            SkipReason::BreakerOpen => format!("not tried, it failed too often; next try in {seconds} s"),
            SkipReason::KeysResting => format!("not tried, every key rests after a 429 for {seconds} s"),
            SkipReason::KeysRefused => {
                format!("not tried, the gateway's credentials for it did not work; next try in {seconds} s")
            }
            SkipReason::CannotTranslate => {
                let why = self.refused.as_ref().map(Refused::to_string).unwrap_or_default();
                format!("not tried, it cannot do what the request asks: {why}")
            }
        }
    }
}

/// What the client hears: the most useful failure, with each attempt and its reason.
fn every_target_failed(
    route: &Arc<Route>,
    mut failures: Vec<(Arc<Candidate>, Failure)>,
    skipped: &[Skip],
) -> Exit {
    let account: Vec<String> = failures
        .iter()
        .map(|(target, failure)| format!("{}: {}", target.label, failure.message))
        .chain(skipped.iter().map(|skip| format!("{}: {}", skip.target.label, skip.explain())))
        .collect();
    let attempts = failures.len();
    let shortest_wait = failures
        .iter()
        .filter_map(|(_, failure)| failure.wait)
        .chain(skipped.iter().filter_map(|skip| skip.wait))
        .min();
    // The last of the most useful ones: it is the freshest.
    let best =
        failures.iter().enumerate().max_by_key(|(i, (_, failure))| (usefulness(failure), *i)).map(|(i, _)| i);
    let mut exit: Exit = match best.map(|i| failures.swap_remove(i).1) {
        Some(failure) => {
            let alone = account.len() == 1;
            // What a provider says of the request itself is passed on as it is; any other failure names its target.
            let message = match (alone, failure.reason) {
                (true, None) => failure.message,
                (true, Some(_)) => account.concat(),
                (false, _) => format!("{}; tried: {}", failure.message, account.join("; ")),
            };
            let error =
                ClientError { status: failure.status, code: failure.code, param: failure.param, message };
            let mut exit = Exit::from(error);
            // Their 429 is not this client's fault, but it is the client that must wait.
            if failure.reason.is_some() {
                exit.outcome = Outcome::UpstreamError;
            }
            if alone || failure.reason.is_none() {
                exit.verbatim = failure.verbatim;
            }
            exit
        }
        None if skipped.iter().any(|skip| skip.reason == SkipReason::CannotTranslate) => {
            let message = format!("no target can serve this request: {}", account.join("; "));
            let mut error = ClientError::new(400, "unsupported_by_every_target", message);
            error.param =
                skipped.iter().find_map(|skip| skip.refused.as_ref()).map(|refused| refused.field.clone());
            error.into()
        }
        None => {
            let resting =
                !skipped.is_empty() && skipped.iter().all(|skip| skip.reason == SkipReason::KeysResting);
            let (status, code) =
                if resting { (429, "rate_limit_exceeded") } else { (503, "no_target_available") };
            let mut exit = Exit::from(ClientError::new(
                status,
                code,
                format!("no target is available: {}", account.join("; ")),
            ));
            exit.outcome = Outcome::UpstreamError;
            exit
        }
    };
    exit.wait = matches!(exit.error.status, 429 | 503 | 529).then_some(shortest_wait).flatten();
    exit.route = Some(route.clone());
    exit.attempts = attempts;
    exit
}

/// A word about the request helps more than one about capacity, and that more than one about plumbing.
fn usefulness(failure: &Failure) -> u8 {
    match (failure.reason, failure.kind) {
        (None, _) => 6,
        (Some(FailoverReason::ContextLength), _) => 5,
        (Some(FailoverReason::RateLimited), _) => 4,
        (Some(FailoverReason::Overloaded), _) => 3,
        (_, ErrorKind::Credentials | ErrorKind::NotFound) => 1,
        (Some(FailoverReason::ServerError | FailoverReason::Timeout), _) => 2,
        (Some(FailoverReason::Connect), _) => 1,
    }
}

fn refuse(format: Format, exit: &Exit, id: &str) -> Response<Body> {
    let mut response = reply::error(format, &exit.error, id, exit.wait);
    if let Some(body) = &exit.verbatim {
        *response.body_mut() = reply::full(body.clone());
    }
    if let Some(route) = &exit.route {
        set(response.headers_mut(), ROUTE, &route.name);
        response.headers_mut().insert(ATTEMPTS, HeaderValue::from(exit.attempts));
    }
    response
}

/// The commit point: from here on the client sees this answer and no other.
fn deliver(format: Format, found: Found, mut meter: Meter) -> Response<Body> {
    let Found { answer, target, route, attempts, deadline } = found;
    let Answer { body, ledger, limits, overhead: _ } = answer;
    let mut response = match body {
        AnswerBody::Whole { bytes, usage } => {
            meter.usage(usage);
            meter.end(Outcome::Success);
            reply::json(StatusCode::OK, bytes)
        }
        AnswerBody::Stream(pump) => {
            meter.first_token();
            let content_type = pump.format().dialect().framing().content_type();
            let live =
                Live { pump, meter, target: target.clone(), route: route.clone(), deadline, ended: false };
            let mut response = Response::new(live.into_body());
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
            // nginx and its kin would hold tokens back.
            headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
            response
        }
    };
    let headers = response.headers_mut();
    set(headers, ROUTE, &route.name);
    set(headers, TARGET, &target.label);
    headers.insert(ATTEMPTS, HeaderValue::from(attempts));
    for (name, value) in limits.write(format, unix_ms()) {
        set(headers, HeaderName::from_static(name), &value);
    }
    if !ledger.is_empty() {
        set(headers, TRANSLATION, &ledger.to_string());
    }
    response
}

/// A stream after its commit point. It has no task of its own: the client's connection pulls it, so that a client
/// that reads slowly slows the provider down, and one that leaves drops, and so cancels, the provider's request.
struct Live {
    pump: Box<Pump>,
    meter: Meter,
    target: Arc<Candidate>,
    route: Arc<Route>,
    deadline: Instant,
    ended: bool,
}

impl Live {
    fn into_body(self) -> Body {
        let frames = stream::unfold(self, |mut live| async move {
            let bytes = live.next().await?;
            Some((Ok(Frame::data(bytes)), live))
        });
        StreamBody::new(frames).boxed_unsync()
    }

    async fn next(&mut self) -> Option<Bytes> {
        loop {
            let bytes = self.pump.take();
            if !bytes.is_empty() {
                if self.pump.is_complete() {
                    self.succeed();
                }
                return Some(bytes);
            }
            if self.ended {
                self.pump.drain().await;
                return None;
            }
            if self.pump.is_complete() {
                self.succeed();
                continue;
            }
            self.advance().await;
        }
    }

    async fn advance(&mut self) {
        let now = Instant::now();
        let until = self.deadline.min(now + self.route.idle);
        let failure = match tokio::time::timeout_at(until.into(), self.pump.advance()).await {
            Ok(Ok(())) => return,
            Ok(Err(fault)) => Failure::from_fault(fault),
            Err(_) => {
                let mut failure = Failure::timeout(true);
                failure.message = if until == self.deadline {
                    "the answer took longer than the route's total timeout".into()
                } else {
                    "the provider fell silent in the middle of its answer".into()
                };
                failure
            }
        };
        self.fail(failure);
    }

    /// Too late for another target: the client is told, in its own format, that the answer is not whole.
    fn fail(&mut self, failure: Failure) {
        let failure = failure.redacted(&self.target.keys);
        tracing::debug!(
            route = self.route.name,
            target = self.target.label,
            failure.message,
            "stream failed"
        );
        self.target.breaker.failed(Instant::now());
        let Failure { status, code, param, message, .. } = failure;
        self.pump.fail(&ClientError { status, code, param, message });
        self.settle(Outcome::StreamError);
    }

    fn succeed(&mut self) {
        if !self.ended {
            self.target.breaker.succeeded();
            self.settle(Outcome::Success);
        }
    }

    fn settle(&mut self, outcome: Outcome) {
        self.meter.usage(self.pump.usage());
        if let Some(ledger) = self.pump.ledger() {
            self.meter.disclose(ledger);
        }
        self.meter.end(outcome);
        self.ended = true;
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        if !self.ended {
            // The client left: what was counted until then is counted, and what was lost is told.
            self.meter.usage(self.pump.usage());
            if let Some(ledger) = self.pump.ledger() {
                self.meter.disclose(ledger);
            }
        }
    }
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    // Route and target names are checked by the schema; a model name may hold what a header may not.
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// The client's own id where it is short and plain, else a new one.
fn request_id(headers: &HeaderMap) -> String {
    let plain = |id: &&str| {
        (1..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b))
    };
    match headers.get(REQUEST_ID).and_then(|value| value.to_str().ok()).filter(plain) {
        Some(id) => id.to_owned(),
        None => format!("req_{:032x}", rand::random::<u128>()),
    }
}

fn bounded(text: &str, limit: usize) -> String {
    text.chars().take(limit).collect()
}

fn unix_now() -> u64 {
    unix_ms() / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_url_says_counts() {
        let said = SaidByUrl { model: "m".into(), stream: false };
        for (body, joined) in [
            ("{}", r#"{"model":"m","stream":false}"#),
            (r#"{"contents":[]}"#, r#"{"model":"m","stream":false,"contents":[]}"#),
            (
                r#"{ "model": "models/x", "stream": true, "contents": [1.50] }"#,
                r#"{"model":"m","stream":false,"contents":[1.50]}"#,
            ),
            (r#"{"model":"models/x"}"#, r#"{"model":"m","stream":false}"#),
            // Inside something else it is nobody's business here.
            (r#"{"contents":[{"model":1}]}"#, r#"{"model":"m","stream":false,"contents":[{"model":1}]}"#),
        ] {
            assert_eq!(said.join(&Bytes::from_static(body.as_bytes())).unwrap(), joined);
        }
        assert!(said.join(&Bytes::from_static(b"[1]")).is_err());
        // Refused by who parses it.
        let broken = said.join(&Bytes::from_static(br#"{"model":"#)).unwrap();
        assert!(Envelope::parse(&broken).is_err());
    }
}
