//! When a credential is used, renewed, or not to be had: a state machine without clock, tasks or sockets.

use std::time::{Duration, SystemTime};

use super::CredentialError;

/// A credential is renewed so long before its end, or at half of a life shorter than twice that.
const MARGIN: Duration = Duration::from_secs(300);
/// Pause after a failed renewal while the old credential still holds.
const PAUSE_WHILE_VALID: Duration = Duration::from_secs(30);
/// Pause after a failure without a credential: a broken endpoint is not asked by every request anew.
const PAUSE: Duration = Duration::from_secs(1);
/// A provider's refusal renews a credential that is at least so old. A younger one would come back the same.
const YOUNGEST_REPLACED: Duration = Duration::from_secs(30);

/// What to do for a request that needs the credential now.
pub enum Verdict<T> {
    Use(T),
    /// Still valid, but old enough to be renewed beside the request.
    UseAndRenew(T),
    /// The request has to wait for a new one.
    Renew,
    Fail(CredentialError),
}

/// A credential with its life, and what became of the last try to renew it.
pub struct Renewal<T> {
    held: Option<Held<T>>,
    /// The one before: requests that began with it may still fail, and their errors may quote it.
    before: Option<T>,
    failure: Option<Failed>,
}

struct Held<T> {
    value: T,
    since: SystemTime,
    renew_at: Option<SystemTime>,
    expires_at: Option<SystemTime>,
}

struct Failed {
    error: CredentialError,
    at: SystemTime,
}

impl<T> Default for Renewal<T> {
    fn default() -> Self {
        Self { held: None, before: None, failure: None }
    }
}

impl<T: Clone> Renewal<T> {
    pub fn verdict(&self, now: SystemTime) -> Verdict<T> {
        let valid = self.held.as_ref().filter(|held| held.expires_at.is_none_or(|end| now < end));
        match valid {
            Some(held) if held.renew_at.is_none_or(|renew_at| now < renew_at) => {
                Verdict::Use(held.value.clone())
            }
            Some(held) if self.failed_within(PAUSE_WHILE_VALID, now).is_some() => {
                Verdict::Use(held.value.clone())
            }
            Some(held) => Verdict::UseAndRenew(held.value.clone()),
            None => match self.failed_within(PAUSE, now) {
                Some(error) => Verdict::Fail(error.clone()),
                None => Verdict::Renew,
            },
        }
    }

    /// A clock that was set back must not make the pause longer: a failure in the future counts as none.
    fn failed_within(&self, pause: Duration, now: SystemTime) -> Option<&CredentialError> {
        let Failed { error, at } = self.failure.as_ref()?;
        now.duration_since(*at).ok().filter(|passed| *passed < pause).map(|_| error)
    }

    /// A new credential. `expires_at`: `None` where it has no end.
    pub fn issued(&mut self, value: T, expires_at: Option<SystemTime>, now: SystemTime) {
        let renew_at = expires_at.map(|end| {
            let life = end.duration_since(now).unwrap_or_default();
            now + life.saturating_sub(MARGIN.min(life / 2))
        });
        self.forget();
        self.held = Some(Held { value, since: now, renew_at, expires_at });
        self.failure = None;
    }

    /// No new credential. One that still holds stays. Is the failure another one than the last?
    pub fn failed(&mut self, error: CredentialError, now: SystemTime) -> bool {
        let is_news = self.failure.as_ref().is_none_or(|last| last.error != error);
        self.failure = Some(Failed { error, at: now });
        is_news
    }

    /// The provider did not take the credential: it may have been revoked before its end. Or it may lack a right for
    /// one model only, so it serves the others until a new one is there.
    pub fn refused(&mut self, now: SystemTime) {
        let is_old = |held: &&mut Held<T>| {
            now.duration_since(held.since).is_ok_and(|age| age >= YOUNGEST_REPLACED)
                && held.expires_at.is_some()
        };
        if let Some(held) = self.held.as_mut().filter(is_old) {
            held.renew_at = Some(now);
        }
    }

    fn forget(&mut self) {
        if let Some(held) = self.held.take() {
            self.before = Some(held.value);
        }
    }

    /// The credential and the one before it.
    pub fn known(&self) -> impl Iterator<Item = &T> {
        self.held.iter().map(|held| &held.value).chain(&self.before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: SystemTime = SystemTime::UNIX_EPOCH;

    fn at(seconds: u64) -> SystemTime {
        T0 + Duration::from_secs(seconds)
    }

    fn error() -> CredentialError {
        CredentialError::unusable("broken")
    }

    fn says(renewal: &Renewal<&'static str>, seconds: u64) -> String {
        match renewal.verdict(at(seconds)) {
            Verdict::Use(value) => format!("use {value}"),
            Verdict::UseAndRenew(value) => format!("use {value}, renew"),
            Verdict::Renew => "renew".into(),
            Verdict::Fail(error) => format!("fail: {error}"),
        }
    }

    #[test]
    fn is_renewed_five_minutes_before_its_end() {
        let mut renewal = Renewal::default();
        assert_eq!(says(&renewal, 0), "renew");
        renewal.issued("a", Some(at(3600)), at(0));
        assert_eq!(says(&renewal, 3299), "use a");
        assert_eq!(says(&renewal, 3300), "use a, renew");
        assert_eq!(says(&renewal, 3599), "use a, renew");
        assert_eq!(says(&renewal, 3600), "renew");
    }

    #[test]
    fn a_short_life_is_used_for_half_of_it() {
        let mut renewal = Renewal::default();
        renewal.issued("a", Some(at(200)), at(0));
        assert_eq!(says(&renewal, 99), "use a");
        assert_eq!(says(&renewal, 100), "use a, renew");
    }

    #[test]
    fn one_without_end_is_never_renewed() {
        let mut renewal = Renewal::default();
        renewal.issued("a", None, at(0));
        renewal.refused(at(1_000_000));
        assert_eq!(says(&renewal, 1_000_000), "use a");
    }

    #[test]
    fn a_failed_renewal_leaves_what_is_valid_and_pauses() {
        let mut renewal = Renewal::default();
        renewal.issued("a", Some(at(3600)), at(0));
        assert!(renewal.failed(error(), at(3300)));
        assert_eq!(says(&renewal, 3301), "use a");
        assert_eq!(says(&renewal, 3330), "use a, renew");
        assert!(!renewal.failed(error(), at(3599)), "the same failure again is no news");
        assert_eq!(says(&renewal, 3600), "renew", "one that just ended is asked for at once");
        renewal.failed(error(), at(3600));
        assert_eq!(says(&renewal, 3600), "fail: broken");
        assert_eq!(says(&renewal, 3601), "renew");
        renewal.issued("b", Some(at(7200)), at(3601));
        assert_eq!(says(&renewal, 3601), "use b");
        assert_eq!(renewal.known().copied().collect::<Vec<_>>(), ["b", "a"]);
    }

    #[test]
    fn a_clock_set_back_does_not_lengthen_a_pause() {
        let mut renewal = Renewal::default();
        renewal.failed(error(), at(1000));
        assert_eq!(says(&renewal, 10), "renew");
    }

    #[test]
    fn a_refused_credential_is_renewed_unless_it_is_new() {
        let mut renewal = Renewal::default();
        renewal.issued("a", Some(at(3600)), at(0));
        renewal.refused(at(29));
        assert_eq!(says(&renewal, 29), "use a");
        renewal.refused(at(30));
        assert_eq!(says(&renewal, 30), "use a, renew");
        renewal.failed(error(), at(30));
        assert_eq!(says(&renewal, 31), "use a", "no issuer is asked again at once");
    }
}
