//! Hooks: services that are asked where a request goes, before the rules of its route are looked at.
//!
//! Owns: what they are sent, what they may answer, and what an answer does to a request.
//! Refuses to know: conditions, the order in which targets are tried, who the client is.

mod book;
mod cache;
mod client;
mod hook;
#[cfg(test)]
mod openapi;
mod sign;
#[cfg(test)]
mod tests;
mod trouble;
mod wire;

use std::sync::Arc;
use std::time::{Duration, Instant};

use penstock_config::HookFailurePolicy;
use penstock_llm::ClientError;

pub use self::book::HookBook;
pub use self::hook::Hook;
use self::hook::Outcome;
use self::wire::{HookVerdict, Refusal, TargetName};
use crate::asked::Asked;
use crate::job::Job;
use crate::runtime::{Candidate, Rule, Target};
use crate::trail::{Trail, cut};

/// What the hooks of a route said of a request. What they say of labels is in [`Asked::labels`], and what each of them
/// did in [`Trail::hooks`].
#[derive(Default)]
pub struct Consulted {
    /// This rule takes the request, whatever its condition says.
    pub rule: Option<Arc<Rule>>,
    /// These answer, in this order, and nobody else.
    targets: Option<Vec<TargetName>>,
}

/// What one hook did to a request, for people.
#[derive(Clone, Debug, PartialEq)]
pub struct HookRecord {
    pub hook: String,
    /// What it said, in words, cut where it is long; `None` where it said nothing that can be used, and of a shadow, which nobody waits for.
    pub verdict: Option<String>,
    /// How long the request waited.
    pub duration: Duration,
    /// It was not asked, because it had been asked of such a request before.
    pub cached: bool,
    pub shadow: bool,
    /// Why there is no verdict.
    pub error: Option<String>,
}

/// Asks the hooks of the request's route, one after the other. `since`: when the request had come.
///
/// # Errors
/// A hook refused the request, or failed and must not; or the request cannot be read.
pub async fn consult(
    asked: &mut Asked<'_, '_>,
    since: Instant,
    trail: &mut Trail,
) -> Result<Consulted, ClientError> {
    let job = asked.job;
    let route = job.route;
    // Which rule takes the request is not known yet, and with it how long all of it may take.
    let until = since + route.rules.iter().map(|rule| rule.total).max().unwrap_or_default();
    job.check()?;
    let offers = wire::offers(route, &job.envelope.model);
    let mut consulted = Consulted::default();
    for hook in &route.hooks {
        let sent = hook.write(asked, &offers)?;
        if hook.shadow {
            let was_asked = hook.ask_beside(sent, route, &job.envelope.model);
            trail.hooks.push(HookRecord::of_shadow(hook, was_asked));
            continue;
        }
        let outcome = hook.ask(&sent, &offers, until).await;
        outcome.log(&route.name, &hook.name);
        trail.hooks.push(HookRecord::of(hook, &outcome));
        match outcome.verdict {
            Ok(verdict) => match &verdict.refuse {
                Some(refusal) => return Err(refused(refusal)),
                None => consulted.follow(&verdict, asked),
            },
            Err(trouble) => match hook.failure_policy {
                HookFailurePolicy::Ignore => {}
                HookFailurePolicy::Fail => {
                    let message = format!(
                        "hook `{}` of route {} has to be asked first, and {}",
                        hook.name,
                        route.name,
                        trouble.for_client()
                    );
                    return Err(ClientError::new(503, "hook_failed", message));
                }
            },
        }
    }
    trail.rule = consulted.rule.as_ref().map(|rule| rule.name.clone());
    Ok(consulted)
}

fn refused(refusal: &Refusal) -> ClientError {
    let Refusal { status, code, message } = refusal;
    ClientError::new(*status, code, message.clone())
}

impl Consulted {
    /// What a later hook says counts more.
    fn follow(&mut self, verdict: &HookVerdict, asked: &mut Asked<'_, '_>) {
        let HookVerdict { rule, targets, labels, refuse: _ } = verdict;
        let named = |name: &String| asked.job.route.rules.iter().find(|rule| *rule.name == **name).cloned();
        self.rule = rule.as_ref().and_then(named).or(self.rule.take());
        self.targets = targets.clone().or(self.targets.take());
        asked.labels.extend(labels.iter().flatten().map(|(name, value)| (name.clone(), value.clone())));
    }

    /// Who may answer, where a hook said it. A target that several rules have is counted for the one that takes the
    /// request, where it is one of them.
    pub fn candidates(&self, job: &Job<'_>, rule: &Arc<Rule>) -> Option<Vec<Arc<Candidate>>> {
        let model = job.envelope.model.as_str();
        let rules = || std::iter::once(rule).chain(&job.route.rules);
        let of = |name: &TargetName| {
            let is_it =
                |target: &&Target| wire::offered(target, model).is_some_and(|offered| name.is(offered));
            let found = rules().find_map(|rule| rule.targets.iter().find(is_it));
            found.map(|target| target.candidates_for(model)).unwrap_or_default()
        };
        Some(self.targets.as_ref()?.iter().flat_map(of).collect())
    }
}

impl HookRecord {
    fn of(hook: &Hook, outcome: &Outcome) -> Self {
        let Outcome { verdict, duration, cached } = outcome;
        Self {
            hook: hook.name.clone(),
            verdict: verdict.as_ref().ok().map(|verdict| cut(&verdict.to_string())),
            duration: *duration,
            cached: *cached,
            shadow: false,
            error: verdict.as_ref().err().map(|trouble| cut(&trouble.to_string())),
        }
    }

    fn of_shadow(hook: &Hook, was_asked: bool) -> Self {
        let error = (!was_asked).then(|| "not asked: too many are being asked already".to_owned());
        Self { shadow: true, error, ..Self::silent(hook) }
    }

    /// Of a request that is only explained.
    pub fn unasked(hook: &Hook) -> Self {
        let error = Some("not asked: nothing is sent when a decision is only explained".to_owned());
        Self { shadow: hook.shadow, error, ..Self::silent(hook) }
    }

    fn silent(hook: &Hook) -> Self {
        Self {
            hook: hook.name.clone(),
            verdict: None,
            duration: Duration::ZERO,
            cached: false,
            shadow: false,
            error: None,
        }
    }
}

/// How long a request waited for its hooks.
pub fn waited(records: &[HookRecord]) -> Duration {
    records.iter().map(|record| record.duration).sum()
}
