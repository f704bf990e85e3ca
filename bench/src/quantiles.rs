//! Exact quantiles: every sample is kept, none is put into a bucket.

use std::time::Duration;

/// Durations of one kind.
#[derive(Default)]
pub struct Samples(Vec<Duration>);

impl Samples {
    pub fn push(&mut self, sample: Duration) {
        self.0.push(sample);
    }

    pub fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn sorted(mut self) -> Sorted {
        self.0.sort_unstable();
        Sorted(self.0)
    }
}

/// Samples in order.
pub struct Sorted(Vec<Duration>);

impl Sorted {
    /// Nearest rank: the smallest sample that at least `per_mille` of all samples do not exceed. `None` when there are
    /// too few samples for one to lie beyond it.
    pub fn quantile(&self, per_mille: usize) -> Option<Duration> {
        if self.0.len() * (1000 - per_mille) < 1000 {
            return None;
        }
        let rank = (self.0.len() * per_mille).div_ceil(1000);
        self.0.get(rank.saturating_sub(1)).copied()
    }

    pub fn max(&self) -> Option<Duration> {
        self.0.last().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(samples: impl IntoIterator<Item = u64>) -> Sorted {
        let mut all = Samples::default();
        samples.into_iter().for_each(|ms| all.push(Duration::from_millis(ms)));
        all.sorted()
    }

    #[test]
    fn nearest_rank() {
        let sorted = of((1..=1000).rev());
        for (per_mille, ms) in [(0, 1), (500, 500), (990, 990), (999, 999)] {
            assert_eq!(sorted.quantile(per_mille), Some(Duration::from_millis(ms)), "{per_mille}");
        }
        assert_eq!(sorted.max(), Some(Duration::from_millis(1000)));
    }

    #[test]
    fn few_samples() {
        assert_eq!(of([]).quantile(500), None);
        assert_eq!(of([3, 1, 2]).quantile(500), Some(Duration::from_millis(2)));
        assert_eq!(of([1, 2]).quantile(990), None);
        assert_eq!(of(0..99).quantile(990), None);
        assert_eq!(of(0..100).quantile(990), Some(Duration::from_millis(98)));
    }

    #[test]
    fn merges() {
        let (mut a, mut b) = (Samples::default(), Samples::default());
        a.push(Duration::from_millis(5));
        b.push(Duration::from_millis(9));
        a.append(b);
        assert_eq!(a.len(), 2);
        assert_eq!(a.sorted().max(), Some(Duration::from_millis(9)));
    }
}
