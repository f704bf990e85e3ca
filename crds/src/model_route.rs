//! `modelroutes.penstock.dev`: who should serve what.

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Duration;
use crate::hook::Hook;
use crate::status::ModelRouteStatus;

/// Which targets serve the model names that clients ask for.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "penstock.dev",
    version = "v1alpha1",
    kind = "ModelRoute",
    namespaced,
    status = "ModelRouteStatus",
    derive = "PartialEq",
    shortname = "mrt",
    category = "llm",
    doc = "Who should serve what: model names that clients ask for, and the targets that answer.",
    printcolumn(name = "Models", type_ = "string", json_path = ".status.summary"),
    printcolumn(
        name = "Accepted",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Accepted\")].status"
    ),
    printcolumn(
        name = "ResolvedRefs",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"ResolvedRefs\")].status"
    ),
    printcolumn(
        name = "Programmed",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Programmed\")].status"
    ),
    printcolumn(name = "Proxies", type_ = "string", json_path = ".status.proxies"),
    printcolumn(name = "Healthy", type_ = "string", json_path = ".status.healthy"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("!has(self.intentThreshold) || (has(self.intents) && size(self.intents) > 0)").message("`intentThreshold` belongs to `intents`").field_path(".intentThreshold"))]
pub struct ModelRouteSpec {
    /// What clients put in `model`: an exact name, a prefix with one trailing `*`, or `*` alone. An exact name beats a prefix, a longer prefix beats a shorter one.
    #[schemars(length(min = 1, max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub models: Vec<RouteModel>,

    /// Services of yours that are asked about each request, one after the other, before the rules are looked at: which rule or which targets it goes to, under which labels conditions see it, whether it is refused. docs/hooks.md has what they are sent and what they may answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub hooks: Vec<Hook>,

    /// The rules. The first one whose condition holds takes the request.
    #[schemars(length(min = 1, max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]), validation = Rule::new("self.all(r, has(r.when) || r.name == self[size(self) - 1].name)").message("a rule without `when` takes every request: only the last one can do without"), validation = Rule::new("self.all(r, !has(r.sticky) || r.strategy == 'Weighted')").message("`sticky` belongs to `strategy: Weighted`"))]
    pub rules: Vec<RouteRule>,

    /// What requests can be about, by name, with examples of each. Conditions of rules ask for the most likely one with `request.intent`. docs/intents.md says how it is found, and how often it is right.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32))]
    #[x_kube(validation = Rule::new("self.all(name, size(name) <= 63 && name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$'))").message("the name of an intent has lower-case letters, digits and `-`, such as `reset-password`, and at most 63 characters"))]
    pub intents: BTreeMap<String, Intent>,

    /// From which score on an intent counts, in percent; below it, `request.intent` is empty. 60 when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub intent_threshold: Option<u32>,

    /// When and how another target takes over inside the same request.
    #[serde(default)]
    pub failover: Failover,

    /// What happens to a request field that a provider has nothing like: Disclose leaves it out and says so in `x-penstock-translation`; Strict passes that provider over, and refuses the request with a 400 that names field and provider when none is left.
    #[serde(default)]
    pub parameter_policy: ParameterPolicy,
}

/// What happens to a request field that a provider has nothing like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ParameterPolicy {
    /// It is left out, and the answer says so.
    #[default]
    Disclose,
    /// That provider is passed over; without another one the request is refused.
    Strict,
}

/// Something that requests can be about.
#[derive(JsonSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Intent {
    /// What people say who want it, in their own words and languages: ten or more are good, a few are enough to begin with.
    #[schemars(length(min = 1, max = 256), inner(length(min = 1, max = 512)))]
    pub examples: Vec<String>,
}

/// A model name that clients may ask for.
#[derive(JsonSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RouteModel {
    /// Exact name, a prefix with one trailing `*`, or `*` for every name that no other route has.
    #[schemars(length(min = 1, max = 256), regex(pattern = r"^([^\s*]+\*?|\*)$"))]
    pub name: String,
}

/// Targets for a request.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RouteRule {
    /// Name, unique in the route; it appears in headers and metrics.
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,

    /// Which requests the rule takes, in CEL, over `request.{model, endpoint, stream, promptTokens, messages, headers, metadata, labels, user, tools, intent, intentScore, has.{image,pdf,audio,video,tools,jsonSchema,reasoning}}`. Without it: every request. A condition that has no value for a request, such as a division by zero, counts as one that does not hold. docs/rules.md has the language.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub when: Option<String>,

    /// In which order the targets of one priority are tried.
    #[serde(default)]
    pub strategy: Strategy,

    /// Requests that belong together stay at one target, as long as it can serve them. Without it each request draws anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sticky: Option<Sticky>,

    /// The targets.
    #[schemars(length(min = 1, max = 16))]
    #[x_kube(validation = Rule::new("self.exists(t, t.weight > 0 && !has(t.onlyAfter))").message("at least one target needs a weight above 0 and no `onlyAfter`"))]
    pub targets: Vec<Target>,

    /// Times of this rule, in place of the route's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeouts: Option<RuleTimeouts>,
}

/// In which order the targets of one priority are tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Strategy {
    /// By weight: a target comes first as often as its weight says. The providers of one target in their pool's order.
    #[default]
    Priority,
    /// The same; the only strategy that takes `sticky`.
    Weighted,
    /// What the request is expected to cost, by the prices of catalogue and pools. Unknown prices come last.
    LeastCost,
    /// Time to the first token, as measured lately, times the requests under way.
    LeastLatency,
    /// Requests under way, in relation to the weight.
    LeastBusy,
}

/// What requests have in common that stay together.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("(self.by == 'Header') == has(self.header)").message("`header` belongs to `by: Header`").field_path(".header"))]
pub struct Sticky {
    /// What is compared. A request without it draws a target like any other.
    pub by: StickyBy,
    /// Name of the header, in lower case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = "^[a-z0-9][-_a-z0-9]*$"))]
    pub header: Option<String>,
}

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum StickyBy {
    /// The end user: `user`, or Anthropic's `metadata.user_id`.
    User,
    /// A header of the request.
    Header,
    /// How the conversation began: its instructions and its first message, which all of its turns repeat.
    Conversation,
}

/// A model in a pool of the same namespace.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("!has(self.equivalents) || self.equivalents == 'None' || has(self.model)").message("`equivalents` needs a `model` to be equivalent to").field_path(".equivalents"))]
pub struct Target {
    /// Name of the ProviderPool.
    #[schemars(length(min = 1, max = 253), regex(pattern = "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))]
    pub pool: String,
    /// Model, as the pool names it. Without it: the name that the client asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), regex(pattern = r"^[^\s*]+$"))]
    pub model: Option<String>,
    /// Lower is tried first; the next priority when all of this one failed.
    #[serde(default)]
    #[schemars(range(min = 0, max = 100))]
    pub priority: u32,
    /// Share of the requests inside a priority. 0 takes no first attempts, only failovers.
    #[serde(default = "hundred")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub weight: u32,
    /// The target takes no first attempts: it is tried only after one of these failures of another target. So the fallback for prompts that are too long can be another one than for filtered content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 7))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub only_after: Option<Vec<FailoverReason>>,
    /// Auto: when all targets of the rule failed, models of the same class in the pools of the namespace take over: with the abilities and at least the context window of this one, at a price in the same band. Answers of theirs say so.
    #[serde(default)]
    pub equivalents: Equivalents,
    /// Times of this target, in place of the rule's and the route's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeouts: Option<TargetTimeouts>,
}

/// Whether models of the same class take over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Equivalents {
    /// Only the targets that are written down.
    #[default]
    None,
    /// Models of the same class too, as a last resort.
    Auto,
}

/// Times of one target.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TargetTimeouts {
    /// DNS, TCP and TLS of one attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect: Option<Duration>,
    /// From sending one attempt to its first meaningful event, for streamed answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_token: Option<Duration>,
    /// One attempt at an answer that is not streamed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<Duration>,
    /// Silence inside a stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle: Option<Duration>,
}

/// Times of one rule.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RuleTimeouts {
    /// DNS, TCP and TLS of one attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect: Option<Duration>,
    /// From sending one attempt to its first meaningful event, for streamed answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_token: Option<Duration>,
    /// One attempt at an answer that is not streamed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<Duration>,
    /// Silence inside a stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle: Option<Duration>,
    /// The whole request, all attempts and the stream included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<Duration>,
}

/// When and how another target takes over. Nothing reaches the client before the first meaningful event; until then these failures go to the next target.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Failover {
    /// Failures that go to the next target. An empty list turns failover off.
    #[serde(default = "default_reasons")]
    #[schemars(length(max = 7))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub reasons: Vec<FailoverReason>,
    /// Attempts in all, the first included.
    #[serde(default = "three")]
    #[schemars(range(min = 1, max = 10))]
    pub max_attempts: u32,
    /// How long each step may take.
    #[serde(default)]
    pub timeouts: Timeouts,
    /// Second attempts at a target that failed in this request, when no other one is left.
    #[serde(default)]
    pub retries: Retries,
    /// A second target is asked while the first one is slower than it usually is, and the first answer counts. Off where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hedging: Option<Hedging>,
}

impl Default for Failover {
    fn default() -> Self {
        Self {
            reasons: default_reasons(),
            max_attempts: three(),
            timeouts: Timeouts::default(),
            retries: Retries::default(),
            hedging: None,
        }
    }
}

/// Second attempts at a target, after a pause that grows and has jitter. For failures that pass: Connect, ServerError, Overloaded, and RateLimited where the provider asks for less than two seconds.
#[derive(JsonSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Retries {
    /// Second attempts at a target may be so many percent of its first ones, in each proxy: what fails is not flooded. 0 turns them off.
    #[schemars(range(min = 0, max = 100))]
    pub budget_percent: u32,
    /// Pause before the second round; it doubles with each one. A provider's own word (`Retry-After`) counts where it is longer.
    pub backoff: Duration,
}

impl Default for Retries {
    fn default() -> Self {
        Self { budget_percent: 20, backoff: Duration::from_millis(100) }
    }
}

/// When a second target is asked before the first one failed. It starts after the time within which 95 of 100 answers of the first target began lately; the loser is cancelled.
#[derive(JsonSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Hedging {
    /// Hedged requests may be so many percent of all, for each target in each proxy.
    #[schemars(range(min = 1, max = 50))]
    pub budget_percent: u32,
    /// Never sooner than this; and this long where too few answers are known to tell what is usual.
    pub min_delay: Duration,
}

impl Default for Hedging {
    fn default() -> Self {
        Self { budget_percent: 5, min_delay: Duration::from_millis(500) }
    }
}

/// A class of failure that another target may mend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum FailoverReason {
    /// DNS, TLS, a connection that is refused, or that breaks before the answer began.
    Connect,
    /// No connection, no first token, or silence for too long; also 408, 504 and 524.
    Timeout,
    /// 429.
    RateLimited,
    /// 5xx, 409, 425, an error inside a 200 answer, an answer that cannot be read or is empty, and a provider that refuses our credentials or does not know the model.
    ServerError,
    /// 529, and 503 or error events that say overloaded.
    Overloaded,
    /// The prompt does not fit the model's context window.
    ContextLength,
    /// The provider refuses the content, and says nothing else. Not among the defaults: another provider may answer what this one will not.
    ContentFilter,
}

/// How long each step of a request may take.
#[derive(JsonSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Timeouts {
    /// DNS, TCP and TLS of one attempt.
    pub connect: Duration,
    /// From sending one attempt to its first meaningful event, for streamed answers. An answer that is not streamed has no first token: see `answer`.
    pub first_token: Duration,
    /// One attempt at an answer that is not streamed. Without it, an even share of what is left of `total`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<Duration>,
    /// Silence inside a stream.
    pub idle: Duration,
    /// The whole request, all attempts and the stream included.
    pub total: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(2),
            first_token: Duration::from_secs(20),
            answer: None,
            idle: Duration::from_secs(30),
            total: Duration::from_secs(600),
        }
    }
}

fn default_reasons() -> Vec<FailoverReason> {
    use FailoverReason::*;
    vec![Connect, Timeout, RateLimited, ServerError, Overloaded, ContextLength]
}

fn three() -> u32 {
    3
}

fn hundred() -> u32 {
    100
}
