//! How much a model is asked to think: this format has words for it, and not every model takes each.

use crate::catalogue::ReasoningStyle;
use crate::dialect::Upstream;
use crate::field::Field;
use crate::ledger::Fate;
use crate::message::Reasoning;
use crate::provider::ReasoningControl;

/// OpenAI's words, weakest first (`ReasoningEffort` of its OpenAPI document).
const WORDS: &[&str] = &["none", "minimal", "low", "medium", "high", "xhigh", "max"];
/// What a model that reasons by itself does, by OpenAI's reference; newer models think only when asked.
const DEFAULT: &str = "medium";

/// `reasoning.effort`, and what had to happen to the client's wish.
#[derive(Debug, PartialEq)]
pub(super) struct Effort {
    pub word: Option<String>,
    pub fate: Option<(Fate, Field)>,
}

/// `thinks` is unknown for a model of which nothing is known: it gets what was asked.
pub(super) fn find(reasoning: Option<&Reasoning>, thinks: Option<bool>, upstream: &Upstream<'_>) -> Effort {
    let nothing = Effort { word: None, fate: None };
    let Some(reasoning) = reasoning else { return nothing };
    let dropped = || Effort { word: None, fate: Some((Fate::Dropped, Field::Reasoning)) };
    let style = upstream.facts.reasoning.as_ref().map(|facts| facts.style);
    match (thinks, reasoning) {
        // A model that does not reason is off already.
        (Some(false), Reasoning::Off) => return nothing,
        (Some(false), _) => return dropped(),
        _ if style == Some(ReasoningStyle::Always) => return dropped(),
        _ => {}
    }
    let (word, fate) = match reasoning {
        Reasoning::Off => ("none", None),
        Reasoning::On | Reasoning::Adaptive(None) => (DEFAULT, None),
        Reasoning::Effort(word) | Reasoning::Adaptive(Some(word)) => (word.as_str(), None),
        Reasoning::Budget(tokens) => (of_budget(*tokens), Some((Fate::Emulated, Field::ReasoningBudget))),
    };
    let taken = words(upstream);
    if taken.is_empty() || taken.contains(&word) {
        return Effort { word: Some(word.to_owned()), fate };
    }
    match nearest(word, &taken) {
        Some(near) => {
            let field = if *reasoning == Reasoning::Off { Field::Reasoning } else { Field::ReasoningEffort };
            Effort { word: Some(near.to_owned()), fate: Some((Fate::Clamped, field)) }
        }
        None => dropped(),
    }
}

/// Words that the model takes; empty where that is unknown.
fn words<'a>(upstream: &Upstream<'a>) -> Vec<&'a str> {
    let facts = upstream.facts.reasoning.as_ref().map(|it| it.efforts.as_ref()).unwrap_or_default();
    if !facts.is_empty() {
        return facts.iter().map(AsRef::as_ref).collect();
    }
    match upstream.provider.quirks(upstream.model).reasoning {
        ReasoningControl::Effort(words) => words.to_vec(),
        _ => Vec::new(),
    }
}

/// The closest, the weaker of two; for a word that nobody knows the strongest.
fn nearest<'a>(word: &str, taken: &[&'a str]) -> Option<&'a str> {
    let rank = |word: &str| WORDS.iter().position(|it| *it == word);
    let Some(wanted) = rank(word) else { return taken.last().copied() };
    taken.iter().copied().min_by_key(|it| rank(it).map_or(usize::MAX, |rank| rank.abs_diff(wanted)))
}

/// The words between which the other direction of the translation sets its budgets.
fn of_budget(tokens: u64) -> &'static str {
    match tokens {
        0..=2048 => "low",
        2049..=8192 => "medium",
        _ => "high",
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;
    use crate::catalogue::{self, Facts};
    use crate::provider;

    fn facts(style: ReasoningStyle, efforts: &'static [&'static str]) -> Facts {
        let efforts: Vec<Cow<'static, str>> = efforts.iter().map(|word| Cow::Borrowed(*word)).collect();
        let reasoning = catalogue::Reasoning {
            style,
            efforts: efforts.into(),
            min_budget: None,
            max_budget: None,
            can_disable: None,
        };
        Facts { reasoning: Some(reasoning), ..Facts::default() }
    }

    #[test]
    fn words_that_the_model_takes() {
        let known = facts(ReasoningStyle::Effort, &["low", "medium", "high"]);
        let newer = facts(ReasoningStyle::Effort, &["none", "low", "medium", "high", "xhigh"]);
        let always = facts(ReasoningStyle::Always, &[]);
        let effort = |word: &str| Reasoning::Effort(word.into());
        let clamped = Some((Fate::Clamped, Field::ReasoningEffort));
        for (facts, reasoning, word, fate) in [
            (&known, effort("low"), Some("low"), None),
            (&known, effort("minimal"), Some("low"), clamped),
            (&known, effort("max"), Some("high"), clamped),
            (&known, effort("extreme"), Some("high"), clamped),
            (&known, Reasoning::On, Some("medium"), None),
            (&known, Reasoning::Adaptive(Some("high".into())), Some("high"), None),
            (&known, Reasoning::Budget(1024), Some("low"), Some((Fate::Emulated, Field::ReasoningBudget))),
            (&known, Reasoning::Off, Some("low"), Some((Fate::Clamped, Field::Reasoning))),
            (&newer, Reasoning::Off, Some("none"), None),
            (&always, effort("low"), None, Some((Fate::Dropped, Field::Reasoning))),
        ] {
            let provider = provider::by_name("OpenAI").unwrap();
            let upstream = Upstream { facts, ..Upstream::new("m", provider) };
            let found = find(Some(&reasoning), facts.thinks(), &upstream);
            assert_eq!(found, Effort { word: word.map(str::to_owned), fate }, "{reasoning:?}");
        }
    }

    #[test]
    fn a_model_that_does_not_reason_is_not_asked() {
        let upstream = Upstream::new("gpt-4o", provider::by_name("OpenAI").unwrap());
        let find = |reasoning: &Reasoning| find(Some(reasoning), Some(false), &upstream);
        assert_eq!(find(&Reasoning::Off), Effort { word: None, fate: None });
        assert_eq!(find(&Reasoning::On).fate, Some((Fate::Dropped, Field::Reasoning)));
    }
}
