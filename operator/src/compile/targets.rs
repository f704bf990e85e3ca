//! A rule's target to the providers that serve it.

use std::collections::BTreeMap;

use penstock_config as config;
use penstock_crds as crds;
use penstock_crds::status::reason;
use penstock_llm::catalogue::{Facts, Overrides};

use super::close::close_names;
use super::equivalents::Shelf;
use super::facts;
use super::failover;
use super::pool::{PoolOutcome, key_of, listed, type_name, upstream_of};
use super::{Problem, World};

/// Pools by `namespace/name`.
pub(super) type Pools<'a> = BTreeMap<String, PoolOutcome<'a>>;

/// Where a rule or a target is resolved.
#[derive(Clone, Copy)]
pub(super) struct Site<'a> {
    pub namespace: &'a str,
    /// Of the rule or the target: `spec.rules[0].targets[1]`.
    pub path: &'a str,
    /// Model names of the route.
    pub names: &'a [crds::RouteModel],
    pub world: &'a World,
    pub pools: &'a Pools<'a>,
    pub shelf: &'a Shelf,
}

/// A target with the providers that serve its model.
pub(super) fn resolve(site: &Site<'_>, target: &crds::Target) -> Result<config::Target, Problem> {
    let crds::Target { pool, model, priority, weight, only_after, equivalents: _, timeouts } = target;
    let id = format!("{}/{pool}", site.namespace);
    let outcome =
        site.pools.get(&id).ok_or_else(|| pool_not_found(site.namespace, site.path, pool, site.pools))?;
    let (candidates, listed) = match model {
        Some(model) => (of_model(site, &id, pool, outcome, model)?, BTreeMap::new()),
        None => of_any_model(site, &id, pool, outcome)?,
    };
    Ok(config::Target {
        pool: id,
        model: model.clone(),
        priority: *priority,
        weight: *weight,
        only_after: only_after.iter().flatten().copied().map(failover::compile_reason).collect(),
        timeouts: failover::compile_target(timeouts.as_ref()),
        is_equivalent: false,
        candidates,
        listed,
    })
}

fn of_model(
    site: &Site<'_>,
    id: &str,
    pool_name: &str,
    pool: &PoolOutcome<'_>,
    model: &str,
) -> Result<Vec<config::Candidate>, Problem> {
    let candidates = match (pool.spec, &pool.contribution) {
        (Some(spec), usable) => {
            let serving = candidates(spec, model, &site.world.catalogue);
            if serving.is_empty() {
                return Err(model_not_found(site.path, pool_name, spec, model));
            }
            usable_of(serving, usable.as_ref())
        }
        // The pool goes on serving what it last did; its spec cannot say which models that is.
        (None, Some(kept)) => last_candidates(site.world, id, model, kept),
        (None, None) => vec![],
    };
    if candidates.is_empty() {
        return Err(pool_unusable(site.path, pool_name, model, pool));
    }
    Ok(candidates)
}

/// The providers that are asked for whatever the client names, and the models that others list.
type AnyModel = (Vec<config::Candidate>, BTreeMap<String, Vec<config::Candidate>>);

/// For a target without a model: what the pool has for the names of the route.
fn of_any_model(
    site: &Site<'_>,
    id: &str,
    pool_name: &str,
    pool: &PoolOutcome<'_>,
) -> Result<AnyModel, Problem> {
    let (Some(spec), usable) = (pool.spec, &pool.contribution) else {
        let last = last_of_any_model(site.world, id, pool.contribution.as_ref());
        return last.ok_or_else(|| pool_unusable(site.path, pool_name, "what clients ask for", pool));
    };
    let mut by_name = BTreeMap::new();
    let mut open = Vec::new();
    for name in site.names.iter().map(|name| name.name.as_str()) {
        let Some(prefix) = name.strip_suffix('*') else {
            let serving = candidates(spec, name, &site.world.catalogue);
            if serving.is_empty() {
                return Err(model_not_found(site.path, pool_name, spec, name));
            }
            by_name.insert(name.to_owned(), usable_of(serving, usable.as_ref()));
            continue;
        };
        let all = spec.providers.iter().flat_map(|provider| provider.models.iter().flatten());
        for model in all.map(|model| model.name.as_str()).filter(|model| model.starts_with(prefix)) {
            let serving = candidates(spec, model, &site.world.catalogue);
            by_name.insert(model.to_owned(), usable_of(serving, usable.as_ref()));
        }
        for provider in spec.providers.iter().filter(|provider| provider.models.is_none()) {
            let key = key_of(provider.r#type);
            let known = site.world.catalogue.models(&key).filter(|model| model.starts_with(prefix));
            for model in known {
                let serving = candidates(spec, model, &site.world.catalogue);
                by_name.insert(model.to_owned(), usable_of(serving, usable.as_ref()));
            }
        }
        if open.is_empty() {
            let unlisted = spec.providers.iter().filter(|provider| provider.models.is_none());
            open = unlisted.map(|provider| open_candidate(&provider.name)).collect();
        }
    }
    if by_name.is_empty() && open.is_empty() {
        return Err(model_not_found(site.path, pool_name, spec, "what the route's names cover"));
    }
    by_name.retain(|_, candidates| !candidates.is_empty());
    let open = usable_of(open, usable.as_ref());
    if by_name.is_empty() && open.is_empty() {
        return Err(pool_unusable(site.path, pool_name, "what clients ask for", pool));
    }
    Ok((open, by_name))
}

/// A provider that is asked for what the client names.
fn open_candidate(provider: &str) -> config::Candidate {
    config::Candidate {
        provider: provider.to_owned(),
        upstream: String::new(),
        facts: serde_json::Map::new(),
    }
}

pub(super) fn usable_of(
    serving: Vec<config::Candidate>,
    usable: Option<&config::Pool>,
) -> Vec<config::Candidate> {
    let is_usable = |c: &config::Candidate| usable.is_some_and(|pool| has_provider(pool, &c.provider));
    serving.into_iter().filter(is_usable).collect()
}

fn has_provider(pool: &config::Pool, name: &str) -> bool {
    pool.providers.iter().any(|provider| provider.name == name)
}

/// Providers of the pool that serve the model, usable or not.
pub(super) fn candidates(
    pool: &crds::ProviderPoolSpec,
    model: &str,
    catalogue: &Overrides,
) -> Vec<config::Candidate> {
    let of_provider = |provider: &crds::Provider| {
        let upstream = upstream_of(provider, model, catalogue)?;
        let facts = candidate_facts(provider, model, &upstream, catalogue);
        Some(config::Candidate { provider: provider.name.clone(), upstream, facts })
    };
    pool.providers.iter().filter_map(of_provider).collect()
}

/// What is known of the model beyond the proxy's own catalogue. A bad price makes the pool Invalid, so that nothing
/// asks for it here.
fn candidate_facts(
    provider: &crds::Provider,
    model: &str,
    upstream: &str,
    catalogue: &Overrides,
) -> serde_json::Map<String, serde_json::Value> {
    let mut facts = Facts::default();
    catalogue.overlay(&key_of(provider.r#type), upstream, &mut facts);
    if let Some(of_pool) = listed(provider, model).and_then(|listed| facts::of_model(listed).ok()) {
        facts.overlay(&of_pool);
    }
    match serde_json::to_value(&facts) {
        Ok(serde_json::Value::Object(facts)) => facts,
        _ => serde_json::Map::new(),
    }
}

/// What a target that cannot be resolved now had last, as far as that still can be used.
pub(super) fn last_target(site: &Site<'_>, route: &str, target: &crds::Target) -> Option<config::Target> {
    let id = format!("{}/{}", site.namespace, target.pool);
    let last = site.world.last_good.as_ref()?.routes.get(route)?;
    let mut targets = last.rules.iter().flat_map(|rule| &rule.targets);
    let same = targets.find(|last| last.pool == id && last.model == target.model && !last.is_equivalent)?;
    let mut kept = same.clone();
    prune(&mut kept, site.pools).then(|| config::Target {
        priority: target.priority,
        weight: target.weight,
        only_after: target.only_after.iter().flatten().copied().map(failover::compile_reason).collect(),
        timeouts: failover::compile_target(target.timeouts.as_ref()),
        ..kept
    })
}

/// What a rule had last that its spec no longer names, as far as that still can be used: it stands in for a target that
/// names something that is not there, which is mostly a slip of whoever edited it.
pub(super) fn last_of_rule(site: &Site<'_>, route: &str, rule: &crds::RouteRule) -> Vec<config::Target> {
    let last = site.world.last_good.as_ref().and_then(|snapshot| snapshot.routes.get(route));
    let rules = last.into_iter().flat_map(|route| &route.rules);
    let is_named = |last: &config::Target| {
        rule.targets.iter().any(|target| {
            last.pool == format!("{}/{}", site.namespace, target.pool) && last.model == target.model
        })
    };
    rules
        .filter(|last| last.name == rule.name)
        .flat_map(|last| &last.targets)
        .filter(|last| !last.is_equivalent && !is_named(last))
        .cloned()
        .filter_map(|mut last| prune(&mut last, site.pools).then_some(last))
        .collect()
}

/// Takes out what is no longer in the snapshot. False when nothing is left.
pub(super) fn prune(target: &mut config::Target, pools: &Pools<'_>) -> bool {
    let pool = pools.get(&target.pool).and_then(|pool| pool.contribution.as_ref());
    let is_there =
        |candidate: &config::Candidate| pool.is_some_and(|pool| has_provider(pool, &candidate.provider));
    target.candidates.retain(is_there);
    target.listed.values_mut().for_each(|candidates| candidates.retain(is_there));
    target.listed.retain(|_, candidates| !candidates.is_empty());
    !target.candidates.is_empty() || !target.listed.is_empty()
}

/// The candidates that any route's target on the same pool and model had last.
fn last_candidates(world: &World, pool: &str, model: &str, kept: &config::Pool) -> Vec<config::Candidate> {
    let mut targets = last_targets(world, pool);
    let same = targets.find(|target| target.model.as_deref() == Some(model));
    usable_of(same.map(|target| target.candidates.clone()).unwrap_or_default(), Some(kept))
}

fn last_of_any_model(world: &World, pool: &str, kept: Option<&config::Pool>) -> Option<AnyModel> {
    let same = last_targets(world, pool).find(|target| target.model.is_none())?;
    let open = usable_of(same.candidates.clone(), kept);
    let mut listed = same.listed.clone();
    listed.values_mut().for_each(|candidates| *candidates = usable_of(std::mem::take(candidates), kept));
    listed.retain(|_, candidates| !candidates.is_empty());
    (!open.is_empty() || !listed.is_empty()).then_some((open, listed))
}

fn last_targets<'a>(world: &'a World, pool: &'a str) -> impl Iterator<Item = &'a config::Target> {
    let routes = world.last_good.iter().flat_map(|snapshot| snapshot.routes.values());
    let targets = routes.flat_map(|route| &route.rules).flat_map(|rule| &rule.targets);
    targets.filter(move |target| target.pool == pool)
}

fn pool_not_found(namespace: &str, path: &str, name: &str, pools: &Pools<'_>) -> Problem {
    let here = pools.values().filter(|pool| pool.key.namespace == namespace);
    let close = close_names(name, here.map(|pool| pool.key.name.as_str()));
    let elsewhere = pools.values().find(|pool| pool.key.name == name);
    let hint = match (close.as_slice(), elsewhere) {
        ([], Some(other)) => format!(
            " (there is one in namespace `{}`, but a route only reaches pools of its own namespace)",
            other.key.namespace
        ),
        ([], None) => String::new(),
        (close, _) => format!(" (close names: {})", quoted(close)),
    };
    Problem::new(
        reason::POOL_NOT_FOUND,
        format!("{path}.pool"),
        format_args!(
            "no ProviderPool `{name}` in namespace `{namespace}`{hint}; create it or correct the name"
        ),
    )
}

fn model_not_found(path: &str, pool_name: &str, pool: &crds::ProviderPoolSpec, model: &str) -> Problem {
    let providers: Vec<String> =
        pool.providers.iter().map(|p| format!("{} ({})", p.name, type_name(p.r#type))).collect();
    let listed = pool.providers.iter().flat_map(|p| p.models.iter().flatten()).map(|m| m.name.as_str());
    let close = close_names(model, listed);
    let hint = if close.is_empty() { String::new() } else { format!("; close names: {}", quoted(&close)) };
    Problem::new(
        reason::MODEL_NOT_FOUND,
        format!("{path}.model"),
        format_args!(
            "no provider of pool `{pool_name}` serves model `{model}`; its providers are {}{hint}; correct the name, or add the model to `models` of a provider",
            providers.join(", ")
        ),
    )
}

/// The pool is there, but what would serve the model cannot be used: the pool's own first problem says why.
fn pool_unusable(path: &str, pool_name: &str, model: &str, pool: &PoolOutcome<'_>) -> Problem {
    let (reason, why) = match (pool.invalid.first(), pool.unresolved.first()) {
        (Some(invalid), _) => (reason::POOL_NOT_FOUND, invalid.message.as_str()),
        (None, Some(unresolved)) => (unresolved.reason, unresolved.message.as_str()),
        (None, None) => (reason::POOL_NOT_FOUND, "it has no usable provider"),
    };
    Problem::new(
        reason,
        format!("{path}.pool"),
        format_args!("pool `{pool_name}` cannot serve `{model}`: {why}"),
    )
}

fn quoted(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use crate::compile::compile;
    use crate::compile::tests::world;

    fn compiled(names: &str) -> crate::compile::Compiled {
        let text = format!(
            "apiVersion: penstock.dev/v1alpha1\nkind: ProviderPool\nmetadata: {{name: p, namespace: ai}}\n\
             spec: {{providers: [{{name: own, type: OpenAICompatible, endpoint: http://own:8000/v1, models: \
             [{{name: llama-3, upstream: org/llama}}, {{name: qwen}}]}}, {{name: groq, type: Groq, auth: {{apiKeys: \
             [{{secretRef: {{name: k, key: k}}}}]}}}}]}}\n---\n\
             apiVersion: v1\nkind: Secret\nmetadata: {{name: k, namespace: ai}}\nstringData: {{k: secret}}\n---\n\
             apiVersion: penstock.dev/v1alpha1\nkind: ModelRoute\nmetadata: {{name: r, namespace: ai}}\n\
             spec: {{models: [{names}], rules: [{{name: all, targets: [{{pool: p}}]}}]}}"
        );
        compile(&world(&text))
    }

    #[test]
    fn a_target_without_a_model_has_what_the_names_of_the_route_cover() {
        let all = compiled("{name: \"*\"}");
        let target = &all.snapshot.routes["ai/r"].rules[0].targets[0];
        assert_eq!(target.model, None);
        assert_eq!(target.listed.keys().collect::<Vec<_>>(), ["llama-3", "qwen"]);
        assert_eq!(target.listed["llama-3"][0].upstream, "org/llama");
        let open: Vec<&str> = target.candidates.iter().map(|c| c.provider.as_str()).collect();
        assert_eq!(open, ["groq"], "who lists nothing is asked for what it is known to serve");

        let prefix = compiled("{name: \"qw*\"}");
        let target = &prefix.snapshot.routes["ai/r"].rules[0].targets[0];
        assert_eq!(target.listed.keys().collect::<Vec<_>>(), ["qwen"]);

        let exact = compiled("{name: qwen}");
        let target = &exact.snapshot.routes["ai/r"].rules[0].targets[0];
        assert!(target.candidates.is_empty());
        assert_eq!(target.listed.keys().collect::<Vec<_>>(), ["qwen"]);
    }

    #[test]
    fn an_exact_name_that_nobody_serves_is_named() {
        let compiled = compiled("{name: not-there}");
        let problem =
            compiled.verdicts.values().find_map(|verdict| verdict.resolved_refs.clone().err()).unwrap();
        assert!(
            problem.message.contains("no provider of pool `p` serves model `not-there`"),
            "{}",
            problem.message
        );
    }
}
