//! The neutral request to Bedrock's Converse.

use serde_json::{Map, Value, json};

use crate::catalogue::Sampling;
use crate::dialect::{Format, Upstream, extras, fields, json_answer};
use crate::error::Refused;
use crate::field::Field;
use crate::ledger::{Fate, Ledger};
use crate::message::{Request, ResponseFormat};
use crate::provider::bedrock::{Vendor, vendor};

use super::reasoning::Asked;
use super::tools::Tools;
use super::{conversation, metadata, reasoning, tools};

pub(super) fn encode(
    request: &Request,
    upstream: &Upstream<'_>,
    ledger: &mut Ledger,
) -> Result<Vec<u8>, Refused> {
    // Model and streaming are the URL's; a stream always tells its usage.
    let Request {
        model: _,
        stream: _,
        include_usage: _,
        system: _,
        // Noted by who calls this.
        late_system: _,
        messages: _,
        tools: _,
        tool_choice: _,
        parallel_tool_calls: _,
        max_tokens: _,
        temperature: _,
        top_p: _,
        top_k: _,
        stop: _,
        user,
        reasoning: _,
        thinking_mode: _,
        response_format,
        n,
        seed,
        presence_penalty,
        frequency_penalty,
        logit_bias,
        logprobs,
        top_logprobs,
        service_tier,
        verbosity,
        metadata,
        // Joins the body in `translate`.
        provider_options: _,
        extra,
        origin,
    } = request;
    let is_same = *origin == Some(Format::Converse);
    let mut conversation = conversation::read(request, upstream, ledger)?;
    let asked = reasoning::ask(request, upstream, ledger);
    let offered = Tools { request, upstream, ledger, is_free: asked.claude_thinks }.write()?;
    let mut encoder =
        Encoder { request, upstream, is_same, ledger, out: Map::new(), model_fields: Map::new() };

    let is_native = is_same || tools::has_json_schema(upstream);
    if let Some(format) = response_format {
        encoder.response_format(format, is_native, offered.has_json_answer, &mut conversation.system);
    }
    if !is_same {
        conversation.settle(request, encoder.ledger)?;
    }
    let (system, messages) = conversation.messages();
    if !system.is_empty() {
        encoder.set("system", system);
    }
    encoder.set("messages", messages);
    if let Some(config) = offered.config {
        encoder.set("toolConfig", config);
    }
    encoder.inference(&asked);
    encoder.top_k(&asked);
    encoder.stop();
    let Asked { fields, effort, claude_thinks: _, nova_is_unbound: _ } = asked;
    encoder.model_fields.extend(fields);
    if let Some(effort) = effort {
        encoder.set_in("outputConfig", "effort", effort);
    }
    if let Some(tier) = service_tier {
        encoder.service_tier(tier);
    }
    if let Some(metadata) = metadata.as_ref().filter(|metadata| !metadata.is_empty()) {
        let (fitting, is_changed) = metadata::fit(metadata);
        if is_changed && !is_same {
            encoder.note(Field::Metadata, Fate::Clamped);
        }
        let written = if is_same { metadata.clone() } else { fitting };
        if !written.is_empty() {
            encoder.set("requestMetadata", written);
        }
    }
    for (field, is_asked) in [
        (Field::User, user.is_some()),
        (Field::N, n.is_some_and(|n| n != 1)),
        (Field::Seed, seed.is_some()),
        (Field::PresencePenalty, presence_penalty.is_some_and(|penalty| penalty != 0.0)),
        (Field::FrequencyPenalty, frequency_penalty.is_some_and(|penalty| penalty != 0.0)),
        (Field::LogitBias, logit_bias.as_ref().is_some_and(|biases| !is_empty(biases))),
        (Field::Logprobs, *logprobs == Some(true)),
        (Field::TopLogprobs, top_logprobs.is_some_and(|most| most > 0)),
        (Field::Verbosity, verbosity.as_ref().is_some_and(|word| word != "medium")),
    ] {
        if is_asked {
            encoder.note(field, Fate::Dropped);
        }
    }
    if !encoder.model_fields.is_empty() {
        let members = std::mem::take(&mut encoder.model_fields);
        encoder.set("additionalModelRequestFields", members);
    }
    if is_same {
        fields::add_missing(&mut encoder.out, extra);
    } else {
        extras::note_dropped(extra, encoder.ledger);
    }
    // Writing into memory cannot fail.
    Ok(serde_json::to_vec(&encoder.out).unwrap_or_default())
}

fn is_empty(value: &Value) -> bool {
    value.is_null() || value.as_object().is_some_and(Map::is_empty)
}

struct Encoder<'a> {
    request: &'a Request,
    upstream: &'a Upstream<'a>,
    is_same: bool,
    ledger: &'a mut Ledger,
    out: Map<String, Value>,
    /// `additionalModelRequestFields`.
    model_fields: Map<String, Value>,
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

    fn note(&mut self, field: Field, fate: Fate) {
        self.ledger.note(field, fate);
    }

    fn vendor(&self) -> Option<Vendor> {
        vendor(self.upstream.model)
    }

    fn response_format(
        &mut self,
        format: &ResponseFormat,
        is_native: bool,
        is_tool: bool,
        system: &mut Vec<Value>,
    ) {
        if is_native && let Some(native) = tools::text_format(format, self.is_same, self.ledger) {
            return self.set_in("outputConfig", "textFormat", native);
        }
        let Some(instruction) = json_answer::instruction(format) else { return };
        self.note(Field::ResponseFormat, Fate::Emulated);
        if !is_tool {
            system.push(json!({"text": instruction}));
        }
    }

    fn inference(&mut self, asked: &Asked) {
        let Request { max_tokens, temperature, top_p, .. } = self.request;
        if let Some(wanted) = *max_tokens {
            let most =
                if self.is_same { u64::MAX } else { self.upstream.facts.max_output.unwrap_or(u64::MAX) };
            let tokens = wanted.clamp(u64::from(!self.is_same), most.max(1));
            if tokens != wanted {
                self.note(Field::MaxTokens, Fate::Clamped);
            }
            self.set_in("inferenceConfig", "maxTokens", tokens);
        }
        let temperature = self.sampling(Field::Temperature, *temperature, asked, |value| value != 1.0);
        // Claude thinks with a `top_p` from 0.95 on.
        let mut top_p = self.sampling(Field::TopP, *top_p, asked, |value| value < 0.95);
        let is_one_of = self.upstream.facts.sampling == Some(Sampling::OneOf) && !self.is_same;
        if is_one_of && temperature.is_some() && top_p.take().is_some_and(|value| value != 1.0) {
            self.note(Field::TopP, Fate::Dropped);
        }
        if let Some(value) = temperature {
            self.set_in("inferenceConfig", "temperature", value);
        }
        if let Some(value) = top_p {
            self.set_in("inferenceConfig", "topP", value);
        }
    }

    /// A value that is taken: none for a default that would be refused, and for any other one a note.
    fn sampling(
        &mut self,
        field: Field,
        given: Option<f64>,
        asked: &Asked,
        claude_refuses: impl Fn(f64) -> bool,
    ) -> Option<f64> {
        let given = given?;
        if self.is_same {
            return Some(given);
        }
        let refuses_all = asked.nova_is_unbound || self.upstream.facts.sampling == Some(Sampling::Refused);
        if refuses_all || asked.claude_thinks {
            if given == 1.0 {
                return None;
            }
            if refuses_all || claude_refuses(given) {
                self.note(field, Fate::Dropped);
                return None;
            }
        }
        let fitting = given.clamp(0.0, 1.0);
        if fitting != given {
            self.note(field, Fate::Clamped);
        }
        Some(fitting)
    }

    fn top_k(&mut self, asked: &Asked) {
        let Some(top_k) = self.request.top_k else { return };
        let is_refused = asked.claude_thinks
            || asked.nova_is_unbound
            || self.upstream.facts.sampling == Some(Sampling::Refused);
        if is_refused && !self.is_same {
            return self.note(Field::TopK, Fate::Dropped);
        }
        let (name, value) = match self.vendor() {
            Some(Vendor::Amazon) => ("inferenceConfig", json!({"topK": top_k})),
            Some(Vendor::Cohere) => ("k", top_k.into()),
            Some(Vendor::Anthropic) => ("top_k", top_k.into()),
            _ if self.is_same => ("top_k", top_k.into()),
            _ => return self.note(Field::TopK, Fate::Dropped),
        };
        self.model_fields.insert(name.into(), value);
    }

    fn stop(&mut self) {
        let given = &self.request.stop;
        // Empty ones are a 400, and Claude refuses those of white space alone.
        let is_claude = self.vendor() == Some(Vendor::Anthropic);
        let is_taken = |stop: &&String| {
            self.is_same || if is_claude { !stop.trim().is_empty() } else { !stop.is_empty() }
        };
        let taken: Vec<&str> = given.iter().filter(is_taken).map(String::as_str).collect();
        if taken.len() < given.len() {
            self.ledger.note(Field::Stop, Fate::Dropped);
        }
        if taken.is_empty() {
            return;
        }
        self.set_in("inferenceConfig", "stopSequences", taken);
        if is_claude && !self.is_same {
            // Which of them it was stands in Claude's own answer alone, at another place in a stream.
            self.set(
                "additionalModelResponseFieldPaths",
                ["/stop_sequence", "/delta/stop_sequence"].as_slice(),
            );
        }
    }

    fn service_tier(&mut self, tier: &str) {
        let fitting = match tier {
            _ if self.is_same => tier,
            // Nothing was asked.
            "auto" => return,
            "default" | "flex" | "priority" | "reserved" => tier,
            // Anthropic's word.
            "standard_only" => "default",
            _ => return self.note(Field::ServiceTier, Fate::Dropped),
        };
        if fitting != tier {
            self.note(Field::ServiceTier, Fate::Emulated);
        }
        self.set("serviceTier", json!({"type": fitting}));
    }
}
