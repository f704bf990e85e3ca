//! What a text is about, learned from a route's own examples: small, deterministic, without a model of language.
//!
//! Owns: which examples can be learned from, the classifier, its bounds.
//! Refuses to know: where examples come from, which text is asked about, what follows from the answer.
//!
//! A text is what [`words`] says of it. Each intent has a linear classifier against the others and against a text of which
//! nothing is known; [`train`] finds it. docs/intents.md has its figures, and what else was tried.

mod train;
mod words;

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use words::AsItIs;

/// Most intents of a route.
pub const MOST_INTENTS: usize = 32;
/// Most examples of an intent.
pub const MOST_EXAMPLES: usize = 256;
/// Longest example, in characters.
pub const LONGEST_EXAMPLE: usize = 512;
/// From which score on an intent counts, where the route says nothing else: in percent.
pub const THRESHOLD: u32 = 60;

/// Examples by the name of the intent.
pub type Examples = BTreeMap<String, Vec<String>>;

/// What was learned from examples.
///
/// At most 11 MiB, for 32 intents whose examples have more than [`words::MOST_FEATURES`] features; a tenth of a MiB for a
/// handful of intents with ten examples each.
pub struct Intents {
    names: Vec<String>,
    /// The row of each feature that is known.
    rows: HashMap<u64, u32, AsItIs>,
    /// How much a feature says, by row: the rarer in the examples, the more.
    rarity: Vec<f32>,
    /// Of a feature that no example has.
    unknown: f32,
    /// By row, and in each by intent.
    weights: Vec<f32>,
    bias: Vec<f32>,
}

/// The most likely intent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Guess<'i> {
    pub name: &'i str,
    /// How likely it is, from 0 to 1.
    pub score: f64,
}

/// An example that nothing can be learned from.
#[derive(Clone, Debug, PartialEq)]
pub struct Flaw {
    pub intent: String,
    /// Its place in the list of examples; `None` where it is the list that is at fault.
    pub example: Option<usize>,
    pub message: String,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.example {
            Some(i) => write!(f, "{}.examples[{i}]: {}", self.intent, self.message),
            None => write!(f, "{}.examples: {}", self.intent, self.message),
        }
    }
}

/// Everything that is wrong with examples, in their order.
pub fn flaws(examples: &Examples) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    let mut known: HashMap<Vec<String>, &str> = HashMap::new();
    if examples.len() > MOST_INTENTS {
        let intent = examples.keys().nth(MOST_INTENTS).cloned().unwrap_or_default();
        let message = format!("a route has at most {MOST_INTENTS} intents; put some of them together");
        flaws.push(Flaw { intent, example: None, message });
    }
    for (intent, texts) in examples {
        let mut say = |example: Option<usize>, message: String| {
            flaws.push(Flaw { intent: intent.clone(), example, message });
        };
        match texts.len() {
            0 => say(None, "an intent needs at least 1 example".to_owned()),
            n if n > MOST_EXAMPLES => {
                say(
                    None,
                    format!("an intent has at most {MOST_EXAMPLES} examples; keep those that differ most"),
                );
            }
            _ => {}
        }
        for (i, text) in texts.iter().enumerate() {
            if text.chars().count() > LONGEST_EXAMPLE {
                say(Some(i), format!("an example has at most {LONGEST_EXAMPLE} characters; cut it"));
                continue;
            }
            let words = words::words(text);
            if words.is_empty() {
                say(Some(i), "there is no word in it, so nothing to learn; remove it".to_owned());
                continue;
            }
            match known.get(&words) {
                Some(other) if *other != intent => {
                    say(Some(i), format!("`{other}` has this example too; keep it in one of the two"));
                }
                _ => drop(known.insert(words, intent)),
            }
        }
    }
    flaws
}

impl Intents {
    /// The same examples give the same classifier.
    ///
    /// # Errors
    /// The first flaw.
    pub fn learn(examples: &Examples) -> Result<Self, Flaw> {
        match flaws(examples).into_iter().next() {
            Some(flaw) => Err(flaw),
            None => Ok(train::train(examples)),
        }
    }

    /// What the text is about; `None` when it has nothing in common with any example. Of a text over 2 KiB the first and
    /// the last KiB are looked at.
    pub fn guess(&self, text: &str) -> Option<Guess<'_>> {
        let vector = self.vector(text);
        if vector.is_empty() {
            return None;
        }
        let mut margins = self.bias.clone();
        train::add_margins(&self.weights, &vector, &mut margins);
        let (margin, name) = margins.iter().zip(&self.names).max_by(|a, b| a.0.total_cmp(b.0))?;
        Some(Guess { name, score: f64::from(train::likely(*margin)) })
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// Bytes that it holds.
    pub fn size(&self) -> usize {
        let names: usize = self.names.iter().map(String::len).sum();
        // A slot of the table has a byte of its own beside the entry.
        let table = self.rows.capacity() * (size_of::<(u64, u32)>() + 1);
        names + table + (self.rarity.len() + self.weights.len() + self.bias.len()) * size_of::<f32>()
    }

    /// The known features of a text by their rows, of length 1 together with a share of the unknown ones: the less of a
    /// text is known, the less there is to say of it.
    fn vector(&self, text: &str) -> train::Vector {
        /// Of unknown features, so many parts of their square. With all of it, few texts of a person's would be known
        /// well enough; with nothing, a single known word would decide.
        const SHARE: f32 = 0.1;
        let mut found = Vec::new();
        let mut unknown = 0_u16;
        words::features(text, &mut |feature| match self.rows.get(&feature) {
            Some(row) => found.push(*row),
            None => unknown = unknown.saturating_add(1),
        });
        found.sort_unstable();
        let mut vector = train::Vector::with_capacity(found.len());
        for same in found.chunk_by(|a, b| a == b) {
            if let [row, ..] = same
                && let Some(rarity) = self.rarity.get(*row as usize)
            {
                vector.push((*row, words::often(same.len()) * rarity));
            }
        }
        let squares: f32 = vector.iter().map(|(_, value)| value * value).sum();
        let length = (squares + SHARE * f32::from(unknown) * self.unknown * self.unknown).sqrt();
        vector.iter_mut().for_each(|(_, value)| *value /= length);
        vector
    }
}

impl fmt::Debug for Intents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Intents").field("names", &self.names).field("rows", &self.rarity.len()).finish()
    }
}
