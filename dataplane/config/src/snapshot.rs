//! The configuration of a proxy, whole and resolved: nothing in it needs a look-up outside.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::Secret;

/// Everything a proxy needs to serve. Maps are ordered, so that equal worlds have equal revisions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// Who may call.
    pub auth: ClientAuth,
    /// Pools by `namespace/name`.
    pub pools: BTreeMap<String, Pool>,
    /// Routes by `namespace/name`.
    pub routes: BTreeMap<String, Route>,
}

/// Who may call the proxy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "mode")]
pub enum ClientAuth {
    /// Anyone who reaches the port; only where the operator was told so explicitly.
    Open,
    /// Callers with one of these keys, as `Authorization: Bearer` or `x-api-key`.
    #[serde(rename_all = "camelCase")]
    Keys { keys: Vec<ClientKey> },
}

/// An accepted client key. Proxies never hold the key itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientKey {
    /// Entry of the Secret it came from.
    pub name: String,
    /// SHA-256 of the key, lower-case hex.
    pub sha256: String,
}

/// A pool of providers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pool {
    pub health: Health,
    /// In the order of the resource: earlier ones are preferred.
    pub providers: Vec<Provider>,
}

/// Circuit breaker settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    pub consecutive_failures: u32,
    pub cooldown_ms: u64,
    /// Until a target that has recovered gets its whole share again.
    #[serde(default)]
    pub slow_start_ms: u64,
}

/// One upstream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Provider {
    pub name: String,
    /// A provider type that the proxy's registry knows, for example `OpenAI`.
    pub r#type: String,
    /// Base URL; empty for a provider without network.
    pub endpoint: String,
    /// Region or location, where the provider has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The vendor's project, account or workspace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// Version of the vendor's API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// Empty where the provider needs none, and where the pod's own identity in the vendor's cloud is the credential.
    pub keys: Vec<ApiKey>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<Concurrency>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub simulated: Option<Simulated>,
}

/// How many requests of one proxy a provider works on at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Concurrency {
    pub limit: u32,
    /// Requests that may wait for a place, and how long each.
    pub queue: u32,
    pub queue_ms: u64,
}

/// A provider's API key, or another credential as one text: a service account's JSON, AWS access keys as JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApiKey {
    /// `secret/entry`; says which key without saying the key.
    pub id: String,
    pub value: Secret<String>,
    pub weight: u32,
}

/// Behaviour of a simulated provider.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Simulated {
    pub latency_ms: u64,
    pub tokens_per_second: u32,
    /// Percent, 0 to 100.
    pub error_rate: u32,
    pub error: SimulatedError,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<String>,
}

/// How a simulated provider fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SimulatedError {
    Connect,
    Timeout,
    RateLimited,
    ServerError,
    Overloaded,
    ContextLength,
    EmptyAnswer,
    CutStream,
}

/// A route: model names, and who answers for them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Route {
    /// Exact names, or prefixes with one trailing `*`. No two routes of a snapshot share one.
    pub models: Vec<String>,
    pub rules: Vec<Rule>,
    pub failover: Failover,
    /// What happens to a request field that a provider has nothing like.
    #[serde(default)]
    pub parameter_policy: ParameterPolicy,
    /// Services that are asked about a request before the rules are looked at, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hooks: Vec<Hook>,
    /// What requests can be about, for conditions of the rules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intents: Option<Intents>,
}

/// What requests can be about. The proxy learns to tell them apart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Intents {
    /// By the name of the intent; never empty.
    pub examples: BTreeMap<String, Vec<String>>,
    /// From which score on an intent counts, in percent.
    pub threshold: u32,
}

/// A service that says where a request goes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hook {
    /// Unique in the route.
    pub name: String,
    /// One that [`crate::hook::address`] takes.
    pub url: String,
    pub timeout_ms: u64,
    pub failure_policy: HookFailurePolicy,
    pub send: HookSends,
    /// How long an answer holds; 0 is not at all.
    pub cache_seconds: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing: Option<HookSigning>,
    /// It is asked, and what it says is not followed.
    pub shadow: bool,
}

/// What a hook that gives no answer means for the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HookFailurePolicy {
    /// It goes on as if the hook had nothing to say.
    Ignore,
    /// It is answered 503.
    Fail,
}

/// What a hook is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HookSends {
    Metadata,
    /// The client's body, too.
    Body,
}

/// What a hook's requests are signed with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HookSigning {
    /// `secret/entry`; says which key without saying the key.
    pub id: String,
    /// One that [`crate::hook::signing_key`] takes. `None` where it could not be read: such a hook is not asked, and
    /// has failed, because a request without a signature is none that its service may believe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Secret<String>>,
}

/// What happens to a request field that a provider has nothing like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ParameterPolicy {
    /// It is left out, and the answer says so.
    #[default]
    Disclose,
    /// That provider is passed over; without another one the request is refused.
    Strict,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    pub name: String,
    /// The condition, in CEL; without one the rule takes every request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub strategy: Strategy,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sticky: Option<Sticky>,
    /// Empty where none can be used: whoever meets the rule is told so, and not sent to another one.
    pub targets: Vec<Target>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub timeouts: TimeoutOverrides,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// In which order the targets of one priority are tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Strategy {
    #[default]
    Priority,
    Weighted,
    LeastCost,
    LeastLatency,
    LeastBusy,
}

/// What requests have in common that stay at one target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Sticky {
    User,
    /// By its lower-case name.
    Header(String),
    Conversation,
}

/// Times in place of those of the level above.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TimeoutOverrides {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_token_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_ms: Option<u64>,
    /// Rules only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_ms: Option<u64>,
}

/// A model in a pool, with the providers that serve it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    /// `namespace/name` of a pool in the same snapshot.
    pub pool: String,
    /// Model as the pool names it; `None` for whatever the client asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    pub priority: u32,
    pub weight: u32,
    /// Failures after which alone it is tried; empty for always.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub only_after: Vec<FailoverReason>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub timeouts: TimeoutOverrides,
    /// Taken from the pools because it is of the same class as a target of the rule: a last resort.
    #[serde(default, skip_serializing_if = "is_default")]
    pub is_equivalent: bool,
    /// In order of preference. With a `model` never empty, and without one the providers that list no models: they
    /// are asked for whatever model of theirs the client names.
    pub candidates: Vec<Candidate>,
    /// Without a `model`: the models that the pool's providers list, and who serves each.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub listed: BTreeMap<String, Vec<Candidate>>,
}

/// A provider that serves a target's model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Candidate {
    /// Name of a provider in the target's pool.
    pub provider: String,
    /// The provider's own id for the model.
    pub upstream: String,
    /// What the pool and the operator's catalogue know of the model beyond the proxy's own: an object of the
    /// catalogue's facts.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub facts: Map<String, Value>,
}

/// When another target takes over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Failover {
    pub reasons: Vec<FailoverReason>,
    pub max_attempts: u32,
    pub connect_ms: u64,
    pub first_token_ms: u64,
    /// One attempt at an answer that is not streamed; an even share of what is left of the total where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer_ms: Option<u64>,
    pub idle_ms: u64,
    pub total_ms: u64,
    #[serde(default)]
    pub retries: Retries,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hedging: Option<Hedging>,
}

/// Second attempts at a target that failed. The default is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Retries {
    /// Of the target's first attempts.
    pub budget_percent: u32,
    pub backoff_ms: u64,
}

/// A second target is asked while the first one is slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hedging {
    /// Of the target's first attempts.
    pub budget_percent: u32,
    pub min_delay_ms: u64,
}

/// A class of failure that another target may mend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum FailoverReason {
    Connect,
    Timeout,
    RateLimited,
    ServerError,
    Overloaded,
    ContextLength,
    ContentFilter,
}

impl FailoverReason {
    pub const ALL: [Self; 7] = [
        Self::Connect,
        Self::Timeout,
        Self::RateLimited,
        Self::ServerError,
        Self::Overloaded,
        Self::ContextLength,
        Self::ContentFilter,
    ];

    /// Metric label and header value, snake case as OpenTelemetry writes `error.type`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Timeout => "timeout",
            Self::RateLimited => "rate_limited",
            Self::ServerError => "server_error",
            Self::Overloaded => "overloaded",
            Self::ContextLength => "context_length",
            Self::ContentFilter => "content_filter",
        }
    }
}

/// Name of a snapshot: the first 16 hex digits of the SHA-256 of its JSON.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(String);

impl Revision {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Snapshot {
    /// The same world gives the same revision in every replica.
    pub fn revision(&self) -> Revision {
        // Serializing plain structs and string-keyed maps cannot fail.
        let json = serde_json::to_vec(self).unwrap_or_default();
        Revision(hex(&Sha256::digest(json)[..8]))
    }
}

/// Lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    use fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// SHA-256 of a client key as [`ClientKey::sha256`] has it.
pub fn hash_client_key(key: &str) -> String {
    hex(&Sha256::digest(key.as_bytes()))
}
