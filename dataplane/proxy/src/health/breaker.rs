//! Circuit breakers.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use penstock_config::Health;
use prometheus::IntGauge;

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
    pub(super) fn new(health: Health, gauge: IntGauge) -> Self {
        let state = BreakerState { health, failures: 0, open_until: None, probing: false };
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

#[cfg(test)]
mod tests {
    use super::*;

    const HEALTH: Health = Health { consecutive_failures: 3, cooldown_ms: 10_000 };

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
}
