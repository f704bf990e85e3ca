//! A snapshot made ready to serve: names resolved, URLs parsed, metric handles at hand. Immutable.

mod build;
mod candidate;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use penstock_config::{FailoverReason, Hedging, ParameterPolicy, Retries, Revision, Sticky, Strategy};
use penstock_route::Condition;

use crate::auth::Callers;
use crate::health::Seen;
use crate::hooks::Hook;
use crate::lessons::Intents;
use crate::metrics::TargetLabels;
use crate::proxy::InvalidSnapshot;

pub use self::build::Books;
pub use self::candidate::{Candidate, Via};

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

impl Runtime {
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
