//! Circuit breakers.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use penstock_config::Health;
use prometheus::IntGauge;

use super::last_failure::LastFailure;
use super::report::Open;

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
    /// It closed then, after it had been open.
    closed_at: Option<Instant>,
    /// The provider itself asked to be left alone until then.
    asked_to_wait: Option<Instant>,
    last_failure: Option<Arc<LastFailure>>,
}

impl BreakerState {
    fn wait(&self, now: Instant) -> Option<Duration> {
        self.asked_to_wait.and_then(|until| left(until, now))
    }
}

fn left(until: Instant, now: Instant) -> Option<Duration> {
    until.checked_duration_since(now).filter(|left| !left.is_zero())
}

/// Whether a request may go to a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    Admitted,
    /// The one probe of an open breaker.
    Probe,
    /// Not before this long.
    Open(Duration),
    /// The provider itself asked for so long (`Retry-After`).
    AskedToWait(Duration),
}

/// No hint of a provider is believed beyond this.
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// What a target that has just recovered gets of its share.
const FIRST_SHARE: f64 = 0.1;

impl Breaker {
    pub(super) fn new(health: Health, gauge: IntGauge) -> Self {
        let state = BreakerState {
            health,
            failures: 0,
            open_until: None,
            probing: false,
            closed_at: None,
            asked_to_wait: None,
            last_failure: None,
        };
        gauge.set(0);
        Self { state: Mutex::new(state), gauge }
    }

    fn lock(&self) -> MutexGuard<'_, BreakerState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The settings of the newest configuration.
    pub(super) fn configure(&self, health: Health) {
        self.lock().health = health;
    }

    pub fn admit(&self, now: Instant) -> Admission {
        let mut state = self.lock();
        if let Some(wait) = state.wait(now) {
            return Admission::AskedToWait(wait);
        }
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

    /// What [`Self::admit`] would certainly refuse now; takes no probe.
    pub fn foresee(&self, now: Instant) -> Option<Admission> {
        let state = self.lock();
        let open = || state.open_until.and_then(|until| left(until, now)).map(Admission::Open);
        state.wait(now).map(Admission::AskedToWait).or_else(open)
    }

    /// The share of its requests that it should get: less than 1 for a while after it has recovered.
    pub fn share(&self, now: Instant) -> f64 {
        let mut state = self.lock();
        let Some(closed_at) = state.closed_at else { return 1.0 };
        let slow_start = Duration::from_millis(state.health.slow_start_ms);
        let since = now.saturating_duration_since(closed_at);
        if since >= slow_start {
            state.closed_at = None;
            return 1.0;
        }
        FIRST_SHARE + (1.0 - FIRST_SHARE) * since.as_secs_f64() / slow_start.as_secs_f64()
    }

    /// The provider asks to be left alone.
    pub fn wait(&self, now: Instant, wait: Duration) {
        let until = now + wait.min(LONGEST_WAIT);
        let mut state = self.lock();
        state.asked_to_wait = state.asked_to_wait.max(Some(until));
    }

    /// A streamed answer has begun. A probe closes the breaker, but the next failure opens it again: the stream may
    /// still be cut.
    pub fn began(&self, now: Instant) {
        let mut state = self.lock();
        if std::mem::take(&mut state.probing) {
            state.open_until = None;
            state.closed_at = Some(now);
            state.failures = state.health.consecutive_failures.saturating_sub(1);
            self.gauge.set(0);
        }
    }

    pub fn succeeded(&self, now: Instant) {
        let mut state = self.lock();
        state.failures = 0;
        state.probing = false;
        state.last_failure = None;
        if state.open_until.take().is_some() {
            state.closed_at = Some(now);
            self.gauge.set(0);
        }
    }

    /// What the next failure is, for people.
    pub fn note(&self, failure: LastFailure) {
        self.lock().last_failure = Some(Arc::new(failure));
    }

    /// `None` where it admits requests as it should.
    pub(super) fn open(&self, now: Instant) -> Option<Open> {
        let state = self.lock();
        let asked_to_wait = state.asked_to_wait.filter(|until| *until > now);
        let until = state.open_until.max(asked_to_wait)?;
        Some(Open { until, last_failure: state.last_failure.clone() })
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

#[cfg(test)]
mod tests {
    use super::*;

    const HEALTH: Health = Health { consecutive_failures: 3, cooldown_ms: 10_000, slow_start_ms: 10_000 };

    fn breaker() -> Breaker {
        Breaker::new(HEALTH, IntGauge::new("b", "b").unwrap())
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
        breaker.succeeded(t0);
        assert_eq!(breaker.admit(much_later), Admission::Admitted);
        assert_eq!(breaker.gauge.get(), 0);
    }

    #[test]
    fn a_success_resets_the_count() {
        let (breaker, t0) = (breaker(), Instant::now());
        breaker.failed(t0);
        breaker.failed(t0);
        breaker.succeeded(t0);
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
        breaker.began(t0);
        assert_eq!(breaker.admit(later), Admission::Admitted);
        breaker.failed(later);
        assert!(matches!(breaker.admit(later), Admission::Open(_)));
    }

    #[test]
    fn streams_that_begin_and_are_cut_open_the_breaker() {
        let (breaker, t0) = (breaker(), Instant::now());
        for _ in 0..3 {
            assert_eq!(breaker.admit(t0), Admission::Admitted);
            breaker.began(t0);
            breaker.failed(t0);
        }
        assert!(matches!(breaker.admit(t0), Admission::Open(_)));
    }

    #[test]
    fn a_target_that_has_recovered_gets_its_share_back_slowly() {
        let (breaker, t0) = (breaker(), Instant::now());
        assert_eq!(breaker.share(t0), 1.0);
        (0..3).for_each(|_| breaker.failed(t0));
        let later = t0 + Duration::from_secs(10);
        assert_eq!(breaker.admit(later), Admission::Probe);
        breaker.succeeded(later);
        assert_eq!(breaker.share(later), FIRST_SHARE);
        let half = breaker.share(later + Duration::from_secs(5));
        assert!((0.54..0.56).contains(&half), "{half}");
        assert_eq!(breaker.share(later + Duration::from_secs(10)), 1.0);
    }

    #[test]
    fn a_provider_that_asks_for_time_gets_it() {
        let (breaker, t0) = (breaker(), Instant::now());
        breaker.wait(t0, Duration::from_secs(7));
        breaker.wait(t0, Duration::from_secs(3));
        assert_eq!(breaker.admit(t0), Admission::AskedToWait(Duration::from_secs(7)));
        assert_eq!(breaker.foresee(t0), Some(Admission::AskedToWait(Duration::from_secs(7))));
        assert_eq!(breaker.admit(t0 + Duration::from_secs(7)), Admission::Admitted);
        breaker.wait(t0, Duration::from_secs(86_400));
        assert_eq!(breaker.admit(t0), Admission::AskedToWait(LONGEST_WAIT), "within reason");
    }
}
