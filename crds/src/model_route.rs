//! `modelroutes.penstock.dev`: who should serve what.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Duration;
use crate::status::ObjectStatus;

/// Which targets serve the model names that clients ask for.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "penstock.dev",
    version = "v1alpha1",
    kind = "ModelRoute",
    namespaced,
    status = "ObjectStatus",
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
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ModelRouteSpec {
    /// What clients put in `model`: an exact name, or a prefix with one trailing `*`. An exact name beats a prefix, a longer prefix beats a shorter one.
    #[schemars(length(min = 1, max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub models: Vec<RouteModel>,

    /// The rules. The first one whose condition holds takes the request.
    #[schemars(length(min = 1, max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]), validation = Rule::new("self.all(r, has(r.when) || r.name == self[size(self) - 1].name)").message("a rule without `when` takes every request: only the last one can do without"))]
    pub rules: Vec<RouteRule>,

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

/// A model name that clients may ask for.
#[derive(JsonSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RouteModel {
    /// Exact name, or a prefix with one trailing `*`.
    #[schemars(length(min = 1, max = 256), regex(pattern = r"^[^\s*]+\*?$"))]
    pub name: String,
}

/// Targets for a request.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RouteRule {
    /// Name, unique in the route; it appears in headers and metrics.
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,

    /// Which requests the rule takes, in CEL, over `request.{model, endpoint, stream, promptTokens, messages, headers, metadata, user, tools, has.{image,pdf,audio,video,tools,jsonSchema,reasoning}}`. Without it: every request. A condition that has no value for a request, such as a division by zero, counts as one that does not hold. docs/rules.md has the language.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub when: Option<String>,

    /// The targets.
    #[schemars(length(min = 1, max = 16))]
    #[x_kube(validation = Rule::new("self.exists(t, t.weight > 0)").message("at least one target needs a weight above 0"))]
    pub targets: Vec<Target>,
}

/// A model in a pool of the same namespace.
#[derive(JsonSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Target {
    /// Name of the ProviderPool.
    #[schemars(length(min = 1, max = 253), regex(pattern = "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))]
    pub pool: String,
    /// Model, as the pool names it.
    #[schemars(length(min = 1, max = 256), regex(pattern = r"^[^\s*]+$"))]
    pub model: String,
    /// Lower is tried first; the next priority when all of this one failed.
    #[serde(default)]
    #[schemars(range(min = 0, max = 100))]
    pub priority: u32,
    /// Share of the requests inside a priority. 0 takes no first attempts, only failovers.
    #[serde(default = "hundred")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub weight: u32,
}

/// When and how another target takes over. Nothing reaches the client before the first meaningful event; until then these failures go to the next target.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Failover {
    /// Failures that go to the next target. An empty list turns failover off.
    #[serde(default = "every_reason")]
    #[schemars(length(max = 6))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub reasons: Vec<FailoverReason>,
    /// Attempts in all, the first included.
    #[serde(default = "three")]
    #[schemars(range(min = 1, max = 10))]
    pub max_attempts: u32,
    /// How long each step may take.
    #[serde(default)]
    pub timeouts: Timeouts,
}

impl Default for Failover {
    fn default() -> Self {
        Self { reasons: every_reason(), max_attempts: three(), timeouts: Timeouts::default() }
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
}

/// How long each step of a request may take.
#[derive(JsonSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Timeouts {
    /// DNS, TCP and TLS of one attempt.
    pub connect: Duration,
    /// From sending one attempt to its first meaningful event, for streamed answers. An answer that is not streamed has no first token: each attempt gets an even share of what is left of `total`.
    pub first_token: Duration,
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
            idle: Duration::from_secs(30),
            total: Duration::from_secs(600),
        }
    }
}

fn every_reason() -> Vec<FailoverReason> {
    use FailoverReason::*;
    vec![Connect, Timeout, RateLimited, ServerError, Overloaded, ContextLength]
}

fn three() -> u32 {
    3
}

fn hundred() -> u32 {
    100
}
