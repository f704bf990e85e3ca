//! What of a snapshot can be well or not: its targets and providers by name, without its secrets.

use std::collections::{BTreeMap, BTreeSet};

use penstock_config::{Candidate, Pool, Snapshot, Target};

use crate::report::TargetName;

/// The targets of every route and the providers of every pool, by `namespace/name`.
#[derive(Debug, Default, PartialEq)]
pub struct Served {
    routes: BTreeMap<String, Vec<ServedTarget>>,
    pools: BTreeMap<String, Vec<ServedProvider>>,
}

/// A provider's model as a target of a rule.
#[derive(Debug, PartialEq)]
pub struct ServedTarget {
    pub rule: String,
    pub name: TargetName,
}

#[derive(Debug, PartialEq)]
pub struct ServedProvider {
    pub name: String,
    /// Else it needs none, or the pod's own identity proves who is calling.
    pub has_keys: bool,
    /// The models that routes ask of it.
    pub models: BTreeSet<String>,
}

impl Served {
    pub fn of(snapshot: &Snapshot) -> Self {
        let Snapshot { auth: _, pools, routes } = snapshot;
        let mut models: BTreeMap<(&str, &str), BTreeSet<String>> = BTreeMap::new();
        let routes = routes.iter().map(|(id, route)| {
            let mut seen = BTreeSet::new();
            let mut served = Vec::new();
            for rule in &route.rules {
                for target in &rule.targets {
                    let pool = target.pool.as_str();
                    for (model, provider) in candidates(target) {
                        // A rule may name a target twice, with two priorities.
                        if seen.insert((&rule.name, pool, provider, model)) {
                            models.entry((pool, provider)).or_default().insert(model.to_owned());
                            let name = (pool.to_owned(), provider.to_owned(), model.to_owned());
                            served.push(ServedTarget { rule: rule.name.clone(), name });
                        }
                    }
                }
            }
            (id.clone(), served)
        });
        let routes = routes.collect();
        let pools = pools.iter().map(|(id, Pool { health: _, providers })| {
            let providers = providers.iter().map(|provider| ServedProvider {
                name: provider.name.clone(),
                has_keys: !provider.keys.is_empty(),
                models: models.remove(&(id.as_str(), provider.name.as_str())).unwrap_or_default(),
            });
            (id.clone(), providers.collect())
        });
        Self { pools: pools.collect(), routes }
    }

    /// Empty where nothing of the route is served.
    pub fn route(&self, id: &str) -> &[ServedTarget] {
        self.routes.get(id).map_or(&[], Vec::as_slice)
    }

    /// Empty where nothing of the pool is served.
    pub fn pool(&self, id: &str) -> &[ServedProvider] {
        self.pools.get(id).map_or(&[], Vec::as_slice)
    }
}

/// Model and provider of each candidate; the model is `*` where clients name it, as proxies have it.
fn candidates(target: &Target) -> impl Iterator<Item = (&str, &str)> {
    let model = target.model.as_deref().unwrap_or("*");
    let listed = target.listed.iter().map(|(model, candidates)| (model.as_str(), candidates));
    let all = std::iter::once((model, &target.candidates)).chain(listed);
    all.flat_map(|(model, candidates): (&str, &Vec<Candidate>)| {
        candidates.iter().map(move |candidate| (model, candidate.provider.as_str()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use penstock_config as config;
    use serde_json::json;

    #[test]
    fn targets_are_served_once_a_rule_and_models_once_a_provider() {
        let target = |pool: &str, model: &str, priority: u64, providers: &[&str]| {
            let candidates: Vec<_> =
                providers.iter().map(|name| json!({"provider": name, "upstream": "u"})).collect();
            json!({"pool": pool, "model": model, "priority": priority, "weight": 1, "candidates": candidates})
        };
        let provider = |name: &str, keys: serde_json::Value| json!({"name": name, "type": "OpenAI", "endpoint": "http://o", "keys": keys});
        let keys = json!([{"id": "s/k", "value": "sk-1", "weight": 1}]);
        let health = json!({"consecutiveFailures": 1, "cooldownMs": 1});
        let failover = json!({
            "reasons": [], "maxAttempts": 1, "connectMs": 1, "firstTokenMs": 1, "idleMs": 1, "totalMs": 1,
        });
        let rules = json!([
            {"name": "a", "targets": [
                target("ai/p", "m", 0, &["o", "x"]), target("ai/p", "m", 1, &["o", "x"]),
            ]},
            {"name": "b", "targets": [target("ai/p", "m", 0, &["o"]), target("ai/p", "n", 0, &["o"])]},
            {"name": "c", "targets": []},
            {"name": "d", "targets": [{
                "pool": "ai/p", "priority": 0, "weight": 1,
                "candidates": [{"provider": "o", "upstream": ""}],
                "listed": {"n": [{"provider": "x", "upstream": "u"}]},
            }]},
        ]);
        let snapshot: config::Snapshot = serde_json::from_value(json!({
            "auth": {"mode": "open"},
            "pools": {"ai/p": {"health": health, "providers": [
                provider("o", keys), provider("x", json!([])), provider("unused", json!([])),
            ]}},
            "routes": {"ai/r": {"models": ["m"], "rules": rules, "failover": failover}},
        }))
        .unwrap();
        let served = Served::of(&snapshot);
        let targets: Vec<String> = served
            .route("ai/r")
            .iter()
            .map(|ServedTarget { rule, name: (pool, provider, model) }| {
                format!("{rule} {pool} {provider} {model}")
            })
            .collect();
        assert_eq!(
            targets,
            ["a ai/p o m", "a ai/p x m", "b ai/p o m", "b ai/p o n", "d ai/p o *", "d ai/p x n"]
        );
        let providers: Vec<_> = served
            .pool("ai/p")
            .iter()
            .map(|p| (p.name.as_str(), p.has_keys, p.models.iter().map(String::as_str).collect::<Vec<_>>()))
            .collect();
        assert_eq!(
            providers,
            [("o", true, vec!["*", "m", "n"]), ("x", false, vec!["m", "n"]), ("unused", false, vec![])]
        );
        assert!(served.route("ai/none").is_empty() && served.pool("ai/none").is_empty());
    }
}
