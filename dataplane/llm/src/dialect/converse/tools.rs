//! The tools of a request, and which of them must be called.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::dialect::json_answer;
use crate::dialect::messages::schema;
use crate::dialect::{Upstream, extras, fields};
use crate::error::Refused;
use crate::field::Field;
use crate::ledger::{Fate, Ledger};
use crate::message::{PartBody, Request, ResponseFormat, Tool, ToolChoice};
use crate::provider::bedrock::{Vendor, vendor};

use super::{cache, ids};
use crate::dialect::Format;

pub(super) struct Tools<'a> {
    pub request: &'a Request,
    pub upstream: &'a Upstream<'a>,
    pub ledger: &'a mut Ledger,
    /// No call may be forced, because the model is asked to think.
    pub is_free: bool,
}

/// What was written.
#[derive(Default)]
pub(super) struct Written {
    /// `toolConfig`.
    pub config: Option<Value>,
    /// A tool stands for the format of the answer.
    pub has_json_answer: bool,
}

impl Tools<'_> {
    fn is_same_format(&self) -> bool {
        self.request.origin == Some(Format::Converse)
    }

    fn note(&mut self, field: Field, fate: Fate) {
        self.ledger.note(field, fate);
    }

    pub fn write(mut self) -> Result<Written, Refused> {
        let mut tools = Vec::new();
        for (i, tool) in self.request.tools.iter().enumerate() {
            match &tool.opaque {
                None => self.tool(i, tool, &mut tools)?,
                Some(opaque) if self.is_same_format() => tools.push(opaque.clone()),
                Some(_) => self.note(Field::Tool, Fate::Dropped),
            }
        }
        if self.request.parallel_tool_calls == Some(false) {
            self.note(Field::ParallelToolCalls, Fate::Dropped);
        }
        let called = if self.is_same_format() { BTreeSet::new() } else { called(self.request) };
        let is_hidden = self.request.tool_choice == Some(ToolChoice::None) && !self.is_same_format();
        if is_hidden && called.is_empty() && !tools.is_empty() {
            // There is no `none` here: a tool that is not there is not called.
            self.note(Field::ToolChoice, Fate::Emulated);
            tools.clear();
        }
        if tools.is_empty() && !called.is_empty() {
            // Calls in the history are a 400 where no tool is declared.
            self.note(Field::Tool, Fate::Emulated);
            tools.extend(called.iter().map(|name| stand_in(name)));
        }
        let has_own = !tools.is_empty();
        let answer = self.json_answer();
        if let Some(tool) = &answer {
            tools.push(spec(tool, None));
        }
        let choice = match &self.request.tool_choice {
            _ if tools.is_empty() => {
                if matches!(self.request.tool_choice, Some(ToolChoice::Required | ToolChoice::Named(_))) {
                    self.note(Field::ToolChoice, Fate::Dropped);
                }
                return Ok(Written::default());
            }
            _ if answer.is_some() && (is_hidden || !has_own) => self.named(json_answer::TOOL, &mut tools),
            _ if answer.is_some() => Some(json!({"any": {}})),
            None => None,
            // It is the default, and some models know no choice at all.
            Some(ToolChoice::Auto) => self.is_same_format().then(|| json!({"auto": {}})),
            Some(ToolChoice::None) => {
                self.note(Field::ToolChoice, Fate::Dropped);
                None
            }
            Some(ToolChoice::Required | ToolChoice::Named(_)) if !self.can_force() => {
                self.note(Field::ToolChoice, Fate::Dropped);
                None
            }
            Some(ToolChoice::Required) => Some(json!({"any": {}})),
            Some(ToolChoice::Named(name)) => self.named(name, &mut tools),
        };
        let mut config = Map::new();
        config.insert("tools".into(), tools.into());
        if let Some(choice) = choice {
            config.insert("toolChoice".into(), choice);
        }
        Ok(Written { config: Some(config.into()), has_json_answer: answer.is_some() })
    }

    fn can_force(&self) -> bool {
        self.is_same_format() || self.upstream.facts.forced_tools != Some(false)
    }

    /// A client's forced choice is a call, not an answer.
    fn json_answer(&self) -> Option<Tool> {
        let format = self.request.response_format.as_ref()?;
        let facts = self.upstream.facts;
        let is_native = has_json_schema(self.upstream) || self.is_same_format();
        let is_call = matches!(self.request.tool_choice, Some(ToolChoice::Required | ToolChoice::Named(_)));
        if is_native || is_call || self.is_free || facts.tools == Some(false) || !self.can_force() {
            return None;
        }
        json_answer::tool(format)
    }

    /// The service model: `tool` is "Only supported by Anthropic Claude 3 and Amazon Nova models". For the others the
    /// tool is the only one there, which comes to the same.
    fn named(&mut self, name: &str, tools: &mut Vec<Value>) -> Option<Value> {
        let is_it = |tool: &Value| {
            tool.get("toolSpec").and_then(|spec| spec.get("name")).is_some_and(|it| it == name)
        };
        let knows_names =
            matches!(vendor(self.upstream.model), None | Some(Vendor::Amazon | Vendor::Anthropic));
        if knows_names || self.is_same_format() || !tools.iter().any(is_it) {
            return Some(json!({"tool": {"name": name}}));
        }
        if name != json_answer::TOOL {
            self.note(Field::ToolChoice, Fate::Emulated);
        }
        tools.retain(is_it);
        Some(json!({"any": {}}))
    }

    fn tool(&mut self, at: usize, tool: &Tool, out: &mut Vec<Value>) -> Result<(), Refused> {
        let is_same = self.is_same_format();
        let refused = |message: String| Refused { field: format!("tools[{at}].name"), message };
        if !is_same && !ids::is_name(&tool.name) {
            return Err(refused(format!(
                "`{}` is no tool name for Bedrock: at most 64 letters, digits, `_` and `-`",
                tool.name
            )));
        }
        if tool.name == json_answer::TOOL {
            return Err(refused(format!("`{}` is a name of Penstock's own", tool.name)));
        }
        // Only schemas without what strict tools refuse can be promised; the others still guide the model.
        let strict = match tool.strict {
            Some(true) if !is_same => {
                let schema = tool.parameters.as_ref().map(schema::adapt);
                let fits = has_json_schema(self.upstream) && schema.is_some_and(|(_, changed)| !changed);
                if !fits {
                    self.note(Field::ToolStrict, Fate::Dropped);
                }
                fits.then_some(true)
            }
            Some(false) if !is_same => None,
            strict => strict,
        };
        let mut written = spec(tool, strict);
        match written.get_mut("toolSpec") {
            Some(Value::Object(spec)) if is_same => fields::add_missing(spec, &tool.extra),
            _ => extras::note_dropped(&tool.extra, self.ledger),
        }
        out.push(written);
        let Some(marker) = &tool.cache_control else { return Ok(()) };
        // Nova's cache holds instructions and messages, not tools.
        let is_nova = vendor(self.upstream.model) == Some(Vendor::Amazon);
        if !is_same && (is_nova || self.upstream.facts.prompt_caching == Some(false)) {
            self.note(Field::CacheControl, Fate::Dropped);
        } else {
            out.push(cache::point(marker));
        }
        Ok(())
    }
}

/// Nova has no structured output of its own, whatever catalogues say of it: they count a tool that stands for it.
pub(super) fn has_json_schema(upstream: &Upstream<'_>) -> bool {
    upstream.facts.json_schema == Some(true) && vendor(upstream.model) != Some(Vendor::Amazon)
}

fn spec(tool: &Tool, strict: Option<bool>) -> Value {
    let Tool { name, description, parameters, strict: _, cache_control: _, opaque: _, extra: _ } = tool;
    let mut out = Map::new();
    out.insert("name".into(), name.clone().into());
    // An empty one is a 400.
    if let Some(description) = description.as_ref().filter(|text| !text.trim().is_empty()) {
        out.insert("description".into(), description.clone().into());
    }
    let mut schema = match parameters {
        Some(Value::Object(schema)) => schema.clone(),
        _ => Map::new(),
    };
    if !schema.contains_key("type") {
        schema.insert("type".into(), "object".into());
    }
    out.insert("inputSchema".into(), json!({"json": schema}));
    if let Some(strict) = strict {
        out.insert("strict".into(), strict.into());
    }
    json!({"toolSpec": out})
}

/// A tool of the history, of which the name is all that is known.
fn stand_in(name: &str) -> Value {
    json!({"toolSpec": {"name": name, "inputSchema": {"json": {"type": "object"}}}})
}

/// Names of the tools that were called so far; a result without its call has none.
fn called(request: &Request) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut has_results = false;
    for part in request.messages.iter().flat_map(|message| &message.parts) {
        match &part.body {
            PartBody::ToolCall(call) => drop(names.insert(ids::fit_name(&call.name))),
            PartBody::ToolResult { .. } => has_results = true,
            _ => {}
        }
    }
    if names.is_empty() && has_results {
        names.insert("unknown".to_owned());
    }
    names
}

/// The native format of the answer.
pub(super) fn text_format(
    format: &ResponseFormat,
    is_same_format: bool,
    ledger: &mut Ledger,
) -> Option<Value> {
    let ResponseFormat::JsonSchema { name, schema, strict: _, description } = format else { return None };
    let (schema, changed) = if is_same_format { (schema.clone(), false) } else { schema::adapt(schema) };
    if changed {
        ledger.note(Field::ResponseFormat, Fate::Clamped);
    }
    let mut inner = Map::new();
    if !name.is_empty() {
        inner.insert("name".into(), name.clone().into());
    }
    if let Some(description) = description {
        inner.insert("description".into(), description.clone().into());
    }
    inner.insert("schema".into(), schema.to_string().into());
    Some(json!({"type": "json_schema", "structure": {"jsonSchema": inner}}))
}
