//! Words and numbers for "how much to think", and the way from one to the other.

/// Weakest first. Unknown words are most often newer and stronger ones.
fn rank(word: &str) -> u8 {
    match word {
        "none" => 0,
        "minimal" => 1,
        "low" => 2,
        // Groq's word for "as the model does by itself".
        "medium" | "default" => 3,
        "xhigh" => 5,
        "max" => 6,
        _ => 4,
    }
}

/// The word of `words` that comes nearest to the one that was asked for, the stronger of two. `none` is no amount of
/// thinking and is never chosen. `None` where there is nothing to choose from.
pub(super) fn nearest<'a>(wanted: &str, words: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let mut words = words.into_iter().filter(|word| *word != "none").peekable();
    words.peek()?;
    let wanted_rank = rank(wanted);
    words.min_by_key(|word| {
        let weaker = rank(word) < wanted_rank;
        (*word != wanted, rank(word).abs_diff(wanted_rank), weaker)
    })
}

/// Tokens that stand for a word where a provider wants a number. Anthropic's least budget is 1,024.
pub(super) fn budget_of(effort: &str) -> u64 {
    match effort {
        "minimal" | "low" => 1024,
        "medium" | "default" => 4096,
        "xhigh" | "max" => 32_768,
        _ => 16_384,
    }
}

/// Between the budgets that [`budget_of`] gives to each word.
pub(super) fn effort_of(budget: u64) -> &'static str {
    match budget {
        0..=2048 => "low",
        2049..=8192 => "medium",
        _ => "high",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word() {
        for (wanted, words, want) in [
            ("high", &["low", "medium", "high"][..], Some("high")),
            ("minimal", &["none", "low", "high"], Some("low")),
            ("medium", &["low", "high"], Some("high")),
            ("xhigh", &["low", "high", "max"], Some("max")),
            ("max", &["low", "medium", "high"], Some("high")),
            ("ultra", &["low", "medium", "high", "max"], Some("high")),
            ("high", &["none", "default"], Some("default")),
            ("high", &["none"], None),
            ("high", &[], None),
        ] {
            assert_eq!(nearest(wanted, words.iter().copied()), want, "{wanted} {words:?}");
        }
    }

    #[test]
    fn words_and_budgets_come_back() {
        for word in ["low", "medium", "high"] {
            assert_eq!(effort_of(budget_of(word)), word);
        }
    }
}
