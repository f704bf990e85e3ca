//! How the model is asked to think.

use serde_json::json;

use super::{Encoder, may_go};
use crate::dialect::effort::{budget_of, effort_of, nearest};
use crate::dialect::messages::abilities::Thinking;
use crate::field::Field;
use crate::ledger::Fate;
use crate::message::{Part, PartBody, Reasoning, ReasoningBlock, Role};

impl Encoder<'_> {
    pub(super) fn reasoning(&mut self) {
        let Some(reasoning) = &self.request.reasoning else { return };
        // Penstock's own switch leaves it to us how this model is asked.
        let is_own_words = self.is_same_format() && self.request.reasoning_field() != Field::ThinkingMode;
        if is_own_words {
            return self.own_reasoning(reasoning);
        }
        let can_think = match self.model.thinking {
            Thinking::Never => false,
            Thinking::Always => true,
            Thinking::Budget => !self.is_forced() && self.tool_loop_is_signed(),
            Thinking::Adaptive => !self.is_forced() || !self.model.can_disable_thinking,
        };
        match (reasoning, self.model.thinking) {
            (Reasoning::Off, Thinking::Never)
            | (Reasoning::On | Reasoning::Adaptive(None), Thinking::Always) => {}
            (Reasoning::Off, _) if !self.model.can_disable_thinking => self.lose_reasoning(),
            // Off unless it is asked for.
            (Reasoning::Off, Thinking::Budget) => {}
            (Reasoning::Off, Thinking::Adaptive) => self.set("thinking", json!({"type": "disabled"})),
            (_, Thinking::Always) => self.lose_reasoning(),
            _ if !can_think => self.lose_reasoning(),
            (Reasoning::Budget(budget), Thinking::Budget) => self.budget(*budget, None),
            (Reasoning::On, Thinking::Budget) => self.budget(budget_of("high"), None),
            (Reasoning::Effort(effort), Thinking::Budget) => {
                self.budget(budget_of(effort), Some(Fate::Emulated))
            }
            (Reasoning::Adaptive(effort), Thinking::Budget) => {
                self.budget(budget_of(effort.as_deref().unwrap_or("high")), Some(Fate::Emulated));
            }
            (Reasoning::Budget(budget), _) if self.model.takes_budget && self.tool_loop_is_signed() => {
                self.budget(*budget, None);
            }
            (Reasoning::On, _) => self.adaptive(None),
            (Reasoning::Effort(effort), _) => self.adaptive(Some(effort)),
            (Reasoning::Budget(budget), _) => {
                self.note(self.request.effort_field(), Fate::Emulated);
                self.adaptive(Some(effort_of(*budget)));
            }
            (Reasoning::Adaptive(effort), _) => self.adaptive(effort.as_deref()),
        }
    }

    fn lose_reasoning(&mut self) {
        self.note(self.request.reasoning_field(), Fate::Dropped);
    }

    /// As the client wrote it; what else it wrote there is in `extra`.
    fn own_reasoning(&mut self, reasoning: &Reasoning) {
        match reasoning {
            Reasoning::Off => self.set("thinking", json!({"type": "disabled"})),
            Reasoning::Budget(budget) => {
                self.set("thinking", json!({"type": "enabled", "budget_tokens": budget}));
            }
            Reasoning::Effort(effort) => self.set_in("output_config", "effort", effort.as_str()),
            Reasoning::On => self.set("thinking", json!({"type": "adaptive"})),
            Reasoning::Adaptive(effort) => {
                self.set("thinking", json!({"type": "adaptive"}));
                if let Some(effort) = effort {
                    self.set_in("output_config", "effort", effort.as_str());
                }
            }
        }
    }

    /// With a budget, a turn of tool calls that goes on must begin with the thinking that led to it. Most chat
    /// clients do not send it back.
    fn tool_loop_is_signed(&self) -> bool {
        let issuer = self.upstream.issuer();
        let is_result = |part: &Part| matches!(part.body, PartBody::ToolResult { .. });
        let is_call = |part: &Part| matches!(part.body, PartBody::ToolCall(_));
        let is_signed = |part: &Part| match &part.body {
            PartBody::Reasoning(ReasoningBlock::Thinking { signature: Some(signature), .. }) => {
                may_go(signature, issuer)
            }
            PartBody::Reasoning(ReasoningBlock::Redacted { data }) => may_go(data, issuer),
            _ => false,
        };
        let mut back = self.request.messages.iter().rev();
        let goes_on = back.next().is_some_and(|last| last.parts.iter().any(is_result));
        let turn = back.find(|message| message.role == Role::Assistant);
        !goes_on
            || turn.is_none_or(|turn| !turn.parts.iter().any(is_call) || turn.parts.iter().any(is_signed))
    }

    /// `fate` of the client's wish where the budget fits.
    fn budget(&mut self, wanted: u64, fate: Option<Fate>) {
        let least = self.model.min_budget;
        let limit = self.out.get("max_tokens").and_then(serde_json::Value::as_u64).unwrap_or(0);
        if limit <= least {
            return self.lose_reasoning();
        }
        // The budget is a part of max_tokens: where it does not fit, half stays for the answer.
        let fitting = if wanted < limit { wanted } else { limit / 2 };
        let budget = fitting.min(self.model.max_budget).clamp(least, limit - 1);
        if budget != wanted {
            self.note(self.request.effort_field(), Fate::Clamped);
        } else if let Some(fate) = fate {
            self.note(self.request.effort_field(), fate);
        }
        self.thinks = true;
        self.set("thinking", json!({"type": "enabled", "budget_tokens": budget}));
    }

    fn adaptive(&mut self, effort: Option<&str>) {
        self.thinks = true;
        self.set("thinking", json!({"type": "adaptive"}));
        let Some(effort) = effort else { return };
        let known = nearest(effort, self.model.efforts.iter().copied()).unwrap_or("high");
        if known != effort {
            self.note(Field::ReasoningEffort, Fate::Clamped);
        }
        self.set_in("output_config", "effort", known);
    }
}
