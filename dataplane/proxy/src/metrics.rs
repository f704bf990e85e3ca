//! Every metric of the proxy: names, labels, buckets. Label values come from the configuration, never from clients.
//!
//! Names are OpenTelemetry's GenAI semantic conventions where those have one
//! (<https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-metrics/>), written as Prometheus writes them.

use std::ops::Deref;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use penstock_config::FailoverReason;
use prometheus::core::Collector;
use prometheus::{
    Encoder, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry, TextEncoder,
};

/// A metric, for the generated page.
#[derive(Clone, Copy, Debug)]
pub struct Description {
    pub name: &'static str,
    pub kind: Kind,
    pub labels: &'static [&'static str],
    pub help: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
}

const TARGET: &[&str] =
    &["route", "rule", "pool", "provider", "gen_ai_provider_name", "gen_ai_request_model"];

/// 20 µs to 1 s: what the gateway itself adds.
const OVERHEAD_BUCKETS: &[f64] =
    &[20e-6, 50e-6, 100e-6, 150e-6, 200e-6, 300e-6, 500e-6, 1e-3, 2e-3, 5e-3, 10e-3, 25e-3, 100e-3, 1.0];
/// 1 ms to 10 minutes: a generation, from a cached answer to the longest reasoning.
const DURATION_BUCKETS: &[f64] =
    &[0.001, 0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 40.0, 80.0, 120.0, 240.0, 600.0];
/// 0.5 ms to 10 s, the longest timeout of a hook.
const HOOK_BUCKETS: &[f64] =
    &[0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0];
/// 1 ms to 60 s.
const FIRST_TOKEN_BUCKETS: &[f64] =
    &[0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.5, 3.0, 6.0, 12.0, 20.0, 60.0];

macro_rules! descriptions {
    ($($id:ident = $name:literal, $kind:ident, $labels:expr, $help:literal;)*) => {
        $(const $id: Description = Description { name: $name, kind: Kind::$kind, labels: $labels, help: $help };)*
        /// Every metric, in the order of the page.
        pub const DESCRIPTIONS: &[Description] = &[$($id),*];
    };
}

descriptions! {
    REQUESTS = "penstock_requests_total", Counter,
        &["route", "rule", "pool", "provider", "gen_ai_provider_name", "gen_ai_request_model", "outcome"],
        "Requests that ended, by the target that answered (empty where none did) and how they ended: success, client_error (the caller's fault), upstream_error (every target failed), stream_error (a stream broke after its first event), client_disconnect or panic (a bug of ours).";
    DURATION = "gen_ai_server_request_duration_seconds", Histogram, TARGET,
        "From the request's last byte to the answer's last byte.";
    FIRST_TOKEN = "gen_ai_server_time_to_first_token_seconds", Histogram, TARGET,
        "From the request's last byte to the first meaningful event of a streamed answer, failed attempts included.";
    OVERHEAD = "penstock_overhead_duration_seconds", Histogram, &[],
        "Time a request spent in the gateway itself: from its last byte to the first attempt's send, and from the provider's last byte to the answer for answers that are not streamed.";
    TOKENS = "penstock_tokens_total", Counter,
        &["route", "rule", "pool", "provider", "gen_ai_provider_name", "gen_ai_request_model", "gen_ai_token_type"],
        "Tokens as the provider counted them. Types: input (neither read from nor written to a cache), cache_read, cache_write, output (reasoning included), reasoning (a part of output).";
    FETCHED = "penstock_media_fetched_total", Counter, &["result"],
        "Requests whose images and documents were fetched from the web for a provider that takes bytes alone: ok, or failed.";
    UNMETERED = "penstock_unmetered_answers_total", Counter, TARGET,
        "Answers whose provider reported no usage, or that ended before it did: their tokens are unknown and not in penstock_tokens_total.";
    RULE_ERRORS = "penstock_rule_errors_total", Counter, &["route", "rule"],
        "Conditions (`when`) that had no value for a request, which then went on to the next rule: a number divided by 0, a text that is no number, an index behind the end of a list.";
    HOOK_REQUESTS = "penstock_hook_requests_total", Counter, &["route", "hook", "result"],
        "What came of asking a hook: ok, refused (it refused the request), cached (it had been asked of such a request before), connect (no connection, or one that broke), timeout, status (neither 200 nor 204), invalid (no verdict, or one that the route cannot follow), unsigned (its signing secret could not be read) or dropped (a shadow that was not asked, because too many were being asked).";
    HOOK_DURATION = "penstock_hook_duration_seconds", Histogram, &["route", "hook"],
        "How long a hook took, failures and timeouts included; without what was cached or dropped.";
    ATTEMPTS = "penstock_attempts_total", Counter,
        &["route", "rule", "pool", "provider", "gen_ai_provider_name", "gen_ai_request_model", "result"],
        "Attempts at targets: ok, the class of failure, rejected (the fault is in the request) or abandoned (the client left).";
    FAILOVERS = "penstock_failovers_total", Counter,
        &["route", "rule", "pool", "provider", "gen_ai_provider_name", "gen_ai_request_model", "error_type"],
        "Requests that left this target for another one, by the class of failure.";
    SKIPPED = "penstock_targets_skipped_total", Counter,
        &["route", "rule", "pool", "provider", "gen_ai_provider_name", "gen_ai_request_model", "reason"],
        "Targets passed over without an attempt: breaker_open, keys_resting (429), keys_refused (401), asked_to_wait (Retry-After), saturated (maxConcurrent), lacks_ability and context_too_small (another target fits), cannot_translate.";
    RETRIES = "penstock_retries_total", Counter, TARGET,
        "Second attempts at a target in the same request, within its retry budget.";
    HEDGES = "penstock_hedges_total", Counter, TARGET,
        "Requests for which a second target was asked because this one was slower than it usually is.";
    EQUIVALENTS = "penstock_equivalent_answers_total", Counter, TARGET,
        "Answers of a target that nobody wrote down: it is of the same class as one that asks for equivalents.";
    TRANSLATION = "penstock_translation_total", Counter, &["route", "pool", "provider", "field", "fate"],
        "Request fields that were not simply mapped: emulated, clamped or dropped.";
    BREAKER = "penstock_breaker_state", Gauge, &["pool", "provider", "gen_ai_request_model"],
        "Circuit breaker of a provider's model: 0 closed, 1 probing, 2 open.";
    IN_FLIGHT = "penstock_requests_in_flight", Gauge, &[],
        "Requests being served, streams included.";
    REVISION = "penstock_config_revision_info", Gauge, &["revision"],
        "1 for the configuration revision in force.";
    APPLIED_AT = "penstock_config_applied_timestamp_seconds", Gauge, &[],
        "Unix time of the last change of configuration.";
    PUSH_CONNECTED = "penstock_push_connected", Gauge, &[],
        "1 while the stream from the operator is up.";
    PUSH_ACKS = "penstock_push_acks_total", Counter, &[],
        "Revisions from the operator that were applied.";
    PUSH_REFUSALS = "penstock_push_refusals_total", Counter, &[],
        "Revisions from the operator that were refused.";
}

/// The proxy's metrics.
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    duration: HistogramVec,
    first_token: HistogramVec,
    pub overhead: Histogram,
    tokens: IntCounterVec,
    fetched: IntCounterVec,
    unmetered: IntCounterVec,
    rule_errors: IntCounterVec,
    hook_requests: IntCounterVec,
    hook_duration: HistogramVec,
    attempts: IntCounterVec,
    failovers: IntCounterVec,
    skipped: IntCounterVec,
    retries: IntCounterVec,
    hedges: IntCounterVec,
    equivalents: IntCounterVec,
    translation: IntCounterVec,
    breaker: IntGaugeVec,
    pub in_flight: IntGauge,
    revision: GaugeVec,
    applied_at: Gauge,
    pub push_connected: IntGauge,
    pub push_acks: IntCounter,
    pub push_refusals: IntCounter,
}

/// How a request ended. The label `outcome`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Success,
    /// The client's own fault: a 4xx of ours or of the provider.
    ClientError,
    /// Every target failed before anything was sent.
    UpstreamError,
    /// The answer had begun and could not be finished; the client was told.
    StreamError,
    ClientDisconnect,
    /// A bug of ours.
    Panic,
}

impl Outcome {
    const ALL: [Self; 6] = [
        Self::Success,
        Self::ClientError,
        Self::UpstreamError,
        Self::StreamError,
        Self::ClientDisconnect,
        Self::Panic,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::ClientError => "client_error",
            Self::UpstreamError => "upstream_error",
            Self::StreamError => "stream_error",
            Self::ClientDisconnect => "client_disconnect",
            Self::Panic => "panic",
        }
    }
}

/// The label `result` of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptResult {
    Ok,
    /// A failure that another target may mend.
    Failed(FailoverReason),
    /// The provider says that the request itself is wrong, or refuses its content.
    Rejected,
    /// The client went away first.
    Abandoned,
}

impl AttemptResult {
    const ALL: [Self; 10] = [
        Self::Ok,
        Self::Failed(FailoverReason::Connect),
        Self::Failed(FailoverReason::Timeout),
        Self::Failed(FailoverReason::RateLimited),
        Self::Failed(FailoverReason::ServerError),
        Self::Failed(FailoverReason::Overloaded),
        Self::Failed(FailoverReason::ContextLength),
        Self::Failed(FailoverReason::ContentFilter),
        Self::Rejected,
        Self::Abandoned,
    ];

    fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed(reason) => reason.as_str(),
            Self::Rejected => "rejected",
            Self::Abandoned => "abandoned",
        }
    }
}

/// Why a target was passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SkipReason {
    BreakerOpen,
    KeysResting,
    KeysRefused,
    CannotTranslate,
    /// The provider asked for time (`Retry-After`).
    AskedToWait,
    /// Every place at the provider is taken.
    Saturated,
    /// Another target can do what the request uses.
    LacksAbility,
    /// The prompt does not fit, and does at another target.
    ContextTooSmall,
}

impl SkipReason {
    const ALL: [Self; 8] = [
        Self::BreakerOpen,
        Self::KeysResting,
        Self::KeysRefused,
        Self::CannotTranslate,
        Self::AskedToWait,
        Self::Saturated,
        Self::LacksAbility,
        Self::ContextTooSmall,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::AskedToWait => "asked_to_wait",
            Self::Saturated => "saturated",
            Self::LacksAbility => "lacks_ability",
            Self::ContextTooSmall => "context_too_small",
            Self::BreakerOpen => "breaker_open",
            Self::KeysResting => "keys_resting",
            Self::KeysRefused => "keys_refused",
            Self::CannotTranslate => "cannot_translate",
        }
    }
}

/// The label `result` of a hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HookResult {
    Ok,
    Refused,
    Cached,
    Connect,
    Timeout,
    Status,
    Invalid,
    Unsigned,
    Dropped,
}

impl HookResult {
    const ALL: [Self; 9] = [
        Self::Ok,
        Self::Refused,
        Self::Cached,
        Self::Connect,
        Self::Timeout,
        Self::Status,
        Self::Invalid,
        Self::Unsigned,
        Self::Dropped,
    ];

    fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Refused => "refused",
            Self::Cached => "cached",
            Self::Connect => "connect",
            Self::Timeout => "timeout",
            Self::Status => "status",
            Self::Invalid => "invalid",
            Self::Unsigned => "unsigned",
            Self::Dropped => "dropped",
        }
    }
}

/// The handles of one hook.
pub struct HookMetrics {
    results: [IntCounter; HookResult::ALL.len()],
    pub duration: Histogram,
}

impl HookMetrics {
    pub fn count(&self, result: HookResult) {
        at(&HookResult::ALL, &self.results, &result);
    }
}

/// Route, rule, pool, the provider's name in the pool, OpenTelemetry's name of its vendor, model.
pub type TargetLabels<'a> = [&'a str; 6];

const TOKEN_CLASSES: [&str; 5] = ["input", "cache_read", "cache_write", "output", "reasoning"];

fn with<'a>([a, b, c, d, e, f]: TargetLabels<'a>, last: &'a str) -> [&'a str; 7] {
    [a, b, c, d, e, f, last]
}

/// The handles of one target, made when it is first considered: afterwards a request only adds. Made beforehand, those of
/// a thousand routes would take a gigabyte, most of it for targets that nobody ever asks.
pub struct LazyTargetMetrics {
    metrics: Arc<Metrics>,
    labels: [Arc<str>; 6],
    made: OnceLock<TargetMetrics>,
}

impl LazyTargetMetrics {
    pub fn new(metrics: &Arc<Metrics>, labels: [Arc<str>; 6]) -> Self {
        Self { metrics: metrics.clone(), labels, made: OnceLock::new() }
    }
}

impl Deref for LazyTargetMetrics {
    type Target = TargetMetrics;

    fn deref(&self) -> &TargetMetrics {
        self.made.get_or_init(|| self.metrics.target(self.labels.each_ref().map(|label| &**label)))
    }
}

/// The handles of one target.
pub struct TargetMetrics {
    requests: [IntCounter; Outcome::ALL.len()],
    attempts: [IntCounter; AttemptResult::ALL.len()],
    failovers: [IntCounter; FailoverReason::ALL.len()],
    skipped: [IntCounter; SkipReason::ALL.len()],
    pub duration: Histogram,
    pub first_token: Histogram,
    pub input: IntCounter,
    pub cache_read: IntCounter,
    pub cache_write: IntCounter,
    pub output: IntCounter,
    pub reasoning: IntCounter,
    pub unmetered: IntCounter,
    pub retried: IntCounter,
    pub hedged: IntCounter,
    pub equivalent: IntCounter,
}

impl TargetMetrics {
    pub fn request(&self, outcome: Outcome) {
        at(&Outcome::ALL, &self.requests, &outcome);
    }

    pub fn attempt(&self, result: AttemptResult) {
        at(&AttemptResult::ALL, &self.attempts, &result);
    }

    pub fn failover(&self, reason: FailoverReason) {
        at(&FailoverReason::ALL, &self.failovers, &reason);
    }

    pub fn skip(&self, reason: SkipReason) {
        at(&SkipReason::ALL, &self.skipped, &reason);
    }
}

/// Adds one to the counter that stands where `value` stands in `all`.
fn at<T: PartialEq, const N: usize>(all: &[T; N], counters: &[IntCounter; N], value: &T) {
    if let Some((_, counter)) = all.iter().zip(counters).find(|(candidate, _)| *candidate == value) {
        counter.inc();
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// # Panics
    /// Never, as long as the names in this file are valid and distinct, which a test shows.
    #[allow(clippy::expect_used)]
    pub fn new() -> Self {
        let registry = Registry::new();
        fn add<C: Collector + Clone + 'static>(registry: &Registry, metric: prometheus::Result<C>) -> C {
            let metric = metric.expect("a metric of this file has a valid name");
            registry.register(Box::new(metric.clone())).expect("metric names of this file are distinct");
            metric
        }
        let opts = |d: Description| Opts::new(d.name, d.help);
        let histogram =
            |d: Description, buckets: &[f64]| HistogramOpts::new(d.name, d.help).buckets(buckets.to_vec());
        Self {
            requests: add(&registry, IntCounterVec::new(opts(REQUESTS), REQUESTS.labels)),
            duration: add(
                &registry,
                HistogramVec::new(histogram(DURATION, DURATION_BUCKETS), DURATION.labels),
            ),
            first_token: add(
                &registry,
                HistogramVec::new(histogram(FIRST_TOKEN, FIRST_TOKEN_BUCKETS), FIRST_TOKEN.labels),
            ),
            overhead: add(&registry, Histogram::with_opts(histogram(OVERHEAD, OVERHEAD_BUCKETS))),
            tokens: add(&registry, IntCounterVec::new(opts(TOKENS), TOKENS.labels)),
            fetched: add(&registry, IntCounterVec::new(opts(FETCHED), FETCHED.labels)),
            unmetered: add(&registry, IntCounterVec::new(opts(UNMETERED), UNMETERED.labels)),
            rule_errors: add(&registry, IntCounterVec::new(opts(RULE_ERRORS), RULE_ERRORS.labels)),
            hook_requests: add(&registry, IntCounterVec::new(opts(HOOK_REQUESTS), HOOK_REQUESTS.labels)),
            hook_duration: add(
                &registry,
                HistogramVec::new(histogram(HOOK_DURATION, HOOK_BUCKETS), HOOK_DURATION.labels),
            ),
            attempts: add(&registry, IntCounterVec::new(opts(ATTEMPTS), ATTEMPTS.labels)),
            failovers: add(&registry, IntCounterVec::new(opts(FAILOVERS), FAILOVERS.labels)),
            skipped: add(&registry, IntCounterVec::new(opts(SKIPPED), SKIPPED.labels)),
            retries: add(&registry, IntCounterVec::new(opts(RETRIES), RETRIES.labels)),
            hedges: add(&registry, IntCounterVec::new(opts(HEDGES), HEDGES.labels)),
            equivalents: add(&registry, IntCounterVec::new(opts(EQUIVALENTS), EQUIVALENTS.labels)),
            translation: add(&registry, IntCounterVec::new(opts(TRANSLATION), TRANSLATION.labels)),
            breaker: add(&registry, IntGaugeVec::new(opts(BREAKER), BREAKER.labels)),
            in_flight: add(&registry, IntGauge::with_opts(opts(IN_FLIGHT))),
            revision: add(&registry, GaugeVec::new(opts(REVISION), REVISION.labels)),
            applied_at: add(&registry, Gauge::with_opts(opts(APPLIED_AT))),
            push_connected: add(&registry, IntGauge::with_opts(opts(PUSH_CONNECTED))),
            push_acks: add(&registry, IntCounter::with_opts(opts(PUSH_ACKS))),
            push_refusals: add(&registry, IntCounter::with_opts(opts(PUSH_REFUSALS))),
            registry,
        }
    }

    /// The handles of one target: of a route's rule, a pool, the provider's name in the pool, and the model.
    fn target(&self, labels: TargetLabels<'_>) -> TargetMetrics {
        let token = |class| self.tokens.with_label_values(&with(labels, class));
        TargetMetrics {
            requests: Outcome::ALL.map(|o| self.requests.with_label_values(&with(labels, o.as_str()))),
            attempts: AttemptResult::ALL.map(|r| self.attempts.with_label_values(&with(labels, r.as_str()))),
            failovers: FailoverReason::ALL
                .map(|r| self.failovers.with_label_values(&with(labels, r.as_str()))),
            skipped: SkipReason::ALL.map(|r| self.skipped.with_label_values(&with(labels, r.as_str()))),
            duration: self.duration.with_label_values(&labels),
            first_token: self.first_token.with_label_values(&labels),
            input: token("input"),
            cache_read: token("cache_read"),
            cache_write: token("cache_write"),
            output: token("output"),
            reasoning: token("reasoning"),
            unmetered: self.unmetered.with_label_values(&labels),
            retried: self.retries.with_label_values(&labels),
            hedged: self.hedges.with_label_values(&labels),
            equivalent: self.equivalents.with_label_values(&labels),
        }
    }

    /// Removes the series of a target that no configuration has any more; without this a proxy would collect the
    /// series of every route that ever was.
    pub fn forget_target(&self, labels: TargetLabels<'_>) {
        // What is not there need not be removed.
        Outcome::ALL.iter().for_each(|o| drop(self.requests.remove_label_values(&with(labels, o.as_str()))));
        AttemptResult::ALL
            .iter()
            .for_each(|r| drop(self.attempts.remove_label_values(&with(labels, r.as_str()))));
        FailoverReason::ALL
            .iter()
            .for_each(|r| drop(self.failovers.remove_label_values(&with(labels, r.as_str()))));
        SkipReason::ALL
            .iter()
            .for_each(|r| drop(self.skipped.remove_label_values(&with(labels, r.as_str()))));
        TOKEN_CLASSES.iter().for_each(|class| drop(self.tokens.remove_label_values(&with(labels, class))));
        for vec in [&self.duration, &self.first_token] {
            drop(vec.remove_label_values(&labels));
        }
        for vec in [&self.unmetered, &self.retries, &self.hedges, &self.equivalents] {
            drop(vec.remove_label_values(&labels));
        }
    }

    /// Removes the breaker's series with the breaker.
    pub fn forget_breaker(&self, pool: &str, provider: &str, model: &str) {
        drop(self.breaker.remove_label_values(&[pool, provider, model]));
    }

    /// A request that ended without a target: refused by us, or every target failed.
    pub fn request_without_target(&self, route: &str, rule: &str, outcome: Outcome) {
        self.requests.with_label_values(&[route, rule, "", "", "", "", outcome.as_str()]).inc();
    }

    pub fn rule_failed(&self, route: &str, rule: &str) {
        self.rule_errors.with_label_values(&[route, rule]).inc();
    }

    /// Of a rule that is no longer there.
    pub fn forget_rule(&self, labels: [&str; 2]) {
        // What is not there need not be removed.
        drop(self.rule_errors.remove_label_values(&labels));
        let [route, rule] = labels;
        for outcome in Outcome::ALL {
            drop(self.requests.remove_label_values(&[route, rule, "", "", "", "", outcome.as_str()]));
        }
    }

    /// The handles of a route's hook.
    pub fn hook(&self, [route, hook]: [&str; 2]) -> HookMetrics {
        HookMetrics {
            results: HookResult::ALL
                .map(|result| self.hook_requests.with_label_values(&[route, hook, result.as_str()])),
            duration: self.hook_duration.with_label_values(&[route, hook]),
        }
    }

    /// Of a hook that is no longer there.
    pub fn forget_hook(&self, [route, hook]: [&str; 2]) {
        // What is not there need not be removed.
        for result in HookResult::ALL {
            drop(self.hook_requests.remove_label_values(&[route, hook, result.as_str()]));
        }
        drop(self.hook_duration.remove_label_values(&[route, hook]));
    }

    pub fn translated(
        &self,
        route: &str,
        pool: &str,
        provider: &str,
        field: &'static str,
        fate: &'static str,
    ) {
        self.translation.with_label_values(&[route, pool, provider, field, fate]).inc();
    }

    pub fn breaker(&self, pool: &str, provider: &str, model: &str) -> IntGauge {
        self.breaker.with_label_values(&[pool, provider, model])
    }

    /// Requests whose media were fetched, and those whose were not to be had.
    pub fn fetched(&self) -> [IntCounter; 2] {
        ["ok", "failed"].map(|result| self.fetched.with_label_values(&[result]))
    }

    pub fn config_applied(&self, before: Option<&str>, now: &str) {
        if let Some(before) = before {
            // Absent when two applies raced; then there is nothing to remove.
            let _ = self.revision.remove_label_values(&[before]);
        }
        self.revision.with_label_values(&[now]).set(1.0);
        let unix =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or(Duration::ZERO);
        self.applied_at.set(unix.as_secs_f64());
    }

    /// Prometheus text format.
    pub fn render(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&self.registry.gather(), &mut out) {
            tracing::error!(%error, "metrics cannot be written");
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_and_page_agree() {
        let metrics = Metrics::new();
        let target = metrics.target(["ns/r", "rule", "ns/p", "prod", "openai", "gpt-4o"]);
        target.request(Outcome::Success);
        target.attempt(AttemptResult::Failed(FailoverReason::Timeout));
        metrics.request_without_target("", "", Outcome::ClientError);
        metrics.translated("ns/r", "ns/p", "openai", "seed", "dropped");
        metrics.breaker("ns/p", "openai", "gpt-4o").set(2);
        let _ = metrics.fetched();
        metrics.rule_failed("ns/r", "rule");
        metrics.hook(["ns/r", "h"]).count(HookResult::Invalid);
        metrics.config_applied(None, "abc");
        let text = String::from_utf8(metrics.render()).unwrap();
        for description in DESCRIPTIONS {
            assert!(
                text.contains(&format!("# TYPE {} ", description.name)),
                "{} is missing",
                description.name
            );
        }
        let line = r#"penstock_attempts_total{gen_ai_provider_name="openai",gen_ai_request_model="gpt-4o",pool="ns/p",provider="prod",result="timeout",route="ns/r",rule="rule"} 1"#;
        assert!(text.contains(line), "{text}");
    }

    #[test]
    fn a_forgotten_target_leaves_no_series() {
        let metrics = Metrics::new();
        drop(metrics.target(["ns/r", "rule", "ns/p", "gone", "openai", "m"]));
        drop(metrics.breaker("ns/p", "gone", "m"));
        metrics.forget_target(["ns/r", "rule", "ns/p", "gone", "openai", "m"]);
        metrics.forget_breaker("ns/p", "gone", "m");
        drop(metrics.hook(["ns/r", "gone"]));
        metrics.forget_hook(["ns/r", "gone"]);
        let text = String::from_utf8(metrics.render()).unwrap();
        assert!(!text.contains("gone"), "{text}");
    }
}
