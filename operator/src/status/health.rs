//! The health of targets and providers over all proxies. Pure.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use penstock_crds::status::{
    Credentials, Health, LastError, MOST_MODELS, MOST_REFUSED_KEYS, MOST_TARGETS, ModelStatus, PoolHealth,
    ProviderStatus, RouteHealth, TargetStatus, reason,
};
use serde::Serialize;

use crate::compile::{Kind, ObjectKey};
use crate::report::{Ailing, Open, Report};
use crate::served::{Served, ServedProvider, ServedTarget};

/// The part of a status that speaks of health.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum ObjectHealth {
    Route(RouteHealth),
    Pool(PoolHealth),
}

/// What all proxies say, by what they say it of. Each saying has the number of its proxy.
pub struct FleetHealth<'a> {
    /// How many proxies report.
    proxies: usize,
    open: HashMap<(&'a str, &'a str, &'a str), Said<'a, Open>>,
    ailing: HashMap<(&'a str, &'a str), Said<'a, Ailing>>,
}

/// Proxies, and what each says.
type Said<'a, T> = Vec<(usize, &'a T)>;

impl<'a> FleetHealth<'a> {
    pub fn of(reports: &'a [Arc<Report>]) -> Self {
        let mut fleet = Self { proxies: reports.len(), open: HashMap::new(), ailing: HashMap::new() };
        for (proxy, report) in reports.iter().enumerate() {
            let Report { open, ailing } = &**report;
            for ((pool, provider, model), open) in open {
                fleet.open.entry((pool, provider, model)).or_default().push((proxy, open));
            }
            for ((pool, provider), ailing) in ailing {
                fleet.ailing.entry((pool, provider)).or_default().push((proxy, ailing));
            }
        }
        fleet
    }

    pub fn of_object(&self, key: &ObjectKey, served: &Served) -> ObjectHealth {
        match key.kind {
            Kind::ModelRoute => ObjectHealth::Route(self.of_route(served.route(&key.id()))),
            Kind::ProviderPool => {
                let id = key.id();
                ObjectHealth::Pool(self.of_pool(&id, served.pool(&id)))
            }
        }
    }

    fn of_route(&self, served: &[ServedTarget]) -> RouteHealth {
        let mut targets: Vec<TargetStatus> = served.iter().map(|target| self.target(target)).collect();
        let healthy = targets.iter().filter(|target| target.health == Health::Healthy).count();
        let all = targets.len();
        targets.sort_by_key(|target| Reverse(target.health));
        targets.truncate(MOST_TARGETS);
        RouteHealth {
            healthy: (all > 0 && self.proxies > 0).then(|| format!("{healthy}/{all}")),
            more_targets: more(all, targets.len()),
            targets,
        }
    }

    fn target(&self, served: &ServedTarget) -> TargetStatus {
        let ServedTarget { rule, name: (pool, provider, model) } = served;
        let troubles = self.troubles(pool, provider, model);
        let (health, usable) = self.usable(&troubles);
        TargetStatus {
            rule: rule.clone(),
            pool: pool.rsplit('/').next().unwrap_or(pool).to_owned(),
            provider: provider.clone(),
            model: model.clone(),
            health,
            proxies: (health > Health::Healthy).then(|| format!("{usable}/{}", self.proxies)),
            cooldown_until: latest(&troubles),
            last_error: prevailing(&troubles),
        }
    }

    fn of_pool(&self, pool: &str, served: &[ServedProvider]) -> PoolHealth {
        let providers: Vec<ProviderStatus> =
            served.iter().map(|provider| self.provider(pool, provider)).collect();
        let known = providers.iter().filter(|provider| provider.health != Health::Unknown).count();
        let healthy = providers.iter().filter(|provider| provider.health == Health::Healthy).count();
        PoolHealth { healthy: (known > 0).then(|| format!("{healthy}/{known}")), providers }
    }

    fn provider(&self, pool: &str, served: &ServedProvider) -> ProviderStatus {
        let ServedProvider { name, has_keys, models } = served;
        let ailing = self.ailing.get(&(pool, name)).map_or(&[][..], Vec::as_slice);
        let credentials = self.credentials(ailing).filter(|state| *has_keys || *state > Credentials::Valid);

        let mut worst = Health::Unknown;
        let mut best = Health::Unavailable;
        let mut failing = Vec::new();
        let mut troubles: Vec<Trouble<'_>> = ailing.iter().map(|(n, keys)| Trouble::Keys(*n, keys)).collect();
        for model in models {
            let of_model = self.troubles(pool, name, model);
            let (health, usable) = self.usable(&of_model);
            (worst, best) = (worst.max(health), best.min(health));
            let own: Vec<Trouble<'_>> =
                of_model.into_iter().filter(|t| matches!(t, Trouble::Open(..))).collect();
            if !own.is_empty() {
                failing.push(ModelStatus {
                    name: model.clone(),
                    health,
                    proxies: format!("{usable}/{}", self.proxies),
                    reason: prevailing(&own).map(|error| error.reason),
                });
                troubles.extend(own);
            }
        }
        failing.sort_by_key(|model| Reverse(model.health));
        let all = failing.len();
        failing.truncate(MOST_MODELS);

        let health = match (models.is_empty(), best, worst) {
            (true, ..) => Health::Unknown,
            (_, Health::Unavailable, _) => Health::Unavailable,
            (_, _, Health::Degraded | Health::Unavailable) => Health::Degraded,
            _ if credentials.is_some_and(|state| state > Credentials::Valid) => Health::Degraded,
            (_, _, known) => known,
        };
        let refused: BTreeSet<&String> = ailing.iter().flat_map(|(_, keys)| &keys.refused_ids).collect();
        ProviderStatus {
            name: name.clone(),
            health,
            credentials,
            refused_keys: refused.into_iter().take(MOST_REFUSED_KEYS).cloned().collect(),
            cooldown_until: latest(&troubles),
            last_error: prevailing(&troubles),
            more_models: more(all, failing.len()),
            models: failing,
        }
    }

    fn credentials(&self, ailing: &[(usize, &Ailing)]) -> Option<Credentials> {
        let refused = ailing.iter().filter(|(_, keys)| keys.all_refused).count();
        Some(if self.proxies == 0 {
            Credentials::Unknown
        } else if refused == self.proxies {
            Credentials::Refused
        } else if ailing.iter().any(|(_, keys)| keys.some_refused) {
            Credentials::PartlyRefused
        } else if ailing.is_empty() {
            Credentials::Valid
        } else {
            Credentials::RateLimited
        })
    }

    /// What keeps proxies from using a target.
    fn troubles(&self, pool: &str, provider: &str, model: &str) -> Vec<Trouble<'a>> {
        let open = self.open.get(&(pool, provider, model)).into_iter().flatten();
        let ailing = self.ailing.get(&(pool, provider)).into_iter().flatten();
        let none_usable = ailing.filter(|(_, keys)| keys.none_until.is_some());
        open.map(|(n, open)| Trouble::Open(*n, open))
            .chain(none_usable.map(|(n, keys)| Trouble::Keys(*n, keys)))
            .collect()
    }

    /// Health of what has these troubles, and how many proxies can use it.
    fn usable(&self, troubles: &[Trouble<'_>]) -> (Health, usize) {
        let unable: BTreeSet<usize> = troubles.iter().map(Trouble::proxy).collect();
        let usable = self.proxies.saturating_sub(unable.len());
        let health = match (self.proxies, usable) {
            (0, _) => Health::Unknown,
            (_, 0) => Health::Unavailable,
            (all, usable) if usable == all => Health::Healthy,
            _ => Health::Degraded,
        };
        (health, usable)
    }
}

/// What one proxy has against a target or a provider.
enum Trouble<'a> {
    Open(usize, &'a Open),
    Keys(usize, &'a Ailing),
}

impl Trouble<'_> {
    fn proxy(&self) -> usize {
        match self {
            Self::Open(proxy, _) | Self::Keys(proxy, _) => *proxy,
        }
    }

    fn until(&self) -> Option<Timestamp> {
        match self {
            Self::Open(_, open) => Some(open.until),
            Self::Keys(_, keys) => keys.none_until,
        }
    }

    fn error(&self) -> Option<LastError> {
        match self {
            Self::Open(_, open) => open.error.as_ref().map(|error| LastError {
                reason: error.reason.clone(),
                message: error.message.clone(),
                time: Some(Time(error.time)),
            }),
            Self::Keys(_, keys) if keys.some_refused => Some(LastError {
                reason: reason::CREDENTIALS_REFUSED.into(),
                message: match keys.refused_ids.as_slice() {
                    [] => "the provider refuses the credentials".into(),
                    ids => format!("the provider refuses {}", ids.join(", ")),
                },
                time: None,
            }),
            Self::Keys(..) => Some(LastError {
                reason: "RateLimited".into(),
                message: "every key rests after a 429".into(),
                time: None,
            }),
        }
    }
}

fn latest(troubles: &[Trouble<'_>]) -> Option<Time> {
    troubles.iter().filter_map(Trouble::until).max().map(Time)
}

/// The newest error of the reason that most have. Of two, the one that is not about a single model: a refused key
/// makes breakers open too.
fn prevailing(troubles: &[Trouble<'_>]) -> Option<LastError> {
    let mut reasons: BTreeMap<String, (BTreeSet<usize>, bool, LastError)> = BTreeMap::new();
    for trouble in troubles {
        let Some(error) = trouble.error() else { continue };
        let is_of_keys = matches!(trouble, Trouble::Keys(..));
        let (proxies, of_keys, newest) = reasons
            .entry(error.reason.clone())
            .or_insert_with(|| (BTreeSet::new(), is_of_keys, error.clone()));
        proxies.insert(trouble.proxy());
        *of_keys |= is_of_keys;
        if error.time > newest.time {
            *newest = error;
        }
    }
    let most = reasons.into_values().rev().max_by_key(|(proxies, of_keys, _)| (proxies.len(), *of_keys));
    most.map(|(_, _, error)| error)
}

fn more(all: usize, listed: usize) -> Option<u32> {
    u32::try_from(all.saturating_sub(listed)).ok().filter(|more| *more > 0)
}

#[cfg(test)]
mod tests {
    use penstock_config::{AilingKeys, KeysHealth, LastFailure, OpenBreaker, TargetHealth};

    use super::*;

    fn now() -> Timestamp {
        "2026-01-02T03:04:05Z".parse().unwrap()
    }

    fn open(model: &str, reason: &str, cooldown_ms: u64) -> TargetHealth {
        let last_failure = Some(LastFailure { reason: reason.into(), message: "no".into(), age_ms: 0 });
        TargetHealth {
            pool: "ai/p".into(),
            provider: "o".into(),
            model: model.into(),
            open: Some(OpenBreaker { cooldown_ms, last_failure }),
        }
    }

    fn keys(usable: u32, rate_limited: u32, refused: u32) -> KeysHealth {
        let refused_ids = (0..refused).map(|i| format!("s/{i}")).collect();
        let ailing = AilingKeys { usable, rate_limited, refused, refused_ids, cooldown_ms: 30_000 };
        KeysHealth { pool: "ai/p".into(), provider: "o".into(), ailing: Some(ailing) }
    }

    fn proxy(targets: Vec<TargetHealth>, keys: Vec<KeysHealth>) -> Arc<Report> {
        let mut report = Report::default();
        report.hear(targets, keys, now());
        Arc::new(report)
    }

    fn target(model: &str) -> ServedTarget {
        ServedTarget { rule: "r".into(), name: ("ai/p".into(), "o".into(), model.into()) }
    }

    fn provider(models: &[&str]) -> ServedProvider {
        ServedProvider {
            name: "o".into(),
            has_keys: true,
            models: models.iter().map(|&model| model.into()).collect(),
        }
    }

    fn route(reports: &[Arc<Report>], models: &[&str]) -> RouteHealth {
        let targets: Vec<ServedTarget> = models.iter().map(|model| target(model)).collect();
        FleetHealth::of(reports).of_route(&targets)
    }

    fn only_provider(reports: &[Arc<Report>], served: ServedProvider) -> ProviderStatus {
        FleetHealth::of(reports).of_pool("ai/p", &[served]).providers.remove(0)
    }

    #[test]
    fn a_target_is_as_well_as_the_proxies_say() {
        let well = || proxy(vec![], vec![]);
        let ill = |ms| proxy(vec![open("m", "Connect", ms)], vec![]);
        let cases = [
            (vec![], Health::Unknown, None, None),
            (vec![well(), well()], Health::Healthy, None, None),
            (vec![well(), ill(5000)], Health::Degraded, Some("1/2"), Some("2026-01-02T03:04:10Z")),
            (vec![ill(0), ill(60_000)], Health::Unavailable, Some("0/2"), Some("2026-01-02T03:05:05Z")),
        ];
        for (reports, health, proxies, until) in cases {
            let route = route(&reports, &["m", "n"]);
            let target = route.targets.iter().find(|target| target.model == "m").unwrap();
            assert_eq!((target.health, target.proxies.as_deref()), (health, proxies));
            assert_eq!(target.cooldown_until.as_ref().map(|time| time.0.to_string()).as_deref(), until);
            assert_eq!(target.last_error.is_some(), until.is_some());
            let other = route.targets.iter().find(|target| target.model == "n").unwrap();
            assert_eq!(other.health, health.min(Health::Healthy));
            let healthy = match health {
                Health::Unknown => None,
                Health::Healthy => Some("2/2"),
                Health::Degraded | Health::Unavailable => Some("1/2"),
            };
            assert_eq!(route.healthy.as_deref(), healthy);
            assert_eq!((route.targets[0].pool.as_str(), route.more_targets), ("p", None));
        }
    }

    #[test]
    fn the_worst_come_first_and_the_rest_is_a_number() {
        let models: Vec<String> = (0..70).map(|i| format!("m{i:02}")).collect();
        let models: Vec<&str> = models.iter().map(String::as_str).collect();
        let ill = proxy(vec![open("m69", "Connect", 1), open("m42", "Connect", 1)], vec![]);
        let half = proxy(vec![open("m69", "Connect", 1)], vec![]);
        let route = route(&[ill, half], &models);
        let first: Vec<(&str, Health)> =
            route.targets.iter().take(3).map(|t| (t.model.as_str(), t.health)).collect();
        assert_eq!(
            first,
            [("m69", Health::Unavailable), ("m42", Health::Degraded), ("m00", Health::Healthy)]
        );
        assert_eq!((route.targets.len(), route.more_targets), (MOST_TARGETS, Some(6)));
        assert_eq!(route.healthy.as_deref(), Some("68/70"));
    }

    #[test]
    fn the_reason_is_the_one_that_most_proxies_have() {
        let ill = |reason| proxy(vec![open("m", reason, 1)], vec![]);
        let reason = |reports: &[Arc<Report>]| {
            route(reports, &["m"]).targets[0].last_error.as_ref().map(|error| error.reason.clone())
        };
        let most = reason(&[ill("Timeout"), ill("Connect"), ill("Timeout")]);
        assert_eq!(most.as_deref(), Some("Timeout"));
        // The order of the proxies does not matter.
        assert_eq!(reason(&[ill("Timeout"), ill("Connect")]), reason(&[ill("Connect"), ill("Timeout")]));
        let refused = proxy(vec![open("m", "ServerError", 1)], vec![keys(0, 0, 1)]);
        assert_eq!(reason(&[refused]).as_deref(), Some("CredentialsRefused"));
    }

    #[test]
    fn a_proxy_without_a_key_to_use_cannot_use_the_target() {
        let both = proxy(vec![open("m", "ServerError", 1)], vec![keys(0, 0, 1)]);
        let route = route(&[both, proxy(vec![], vec![keys(1, 0, 1)])], &["m", "n"]);
        let said: Vec<_> = route.targets.iter().map(|t| (t.health, t.proxies.as_deref())).collect();
        assert_eq!(said, [(Health::Degraded, Some("1/2")), (Health::Degraded, Some("1/2"))]);
    }

    #[test]
    fn what_is_said_of_keys() {
        let well = || proxy(vec![], vec![]);
        let said = |usable, limited, refused| proxy(vec![], vec![keys(usable, limited, refused)]);
        use Credentials::{PartlyRefused, RateLimited, Refused, Unknown, Valid};
        let cases = [
            (vec![], Some(Unknown), Health::Unknown),
            (vec![well()], Some(Valid), Health::Healthy),
            (vec![said(0, 1, 0)], Some(RateLimited), Health::Unavailable),
            (vec![said(0, 1, 0), well()], Some(RateLimited), Health::Degraded),
            (vec![said(1, 0, 1)], Some(PartlyRefused), Health::Degraded),
            (vec![said(0, 0, 1), well()], Some(PartlyRefused), Health::Degraded),
            (vec![said(0, 1, 1)], Some(PartlyRefused), Health::Unavailable),
            (vec![said(0, 0, 1), said(0, 0, 2)], Some(Refused), Health::Unavailable),
        ];
        for (reports, credentials, health) in cases {
            let found = only_provider(&reports, provider(&["m"]));
            assert_eq!((found.credentials, found.health), (credentials, health), "{found:?}");
            let refused = credentials >= Some(PartlyRefused);
            assert_eq!(!found.refused_keys.is_empty(), refused, "{found:?}");
            assert_eq!(
                found.last_error.is_some_and(|error| error.message == "the provider refuses s/0"
                    || error.message == "the provider refuses s/0, s/1"),
                refused
            );
            assert!(found.models.is_empty(), "not a model's fault");
        }
        // What needs no key has nothing to say of keys, until what it has instead is refused.
        let keyless = || ServedProvider { has_keys: false, ..provider(&["m"]) };
        assert_eq!(only_provider(&[well()], keyless()).credentials, None);
        assert_eq!(only_provider(&[], keyless()).credentials, None);
        assert_eq!(only_provider(&[said(0, 0, 1)], keyless()).credentials, Some(Refused));
    }

    #[test]
    fn a_provider_is_as_well_as_its_models() {
        let ill = |models: &[&str]| {
            proxy(models.iter().map(|model| open(model, "Overloaded", 1000)).collect(), vec![])
        };
        let found = only_provider(&[ill(&["m"]), ill(&["m", "n"])], provider(&["l", "m", "n"]));
        assert_eq!((found.health, found.credentials), (Health::Degraded, Some(Credentials::Valid)));
        let models: Vec<_> =
            found.models.iter().map(|m| (m.name.as_str(), m.health, m.proxies.as_str())).collect();
        assert_eq!(models, [("m", Health::Unavailable, "0/2"), ("n", Health::Degraded, "1/2")]);
        assert_eq!(found.models[0].reason.as_deref(), Some("Overloaded"));
        assert!(found.cooldown_until.is_some());
        assert_eq!(only_provider(&[ill(&["m"])], provider(&["m"])).health, Health::Unavailable);
        assert_eq!(only_provider(&[ill(&["m"])], provider(&[])).health, Health::Unknown, "no route uses it");

        let many: Vec<String> = (0..20).map(|i| format!("m{i}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let found = only_provider(&[ill(&many)], provider(&many));
        assert_eq!((found.models.len(), found.more_models), (MOST_MODELS, Some(4)));
    }

    #[test]
    fn a_pool_counts_the_providers_that_routes_use() {
        let unused = ServedProvider { name: "unused".into(), ..provider(&[]) };
        let pool = FleetHealth::of(&[proxy(vec![open("m", "Connect", 1)], vec![])])
            .of_pool("ai/p", &[provider(&["m"]), unused]);
        assert_eq!(pool.healthy.as_deref(), Some("0/1"));
        assert_eq!(pool.providers.len(), 2);
        assert_eq!(FleetHealth::of(&[]).of_pool("ai/p", &[provider(&["m"])]).healthy, None);
    }
}
