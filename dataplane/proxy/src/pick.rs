//! In which order a rule's targets are tried. Pure: chance comes in as an argument.

use rand::{Rng, RngExt};

/// Indices of targets, given each one's (priority, weight): lower priorities first; inside one, a random order in
/// which a target comes first as often as its weight says. Targets of weight 0 come last in their priority.
pub fn order(targets: &[(u32, u32)], rng: &mut impl Rng) -> Vec<usize> {
    if targets.len() < 2 {
        return (0..targets.len()).collect();
    }
    // Exponential variates divided by the weights: sorting them draws without replacement by weight.
    let mut keyed: Vec<(u32, f64, usize)> = targets
        .iter()
        .enumerate()
        .map(|(i, (priority, weight))| {
            let draw: f64 = rng.random_range(f64::MIN_POSITIVE..1.0);
            let key = if *weight == 0 { f64::INFINITY } else { -draw.ln() / f64::from(*weight) };
            (*priority, key, i)
        })
        .collect();
    keyed.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)).then(a.2.cmp(&b.2)));
    keyed.into_iter().map(|(_, _, i)| i).collect()
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    #[test]
    fn priorities_come_in_order_and_weight_zero_last() {
        let mut rng = StdRng::seed_from_u64(3);
        for _ in 0..200 {
            let order = order(&[(1, 100), (0, 0), (0, 5), (2, 1)], &mut rng);
            assert_eq!(order, [2, 1, 0, 3]);
        }
    }

    #[test]
    fn first_places_follow_the_weights() {
        let mut rng = StdRng::seed_from_u64(4);
        let runs = 10_000;
        let first = (0..runs).filter(|_| order(&[(0, 90), (0, 10)], &mut rng)[0] == 0).count();
        assert!((8_800..9_200).contains(&first), "{first} of {runs}");
    }
}
