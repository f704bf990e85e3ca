//! Limits, sampling, the answer's shape, labels.

use serde_json::{Value, json};

use super::{Encoder, object};
use crate::catalogue::Sampling;
use crate::dialect::chat::quirks::Json;
use crate::dialect::instructions;
use crate::dialect::messages::tier;
use crate::field::Field;
use crate::ledger::Fate;
use crate::message::ResponseFormat;

impl Encoder<'_> {
    pub(super) fn limit(&mut self) {
        let Some(wanted) = self.request.max_tokens else { return };
        let most = self.upstream.facts.max_output.map_or(wanted, |most| wanted.min(most));
        if most < wanted {
            self.note(Field::MaxTokens, Fate::Clamped);
        }
        self.set(self.quirks.limit, Field::MaxTokens, most);
    }

    pub(super) fn sampling(&mut self) {
        let request = self.request;
        let sampling = self.upstream.facts.sampling;
        let is_fixed = self.quirks.fixed_sampling || sampling == Some(Sampling::Refused);
        if let Some(value) = request.temperature {
            self.temperature(value, is_fixed);
        }
        if let Some(value) = request.top_p {
            let takes_one = sampling == Some(Sampling::OneOf) && request.temperature.is_some();
            self.fixed_or_set("top_p", Field::TopP, value, is_fixed || takes_one);
        }
        if let Some(value) = request.top_k {
            if self.quirks.takes_top_k && !is_fixed {
                self.set("top_k", Field::TopK, value);
            } else {
                self.note(Field::TopK, Fate::Dropped);
            }
        }
        if let Some(value) = request.presence_penalty {
            self.set_unless_default("presence_penalty", Field::PresencePenalty, value, value == 0.0);
        }
        if let Some(value) = request.frequency_penalty {
            self.set_unless_default("frequency_penalty", Field::FrequencyPenalty, value, value == 0.0);
        }
        if let Some(value) = &request.logit_bias {
            let is_empty = value.as_object().is_some_and(|biases| biases.is_empty());
            self.set_unless_default("logit_bias", Field::LogitBias, value.clone(), is_empty);
        }
        if let Some(value) = request.seed {
            self.set("seed", Field::Seed, value);
        }
        if let Some(value) = request.n {
            self.set_unless_default("n", Field::N, value, value == 1);
        }
        if let Some(value) = request.logprobs {
            self.set_unless_default("logprobs", Field::Logprobs, value, !value);
        }
        if let Some(value) = request.top_logprobs {
            let most = self.quirks.max_top_logprobs;
            if value > most && !self.refuses("top_logprobs") {
                self.note(Field::TopLogprobs, Fate::Clamped);
            }
            self.set_unless_default("top_logprobs", Field::TopLogprobs, value.min(most), value == 0);
        }
    }

    fn temperature(&mut self, value: f64, is_fixed: bool) {
        let most = self.quirks.max_temperature;
        if is_fixed || self.refuses("temperature") || value <= most {
            return self.fixed_or_set("temperature", Field::Temperature, value, is_fixed);
        }
        self.note(Field::Temperature, Fate::Clamped);
        self.set("temperature", Field::Temperature, most);
    }

    /// 1 is the default of both, and the only value that such models take.
    fn fixed_or_set(&mut self, name: &'static str, field: Field, value: f64, is_fixed: bool) {
        if !is_fixed {
            self.set_unless_default(name, field, value, value == 1.0);
        } else if value != 1.0 {
            self.note(field, Fate::Dropped);
        }
    }

    pub(super) fn stop(&mut self) {
        let stop = &self.request.stop;
        let most = self.quirks.max_stops;
        if stop.is_empty() {
            return;
        }
        if most == 0 {
            return self.note(Field::Stop, Fate::Dropped);
        }
        if stop.len() > most && !self.refuses("stop") {
            self.note(Field::Stop, Fate::Clamped);
        }
        let stops: Vec<&str> = stop.iter().take(most).map(String::as_str).collect();
        self.set("stop", Field::Stop, stops);
    }

    /// `response_format`, and what the model is told instead.
    pub(super) fn answer_format(&mut self) -> (Option<Value>, Option<String>) {
        let takes_schema = self.quirks.json == Json::Schema && self.upstream.facts.json_schema != Some(false);
        let takes_any = self.quirks.json != Json::None && !self.refuses("response_format");
        let takes_object = takes_any && (self.quirks.json_object || self.quirks.json == Json::Object);
        let object_format = || takes_object.then(|| json!({"type": "json_object"}));
        match &self.request.response_format {
            None => (None, None),
            Some(ResponseFormat::Text) => {
                ((!self.refuses("response_format")).then(|| json!({"type": "text"})), None)
            }
            Some(ResponseFormat::JsonObject) if takes_object => (object_format(), None),
            Some(ResponseFormat::JsonObject) => {
                self.note(Field::ResponseFormat, Fate::Emulated);
                (None, Some(instructions::JSON_OBJECT.to_owned()))
            }
            Some(ResponseFormat::JsonSchema { name, schema, strict, description }) => {
                if !takes_schema || !takes_any {
                    self.note(Field::ResponseFormat, Fate::Emulated);
                    return (object_format(), Some(instructions::json_schema(schema)));
                }
                let mut inner = object(json!({"name": name, "schema": schema}));
                if let Some(strict) = strict {
                    inner.insert("strict".into(), (*strict).into());
                }
                if let Some(description) = description {
                    inner.insert("description".into(), description.clone().into());
                }
                (Some(json!({"type": "json_schema", "json_schema": inner})), None)
            }
        }
    }

    /// What says whose request it is, and how it is served.
    pub(super) fn labels(&mut self) {
        let request = self.request;
        if let Some(user) = &request.user {
            if user.chars().count() <= self.quirks.max_user {
                self.set("user", Field::User, user.as_str());
            } else {
                self.note(Field::User, Fate::Dropped);
            }
        }
        if let Some(metadata) = &request.metadata {
            let is_stored = request.extra.get("store") == Some(&Value::Bool(true));
            let is_taken = is_stored || !self.quirks.metadata_is_stored || self.is_same_format();
            match metadata.is_empty() {
                false if !is_taken => self.note(Field::Metadata, Fate::Dropped),
                is_empty => {
                    self.set_unless_default("metadata", Field::Metadata, metadata.clone(), is_empty);
                }
            }
        }
        if let Some(tier) = &request.service_tier {
            let (tier, is_same) = match tier.as_str() {
                own @ "standard_only" => (own, true),
                word if self.quirks.capacity_tiers => tier::write_request(word, false),
                word => (word, true),
            };
            if !is_same {
                self.note(Field::ServiceTier, Fate::Clamped);
            }
            self.set_unless_default("service_tier", Field::ServiceTier, tier, tier == "auto");
        }
        if let Some(verbosity) = &request.verbosity {
            let is_default = verbosity == "medium";
            self.set_unless_default("verbosity", Field::Verbosity, verbosity.as_str(), is_default);
        }
    }

    pub(super) fn stream(&mut self) {
        self.out.insert("stream".into(), true.into());
        // Always where it may be: the proxy meters by it.
        if self.quirks.stream_options {
            self.out.insert("stream_options".into(), json!({"include_usage": true}));
        }
    }
}
