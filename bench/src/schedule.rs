//! When each request is due, and whose turn it is.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// One figure for the direct call and one for the call through the gateway.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pair<T> {
    pub direct: T,
    pub gateway: T,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Direct,
    Gateway,
}

impl<T> Pair<T> {
    pub fn get_mut(&mut self, side: Side) -> &mut T {
        match side {
            Side::Direct => &mut self.direct,
            Side::Gateway => &mut self.gateway,
        }
    }

    pub fn get(&self, side: Side) -> &T {
        match side {
            Side::Direct => &self.direct,
            Side::Gateway => &self.gateway,
        }
    }
}

/// `per_side` turns of each side, each pair of turns the other way round than the one before, so that a machine
/// that slowly gets busier favours neither side.
pub fn turns(per_side: u32) -> impl Iterator<Item = Side> {
    use Side::{Direct, Gateway};
    (0..per_side).flat_map(|pair| if pair % 2 == 0 { [Direct, Gateway] } else { [Gateway, Direct] })
}

/// Constant arrivals that any number of threads take from, in order. A thread that is late finds its arrival in the
/// past: the delay then counts as latency, which is the correction for coordinated omission.
pub struct Arrivals {
    start: Instant,
    rate: u32,
    count: u32,
    taken: AtomicU32,
}

impl Arrivals {
    pub fn new(start: Instant, rate: u32, seconds: u32) -> Self {
        Self { start, rate, count: rate.saturating_mul(seconds), taken: AtomicU32::new(0) }
    }

    /// When the next request is due; `None` when all are taken.
    pub fn take(&self) -> Option<Instant> {
        let index = self.taken.fetch_add(1, Ordering::Relaxed);
        (index < self.count).then(|| self.start + self.offset(index))
    }

    /// From the index and not by adding intervals: rounding does not add up.
    fn offset(&self, index: u32) -> Duration {
        Duration::from_nanos(u64::from(index) * 1_000_000_000 / u64::from(self.rate))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_fair() {
        use Side::{Direct, Gateway};
        assert_eq!(turns(3).collect::<Vec<_>>(), [Direct, Gateway, Gateway, Direct, Direct, Gateway]);
    }

    #[test]
    fn arrivals_are_even_and_end() {
        let start = Instant::now();
        let arrivals = Arrivals::new(start, 3, 2);
        let offsets: Vec<_> =
            std::iter::from_fn(|| arrivals.take()).map(|due| (due - start).as_millis()).collect();
        assert_eq!(offsets, [0, 333, 666, 1000, 1333, 1666]);
        assert_eq!(arrivals.take(), None);
    }
}
