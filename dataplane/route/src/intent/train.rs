//! How weights are found: for each intent a support vector machine against everything else, with squared hinge loss, by
//! dual coordinate descent (<https://www.csie.ntu.edu.tw/~cjlin/papers/cddual.pdf>). It has no length of a step to
//! choose, no chance, and one fixed order.

use std::collections::HashMap;

use super::words::{self, AsItIs, MOST_FEATURES};
use super::{Examples, Intents};

/// What a mistake costs beside large weights.
const COST: f32 = 10.0;
/// Turns through all examples, if what is to be learned is not learned before.
const MOST_TURNS: usize = 50;
/// Products in all turns together, so that no examples take longer than a few seconds.
const MOST_PRODUCTS: usize = 1 << 31;
/// A turn that moves nothing by more than this is the last.
const SMALL: f32 = 0.1;

/// Known features of a text, by row, of length 1 together.
pub type Vector = Vec<(u32, f32)>;

/// How often each feature is in a text.
type Counts = HashMap<u64, usize, AsItIs>;

/// Examples are good: none is without a word.
pub fn train(examples: &Examples) -> Intents {
    let texts: Vec<Vec<Counts>> =
        examples.values().map(|texts| texts.iter().map(|text| counted(text)).collect()).collect();
    let mut intents = known(examples, &texts);
    let vectors: Vec<Vec<Vector>> = texts
        .into_iter()
        .map(|texts| texts.into_iter().map(|text| vector(&intents, &text)).collect())
        .collect();
    descend(&mut intents, &vectors);
    intents
}

fn counted(text: &str) -> Counts {
    let mut counts = Counts::default();
    words::features(text, &mut |feature| *counts.entry(feature).or_default() += 1);
    counts
}

/// The features, and how rare each is; no weights yet.
fn known(examples: &Examples, texts: &[Vec<Counts>]) -> Intents {
    let mut spread: HashMap<u64, u32, AsItIs> = HashMap::default();
    let each = texts.iter().flatten().flat_map(HashMap::keys);
    each.for_each(|feature| *spread.entry(*feature).or_default() += 1);
    let mut features: Vec<(u64, u32)> = spread.into_iter().collect();
    // The hash decides between equals, so that the order of the table does not.
    features.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    features.truncate(MOST_FEATURES);
    let total: usize = texts.iter().map(Vec::len).sum();
    let rarity = |examples: u32| ((1.0 + total as f32) / (1.0 + examples as f32)).ln() + 1.0;
    Intents {
        names: examples.keys().cloned().collect(),
        rows: features.iter().zip(0..).map(|((feature, _), row)| (*feature, row)).collect(),
        rarity: features.iter().map(|(_, examples)| rarity(*examples)).collect(),
        unknown: rarity(0),
        weights: vec![0.0; features.len() * examples.len()],
        bias: vec![0.0; examples.len()],
    }
}

fn vector(intents: &Intents, text: &Counts) -> Vector {
    let mut vector: Vector = text
        .iter()
        .filter_map(|(feature, times)| {
            let row = *intents.rows.get(feature)?;
            Some((row, words::often(*times) * intents.rarity.get(row as usize)?))
        })
        .collect();
    vector.sort_unstable_by_key(|(row, _)| *row);
    let length = vector.iter().map(|(_, value)| value * value).sum::<f32>().sqrt();
    vector.iter_mut().for_each(|(_, value)| *value /= length);
    vector
}

/// What is to be learned from one text.
struct Lesson<'v> {
    /// Its intent; none for a text of which nothing is known.
    intent: Option<usize>,
    vector: &'v [(u32, f32)],
    /// How much the margin may give way: every intent counts the same, however many examples it has.
    slack: f32,
}

/// Intents take turns, so that none has the last word. The last lesson is that a text of which nothing is known is of
/// none of them.
fn lessons(vectors: &[Vec<Vector>]) -> Vec<Lesson<'_>> {
    let total: usize = vectors.iter().map(Vec::len).sum();
    let share = total as f32 / vectors.len() as f32;
    let slack = |fellows: usize| fellows as f32 / (2.0 * COST * share);
    let rounds = vectors.iter().map(Vec::len).max().unwrap_or_default();
    let mut lessons = Vec::with_capacity(total + 1);
    for round in 0..rounds {
        lessons.extend(vectors.iter().enumerate().filter_map(|(intent, vectors)| {
            let vector = vectors.get(round)?;
            Some(Lesson { intent: Some(intent), vector, slack: slack(vectors.len()) })
        }));
    }
    lessons.push(Lesson { intent: None, vector: &[], slack: slack(1) });
    lessons
}

fn descend(intents: &mut Intents, vectors: &[Vec<Vector>]) {
    let Intents { names, rows: _, rarity: _, unknown: _, weights, bias } = intents;
    let count = names.len();
    let lessons = lessons(vectors);
    let products: usize = lessons.iter().map(|lesson| lesson.vector.len() * count).sum();
    let turns = (MOST_PRODUCTS / products.max(1)).clamp(1, MOST_TURNS);
    // How much each lesson weighs for each intent.
    let mut alphas = vec![0.0_f32; lessons.len() * count];
    let mut margins = vec![0.0_f32; count];
    for _ in 0..turns {
        let mut largest = 0.0_f32;
        for (Lesson { intent, vector, slack }, alphas) in lessons.iter().zip(alphas.chunks_exact_mut(count)) {
            margins.copy_from_slice(bias);
            add_margins(weights, vector, &mut margins);
            // The square of the vector's length, and of the bias's.
            let curve = if vector.is_empty() { 1.0 } else { 2.0 } + slack;
            let mut is_moved = false;
            for (k, (margin, alpha)) in margins.iter_mut().zip(alphas).enumerate() {
                let side = if *intent == Some(k) { 1.0 } else { -1.0 };
                // The others' weights being what they are, this is the best weight of this one.
                let best = (*alpha - (side * *margin - 1.0 + slack * *alpha) / curve).max(0.0);
                let change = best - *alpha;
                largest = largest.max(change.abs() * curve);
                is_moved |= change != 0.0;
                *alpha = best;
                *margin = side * change;
            }
            if !is_moved {
                continue;
            }
            let changes = &margins;
            for (row, value) in *vector {
                let at = *row as usize * count;
                let Some(weights) = weights.get_mut(at..at + count) else { continue };
                weights.iter_mut().zip(changes).for_each(|(weight, change)| *weight += change * value);
            }
            bias.iter_mut().zip(changes).for_each(|(bias, change)| *bias += change);
        }
        if largest < SMALL {
            break;
        }
    }
}

/// Adds what the weights say of a vector to the margins, one for each intent.
pub fn add_margins(weights: &[f32], vector: &[(u32, f32)], margins: &mut [f32]) {
    let count = margins.len();
    for (row, value) in vector {
        let at = *row as usize * count;
        let Some(row) = weights.get(at..at + count) else { continue };
        margins.iter_mut().zip(row).for_each(|(margin, weight)| *margin += weight * value);
    }
}

/// How likely an intent is by its margin. The curve was laid through what `penstock-bench intents` finds on public data:
/// of the guesses with a score around 0.8, about 8 in 10 are right.
pub fn likely(margin: f32) -> f32 {
    1.0 / (1.0 + (-4.0 * (margin + 0.2)).exp())
}
