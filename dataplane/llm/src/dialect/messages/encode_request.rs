//! The neutral request to a provider that speaks Messages.

use serde_json::{Map, Value, json};

use crate::dialect::{Format, Upstream, extras, fields};
use crate::error::Refused;
use crate::field::Field;
use crate::ledger::{Fate, Ledger};
use crate::message::{
    Part, PartBody, Reasoning, ReasoningBlock, Request, ResponseFormat, Role, Tool, ToolChoice,
};

use super::blocks::Blocks;
use super::models::{self, Model, Sampling, Thinking};
use super::schema;

/// Anthropic's least budget, tokens.
const MIN_BUDGET: u64 = 1024;

pub(super) fn encode(
    request: &Request,
    upstream: &Upstream<'_>,
    ledger: &mut Ledger,
) -> Result<Vec<u8>, Refused> {
    let model = models::find(upstream.model);
    let mut encoder = Encoder { request, model, ledger, out: Map::new(), system: Vec::new(), thinks: false };
    encoder.set("model", upstream.model);
    encoder.max_tokens();
    encoder.system();
    encoder.messages()?;
    encoder.tools();
    encoder.reasoning();
    encoder.sampling();
    encoder.stop();
    encoder.response_format();
    encoder.instructions();
    if let Some(user) = &request.user {
        encoder.set("metadata", json!({"user_id": user}));
    }
    if request.stream {
        encoder.set("stream", true);
    }
    encoder.extra();
    // Writing into memory cannot fail.
    Ok(serde_json::to_vec(&encoder.out).unwrap_or_default())
}

struct Encoder<'a> {
    request: &'a Request,
    model: &'static Model,
    ledger: &'a mut Ledger,
    out: Map<String, Value>,
    /// Blocks of the system prompt; the last are ours.
    system: Vec<Value>,
    /// The request asks the model to think.
    thinks: bool,
}

impl Encoder<'_> {
    fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.out.insert(name.to_owned(), value.into());
    }

    /// Adds a member to an object at the top.
    fn set_in(&mut self, group: &str, name: &str, value: impl Into<Value>) {
        let group = self.out.entry(group).or_insert_with(|| Map::new().into());
        if let Value::Object(group) = group {
            group.insert(name.to_owned(), value.into());
        }
    }

    fn is_same_format(&self) -> bool {
        self.request.origin == Some(Format::Messages)
    }

    fn note(&mut self, field: Field, fate: Fate) {
        self.ledger.note(field, fate);
    }

    fn blocks(&mut self) -> Blocks<'_> {
        Blocks { is_same_format: self.is_same_format(), ledger: self.ledger }
    }

    fn max_tokens(&mut self) {
        if self.request.max_tokens.is_none() {
            self.ledger.note(Field::MaxTokens, Fate::Clamped);
        }
        self.set("max_tokens", self.request.max_tokens.unwrap_or(self.model.max_output));
    }

    fn system(&mut self) {
        for part in &self.request.system {
            let block = match &part.body {
                PartBody::Text(_) => self.blocks().text(part),
                PartBody::Opaque { format: Format::Messages, value } => Some(value.clone()),
                _ => {
                    self.note(Field::System, Fate::Dropped);
                    None
                }
            };
            self.system.extend(block);
        }
    }

    fn messages(&mut self) -> Result<(), Refused> {
        let mut out: Vec<Value> = Vec::new();
        for message in &self.request.messages {
            if message.name.is_some() {
                self.note(Field::MessageName, Fate::Dropped);
            }
            if !self.is_same_format() {
                extras::note_dropped(&message.extra, self.ledger);
            }
            let role = match message.role {
                Role::User => "user",
                Role::Assistant => "assistant",
            };
            // What the decoder kept whole, because it is no user's and no assistant's.
            if let [Part { body: PartBody::Opaque { format: Format::Messages, value }, .. }] =
                message.parts.as_slice()
                && value.get("role").is_some()
            {
                out.push(value.clone());
                continue;
            }
            let content = match message.role {
                Role::User => self.blocks().user(&message.parts)?,
                Role::Assistant => self.blocks().assistant(&message.parts),
            };
            if content.is_empty() {
                // An empty text is refused, and a message without blocks too.
                self.note(Field::Content, Fate::Dropped);
                continue;
            }
            match last_of_role(&mut out, role).filter(|_| !self.is_same_format()) {
                // Results of parallel calls must stand together in one message.
                Some(last) => last.extend(content),
                None => {
                    let mut message_out = Map::new();
                    message_out.insert("role".into(), role.into());
                    message_out.insert("content".into(), content.into());
                    if self.is_same_format() {
                        fields::add_missing(&mut message_out, &message.extra);
                    }
                    out.push(message_out.into());
                }
            }
        }
        if !self.is_same_format() {
            trim_prefill(&mut out);
        }
        if out.is_empty() && !self.system.is_empty() {
            // Instructions alone are a whole request to OpenAI; Anthropic wants a message to answer.
            self.note(Field::Messages, Fate::Emulated);
            out.push(json!({"role": "user", "content": std::mem::take(&mut self.system)}));
        }
        self.set("messages", out);
        Ok(())
    }

    fn tools(&mut self) {
        let mut out = Vec::new();
        for tool in &self.request.tools {
            match &tool.opaque {
                None => out.push(self.tool(tool)),
                Some(opaque) if self.is_same_format() => out.push(opaque.clone()),
                Some(_) => self.note(Field::Tool, Fate::Dropped),
            }
        }
        if out.is_empty() {
            if matches!(self.request.tool_choice, Some(ToolChoice::Required | ToolChoice::Named(_))) {
                self.note(Field::ToolChoice, Fate::Dropped);
            }
            return;
        }
        self.set("tools", out);
        let is_serial = self.request.parallel_tool_calls == Some(false);
        let mut choice = match &self.request.tool_choice {
            None if is_serial => json!({"type": "auto"}),
            None => return,
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

    fn reasoning(&mut self) {
        let Some(reasoning) = &self.request.reasoning else { return };
        if self.is_same_format() {
            return self.own_reasoning(reasoning);
        }
        let can_think = match self.model.thinking {
            Thinking::Never => false,
            Thinking::Budget => !self.is_forced() && self.tool_loop_is_signed(),
            Thinking::Adaptive => !self.is_forced(),
            Thinking::Always => true,
        };
        match (reasoning, self.model.thinking) {
            (Reasoning::Off, Thinking::Never | Thinking::Budget) => {}
            (Reasoning::Off, Thinking::Adaptive) => self.set("thinking", json!({"type": "disabled"})),
            (Reasoning::Off, Thinking::Always) => self.note(Field::Reasoning, Fate::Dropped),
            _ if !can_think => self.note(Field::Reasoning, Fate::Dropped),
            (Reasoning::On, Thinking::Budget) => self.budget(budget_of("high")),
            (Reasoning::On, _) => self.adaptive(None),
            (Reasoning::Effort(effort), Thinking::Budget) => self.budget(budget_of(effort)),
            (Reasoning::Budget(budget), Thinking::Budget) => self.budget(*budget),
            (Reasoning::Adaptive(effort), Thinking::Budget) => {
                self.budget(budget_of(effort.as_deref().unwrap_or("high")));
            }
            (Reasoning::Effort(effort), _) => self.adaptive(Some(effort)),
            (Reasoning::Budget(budget), _) => {
                self.note(Field::ReasoningBudget, Fate::Emulated);
                self.adaptive(Some(effort_of(*budget)));
            }
            (Reasoning::Adaptive(effort), _) => self.adaptive(effort.as_deref()),
        }
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

    /// A forced tool and thinking exclude each other, and the tool is what the client relies on.
    fn is_forced(&self) -> bool {
        matches!(self.request.tool_choice, Some(ToolChoice::Required | ToolChoice::Named(_)))
            && self.out.contains_key("tool_choice")
    }

    /// With a budget, a turn of tool calls that goes on must begin with the thinking that led to it. Most chat
    /// clients do not send it back.
    fn tool_loop_is_signed(&self) -> bool {
        let is_result = |part: &Part| matches!(part.body, PartBody::ToolResult { .. });
        let is_call = |part: &Part| matches!(part.body, PartBody::ToolCall(_));
        let is_signed = |part: &Part| {
            matches!(
                part.body,
                PartBody::Reasoning(
                    ReasoningBlock::Thinking { signature: Some(_), .. } | ReasoningBlock::Redacted { .. }
                )
            )
        };
        let mut back = self.request.messages.iter().rev();
        let goes_on = back.next().is_some_and(|last| last.parts.iter().any(is_result));
        let turn = back.find(|message| message.role == Role::Assistant);
        !goes_on
            || turn.is_none_or(|turn| !turn.parts.iter().any(is_call) || turn.parts.iter().any(is_signed))
    }

    fn budget(&mut self, wanted: u64) {
        let most = self.request.max_tokens.unwrap_or(self.model.max_output);
        if most <= MIN_BUDGET {
            return self.note(Field::Reasoning, Fate::Dropped);
        }
        // The budget is a part of max_tokens: where it does not fit, half stays for the answer.
        let budget = if wanted < most { wanted } else { most / 2 }.clamp(MIN_BUDGET, most - 1);
        self.note(Field::Reasoning, if budget == wanted { Fate::Emulated } else { Fate::Clamped });
        self.thinks = true;
        self.set("thinking", json!({"type": "enabled", "budget_tokens": budget}));
    }

    fn adaptive(&mut self, effort: Option<&str>) {
        self.thinks = true;
        self.set("thinking", json!({"type": "adaptive"}));
        let Some(effort) = effort else { return };
        let known = match effort {
            effort if self.model.efforts.contains(&effort) => effort,
            "minimal" => "low",
            "xhigh" if self.model.efforts.contains(&"max") => "max",
            _ => "high",
        };
        if known != effort {
            self.note(Field::ReasoningEffort, Fate::Clamped);
        }
        self.set_in("output_config", "effort", known);
    }

    fn sampling(&mut self) {
        let request = self.request;
        let (mut temperature, mut top_p, mut top_k) = (request.temperature, request.top_p, request.top_k);
        if !self.is_same_format() {
            if temperature.is_some_and(|value| value > 1.0) {
                temperature = Some(1.0);
                self.ledger.note(Field::Temperature, Fate::Clamped);
            }
            let refuses_all = self.model.sampling == Sampling::Refused;
            // 1 says nothing, and is the only temperature that thinking goes with.
            if refuses_all || self.thinks {
                self.drop_sampling(Field::Temperature, &mut temperature, |value| value != 1.0);
                self.drop_sampling(Field::TopP, &mut top_p, |value| refuses_all || value < 0.95);
                if top_k.take().is_some() {
                    self.ledger.note(Field::TopK, Fate::Dropped);
                }
            }
            if self.model.sampling == Sampling::OneOf && temperature.is_some() {
                self.drop_sampling(Field::TopP, &mut top_p, |value| value != 1.0);
                top_p = None;
            }
        }
        if let Some(value) = temperature {
            self.set("temperature", value);
        }
        if let Some(value) = top_p {
            self.set("top_p", value);
        }
        if let Some(value) = top_k {
            self.set("top_k", value);
        }
    }

    /// Leaves a default out, and a value that would be refused with a note.
    fn drop_sampling(&mut self, field: Field, value: &mut Option<f64>, is_refused: impl Fn(f64) -> bool) {
        if let Some(given) = *value {
            if given == 1.0 {
                *value = None;
            } else if is_refused(given) {
                *value = None;
                self.ledger.note(field, Fate::Dropped);
            }
        }
    }

    fn stop(&mut self) {
        let same = self.is_same_format();
        let stops: Vec<&str> = self.request.stop.iter().map(String::as_str).collect();
        // Sequences of white space alone are a 400.
        let taken: Vec<&str> = stops.iter().copied().filter(|stop| same || !stop.trim().is_empty()).collect();
        if taken.len() < stops.len() {
            self.note(Field::Stop, Fate::Dropped);
        }
        if !taken.is_empty() {
            self.set("stop_sequences", taken);
        }
    }

    fn response_format(&mut self) {
        let instruction = match &self.request.response_format {
            None | Some(ResponseFormat::Text) => return,
            Some(ResponseFormat::JsonObject) => {
                "Answer with one JSON object and nothing else: no text around it, no code fence.".to_owned()
            }
            Some(ResponseFormat::JsonSchema { schema: wanted, .. }) => {
                if self.model.structured || self.is_same_format() {
                    let (adapted, changed) =
                        if self.is_same_format() { (wanted.clone(), false) } else { schema::adapt(wanted) };
                    if changed {
                        self.ledger.note(Field::ResponseFormat, Fate::Clamped);
                    }
                    return self.set_in(
                        "output_config",
                        "format",
                        json!({"type": "json_schema", "schema": adapted}),
                    );
                }
                format!(
                    "Answer with JSON that fits this JSON Schema and nothing else: no text around it, no code \
                     fence.\n{wanted}"
                )
            }
        };
        self.note(Field::ResponseFormat, Fate::Emulated);
        self.system.push(json!({"type": "text", "text": instruction}));
    }

    /// The system prompt, now that all of it is known.
    fn instructions(&mut self) {
        let mut blocks = std::mem::take(&mut self.system);
        let value = match blocks.as_mut_slice() {
            [] => return,
            [Value::Object(only)] if only.len() == 2 && only.contains_key("text") => {
                only.get_mut("text").map(Value::take).unwrap_or_default()
            }
            _ => blocks.into(),
        };
        self.set("system", value);
    }

    fn extra(&mut self) {
        if self.is_same_format() {
            fields::add_missing(&mut self.out, &self.request.extra);
        } else {
            extras::note_dropped(&self.request.extra, self.ledger);
        }
    }
}

/// The blocks of the last message, where it has this role.
fn last_of_role<'a>(out: &'a mut [Value], role: &str) -> Option<&'a mut Vec<Value>> {
    let last = out.last_mut()?;
    if last.get("role")? != role {
        return None;
    }
    last.get_mut("content")?.as_array_mut()
}

/// White space at the end of an answer that the model is to continue is a 400.
fn trim_prefill(out: &mut [Value]) {
    let block = last_of_role(out, "assistant").and_then(|blocks| blocks.last_mut());
    if let Some(Value::String(text)) = block.and_then(|block| block.get_mut("text")) {
        text.truncate(text.trim_end().len());
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
