//! Pauses that double, up to a limit.

use std::time::Duration;

/// The pauses between tries of one thing.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, next: first }
    }

    /// For talking to the API server: quick at first, and never so slow that a repaired permission goes unnoticed.
    pub fn api() -> Self {
        Self::new(Duration::from_millis(200), Duration::from_secs(10))
    }
}

impl Iterator for Backoff {
    type Item = Duration;

    /// Never ends.
    fn next(&mut self) -> Option<Duration> {
        let pause = self.next;
        self.next = (pause * 2).min(self.longest);
        Some(pause)
    }
}

impl kube::runtime::utils::Backoff for Backoff {
    fn reset(&mut self) {
        self.next = self.first;
    }
}
