//! Tools, and the choice among them.

use serde_json::{Value, json};

use super::{Encoder, object};
use crate::dialect::{Format, openai_shared};
use crate::field::Field;
use crate::ledger::Fate;
use crate::message::{Tool, ToolChoice};

enum Choice {
    /// Nothing is said of it.
    Left,
    /// The provider cannot be told a name: with this tool alone, "some tool" means it.
    Alone(String),
    Written(Value),
}

impl Encoder<'_> {
    pub(super) fn tools(&mut self) {
        let request = self.request;
        let choice = self.choice();
        let only = match &choice {
            Choice::Alone(name) => Some(name.as_str()),
            Choice::Left | Choice::Written(_) => None,
        };
        let mut out = Vec::new();
        for tool in request.tools.iter().filter(|tool| only.is_none_or(|name| tool.name == name)) {
            match &tool.opaque {
                None => out.push(self.tool(tool)),
                Some(opaque) if !self.quirks.custom_tools && openai_shared::is_custom(opaque) => {
                    self.note(Field::Tool, Fate::Dropped);
                }
                Some(opaque) if self.is_same_format() => out.push(opaque.clone()),
                Some(opaque) => match openai_shared::tool(opaque, request.origin, Format::Chat) {
                    Some(tool) => out.push(tool),
                    None => self.note(Field::Tool, Fate::Dropped),
                },
            }
        }
        if !out.is_empty() {
            self.set("tools", Field::Tool, out);
        } else if !self.is_same_format() {
            // A choice among no tools is a 400; it means something only where tools were left out.
            if request.tool_choice.is_some() && !request.tools.is_empty() {
                self.note(Field::ToolChoice, Fate::Dropped);
            }
            return;
        }
        match choice {
            Choice::Left => {}
            Choice::Alone(_) => self.set("tool_choice", Field::ToolChoice, self.quirks.required_choice),
            Choice::Written(value) => {
                let is_default = value == "auto";
                self.set_unless_default("tool_choice", Field::ToolChoice, value, is_default);
            }
        }
        if let Some(parallel) = request.parallel_tool_calls {
            // Several at once is what models do by themselves.
            match parallel {
                true if !self.quirks.parallel_switch => {}
                false if !self.quirks.parallel_switch => self.note(Field::ParallelToolCalls, Fate::Dropped),
                _ => self.set_unless_default(
                    "parallel_tool_calls",
                    Field::ParallelToolCalls,
                    parallel,
                    parallel,
                ),
            }
        }
    }

    fn takes_force(&self) -> bool {
        let excludes_thinking = !self.quirks.forced_choice_with_reasoning;
        self.quirks.forced_choice
            && self.upstream.facts.forced_tools != Some(false)
            && !(excludes_thinking && self.thinks_anyway())
    }

    /// Is a call forced, at a provider where that and thinking exclude each other? The call is what the client relies
    /// on.
    pub(super) fn is_forced_without_thinking(&self) -> bool {
        let is_forced = matches!(self.request.tool_choice, Some(ToolChoice::Required | ToolChoice::Named(_)));
        let has_tools = self.out.contains_key(self.renamed("tools"));
        is_forced && has_tools && !self.quirks.forced_choice_with_reasoning && self.takes_force()
    }

    /// What the provider can be told of the client's choice.
    fn choice(&mut self) -> Choice {
        let forces = self.takes_force();
        match &self.request.tool_choice {
            None => Choice::Left,
            Some(ToolChoice::Auto) => Choice::Written("auto".into()),
            Some(ToolChoice::None) => Choice::Written("none".into()),
            Some(ToolChoice::Required | ToolChoice::Named(_)) if !forces => {
                self.note(Field::ToolChoice, Fate::Dropped);
                Choice::Left
            }
            Some(ToolChoice::Required) => Choice::Written(self.quirks.required_choice.into()),
            Some(ToolChoice::Named(name)) => {
                let is_there = self.request.tools.iter().any(|tool| tool.name == *name);
                if self.quirks.named_choice || !is_there {
                    return Choice::Written(json!({"type": "function", "function": {"name": name}}));
                }
                self.note(Field::ToolChoice, Fate::Emulated);
                Choice::Alone(name.clone())
            }
        }
    }

    fn tool(&mut self, tool: &Tool) -> Value {
        let Tool { name, description, parameters, strict, cache_control, opaque: _, extra } = tool;
        let mut function = object(json!({"name": name}));
        if let Some(description) = description {
            function.insert("description".into(), description.clone().into());
        }
        if let Some(parameters) = parameters {
            function.insert("parameters".into(), parameters.clone());
        } else if self.quirks.needs_parameters {
            function.insert("parameters".into(), json!({"type": "object", "properties": {}}));
        }
        match strict {
            Some(strict) if self.quirks.strict_tools => {
                drop(function.insert("strict".into(), (*strict).into()))
            }
            // The schema still guides the model.
            Some(true) => self.note(Field::ToolStrict, Fate::Dropped),
            Some(false) | None => {}
        }
        let mut out = object(json!({"type": "function", "function": function}));
        self.cache_control(cache_control.as_ref(), &mut out);
        self.join_extra(&mut out, extra);
        out.into()
    }
}
