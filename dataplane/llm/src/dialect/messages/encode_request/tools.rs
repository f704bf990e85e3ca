//! Tools, and the choice among them.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::Encoder;
use crate::dialect::messages::abilities::Thinking;
use crate::dialect::messages::schema;
use crate::dialect::{extras, fields, json_answer};
use crate::error::Refused;
use crate::field::Field;
use crate::ledger::Fate;
use crate::message::{Issuer, PartBody, Reasoning, Tool, ToolChoice};

impl Encoder<'_> {
    pub(super) fn tools(&mut self) -> Result<(), Refused> {
        let mut out = Vec::new();
        for (i, tool) in self.request.tools.iter().enumerate() {
            if tool.name == json_answer::TOOL {
                let message = format!("`{}` is a name of Penstock's own", tool.name);
                return Err(Refused { field: format!("tools[{i}].name"), message });
            }
            match &tool.opaque {
                None => out.push(self.tool(tool)),
                Some(opaque) if self.is_same_format() => out.push(opaque.clone()),
                Some(_) => self.note(Field::Tool, Fate::Dropped),
            }
        }
        if let Some(answer) = self.json_answer() {
            self.answer_by_tool(&answer, out);
            return Ok(());
        }
        if out.is_empty() {
            if matches!(self.request.tool_choice, Some(ToolChoice::Required | ToolChoice::Named(_))) {
                self.note(Field::ToolChoice, Fate::Dropped);
            }
            self.tools_of_history();
            return Ok(());
        }
        self.set("tools", out);
        self.choice();
        Ok(())
    }

    fn choice(&mut self) {
        let is_serial = self.request.parallel_tool_calls == Some(false);
        let takes_force = self.upstream.facts.forced_tools != Some(false) || self.is_same_format();
        let mut choice = match &self.request.tool_choice {
            None if is_serial => json!({"type": "auto"}),
            None => return,
            Some(ToolChoice::Required | ToolChoice::Named(_)) if !takes_force => {
                self.note(Field::ToolChoice, Fate::Dropped);
                json!({"type": "auto"})
            }
            Some(ToolChoice::Auto) => json!({"type": "auto"}),
            Some(ToolChoice::Required) => json!({"type": "any"}),
            Some(ToolChoice::Named(name)) => json!({"type": "tool", "name": name}),
            Some(ToolChoice::None) => json!({"type": "none"}),
        };
        let switch = self.request.parallel_tool_calls.filter(|parallel| !parallel || self.is_same_format());
        // `none` takes no other member.
        let takes_switch = self.request.tool_choice != Some(ToolChoice::None);
        if let (Some(parallel), true, Value::Object(choice)) = (switch, takes_switch, &mut choice) {
            choice.insert("disable_parallel_tool_use".into(), (!parallel).into());
        }
        self.set("tool_choice", choice);
    }

    /// The tool whose input is an answer in JSON, for a model that cannot promise one and can be made to call. A
    /// client's forced choice is a call, not an answer; forced calls and thinking exclude each other, and with another
    /// vendor's model nobody knows whether it thinks by itself.
    fn json_answer(&self) -> Option<Tool> {
        let request = self.request;
        let format = request.response_format.as_ref().filter(|_| !self.is_same_format())?;
        let is_call = matches!(request.tool_choice, Some(ToolChoice::Required | ToolChoice::Named(_)));
        let thinks = self.model.thinking != Thinking::Never
            && request.reasoning.as_ref().is_some_and(|reasoning| *reasoning != Reasoning::Off);
        let facts = self.upstream.facts;
        let can_force = match facts.forced_tools {
            Some(can) => can,
            None => self.upstream.issuer() == Some(Issuer::Anthropic),
        };
        if self.model.structured || is_call || thinks || !can_force || facts.tools == Some(false) {
            return None;
        }
        json_answer::tool(format)
    }

    /// Beside the client's own tools, any of which may be called before the answer is given.
    fn answer_by_tool(&mut self, answer: &Tool, mut tools: Vec<Value>) {
        let may_call = !tools.is_empty() && self.request.tool_choice != Some(ToolChoice::None);
        tools.push(self.tool(answer));
        self.note(Field::ResponseFormat, Fate::Emulated);
        self.set("tools", tools);
        let mut choice = match may_call {
            true => json!({"type": "any"}),
            false => json!({"type": "tool", "name": json_answer::TOOL}),
        };
        if let (Some(false), Value::Object(choice)) = (self.request.parallel_tool_calls, &mut choice) {
            choice.insert("disable_parallel_tool_use".into(), true.into());
        }
        self.set("tool_choice", choice);
        self.has_json_answer = true;
    }

    /// A history of calls without a definition of the tools is a 400: they are defined as far as it tells, and may not
    /// be called.
    fn tools_of_history(&mut self) {
        if self.is_same_format() {
            return;
        }
        let mut names: Vec<&str> = Vec::new();
        let mut known: HashSet<&str> = HashSet::new();
        let mut has_results = false;
        for part in self.request.messages.iter().flat_map(|message| &message.parts) {
            match &part.body {
                PartBody::ToolCall(call) if known.insert(&call.name) => names.push(&call.name),
                PartBody::ToolResult { .. } => has_results = true,
                _ => {}
            }
        }
        if names.is_empty() && has_results {
            names.push("tool");
        }
        if names.is_empty() {
            return;
        }
        let tool = |name: &&str| json!({"name": name, "input_schema": {"type": "object"}});
        let tools: Vec<Value> = names.iter().map(tool).collect();
        self.note(Field::Tool, Fate::Emulated);
        self.set("tools", tools);
        self.set("tool_choice", json!({"type": "none"}));
    }

    fn tool(&mut self, tool: &Tool) -> Value {
        let Tool { name, description, parameters, strict, cache_control, opaque: _, extra } = tool;
        let mut out = Map::new();
        out.insert("name".into(), name.clone().into());
        if let Some(description) =
            description.as_ref().filter(|text| self.is_same_format() || !text.is_empty())
        {
            out.insert("description".into(), description.clone().into());
        }
        let mut input_schema = match parameters {
            Some(Value::Object(schema)) => schema.clone(),
            _ => Map::new(),
        };
        if !input_schema.contains_key("type") {
            input_schema.insert("type".into(), "object".into());
        }
        let input_schema = Value::Object(input_schema);
        match strict {
            // A schema that strict tools refuse still guides the model.
            Some(true)
                if !self.is_same_format() && (!self.model.structured || schema::adapt(&input_schema).1) =>
            {
                self.note(Field::ToolStrict, Fate::Dropped);
            }
            Some(false) if !self.is_same_format() => {}
            Some(strict) => drop(out.insert("strict".into(), (*strict).into())),
            None => {}
        }
        out.insert("input_schema".into(), input_schema);
        if let Some(marker) = cache_control {
            out.insert("cache_control".into(), marker.clone());
        }
        if self.is_same_format() {
            fields::add_missing(&mut out, extra);
        } else {
            extras::note_dropped(extra, self.ledger);
        }
        out.into()
    }

    /// A forced tool and thinking exclude each other, and the tool is what the client relies on.
    pub(super) fn is_forced(&self) -> bool {
        let kind = self.out.get("tool_choice").and_then(|choice| choice.get("type")).and_then(Value::as_str);
        matches!(kind, Some("any" | "tool"))
    }
}
