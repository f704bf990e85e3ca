//! A snapshot to a [`Runtime`].

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;
use penstock_config as config;
use penstock_config::{Snapshot, TimeoutOverrides};
use penstock_llm::catalogue::{self, Facts};
use penstock_llm::needs::Needs;
use penstock_llm::provider::{self, Auth, Provider};
use penstock_llm::simulated::{Behaviour, Failure};

use super::candidate::{ANY_MODEL, Candidate, Limits, OwnedSite, Via, identity, label, uris};
use super::{AnyModel, Route, Rule, Runtime, Screen, Target};
use crate::auth::Callers;
use crate::credentials::{AwsScope, CredentialBook, Scheme};
use crate::health::HealthBook;
use crate::hooks::HookBook;
use crate::lessons::{Intents, LessonBook};
use crate::metrics::{LazyTargetMetrics, Metrics};
use crate::proxy::InvalidSnapshot;
use crate::upstream::Clients;

/// What outlives a change of configuration.
pub struct Books {
    pub health: HealthBook,
    pub credentials: CredentialBook,
    pub hooks: HookBook,
    pub lessons: LessonBook,
}

impl Runtime {
    /// Fails when the snapshot is not one that the operator would compile: from a newer version, or damaged.
    pub fn build(
        snapshot: &Snapshot,
        books: &mut Books,
        metrics: &Arc<Metrics>,
        clients: &Clients,
    ) -> Result<Self, InvalidSnapshot> {
        let callers = Callers::from_config(&snapshot.auth)
            .ok_or_else(|| InvalidSnapshot("auth.keys: a key's sha256 is not 64 hex digits".into()))?;
        let revision = snapshot.revision();
        let mut runtime = Self {
            revision_name: revision.as_str().into(),
            revision,
            callers,
            exact: HashMap::new(),
            prefixes: Vec::new(),
        };
        let mut shop = Workshop { snapshot, books, metrics, clients, names: Names::default() };
        for (name, route) in &snapshot.routes {
            let built = Arc::new(build_route(name, route, &mut shop)?);
            for model in &route.models {
                runtime.add_name(model, &built)?;
            }
        }
        runtime.prefixes.sort_by(|a, b| b.0.len().cmp(&a.0.len()).then_with(|| a.0.cmp(&b.0)));
        clients.keep_only(&connect_times(snapshot));
        Ok(runtime)
    }
}

/// Every connect timeout of the snapshot.
fn connect_times(snapshot: &Snapshot) -> Vec<u64> {
    let mut times = Vec::new();
    for route in snapshot.routes.values() {
        times.push(route.failover.connect_ms);
        for rule in &route.rules {
            times.extend(rule.timeouts.connect_ms);
            times.extend(rule.targets.iter().filter_map(|target| target.timeouts.connect_ms));
        }
    }
    times
}

/// What building a route needs besides the route.
struct Workshop<'a> {
    snapshot: &'a Snapshot,
    books: &'a mut Books,
    metrics: &'a Arc<Metrics>,
    clients: &'a Clients,
    names: Names,
}

/// Names that stand at many places, each kept once.
#[derive(Default)]
struct Names(BTreeSet<Arc<str>>);

impl Names {
    fn share(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.0.get(name) {
            return known.clone();
        }
        let name: Arc<str> = name.into();
        self.0.insert(name.clone());
        name
    }
}

fn build_route(name: &str, route: &config::Route, shop: &mut Workshop<'_>) -> Result<Route, InvalidSnapshot> {
    let config::Route { models: _, rules, failover, parameter_policy, hooks, intents } = route;
    let config::Failover {
        reasons,
        max_attempts,
        connect_ms: _,
        first_token_ms: _,
        answer_ms: _,
        idle_ms: _,
        total_ms: _,
        retries,
        hedging,
    } = failover;
    let intents = intents
        .as_ref()
        .map(|intents| shop.books.lessons.intents(intents))
        .transpose()
        .map_err(|flaw| InvalidSnapshot(format!("routes.{name}.intents.{flaw}")))?;
    let rules: Result<Vec<_>, _> = rules
        .iter()
        .map(|rule| build_rule(name, rule, failover, intents.as_ref(), shop).map(Arc::new))
        .collect();
    let hooks: Result<Vec<_>, _> = hooks
        .iter()
        .map(|hook| {
            let invalid = |error| InvalidSnapshot(format!("routes.{name}.hooks.{}: {error}", hook.name));
            shop.books.hooks.hook(name, hook, shop.metrics).map_err(invalid)
        })
        .collect();
    Ok(Route {
        name: name.into(),
        rules: rules?,
        failover_on: reasons.clone(),
        max_attempts: *max_attempts as usize,
        retries: *retries,
        hedging: *hedging,
        parameter_policy: *parameter_policy,
        hooks: hooks?,
        intents,
    })
}

fn build_rule(
    name: &str,
    rule: &config::Rule,
    failover: &config::Failover,
    intents: Option<&Intents>,
    shop: &mut Workshop<'_>,
) -> Result<Rule, InvalidSnapshot> {
    let config::Rule { name: rule_name, when, strategy, sticky, targets, timeouts } = rule;
    let intents: Vec<&str> = intents.iter().flat_map(|intents| intents.learned.names()).collect();
    let when = when
        .as_deref()
        .map(|when| shop.books.lessons.condition(when, &intents))
        .transpose()
        .map_err(|mistake| InvalidSnapshot(format!("routes.{name}.rules.{rule_name}.when: {mistake}")))?;
    let mut built = Vec::with_capacity(targets.len());
    for (i, target) in targets.iter().enumerate() {
        let place = Place { route: name, rule: rule_name, target: i };
        let limits = limits(failover, [timeouts, &target.timeouts], shop.clients);
        built.push(build_target(&place, target, &limits, shop)?);
    }
    Ok(Rule {
        name: rule_name.as_str().into(),
        when,
        strategy: *strategy,
        sticky: sticky.clone(),
        screen: screen(&built),
        targets: built,
        total: Duration::from_millis(timeouts.total_ms.unwrap_or(failover.total_ms)),
    })
}

/// The times of a target: its own, else its rule's, else its route's.
fn limits(failover: &config::Failover, [rule, target]: [&TimeoutOverrides; 2], clients: &Clients) -> Limits {
    let first = |of: fn(&TimeoutOverrides) -> Option<u64>| of(target).or_else(|| of(rule));
    let time = |of, route: u64| Duration::from_millis(first(of).unwrap_or(route));
    Limits {
        client: clients.get(first(|times| times.connect_ms).unwrap_or(failover.connect_ms)),
        first_token: time(|times| times.first_token_ms, failover.first_token_ms),
        answer: first(|times| times.answer_ms).or(failover.answer_ms).map(Duration::from_millis),
        idle: time(|times| times.idle_ms, failover.idle_ms),
    }
}

fn screen(targets: &[Target]) -> Screen {
    let mut screen = Screen::default();
    for candidate in targets.iter().flat_map(Target::all) {
        let facts = &candidate.facts;
        // Nothing is known of a model before a client names it.
        screen.is_partial |= candidate.is_open || Needs::EVERYTHING.unmet_by(facts).is_some();
        let window = facts.context_window.into_iter().chain(facts.max_input).min();
        let window = if candidate.is_open { Some(0) } else { window };
        screen.window = screen.window.into_iter().chain(window).min();
    }
    screen
}

/// Where a candidate stands.
struct Place<'a> {
    route: &'a str,
    rule: &'a str,
    target: usize,
}

fn build_target(
    place: &Place<'_>,
    target: &config::Target,
    limits: &Limits,
    shop: &mut Workshop<'_>,
) -> Result<Target, InvalidSnapshot> {
    let mut build = |model: &str, candidates: &[config::Candidate]| -> Result<Vec<_>, InvalidSnapshot> {
        candidates
            .iter()
            .map(|candidate| {
                build_candidate(place, target, model, candidate, limits.clone(), shop).map(Arc::new)
            })
            .collect()
    };
    if let Some(model) = &target.model {
        return Ok(Target { candidates: build(model, &target.candidates)?, any: None });
    }
    let listed: Result<HashMap<_, _>, _> = target
        .listed
        .iter()
        .map(|(model, candidates)| build(model, candidates).map(|built| (model.clone(), built)))
        .collect();
    let any = AnyModel { listed: listed?, open: build(ANY_MODEL, &target.candidates)? };
    Ok(Target { candidates: vec![], any: Some(any) })
}

fn build_candidate(
    place: &Place<'_>,
    target: &config::Target,
    model: &str,
    candidate: &config::Candidate,
    limits: Limits,
    shop: &mut Workshop<'_>,
) -> Result<Candidate, InvalidSnapshot> {
    let Place { route, rule, target: index } = place;
    let config::Target {
        pool: pool_name,
        model: _,
        priority,
        weight,
        only_after,
        timeouts: _,
        is_equivalent,
        candidates: _,
        listed: _,
    } = target;
    let pool = shop.snapshot.pools.get(pool_name).ok_or_else(|| {
        InvalidSnapshot(format!("routes.{route}.rules.{rule}: pool {pool_name} is missing"))
    })?;
    let config::Candidate { provider: name, upstream, facts } = candidate;
    let at = || format!("pools.{pool_name}.providers.{name}");
    let config::Provider {
        name: _,
        r#type,
        endpoint,
        region,
        project,
        api_version,
        keys,
        concurrency,
        simulated,
    } = pool
        .providers
        .iter()
        .find(|provider| provider.name == *name)
        .ok_or_else(|| InvalidSnapshot(format!("{} is missing", at())))?;
    let provider = provider::by_name(r#type)
        .ok_or_else(|| InvalidSnapshot(format!("{}.type: this proxy does not know {type}", at())))?;
    let site = OwnedSite {
        endpoint: endpoint.clone(),
        region: region.clone(),
        project: project.clone(),
        api_version: api_version.clone(),
    };
    let via = match (provider.formats(upstream), simulated) {
        ([_, ..], _) => Via::Http,
        ([], Some(simulated)) => {
            Via::Simulated { behaviour: Arc::new(behaviour(simulated)), ordinal: Arc::default() }
        }
        ([], None) => return Err(InvalidSnapshot(format!("{}.simulated is missing", at()))),
    };
    let uris = match model {
        ANY_MODEL => vec![],
        _ => uris(provider, &site.borrow(), upstream)
            .map_err(|error| InvalidSnapshot(format!("{}.endpoint: not a URL: {error}", at())))?,
    };
    let facts = facts_of(provider, upstream, facts)
        .map_err(|error| InvalidSnapshot(format!("{}.facts of {model}: {error}", at())))?;
    let scheme = scheme(provider.auth(), region.as_deref());
    let Books { health, credentials, hooks: _, lessons: _ } = &mut *shop.books;
    Ok(Candidate {
        target: *index,
        identity: identity(pool_name, model),
        priority: *priority,
        weight: *weight,
        only_after: only_after.as_slice().into(),
        is_equivalent: *is_equivalent,
        is_open: model == ANY_MODEL,
        limits,
        pool: shop.names.share(pool_name),
        provider_name: shop.names.share(name),
        provider,
        upstream: upstream.clone(),
        facts,
        site: Arc::new(site),
        uris,
        label: label(pool_name, name, model),
        via,
        keys: Arc::new(
            health.key_ring(pool_name, name, keys, |secret| credentials.authorizer(&scheme, secret)),
        ),
        vitals: health.vitals(
            pool_name,
            name,
            model,
            pool.health,
            shop.metrics.breaker(pool_name, name, model),
        ),
        places: concurrency.map(|settings| health.places(pool_name, name, settings)),
        metrics: Arc::new(LazyTargetMetrics::new(
            shop.metrics,
            [
                shop.names.share(route),
                shop.names.share(rule),
                shop.names.share(pool_name),
                shop.names.share(name),
                shop.names.share(provider.otel_name()),
                shop.names.share(model),
            ],
        )),
        model: model.to_owned(),
    })
}

/// How this provider wants its credentials.
fn scheme(auth: Auth, region: Option<&str>) -> Scheme {
    match auth {
        Auth::Header { name, prefix } => Scheme::Header { name: HeaderName::from_static(name), prefix },
        Auth::Aws { service } => Scheme::Aws(AwsScope {
            service: service.to_owned(),
            // The schema wants one beside AWS credentials. Without it AWS says that the signature is of another region.
            region: region.unwrap_or("us-east-1").to_owned(),
        }),
        Auth::Google => Scheme::Google,
        Auth::Ibm => Scheme::IbmIam { endpoint: None },
        Auth::Azure => Scheme::AzureEntra,
        // Nothing to send it in, and no key comes with it.
        Auth::None => Scheme::Header { name: http::header::AUTHORIZATION, prefix: "Bearer " },
    }
}

/// The catalogue's facts of a model, with what is known better on top.
fn facts_of(
    provider: &dyn Provider,
    model: &str,
    better: &serde_json::Map<String, serde_json::Value>,
) -> serde_json::Result<Facts> {
    let mut facts = catalogue::find(&provider.key(), model).unwrap_or_default();
    if !better.is_empty() {
        facts.overlay(&serde_json::from_value(better.clone().into())?);
    }
    Ok(facts)
}

fn behaviour(simulated: &config::Simulated) -> Behaviour {
    let config::Simulated { latency_ms, tokens_per_second, error_rate, error, reply } = simulated;
    Behaviour {
        latency: Duration::from_millis(*latency_ms),
        tokens_per_second: *tokens_per_second,
        error_rate: *error_rate,
        error: match error {
            config::SimulatedError::Connect => Failure::Connect,
            config::SimulatedError::Timeout => Failure::Timeout,
            config::SimulatedError::RateLimited => Failure::RateLimited,
            config::SimulatedError::ServerError => Failure::ServerError,
            config::SimulatedError::Overloaded => Failure::Overloaded,
            config::SimulatedError::ContextLength => Failure::ContextLength,
            config::SimulatedError::EmptyAnswer => Failure::EmptyAnswer,
            config::SimulatedError::CutStream => Failure::CutStream,
        },
        reply: reply.clone(),
    }
}
