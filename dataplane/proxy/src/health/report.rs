//! What is not well at one moment: open breakers, keys that are refused, providers without a key to use.
//!
//! It is taken from the targets in force, and not from the [`HealthBook`](super::HealthBook): that also keeps what
//! only requests of an earlier configuration still use, such as a key that was replaced.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use penstock_config as config;

use super::last_failure::LastFailure;
use super::{Breaker, KeyRing, RestReason};

/// Ids of refused keys that are told.
const MOST_REFUSED_IDS: usize = 8;

/// A target as far as its health goes.
pub struct Seen<'a> {
    /// `namespace/name`.
    pub pool: &'a str,
    pub provider: &'a str,
    pub model: &'a str,
    pub breaker: &'a Breaker,
    pub keys: &'a KeyRing,
}

/// Pool, provider, model.
pub type TargetName = (String, String, String);
/// Pool, provider.
pub type ProviderName = (String, String);

/// Everything that is not well. What is not in it is.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub targets: BTreeMap<TargetName, Open>,
    pub keys: BTreeMap<ProviderName, Ailing>,
}

/// A breaker that is not closed. One that probes still is open: whether the probe has an answer is not known yet.
#[derive(Clone, Debug)]
pub struct Open {
    pub until: Instant,
    pub last_failure: Option<Arc<LastFailure>>,
}

/// Keys of which none can be used, or some are refused.
#[derive(Clone, Debug)]
pub struct Ailing {
    pub usable: u32,
    pub rate_limited: u32,
    pub refused: u32,
    pub refused_ids: Vec<String>,
    /// When the first one is tried again; `None` while one can be used.
    pub until: Option<Instant>,
}

impl Report {
    /// Several targets may share a breaker and keys.
    pub fn of<'a>(targets: impl Iterator<Item = Seen<'a>>, now: Instant) -> Self {
        let mut report = Self::default();
        for Seen { pool, provider, model, breaker, keys } in targets {
            if let Some(open) = breaker.open(now) {
                report.targets.insert((pool.to_owned(), provider.to_owned(), model.to_owned()), open);
            }
            if let Some(ailing) = keys.ailing(now) {
                report.keys.insert((pool.to_owned(), provider.to_owned()), ailing);
            }
        }
        report
    }
}

impl KeyRing {
    fn ailing(&self, now: Instant) -> Option<Ailing> {
        let mut ailing = Ailing { usable: 0, rate_limited: 0, refused: 0, refused_ids: vec![], until: None };
        let mut first_back = None;
        for key in &self.keys {
            match key.rest.last() {
                // A rest after a 429 is over when its time is; a refused key stays one until it works.
                Some((until, RestReason::RateLimited)) if until > now => {
                    ailing.rate_limited += 1;
                    first_back = Some(first_back.map_or(until, |first: Instant| first.min(until)));
                }
                Some((until, RestReason::Refused)) => {
                    ailing.refused += 1;
                    if !key.id.is_empty() && ailing.refused_ids.len() < MOST_REFUSED_IDS {
                        ailing.refused_ids.push(key.id.clone());
                    }
                    first_back = Some(first_back.map_or(until, |first: Instant| first.min(until)));
                }
                Some((_, RestReason::RateLimited)) | None => ailing.usable += 1,
            }
        }
        if ailing.usable == 0 {
            ailing.until = first_back;
        }
        (ailing.usable == 0 || ailing.refused > 0).then_some(ailing)
    }
}

impl Open {
    /// Whether it is worth telling again. Another failure of the same kind is not.
    pub fn is_as(&self, before: &Self) -> bool {
        let reason = |open: &Self| open.last_failure.as_ref().map(|failure| failure.reason);
        self.until == before.until && reason(self) == reason(before)
    }

    pub fn to_wire(&self, now: Instant) -> config::OpenBreaker {
        let Self { until, last_failure } = self;
        config::OpenBreaker {
            cooldown_ms: millis(until.saturating_duration_since(now)),
            last_failure: last_failure.as_ref().map(|failure| {
                let LastFailure { reason, message, at } = &**failure;
                config::LastFailure {
                    reason: format!("{reason:?}"),
                    message: message.clone(),
                    age_ms: millis(now.saturating_duration_since(*at)),
                }
            }),
        }
    }
}

impl Ailing {
    /// Whether it is worth telling again. How many rest does not matter while others can be used.
    pub fn is_as(&self, before: &Self) -> bool {
        let Self { usable, rate_limited: _, refused, refused_ids, until } = self;
        (*usable == 0) == (before.usable == 0)
            && *refused == before.refused
            && *refused_ids == before.refused_ids
            && *until == before.until
    }

    pub fn to_wire(&self, now: Instant) -> config::AilingKeys {
        let Self { usable, rate_limited, refused, refused_ids, until } = self;
        config::AilingKeys {
            usable: *usable,
            rate_limited: *rate_limited,
            refused: *refused,
            refused_ids: refused_ids.clone(),
            cooldown_ms: until.map_or(0, |until| millis(until.saturating_duration_since(now))),
        }
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
pub mod tests {
    use penstock_config::{ApiKey, FailoverReason, Health, Secret};
    use prometheus::IntGauge;

    use super::*;
    use crate::credentials::{Authorizer, Scheme, Surroundings};
    use crate::health::{HealthBook, Vitals};

    pub const COOLDOWN: Duration = Duration::from_secs(10);

    /// Targets `pool/provider/m0`, `m1` ... with two keys that they share.
    pub struct World {
        pub targets: Vec<(String, Arc<Vitals>, KeyRing)>,
    }

    impl World {
        pub fn new(models: usize) -> Self {
            let health = Health { consecutive_failures: 1, cooldown_ms: 10_000, slow_start_ms: 0 };
            let mut book = HealthBook::default();
            let targets = (0..models).map(|i| {
                let model = format!("m{i}");
                let gauge = IntGauge::new("b", "b").unwrap();
                let vitals = book.vitals("ai/pool", "provider", &model, health, gauge);
                (model, vitals, book.key_ring("ai/pool", "provider", &keys(), authorizer))
            });
            Self { targets: targets.collect() }
        }

        pub fn breaker(&self, model: usize) -> &Breaker {
            &self.targets[model].1.breaker
        }

        pub fn fail(&self, model: usize, reason: FailoverReason, message: &str, now: Instant) {
            let breaker = self.breaker(model);
            breaker.note(LastFailure::new(reason, None, message, now));
            breaker.failed(now);
        }

        pub fn report(&self, now: Instant) -> Report {
            Report::of(
                self.targets.iter().map(|(model, vitals, keys)| Seen {
                    pool: "ai/pool",
                    provider: "provider",
                    model,
                    breaker: &vitals.breaker,
                    keys,
                }),
                now,
            )
        }
    }

    fn authorizer(secret: Option<&str>) -> Arc<Authorizer> {
        let nowhere = Surroundings::new(|_| None, || std::time::SystemTime::UNIX_EPOCH);
        let header = Scheme::Header { name: http::header::AUTHORIZATION, prefix: "Bearer " };
        Arc::new(Authorizer::new(&header, secret, &Arc::new(nowhere)))
    }

    fn keys() -> Vec<ApiKey> {
        let key = |id: &str| ApiKey {
            id: format!("secret/{id}"),
            value: Secret::new(format!("sk-{id}")),
            weight: 1,
        };
        vec![key("a"), key("b")]
    }

    #[test]
    fn only_what_is_not_well_is_in_it() {
        let (world, now) = (World::new(3), Instant::now());
        assert!(world.report(now).targets.is_empty() && world.report(now).keys.is_empty());
        world.fail(1, FailoverReason::Connect, "connection refused", now);
        let report = world.report(now);
        let (name, open) = report.targets.first_key_value().unwrap();
        assert_eq!((name.2.as_str(), report.targets.len(), open.until), ("m1", 1, now + COOLDOWN));
        let wire = open.to_wire(now + Duration::from_secs(4));
        let failure = wire.last_failure.unwrap();
        assert_eq!((wire.cooldown_ms, failure.age_ms), (6000, 4000));
        assert_eq!((failure.reason.as_str(), failure.message.as_str()), ("Connect", "connection refused"));
    }

    #[test]
    fn a_probe_does_not_make_a_breaker_well_and_an_answer_does() {
        let (world, now) = (World::new(1), Instant::now());
        world.fail(0, FailoverReason::Timeout, "slow", now);
        let before = world.report(now);
        let later = now + COOLDOWN;
        let breaker = world.breaker(0);
        breaker.admit(later);
        let probing = world.report(later);
        let open = |report: &Report| report.targets.values().next().unwrap().clone();
        assert!(open(&probing).is_as(&open(&before)), "a probe is no news");
        breaker.released();
        assert!(open(&world.report(later)).is_as(&open(&before)));
        breaker.admit(later);
        breaker.succeeded(later);
        assert!(world.report(later).targets.is_empty());
    }

    #[test]
    fn a_target_that_asked_to_be_left_alone_is_not_well_until_then() {
        let (world, now) = (World::new(1), Instant::now());
        let until = |at| world.report(at).targets.into_values().next().map(|open| open.until);
        let seconds = Duration::from_secs;
        world.breaker(0).wait(now, seconds(5));
        assert_eq!(until(now), Some(now + seconds(5)));
        assert_eq!(until(now + seconds(5)), None);
        world.fail(0, FailoverReason::Overloaded, "busy", now);
        assert_eq!(until(now), Some(now + COOLDOWN));
        world.breaker(0).wait(now, seconds(60));
        assert_eq!(until(now), Some(now + seconds(60)));
        assert_eq!(until(now + seconds(60)), Some(now + COOLDOWN), "the wait is over, the breaker is open");
    }

    #[test]
    fn another_failure_of_the_same_kind_is_no_news() {
        let (world, now) = (World::new(1), Instant::now());
        let open = || world.report(now).targets.values().next().unwrap().clone();
        world.fail(0, FailoverReason::Timeout, "slow", now);
        let before = open();
        world.fail(0, FailoverReason::Timeout, "slower", now);
        assert!(open().is_as(&before));
        world.fail(0, FailoverReason::Connect, "gone", now);
        assert!(!open().is_as(&before));
        world.fail(0, FailoverReason::Timeout, "slow", now + COOLDOWN);
        assert!(!open().is_as(&before), "the cooldown ends later");
    }

    #[test]
    fn keys_ail_when_one_is_refused_or_none_can_be_used() {
        let (world, now) = (World::new(1), Instant::now());
        let keys = &world.targets[0].2;
        let ailing = |now| world.report(now).keys.into_values().next();
        let seconds = Duration::from_secs;
        keys.keys[0].rest(now, RestReason::RateLimited, Some(seconds(5)));
        assert!(ailing(now).is_none(), "the other one can be used");
        keys.keys[1].rest(now, RestReason::RateLimited, Some(seconds(3)));
        let all = ailing(now).unwrap();
        assert_eq!((all.usable, all.rate_limited, all.refused), (0, 2, 0));
        assert_eq!(all.until, Some(now + seconds(3)));
        assert!(ailing(now + seconds(3)).is_none(), "the first one is back");

        keys.keys[0].rest(now, RestReason::Refused, Some(seconds(30)));
        let one = ailing(now + seconds(3)).unwrap();
        assert_eq!((one.usable, one.refused, one.until), (1, 1, None));
        assert_eq!(one.refused_ids, ["secret/a"]);
        let wire = serde_json::to_string(&one.to_wire(now)).unwrap();
        assert!(wire.contains("secret/a") && !wire.contains("sk-"), "{wire}");
    }

    #[test]
    fn a_refused_key_stays_one_until_it_works() {
        let (world, now) = (World::new(1), Instant::now());
        let key = &world.targets[0].2.keys[0];
        let refused = |now| world.report(now).keys.values().any(|ailing| ailing.refused == 1);
        key.rest(now, RestReason::Refused, Some(Duration::from_secs(30)));
        key.worked(now + Duration::from_secs(1));
        assert!(refused(now + Duration::from_secs(1)), "an answer to a request of before proves nothing");
        let later = now + Duration::from_secs(31);
        assert!(refused(later), "time alone does not mend it");
        key.worked(later);
        assert!(!refused(later));
    }
}
