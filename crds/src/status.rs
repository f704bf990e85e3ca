//! Status of both kinds: condition types, reasons, and what the proxies said.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

pub use crate::health_status::*;

/// Warnings of an object.
pub const MOST_WARNINGS: usize = 16;

/// Status of a ModelRoute.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ModelRouteStatus {
    #[serde(flatten)]
    pub object: ObjectStatus,
    #[serde(flatten)]
    pub health: RouteHealth,
}

/// Status of a ProviderPool.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProviderPoolStatus {
    #[serde(flatten)]
    pub object: ObjectStatus,
    #[serde(flatten)]
    pub health: PoolHealth,
}

/// What the operator and the proxies say of an object of either kind.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectStatus {
    /// Generation of the spec that the conditions speak of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The model names of a route, the provider names of a pool, joined: a column of kubectl shows one value only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// `Accepted`, `ResolvedRefs` and `Programmed`.
    #[serde(default)]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// Proxies that serve this generation, of those that are ready: `3/3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxies: Option<String>,
    /// The last error of a proxy that refused the revision with this generation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_proxy_error: Option<String>,
    /// What is served as it stands and is hardly meant so. The last of 16 says how many more there are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub warnings: Vec<String>,
}

/// Condition types.
pub mod condition {
    /// The spec is valid on its own and wins its model names.
    pub const ACCEPTED: &str = "Accepted";
    /// Every pool, model and Secret it names exists and is readable.
    pub const RESOLVED_REFS: &str = "ResolvedRefs";
    /// Every ready proxy has acknowledged the revision that contains this generation.
    pub const PROGRAMMED: &str = "Programmed";
}

/// Reasons of conditions and Events. CamelCase, enumerated, stable: scripts match on them.
pub mod reason {
    // Accepted
    pub const ACCEPTED: &str = "Accepted";
    /// Another, older ModelRoute has the model name.
    pub const CONFLICTED: &str = "Conflicted";
    /// The spec cannot be compiled, although the schema let it pass.
    pub const INVALID: &str = "Invalid";

    // ResolvedRefs
    pub const RESOLVED: &str = "ResolvedRefs";
    pub const POOL_NOT_FOUND: &str = "PoolNotFound";
    /// The pool exists, but none of its providers serves the model.
    pub const MODEL_NOT_FOUND: &str = "ModelNotFound";
    pub const SECRET_NOT_FOUND: &str = "SecretNotFound";
    /// The Secret exists without the named key, or the key is empty or unusable.
    pub const SECRET_KEY_NOT_FOUND: &str = "SecretKeyNotFound";
    /// RBAC does not let the operator read the Secret.
    pub const SECRET_FORBIDDEN: &str = "SecretForbidden";

    // Programmed
    pub const PROGRAMMED: &str = "Programmed";
    /// Not all ready proxies have acknowledged yet.
    pub const PENDING: &str = "Pending";
    /// A proxy refused the revision.
    pub const REFUSED: &str = "ProxyRefused";
    /// No proxy is connected.
    pub const NO_PROXIES: &str = "NoProxies";
    /// Accepted or ResolvedRefs is False, so this generation was not pushed.
    pub const NOT_COMPILED: &str = "NotCompiled";

    // Events on a pool, for health
    /// No proxy can use a provider.
    pub const PROVIDER_UNAVAILABLE: &str = "ProviderUnavailable";
    /// A provider does not take a key (any more). Also the reason of a `lastError`.
    pub const CREDENTIALS_REFUSED: &str = "CredentialsRefused";
    /// It can be used again.
    pub const PROVIDER_RECOVERED: &str = "ProviderRecovered";
}
