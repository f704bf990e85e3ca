//! Health of targets: circuit breakers and resting keys. State machines that take the time as an argument.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use penstock_config::{ApiKey, Health, hash_client_key};
use prometheus::IntGauge;
use rand::{Rng, RngExt};

use crate::credentials::Authorizer;
use crate::metrics::Metrics;

/// A 429 without a hint lets a key rest for so long.
const DEFAULT_REST: Duration = Duration::from_secs(10);
/// No hint of a provider is believed beyond this.
const LONGEST_REST: Duration = Duration::from_secs(300);

/// Keeps breakers and key rings alive across configurations.
#[derive(Default)]
pub struct HealthBook {
    breakers: HashMap<(String, String, String), Arc<Breaker>>,
    rests: HashMap<(String, String, String, String), Arc<Rest>>,
}

impl HealthBook {
    /// The breaker of a pool's provider and model, with the settings of the newest configuration.
    pub fn breaker(
        &mut self,
        pool: &str,
        provider: &str,
        model: &str,
        health: Health,
        gauge: IntGauge,
    ) -> Arc<Breaker> {
        let key = (pool.to_owned(), provider.to_owned(), model.to_owned());
        let breaker = self.breakers.entry(key).or_insert_with(|| Arc::new(Breaker::new(health, gauge)));
        breaker.lock().health = health;
        breaker.clone()
    }

    /// The keys of a provider. A key whose value changed starts rested, whatever its name.
    pub fn key_ring(
        &mut self,
        pool: &str,
        provider: &str,
        keys: &[ApiKey],
        mut authorizer: impl FnMut(Option<&str>) -> Arc<Authorizer>,
    ) -> KeyRing {
        let mut rest = |id: &str, value: &str| {
            let key = (pool.to_owned(), provider.to_owned(), id.to_owned(), hash_client_key(value));
            self.rests.entry(key).or_default().clone()
        };
        if keys.is_empty() {
            // A provider without keys can still say 429: then the provider rests.
            let key = Key { authorizer: authorizer(None), weight: 1, rest: rest("", "") };
            return KeyRing { keys: vec![key] };
        }
        let keys = keys.iter().map(|key| Key {
            authorizer: authorizer(Some(key.value.expose())),
            weight: key.weight,
            rest: rest(&key.id, key.value.expose()),
        });
        KeyRing { keys: keys.collect() }
    }

    /// Forgets what no configuration and no request uses any more.
    pub fn forget_unused(&mut self, metrics: &Metrics) {
        self.breakers.retain(|(pool, provider, model), breaker| {
            let used = Arc::strong_count(breaker) > 1;
            if !used {
                metrics.forget_breaker(pool, provider, model);
            }
            used
        });
        self.rests.retain(|_, rest| Arc::strong_count(rest) > 1);
    }
}

/// Opens after so many failures in a row; when the cooldown is over, one request at a time probes the target.
pub struct Breaker {
    state: Mutex<BreakerState>,
    gauge: IntGauge,
}

struct BreakerState {
    health: Health,
    failures: u32,
    /// Open until then; `None` is closed.
    open_until: Option<Instant>,
    probing: bool,
}

/// Whether a request may go to a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    Admitted,
    /// The one probe of an open breaker.
    Probe,
    /// Not before this long.
    Open(Duration),
}

impl Breaker {
    fn new(health: Health, gauge: IntGauge) -> Self {
        let state = BreakerState { health, failures: 0, open_until: None, probing: false };
        gauge.set(0);
        Self { state: Mutex::new(state), gauge }
    }

    fn lock(&self) -> MutexGuard<'_, BreakerState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn admit(&self, now: Instant) -> Admission {
        let mut state = self.lock();
        match state.open_until {
            None => Admission::Admitted,
            Some(until) if now < until => Admission::Open(until - now),
            Some(_) if state.probing => Admission::Open(Duration::from_secs(1)),
            Some(_) => {
                state.probing = true;
                self.gauge.set(1);
                Admission::Probe
            }
        }
    }

    /// How long it certainly admits nobody; a probe may be admitted after that.
    pub fn rests(&self, now: Instant) -> Option<Duration> {
        self.lock()
            .open_until
            .and_then(|until| until.checked_duration_since(now))
            .filter(|left| !left.is_zero())
    }

    /// A streamed answer has begun. A probe closes the breaker, but the next failure opens it again: the stream may
    /// still be cut.
    pub fn began(&self) {
        let mut state = self.lock();
        if std::mem::take(&mut state.probing) {
            state.open_until = None;
            state.failures = state.health.consecutive_failures.saturating_sub(1);
            self.gauge.set(0);
        }
    }

    pub fn succeeded(&self) {
        let mut state = self.lock();
        state.failures = 0;
        state.probing = false;
        if state.open_until.take().is_some() {
            self.gauge.set(0);
        }
    }

    pub fn failed(&self, now: Instant) {
        let mut state = self.lock();
        state.failures = state.failures.saturating_add(1);
        state.probing = false;
        if state.failures >= state.health.consecutive_failures {
            state.open_until = Some(now + Duration::from_millis(state.health.cooldown_ms));
            self.gauge.set(2);
        }
    }

    /// An attempt ended without saying anything about the target's health: its probe is free again.
    pub fn released(&self) {
        let mut state = self.lock();
        if std::mem::take(&mut state.probing) {
            self.gauge.set(2);
        }
    }
}

/// Until when a key is left alone, and why.
#[derive(Default)]
pub struct Rest(Mutex<Option<(Instant, RestReason)>>);

/// What a provider said of a key that rests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestReason {
    RateLimited,
    /// It does not take the key (any more).
    Refused,
}

/// No key of a provider can be used now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AllRest {
    /// Until the first one is back.
    pub left: Duration,
    /// `Refused` only where every key was.
    pub reason: RestReason,
}

impl Rest {
    fn left(&self, now: Instant) -> Option<(Duration, RestReason)> {
        let (until, reason) = (*self.0.lock().unwrap_or_else(PoisonError::into_inner))?;
        until.checked_duration_since(now).filter(|left| !left.is_zero()).map(|left| (left, reason))
    }
}

/// The keys of one provider.
pub struct KeyRing {
    keys: Vec<Key>,
}

/// One key, or what else proves who is calling; nothing where the provider asks for nothing.
pub struct Key {
    pub authorizer: Arc<Authorizer>,
    weight: u32,
    rest: Arc<Rest>,
}

impl Key {
    /// Leaves the key alone, for as long as the provider said where it said how long.
    pub fn rest(&self, now: Instant, reason: RestReason, wait: Option<Duration>) {
        let until = now + wait.unwrap_or(DEFAULT_REST).min(LONGEST_REST);
        let mut rest = self.rest.0.lock().unwrap_or_else(PoisonError::into_inner);
        if rest.is_none_or(|(before, _)| before < until) {
            *rest = Some((until, reason));
        }
    }
}

impl KeyRing {
    /// A key that does not rest, by weight.
    pub fn pick(&self, now: Instant, rng: &mut impl Rng) -> Result<&Key, AllRest> {
        let mut all_rest = AllRest { left: LONGEST_REST, reason: RestReason::Refused };
        let mut awake = Vec::with_capacity(self.keys.len());
        for key in &self.keys {
            match key.rest.left(now) {
                None => awake.push(key),
                Some((left, reason)) => {
                    all_rest.left = all_rest.left.min(left);
                    if reason == RestReason::RateLimited {
                        all_rest.reason = reason;
                    }
                }
            }
        }
        let total: u64 = awake.iter().map(|key| u64::from(key.weight)).sum();
        let mut at = if total > 1 { rng.random_range(0..total) } else { 0 };
        for key in &awake {
            match at.checked_sub(u64::from(key.weight)) {
                None => return Ok(key),
                Some(rest) => at = rest,
            }
        }
        awake.first().copied().ok_or(all_rest)
    }

    pub fn any_awake(&self, now: Instant) -> bool {
        self.keys.iter().any(|key| key.rest.left(now).is_none())
    }

    /// The text without the keys that it quotes; `None` where it quotes none.
    pub fn redact(&self, text: &str) -> Option<String> {
        let mut redacted = None;
        for key in &self.keys {
            let now = redacted.as_deref().unwrap_or(text);
            redacted = key.authorizer.redact(now).or(redacted);
        }
        redacted
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use penstock_config::Secret;

    use super::*;
    use crate::credentials::{Scheme, Surroundings};

    const HEALTH: Health = Health { consecutive_failures: 3, cooldown_ms: 10_000 };

    fn authorizer(secret: Option<&str>) -> Arc<Authorizer> {
        let nowhere = Surroundings::new(|_| None, || std::time::SystemTime::UNIX_EPOCH);
        let header = Scheme::Header { name: http::header::AUTHORIZATION, prefix: "Bearer " };
        Arc::new(Authorizer::new(&header, secret, &Arc::new(nowhere)))
    }

    fn breaker() -> Breaker {
        Breaker::new(HEALTH, IntGauge::new("b", "b").unwrap())
    }

    fn keys(weights: &[u32]) -> Vec<ApiKey> {
        weights
            .iter()
            .enumerate()
            .map(|(i, weight)| ApiKey {
                id: format!("s/{i}"),
                value: Secret::new(format!("key-{i}")),
                weight: *weight,
            })
            .collect()
    }

    #[test]
    fn breaker_opens_probes_and_closes() {
        let (breaker, t0) = (breaker(), Instant::now());
        for _ in 0..3 {
            assert_eq!(breaker.admit(t0), Admission::Admitted);
            breaker.failed(t0);
        }
        assert_eq!(breaker.admit(t0), Admission::Open(Duration::from_secs(10)));
        let later = t0 + Duration::from_secs(10);
        assert_eq!(breaker.admit(later), Admission::Probe);
        assert!(matches!(breaker.admit(later), Admission::Open(_)), "one probe at a time");
        breaker.failed(later);
        assert!(matches!(breaker.admit(later), Admission::Open(_)), "a failed probe opens it again at once");
        let much_later = later + Duration::from_secs(10);
        assert_eq!(breaker.admit(much_later), Admission::Probe);
        breaker.succeeded();
        assert_eq!(breaker.admit(much_later), Admission::Admitted);
        assert_eq!(breaker.gauge.get(), 0);
    }

    #[test]
    fn a_success_resets_the_count() {
        let (breaker, t0) = (breaker(), Instant::now());
        breaker.failed(t0);
        breaker.failed(t0);
        breaker.succeeded();
        breaker.failed(t0);
        breaker.failed(t0);
        assert_eq!(breaker.admit(t0), Admission::Admitted);
    }

    #[test]
    fn a_probe_whose_client_left_is_free_again() {
        let (breaker, t0) = (breaker(), Instant::now());
        (0..3).for_each(|_| breaker.failed(t0));
        let later = t0 + Duration::from_secs(11);
        assert_eq!(breaker.admit(later), Admission::Probe);
        breaker.released();
        assert_eq!(breaker.admit(later), Admission::Probe);
    }

    #[test]
    fn a_probe_that_began_to_stream_closes_the_breaker_and_a_cut_opens_it_again() {
        let (breaker, t0) = (breaker(), Instant::now());
        (0..3).for_each(|_| breaker.failed(t0));
        let later = t0 + Duration::from_secs(11);
        assert_eq!(breaker.admit(later), Admission::Probe);
        breaker.began();
        assert_eq!(breaker.admit(later), Admission::Admitted);
        breaker.failed(later);
        assert!(matches!(breaker.admit(later), Admission::Open(_)));
    }

    #[test]
    fn streams_that_begin_and_are_cut_open_the_breaker() {
        let (breaker, t0) = (breaker(), Instant::now());
        for _ in 0..3 {
            assert_eq!(breaker.admit(t0), Admission::Admitted);
            breaker.began();
            breaker.failed(t0);
        }
        assert!(matches!(breaker.admit(t0), Admission::Open(_)));
    }

    #[test]
    fn keys_spread_by_weight_and_rest() {
        let mut rng = StdRng::seed_from_u64(1);
        let ring = HealthBook::default().key_ring("p", "o", &keys(&[3, 1]), authorizer);
        let now = Instant::now();
        let mut first = 0;
        for _ in 0..4000 {
            let key = ring.pick(now, &mut rng).unwrap();
            first += u32::from(key.weight == 3);
        }
        assert!((2800..3200).contains(&first), "{first} of 4000 went to the key of weight 3");

        ring.keys[0].rest(now, RestReason::RateLimited, Some(Duration::from_secs(7)));
        assert_eq!(ring.pick(now, &mut rng).ok().unwrap().weight, 1);
        ring.keys[1].rest(now, RestReason::Refused, Some(Duration::from_secs(3)));
        let all_rest = AllRest { left: Duration::from_secs(3), reason: RestReason::RateLimited };
        assert_eq!(ring.pick(now, &mut rng).err(), Some(all_rest));
        assert!(ring.pick(now + Duration::from_secs(4), &mut rng).is_ok());
    }

    #[test]
    fn a_rotated_key_does_not_inherit_the_rest_of_its_predecessor() {
        let mut rng = StdRng::seed_from_u64(1);
        let mut book = HealthBook::default();
        let now = Instant::now();
        let mut with_key = keys(&[1]);
        let old = book.key_ring("p", "o", &with_key, authorizer);
        old.keys[0].rest(now, RestReason::Refused, None);
        assert!(
            book.key_ring("p", "o", &with_key, authorizer).pick(now, &mut rng).is_err(),
            "survives a swap"
        );
        with_key[0].value = Secret::new("rotated".into());
        assert!(book.key_ring("p", "o", &with_key, authorizer).pick(now, &mut rng).is_ok());
    }
}
