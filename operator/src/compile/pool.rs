//! A ProviderPool to its part of the snapshot.

use std::collections::BTreeMap;

use kube::ResourceExt;
use penstock_config as config;
use penstock_crds::status::reason;
use penstock_crds::{self as crds, ProviderPool, ProviderPoolSpec};
use penstock_llm::catalogue::Overrides;
use penstock_llm::provider;

use super::wallet::Wallet;
use super::world::namespace_of;
use super::{Fragment, Kind, ObjectKey, Problem, Secrets, Verdict, World, facts};

/// The longest time that any field may give. A proxy adds times to its clock, which must not overflow; and nobody
/// waits a day for a token.
pub(super) const LONGEST: crds::Duration = crds::Duration::from_secs(24 * 3600);

/// What became of one pool.
pub(super) struct PoolOutcome<'a> {
    pub key: ObjectKey,
    generation: i64,
    is_readable: bool,
    /// `None` when it is unreadable or Invalid: routes must not resolve against it.
    pub spec: Option<&'a ProviderPoolSpec>,
    pub invalid: Vec<Problem>,
    pub unresolved: Vec<Problem>,
    pub contribution: Option<config::Pool>,
}

impl PoolOutcome<'_> {
    pub fn verdict(&self) -> Verdict {
        Verdict {
            generation: self.generation,
            accepted: Problem::first_of(&self.invalid),
            resolved_refs: if self.is_readable {
                Problem::first_of(&self.unresolved)
            } else {
                Problem::unknown()
            },
            problems: self.invalid.iter().chain(&self.unresolved).cloned().collect(),
            warnings: vec![],
            fragment: Fragment::of(self.contribution.as_ref()),
        }
    }
}

/// Every pool, by `namespace/name`.
pub(super) fn compile_all(world: &World) -> BTreeMap<String, PoolOutcome<'_>> {
    let last = |id: &str| world.last_good.as_ref().and_then(|snapshot| snapshot.pools.get(id));
    let readable = world.pools.iter().map(|pool| {
        let key =
            ObjectKey { kind: Kind::ProviderPool, namespace: namespace_of(pool), name: pool.name_any() };
        let outcome =
            compile(key, pool, last(&format!("{}/{}", namespace_of(pool), pool.name_any())), &world.secrets);
        (outcome.key.id(), outcome)
    });
    let unreadable =
        world.unreadable.iter().filter(|object| object.key.kind == Kind::ProviderPool).map(|object| {
            let id = object.key.id();
            let outcome = PoolOutcome {
                key: object.key.clone(),
                generation: object.generation,
                is_readable: false,
                spec: None,
                invalid: vec![Problem::new(
                    reason::INVALID,
                    "spec",
                    format_args!(
                        "the object cannot be read: {}; correct the field or upgrade Penstock",
                        object.error
                    ),
                )],
                unresolved: vec![],
                contribution: last(&id).cloned(),
            };
            (id, outcome)
        });
    readable.chain(unreadable).collect()
}

fn compile<'a>(
    key: ObjectKey,
    pool: &'a ProviderPool,
    last: Option<&config::Pool>,
    secrets: &Secrets,
) -> PoolOutcome<'a> {
    let generation = pool.metadata.generation.unwrap_or_default();
    let ProviderPoolSpec { providers, health } = &pool.spec;
    let crds::Health { consecutive_failures, cooldown, slow_start } = health;
    let mut problems = Problems::default();
    problems.check_time("spec.health.cooldown", cooldown);
    problems.check_time("spec.health.slowStart", slow_start);

    let providers: Vec<config::Provider> = providers
        .iter()
        .enumerate()
        .filter_map(|(i, provider)| {
            let last = last.and_then(|pool| pool.providers.iter().find(|p| p.name == provider.name));
            let path = format!("spec.providers[{i}]");
            compile_provider(&key.namespace, &path, provider, last, secrets, &mut problems)
        })
        .collect();

    let Problems { invalid, unresolved } = problems;
    let valid = invalid.is_empty();
    let contribution = if !valid {
        last.cloned()
    } else if providers.is_empty() {
        None
    } else {
        let health = config::Health {
            consecutive_failures: *consecutive_failures,
            cooldown_ms: cooldown.as_millis(),
            slow_start_ms: slow_start.as_millis(),
        };
        Some(config::Pool { health, providers })
    };
    PoolOutcome {
        key,
        generation,
        is_readable: true,
        spec: valid.then_some(&pool.spec),
        invalid,
        unresolved,
        contribution,
    }
}

#[derive(Default)]
pub(super) struct Problems {
    invalid: Vec<Problem>,
    pub unresolved: Vec<Problem>,
}

impl Problems {
    fn invalid(&mut self, path: String, text: impl std::fmt::Display) {
        self.invalid.push(Problem::new(reason::INVALID, path, text));
    }

    fn check_time(&mut self, path: &str, time: &crds::Duration) {
        if *time > LONGEST {
            self.invalid(path.to_owned(), format_args!("{time} is longer than {LONGEST}; give less"));
        }
    }
}

/// `None` when it cannot serve: it is Invalid, or needs a key and has none.
fn compile_provider(
    namespace: &str,
    path: &str,
    spec: &crds::Provider,
    last: Option<&config::Provider>,
    secrets: &Secrets,
    problems: &mut Problems,
) -> Option<config::Provider> {
    // `models` is read where a route's target is resolved.
    let crds::Provider {
        name,
        r#type,
        endpoint,
        region,
        project,
        api_version,
        auth,
        models,
        max_concurrent,
        queue,
        simulated,
    } = spec;
    let endpoint = compile_endpoint(path, spec, endpoint.as_deref(), problems);
    check_models(path, models.as_deref().unwrap_or_default(), problems);
    let keys = auth.as_ref().and_then(|auth| {
        let mut wallet = Wallet { namespace, path: format!("{path}.auth"), last, secrets, problems };
        wallet.credentials(auth)
    });
    if let Some(queue) = queue {
        problems.check_time(&format!("{path}.queue.timeout"), &queue.timeout);
    }
    let simulated = simulated_of(path, *r#type, simulated.as_ref(), problems);
    // A provider that names keys and has none of them would only collect 401s.
    if keys.as_ref().is_some_and(Vec::is_empty) {
        return None;
    }
    Some(config::Provider {
        name: name.clone(),
        r#type: type_name(*r#type),
        endpoint: endpoint?,
        region: region.clone(),
        project: project.clone(),
        api_version: api_version.clone(),
        keys: keys.unwrap_or_default(),
        concurrency: max_concurrent.map(|limit| config::Concurrency {
            limit,
            queue: queue.as_ref().map_or(0, |queue| queue.size),
            queue_ms: queue.as_ref().map_or(0, |queue| queue.timeout.as_millis()),
        }),
        simulated,
    })
}

fn compile_endpoint(
    path: &str,
    spec: &crds::Provider,
    given: Option<&str>,
    problems: &mut Problems,
) -> Option<String> {
    let at = || format!("{path}.endpoint");
    let (region, project) = (spec.region.as_deref(), spec.project.as_deref());
    let known = provider::by_name(&type_name(spec.r#type))?;
    if known.formats("").is_empty() {
        return Some(String::new());
    }
    let Some(template) = given.or(known.default_endpoint()) else {
        problems.invalid(
            at(),
            "this provider type has no address of its own; give one, for example http://vllm:8000/v1",
        );
        return None;
    };
    let Some(url) = provider::fill(template, region, project) else {
        let missing = if template.contains("{region}") && region.is_none() { "region" } else { "project" };
        problems.invalid(
            format!("{path}.{missing}"),
            format_args!("the address of this provider type, {template}, needs it; give `{missing}`"),
        );
        return None;
    };
    let site = provider::Site { endpoint: &url, region, project, api_version: spec.api_version.as_deref() };
    let is_usable = |model: &str| urls(known, &site, model).all(|url| url.parse::<http::Uri>().is_ok());
    if !is_base_url(&url) || !is_usable("model") {
        problems.invalid(
            at(),
            format_args!("`{url}` is not a URL with a host; write for example http://vllm:8000/v1"),
        );
        return None;
    }
    let mut is_sound = true;
    for (i, model) in spec.models.iter().flatten().enumerate() {
        let (member, name) = match &model.upstream {
            Some(upstream) => ("upstream", upstream),
            None => ("name", &model.name),
        };
        if !has_url(known, name) || !is_usable(name) {
            is_sound = false;
            problems.invalid(
                format!("{path}.models[{i}].{member}"),
                format_args!(
                    "`{name}` cannot stand in a URL of this provider type; write the provider's own id of the model"
                ),
            );
        }
    }
    is_sound.then_some(url)
}

/// Every URL that a proxy may make for a model.
fn urls<'a>(
    known: &'a dyn provider::Provider,
    site: &'a provider::Site<'a>,
    model: &'a str,
) -> impl Iterator<Item = String> + use<'a> {
    use provider::Call;
    const CALLS: [Call; 4] =
        [Call::Generate { stream: false }, Call::Generate { stream: true }, Call::Embed, Call::CountTokens];
    let formats = known.formats(model).iter();
    formats.flat_map(move |format| {
        CALLS.into_iter().filter_map(move |call| known.url(site, model, *format, call))
    })
}

/// Some providers name the model in the path of their URLs, where `..` would be another path.
fn has_url(known: &dyn provider::Provider, model: &str) -> bool {
    let site = provider::Site { endpoint: "http://host", ..provider::Site::default() };
    known.formats(model).is_empty() || urls(known, &site, model).next().is_some()
}

/// A proxy that meets a URL it cannot use would refuse the whole snapshot, so the schema's pattern is not enough.
fn is_base_url(url: &str) -> bool {
    let Ok(uri) = url.parse::<http::Uri>() else { return false };
    let Some(authority) = uri.authority() else { return false };
    let host = authority.host();
    let plain = match authority.port_u16() {
        Some(port) => authority.as_str() == format!("{host}:{port}"),
        None => authority.as_str() == host,
    };
    plain && !host.is_empty() && matches!(uri.scheme_str(), Some("http" | "https"))
}

fn simulated_of(
    path: &str,
    r#type: crds::ProviderType,
    spec: Option<&crds::Simulated>,
    problems: &mut Problems,
) -> Option<config::Simulated> {
    if r#type != crds::ProviderType::Simulated {
        return None;
    }
    let spec = spec.cloned().unwrap_or_default();
    let crds::Simulated { latency, tokens_per_second, error_rate, error, reply } = spec;
    problems.check_time(&format!("{path}.simulated.latency"), &latency);
    Some(config::Simulated {
        latency_ms: latency.as_millis(),
        tokens_per_second,
        error_rate,
        error: simulated_error(error),
        reply,
    })
}

fn simulated_error(error: crds::SimulatedError) -> config::SimulatedError {
    match error {
        crds::SimulatedError::Connect => config::SimulatedError::Connect,
        crds::SimulatedError::Timeout => config::SimulatedError::Timeout,
        crds::SimulatedError::RateLimited => config::SimulatedError::RateLimited,
        crds::SimulatedError::ServerError => config::SimulatedError::ServerError,
        crds::SimulatedError::Overloaded => config::SimulatedError::Overloaded,
        crds::SimulatedError::ContextLength => config::SimulatedError::ContextLength,
        crds::SimulatedError::EmptyAnswer => config::SimulatedError::EmptyAnswer,
        crds::SimulatedError::CutStream => config::SimulatedError::CutStream,
    }
}

/// As the resource spells it, which is how the registry of provider types does: a test holds them together.
pub(super) fn type_name(r#type: crds::ProviderType) -> String {
    format!("{:?}", r#type)
}

/// The key of a provider type in the catalogue.
pub(super) fn key_of(r#type: crds::ProviderType) -> String {
    provider::by_name(&type_name(r#type)).map(|provider| provider.key()).unwrap_or_default()
}

/// The provider's own id for `model`; `None` when it does not serve it.
pub(super) fn upstream_of(spec: &crds::Provider, model: &str, catalogue: &Overrides) -> Option<String> {
    match &spec.models {
        Some(_) => {
            let listed = listed(spec, model)?;
            Some(listed.upstream.clone().unwrap_or_else(|| listed.name.clone()))
        }
        None => {
            let known = provider::by_name(&type_name(spec.r#type))?;
            let serves = known.serves(model) || catalogue.serves(&known.key(), model);
            (serves && has_url(known, model)).then(|| model.to_owned())
        }
    }
}

/// The pool's own entry for a model.
pub(super) fn listed<'a>(spec: &'a crds::Provider, model: &str) -> Option<&'a crds::PoolModel> {
    spec.models.as_ref()?.iter().find(|listed| listed.name == model)
}

fn check_models(path: &str, models: &[crds::PoolModel], problems: &mut Problems) {
    for (i, model) in models.iter().enumerate() {
        if let Err(facts::BadPrice { field, error }) = facts::of_model(model) {
            problems.invalid(format!("{path}.models[{i}].price.{field}"), error);
        }
        if let Some(crds::Reasoning { min_budget: Some(min), max_budget: Some(max), .. }) = &model.reasoning
            && min > max
        {
            problems.invalid(
                format!("{path}.models[{i}].reasoning.minBudget"),
                format_args!("{min} is above `maxBudget`, {max}"),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_and_registry_are_the_same() {
        let schema = serde_json::to_value(schemars::schema_for!(crds::ProviderType)).unwrap();
        let of_schema: std::collections::BTreeSet<String> = schema["oneOf"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["const"].as_str().unwrap().to_owned())
            .collect();
        let of_registry = provider::REGISTRY.iter().map(|provider| provider.name().to_owned()).collect();
        assert_eq!(of_schema, of_registry);
    }

    #[test]
    fn base_urls() {
        for good in
            ["http://vllm:8000/v1", "https://api.openai.com/v1", "http://[::1]:8000", "http://10.0.0.1"]
        {
            assert!(is_base_url(good), "{good}");
        }
        for bad in
            ["http://", "http:///v1", "http://host:99999", "http://u:p@host", "ftp://host/", "vllm:8000", ""]
        {
            assert!(!is_base_url(bad), "{bad}");
        }
    }
}
