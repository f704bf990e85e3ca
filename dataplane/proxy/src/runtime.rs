//! A snapshot made ready to serve: names resolved, URLs parsed, metric handles at hand. Immutable.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::uri::InvalidUri;
use http::{HeaderName, Uri};
use penstock_config as config;
use penstock_config::{FailoverReason, ParameterPolicy, Revision, Snapshot};
use penstock_llm::catalogue::{self, Facts};
use penstock_llm::provider::{self, Auth, Call, Provider, Site};
use penstock_llm::simulated::{Behaviour, Failure};
use penstock_llm::{Format, Upstream};
use penstock_route::Condition;

use crate::auth::Callers;
use crate::credentials::{AwsScope, CredentialBook, Scheme};
use crate::health::{Breaker, HealthBook, KeyRing};
use crate::job::Wire;
use crate::metrics::{Metrics, TargetLabels, TargetMetrics};
use crate::proxy::InvalidSnapshot;
use crate::upstream::{Client, Clients};

/// What outlives a change of configuration.
pub struct Books {
    pub health: HealthBook,
    pub credentials: CredentialBook,
}

/// The configuration in force. A request loads it once and keeps it.
pub struct Runtime {
    pub revision: Revision,
    pub callers: Callers,
    exact: HashMap<String, Arc<Route>>,
    /// Longest first, so that the first match is the most specific one.
    prefixes: Vec<(String, Arc<Route>)>,
}

/// A route.
pub struct Route {
    /// `namespace/name`.
    pub name: String,
    /// The first one that a request meets is its rule.
    pub rules: Vec<Arc<Rule>>,
    pub failover_on: Vec<FailoverReason>,
    pub max_attempts: usize,
    pub first_token: Duration,
    pub idle: Duration,
    pub total: Duration,
    pub client: Client,
    pub parameter_policy: ParameterPolicy,
}

/// A rule of a route.
pub struct Rule {
    pub name: String,
    /// Without one, the rule takes every request.
    pub when: Option<Condition>,
    pub targets: Vec<Target>,
}

pub struct Target {
    pub priority: u32,
    pub weight: u32,
    pub candidates: Vec<Arc<Candidate>>,
}

/// One provider's model, as a target of one rule.
pub struct Candidate {
    /// `namespace/name` of the pool.
    pub pool: String,
    /// The provider's name in its pool.
    pub provider_name: String,
    pub provider: &'static dyn Provider,
    /// The model as the pool names it.
    pub model: String,
    /// The provider's own id for the model.
    pub upstream: String,
    /// The catalogue's, with what the pool and the operator know better.
    pub facts: Facts,
    site: OwnedSite,
    uris: Vec<(Wired, Uri)>,
    /// `pool/provider/model`, for `x-penstock-target` and messages.
    pub label: String,
    pub via: Via,
    pub keys: KeyRing,
    pub breaker: Arc<Breaker>,
    pub metrics: TargetMetrics,
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
pub enum Via {
    Http,
    Simulated { behaviour: Behaviour, ordinal: AtomicU64 },
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
        metrics: &Metrics,
        clients: &Clients,
    ) -> Result<Self, InvalidSnapshot> {
        let callers = Callers::from_config(&snapshot.auth)
            .ok_or_else(|| InvalidSnapshot("auth.keys: a key's sha256 is not 64 hex digits".into()))?;
        let mut runtime =
            Self { revision: snapshot.revision(), callers, exact: HashMap::new(), prefixes: Vec::new() };
        for (name, route) in &snapshot.routes {
            let built = Arc::new(build_route(name, route, snapshot, books, metrics, clients)?);
            for model in &route.models {
                runtime.add_name(model, &built)?;
            }
        }
        runtime.prefixes.sort_by(|a, b| b.0.len().cmp(&a.0.len()).then_with(|| a.0.cmp(&b.0)));
        let in_use: Vec<u64> = snapshot.routes.values().map(|route| route.failover.connect_ms).collect();
        clients.keep_only(&in_use);
        Ok(runtime)
    }

    fn routes(&self) -> impl Iterator<Item = &Arc<Route>> {
        self.exact.values().chain(self.prefixes.iter().map(|(_, route)| route))
    }

    /// Labels of every target, as its metrics have them.
    pub fn target_labels(&self) -> BTreeSet<TargetLabels<'_>> {
        let mut labels = BTreeSet::new();
        for route in self.routes() {
            for rule in &route.rules {
                labels.extend(rule.targets.iter().flat_map(|target| &target.candidates).map(|c| {
                    [
                        route.name.as_str(),
                        rule.name.as_str(),
                        c.pool.as_str(),
                        c.provider_name.as_str(),
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
            labels.extend(route.rules.iter().map(|rule| [route.name.as_str(), rule.name.as_str()]));
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

    /// Names that clients can ask for as they stand, sorted.
    pub fn model_names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.exact.keys().map(String::as_str).collect();
        names.sort_unstable();
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

fn build_route(
    name: &str,
    route: &config::Route,
    snapshot: &Snapshot,
    books: &mut Books,
    metrics: &Metrics,
    clients: &Clients,
) -> Result<Route, InvalidSnapshot> {
    let config::Route { models: _, rules, failover, parameter_policy } = route;
    let config::Failover { reasons, max_attempts, connect_ms, first_token_ms, idle_ms, total_ms } = failover;
    let rules: Result<Vec<_>, _> =
        rules.iter().map(|rule| build_rule(name, rule, snapshot, books, metrics).map(Arc::new)).collect();
    Ok(Route {
        name: name.to_owned(),
        rules: rules?,
        failover_on: reasons.clone(),
        max_attempts: *max_attempts as usize,
        first_token: Duration::from_millis(*first_token_ms),
        idle: Duration::from_millis(*idle_ms),
        total: Duration::from_millis(*total_ms),
        client: clients.get(*connect_ms),
        parameter_policy: *parameter_policy,
    })
}

fn build_rule(
    name: &str,
    rule: &config::Rule,
    snapshot: &Snapshot,
    books: &mut Books,
    metrics: &Metrics,
) -> Result<Rule, InvalidSnapshot> {
    let config::Rule { name: rule_name, when, targets } = rule;
    let when = when
        .as_deref()
        .map(Condition::parse)
        .transpose()
        .map_err(|mistake| InvalidSnapshot(format!("routes.{name}.rules.{rule_name}.when: {mistake}")))?;
    let mut built = Vec::with_capacity(targets.len());
    for target in targets {
        let config::Target { pool, model, priority, weight, candidates } = target;
        let pool_config = snapshot.pools.get(pool).ok_or_else(|| {
            InvalidSnapshot(format!("routes.{name}.rules.{rule_name}: pool {pool} is missing"))
        })?;
        let candidates: Result<Vec<_>, _> = candidates
            .iter()
            .map(|c| {
                build_candidate([name, rule_name, pool, model], c, pool_config, books, metrics).map(Arc::new)
            })
            .collect();
        built.push(Target { priority: *priority, weight: *weight, candidates: candidates? });
    }
    Ok(Rule { name: rule_name.clone(), when, targets: built })
}

fn build_candidate(
    [route, rule, pool_name, model]: [&str; 4],
    candidate: &config::Candidate,
    pool: &config::Pool,
    books: &mut Books,
    metrics: &Metrics,
) -> Result<Candidate, InvalidSnapshot> {
    let config::Candidate { provider: name, upstream, facts } = candidate;
    let at = || format!("pools.{pool_name}.providers.{name}");
    let config::Provider { name: _, r#type, endpoint, region, project, api_version, keys, simulated } = pool
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
            Via::Simulated { behaviour: behaviour(simulated), ordinal: AtomicU64::new(0) }
        }
        ([], None) => return Err(InvalidSnapshot(format!("{}.simulated is missing", at()))),
    };
    let uris = uris(provider, &site.borrow(), upstream)
        .map_err(|error| InvalidSnapshot(format!("{}.endpoint: not a URL: {error}", at())))?;
    let facts = facts_of(provider, upstream, facts)
        .map_err(|error| InvalidSnapshot(format!("{}.facts of {model}: {error}", at())))?;
    let scheme = scheme(provider.auth(), region.as_deref());
    let short_pool = pool_name.rsplit('/').next().unwrap_or(pool_name);
    Ok(Candidate {
        pool: pool_name.to_owned(),
        provider_name: name.clone(),
        provider,
        upstream: upstream.clone(),
        facts,
        site,
        uris,
        label: format!("{short_pool}/{name}/{model}"),
        via,
        keys: books
            .health
            .key_ring(pool_name, name, keys, |secret| books.credentials.authorizer(&scheme, secret)),
        breaker: books.health.breaker(
            pool_name,
            name,
            model,
            pool.health,
            metrics.breaker(pool_name, name, model),
        ),
        metrics: metrics.target([route, rule, pool_name, name, provider.otel_name(), model]),
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
