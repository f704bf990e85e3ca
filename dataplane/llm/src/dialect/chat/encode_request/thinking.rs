//! How a provider is asked to let its model think.

use serde_json::{Map, Value, json};

use super::Encoder;
use crate::catalogue::ReasoningStyle;
use crate::dialect::chat::quirks::ReasoningControl;
use crate::dialect::effort::{budget_of, effort_of, nearest};
use crate::field::Field;
use crate::ledger::Fate;
use crate::message::Reasoning;

/// OpenRouter's words. Source: <https://openrouter.ai/docs/use-cases/reasoning-tokens>.
const OPENROUTER: &[&str] = &["none", "minimal", "low", "medium", "high", "xhigh"];

/// What the client wants, as far as a switch tells it.
#[derive(Clone, Copy)]
enum Level<'a> {
    Off,
    /// As much as the model does by itself.
    On,
    Effort(&'a str),
    Budget(u64),
}

impl Encoder<'_> {
    pub(super) fn reasoning(&mut self) {
        let facts = self.upstream.facts;
        let level = self.request.reasoning.as_ref().map(|reasoning| match reasoning {
            Reasoning::Off => Level::Off,
            Reasoning::On | Reasoning::Adaptive(None) => Level::On,
            Reasoning::Effort(word) | Reasoning::Adaptive(Some(word)) => Level::Effort(word),
            Reasoning::Budget(tokens) => Level::Budget(*tokens),
        });
        let style = facts.reasoning.as_ref().map(|reasoning| reasoning.style);
        match (style, level) {
            (Some(ReasoningStyle::Never), None | Some(Level::Off)) => return,
            (Some(ReasoningStyle::Always), None | Some(Level::On)) => return,
            (Some(ReasoningStyle::Never | ReasoningStyle::Always), Some(_)) => return self.lose_reasoning(),
            _ => {}
        }
        let is_forced = self.is_forced_without_thinking();
        // Such a turn and thinking together are a 400, and thinking is on unless it is turned off.
        let lacks_history = self.quirks.needs_reasoning_history && self.lacks_thoughts();
        if (is_forced || lacks_history) && !self.thinks_anyway() {
            match level {
                Some(Level::Off) => {}
                None if is_forced => self.note(Field::ToolChoice, Fate::Emulated),
                _ => self.lose_reasoning(),
            }
            return self.turn(false);
        }
        let Some(level) = level else { return };
        match self.quirks.reasoning {
            ReasoningControl::None => self.unknown_control(level),
            ReasoningControl::Effort(words) => self.effort(level, words),
            ReasoningControl::ReasoningObject => self.reasoning_object(level),
            ReasoningControl::EnableThinking => self.enable_thinking(level),
            ReasoningControl::ThinkingType | ReasoningControl::TemplateArguments => match level {
                Level::Off if self.is_always_on() => self.lose_reasoning(),
                Level::Off => self.turn(false),
                level => {
                    self.turn(true);
                    self.amount(level);
                }
            },
        }
    }

    /// Is the provider's way to ask for reasoning known? Then the client's own way does not go there.
    pub(super) fn knows_reasoning(&self) -> bool {
        self.quirks.reasoning != ReasoningControl::None
    }

    fn lose_reasoning(&mut self) {
        self.note(self.request.reasoning_field(), Fate::Dropped);
    }

    /// Can nothing keep this model from thinking? Said only of those that think.
    pub(super) fn thinks_anyway(&self) -> bool {
        let facts = self.upstream.facts.reasoning.as_ref();
        let is_always = facts.is_some_and(|reasoning| reasoning.style == ReasoningStyle::Always);
        let has_switch = match self.quirks.reasoning {
            ReasoningControl::None => false,
            ReasoningControl::Effort(words) => words.contains(&"none"),
            _ => true,
        };
        let is_thinker = self.upstream.facts.thinks() != Some(false);
        is_thinker && (is_always || self.is_always_on() || !has_switch)
    }

    fn is_always_on(&self) -> bool {
        self.upstream.facts.reasoning.as_ref().and_then(|reasoning| reasoning.can_disable) == Some(false)
    }

    /// Effort words that the model takes beside a switch.
    fn known_words(&self) -> Vec<&str> {
        let known = self.upstream.facts.reasoning.as_ref();
        let known = known.into_iter().flat_map(|reasoning| reasoning.efforts.iter()).map(AsRef::as_ref);
        let known: Vec<&str> = known.collect();
        if known.is_empty() { self.quirks.thinking_efforts.to_vec() } else { known }
    }

    /// A client of this format gets through what it wrote, in `reasoning_effort` or in a member of its own choice.
    fn unknown_control(&mut self, level: Level<'_>) {
        let extra = &self.request.extra;
        let says = |name: &str| self.is_same_format() && extra.contains_key(name) && !self.refuses(name);
        let object = extra.get("reasoning").filter(|_| says("reasoning"));
        let in_object = object.and_then(|it| it.get("effort")).and_then(Value::as_str);
        let is_told = ["reasoning", "thinking", "enable_thinking", "thinking_budget"].into_iter().any(says);
        let thinks = self.upstream.facts.thinks() == Some(true);
        match level {
            Level::Effort(word) if self.is_same_format() => {
                if in_object != Some(word) {
                    self.set("reasoning_effort", Field::ReasoningEffort, word);
                }
            }
            _ if is_told => {}
            Level::Off if self.is_same_format() && self.request.thinking_mode.is_none() => {
                self.set_unless_default("reasoning_effort", Field::Reasoning, "none", !thinks);
            }
            // A model that does not reason is already off.
            Level::Off if !thinks => {}
            // Whether the server behind knows a member for it cannot be told from here, and many refuse it.
            _ => self.lose_reasoning(),
        }
    }

    fn effort(&mut self, level: Level<'_>, words: &[&str]) {
        let upstream = self.upstream;
        let own = upstream.facts.reasoning.as_ref().filter(|reasoning| !reasoning.efforts.is_empty());
        let mut known: Vec<&str> = match own {
            Some(own) => own.efforts.iter().map(AsRef::as_ref).collect(),
            None => words.to_vec(),
        };
        match own.and_then(|own| own.can_disable) {
            Some(false) => known.retain(|word| *word != "none"),
            Some(true) if words.contains(&"none") && !known.contains(&"none") => known.push("none"),
            _ => {}
        }
        let (word, fate) = match level {
            Level::Off if known.contains(&"none") => (Some("none"), None),
            // The least of it, where it cannot be turned off.
            Level::Off => (nearest("minimal", known.iter().copied()), Some(Fate::Clamped)),
            Level::On => (nearest("medium", known.iter().copied()), None),
            Level::Effort(wanted) => {
                let word = nearest(wanted, known.iter().copied());
                (word, (word != Some(wanted)).then_some(Fate::Clamped))
            }
            Level::Budget(tokens) => {
                (nearest(effort_of(tokens), known.iter().copied()), Some(Fate::Emulated))
            }
        };
        let Some(word) = word else { return self.lose_reasoning() };
        if let Some(fate) = fate.filter(|_| !self.refuses("reasoning_effort")) {
            self.note(self.request.effort_field(), fate);
        }
        self.set("reasoning_effort", Field::Reasoning, word);
    }

    fn reasoning_object(&mut self, level: Level<'_>) {
        let value = match level {
            Level::Off if self.is_always_on() => return self.lose_reasoning(),
            Level::Off => json!({"effort": "none"}),
            Level::On => json!({"enabled": true}),
            Level::Budget(tokens) => json!({"max_tokens": tokens}),
            Level::Effort(wanted) => {
                let known = self.known_words();
                let words = if known.is_empty() { OPENROUTER.to_vec() } else { known };
                let word = nearest(wanted, words).unwrap_or("high").to_owned();
                if word != wanted {
                    self.note(Field::ReasoningEffort, Fate::Clamped);
                }
                json!({"effort": word})
            }
        };
        self.set("reasoning", Field::Reasoning, value);
    }

    fn enable_thinking(&mut self, level: Level<'_>) {
        let tokens = match level {
            Level::Off if self.is_always_on() => return self.lose_reasoning(),
            Level::Off | Level::On => None,
            Level::Budget(tokens) => Some(tokens),
            Level::Effort(word) => {
                self.note(Field::ReasoningEffort, Fate::Emulated);
                Some(budget_of(word))
            }
        };
        self.set("enable_thinking", Field::Reasoning, !matches!(level, Level::Off));
        let Some(tokens) = tokens else { return };
        let facts = self.upstream.facts.reasoning.as_ref();
        let least = facts.and_then(|reasoning| reasoning.min_budget).unwrap_or(0);
        let most = facts.and_then(|reasoning| reasoning.max_budget).unwrap_or(u64::MAX);
        let fitting = tokens.min(most).max(least);
        if fitting != tokens {
            self.note(self.request.effort_field(), Fate::Clamped);
        }
        self.set("thinking_budget", Field::ReasoningBudget, fitting);
    }

    /// A switch that says nothing of how much.
    fn turn(&mut self, on: bool) {
        match self.quirks.reasoning {
            ReasoningControl::ThinkingType => {
                let word = if on { self.quirks.thinking_on } else { "disabled" };
                self.set("thinking", Field::Reasoning, json!({"type": word}));
            }
            ReasoningControl::TemplateArguments => {
                let mut arguments = Map::new();
                arguments.insert("enable_thinking".into(), on.into());
                self.set("chat_template_kwargs", Field::Reasoning, arguments);
            }
            ReasoningControl::EnableThinking => self.set("enable_thinking", Field::Reasoning, on),
            ReasoningControl::ReasoningObject if !on => {
                self.set("reasoning", Field::Reasoning, json!({"effort": "none"}));
            }
            ReasoningControl::Effort(words) if !on && words.contains(&"none") => {
                self.set("reasoning_effort", Field::Reasoning, "none");
            }
            ReasoningControl::ReasoningObject | ReasoningControl::Effort(_) | ReasoningControl::None => {}
        }
    }

    /// How much, beside such a switch: some models take a word for it.
    fn amount(&mut self, level: Level<'_>) {
        let wanted = match level {
            Level::Off | Level::On => return,
            Level::Effort(word) => word,
            Level::Budget(tokens) => effort_of(tokens),
        };
        let Some(word) = nearest(wanted, self.known_words()).map(str::to_owned) else {
            return self.note(self.request.effort_field(), Fate::Clamped);
        };
        match level {
            Level::Budget(_) => self.note(self.request.effort_field(), Fate::Emulated),
            _ if word != wanted => self.note(Field::ReasoningEffort, Fate::Clamped),
            _ => {}
        }
        self.set("reasoning_effort", Field::ReasoningEffort, word);
    }
}
