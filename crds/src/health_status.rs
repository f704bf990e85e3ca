//! Health in the status: of a route's targets, and of a pool's providers.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

/// Targets listed in the status of a route.
pub const MOST_TARGETS: usize = 64;
/// Unhealthy models listed for a provider.
pub const MOST_MODELS: usize = 16;
/// Refused keys listed for a provider.
pub const MOST_REFUSED_KEYS: usize = 8;

/// Health of a route's targets, as its proxies see it.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteHealth {
    /// Targets that are Healthy, of all: `3/4`. Absent while no proxy reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healthy: Option<String>,
    /// The targets that are served, one for each provider that has the model; the worst ones first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["rule".into(), "pool".into(), "provider".into(), "model".into()]))]
    pub targets: Vec<TargetStatus>,
    /// How many more targets there are than those listed; none of them is worse.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub more_targets: Option<u32>,
}

/// A provider's model as the target of a rule.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TargetStatus {
    /// Name of the rule.
    pub rule: String,
    /// Name of the ProviderPool.
    pub pool: String,
    /// Name of the provider in the pool.
    pub provider: String,
    /// Model, as the pool names it; `*` for the models of a target without one that no provider lists.
    pub model: String,
    /// Healthy: nothing is known to be wrong; what nobody asked for yet is Healthy too. Degraded: some proxies cannot use it. Unavailable: no proxy can use it. Unknown: no proxy reports.
    pub health: Health,
    /// Proxies that can use it, of those that report: `2/3`. Absent where it is Healthy: all can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxies: Option<String>,
    /// Until when the last of the proxies leaves it alone. In the past: the next request tries it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cooldown_until: Option<Time>,
    /// Why it is not Healthy: the error that most proxies met last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<LastError>,
}

/// Health of a pool's providers, as its proxies see it.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PoolHealth {
    /// Providers that are Healthy, of those that a route uses: `1/2`. Absent while no proxy reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healthy: Option<String>,
    /// The providers that are served.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub providers: Vec<ProviderStatus>,
}

/// A provider of a pool.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProviderStatus {
    /// Name of the provider.
    pub name: String,
    /// Healthy: nothing is known to be wrong. Degraded: some proxies, models or keys of it cannot be used. Unavailable: no proxy can use it. Unknown: no proxy reports, or no route uses it.
    pub health: Health,
    /// What it says to its keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Credentials>,
    /// The keys that it refuses, as `secret/entry`: replace them in the Secret. At most 8 are listed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub refused_keys: Vec<String>,
    /// Until when the last of the proxies leaves it, or one of its models, alone. In the past: the next request tries it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cooldown_until: Option<Time>,
    /// Why it is not Healthy: the error that most proxies met last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<LastError>,
    /// The models of it that fail, the worst ones first. What ails its keys ails every model, and is not listed here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub models: Vec<ModelStatus>,
    /// How many more models fail than those listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub more_models: Option<u32>,
}

/// A model that fails.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ModelStatus {
    /// Model, as the pool names it.
    pub name: String,
    /// Degraded or Unavailable.
    pub health: Health,
    /// Proxies that can use it, of those that report: `2/3`.
    pub proxies: String,
    /// Reason of the error that most proxies met last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// An error that keeps a target from being used.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LastError {
    /// Class of the failure: Connect, Timeout, ServerError, Overloaded, RateLimited or CredentialsRefused.
    pub reason: String,
    /// The provider's own words, or the proxy's, in short and without keys.
    pub message: String,
    /// When it was met.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Time>,
}

/// Whether something can be used, as far as the proxies know. In order of how bad it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, JsonSchema)]
pub enum Health {
    /// No proxy reports.
    #[default]
    Unknown,
    /// Nothing is known to be wrong. What nobody has asked for yet is Healthy too.
    Healthy,
    /// Some proxies, keys or models cannot be used; others can.
    Degraded,
    /// No proxy can use it.
    Unavailable,
}

/// What a provider says to its keys. Valid: none is known to be refused. RateLimited: in some proxy every key rests after a 429. PartlyRefused: a key is refused, and others work. Refused: no key works. Unknown: no proxy reports. Absent where the provider has no keys, and what else proves who is calling was not refused.
// In order of how bad it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, JsonSchema)]
pub enum Credentials {
    /// No proxy reports.
    #[default]
    Unknown,
    /// No key is known to be refused, and every proxy has one that it can use.
    Valid,
    /// In some proxy every key rests after a 429.
    RateLimited,
    /// Some key is refused, in some proxy; others work.
    PartlyRefused,
    /// No proxy has a key that is not refused.
    Refused,
}

impl Health {
    const ALL: [Self; 4] = [Self::Unknown, Self::Healthy, Self::Degraded, Self::Unavailable];
}

impl Credentials {
    const ALL: [Self; 5] =
        [Self::Unknown, Self::Valid, Self::RateLimited, Self::PartlyRefused, Self::Refused];
}

// A value of a later version, met after a downgrade, reads as Unknown: it must not make the whole object unreadable.

impl<'de> Deserialize<'de> for Health {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(Self::ALL.into_iter().find(|known| format!("{known:?}") == text).unwrap_or_default())
    }
}

impl<'de> Deserialize<'de> for Credentials {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(Self::ALL.into_iter().find(|known| format!("{known:?}") == text).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::{ModelRouteStatus, ProviderPoolStatus};
    use serde_json::json;

    #[test]
    fn what_a_later_version_wrote_can_be_read() {
        let status = json!({
            "observedGeneration": 3, "conditions": [], "later": 1,
            "targets": [{"rule": "r", "pool": "p", "provider": "o", "model": "m", "health": "Exhausted"}],
        });
        let status: ModelRouteStatus = serde_json::from_value(status).unwrap();
        assert_eq!(status.object.observed_generation, Some(3));
        assert_eq!(status.health.targets[0].health, Health::Unknown);
        let status = json!({"providers": [{"name": "o", "health": "Degraded", "credentials": "Expired"}]});
        let status: ProviderPoolStatus = serde_json::from_value(status).unwrap();
        assert_eq!(status.health.providers[0].health, Health::Degraded);
        assert_eq!(status.health.providers[0].credentials, Some(Credentials::Unknown));
    }

    #[test]
    fn a_status_comes_back_as_it_was_written() {
        for known in Health::ALL {
            assert_eq!(serde_json::from_value::<Health>(json!(known)).unwrap(), known);
        }
        for known in Credentials::ALL {
            assert_eq!(serde_json::from_value::<Credentials>(json!(known)).unwrap(), known);
        }
        let health = RouteHealth {
            healthy: Some("0/1".into()),
            targets: vec![TargetStatus { rule: "r".into(), ..TargetStatus::default() }],
            more_targets: Some(2),
        };
        let status = ModelRouteStatus { health, ..ModelRouteStatus::default() };
        let json = serde_json::to_value(&status).unwrap();
        assert_eq!(json["targets"][0]["rule"], "r", "{json}");
        assert_eq!(serde_json::from_value::<ModelRouteStatus>(json).unwrap(), status);
    }
}
