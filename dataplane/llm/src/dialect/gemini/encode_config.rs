//! `generationConfig`: limits, sampling, the answer's format, thinking.

use serde_json::{Value, json};

use crate::catalogue::{ReasoningStyle, Sampling};
use crate::dialect::instructions;
use crate::field::Field;
use crate::ledger::Fate;
use crate::message::{Reasoning, ResponseFormat, ToolChoice};

use super::encode_request::Encoder;
use super::{schema, thinking};

/// Google takes no more stop sequences.
const MAX_STOPS: usize = 5;
/// No more answers at once.
const MAX_CANDIDATES: u64 = 8;
/// No more alternatives of a token.
const MAX_TOP_LOGPROBS: u64 = 20;
/// Counts are 32-bit.
const MAX_TOKENS: u64 = i32::MAX as u64;
/// Penalties are below 2.
const MAX_PENALTY: f64 = 1.99;

impl Encoder<'_> {
    pub(super) fn limits_and_sampling(&mut self) {
        let request = self.request;
        let same = self.is_same_format();
        if let Some(most) = request.max_tokens {
            let limit = self.upstream.facts.max_output.unwrap_or(MAX_TOKENS).min(MAX_TOKENS);
            self.count("maxOutputTokens", Field::MaxTokens, most, limit);
        }
        let refuses = self.upstream.facts.sampling == Some(Sampling::Refused) && !same;
        for (name, field, value, most) in [
            ("temperature", Field::Temperature, request.temperature, 2.0),
            ("topP", Field::TopP, request.top_p, 1.0),
            ("presencePenalty", Field::PresencePenalty, request.presence_penalty, MAX_PENALTY),
            ("frequencyPenalty", Field::FrequencyPenalty, request.frequency_penalty, MAX_PENALTY),
        ] {
            let Some(value) = value else { continue };
            let is_sampling = matches!(field, Field::Temperature | Field::TopP);
            if refuses && is_sampling {
                // 1 is what such a model does anyway.
                if value != 1.0 {
                    self.note(field, Fate::Dropped);
                }
            } else if value > most && !same {
                self.note(field, Fate::Clamped);
                self.configure(name, most);
            } else {
                self.configure(name, value);
            }
        }
        match request.top_k {
            Some(_) if refuses => self.note(Field::TopK, Fate::Dropped),
            Some(top_k) => self.count("topK", Field::TopK, top_k, MAX_TOKENS),
            None => {}
        }
        if let Some(n) = request.n {
            self.count("candidateCount", Field::N, n, if same { MAX_TOKENS } else { MAX_CANDIDATES });
        }
        if let Some(seed) = request.seed {
            // Any other number is as good, as long as it is the same each time.
            let fit = i32::try_from(seed).unwrap_or(seed as i32);
            if i64::from(fit) != seed {
                self.note(Field::Seed, Fate::Clamped);
            }
            self.configure("seed", fit);
        }
        self.stop();
        if let Some(logprobs) = request.logprobs.filter(|on| *on || same) {
            self.configure("responseLogprobs", logprobs);
        }
        if let Some(top) = request.top_logprobs {
            self.count("logprobs", Field::TopLogprobs, top, MAX_TOP_LOGPROBS);
        }
    }

    fn count(&mut self, name: &str, field: Field, value: u64, most: u64) {
        let fit = if self.is_same_format() { value } else { value.min(most) };
        if fit != value {
            self.note(field, Fate::Clamped);
        }
        self.configure(name, fit);
    }

    fn stop(&mut self) {
        let same = self.is_same_format();
        // An empty one says nothing, and is a 400.
        let stops: Vec<&str> =
            self.request.stop.iter().map(String::as_str).filter(|it| !it.is_empty()).collect();
        if stops.is_empty() {
            return;
        }
        let most = if same { stops.len() } else { MAX_STOPS };
        if stops.len() > most {
            self.note(Field::Stop, Fate::Clamped);
        }
        let stops: Vec<&str> = stops.into_iter().take(most).collect();
        self.configure("stopSequences", stops);
    }

    pub(super) fn response_format(&mut self) {
        let (wanted, instruction) = match &self.request.response_format {
            Some(ResponseFormat::Text) if self.is_same_format() => {
                return self.configure("responseMimeType", "text/plain");
            }
            None | Some(ResponseFormat::Text) => return,
            Some(ResponseFormat::JsonObject) => (None, instructions::JSON_OBJECT.to_owned()),
            // An answer fits the schema always there, `strict` or not.
            Some(ResponseFormat::JsonSchema { schema, name, strict: _, description }) => {
                (Some((schema, name, description)), instructions::json_schema(schema))
            }
        };
        if !self.takes_json_mode() {
            self.note(Field::ResponseFormat, Fate::Emulated);
            self.system.push(json!({"text": instruction}));
            return;
        }
        self.configure("responseMimeType", "application/json");
        if let Some((wanted, name, description)) = wanted {
            let (mut adapted, is_changed) = self.schema(wanted);
            if is_changed {
                self.note(Field::ResponseFormat, Fate::Clamped);
            }
            if let (Value::Object(adapted), false) = (&mut adapted, self.is_same_format()) {
                adapted.entry("title").or_insert_with(|| name.clone().into());
                if let Some(description) = description {
                    adapted.entry("description").or_insert_with(|| description.clone().into());
                }
            }
            self.configure("responseJsonSchema", adapted);
        }
    }

    /// Models before generation 3 refuse JSON together with functions; those that make images refuse it at all. Source:
    /// <https://ai.google.dev/gemini-api/docs/structured-output>, "Structured outputs with tools".
    fn takes_json_mode(&self) -> bool {
        if self.is_same_format() {
            return true;
        }
        if self.upstream.facts.json_schema == Some(false) {
            return false;
        }
        let combines = !matches!(
            thinking::style(self.upstream),
            Some(ReasoningStyle::Never | ReasoningStyle::Budget | ReasoningStyle::Toggle)
        );
        combines || self.tools.is_empty() || self.request.tool_choice == Some(ToolChoice::None)
    }

    /// The schema as it is sent, and whether it says less than before.
    pub(super) fn schema(&mut self, schema: &Value) -> (Value, bool) {
        if self.is_same_format() {
            return (schema.clone(), false);
        }
        schema::adapt(schema, &mut self.spare)
    }

    pub(super) fn thinking(&mut self) {
        let Some(reasoning) = &self.request.reasoning else { return };
        let by_switch =
            self.request.thinking_mode.is_some() && matches!(reasoning, Reasoning::On | Reasoning::Off);
        let config = if self.is_same_format() && !by_switch {
            thinking::own_config(reasoning)
        } else {
            thinking::config(self.request, self.upstream, self.ledger)
        };
        if !config.is_empty() {
            self.configure("thinkingConfig", config);
        }
    }
}
