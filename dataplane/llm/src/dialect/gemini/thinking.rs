//! How a model is asked to think.
//!
//! Models of generation 2.5 take `thinkingBudget` (tokens; 0 is off where that is possible, -1 as much as the model
//! likes), those from 3 on `thinkingLevel`; a request with both is a 400. Sources:
//! <https://ai.google.dev/gemini-api/docs/thinking>; for effort words as budgets
//! <https://ai.google.dev/gemini-api/docs/openai>, "Thinking".

use serde_json::{Map, Value};

use crate::catalogue::{self, ReasoningStyle};
use crate::dialect::Upstream;
use crate::field::Field;
use crate::ledger::{Fate, Ledger};
use crate::message::{Reasoning, Request};

/// As much as the model likes.
pub(super) const DYNAMIC: i64 = -1;
/// Google's words, weakest first.
const LEVELS: &[&str] = &["minimal", "low", "medium", "high"];

/// How the model is asked; unknown is `None`.
pub(super) fn style(upstream: &Upstream<'_>) -> Option<ReasoningStyle> {
    let facts = upstream.facts.reasoning.as_ref().map(|reasoning| reasoning.style);
    facts
        .filter(|style| *style != ReasoningStyle::Unknown)
        .or(upstream.provider.gemini_quirks(upstream.model).thinking)
}

/// `thinkingConfig` for what a client of another format asks, or by Penstock's own switch.
pub(super) fn config(request: &Request, upstream: &Upstream<'_>, ledger: &mut Ledger) -> Map<String, Value> {
    let mut out = Map::new();
    let Some(reasoning) = &request.reasoning else { return out };
    let facts = upstream.facts.reasoning.as_ref();
    let mut scribe = Scribe {
        facts,
        field: request.reasoning_field(),
        amount: request.effort_field(),
        ledger,
        out: &mut out,
    };
    match style(upstream) {
        Some(ReasoningStyle::Never) => scribe.never(reasoning),
        Some(ReasoningStyle::Always) => scribe.always(reasoning),
        Some(ReasoningStyle::Budget | ReasoningStyle::Toggle) => scribe.budget(reasoning),
        Some(ReasoningStyle::Effort | ReasoningStyle::Adaptive) => scribe.level(reasoning),
        Some(ReasoningStyle::Unknown) | None => scribe.as_asked(reasoning),
    }
    out
}

struct Scribe<'a> {
    facts: Option<&'a catalogue::Reasoning>,
    field: Field,
    /// The field that says how much.
    amount: Field,
    ledger: &'a mut Ledger,
    out: &'a mut Map<String, Value>,
}

impl Scribe<'_> {
    /// Who asks a model to think wants to read what it thought.
    fn show(&mut self) {
        self.out.insert("includeThoughts".into(), true.into());
    }

    fn set_budget(&mut self, tokens: impl Into<Value>) {
        self.out.insert("thinkingBudget".into(), tokens.into());
    }

    fn set_level(&mut self, word: &str) {
        self.out.insert("thinkingLevel".into(), word.to_ascii_uppercase().into());
    }

    fn never(&mut self, reasoning: &Reasoning) {
        if *reasoning != Reasoning::Off {
            self.ledger.note(self.field, Fate::Dropped);
        }
    }

    fn always(&mut self, reasoning: &Reasoning) {
        if !matches!(reasoning, Reasoning::On | Reasoning::Adaptive(None)) {
            self.ledger.note(self.field, Fate::Dropped);
        }
        if *reasoning != Reasoning::Off {
            self.show();
        }
    }

    fn budget(&mut self, reasoning: &Reasoning) {
        let least = self.facts.and_then(|facts| facts.min_budget);
        match reasoning {
            Reasoning::Off => {
                let must_think = self.facts.is_some_and(|facts| facts.can_disable == Some(false));
                if must_think {
                    self.ledger.note(self.field, Fate::Clamped);
                }
                return self.set_budget(least.filter(|_| must_think).unwrap_or(0));
            }
            Reasoning::On | Reasoning::Adaptive(None) => self.set_budget(DYNAMIC),
            Reasoning::Budget(tokens) => {
                let fit = self.fit(*tokens);
                if fit != *tokens {
                    self.ledger.note(self.amount, Fate::Clamped);
                }
                self.set_budget(fit);
            }
            Reasoning::Effort(word) | Reasoning::Adaptive(Some(word)) => {
                self.ledger.note(Field::ReasoningEffort, Fate::Emulated);
                let fit = self.fit(budget_of(word));
                self.set_budget(fit);
            }
        }
        self.show();
    }

    fn fit(&self, tokens: u64) -> u64 {
        let Some(facts) = self.facts else { return tokens };
        let tokens = facts.max_budget.map_or(tokens, |most| tokens.min(most));
        facts.min_budget.map_or(tokens, |least| tokens.max(least))
    }

    fn level(&mut self, reasoning: &Reasoning) {
        match reasoning {
            Reasoning::Off => {
                // None of them can be told not to think at all.
                self.ledger.note(self.field, Fate::Clamped);
                let weakest = self.known_levels().first().copied().unwrap_or("low");
                return self.set_level(weakest);
            }
            // The model's own default.
            Reasoning::On | Reasoning::Adaptive(None) => {}
            Reasoning::Effort(word) | Reasoning::Adaptive(Some(word)) => {
                let level = self.nearest(word);
                if level != word {
                    self.ledger.note(Field::ReasoningEffort, Fate::Clamped);
                }
                self.set_level(level);
            }
            Reasoning::Budget(tokens) => {
                self.ledger.note(self.amount, Fate::Emulated);
                let level = self.nearest(effort_of(*tokens));
                self.set_level(level);
            }
        }
        self.show();
    }

    /// The model's own words; where they are unknown, those that every one of them takes in one form or another.
    fn known_levels(&self) -> Vec<&'static str> {
        let efforts = self.facts.map(|facts| &*facts.efforts).unwrap_or_default();
        let known = |level: &&&str| efforts.is_empty() || efforts.iter().any(|effort| effort == **level);
        LEVELS.iter().filter(known).copied().collect()
    }

    /// The model's level for a word: itself, or the next stronger, or its strongest.
    fn nearest(&self, word: &str) -> &'static str {
        let levels = self.known_levels();
        let rank = |word: &str| LEVELS.iter().position(|level| *level == word).unwrap_or(LEVELS.len());
        let wanted = rank(word);
        levels.iter().find(|level| rank(level) >= wanted).or(levels.last()).copied().unwrap_or("high")
    }

    /// Nothing is known of the model: each word in Google's own form, and Google judges.
    fn as_asked(&mut self, reasoning: &Reasoning) {
        match reasoning {
            Reasoning::Off => return self.set_budget(0),
            Reasoning::On | Reasoning::Adaptive(None) => {}
            Reasoning::Budget(tokens) => self.set_budget(*tokens),
            Reasoning::Effort(word) | Reasoning::Adaptive(Some(word)) => {
                let level = self.nearest(word);
                if level != word {
                    self.ledger.note(Field::ReasoningEffort, Fate::Clamped);
                }
                self.set_level(level);
            }
        }
        self.show();
    }
}

/// Google's own table.
fn budget_of(effort: &str) -> u64 {
    match effort {
        "minimal" | "low" => 1024,
        "medium" => 8192,
        _ => 24_576,
    }
}

/// Between the budgets that the other direction gives to each word.
fn effort_of(budget: u64) -> &'static str {
    match budget {
        0..=512 => "minimal",
        513..=2048 => "low",
        2049..=12_288 => "medium",
        _ => "high",
    }
}

/// `thinkingConfig` as a client of this format wrote it; what else stood there is among its extra members.
pub(super) fn own_config(reasoning: &Reasoning) -> Map<String, Value> {
    let mut out = Map::new();
    let (name, value) = match reasoning {
        Reasoning::Off => ("thinkingBudget", Value::from(0)),
        Reasoning::Budget(tokens) => ("thinkingBudget", Value::from(*tokens)),
        Reasoning::Adaptive(None) => ("thinkingBudget", Value::from(DYNAMIC)),
        Reasoning::On => ("includeThoughts", true.into()),
        Reasoning::Effort(word) | Reasoning::Adaptive(Some(word)) => {
            ("thinkingLevel", word.to_ascii_uppercase().into())
        }
    };
    out.insert(name.into(), value);
    out
}
