//! Events of a pool when one of its providers can no longer be used, or can again. Pure, and few.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::{Duration, Instant};

use penstock_crds::status::{Credentials, Health, ProviderStatus, reason};

use super::health::ObjectHealth;
use crate::compile::ObjectKey;

/// A provider that comes and goes says the same no more often than this; its status says what is so.
const PAUSE: Duration = Duration::from_secs(300);

/// What to tell of a provider.
#[derive(Clone, Debug, PartialEq)]
pub struct HealthEvent {
    pub type_: &'static str,
    pub reason: &'static str,
    pub note: String,
}

/// When what was told last, by provider and reason.
#[derive(Default)]
pub struct Told(HashMap<(ObjectKey, String, &'static str), Instant>);

impl Told {
    /// What is worth an Event when `before` becomes `after`.
    pub fn news(
        &mut self,
        key: &ObjectKey,
        before: Option<&ObjectHealth>,
        after: &ObjectHealth,
        now: Instant,
    ) -> Vec<HealthEvent> {
        self.0.retain(|_, told| now.saturating_duration_since(*told) < PAUSE);
        let ObjectHealth::Pool(after) = after else { return vec![] };
        let before = match before {
            Some(ObjectHealth::Pool(pool)) => pool.providers.as_slice(),
            _ => &[],
        };
        let mut events = Vec::new();
        for provider in &after.providers {
            let was = before.iter().find(|was| was.name == provider.name);
            let Some(event) = event(was, provider) else { continue };
            let told = (key.clone(), provider.name.clone(), event.reason);
            if let Entry::Vacant(untold) = self.0.entry(told) {
                untold.insert(now);
                events.push(event);
            }
        }
        events
    }
}

fn event(was: Option<&ProviderStatus>, is: &ProviderStatus) -> Option<HealthEvent> {
    let is_refused = |of: &ProviderStatus| of.credentials >= Some(Credentials::PartlyRefused);
    let is_gone = |of: &ProviderStatus| of.health == Health::Unavailable;
    let (was_refused, was_gone) = (was.is_some_and(is_refused), was.is_some_and(is_gone));
    let name = &is.name;
    let why = is.last_error.as_ref().map(|error| format!("{}: {}", error.reason, error.message));
    let why = why.unwrap_or_else(|| "it does not say why".into());
    let until = is.cooldown_until.as_ref().map(|time| format!("; it is tried again at {}", time.0));
    if is_refused(is) && !was_refused {
        let keys = match is.refused_keys.as_slice() {
            [] => "the credentials".into(),
            keys => keys.join(", "),
        };
        return Some(HealthEvent {
            type_: "Warning",
            reason: reason::CREDENTIALS_REFUSED,
            note: format!(
                "provider {name} refuses {keys}: replace what it refuses in the Secret, or where the identity is configured"
            ),
        });
    }
    if is_gone(is) && !was_gone {
        let note = format!("no proxy can use provider {name}: {why}{}", until.unwrap_or_default());
        return Some(HealthEvent { type_: "Warning", reason: reason::PROVIDER_UNAVAILABLE, note });
    }
    let is_known = is.health != Health::Unknown;
    if is_known && !is_gone(is) && !is_refused(is) && (was_gone || was_refused) {
        let note = match is.health {
            Health::Healthy => format!("provider {name} can be used again"),
            _ => format!("provider {name} can be used again in part: {why}"),
        };
        return Some(HealthEvent { type_: "Normal", reason: reason::PROVIDER_RECOVERED, note });
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::Kind;
    use penstock_crds::status::{LastError, PoolHealth};

    fn pool(health: Health, credentials: Option<Credentials>) -> ObjectHealth {
        let refused = credentials >= Some(Credentials::PartlyRefused);
        let provider = ProviderStatus {
            name: "o".into(),
            health,
            credentials,
            refused_keys: if refused { vec!["s/k".into()] } else { vec![] },
            last_error: (health > Health::Healthy).then(|| LastError {
                reason: "Connect".into(),
                message: "refused".into(),
                time: None,
            }),
            ..ProviderStatus::default()
        };
        ObjectHealth::Pool(PoolHealth { healthy: None, providers: vec![provider] })
    }

    #[test]
    fn what_is_worth_an_event() {
        use Credentials::{PartlyRefused, RateLimited, Refused, Valid};
        use Health::{Degraded, Healthy, Unavailable, Unknown};
        let key = ObjectKey { kind: Kind::ProviderPool, namespace: "ai".into(), name: "p".into() };
        let cases = [
            ((Healthy, Valid), (Healthy, Valid), None),
            ((Healthy, Valid), (Degraded, Valid), None),
            ((Healthy, Valid), (Unavailable, RateLimited), Some("ProviderUnavailable")),
            ((Degraded, Valid), (Unavailable, Valid), Some("ProviderUnavailable")),
            ((Unavailable, Valid), (Unavailable, Valid), None),
            ((Healthy, Valid), (Degraded, PartlyRefused), Some("CredentialsRefused")),
            ((Degraded, PartlyRefused), (Unavailable, Refused), Some("ProviderUnavailable")),
            ((Healthy, Valid), (Unavailable, Refused), Some("CredentialsRefused")),
            ((Unavailable, Valid), (Degraded, Valid), Some("ProviderRecovered")),
            ((Degraded, PartlyRefused), (Healthy, Valid), Some("ProviderRecovered")),
            ((Degraded, Valid), (Healthy, Valid), None),
            ((Unavailable, Valid), (Unknown, Valid), None),
        ];
        for ((health, credentials), (health2, credentials2), reason) in cases {
            let before = pool(health, Some(credentials));
            let after = pool(health2, Some(credentials2));
            let news = Told::default().news(&key, Some(&before), &after, Instant::now());
            assert_eq!(news.first().map(|event| event.reason), reason, "{before:?} {after:?}");
            println!("{news:?}");
        }
        let first = Told::default().news(&key, None, &pool(Unavailable, Some(Valid)), Instant::now());
        assert!(first[0].note.contains("Connect: refused"), "{first:?}");
    }

    #[test]
    fn a_provider_that_comes_and_goes_says_so_once_in_a_while() {
        let key = ObjectKey { kind: Kind::ProviderPool, namespace: "ai".into(), name: "p".into() };
        let (mut told, start) = (Told::default(), Instant::now());
        let (good, bad) = (pool(Health::Healthy, None), pool(Health::Unavailable, None));
        let mut events = 0;
        for second in (0..600).step_by(20) {
            let now = start + Duration::from_secs(second);
            events += told.news(&key, Some(&good), &bad, now).len();
            events += told.news(&key, Some(&bad), &good, now + Duration::from_secs(10)).len();
        }
        assert_eq!(events, 4, "both, twice in ten minutes");
        assert_eq!(told.0.len(), 2);
    }
}
