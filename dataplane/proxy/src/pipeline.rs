//! READ FIRST: a request's life, from top to bottom.
//!
//! authenticate → read → envelope → route → hooks → rule → attempt loop [permit → encode → send → first meaningful
//! event] → commit → stream → meter on every exit.
//!
//! Nothing is sent to the client before the commit point. Until then a failure goes to the next target; after it,
//! a failure becomes an error event in the client's own format.

use std::sync::Arc;

use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use penstock_llm::envelope::Envelope;
use penstock_llm::{ClientError, Format, Reply};

use crate::asked::{self, Asked};
use crate::attempt::{Answer, AnswerBody};
use crate::attempts::{Found, try_targets};
use crate::endpoint::{self, ENDPOINTS, Endpoint, Missing};
use crate::exit::{Exit, bounded, no_target, unknown_model};
use crate::hooks::{self, Consulted};
use crate::inbound::{SaidByUrl, read_request};
use crate::job::{Ask, Job};
use crate::live::Live;
use crate::meter::Meter;
use crate::metrics::Outcome;
use crate::models::models;
use crate::plan::{plan, plan_in_order};
use crate::proxy::Proxy;
use crate::reply::{self, Body};
use crate::runtime::Runtime;
use crate::trail::{Ended, Trail};
use crate::unix_time::{unix_ms, unix_now};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const ROUTE: HeaderName = HeaderName::from_static("x-penstock-route");
const TARGET: HeaderName = HeaderName::from_static("x-penstock-target");
const ATTEMPTS: HeaderName = HeaderName::from_static("x-penstock-attempts");
const TRANSLATION: HeaderName = HeaderName::from_static("x-penstock-translation");
/// The answering target was not written down, see `equivalents` of a target.
const EQUIVALENT: HeaderName = HeaderName::from_static("x-penstock-equivalent");

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

async fn serve(
    proxy: &Arc<Proxy>,
    ask: Ask,
    said: Option<SaidByUrl>,
    request: Request<Incoming>,
    id: &str,
) -> Response<Body> {
    let mut meter = Meter::start(proxy.metrics.clone());
    let mut trail = Trail::new(id, ask.path());
    let response = match find_answer(proxy, ask, said, request, &mut meter, &mut trail).await {
        Ok(found) => {
            trail.ended = Some(Ended { status: 200, code: None, message: None });
            deliver(ask.format(), found, meter)
        }
        Err(exit) => {
            meter.end(exit.outcome);
            trail.ended = Some(Ended::badly(&exit.error));
            refuse(ask.format(), &exit, id)
        }
    };
    // Who is not let in leaves no trail, or anybody could push the others out.
    if trail.route.is_some() {
        proxy.decisions.keep(trail);
    }
    response
}

async fn find_answer(
    proxy: &Arc<Proxy>,
    ask: Ask,
    said: Option<SaidByUrl>,
    request: Request<Incoming>,
    meter: &mut Meter,
    trail: &mut Trail,
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
    trail.asks(&envelope);
    trail.routed(&runtime, &route);
    let reply = Reply {
        request_id: trail.id.clone(),
        model: envelope.model.clone(),
        created: unix_now(),
        include_usage: envelope.include_usage(),
    };
    let bodies = (&body, &original);
    let job = Job::new(ask, bodies, &envelope, &head.headers, reply, &route, proxy);
    let exit = |error| {
        let mut exit = Exit::from(error);
        exit.route = Some(route.clone());
        exit
    };
    let mut asked = Asked::new(&job);
    let consulted = match route.hooks.is_empty() {
        true => Consulted::default(),
        false => Box::pin(hooks::consult(&mut asked, meter.started(), trail)).await.map_err(exit)?,
    };
    let rule = match &consulted.rule {
        Some(rule) => rule,
        None => asked::choose(&asked, &proxy.metrics, trail).map_err(exit)?,
    };
    meter.met(rule);
    let plan = match consulted.candidates(&job, rule) {
        Some(named) => {
            let plan = plan_in_order(&job, named);
            trail.needs = plan.needs;
            plan
        }
        None => {
            let plan = plan(&job, rule, false, std::time::Instant::now(), &mut rand::rng());
            trail.planned(rule, &plan);
            plan
        }
    };
    if plan.is_empty() {
        // With names left to clients, the pools simply do not have this one.
        let is_any = rule.targets.iter().any(|target| target.any.is_some());
        return Err(if is_any { unknown_model(&runtime, &envelope.model) } else { no_target(&route, rule) });
    }
    try_targets(&job, rule, plan, meter, trail).await
}

pub fn configured(proxy: &Proxy) -> Result<Arc<Runtime>, Exit> {
    proxy.runtime().ok_or_else(|| {
        ClientError::new(503, "not_configured", "this proxy has not received its configuration yet").into()
    })
}

pub fn authenticate(runtime: &Runtime, headers: &HeaderMap) -> Result<(), Exit> {
    if runtime.callers.admit(headers) {
        return Ok(());
    }
    // Says the same whether a key was missing, malformed or unknown.
    let message = "no valid API key: send one as `Authorization: Bearer KEY`, `x-api-key: KEY` or \
                   `x-goog-api-key: KEY`";
    Err(ClientError::new(401, "invalid_api_key", message).into())
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
    let Found { answer, target, route, attempts, deadline, seat } = found;
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
            let live = Live {
                pump,
                meter,
                target: target.clone(),
                route: route.clone(),
                deadline,
                seat,
                ended: false,
            };
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
    if target.is_equivalent {
        headers.insert(EQUIVALENT, HeaderValue::from_static("true"));
    }
    headers.insert(ATTEMPTS, HeaderValue::from(attempts));
    for (name, value) in limits.write(format, unix_ms()) {
        set(headers, HeaderName::from_static(name), &value);
    }
    if !ledger.is_empty() {
        set(headers, TRANSLATION, &ledger.to_string());
    }
    response
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
