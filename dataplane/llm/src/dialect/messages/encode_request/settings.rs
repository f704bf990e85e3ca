//! Limits, sampling, the answer's shape, labels, and what has no place here.

use serde_json::{Value, json};

use super::Encoder;
use crate::catalogue::Sampling;
use crate::dialect::annotate::annotate;
use crate::dialect::instructions;
use crate::dialect::messages::{schema, tier};
use crate::field::Field;
use crate::ledger::Fate;
use crate::message::ResponseFormat;

impl Encoder<'_> {
    /// Mandatory here.
    pub(super) fn max_tokens(&mut self) {
        let most = self.model.max_output;
        let tokens = match self.request.max_tokens {
            Some(wanted) if wanted > most && self.model.knows_max_output && !self.is_same_format() => None,
            wanted => wanted,
        };
        if tokens.is_none() {
            self.note(Field::MaxTokens, Fate::Clamped);
        }
        self.set("max_tokens", tokens.unwrap_or(most));
    }

    pub(super) fn sampling(&mut self) {
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

    pub(super) fn stop(&mut self) {
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

    pub(super) fn response_format(&mut self) {
        let instruction = match &self.request.response_format {
            None | Some(ResponseFormat::Text) => return,
            Some(_) if self.has_json_answer => return,
            Some(ResponseFormat::JsonObject) => instructions::JSON_OBJECT.to_owned(),
            // Answers fit the schema strictly here in any case.
            Some(ResponseFormat::JsonSchema { schema: wanted, name, description, strict: _ }) => {
                if self.model.structured || self.is_same_format() {
                    let (adapted, changed) = if self.is_same_format() {
                        (wanted.clone(), false)
                    } else {
                        schema::adapt(&annotate(wanted, name, description.as_deref()))
                    };
                    if changed {
                        self.ledger.note(Field::ResponseFormat, Fate::Clamped);
                    }
                    let format = json!({"type": "json_schema", "schema": adapted});
                    return self.set_in("output_config", "format", format);
                }
                instructions::json_schema(&annotate(wanted, name, description.as_deref()))
            }
        };
        self.note(Field::ResponseFormat, Fate::Emulated);
        self.system.push(json!({"type": "text", "text": instruction}));
    }

    pub(super) fn labels(&mut self) {
        if let Some(user) = &self.request.user {
            self.set("metadata", json!({"user_id": user}));
        }
        let Some(word) = &self.request.service_tier else { return };
        let (own, is_same) = tier::write_request(word, self.is_same_format());
        if !is_same {
            self.ledger.note(Field::ServiceTier, Fate::Clamped);
        }
        self.set("service_tier", own);
    }

    /// What Anthropic has nothing like.
    pub(super) fn without_place(&mut self) {
        let request = self.request;
        let says = |value: &Option<Value>| {
            value.as_ref().is_some_and(|value| value.as_object().is_none_or(|members| !members.is_empty()))
        };
        let lost = [
            (Field::N, request.n.is_some_and(|n| n != 1)),
            (Field::Seed, request.seed.is_some()),
            (Field::PresencePenalty, request.presence_penalty.is_some_and(|value| value != 0.0)),
            (Field::FrequencyPenalty, request.frequency_penalty.is_some_and(|value| value != 0.0)),
            (Field::LogitBias, says(&request.logit_bias)),
            (Field::Logprobs, request.logprobs == Some(true)),
            (Field::TopLogprobs, request.top_logprobs.is_some_and(|count| count > 0)),
            (Field::Verbosity, request.verbosity.as_ref().is_some_and(|word| word != "medium")),
            (Field::Metadata, request.metadata.as_ref().is_some_and(|members| !members.is_empty())),
        ];
        for (field, is_lost) in lost {
            if is_lost {
                self.note(field, Fate::Dropped);
            }
        }
    }
}
