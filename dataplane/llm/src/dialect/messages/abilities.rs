//! What the model behind the format takes: the catalogue's facts, and where they are silent what is safe.
//!
//! Sources of the defaults: Anthropic's pages "Models overview", "Extended thinking", "Adaptive thinking", "Effort" and
//! "Structured outputs".

use crate::catalogue::{ReasoningStyle, Sampling};
use crate::dialect::Upstream;

/// Anthropic's least budget, tokens.
const MIN_BUDGET: u64 = 1024;

/// How a model is asked to think.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Thinking {
    Never,
    /// It always does, and nothing steers it.
    Always,
    /// `thinking.budget_tokens`.
    Budget,
    /// `thinking.type: adaptive` with `output_config.effort`.
    Adaptive,
}

#[derive(Clone, Debug)]
pub(super) struct Abilities<'a> {
    /// Tokens; filled in where the client gives none.
    pub max_output: u64,
    /// Is that limit a fact, to which a client's own may be moved?
    pub knows_max_output: bool,
    pub thinking: Thinking,
    /// Takes a budget, as models of [`Thinking::Budget`] do and some of [`Thinking::Adaptive`].
    pub takes_budget: bool,
    pub can_disable_thinking: bool,
    /// Words of `output_config.effort`.
    pub efforts: Vec<&'a str>,
    pub min_budget: u64,
    pub max_budget: u64,
    /// Takes `output_config.format`, and `strict` tools.
    pub structured: bool,
    pub sampling: Sampling,
}

const EVERY_EFFORT: &[&str] = &["low", "medium", "high", "xhigh", "max"];
const OLDEST_EFFORTS: &[&str] = &["low", "medium", "high"];

pub(super) fn of<'a>(upstream: &Upstream<'a>) -> Abilities<'a> {
    let facts = upstream.facts;
    let mut out = defaults_for(upstream.model);
    if let Some(most) = facts.max_output {
        out.max_output = most;
        out.knows_max_output = true;
    }
    if let Some(reasoning) = &facts.reasoning {
        out.thinking = match reasoning.style {
            ReasoningStyle::Never => Thinking::Never,
            ReasoningStyle::Always => Thinking::Always,
            ReasoningStyle::Toggle | ReasoningStyle::Budget => Thinking::Budget,
            ReasoningStyle::Effort | ReasoningStyle::Adaptive => Thinking::Adaptive,
            ReasoningStyle::Unknown => out.thinking,
        };
        out.takes_budget = out.thinking == Thinking::Budget || reasoning.min_budget.is_some();
        out.can_disable_thinking = reasoning.can_disable != Some(false);
        out.efforts = reasoning.efforts.iter().map(AsRef::as_ref).collect();
        if out.efforts.is_empty() {
            out.efforts = OLDEST_EFFORTS.to_vec();
        }
        out.min_budget = reasoning.min_budget.unwrap_or(MIN_BUDGET);
        out.max_budget = reasoning.max_budget.unwrap_or(u64::MAX);
    }
    out.structured = facts.json_schema.unwrap_or(out.structured);
    out.sampling = facts.sampling.unwrap_or(out.sampling);
    out
}

/// A Claude of which nothing is known is newer than the catalogue, and like the newest that it holds. Another vendor's
/// model behind this format copies what was there first. No model that is still served has a lower limit than 8,192.
fn defaults_for(model: &str) -> Abilities<'static> {
    let is_claude = model.contains("claude");
    Abilities {
        max_output: 8192,
        knows_max_output: false,
        thinking: if is_claude { Thinking::Adaptive } else { Thinking::Budget },
        takes_budget: !is_claude,
        can_disable_thinking: true,
        efforts: EVERY_EFFORT.to_vec(),
        min_budget: MIN_BUDGET,
        max_budget: u64::MAX,
        structured: is_claude,
        sampling: if is_claude { Sampling::Refused } else { Sampling::Free },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::Facts;
    use crate::provider;

    fn with<'a>(model: &'a str, facts: &'a Facts) -> Abilities<'a> {
        let upstream = Upstream { facts, ..Upstream::new(model, provider::by_name("Anthropic").unwrap()) };
        of(&upstream)
    }

    #[test]
    fn nothing_is_known() {
        let nothing = Facts::default();
        let claude = with("claude-next-1", &nothing);
        assert_eq!((claude.thinking, claude.structured, claude.max_output), (Thinking::Adaptive, true, 8192));
        let other = with("kimi-k2", &nothing);
        assert_eq!(
            (other.thinking, other.structured, other.sampling),
            (Thinking::Budget, false, Sampling::Free)
        );
    }

    #[test]
    fn facts_come_first() {
        let facts: Facts = serde_json::from_value(serde_json::json!({
            "maxOutput": 64_000,
            "reasoning": {"style": "budget", "minBudget": 1024, "maxBudget": 32_000, "canDisable": false},
            "jsonSchema": false,
            "sampling": "oneOf",
        }))
        .unwrap();
        let known = with("claude-sonnet-4", &facts);
        assert_eq!((known.thinking, known.structured), (Thinking::Budget, false));
        assert_eq!((known.max_output, known.max_budget), (64_000, 32_000));
        assert_eq!(known.sampling, Sampling::OneOf);
        assert!(!known.can_disable_thinking);
        assert_eq!(known.efforts, OLDEST_EFFORTS);
    }
}
