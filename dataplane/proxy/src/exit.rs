//! How a request ends without an answer of a target, and what the client hears of it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use penstock_config::FailoverReason;
use penstock_llm::needs::Lack;
use penstock_llm::{ClientError, ErrorKind, Refused};

use crate::failure::Failure;
use crate::metrics::{Outcome, SkipReason};
use crate::runtime::{Candidate, Route, Rule, Runtime};

/// A request that ends without an answer of a target.
pub struct Exit {
    pub error: ClientError,
    pub outcome: Outcome,
    pub wait: Option<Duration>,
    /// The provider's own words, in the client's format.
    pub verbatim: Option<Bytes>,
    pub route: Option<Arc<Route>>,
    pub attempts: usize,
}

impl From<ClientError> for Exit {
    fn from(error: ClientError) -> Self {
        let outcome = if error.status < 500 { Outcome::ClientError } else { Outcome::UpstreamError };
        Self { error, outcome, wait: None, verbatim: None, route: None, attempts: 0 }
    }
}

pub fn unknown_model(runtime: &Runtime, model: &str) -> Exit {
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

/// The rule has nobody to send requests to.
pub fn no_target(route: &Arc<Route>, rule: &Rule) -> Exit {
    let message = format!(
        "rule `{}` of route {} has no usable target: the status of the ModelRoute says why",
        rule.name, route.name
    );
    let mut exit = Exit::from(ClientError::new(503, "no_target_available", message));
    exit.outcome = Outcome::UpstreamError;
    exit.route = Some(route.clone());
    exit
}

/// A target that was passed over.
pub struct Skip {
    pub target: Arc<Candidate>,
    pub reason: SkipReason,
    wait: Option<Duration>,
    /// What of the request it cannot do.
    refused: Option<Refused>,
    lack: Option<Lack>,
}

impl Skip {
    pub fn new(target: Arc<Candidate>, reason: SkipReason, wait: Option<Duration>) -> Self {
        target.metrics.skip(reason);
        Self::foreseen(target, reason, wait)
    }

    /// One that would be passed over: it is not counted.
    pub fn foreseen(target: Arc<Candidate>, reason: SkipReason, wait: Option<Duration>) -> Self {
        Self { target, reason, wait, refused: None, lack: None }
    }

    pub fn because(self, refused: Refused) -> Self {
        Self { refused: Some(refused), ..self }
    }

    /// The model lacks what the request uses.
    pub fn lacking(target: Arc<Candidate>, lack: Lack) -> Self {
        let reason = match lack {
            Lack::Context { .. } => SkipReason::ContextTooSmall,
            _ => SkipReason::LacksAbility,
        };
        Self { lack: Some(lack), ..Self::new(target, reason, None) }
    }

    pub fn explain(&self) -> String {
        let seconds = self.wait.unwrap_or_default().as_secs_f64().ceil();
        match self.reason {
            SkipReason::BreakerOpen => format!("not tried, it failed too often; next try in {seconds} s"),
            SkipReason::KeysResting => format!("not tried, every key rests after a 429 for {seconds} s"),
            SkipReason::KeysRefused => {
                format!("not tried, the gateway's credentials for it did not work; next try in {seconds} s")
            }
            SkipReason::AskedToWait => {
                format!("not tried, the provider asked to be left alone for {seconds} s")
            }
            SkipReason::Saturated => {
                "not tried, all of its places are taken (`maxConcurrent` of the provider)".to_owned()
            }
            SkipReason::LacksAbility | SkipReason::ContextTooSmall => {
                let why = self.lack.as_ref().map(Lack::to_string).unwrap_or_default();
                format!("not tried, another target fits better: {why}")
            }
            SkipReason::CannotTranslate => {
                let why = self.refused.as_ref().map(Refused::to_string).unwrap_or_default();
                format!("not tried, it cannot do what the request asks: {why}")
            }
        }
    }
}

/// What the client hears when no target answered: the most useful failure, with each attempt and its reason.
pub fn every_target_failed(
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
            let is_of_request = failure.is_of_request();
            let message = match (alone, is_of_request) {
                (true, true) => failure.message,
                (true, false) => account.concat(),
                (false, _) => format!("{}; tried: {}", failure.message, account.join("; ")),
            };
            let error =
                ClientError { status: failure.status, code: failure.code, param: failure.param, message };
            let mut exit = Exit::from(error);
            // Their 429 is not this client's fault, but it is the client that must wait.
            if !is_of_request {
                exit.outcome = Outcome::UpstreamError;
            }
            if alone || is_of_request {
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
        (None | Some(FailoverReason::ContentFilter), _) => 6,
        (Some(FailoverReason::ContextLength), _) => 5,
        (Some(FailoverReason::RateLimited), _) => 4,
        (Some(FailoverReason::Overloaded), _) => 3,
        (_, ErrorKind::Credentials | ErrorKind::NotFound) => 1,
        (Some(FailoverReason::ServerError | FailoverReason::Timeout), _) => 2,
        (Some(FailoverReason::Connect), _) => 1,
    }
}

/// The first characters of what a client wrote.
pub fn bounded(text: &str, limit: usize) -> String {
    text.chars().take(limit).collect()
}
