//! What a proxy says of the health of its targets.
//!
//! Only what is not well is said: what a proxy has not spoken of is well. Times are spans, because clocks need not
//! agree. Reasons are texts, so that an operator can pass on one that it does not know.

use serde::{Deserialize, Serialize};

/// The circuit breaker of a provider's model. Replaces what was said of it before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TargetHealth {
    /// `namespace/name` of the pool.
    pub pool: String,
    pub provider: String,
    pub model: String,
    /// `None`: it is well again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open: Option<OpenBreaker>,
}

/// A circuit breaker that is open, or lets a request through to see whether it still must be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OpenBreaker {
    /// Nobody is let through for so long.
    pub cooldown_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<LastFailure>,
}

/// What a target failed with last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LastFailure {
    /// As [`FailoverReason`](crate::FailoverReason) is spelled.
    pub reason: String,
    /// Short, and without secrets.
    pub message: String,
    /// How long ago.
    pub age_ms: u64,
}

/// The keys of a provider, or what else proves who is calling. Replaces what was said of them before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeysHealth {
    /// `namespace/name` of the pool.
    pub pool: String,
    pub provider: String,
    /// `None`: none of them is refused, and one can be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ailing: Option<AilingKeys>,
}

/// Keys of which none can be used, or some are refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AilingKeys {
    pub usable: u32,
    /// They rest after a 429.
    pub rate_limited: u32,
    /// Not taken when they were tried last.
    pub refused: u32,
    /// Ids of refused keys, `secret/entry`; not all where they are many.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused_ids: Vec<String>,
    /// Where none is usable: how long until one is tried again.
    #[serde(default)]
    pub cooldown_ms: u64,
}
