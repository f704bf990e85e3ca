//! How one request was decided: gathered on its way, kept in a bounded ring, printed by `penstock explain`.
//!
//! Never holds a body, a header's value or a credential. What is gathered is cheap: names are shared, and texts are made
//! only of what went wrong.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use penstock_config::Strategy;
use penstock_llm::envelope::Envelope;
use penstock_llm::needs::Needs;
use penstock_llm::{ClientError, Ledger};
use serde::{Deserialize, Serialize};

use crate::hooks::HookRecord;
use crate::plan::Plan;
use crate::runtime::{Route, Rule, Runtime};
use crate::unix_time::unix_ms;

/// Longer texts are cut: a provider's error may be as long as it likes.
const LONGEST_TEXT: usize = 512;

/// What is gathered of a request.
#[derive(Debug)]
pub struct Trail {
    pub id: String,
    pub received_ms: u64,
    pub endpoint: &'static str,
    pub model: String,
    pub stream: bool,
    pub revision: Arc<str>,
    pub route: Option<Arc<str>>,
    pub needs: Option<Needs>,
    pub hooks: Vec<HookRecord>,
    /// Where a rule asked for it.
    pub intent: Option<DecidedIntent>,
    pub rules: Vec<(Arc<str>, RuleVerdict)>,
    pub rule: Option<Arc<str>>,
    pub strategy: Option<Strategy>,
    pub targets: Vec<Considered>,
    pub ended: Option<Ended>,
}

/// What became of a rule's condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleVerdict {
    Holds,
    HoldsNot,
    /// It has no value for this request.
    Fails(String),
}

/// A target that the request could have gone to.
#[derive(Debug)]
pub struct Considered {
    pub target: Arc<str>,
    pub is_equivalent: bool,
    /// Picodollars.
    pub cost: Option<u128>,
    pub ledger: Option<String>,
    pub steps: Vec<Step>,
}

/// What happened at a target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "step")]
pub enum Step {
    /// Passed over without an attempt.
    Skipped { reason: Cow<'static, str>, message: String },
    /// Asked. `result` is `ok`, a class of failure, `rejected` or `abandoned` (another answer was faster).
    #[serde(rename_all = "camelCase")]
    Attempted {
        result: Cow<'static, str>,
        milliseconds: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
        /// Beside another attempt, which was slow.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        hedge: bool,
    },
    /// It would be asked: nothing is sent when a decision is only explained.
    WouldBeAsked,
}

/// How the request ended, as far as it was decided here: a stream goes on after this.
#[derive(Clone, Debug)]
pub struct Ended {
    pub status: u16,
    pub code: Option<String>,
    pub message: Option<String>,
}

/// A decision, for people and programs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    pub request_id: String,
    /// RFC 3339.
    pub received: String,
    pub endpoint: String,
    pub model: String,
    pub stream: bool,
    /// Of the configuration.
    pub revision: String,
    pub route: Option<String>,
    /// The estimate that rules and strategies work with; absent where nobody asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_tokens: Option<u64>,
    /// What of a model the request uses, beyond text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uses: Vec<String>,
    /// Those of the route that were asked, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hooks: Vec<DecidedHook>,
    /// What the request is about; absent where no rule asked, and where it has nothing in common with any example.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent: Option<DecidedIntent>,
    pub rules: Vec<DecidedRule>,
    pub rule: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<String>,
    /// In the order in which they were considered.
    pub targets: Vec<DecidedTarget>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DecidedHook {
    pub name: String,
    /// What it said, in words; absent where nothing came of it, and of a shadow, which nobody waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<String>,
    pub milliseconds: u64,
    /// It had been asked of such a request before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cached: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shadow: bool,
    /// Why there is no verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// The most likely intent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DecidedIntent {
    pub name: String,
    /// From 0 to 1.
    pub score: f64,
    /// The score is below the route's threshold: for the rules there was none.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub below_threshold: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DecidedRule {
    pub name: String,
    /// `holds`, `does not hold`, or why it has no value.
    pub verdict: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DecidedTarget {
    /// `pool/provider/model`.
    pub target: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub equivalent: bool,
    /// US dollars, of what the request is expected to use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimated_cost: Option<String>,
    /// What is not simply mapped, as `x-penstock-translation` has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub translation: Option<String>,
    pub steps: Vec<Step>,
}

impl Ended {
    pub fn badly(error: &ClientError) -> Self {
        Self { status: error.status, code: error.code.clone(), message: Some(cut(&error.message)) }
    }
}

impl Trail {
    pub fn new(id: &str, endpoint: &'static str) -> Self {
        Self {
            id: id.to_owned(),
            received_ms: unix_ms(),
            endpoint,
            model: String::new(),
            stream: false,
            revision: "".into(),
            route: None,
            needs: None,
            hooks: Vec::new(),
            intent: None,
            rules: Vec::new(),
            rule: None,
            strategy: None,
            targets: Vec::new(),
            ended: None,
        }
    }

    pub fn asks(&mut self, envelope: &Envelope) {
        self.model = cut(&envelope.model);
        self.stream = envelope.stream;
    }

    pub fn routed(&mut self, runtime: &Runtime, route: &Route) {
        self.route = Some(route.name.clone());
        self.revision = runtime.revision_name.clone();
    }

    pub fn planned(&mut self, rule: &Rule, plan: &Plan) {
        self.strategy = Some(rule.strategy);
        self.needs = plan.needs;
    }

    fn considered(&mut self, target: &Arc<str>, is_equivalent: bool) -> &mut Considered {
        // A target that is tried twice is one target. There are few.
        let at = self.targets.iter().position(|known| known.target == *target).unwrap_or_else(|| {
            self.targets.push(Considered {
                target: target.clone(),
                is_equivalent,
                cost: None,
                ledger: None,
                steps: Vec::new(),
            });
            self.targets.len() - 1
        });
        // `position` or the push above made it valid.
        #[allow(clippy::indexing_slicing)]
        &mut self.targets[at]
    }

    pub fn costs(&mut self, target: &Arc<str>, is_equivalent: bool, cost: Option<u128>) {
        self.considered(target, is_equivalent).cost = cost;
    }

    pub fn translates(&mut self, target: &Arc<str>, is_equivalent: bool, ledger: &Ledger) {
        if !ledger.is_empty() {
            self.considered(target, is_equivalent).ledger = Some(ledger.to_string());
        }
    }

    pub fn step(&mut self, target: &Arc<str>, is_equivalent: bool, step: Step) {
        self.considered(target, is_equivalent).steps.push(step);
    }

    /// As it is printed.
    pub fn decision(&self) -> Decision {
        let Self {
            id,
            received_ms,
            endpoint,
            model,
            stream,
            revision,
            route,
            needs,
            hooks,
            intent,
            rules,
            rule,
            strategy,
            targets,
            ended,
        } = self;
        Decision {
            request_id: id.clone(),
            received: penstock_llm::time::rfc3339(received_ms / 1000),
            endpoint: (*endpoint).to_owned(),
            model: model.clone(),
            stream: *stream,
            revision: revision.to_string(),
            route: route.as_deref().map(str::to_owned),
            prompt_tokens: needs.map(|needs| needs.prompt_tokens),
            uses: needs.map(|needs| needs.names().map(str::to_owned).collect()).unwrap_or_default(),
            hooks: hooks.iter().map(decided_hook).collect(),
            intent: intent.clone(),
            rules: rules
                .iter()
                .map(|(name, verdict)| DecidedRule {
                    name: name.to_string(),
                    verdict: match verdict {
                        RuleVerdict::Holds => "holds".to_owned(),
                        RuleVerdict::HoldsNot => "does not hold".to_owned(),
                        RuleVerdict::Fails(why) => format!("cannot be evaluated: {why}"),
                    },
                })
                .collect(),
            rule: rule.as_deref().map(str::to_owned),
            strategy: strategy.map(|strategy| format!("{strategy:?}")),
            targets: targets
                .iter()
                .map(|Considered { target, is_equivalent, cost, ledger, steps }| DecidedTarget {
                    target: target.to_string(),
                    equivalent: *is_equivalent,
                    estimated_cost: cost.map(dollars),
                    translation: ledger.clone(),
                    steps: steps.clone(),
                })
                .collect(),
            status: ended.as_ref().map(|ended| ended.status),
            error: ended.as_ref().and_then(|Ended { status: _, code, message }| {
                let message = message.as_ref()?;
                Some(code.as_ref().map_or_else(|| message.clone(), |code| format!("{code}: {message}")))
            }),
        }
    }
}

fn decided_hook(record: &HookRecord) -> DecidedHook {
    let HookRecord { hook, verdict, duration, cached, shadow, error } = record;
    DecidedHook {
        name: hook.clone(),
        verdict: verdict.clone(),
        milliseconds: u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
        cached: *cached,
        shadow: *shadow,
        error: error.clone(),
    }
}

/// An attempt that ended.
pub fn attempted(result: &'static str, time: Duration, message: Option<&str>, hedge: bool) -> Step {
    Step::Attempted {
        result: Cow::Borrowed(result),
        milliseconds: u64::try_from(time.as_millis()).unwrap_or(u64::MAX),
        message: message.map(cut),
        hedge,
    }
}

pub fn cut(text: &str) -> String {
    match text.char_indices().nth(LONGEST_TEXT) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

fn dollars(picodollars: u128) -> String {
    penstock_llm::catalogue::Cost { output: picodollars, ..Default::default() }.to_string()
}

/// The last decisions of a proxy.
pub struct Ring {
    most: usize,
    trails: Mutex<VecDeque<Arc<Trail>>>,
}

impl Ring {
    /// Keeps so many; 0 keeps none.
    pub fn new(most: usize) -> Self {
        Self { most, trails: Mutex::default() }
    }

    pub fn keep(&self, trail: Trail) {
        if self.most == 0 {
            return;
        }
        let trail = Arc::new(trail);
        let mut trails = self.trails.lock().unwrap_or_else(PoisonError::into_inner);
        // Dropped outside of the lock.
        let _oldest = if trails.len() >= self.most { trails.pop_front() } else { None };
        trails.push_back(trail);
        drop(trails);
    }

    /// The newest one of a request of this id.
    pub fn find(&self, id: &str) -> Option<Decision> {
        let trails = self.trails.lock().unwrap_or_else(PoisonError::into_inner);
        let found = trails.iter().rev().find(|trail| trail.id == id).cloned();
        drop(trails);
        found.map(|trail| trail.decision())
    }

    /// The newest ones, newest first.
    pub fn newest(&self, most: usize) -> Vec<Decision> {
        let trails = self.trails.lock().unwrap_or_else(PoisonError::into_inner);
        let found: Vec<_> = trails.iter().rev().take(most).cloned().collect();
        drop(trails);
        found.iter().map(|trail| trail.decision()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ring_is_bounded_and_finds_by_id() {
        let ring = Ring::new(2);
        for id in ["a", "b", "c"] {
            ring.keep(Trail::new(id, "/v1/chat/completions"));
        }
        assert_eq!(ring.find("a"), None);
        assert_eq!(ring.find("c").unwrap().request_id, "c");
        let ids: Vec<_> = ring.newest(9).into_iter().map(|decision| decision.request_id).collect();
        assert_eq!(ids, ["c", "b"]);
        let none = Ring::new(0);
        none.keep(Trail::new("a", ""));
        assert!(none.newest(9).is_empty());
    }

    #[test]
    fn steps_of_one_target_stand_together_and_texts_are_cut() {
        let mut trail = Trail::new("r", "/v1/chat/completions");
        let (a, b): (Arc<str>, Arc<str>) = ("p/a/m".into(), "p/b/m".into());
        trail.step(
            &a,
            false,
            attempted("server_error", Duration::from_millis(3), Some(&"x".repeat(9_999)), false),
        );
        trail.step(&b, false, attempted("overloaded", Duration::ZERO, None, false));
        trail.step(&a, false, attempted("ok", Duration::from_millis(4), None, false));
        trail.costs(&a, false, Some(1_500_000_000));
        let decision = trail.decision();
        assert_eq!(decision.targets.len(), 2);
        assert_eq!(decision.targets[0].steps.len(), 2);
        assert_eq!(decision.targets[0].estimated_cost.as_deref(), Some("0.0015"));
        let json = serde_json::to_string(&decision).unwrap();
        assert!(json.len() < 1_500, "{}", json.len());
        assert_eq!(serde_json::from_str::<Decision>(&json).unwrap(), decision);
    }
}
