//! Tools, and the choice among them.

use serde_json::{Value, json};

use super::{Encoder, object};
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
                Some(opaque) if self.is_same_format() => out.push(opaque.clone()),
                Some(_) => self.note(Field::Tool, Fate::Dropped),
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
            self.set_unless_default("parallel_tool_calls", Field::ParallelToolCalls, parallel, parallel);
        }
    }

    /// What the provider can be told of the client's choice.
    fn choice(&mut self) -> Choice {
        let forces = self.quirks.forced_choice && self.upstream.facts.forced_tools != Some(false);
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
        }
        if let Some(strict) = strict {
            function.insert("strict".into(), (*strict).into());
        }
        let mut out = object(json!({"type": "function", "function": function}));
        self.cache_control(cache_control.as_ref(), &mut out);
        self.join_extra(&mut out, extra);
        out.into()
    }
}
