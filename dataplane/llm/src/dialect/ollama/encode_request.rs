//! The neutral request to Ollama.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::catalogue::{Facts, ReasoningStyle};
use crate::dialect::annotate::annotate;
use crate::dialect::fields::object;
use crate::dialect::{Format, Upstream, extras, fields, instructions, nothing};
use crate::error::Refused;
use crate::field::Field;
use crate::ledger::{Fate, Ledger};
use crate::message::{Reasoning, Request, ResponseFormat, Tool, ToolChoice};

use super::turns::Turns;
use super::window;

/// "Number of alternative tokens (0-20)".
const MAX_TOP_LOGPROBS: u64 = 20;
/// Levels of `think`, weakest first.
const LEVELS: &[&str] = &["low", "medium", "high"];

pub(super) fn encode(
    request: &Request,
    upstream: &Upstream<'_>,
    ledger: &mut Ledger,
) -> Result<Vec<u8>, Refused> {
    let Request {
        model: _,
        stream,
        // Usage is in every answer.
        include_usage: _,
        system: _,
        // Noted by who calls this.
        late_system: _,
        messages: _,
        tools: _,
        tool_choice: _,
        parallel_tool_calls,
        max_tokens: _,
        temperature: _,
        top_p: _,
        top_k: _,
        stop: _,
        user,
        reasoning,
        thinking_mode: _,
        response_format: _,
        n,
        seed: _,
        presence_penalty: _,
        frequency_penalty: _,
        logit_bias,
        logprobs,
        top_logprobs,
        service_tier,
        verbosity,
        metadata,
        // They join the body when it is written.
        provider_options: _,
        extra,
        origin,
    } = request;
    let is_same_format = *origin == Some(Format::Ollama);
    let mut encoder = Encoder {
        request,
        facts: upstream.facts,
        is_same_format,
        ledger,
        out: Map::new(),
        options: Map::new(),
        instruction: None,
    };
    encoder.set("model", upstream.model);
    // Without it the answer is streamed.
    encoder.set("stream", *stream);
    encoder.tools();
    encoder.response_format();
    encoder.messages()?;
    encoder.options();
    if let Some(reasoning) = reasoning {
        encoder.reasoning(reasoning);
    }
    encoder.logprobs(*logprobs, *top_logprobs);
    if !is_same_format {
        encoder.window();
    }
    for (field, is_lost) in [
        (Field::ParallelToolCalls, *parallel_tool_calls == Some(false)),
        (Field::User, user.is_some()),
        (Field::N, n.is_some_and(|n| n != 1)),
        (Field::LogitBias, logit_bias.as_ref().is_some_and(says_something)),
        (Field::ServiceTier, service_tier.as_ref().is_some_and(|tier| tier != "auto" && tier != "default")),
        (Field::Verbosity, verbosity.is_some()),
        (Field::Metadata, metadata.as_ref().is_some_and(|map| !map.is_empty())),
    ] {
        if is_lost {
            encoder.note(field, Fate::Dropped);
        }
    }
    Ok(encoder.finish(extra))
}

fn says_something(value: &Value) -> bool {
    !value.is_null() && value.as_object().is_none_or(|map| !map.is_empty())
}

struct Encoder<'a> {
    request: &'a Request,
    facts: &'a Facts,
    /// The client speaks Ollama's own format: its values stay as they are, and nothing is added.
    is_same_format: bool,
    ledger: &'a mut Ledger,
    out: Map<String, Value>,
    options: Map<String, Value>,
    /// What the model is told about the form of its answer, where nothing forces it.
    instruction: Option<String>,
}

impl Encoder<'_> {
    fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.out.insert(name.to_owned(), value.into());
    }

    fn note(&mut self, field: Field, fate: Fate) {
        self.ledger.note(field, fate);
    }

    fn finish(mut self, extra: &Map<String, Value>) -> Vec<u8> {
        if !self.options.is_empty() {
            let options = std::mem::take(&mut self.options);
            self.set("options", options);
        }
        if self.is_same_format {
            fields::add_missing(&mut self.out, extra);
        } else {
            extras::note_dropped(extra, self.ledger);
        }
        // Writing into memory cannot fail.
        serde_json::to_vec(&self.out).unwrap_or_default()
    }

    fn messages(&mut self) -> Result<(), Refused> {
        let mut turns = Turns {
            is_same_format: self.is_same_format,
            takes_images: self.facts.input.map(|input| input.image),
            ledger: self.ledger,
            names: BTreeMap::new(),
        };
        let mut out = Vec::new();
        turns.system(&self.request.system, self.instruction.take(), &mut out);
        for message in &self.request.messages {
            turns.message(message, &mut out)?;
        }
        if out.is_empty() && !self.is_same_format {
            // It would load the model and say nothing.
            return Err(nothing::to_answer(self.request));
        }
        self.set("messages", out);
        Ok(())
    }

    /// There is no choice of tools: without tools none can be called, and nothing forces a call.
    fn tools(&mut self) {
        let mut out = Vec::new();
        for tool in &self.request.tools {
            match &tool.opaque {
                None => out.push(self.tool(tool)),
                Some(opaque) if self.is_same_format => out.push(opaque.clone()),
                Some(_) => self.note(Field::Tool, Fate::Dropped),
            }
        }
        match &self.request.tool_choice {
            None | Some(ToolChoice::Auto) => {}
            Some(ToolChoice::None) => {
                if !out.is_empty() {
                    self.note(Field::ToolChoice, Fate::Emulated);
                }
                return;
            }
            Some(ToolChoice::Required | ToolChoice::Named(_)) => self.note(Field::ToolChoice, Fate::Dropped),
        }
        if !out.is_empty() {
            self.set("tools", out);
        }
    }

    fn tool(&mut self, tool: &Tool) -> Value {
        let Tool { name, description, parameters, strict, cache_control, opaque: _, extra } = tool;
        if *strict == Some(true) {
            self.note(Field::ToolStrict, Fate::Dropped);
        }
        if cache_control.is_some() {
            self.note(Field::CacheControl, Fate::Dropped);
        }
        let mut function = object(json!({"name": name}));
        if let Some(description) = description {
            function.insert("description".into(), description.clone().into());
        }
        let mut parameters = match parameters {
            Some(Value::Object(schema)) => schema.clone(),
            _ => object(json!({"type": "object", "properties": {}})),
        };
        if !parameters.contains_key("type") && !self.is_same_format {
            parameters.insert("type".into(), "object".into());
        }
        function.insert("parameters".into(), parameters.into());
        if self.is_same_format {
            fields::add_missing(&mut function, extra);
        } else {
            extras::note_dropped(extra, self.ledger);
        }
        json!({"type": "function", "function": function})
    }

    fn options(&mut self) {
        let request = self.request;
        let mut set = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                self.options.insert(name.to_owned(), value);
            }
        };
        set("num_predict", request.max_tokens.map(Value::from));
        set("temperature", request.temperature.map(Value::from));
        set("top_p", request.top_p.map(Value::from));
        set("top_k", request.top_k.map(Value::from));
        set("seed", request.seed.map(Value::from));
        set("presence_penalty", request.presence_penalty.map(Value::from));
        set("frequency_penalty", request.frequency_penalty.map(Value::from));
        set("stop", (!request.stop.is_empty()).then(|| request.stop.clone().into()));
    }

    /// A format binds every token from the first on: beside tools, none could be called. Then the model is told.
    fn response_format(&mut self) {
        let with_tools = self.out.contains_key("tools") && !self.is_same_format;
        let schema = match &self.request.response_format {
            None | Some(ResponseFormat::Text) => return,
            Some(ResponseFormat::JsonObject) if !with_tools => return self.set("format", "json"),
            // Ollama always keeps to a schema, which is what `strict` asks for.
            Some(ResponseFormat::JsonSchema { name, schema, strict: _, description }) => {
                if self.is_same_format {
                    return self.set("format", schema.clone());
                }
                let wanted = annotate(schema, name, description.as_deref());
                if !with_tools {
                    return self.set("format", wanted);
                }
                Some(wanted)
            }
            Some(ResponseFormat::JsonObject) => None,
        };
        self.note(Field::ResponseFormat, Fate::Emulated);
        self.instruction = Some(match schema {
            None => instructions::JSON_OBJECT.to_owned(),
            Some(schema) => instructions::json_schema(&schema),
        });
    }

    /// Most models think or not; some know levels. A level for one that knows none is a 400.
    fn reasoning(&mut self, reasoning: &Reasoning) {
        if self.is_same_format {
            return match reasoning {
                Reasoning::Off => self.set("think", false),
                Reasoning::Effort(level) => self.set("think", level.as_str()),
                Reasoning::On | Reasoning::Budget(_) | Reasoning::Adaptive(_) => self.set("think", true),
            };
        }
        let field = self.request.reasoning_field();
        let style = self.facts.reasoning.as_ref().map(|facts| facts.style);
        let disable = self.facts.reasoning.as_ref().and_then(|facts| facts.can_disable);
        let can_disable = disable == Some(true);
        let is_fixed = style == Some(ReasoningStyle::Always) || disable == Some(false);
        let has_levels = style == Some(ReasoningStyle::Effort);
        match (reasoning, style) {
            (Reasoning::Off, Some(ReasoningStyle::Never)) => {}
            // Models with levels always think: the least is the nearest.
            (Reasoning::Off, Some(ReasoningStyle::Effort)) if !can_disable => {
                self.note(field, Fate::Clamped);
                self.set("think", "low");
            }
            (Reasoning::Off, _) if is_fixed => self.note(field, Fate::Dropped),
            (Reasoning::Off, _) => self.set("think", false),
            (_, Some(ReasoningStyle::Never)) => self.note(field, Fate::Dropped),
            (Reasoning::On | Reasoning::Adaptive(None), _) => self.set("think", true),
            (Reasoning::Effort(effort) | Reasoning::Adaptive(Some(effort)), _) if has_levels => {
                let level = level_of(effort);
                if level != effort {
                    self.note(Field::ReasoningEffort, Fate::Clamped);
                }
                self.set("think", level);
            }
            (Reasoning::Effort(_) | Reasoning::Adaptive(Some(_)), _) => {
                self.note(Field::ReasoningEffort, Fate::Clamped);
                self.set("think", true);
            }
            (Reasoning::Budget(budget), _) if has_levels => {
                self.note(self.request.effort_field(), Fate::Emulated);
                self.set("think", level_of_budget(*budget));
            }
            (Reasoning::Budget(_), _) => {
                self.note(self.request.effort_field(), Fate::Dropped);
                self.set("think", true);
            }
        }
    }

    fn logprobs(&mut self, logprobs: Option<bool>, top_logprobs: Option<u64>) {
        if let Some(logprobs) = logprobs {
            self.set("logprobs", logprobs);
        }
        let Some(wanted) = top_logprobs else { return };
        let taken = if self.is_same_format { wanted } else { wanted.min(MAX_TOP_LOGPROBS) };
        if taken != wanted {
            self.note(Field::TopLogprobs, Fate::Clamped);
        }
        self.set("top_logprobs", taken);
    }

    /// Nothing of the prompt is lost in silence: a window that holds it, and where that is still too small, an error
    /// instead of a cut (`truncate`, which older servers ignore).
    fn window(&mut self) {
        let messages =
            self.out.get("messages").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let prompt = window::estimate(messages, self.out.get("tools"));
        self.set("truncate", false);
        let Some(window) = window::choose(prompt, self.request.max_tokens, self.facts.context_window) else {
            return;
        };
        // No field of the client's changed: it is a member of Ollama's own that had to be filled in.
        self.note(Field::Extra("num_ctx"), Fate::Clamped);
        self.options.insert("num_ctx".into(), window.into());
    }
}

fn level_of(effort: &str) -> &str {
    match effort {
        effort if LEVELS.contains(&effort) => effort,
        "minimal" => "low",
        _ => "high",
    }
}

/// Between the budgets that Anthropic's format gives to each word.
fn level_of_budget(budget: u64) -> &'static str {
    match budget {
        0..=2048 => "low",
        2049..=8192 => "medium",
        _ => "high",
    }
}
