//! In which order a rule's candidates are tried. Pure: chance comes in as an argument.

use penstock_config::Strategy;
use rand::{Rng, RngExt};

/// What the order depends on, of one candidate.
#[derive(Clone, Debug)]
pub struct Runner {
    /// Which target of the rule it belongs to.
    pub target: usize,
    /// What names it, whatever its place: a sticky draw hangs on it.
    pub identity: u64,
    pub priority: u32,
    pub weight: u32,
    /// What the request is expected to cost, picodollars; `None` where that is unknown.
    pub cost: Option<u128>,
    /// Seconds until an answer begins; `None` before the first one.
    pub latency: Option<f64>,
    /// Requests whose answer has not begun.
    pub waiting: u32,
    /// Requests under way.
    pub in_flight: u32,
    /// Below 1 while it recovers: the share of its requests that it should get.
    pub share: f64,
}

/// Indices of the candidates in the order in which they are tried: lower priorities first, and inside one by strategy.
/// Weight 0 comes last in its priority; who recovers gives the part of its requests that it should not get yet to the
/// others. `sticky`: what the draw hangs on in place of chance.
pub fn order(strategy: Strategy, runners: &[Runner], sticky: Option<u64>, rng: &mut impl Rng) -> Vec<usize> {
    if runners.len() < 2 {
        return (0..runners.len()).collect();
    }
    let draws = draws(runners, sticky, rng);
    let unknown = mean(runners.iter().filter_map(|runner| runner.latency)).unwrap_or(1.0);
    let mut keyed: Vec<(Key, usize)> = runners
        .iter()
        .zip(&draws)
        .enumerate()
        .map(|(i, (runner, draw))| {
            let by_strategy = match strategy {
                Strategy::Priority | Strategy::Weighted => 0.0,
                // Exact up to some dollars, which no request costs.
                Strategy::LeastCost => runner.cost.map_or(f64::INFINITY, |cost| cost as f64),
                Strategy::LeastLatency => {
                    runner.latency.unwrap_or(unknown) * f64::from(runner.waiting.saturating_add(1))
                }
                Strategy::LeastBusy => f64::from(runner.in_flight) / f64::from(runner.weight.max(1)),
            };
            let recovers = runner.share < 1.0 && rng.random_range(0.0..1.0) >= runner.share;
            let key = Key {
                recovers,
                priority: runner.priority,
                is_reserve: runner.weight == 0,
                by_strategy,
                draw: *draw,
            };
            (key, i)
        })
        .collect();
    keyed.sort_by(|(a, i), (b, j)| a.cmp(b).then(i.cmp(j)));
    if strategy == Strategy::LeastLatency {
        choose_of_two(&mut keyed, rng);
    }
    keyed.into_iter().map(|(_, i)| i).collect()
}

struct Key {
    recovers: bool,
    priority: u32,
    is_reserve: bool,
    by_strategy: f64,
    draw: f64,
}

impl Key {
    /// Those that compete for the first place.
    fn class(&self) -> (bool, u32, bool) {
        (self.recovers, self.priority, self.is_reserve)
    }

    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.class()
            .cmp(&other.class())
            .then(self.by_strategy.total_cmp(&other.by_strategy))
            .then(self.draw.total_cmp(&other.draw))
    }
}

/// One draw for each target, which all of its candidates share, so that they stay in their pool's order. Exponential
/// variates divided by the weights: sorting them draws without replacement by weight.
fn draws(runners: &[Runner], sticky: Option<u64>, rng: &mut impl Rng) -> Vec<f64> {
    let mut drawn: Vec<(usize, f64)> = Vec::with_capacity(runners.len());
    for runner in runners {
        let same = drawn.iter().rev().find(|(target, _)| *target == runner.target);
        let draw = same.map_or_else(
            || {
                let chance: f64 = match sticky {
                    // Each target draws on its own: a change of one weight moves only its share.
                    Some(seed) => unit(mix(seed ^ runner.identity)),
                    None => rng.random_range(f64::MIN_POSITIVE..1.0),
                };
                -chance.ln() / f64::from(runner.weight.max(1))
            },
            |(_, draw)| *draw,
        );
        drawn.push((runner.target, draw));
    }
    drawn.into_iter().map(|(_, draw)| draw).collect()
}

/// The better one of two that were drawn goes first: the best one alone would draw every request until its first
/// answers tell that it is busy.
fn choose_of_two(keyed: &mut [(Key, usize)], rng: &mut impl Rng) {
    let Some(class) = keyed.first().map(|(key, _)| key.class()) else { return };
    let peers = keyed.iter().take_while(|(key, _)| key.class() == class).count();
    if peers < 3 {
        return;
    }
    let one = rng.random_range(0..peers);
    let other = (one + rng.random_range(1..peers)) % peers;
    // They are sorted: the earlier one is the better one.
    if let Some(front) = keyed.get_mut(..=one.min(other)) {
        front.rotate_right(1);
    }
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, n) = values.fold((0.0, 0_u32), |(sum, n), value| (sum + value, n + 1));
    (n > 0).then(|| sum / f64::from(n))
}

/// The finalizer of SplitMix64: spreads what differs in a few bits.
fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Into (0, 1).
fn unit(x: u64) -> f64 {
    ((x >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    fn runner(target: usize) -> Runner {
        Runner {
            target,
            identity: mix(target as u64 + 1),
            priority: 0,
            weight: 100,
            cost: None,
            latency: None,
            waiting: 0,
            in_flight: 0,
            share: 1.0,
        }
    }

    fn targets(weights: &[(u32, u32)]) -> Vec<Runner> {
        let of = |(target, (priority, weight)): (usize, &(u32, u32))| Runner {
            priority: *priority,
            weight: *weight,
            ..runner(target)
        };
        weights.iter().enumerate().map(of).collect()
    }

    fn firsts(strategy: Strategy, runners: &[Runner], runs: usize) -> Vec<usize> {
        let mut rng = StdRng::seed_from_u64(4);
        let mut counts = vec![0; runners.len()];
        for _ in 0..runs {
            counts[order(strategy, runners, None, &mut rng)[0]] += 1;
        }
        counts
    }

    #[test]
    fn priorities_come_in_order_and_weight_zero_last() {
        let mut rng = StdRng::seed_from_u64(3);
        let runners = targets(&[(1, 100), (0, 0), (0, 5), (2, 1)]);
        for strategy in [Strategy::Priority, Strategy::LeastLatency, Strategy::LeastCost] {
            for _ in 0..200 {
                assert_eq!(order(strategy, &runners, None, &mut rng), [2, 1, 0, 3]);
            }
        }
    }

    #[test]
    fn first_places_follow_the_weights() {
        let counts = firsts(Strategy::Priority, &targets(&[(0, 90), (0, 10)]), 10_000);
        assert!((8_800..9_200).contains(&counts[0]), "{counts:?}");
    }

    #[test]
    fn the_candidates_of_a_target_keep_their_order() {
        let mut rng = StdRng::seed_from_u64(5);
        let runners = [runner(0), runner(0), runner(1), runner(1)];
        for _ in 0..100 {
            let order = order(Strategy::Priority, &runners, None, &mut rng);
            assert!(order == [0, 1, 2, 3] || order == [2, 3, 0, 1], "{order:?}");
        }
    }

    #[test]
    fn who_sticks_stays_and_few_move_when_a_weight_changes() {
        let mut rng = StdRng::seed_from_u64(6);
        let (before, after) = (targets(&[(0, 90), (0, 10)]), targets(&[(0, 80), (0, 20)]));
        let (mut second, mut moved) = (0, 0);
        for user in 0..10_000_u64 {
            let seed = mix(user);
            let first = order(Strategy::Weighted, &before, Some(seed), &mut rng)[0];
            assert_eq!(order(Strategy::Weighted, &before, Some(seed), &mut rng)[0], first);
            let then = order(Strategy::Weighted, &after, Some(seed), &mut rng)[0];
            second += usize::from(first == 1);
            moved += usize::from(then != first);
            assert!(!(first == 1 && then == 0), "nobody leaves the arm that grows");
        }
        assert!((900..1_100).contains(&second), "{second} of 10,000 at a weight of 10");
        assert!((900..1_100).contains(&moved), "{moved} moved when it grew to 20");
    }

    #[test]
    fn the_cheapest_comes_first_and_the_unknown_last() {
        let runners = [Some(30), None, Some(10), Some(20)].map(|cost| Runner { cost, ..runner(0) });
        let mut rng = StdRng::seed_from_u64(7);
        assert_eq!(order(Strategy::LeastCost, &runners, None, &mut rng), [2, 3, 0, 1]);
    }

    #[test]
    fn the_least_busy_comes_first_in_relation_to_its_weight() {
        let mut runners = targets(&[(0, 100), (0, 300), (0, 100)]);
        for (runner, in_flight) in runners.iter_mut().zip([4, 9, 2]) {
            runner.in_flight = in_flight;
        }
        let mut rng = StdRng::seed_from_u64(8);
        assert_eq!(order(Strategy::LeastBusy, &runners, None, &mut rng), [2, 1, 0]);
    }

    #[test]
    fn a_slow_one_gets_nothing_and_a_cold_start_is_no_herd() {
        let mut slow = vec![runner(0), runner(1), runner(2)];
        for (runner, latency) in slow.iter_mut().zip([0.1, 1.0, 0.1]) {
            runner.latency = Some(latency);
        }
        let counts = firsts(Strategy::LeastLatency, &slow, 3_000);
        assert_eq!(counts[1], 0, "{counts:?}");
        let cold = vec![runner(0), runner(1), runner(2), runner(3)];
        let counts = firsts(Strategy::LeastLatency, &cold, 4_000);
        assert!(counts.iter().all(|count| (800..1_200).contains(count)), "{counts:?}");
        // A newcomer beside known ones is taken for one of them, and does not draw everything.
        let newcomer = vec![
            Runner { latency: Some(0.1), ..runner(0) },
            Runner { latency: Some(0.3), ..runner(1) },
            runner(2),
        ];
        let counts = firsts(Strategy::LeastLatency, &newcomer, 3_000);
        assert!(counts[2] < 1_500, "{counts:?}");
    }

    #[test]
    fn who_recovers_gets_its_share_first_and_the_rest_as_a_reserve() {
        let mut runners = targets(&[(0, 100), (1, 100)]);
        runners[0].share = 0.1;
        let counts = firsts(Strategy::Priority, &runners, 10_000);
        assert!((900..1_100).contains(&counts[0]), "{counts:?}");
    }
}
