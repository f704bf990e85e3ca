//! The neutral request to Cohere.

use serde_json::{Map, Value, json};

use crate::catalogue::{Facts, ReasoningStyle, Sampling};
use crate::dialect::annotate::annotate;
use crate::dialect::fields::object;
use crate::dialect::{Format, Upstream, extras, fields, instructions, nothing};
use crate::error::Refused;
use crate::field::Field;
use crate::ledger::{Fate, Ledger};
use crate::message::{Reasoning, Request, ResponseFormat};

use super::turns::{Turns, unwrap_single_text};
use super::{schema, tools};

/// "A list of up to 5 strings".
const MAX_STOPS: usize = 5;
/// "min value of 0, max value of 500".
const MAX_K: u64 = 500;
/// "min value of 0.01, max value of 0.99".
const P: (f64, f64) = (0.01, 0.99);
/// Cohere's errors page: "temperature must be between 0 and 1.0 inclusive".
const TEMPERATURE: (f64, f64) = (0.0, 1.0);
const PENALTY: (f64, f64) = (0.0, 1.0);

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
        max_tokens,
        temperature: _,
        top_p: _,
        top_k: _,
        stop,
        user,
        reasoning,
        thinking_mode: _,
        response_format: _,
        n,
        seed,
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
    let is_same_format = *origin == Some(Format::Cohere);
    let facts = upstream.facts;
    let mut encoder = Encoder { request, facts, is_same_format, ledger, out: Map::new(), instruction: None };
    encoder.set("model", upstream.model);
    encoder.set("stream", *stream);
    encoder.response_format();
    encoder.messages()?;
    tools::write(request, upstream.facts, &mut encoder.out, encoder.ledger);
    if let Some(most) = max_tokens {
        encoder.max_tokens(*most);
    }
    encoder.sampling();
    encoder.penalties();
    encoder.stop(stop);
    if let Some(seed) = seed {
        encoder.seed(*seed);
    }
    if let Some(reasoning) = reasoning {
        encoder.reasoning(reasoning);
    }
    if let Some(logprobs) = logprobs {
        encoder.set("logprobs", *logprobs);
    }
    for (field, is_lost) in [
        (Field::ParallelToolCalls, *parallel_tool_calls == Some(false)),
        (Field::User, user.is_some()),
        (Field::N, n.is_some_and(|n| n != 1)),
        (Field::LogitBias, logit_bias.as_ref().is_some_and(says_something)),
        (Field::TopLogprobs, top_logprobs.is_some_and(|most| most > 0)),
        (Field::ServiceTier, service_tier.as_ref().is_some_and(|tier| tier != "auto" && tier != "default")),
        (Field::Verbosity, verbosity.is_some()),
        (Field::Metadata, metadata.as_ref().is_some_and(|map| !map.is_empty())),
    ] {
        if is_lost {
            encoder.note(field, Fate::Dropped);
        }
    }
    if is_same_format {
        fields::add_missing(&mut encoder.out, extra);
    } else {
        extras::note_dropped(extra, encoder.ledger);
    }
    // Writing into memory cannot fail.
    Ok(serde_json::to_vec(&encoder.out).unwrap_or_default())
}

fn says_something(value: &Value) -> bool {
    !value.is_null() && value.as_object().is_none_or(|map| !map.is_empty())
}

struct Encoder<'a> {
    request: &'a Request,
    facts: &'a Facts,
    /// The client speaks Cohere's own format: its values stay as they are.
    is_same_format: bool,
    ledger: &'a mut Ledger,
    out: Map<String, Value>,
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

    fn messages(&mut self) -> Result<(), Refused> {
        let mut turns = Turns {
            is_same_format: self.is_same_format,
            thinks: self.facts.thinks(),
            takes_images: self.facts.input.map(|input| input.image),
            // "response_format is not supported with RAG".
            takes_documents: !self.out.contains_key("response_format"),
            ledger: self.ledger,
            documents: Vec::new(),
        };
        let mut system = turns.system(&self.request.system);
        let mut out = Vec::new();
        for message in &self.request.messages {
            turns.message(message, &mut out)?;
        }
        let documents = std::mem::take(&mut turns.documents);
        if out.is_empty() && system.is_empty() && !self.is_same_format {
            return Err(nothing::to_answer(self.request));
        }
        if let Some(instruction) = self.instruction.take() {
            system.push(json!({"type": "text", "text": instruction}));
        }
        if !system.is_empty() {
            // Instructions alone are a whole request to OpenAI; here something must be answered.
            let role = if out.is_empty() && !self.is_same_format {
                self.note(Field::Messages, Fate::Emulated);
                "user"
            } else {
                "system"
            };
            // "system turn must be the first in the list".
            out.insert(0, json!({"role": role, "content": unwrap_single_text(system)}));
        }
        self.set("messages", out);
        if !documents.is_empty() {
            self.set("documents", documents);
        }
        Ok(())
    }

    /// More than the model can write is a 400.
    fn max_tokens(&mut self, wanted: u64) {
        let most = self.facts.max_output.filter(|_| !self.is_same_format).unwrap_or(u64::MAX);
        if wanted > most {
            self.note(Field::MaxTokens, Fate::Clamped);
        }
        self.set("max_tokens", wanted.min(most));
    }

    fn sampling(&mut self) {
        let request = self.request;
        let sampling = self.facts.sampling.filter(|_| !self.is_same_format);
        let refuses_all = sampling == Some(Sampling::Refused);
        let refuses_p = refuses_all || (sampling == Some(Sampling::OneOf) && request.temperature.is_some());
        if let Some(value) = request.temperature {
            self.number("temperature", Field::Temperature, value, TEMPERATURE, refuses_all);
        }
        if let Some(value) = request.top_p {
            self.number("p", Field::TopP, value, P, refuses_p);
        }
        match request.top_k {
            None => {}
            Some(_) if refuses_all => self.note(Field::TopK, Fate::Dropped),
            Some(k) => {
                let taken = if self.is_same_format { k } else { k.min(MAX_K) };
                if taken != k {
                    self.note(Field::TopK, Fate::Clamped);
                }
                self.set("k", taken);
            }
        }
    }

    /// A value moves into the range that Cohere takes.
    fn number(&mut self, name: &str, field: Field, value: f64, range: (f64, f64), is_refused: bool) {
        if is_refused {
            return self.note(field, Fate::Dropped);
        }
        let taken = if self.is_same_format { value } else { value.clamp(range.0, range.1) };
        if taken != value {
            self.note(field, Fate::Clamped);
        }
        self.set(name, taken);
    }

    /// Cohere's errors page: "cannot specify both frequency_penalty and presence_penalty". 0 is the default of both.
    fn penalties(&mut self) {
        let (frequency, presence) = (self.request.frequency_penalty, self.request.presence_penalty);
        if self.is_same_format {
            for (name, value) in [("frequency_penalty", frequency), ("presence_penalty", presence)] {
                if let Some(value) = value {
                    self.set(name, value);
                }
            }
            return;
        }
        let has_frequency = frequency.is_some_and(|penalty| penalty > 0.0);
        for (name, field, value, is_second) in [
            ("frequency_penalty", Field::FrequencyPenalty, frequency, false),
            ("presence_penalty", Field::PresencePenalty, presence, has_frequency),
        ] {
            match value {
                Some(value) if value > 0.0 => self.number(name, field, value, PENALTY, is_second),
                // Below 0 there is nothing, and 0 needs no word.
                Some(value) if value < 0.0 => self.note(field, Fate::Clamped),
                _ => {}
            }
        }
    }

    fn stop(&mut self, stops: &[String]) {
        let same = self.is_same_format;
        let given = stops.iter().filter(|stop| same || !stop.is_empty());
        let taken: Vec<&str> =
            given.take(if same { usize::MAX } else { MAX_STOPS }).map(String::as_str).collect();
        if taken.len() < stops.len() {
            self.note(Field::Stop, Fate::Clamped);
        }
        if !taken.is_empty() {
            self.set("stop_sequences", taken);
        }
    }

    /// Unsigned here; which number it is means nothing.
    fn seed(&mut self, seed: i64) {
        if seed < 0 {
            self.note(Field::Seed, Fate::Clamped);
        }
        self.set("seed", seed.unsigned_abs());
    }

    /// "The parameter is not supported when used in combinations with the `documents` or `tools` parameters": then the
    /// model is told.
    fn response_format(&mut self) {
        let with_tools = self.request.tools.iter().any(|tool| tool.opaque.is_none());
        let may_force = self.is_same_format || !with_tools;
        let schema = match &self.request.response_format {
            None => return,
            // The default.
            Some(ResponseFormat::Text) => {
                if self.is_same_format {
                    self.set("response_format", json!({"type": "text"}));
                }
                return;
            }
            Some(ResponseFormat::JsonObject) if may_force => {
                return self.set("response_format", json!({"type": "json_object"}));
            }
            Some(ResponseFormat::JsonObject) => None,
            // Cohere always keeps to a schema, which is what `strict` asks for.
            Some(ResponseFormat::JsonSchema { name, schema, strict: _, description }) => {
                if self.is_same_format {
                    return self
                        .set("response_format", json!({"type": "json_object", "json_schema": schema}));
                }
                let wanted = annotate(schema, name, description.as_deref());
                if let (true, Some((schema, changed))) = (may_force, schema::adapt(&wanted)) {
                    if changed {
                        self.note(Field::ResponseFormat, Fate::Clamped);
                    }
                    return self
                        .set("response_format", json!({"type": "json_object", "json_schema": schema}));
                }
                Some(wanted)
            }
        };
        self.note(Field::ResponseFormat, Fate::Emulated);
        self.instruction = Some(match schema {
            None => instructions::JSON_OBJECT.to_owned(),
            Some(schema) => instructions::json_schema(&schema),
        });
    }

    /// Cohere knows whether to think, and a budget. A model that can think does so by default.
    fn reasoning(&mut self, reasoning: &Reasoning) {
        let facts = self.facts.reasoning.as_ref().filter(|_| !self.is_same_format);
        let style = facts.map(|facts| facts.style);
        let field = self.request.reasoning_field();
        match (reasoning, style) {
            (Reasoning::Off, Some(ReasoningStyle::Never)) => {}
            (Reasoning::Off, _) => {
                let is_fixed = style == Some(ReasoningStyle::Always)
                    || facts.is_some_and(|facts| facts.can_disable == Some(false));
                if is_fixed {
                    return self.note(field, Fate::Dropped);
                }
                self.set("thinking", json!({"type": "disabled"}));
            }
            (_, Some(ReasoningStyle::Never)) => self.note(field, Fate::Dropped),
            (Reasoning::On | Reasoning::Adaptive(None), _) => {
                self.set("thinking", json!({"type": "enabled"}));
            }
            (Reasoning::Effort(effort) | Reasoning::Adaptive(Some(effort)), _) => {
                self.note(field, Fate::Emulated);
                self.think(budget_of(effort), style);
            }
            (Reasoning::Budget(budget), _) => self.think(Some(*budget), style),
        }
    }

    fn think(&mut self, budget: Option<u64>, style: Option<ReasoningStyle>) {
        let mut thinking = object(json!({"type": "enabled"}));
        match budget {
            Some(_) if matches!(style, Some(ReasoningStyle::Toggle | ReasoningStyle::Always)) => {
                self.note(self.request.effort_field(), Fate::Dropped);
            }
            Some(wanted) => {
                let facts = self.facts.reasoning.as_ref().filter(|_| !self.is_same_format);
                let least = facts.and_then(|facts| facts.min_budget).unwrap_or(1);
                let most = facts.and_then(|facts| facts.max_budget).unwrap_or(u64::MAX);
                let taken = wanted.min(most).max(least);
                if taken != wanted {
                    self.note(self.request.effort_field(), Fate::Clamped);
                }
                thinking.insert("token_budget".into(), taken.into());
            }
            None => {}
        }
        self.set("thinking", thinking);
    }
}

/// `None` is as much as the model likes: what it does by itself.
fn budget_of(effort: &str) -> Option<u64> {
    match effort {
        "minimal" => Some(512),
        "low" => Some(1024),
        "medium" => Some(4096),
        _ => None,
    }
}
