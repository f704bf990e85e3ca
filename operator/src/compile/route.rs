//! A ModelRoute to its part of the snapshot.

use std::collections::{BTreeMap, BTreeSet};

use kube::ResourceExt;
use penstock_config as config;
use penstock_crds::status::reason;
use penstock_crds::{self as crds, ModelRoute, ModelRouteSpec};
use penstock_llm::catalogue::{Facts, Overrides};
use penstock_route::Condition;

use super::claims::{Claims, age};
use super::close::close_names;
use super::facts;
use super::pool::{LONGEST, PoolOutcome, key_of, listed, type_name, upstream_of};
use super::world::namespace_of;
use super::{Fragment, Kind, ObjectKey, Problem, Verdict, World};

/// What became of one route.
pub(super) struct RouteOutcome {
    pub key: ObjectKey,
    generation: i64,
    is_readable: bool,
    not_accepted: Vec<Problem>,
    unresolved: Vec<Problem>,
    pub contribution: Option<config::Route>,
}

impl RouteOutcome {
    pub fn verdict(&self) -> Verdict {
        Verdict {
            generation: self.generation,
            accepted: Problem::first_of(&self.not_accepted),
            resolved_refs: if self.is_readable {
                Problem::first_of(&self.unresolved)
            } else {
                Problem::unknown()
            },
            problems: self.not_accepted.iter().chain(&self.unresolved).cloned().collect(),
            fragment: Fragment::of(self.contribution.as_ref()),
        }
    }
}

/// Pools by `namespace/name`.
type Pools<'a> = BTreeMap<String, PoolOutcome<'a>>;

/// Every route, oldest first: who comes first has the model names.
pub(super) fn compile_all(world: &World, pools: &Pools<'_>) -> Vec<RouteOutcome> {
    let mut drafts: Vec<Draft<'_>> = world.routes.iter().map(|route| draft(route, world, pools)).collect();
    drafts.sort_by_cached_key(|draft| age(draft.route.metadata.creation_timestamp.as_ref(), &draft.key));

    let mut claims = Claims::default();
    // Unreadable objects have no names to be old with; what they keep serving, they keep.
    let mut outcomes: Vec<RouteOutcome> = unreadable(world, pools, &mut claims);
    outcomes.extend(drafts.into_iter().map(|draft| settle(draft, &mut claims)));
    outcomes
}

/// A route compiled on its own, before it is known whether it has its model names.
struct Draft<'a> {
    key: ObjectKey,
    route: &'a ModelRoute,
    invalid: Vec<Problem>,
    unresolved: Vec<Problem>,
    /// What the spec gives, as far as it can be used.
    fresh: Option<config::Route>,
    /// For one with a problem: what it contributed last, as far as that still can be used.
    last: Option<config::Route>,
}

fn draft<'a>(route: &'a ModelRoute, world: &World, pools: &Pools<'_>) -> Draft<'a> {
    let key = ObjectKey { kind: Kind::ModelRoute, namespace: namespace_of(route), name: route.name_any() };
    let ModelRouteSpec { models, rules, failover, parameter_policy } = &route.spec;
    let mut invalid = check_failover(failover);
    let mut unresolved = Vec::new();

    let rules: Vec<config::Rule> = rules
        .iter()
        .enumerate()
        .map(|(i, rule)| {
            let crds::RouteRule { name, when, targets } = rule;
            if let Some(Err(mistake)) = when.as_deref().map(Condition::parse) {
                invalid.push(Problem::new(reason::INVALID, format!("spec.rules[{i}].when"), mistake));
            }
            let targets: Vec<config::Target> = targets
                .iter()
                .enumerate()
                .filter_map(|(j, target)| {
                    let path = format!("spec.rules[{i}].targets[{j}]");
                    resolve(&key.namespace, &path, target, world, pools)
                        .map_err(|problem| unresolved.push(problem))
                        .ok()
                })
                .collect();
            // A rule stays without its targets, too: what it takes is not the next one's.
            config::Rule { name: name.clone(), when: when.clone(), targets }
        })
        .collect();

    let fresh = rules.iter().any(|rule| !rule.targets.is_empty()).then(|| config::Route {
        models: distinct(models),
        rules,
        failover: compile_failover(failover),
        parameter_policy: match parameter_policy {
            crds::ParameterPolicy::Disclose => config::ParameterPolicy::Disclose,
            crds::ParameterPolicy::Strict => config::ParameterPolicy::Strict,
        },
    });
    let is_good = invalid.is_empty() && unresolved.is_empty();
    let last = if is_good { None } else { last_good(&key, world, pools) };
    Draft { key, route, invalid, unresolved, fresh, last }
}

/// The API server refuses a name given twice; a file may have it, and a proxy would refuse the whole snapshot.
fn distinct(models: &[crds::RouteModel]) -> Vec<String> {
    let mut seen = BTreeSet::new();
    models.iter().filter(|model| seen.insert(&model.name)).map(|model| model.name.clone()).collect()
}

/// Chooses what the route contributes, and takes its names.
fn settle(draft: Draft<'_>, claims: &mut Claims) -> RouteOutcome {
    let Draft { key, route, invalid, unresolved, fresh, last } = draft;
    let generation = route.metadata.generation.unwrap_or_default();
    let names = || route.spec.models.iter().map(|model| model.name.as_str());
    let is_free = |claims: &Claims, route: &config::Route| {
        claims.contested(&key, route.models.iter().map(String::as_str)).is_none()
    };

    let valid = invalid.is_empty();
    let mut not_accepted = invalid;
    let lost = claims.contested(&key, names()).map(|(i, name, winner)| conflicted(i, name, winner));
    let contribution = match (&lost, valid, unresolved.is_empty()) {
        (Some(_), true, _) => None,
        (None, true, true) => fresh,
        // Its last good may have names that the spec no longer gives, and another route now has.
        (None, true, false) => last.filter(|last| is_free(claims, last)).or(fresh),
        (_, false, _) => last.filter(|last| is_free(claims, last)),
    };
    not_accepted.extend(lost.filter(|_| valid));
    if not_accepted.is_empty() {
        claims.take(&key, names());
    }
    if let Some(route) = &contribution {
        claims.take(&key, route.models.iter().map(String::as_str));
    }
    RouteOutcome { key, generation, is_readable: true, not_accepted, unresolved, contribution }
}

fn conflicted(index: usize, name: &str, winner: &ObjectKey) -> Problem {
    Problem::new(
        reason::CONFLICTED,
        format!("spec.models[{index}].name"),
        format_args!(
            "the older ModelRoute {} already has the model name `{name}`; take another name, or remove it there",
            winner.id()
        ),
    )
}

fn unreadable(world: &World, pools: &Pools<'_>, claims: &mut Claims) -> Vec<RouteOutcome> {
    let objects = world.unreadable.iter().filter(|object| object.key.kind == Kind::ModelRoute);
    objects
        .map(|object| {
            let contribution = last_good(&object.key, world, pools);
            if let Some(route) = &contribution {
                claims.take(&object.key, route.models.iter().map(String::as_str));
            }
            RouteOutcome {
                key: object.key.clone(),
                generation: object.generation,
                is_readable: false,
                not_accepted: vec![Problem::new(
                    reason::INVALID,
                    "spec",
                    format_args!(
                        "the object cannot be read: {}; correct the field or upgrade Penstock",
                        object.error
                    ),
                )],
                unresolved: vec![],
                contribution,
            }
        })
        .collect()
}

/// What the route contributed last, without targets and providers that are no longer in the snapshot.
fn last_good(key: &ObjectKey, world: &World, pools: &Pools<'_>) -> Option<config::Route> {
    let mut route = world.last_good.as_ref()?.routes.get(&key.id())?.clone();
    for rule in &mut route.rules {
        for target in &mut rule.targets {
            let pool = pools.get(&target.pool).and_then(|pool| pool.contribution.as_ref());
            target
                .candidates
                .retain(|candidate| pool.is_some_and(|pool| has_provider(pool, &candidate.provider)));
        }
        rule.targets.retain(|target| !target.candidates.is_empty());
    }
    route.rules.iter().any(|rule| !rule.targets.is_empty()).then_some(route)
}

fn has_provider(pool: &config::Pool, name: &str) -> bool {
    pool.providers.iter().any(|provider| provider.name == name)
}

/// A target with the providers that serve its model.
fn resolve(
    namespace: &str,
    path: &str,
    target: &crds::Target,
    world: &World,
    pools: &Pools<'_>,
) -> Result<config::Target, Problem> {
    let crds::Target { pool: pool_name, model, priority, weight } = target;
    let id = format!("{namespace}/{pool_name}");
    let pool = pools.get(&id).ok_or_else(|| pool_not_found(namespace, path, pool_name, pools))?;
    let candidates = match (pool.spec, &pool.contribution) {
        (Some(spec), usable) => {
            let serving = candidates(spec, model, &world.catalogue);
            if serving.is_empty() {
                return Err(model_not_found(path, pool_name, spec, model));
            }
            let usable =
                |c: &config::Candidate| usable.as_ref().is_some_and(|pool| has_provider(pool, &c.provider));
            serving.into_iter().filter(usable).collect()
        }
        // The pool goes on serving what it last did; its spec cannot say which models that is.
        (None, Some(kept)) => last_candidates(world, &id, model, kept),
        (None, None) => vec![],
    };
    if candidates.is_empty() {
        return Err(pool_unusable(path, pool_name, model, pool));
    }
    Ok(config::Target { pool: id, model: model.clone(), priority: *priority, weight: *weight, candidates })
}

/// Providers of the pool that serve the model, usable or not.
fn candidates(pool: &crds::ProviderPoolSpec, model: &str, catalogue: &Overrides) -> Vec<config::Candidate> {
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

/// The candidates that any route's target on the same pool and model had last.
fn last_candidates(world: &World, pool: &str, model: &str, kept: &config::Pool) -> Vec<config::Candidate> {
    let routes = world.last_good.iter().flat_map(|snapshot| snapshot.routes.values());
    let mut targets = routes.flat_map(|route| &route.rules).flat_map(|rule| &rule.targets);
    let same = targets.find(|target| target.pool == pool && target.model == model);
    let candidates = same.map(|target| target.candidates.clone()).unwrap_or_default();
    candidates.into_iter().filter(|candidate| has_provider(kept, &candidate.provider)).collect()
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

fn check_failover(failover: &crds::Failover) -> Vec<Problem> {
    let crds::Failover { reasons: _, max_attempts: _, timeouts } = failover;
    let crds::Timeouts { connect, first_token, idle, total } = timeouts;
    let fields = [("connect", connect), ("firstToken", first_token), ("idle", idle), ("total", total)];
    let check = |(field, time): (&str, &crds::Duration)| {
        let text = if time.as_millis() == 0 {
            "0s lets no request through; give a time above 0".to_owned()
        } else if *time > LONGEST {
            format!("{time} is longer than {LONGEST}; give less")
        } else {
            return None;
        };
        Some(Problem::new(reason::INVALID, format!("spec.failover.timeouts.{field}"), text))
    };
    fields.into_iter().filter_map(check).collect()
}

fn compile_failover(failover: &crds::Failover) -> config::Failover {
    let crds::Failover { reasons, max_attempts, timeouts } = failover;
    let crds::Timeouts { connect, first_token, idle, total } = timeouts;
    config::Failover {
        reasons: reasons.iter().copied().map(failover_reason).collect(),
        max_attempts: *max_attempts,
        connect_ms: connect.as_millis(),
        first_token_ms: first_token.as_millis(),
        idle_ms: idle.as_millis(),
        total_ms: total.as_millis(),
    }
}

fn failover_reason(reason: crds::FailoverReason) -> config::FailoverReason {
    match reason {
        crds::FailoverReason::Connect => config::FailoverReason::Connect,
        crds::FailoverReason::Timeout => config::FailoverReason::Timeout,
        crds::FailoverReason::RateLimited => config::FailoverReason::RateLimited,
        crds::FailoverReason::ServerError => config::FailoverReason::ServerError,
        crds::FailoverReason::Overloaded => config::FailoverReason::Overloaded,
        crds::FailoverReason::ContextLength => config::FailoverReason::ContextLength,
    }
}
