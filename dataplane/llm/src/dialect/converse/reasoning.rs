//! How each vendor's models on Bedrock are asked to think: in `additionalModelRequestFields`, and the effort of Claude in
//! `outputConfig`.
//!
//! Sources: Anthropic's pages on thinking; <https://docs.aws.amazon.com/nova/latest/nova2-userguide/extended-thinking.html>
//! for Nova; recorded requests for gpt-oss and Qwen.

use serde_json::{Map, Value, json};

use crate::catalogue::{Facts, ReasoningStyle as Style};
use crate::dialect::{Format, Upstream};
use crate::field::Field;
use crate::ledger::{Fate, Ledger};
use crate::message::{
    Issuer, Part, PartBody, Reasoning, ReasoningBlock, Request, Role, Signature, ToolChoice,
};
use crate::provider::bedrock::{Vendor, vendor};

/// Anthropic's least budget, tokens.
const MIN_BUDGET: u64 = 1024;

/// What the request says about thinking.
#[derive(Default)]
pub(super) struct Asked {
    /// Members of `additionalModelRequestFields`.
    pub fields: Map<String, Value>,
    /// `outputConfig.effort`.
    pub effort: Option<String>,
    /// Claude thinks: its sampling is fixed and no call may be forced.
    pub claude_thinks: bool,
    /// Nova thinks so hard that it takes no inference parameters.
    pub nova_is_unbound: bool,
}

pub(super) fn ask(request: &Request, upstream: &Upstream<'_>, ledger: &mut Ledger) -> Asked {
    let Some(reasoning) = &request.reasoning else { return Asked::default() };
    let is_same = request.origin == Some(Format::Converse);
    // A client of this format says what it wants in the model's own words.
    let facts = if is_same { &Facts::UNKNOWN } else { upstream.facts };
    let style = facts.reasoning.as_ref().map(|it| it.style);
    let vendor = vendor(upstream.model);
    let mut asker =
        Asker { request, facts, style, issuer: upstream.issuer(), is_same, ledger, asked: Asked::default() };
    match vendor {
        Some(Vendor::Anthropic) => asker.claude(reasoning),
        Some(Vendor::Amazon) => asker.nova(reasoning),
        Some(Vendor::OpenAI) => asker.openai(reasoning, upstream.model),
        Some(Vendor::Qwen) => asker.qwen(reasoning),
        // A profile of the account's own, behind which the catalogue or the pool knows a Claude.
        None if matches!(style, Some(Style::Budget | Style::Adaptive)) => asker.claude(reasoning),
        None | Some(Vendor::Cohere | Vendor::Other) => match reasoning {
            Reasoning::Off if matches!(style, None | Some(Style::Never)) => {}
            Reasoning::On if style == Some(Style::Always) => {}
            _ => asker.drop(),
        },
    }
    asker.asked
}

struct Asker<'a> {
    request: &'a Request,
    facts: &'a Facts,
    style: Option<Style>,
    issuer: Option<Issuer>,
    is_same: bool,
    ledger: &'a mut Ledger,
    asked: Asked,
}

impl Asker<'_> {
    fn note(&mut self, field: Field, fate: Fate) {
        self.ledger.note(field, fate);
    }

    fn drop(&mut self) {
        self.note(self.request.reasoning_field(), Fate::Dropped);
    }

    fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.asked.fields.insert(name.to_owned(), value.into());
    }

    fn can_disable(&self) -> bool {
        self.facts.reasoning.as_ref().and_then(|it| it.can_disable) != Some(false)
    }

    fn claude(&mut self, reasoning: &Reasoning) {
        let style = self.style;
        if *reasoning == Reasoning::Off {
            return match style {
                Some(Style::Never | Style::Budget) => {}
                Some(Style::Always) => self.drop(),
                _ if !self.can_disable() => self.drop(),
                _ => self.set("thinking", json!({"type": "disabled"})),
            };
        }
        if let (true, Reasoning::Effort(effort)) = (self.is_same, reasoning) {
            self.asked.effort = Some(effort.clone());
            return;
        }
        let is_budget = match (style, reasoning) {
            (Some(Style::Never), _) => return self.drop(),
            (Some(Style::Always), Reasoning::On | Reasoning::Adaptive(None)) => return,
            (Some(Style::Always), _) => return self.drop(),
            // The effort of its answer, beside a budget of thinking.
            (Some(Style::Effort), Reasoning::Effort(effort) | Reasoning::Adaptive(Some(effort))) => {
                let effort = self.fit(effort, &["low", "medium", "high"]);
                self.asked.effort = Some(effort);
                return;
            }
            (Some(Style::Budget | Style::Effort), _) => true,
            // Some take a budget still.
            (Some(Style::Adaptive), Reasoning::Budget(_)) => {
                self.facts.reasoning.as_ref().is_some_and(|it| it.min_budget.is_some())
            }
            (_, reasoning) => matches!(reasoning, Reasoning::Budget(_)),
        };
        // A forced call and thinking exclude each other, and the call is what the client relies on.
        if !self.is_same && (self.is_forced() || is_budget && !self.tool_loop_is_signed()) {
            return self.drop();
        }
        match reasoning {
            Reasoning::Budget(budget) if is_budget => self.budget(*budget, true),
            Reasoning::Effort(effort) | Reasoning::Adaptive(Some(effort)) if is_budget => {
                self.budget(budget_of(effort), false);
            }
            Reasoning::On | Reasoning::Adaptive(None) if is_budget => self.budget(budget_of("high"), false),
            Reasoning::Effort(effort) | Reasoning::Adaptive(Some(effort)) => self.adaptive(Some(effort)),
            Reasoning::Budget(budget) => {
                self.note(self.request.effort_field(), Fate::Emulated);
                self.adaptive(Some(effort_of(*budget)));
            }
            Reasoning::On | Reasoning::Adaptive(None) | Reasoning::Off => self.adaptive(None),
        }
    }

    /// `is_asked`: by the client, as a number of tokens.
    fn budget(&mut self, wanted: u64, is_asked: bool) {
        if self.is_same {
            self.asked.claude_thinks = true;
            return self.set("thinking", json!({"type": "enabled", "budget_tokens": wanted}));
        }
        let known = self.facts.reasoning.as_ref();
        let least = known.and_then(|it| it.min_budget).unwrap_or(MIN_BUDGET);
        let most = self.request.max_tokens.or(self.facts.max_output).unwrap_or(u64::MAX);
        if most <= least {
            return self.drop();
        }
        // The budget is a part of the answer's tokens: where it does not fit, half stays for the answer.
        let fitting = if wanted < most { wanted } else { most / 2 };
        let budget =
            fitting.min(known.and_then(|it| it.max_budget).unwrap_or(u64::MAX)).clamp(least, most - 1);
        let field = self.request.reasoning_field();
        match (budget == wanted, is_asked) {
            (true, true) => {}
            (true, false) => self.note(field, Fate::Emulated),
            (false, _) => self.note(field, Fate::Clamped),
        }
        self.asked.claude_thinks = true;
        self.set("thinking", json!({"type": "enabled", "budget_tokens": budget}));
    }

    fn adaptive(&mut self, effort: Option<&str>) {
        self.asked.claude_thinks = true;
        self.set("thinking", json!({"type": "adaptive"}));
        if let Some(effort) = effort {
            let effort = self.fit(effort, &["low", "medium", "high", "xhigh", "max"]);
            self.asked.effort = Some(effort);
        }
    }

    /// The word, or the nearest one that the model knows; `usual` where the catalogue does not say.
    fn fit(&mut self, effort: &str, usual: &[&str]) -> String {
        const ORDER: &[&str] = &["none", "minimal", "low", "medium", "high", "xhigh", "max"];
        let known: Vec<&str> = match &self.facts.reasoning {
            Some(reasoning) if !reasoning.efforts.is_empty() => {
                reasoning.efforts.iter().map(|word| word.as_ref()).collect()
            }
            _ => usual.to_vec(),
        };
        if self.is_same || known.contains(&effort) {
            return effort.to_owned();
        }
        self.note(Field::ReasoningEffort, Fate::Clamped);
        let place = |word: &str| ORDER.iter().position(|it| *it == word);
        // A word that nobody knows asks for much rather than for little.
        let wanted = place(effort).or_else(|| place("high")).unwrap_or_default();
        let thinking = known.iter().filter(|word| **word != "none");
        let nearest = thinking.min_by_key(|word| place(word).map_or(usize::MAX, |at| at.abs_diff(wanted)));
        nearest.map_or_else(|| effort.to_owned(), |word| (*word).to_owned())
    }

    fn nova(&mut self, reasoning: &Reasoning) {
        let effort = match (reasoning, self.style) {
            // It does not think unless asked.
            (Reasoning::Off, _) if !self.is_same => return,
            (Reasoning::Off, _) => return self.set("reasoningConfig", json!({"type": "disabled"})),
            (_, Some(Style::Never)) => return self.drop(),
            (Reasoning::On | Reasoning::Adaptive(None), _) => "medium".to_owned(),
            (Reasoning::Effort(effort) | Reasoning::Adaptive(Some(effort)), _) => {
                self.fit(effort, &["low", "medium", "high"])
            }
            (Reasoning::Budget(budget), _) => {
                self.note(self.request.effort_field(), Fate::Emulated);
                effort_of(*budget).to_owned()
            }
        };
        // With "high" there may be no limit of the answer, and a limit is what the client pays by.
        let effort = if effort == "high" && self.request.max_tokens.is_some() && !self.is_same {
            self.note(Field::ReasoningEffort, Fate::Clamped);
            "medium".to_owned()
        } else {
            effort
        };
        self.asked.nova_is_unbound = effort == "high" && !self.is_same;
        self.set("reasoningConfig", json!({"type": "enabled", "maxReasoningEffort": effort}));
    }

    fn openai(&mut self, reasoning: &Reasoning, model: &str) {
        let knows_none =
            self.facts.reasoning.as_ref().is_some_and(|it| it.efforts.iter().any(|word| word == "none"));
        let effort = match reasoning {
            _ if self.style == Some(Style::Never) && *reasoning == Reasoning::Off => return,
            _ if self.style == Some(Style::Never) => return self.drop(),
            Reasoning::Off if knows_none => "none".to_owned(),
            Reasoning::Off => return self.drop(),
            // They think by themselves.
            Reasoning::On | Reasoning::Adaptive(None) => return,
            Reasoning::Effort(effort) | Reasoning::Adaptive(Some(effort)) => {
                self.fit(effort, &["low", "medium", "high"])
            }
            Reasoning::Budget(budget) => {
                self.note(self.request.effort_field(), Fate::Emulated);
                effort_of(*budget).to_owned()
            }
        };
        if model.contains("gpt-oss") {
            self.set("reasoning_effort", effort);
        } else {
            self.set("reasoning", json!({"effort": effort}));
        }
    }

    fn qwen(&mut self, reasoning: &Reasoning) {
        let effort = match reasoning {
            Reasoning::Off => return,
            _ if self.style == Some(Style::Never) => return self.drop(),
            Reasoning::On | Reasoning::Adaptive(None) => "high".to_owned(),
            Reasoning::Effort(effort) | Reasoning::Adaptive(Some(effort)) => {
                self.fit(effort, &["low", "high"])
            }
            Reasoning::Budget(budget) => {
                self.note(self.request.effort_field(), Fate::Emulated);
                if *budget <= 2048 { "low".to_owned() } else { "high".to_owned() }
            }
        };
        self.set("reasoning_config", effort);
    }

    fn is_forced(&self) -> bool {
        matches!(self.request.tool_choice, Some(ToolChoice::Required | ToolChoice::Named(_)))
            && !self.request.tools.is_empty()
            && self.facts.forced_tools != Some(false)
    }

    /// With a budget, a turn of tool calls that goes on must begin with the thinking that led to it. Most chat clients
    /// do not send it back.
    fn tool_loop_is_signed(&self) -> bool {
        let is_result = |part: &Part| matches!(part.body, PartBody::ToolResult { .. });
        let is_call = |part: &Part| matches!(part.body, PartBody::ToolCall(_));
        let is_ours = |signature: &Signature| Some(signature.issuer) == self.issuer;
        let is_signed = |part: &Part| match &part.body {
            PartBody::Reasoning(ReasoningBlock::Thinking { signature, .. }) => {
                signature.as_ref().is_some_and(is_ours)
            }
            PartBody::Reasoning(ReasoningBlock::Redacted { data }) => is_ours(data),
            _ => false,
        };
        let messages = &self.request.messages;
        let mut back = messages.iter().rev();
        let mut goes_on = false;
        let turn = back.find(|message| {
            goes_on |= message.parts.iter().any(is_result);
            message.role == Role::Assistant
        });
        let Some(turn) = turn else { return true };
        !goes_on || !turn.parts.iter().any(is_call) || turn.parts.iter().any(is_signed)
    }
}

fn budget_of(effort: &str) -> u64 {
    match effort {
        "minimal" | "low" => MIN_BUDGET,
        "medium" => 4096,
        "xhigh" | "max" => 32_768,
        _ => 16_384,
    }
}

fn effort_of(budget: u64) -> &'static str {
    match budget {
        0..=2048 => "low",
        2049..=8192 => "medium",
        _ => "high",
    }
}
