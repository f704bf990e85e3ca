//! The keys of a provider, and which of them rest.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rand::{Rng, RngExt};

use crate::credentials::Authorizer;

/// A 429 without a hint lets a key rest for so long.
const DEFAULT_REST: Duration = Duration::from_secs(10);
/// No hint of a provider is believed beyond this.
const LONGEST_REST: Duration = Duration::from_secs(300);

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
    /// Until when it rests, or did last, and why.
    pub(super) fn last(&self) -> Option<(Instant, RestReason)> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn left(&self, now: Instant) -> Option<(Duration, RestReason)> {
        let (until, reason) = self.last()?;
        until.checked_duration_since(now).filter(|left| !left.is_zero()).map(|left| (left, reason))
    }
}

/// The keys of one provider.
pub struct KeyRing {
    pub(super) keys: Vec<Key>,
}

/// One key, or what else proves who is calling; nothing where the provider asks for nothing.
pub struct Key {
    /// `secret/entry`; empty for what is no key.
    pub(super) id: String,
    pub authorizer: Arc<Authorizer>,
    pub(super) weight: u32,
    pub(super) rest: Arc<Rest>,
}

impl Key {
    /// The provider answered. While the key rests, that was to a request of before.
    pub fn worked(&self, now: Instant) {
        self.rest.0.lock().unwrap_or_else(PoisonError::into_inner).take_if(|(until, _)| *until <= now);
    }

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
    use penstock_config::{ApiKey, Secret};
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;
    use crate::credentials::{Scheme, Surroundings};
    use crate::health::HealthBook;

    fn authorizer(secret: Option<&str>) -> Arc<Authorizer> {
        let nowhere = Surroundings::new(|_| None, || std::time::SystemTime::UNIX_EPOCH);
        let header = Scheme::Header { name: http::header::AUTHORIZATION, prefix: "Bearer " };
        Arc::new(Authorizer::new(&header, secret, &Arc::new(nowhere)))
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
