//! A ModelRoute to its part of the snapshot.

use std::collections::BTreeSet;

use kube::ResourceExt;
use penstock_config as config;
use penstock_crds::status::reason;
use penstock_crds::{self as crds, ModelRoute, ModelRouteSpec};
use penstock_route::Condition;

use super::claims::{Claims, age};
use super::equivalents::{self, Shelf};
use super::hook::{self, Hooks};
use super::targets::{self, Pools, Site};
use super::world::namespace_of;
use super::{Fragment, Kind, ObjectKey, Problem, Verdict, World};
use super::{failover, intents};

/// What became of one route.
pub(super) struct RouteOutcome {
    pub key: ObjectKey,
    generation: i64,
    is_readable: bool,
    not_accepted: Vec<Problem>,
    unresolved: Vec<Problem>,
    /// What works and will surprise.
    warnings: Vec<String>,
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
            warnings: self.warnings.clone(),
            fragment: Fragment::of(self.contribution.as_ref()),
        }
    }
}

/// Every route, oldest first: who comes first has the model names.
pub(super) fn compile_all(world: &World, pools: &Pools<'_>) -> Vec<RouteOutcome> {
    let shelf = Shelf::default();
    let mut drafts: Vec<Draft<'_>> =
        world.routes.iter().map(|route| draft(route, world, pools, &shelf)).collect();
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
    warnings: Vec<String>,
    /// What the spec gives, as far as it can be used.
    fresh: Option<config::Route>,
    /// For an invalid one: what it contributed last, as far as that still can be used.
    last: Option<config::Route>,
}

fn draft<'a>(route: &'a ModelRoute, world: &World, pools: &Pools<'_>, shelf: &Shelf) -> Draft<'a> {
    let key = ObjectKey { kind: Kind::ModelRoute, namespace: namespace_of(route), name: route.name_any() };
    let ModelRouteSpec { models, hooks, rules, intents, intent_threshold, failover, parameter_policy } =
        &route.spec;
    let mut invalid = failover::check(failover);
    let (intents, flaws) = intents::compile(intents, *intent_threshold);
    invalid.extend(flaws);
    let intent_names: Vec<&str> = intents::names(intents.as_ref());
    let mut unresolved = Vec::new();
    let mut warnings = Vec::new();
    let hooks = Hooks {
        namespace: &key.namespace,
        secrets: &world.secrets,
        last: world.last_good.as_ref().and_then(|snapshot| snapshot.routes.get(&key.id())),
        invalid: &mut invalid,
        unresolved: &mut unresolved,
    }
    .compile(hooks);
    let rules: Vec<config::Rule> = rules
        .iter()
        .enumerate()
        .map(|(i, rule)| {
            let path = format!("spec.rules[{i}]");
            invalid.extend(check_rule(&path, rule, &intent_names));
            let site = Site { namespace: &key.namespace, path: &path, names: models, world, pools, shelf };
            let compiled = compile_rule(&site, rule, &key.id(), &mut unresolved);
            warnings.extend(equivalents::warnings(&site, &compiled));
            compiled
        })
        .collect();

    let fresh = rules.iter().any(|rule| !rule.targets.is_empty()).then(|| config::Route {
        models: distinct(models),
        rules,
        failover: failover::compile(failover),
        parameter_policy: match parameter_policy {
            crds::ParameterPolicy::Disclose => config::ParameterPolicy::Disclose,
            crds::ParameterPolicy::Strict => config::ParameterPolicy::Strict,
        },
        hooks,
        intents: intents.clone(),
    });
    let last = if invalid.is_empty() { None } else { last_good(&key, world, pools) };
    Draft { key, route, invalid, unresolved, warnings, fresh, last }
}

fn check_rule(path: &str, rule: &crds::RouteRule, intents: &[&str]) -> Vec<Problem> {
    let crds::RouteRule { name: _, when, strategy: _, sticky: _, targets, timeouts } = rule;
    let of_rule = failover::compile_rule(timeouts.as_ref());
    let mut invalid = failover::check_overrides(&format!("{path}.timeouts"), &of_rule);
    if let Some(Err(mistake)) = when.as_deref().map(|when| Condition::of_route(when, intents)) {
        invalid.push(Problem::new(reason::INVALID, format!("{path}.when"), mistake));
    }
    for (j, target) in targets.iter().enumerate() {
        let of_target = failover::compile_target(target.timeouts.as_ref());
        invalid.extend(failover::check_overrides(&format!("{path}.targets[{j}].timeouts"), &of_target));
    }
    invalid
}

/// A rule with those of its targets that can be used. One that cannot be resolved now keeps what it had last, so that
/// a Secret that is gone or a pool that is broken does not hold back the rest of an edit.
fn compile_rule(
    site: &Site<'_>,
    rule: &crds::RouteRule,
    route: &str,
    unresolved: &mut Vec<Problem>,
) -> config::Rule {
    let crds::RouteRule { name, when, strategy, sticky, targets: specs, timeouts } = rule;
    let mut compiled: Vec<config::Target> = Vec::new();
    let mut with_equivalents = Vec::new();
    let mut is_wanting = false;
    for (j, target) in specs.iter().enumerate() {
        let path = format!("{}.targets[{j}]", site.path);
        match targets::resolve(&Site { path: &path, ..*site }, target) {
            Ok(resolved) => {
                if target.equivalents == crds::Equivalents::Auto {
                    with_equivalents.push(resolved.clone());
                }
                compiled.push(resolved);
            }
            Err(problem) => {
                unresolved.push(problem);
                match targets::last_target(site, route, target) {
                    Some(kept) => compiled.push(kept),
                    None => is_wanting = true,
                }
            }
        }
    }
    if is_wanting {
        compiled.extend(targets::last_of_rule(site, route, rule));
    }
    for target in &with_equivalents {
        let found = equivalents::find(site, target, &compiled);
        compiled.extend(found);
    }
    config::Rule {
        name: name.clone(),
        when: when.clone(),
        strategy: match strategy {
            crds::Strategy::Priority => config::Strategy::Priority,
            crds::Strategy::Weighted => config::Strategy::Weighted,
            crds::Strategy::LeastCost => config::Strategy::LeastCost,
            crds::Strategy::LeastLatency => config::Strategy::LeastLatency,
            crds::Strategy::LeastBusy => config::Strategy::LeastBusy,
        },
        sticky: sticky.as_ref().map(|crds::Sticky { by, header }| match by {
            crds::StickyBy::User => config::Sticky::User,
            // The schema asks for the name; a file may lack it, and an empty one is in no request.
            crds::StickyBy::Header => config::Sticky::Header(header.clone().unwrap_or_default()),
            crds::StickyBy::Conversation => config::Sticky::Conversation,
        }),
        targets: compiled,
        timeouts: failover::compile_rule(timeouts.as_ref()),
    }
}

/// The API server refuses a name given twice; a file may have it, and a proxy would refuse the whole snapshot.
fn distinct(models: &[crds::RouteModel]) -> Vec<String> {
    let mut seen = BTreeSet::new();
    models.iter().filter(|model| seen.insert(&model.name)).map(|model| model.name.clone()).collect()
}

/// Chooses what the route contributes, and takes its names.
fn settle(draft: Draft<'_>, claims: &mut Claims) -> RouteOutcome {
    let Draft { key, route, invalid, unresolved, warnings, fresh, last } = draft;
    let generation = route.metadata.generation.unwrap_or_default();
    let names = || route.spec.models.iter().map(|model| model.name.as_str());
    let is_free = |claims: &Claims, route: &config::Route| {
        claims.contested(&key, route.models.iter().map(String::as_str)).is_none()
    };

    let valid = invalid.is_empty();
    let mut not_accepted = invalid;
    let lost = claims.contested(&key, names()).map(|(i, name, winner)| conflicted(i, name, winner));
    let contribution = match (&lost, valid) {
        (Some(_), true) => None,
        (None, true) => fresh,
        // Its last good may have names that the spec no longer gives, and another route now has.
        (_, false) => last.filter(|last| is_free(claims, last)),
    };
    not_accepted.extend(lost.filter(|_| valid));
    if not_accepted.is_empty() {
        claims.take(&key, names());
    }
    if let Some(route) = &contribution {
        claims.take(&key, route.models.iter().map(String::as_str));
    }
    RouteOutcome { key, generation, is_readable: true, not_accepted, unresolved, warnings, contribution }
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
                warnings: vec![],
                contribution,
            }
        })
        .collect()
}

/// What the route contributed last, without targets and providers that are no longer in the snapshot.
fn last_good(key: &ObjectKey, world: &World, pools: &Pools<'_>) -> Option<config::Route> {
    let mut route = world.last_good.as_ref()?.routes.get(&key.id())?.clone();
    for rule in &mut route.rules {
        rule.targets.retain_mut(|target| targets::prune(target, pools));
    }
    hook::take_new_keys(&mut route.hooks, &key.namespace, &world.secrets);
    route.rules.iter().any(|rule| !rule.targets.is_empty()).then_some(route)
}
