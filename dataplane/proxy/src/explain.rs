//! How a request would be decided, without sending anything: the steps of `pipeline.rs` up to the first byte. Hooks are
//! not asked, and nothing is what they say.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, Method};
use penstock_llm::envelope::Envelope;
use penstock_llm::{ClientError, Format, Reply};

use crate::asked::{self, Asked};
use crate::attempts;
use crate::endpoint::{self, ENDPOINTS, Endpoint};
use crate::exit::{Exit, no_target, unknown_model};
use crate::hooks::HookRecord;
use crate::inbound::SaidByUrl;
use crate::job::{Ask, Job};
use crate::pipeline::configured;
use crate::plan::plan;
use crate::proxy::Proxy;
use crate::runtime::Runtime;
use crate::trail::{Decision, Ended, Trail};
use crate::unix_time::unix_now;

/// A request to be explained.
#[derive(Clone, Debug)]
pub struct Question {
    /// Of the endpoint: `/v1/chat/completions`.
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// What the proxy would decide, with its configuration and what it knows of its targets. Callers' keys are not asked for.
pub fn explain(proxy: &Proxy, question: &Question) -> Decision {
    let (ask, said) = match endpoint::find(&Method::POST, &question.path) {
        Ok(Endpoint::Ask(ask)) => (ask, None),
        Ok(Endpoint::Gemini { model, stream }) => {
            (Ask::Generate(Format::Gemini), Some(SaidByUrl { model: model.to_owned(), stream }))
        }
        _ => {
            let mut trail = Trail::new("explained", "");
            let message = format!("no such endpoint: POST {}; there are {ENDPOINTS}", question.path);
            trail.ended = Some(Ended::badly(&ClientError::new(404, "unknown_endpoint", message)));
            return trail.decision();
        }
    };
    let mut trail = Trail::new("explained", ask.path());
    if let Err(exit) = decide(proxy, ask, said, question, &mut trail) {
        trail.ended = Some(Ended::badly(&exit.error));
    }
    trail.decision()
}

/// Who would be asked first, `pool/provider/model`: the routing decision alone, without a look at what a target makes of
/// the request. For benchmarks and tools.
pub fn first_target(proxy: &Proxy, question: &Question) -> Option<Arc<str>> {
    let Ok(Endpoint::Ask(ask)) = endpoint::find(&Method::POST, &question.path) else { return None };
    let runtime = configured(proxy).ok()?;
    let envelope = Envelope::parse(&question.body).ok()?;
    let route = runtime.route(&envelope.model)?;
    let reply = Reply { request_id: String::new(), model: String::new(), created: 0, include_usage: false };
    let bodies = (&question.body, &question.body);
    let job = Job::new(ask, bodies, &envelope, &question.headers, reply, route, proxy);
    let mut trail = Trail::new("", ask.path());
    let rule = asked::choose(&Asked::new(&job), &proxy.metrics, &mut trail).ok()?;
    let plan = plan(&job, rule, false, Instant::now(), &mut rand::rng());
    plan.queue.front().map(|target| target.label.clone())
}

fn decide(
    proxy: &Proxy,
    ask: Ask,
    said: Option<SaidByUrl>,
    question: &Question,
    trail: &mut Trail,
) -> Result<(), Exit> {
    let runtime: Arc<Runtime> = configured(proxy)?;
    let body = match &said {
        Some(said) => said.join(&question.body)?,
        None => question.body.clone(),
    };
    let envelope = Envelope::parse(&body).map_err(ClientError::from)?;
    trail.asks(&envelope);
    let route =
        runtime.route(&envelope.model).cloned().ok_or_else(|| unknown_model(&runtime, &envelope.model))?;
    trail.routed(&runtime, &route);
    let reply = Reply {
        request_id: trail.id.clone(),
        model: envelope.model.clone(),
        created: unix_now(),
        include_usage: envelope.include_usage(),
    };
    let job = Job::new(ask, (&body, &question.body), &envelope, &question.headers, reply, &route, proxy);
    trail.hooks = route.hooks.iter().map(|hook| HookRecord::unasked(hook)).collect();
    let rule = asked::choose(&Asked::new(&job), &proxy.metrics, trail)?;
    attempts::foresee(&job, rule, trail);
    if trail.targets.is_empty() {
        let is_any = rule.targets.iter().any(|target| target.any.is_some());
        return Err(if is_any { unknown_model(&runtime, &envelope.model) } else { no_target(&route, rule) });
    }
    Ok(())
}
