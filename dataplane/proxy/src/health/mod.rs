//! Health of targets. State machines that take the time as an argument.

mod breaker;
mod budget;
mod keys;
mod last_failure;
mod load;
mod news;
mod places;
mod report;

use std::collections::HashMap;
use std::sync::Arc;

use penstock_config::{ApiKey, Concurrency, Health, hash_client_key};
use prometheus::IntGauge;

use crate::credentials::Authorizer;
use crate::metrics::Metrics;

pub use breaker::{Admission, Breaker};
pub use budget::Budget;
pub use keys::{AllRest, Key, KeyRing, Rest, RestReason};
pub use last_failure::LastFailure;
pub use load::{Load, Seat};
pub use news::Heard;
pub use places::{Places, Saturated};
pub use report::{Report, Seen};

/// What is known of a provider's model, whatever routes lead to it.
pub struct Vitals {
    pub breaker: Breaker,
    pub load: Arc<Load>,
    pub retries: Budget,
    pub hedges: Budget,
}

/// Keeps what is known of targets alive across configurations.
#[derive(Default)]
pub struct HealthBook {
    vitals: HashMap<(String, String, String), Arc<Vitals>>,
    places: HashMap<(String, String), Arc<Places>>,
    rests: HashMap<(String, String, String, String), Arc<Rest>>,
}

impl HealthBook {
    /// The vitals of a pool's provider and model, with the settings of the newest configuration.
    pub fn vitals(
        &mut self,
        pool: &str,
        provider: &str,
        model: &str,
        health: Health,
        gauge: IntGauge,
    ) -> Arc<Vitals> {
        let key = (pool.to_owned(), provider.to_owned(), model.to_owned());
        let fresh = || {
            Arc::new(Vitals {
                breaker: Breaker::new(health, gauge),
                load: Arc::default(),
                retries: Budget::default(),
                hedges: Budget::default(),
            })
        };
        let vitals = self.vitals.entry(key).or_insert_with(fresh);
        vitals.breaker.configure(health);
        vitals.clone()
    }

    /// The places of a provider that has a limit. Under another limit they are counted anew: requests under the old one
    /// end by themselves.
    pub fn places(&mut self, pool: &str, provider: &str, settings: Concurrency) -> Arc<Places> {
        let key = (pool.to_owned(), provider.to_owned());
        let places = self.places.entry(key).or_insert_with(|| Arc::new(Places::new(settings)));
        if places.settings() != settings {
            *places = Arc::new(Places::new(settings));
        }
        places.clone()
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
            let key = Key { id: String::new(), authorizer: authorizer(None), weight: 1, rest: rest("", "") };
            return KeyRing { keys: vec![key] };
        }
        let keys = keys.iter().map(|key| Key {
            id: key.id.clone(),
            authorizer: authorizer(Some(key.value.expose())),
            weight: key.weight,
            rest: rest(&key.id, key.value.expose()),
        });
        KeyRing { keys: keys.collect() }
    }

    /// Forgets what no configuration and no request uses any more.
    pub fn forget_unused(&mut self, metrics: &Metrics) {
        self.vitals.retain(|(pool, provider, model), vitals| {
            let used = Arc::strong_count(vitals) > 1;
            if !used {
                metrics.forget_breaker(pool, provider, model);
            }
            used
        });
        self.places.retain(|_, places| Arc::strong_count(places) > 1);
        self.rests.retain(|_, rest| Arc::strong_count(rest) > 1);
    }
}
