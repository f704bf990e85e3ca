//! Every exit of a request meters it exactly once: the guard records when it is dropped, whatever dropped it.

use std::sync::Arc;
use std::time::Instant;

use penstock_llm::{Ledger, Usage};

use crate::metrics::{Metrics, Outcome};
use crate::runtime::{Candidate, Route, Rule};

/// One request's account. Dropping it settles it.
pub struct Meter {
    metrics: Arc<Metrics>,
    started: Instant,
    route: Option<Arc<Route>>,
    rule: Option<Arc<Rule>>,
    target: Option<Arc<Candidate>>,
    outcome: Option<Outcome>,
    usage: Option<Usage>,
    /// Set where a target answered.
    answered: bool,
    /// Its answer uses tokens.
    is_usage_due: bool,
    overhead: std::time::Duration,
}

impl Meter {
    pub fn start(metrics: Arc<Metrics>) -> Self {
        metrics.in_flight.inc();
        Self {
            metrics,
            started: Instant::now(),
            route: None,
            rule: None,
            target: None,
            outcome: None,
            usage: None,
            answered: false,
            is_usage_due: true,
            overhead: std::time::Duration::ZERO,
        }
    }

    /// The request has been read whole: from here on its time is ours and the provider's.
    pub fn request_read(&mut self) {
        self.started = Instant::now();
    }

    pub fn started(&self) -> Instant {
        self.started
    }

    pub fn routed(&mut self, route: &Arc<Route>) {
        self.route = Some(route.clone());
    }

    pub fn met(&mut self, rule: &Arc<Rule>) {
        self.rule = Some(rule.clone());
    }

    /// This target answers; from now on the request is its own.
    pub fn answered_by(&mut self, target: &Arc<Candidate>) {
        self.target = Some(target.clone());
        self.answered = true;
    }

    /// The answer is no use of tokens, such as a count of them.
    pub fn has_no_usage(&mut self) {
        self.is_usage_due = false;
    }

    pub fn first_token(&self) {
        if let Some(target) = &self.target {
            target.metrics.first_token.observe(self.started.elapsed().as_secs_f64());
        }
    }

    pub fn usage(&mut self, usage: Usage) {
        self.usage = Some(usage);
    }

    /// Counts what the answering target's translation lost or changed.
    pub fn disclose(&self, ledger: &Ledger) {
        let (Some(route), Some(target)) = (&self.route, &self.target) else { return };
        for entry in ledger.entries() {
            let fate = entry.fate.as_str();
            self.metrics.translated(&route.name, &target.pool, &target.provider_name, entry.field, fate);
        }
    }

    pub fn add_overhead(&mut self, time: std::time::Duration) {
        self.overhead += time;
    }

    /// How it ended; without a word it counts as a client that went away.
    pub fn end(&mut self, outcome: Outcome) {
        self.outcome = Some(outcome);
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.metrics.in_flight.dec();
        let silent = if std::thread::panicking() { Outcome::Panic } else { Outcome::ClientDisconnect };
        let outcome = self.outcome.unwrap_or(silent);
        self.metrics.overhead.observe(self.overhead.as_secs_f64());
        let (Some(target), true) = (&self.target, self.answered) else {
            let route = self.route.as_ref().map_or("", |route| &route.name);
            let rule = self.rule.as_ref().map_or("", |rule| &rule.name);
            self.metrics.request_without_target(route, rule, outcome);
            return;
        };
        let m = &target.metrics;
        m.request(outcome);
        m.duration.observe(self.started.elapsed().as_secs_f64());
        match self.usage.filter(Usage::is_known) {
            None if self.is_usage_due => m.unmetered.inc(),
            None => {}
            Some(usage) => {
                m.input.inc_by(usage.input.unwrap_or(0));
                m.cache_read.inc_by(usage.cache_read.unwrap_or(0));
                m.cache_write.inc_by(usage.cache_write.unwrap_or(0));
                m.output.inc_by(usage.output.unwrap_or(0));
                m.reasoning.inc_by(usage.reasoning.unwrap_or(0));
                if let (Some(output), Some(prompt)) = (usage.output, usage.prompt()) {
                    let cached = usage.cache_read.unwrap_or(0) as f64 / prompt.max(1) as f64;
                    target.vitals.load.used(output, cached);
                }
                if usage.output.is_none() {
                    m.unmetered.inc();
                }
            }
        }
    }
}
