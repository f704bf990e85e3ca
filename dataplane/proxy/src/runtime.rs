//! A snapshot made ready to serve: names resolved, URLs parsed, metric handles at hand. Immutable.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::uri::InvalidUri;
use http::{HeaderName, Uri};
use penstock_config as config;
use penstock_config::{
    FailoverReason, Hedging, ParameterPolicy, Retries, Revision, Snapshot, Sticky, Strategy, TimeoutOverrides,
};
use penstock_llm::catalogue::{self, Facts};
use penstock_llm::needs::Needs;
use penstock_llm::provider::{self, Auth, Call, Provider, Site};
use penstock_llm::simulated::{Behaviour, Failure};
use penstock_llm::{Format, Upstream};
use penstock_route::Condition;

use crate::auth::Callers;
use crate::credentials::{AwsScope, CredentialBook, Scheme};
use crate::health::{HealthBook, KeyRing, Places, Seen, Vitals};
use crate::hooks::{Hook, HookBook};
use crate::job::Wire;
use crate::lessons::{Intents, LessonBook};
use crate::metrics::{LazyTargetMetrics, Metrics, TargetLabels};
use crate::proxy::InvalidSnapshot;
use crate::upstream::{Client, Clients};

/// What outlives a change of configuration.
pub struct Books {
    pub health: HealthBook,
    pub credentials: CredentialBook,
    pub hooks: HookBook,
    pub lessons: LessonBook,
}

/// The configuration in force. A request loads it once and keeps it.
pub struct Runtime {
    pub revision: Revision,
    /// The same, to be shared.
    pub revision_name: Arc<str>,
    pub callers: Callers,
    exact: HashMap<String, Arc<Route>>,
    /// Longest first, so that the first match is the most specific one.
    prefixes: Vec<(String, Arc<Route>)>,
}

/// A route.
pub struct Route {
    /// `namespace/name`.
    pub name: Arc<str>,
    /// The first one that a request meets is its rule.
    pub rules: Vec<Arc<Rule>>,
    pub failover_on: Vec<FailoverReason>,
    pub max_attempts: usize,
    pub retries: Retries,
    pub hedging: Option<Hedging>,
    pub parameter_policy: ParameterPolicy,
    /// Asked in this order, before the rules are looked at.
    pub hooks: Vec<Arc<Hook>>,
    /// What conditions call the request's intent.
    pub intents: Option<Intents>,
}

/// A rule of a route.
pub struct Rule {
    pub name: Arc<str>,
    /// Without one, the rule takes every request.
    pub when: Option<Arc<Condition>>,
    pub strategy: Strategy,
    pub sticky: Option<Sticky>,
    pub targets: Vec<Target>,
    /// The whole request, all attempts and the stream included.
    pub total: Duration,
    pub screen: Screen,
}

/// What all targets of a rule can do, so that most requests need not be read to know that each target can serve them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Screen {
    /// Some target lacks an ability.
    pub is_partial: bool,
    /// The smallest known window, tokens.
    pub window: Option<u64>,
}

/// A target of a rule.
pub struct Target {
    pub candidates: Vec<Arc<Candidate>>,
    /// For a target without a model of its own.
    pub any: Option<AnyModel>,
}

/// Who serves the models that clients name.
pub struct AnyModel {
    /// The models that providers list.
    pub listed: HashMap<String, Vec<Arc<Candidate>>>,
    /// Providers that are asked for any model that they are known to serve.
    pub open: Vec<Arc<Candidate>>,
}

impl Target {
    /// Who can be asked for this model.
    pub fn candidates_for(&self, model: &str) -> Vec<Arc<Candidate>> {
        let Some(AnyModel { listed, open }) = &self.any else { return self.candidates.clone() };
        let mut found = listed.get(model).cloned().unwrap_or_default();
        for candidate in open {
            if !found.iter().any(|known| known.provider_name == candidate.provider_name) {
                found.extend(candidate.named(model).map(Arc::new));
            }
        }
        found
    }

    /// One of those who can be asked for a model that the client names.
    pub fn first_for(&self, model: &str) -> Option<&Candidate> {
        let AnyModel { listed, open } = self.any.as_ref()?;
        let of_list = listed.get(model).and_then(|candidates| candidates.first());
        of_list.or_else(|| open.iter().find(|open| open.named(model).is_some())).map(|found| &**found)
    }

    fn all(&self) -> impl Iterator<Item = &Arc<Candidate>> {
        let any = self.any.iter().flat_map(|any| any.listed.values().flatten().chain(&any.open));
        self.candidates.iter().chain(any)
    }
}

impl Rule {
    /// Every candidate that the configuration names.
    pub fn candidates(&self) -> impl Iterator<Item = &Arc<Candidate>> {
        self.targets.iter().flat_map(Target::all)
    }
}

/// One provider's model, as a target of one rule.
pub struct Candidate {
    /// Which target of its rule it belongs to.
    pub target: usize,
    /// The same in every proxy and configuration that has this target.
    pub identity: u64,
    pub priority: u32,
    pub weight: u32,
    /// Failures after which alone it is tried; empty for always.
    pub only_after: Arc<[FailoverReason]>,
    /// Nobody wrote it down: it is of the same class as a target that asks for equivalents.
    pub is_equivalent: bool,
    /// Clients name the model, not the configuration.
    pub is_open: bool,
    pub limits: Limits,
    /// `namespace/name` of the pool.
    pub pool: Arc<str>,
    /// The provider's name in its pool.
    pub provider_name: Arc<str>,
    pub provider: &'static dyn Provider,
    /// The model as the pool names it; `*` for whatever clients name.
    pub model: String,
    /// The provider's own id for the model.
    pub upstream: String,
    /// The catalogue's, with what the pool and the operator know better.
    pub facts: Facts,
    site: Arc<OwnedSite>,
    uris: Vec<(Wired, Uri)>,
    /// `pool/provider/model`, for `x-penstock-target` and messages.
    pub label: Arc<str>,
    pub via: Via,
    pub keys: Arc<KeyRing>,
    pub vitals: Arc<Vitals>,
    pub places: Option<Arc<Places>>,
    pub metrics: Arc<LazyTargetMetrics>,
}

/// How long the steps of an attempt may take, and the connections that are made in time.
#[derive(Clone)]
pub struct Limits {
    pub client: Client,
    /// To the first meaningful event of a stream.
    pub first_token: Duration,
    /// To the end of an answer that is not streamed; `None`: an even share of what is left.
    pub answer: Option<Duration>,
    /// Silence inside an answer.
    pub idle: Duration,
}

/// The owned form of [`Site`].
struct OwnedSite {
    endpoint: String,
    region: Option<String>,
    project: Option<String>,
    api_version: Option<String>,
}

/// A call and the format that it is written in.
type Wired = (Format, Call);

/// How a candidate is reached.
#[derive(Clone)]
pub enum Via {
    Http,
    Simulated { behaviour: Arc<Behaviour>, ordinal: Arc<AtomicU64> },
}

impl Candidate {
    /// What dialects must know of it.
    pub fn upstream(&self) -> Upstream<'_> {
        Upstream {
            model: &self.upstream,
            provider: self.provider,
            facts: &self.facts,
            site: self.site.borrow(),
        }
    }

    /// Where this call goes; `None` where the provider has none.
    pub fn uri(&self, format: Format, call: Call) -> Option<&Uri> {
        self.uris.iter().find(|(wired, _)| *wired == (format, call)).map(|(_, uri)| uri)
    }

    pub fn uri_of(&self, wire: Wire, stream: bool) -> Option<&Uri> {
        match wire {
            Wire::Generate { format, .. } => self.uri(format, Call::Generate { stream }),
            Wire::CountTokens(format) => self.uri(format, Call::CountTokens),
            Wire::Embed { .. } => {
                self.uris.iter().find(|((_, call), _)| *call == Call::Embed).map(|(_, uri)| uri)
            }
            Wire::Nothing => None,
        }
    }

    /// Numbers a simulated provider's requests, so that its failures spread evenly.
    pub fn next_ordinal(ordinal: &AtomicU64) -> u64 {
        ordinal.fetch_add(1, Ordering::Relaxed)
    }
}

impl Candidate {
    /// The same provider, asked for a model that the client names; `None` where it is not known to serve it.
    fn named(&self, model: &str) -> Option<Self> {
        if !self.provider.serves(model) {
            return None;
        }
        let uris = uris(self.provider, &self.site.borrow(), model).ok()?;
        if uris.is_empty() && matches!(self.via, Via::Http) {
            return None;
        }
        Some(Self {
            target: self.target,
            identity: self.identity,
            priority: self.priority,
            weight: self.weight,
            only_after: self.only_after.clone(),
            is_equivalent: self.is_equivalent,
            is_open: true,
            limits: self.limits.clone(),
            pool: self.pool.clone(),
            provider_name: self.provider_name.clone(),
            provider: self.provider,
            model: model.to_owned(),
            upstream: model.to_owned(),
            facts: catalogue::find(&self.provider.key(), model).unwrap_or_default(),
            site: self.site.clone(),
            uris,
            label: label(&self.pool, &self.provider_name, model),
            via: self.via.clone(),
            keys: self.keys.clone(),
            vitals: self.vitals.clone(),
            places: self.places.clone(),
            // Clients name the model: a series of its own for each name would let them make as many as they like.
            metrics: self.metrics.clone(),
        })
    }
}

/// In the labels of a provider that is asked for whatever clients name.
const ANY_MODEL: &str = "*";

fn identity(pool: &str, model: &str) -> u64 {
    let digest = ring::digest::digest(&ring::digest::SHA256, format!("{pool}\0{model}").as_bytes());
    let first = digest.as_ref().first_chunk::<8>();
    first.map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

fn label(pool: &str, provider: &str, model: &str) -> Arc<str> {
    let short_pool = pool.rsplit('/').next().unwrap_or(pool);
    format!("{short_pool}/{provider}/{model}").into()
}

impl OwnedSite {
    fn borrow(&self) -> Site<'_> {
        let Self { endpoint, region, project, api_version } = self;
        Site {
            endpoint,
            region: region.as_deref(),
            project: project.as_deref(),
            api_version: api_version.as_deref(),
        }
    }
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

    fn routes(&self) -> impl Iterator<Item = &Arc<Route>> {
        self.exact.values().chain(self.prefixes.iter().map(|(_, route)| route))
    }

    /// Every target, as far as its health goes.
    pub fn seen(&self) -> impl Iterator<Item = Seen<'_>> {
        // A route is there once for each of its names.
        let mut routes = HashSet::new();
        let routes = self.routes().filter(move |route| routes.insert(Arc::as_ptr(route)));
        routes.flat_map(|route| &route.rules).flat_map(|rule| rule.candidates()).map(|candidate| Seen {
            pool: &candidate.pool,
            provider: &candidate.provider_name,
            model: &candidate.model,
            breaker: &candidate.vitals.breaker,
            keys: &candidate.keys,
        })
    }

    /// Labels of every target, as its metrics have them.
    pub fn target_labels(&self) -> BTreeSet<TargetLabels<'_>> {
        let mut labels = BTreeSet::new();
        for route in self.routes() {
            for rule in &route.rules {
                labels.extend(rule.candidates().map(|c| {
                    [
                        &*route.name,
                        &*rule.name,
                        &*c.pool,
                        &*c.provider_name,
                        c.provider.otel_name(),
                        c.model.as_str(),
                    ]
                }));
            }
        }
        labels
    }

    /// Route and rule of every rule.
    pub fn rule_labels(&self) -> BTreeSet<[&str; 2]> {
        let mut labels = BTreeSet::new();
        for route in self.routes() {
            labels.extend(route.rules.iter().map(|rule| [&*route.name, &*rule.name]));
        }
        labels
    }

    /// Route and name of every hook.
    pub fn hook_labels(&self) -> BTreeSet<[&str; 2]> {
        let mut labels = BTreeSet::new();
        for route in self.routes() {
            labels.extend(route.hooks.iter().map(|hook| [&*route.name, hook.name.as_str()]));
        }
        labels
    }

    fn add_name(&mut self, model: &str, route: &Arc<Route>) -> Result<(), InvalidSnapshot> {
        let taken = match model.strip_suffix('*') {
            Some(prefix) => {
                let taken = self.prefixes.iter().any(|(other, _)| other == prefix);
                self.prefixes.push((prefix.to_owned(), route.clone()));
                taken
            }
            None => self.exact.insert(model.to_owned(), route.clone()).is_some(),
        };
        if taken {
            return Err(InvalidSnapshot(format!(
                "routes.{}.models: {model} belongs to another route too",
                route.name
            )));
        }
        Ok(())
    }

    /// The route for what a client put in `model`: an exact name beats a prefix, a longer prefix a shorter one.
    pub fn route(&self, model: &str) -> Option<&Arc<Route>> {
        self.exact.get(model).or_else(|| {
            self.prefixes.iter().find(|(prefix, _)| model.starts_with(prefix)).map(|(_, route)| route)
        })
    }

    /// Could a request for this name be served? A name that a route leaves to its pools must be known to one of them.
    pub fn has_model(&self, model: &str) -> bool {
        let serves = |target: &Target| target.any.is_none() || !target.candidates_for(model).is_empty();
        let Some(route) = self.route(model) else { return false };
        let mut targets = route.rules.iter().flat_map(|rule| &rule.targets).peekable();
        // A route that is broken is there all the same.
        targets.peek().is_none() || targets.any(serves)
    }

    /// Names that clients can ask for as they stand, sorted: those of routes, and the models that the pools behind
    /// names with a `*` list.
    pub fn model_names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.exact.keys().map(String::as_str).collect();
        for (prefix, route) in &self.prefixes {
            let targets = route.rules.iter().flat_map(|rule| &rule.targets);
            let listed = targets.filter_map(|target| target.any.as_ref()).flat_map(|any| any.listed.keys());
            names.extend(listed.map(String::as_str).filter(|name| name.starts_with(prefix.as_str())));
        }
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Up to five names that look like this one.
    pub fn close_names(&self, model: &str) -> Vec<&str> {
        // Comparing takes time by the product of the lengths, and the client says one of them.
        if model.len() > 256 {
            return Vec::new();
        }
        let mut scored: Vec<(f64, &str)> = self
            .exact
            .keys()
            .map(|name| (strsim::jaro_winkler(model, name), name.as_str()))
            .filter(|(score, _)| *score > 0.75)
            .collect();
        scored.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
        scored.into_iter().take(5).map(|(_, name)| name).collect()
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

/// Every URL that the provider has for this model.
fn uris(provider: &dyn Provider, site: &Site<'_>, model: &str) -> Result<Vec<(Wired, Uri)>, InvalidUri> {
    let calls =
        [Call::Generate { stream: false }, Call::Generate { stream: true }, Call::Embed, Call::CountTokens];
    let formats = provider.formats(model);
    let wired = formats.iter().flat_map(|format| calls.map(|call| (*format, call)));
    wired
        .filter_map(|(format, call)| Some(((format, call), provider.url(site, model, format, call)?)))
        .map(|(wired, url)| Ok((wired, url.parse()?)))
        .collect()
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
