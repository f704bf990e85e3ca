//! Health of targets. State machines that take the time as an argument.

mod breaker;
mod keys;

use std::collections::HashMap;
use std::sync::Arc;

use penstock_config::{ApiKey, Health, hash_client_key};
use prometheus::IntGauge;

use crate::credentials::Authorizer;
use crate::metrics::Metrics;

pub use breaker::{Admission, Breaker};
pub use keys::{AllRest, Key, KeyRing, Rest, RestReason};

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
        breaker.configure(health);
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
