//! The neutral request to a provider that speaks Responses.

use serde_json::{Map, Value, json};

use crate::catalogue::Sampling;
use crate::dialect::{Format, Upstream, extras, fields, openai_shared};
use crate::error::Refused;
use crate::field::Field;
use crate::ledger::{Fate, Ledger};
use crate::message::{Issuer, Message, Part, PartBody, Reasoning, Request, ResponseFormat, Tool, ToolChoice};

use super::decode_request::INCLUDE_LOGPROBS;
use super::effort::{self, Effort};
use super::encode_items::Items;
use super::output::knows_tier;

/// OpenAI takes no smaller `max_output_tokens`.
const MIN_OUTPUT: u64 = 16;
const INCLUDE_STATE: &str = "reasoning.encrypted_content";

pub(super) fn encode(
    request: &Request,
    upstream: &Upstream<'_>,
    ledger: &mut Ledger,
) -> Result<Vec<u8>, Refused> {
    let Request {
        model: _,
        stream,
        // Usage is a part of every stream's last event.
        include_usage: _,
        system,
        // Noted by who calls this.
        late_system: _,
        messages,
        tools,
        tool_choice,
        parallel_tool_calls,
        max_tokens,
        temperature,
        top_p,
        top_k,
        stop,
        user,
        reasoning,
        // Says only how the client asked for `reasoning`.
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
        // Joined by who calls this.
        provider_options: _,
        extra,
        origin,
    } = request;
    let is_same_format = *origin == Some(Format::Responses);
    let thinks = thinks(upstream);
    let mut encoder = Encoder { upstream, ledger, origin: *origin, is_same_format, out: Map::new() };
    encoder.set("model", upstream.model);
    let holds_state = encoder.conversation(request, system, messages, thinks)?;
    encoder.tools(tools, tool_choice.as_ref(), *parallel_tool_calls);
    encoder.max_tokens(*max_tokens);
    encoder.sampling(*temperature, *top_p);
    if reasoning.is_some() {
        let field = request.reasoning_field();
        let is_own = is_same_format && field == Field::Reasoning;
        let Effort { word, fate } = match reasoning {
            Some(Reasoning::Effort(word)) if is_own => Effort { word: Some(word.clone()), fate: None },
            Some(Reasoning::Off) if is_own => Effort { word: Some("none".into()), fate: None },
            reasoning => effort::find(reasoning.as_ref(), thinks, upstream),
        };
        if let Some(fate) = fate {
            encoder.ledger.note(if field == Field::Reasoning { fate.1 } else { field }, fate.0);
        }
        if let Some(word) = word {
            encoder.set("reasoning", json!({"effort": word}));
        }
    }
    encoder.text(response_format.as_ref(), verbosity.as_deref());
    encoder.user(user.as_deref());
    match service_tier {
        Some(tier) if is_same_format || knows_tier(tier) => encoder.set("service_tier", tier.as_str()),
        Some(_) => encoder.note(Field::ServiceTier, Fate::Dropped),
        None => {}
    }
    if let Some(metadata) = metadata {
        encoder.set("metadata", metadata.clone());
    }
    let mut include = encoder.logprobs(*logprobs, *top_logprobs);
    // A client of this format asks for it itself.
    if !is_same_format && (thinks == Some(true) || (thinks.is_none() && holds_state)) {
        include.push(INCLUDE_STATE);
    }
    if *stream {
        encoder.set("stream", true);
    }
    let penalty = |number: &Option<f64>| number.filter(|number| *number != 0.0).map(Value::from);
    // Not in OpenAI's reference; a client of this format that sends one knows a server that takes it.
    for (field, name, asked) in [
        (Field::TopK, "top_k", top_k.map(Value::from)),
        (Field::Stop, "stop", (!stop.is_empty()).then(|| stop.as_slice().into())),
        (Field::N, "n", n.filter(|n| *n != 1).map(Value::from)),
        (Field::Seed, "seed", seed.map(Value::from)),
        (Field::PresencePenalty, "presence_penalty", penalty(presence_penalty)),
        (Field::FrequencyPenalty, "frequency_penalty", penalty(frequency_penalty)),
        (Field::LogitBias, "logit_bias", logit_bias.clone().filter(|bias| *bias != json!({}))),
    ] {
        match asked {
            Some(value) if is_same_format => encoder.set(name, value),
            Some(_) => encoder.note(field, Fate::Dropped),
            None => {}
        }
    }
    encoder.extra(extra, &include);
    // Writing into memory cannot fail.
    Ok(serde_json::to_vec(&encoder.out).unwrap_or_default())
}

/// Does the model reason? Of OpenAI's own, wherever they run, the quirks tell where the catalogue does not.
fn thinks(upstream: &Upstream<'_>) -> Option<bool> {
    let by_family = || {
        matches!(upstream.issuer(), Some(Issuer::OpenAI | Issuer::Azure))
            .then(|| upstream.provider.quirks(upstream.model).fixed_sampling)
    };
    upstream.facts.thinks().or_else(by_family)
}

struct Encoder<'a> {
    upstream: &'a Upstream<'a>,
    ledger: &'a mut Ledger,
    origin: Option<Format>,
    is_same_format: bool,
    out: Map<String, Value>,
}

impl Encoder<'_> {
    fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.out.insert(name.to_owned(), value.into());
    }

    fn note(&mut self, field: Field, fate: Fate) {
        self.ledger.note(field, fate);
    }

    /// Whether the history holds reasoning state that goes to this provider.
    fn conversation(
        &mut self,
        request: &Request,
        system: &[Part],
        messages: &[Message],
        thinks: Option<bool>,
    ) -> Result<bool, Refused> {
        let mut texts: Vec<&str> = Vec::new();
        for part in system {
            match &part.body {
                PartBody::Text(text) => texts.push(text),
                _ => self.note(Field::System, Fate::Dropped),
            }
            if part.cache_control.is_some() {
                self.note(Field::CacheControl, Fate::Dropped);
            }
            // Instructions are one text.
            extras::note_dropped(&part.extra, self.ledger);
        }
        let instructions = texts.join("\n\n");
        let mut items = Items::new(self.upstream, request, thinks, self.ledger);
        items.messages(messages)?;
        let Items { mut out, holds_state, .. } = items;
        if out.is_empty() && !instructions.is_empty() && !self.is_same_format {
            // Instructions alone are a whole request to the chat format; here there must be some input.
            out.push(json!({"role": "developer", "content": instructions}));
        } else if !instructions.is_empty() {
            self.set("instructions", instructions);
        }
        if !out.is_empty() || !self.is_same_format {
            self.set("input", out);
        }
        Ok(holds_state)
    }

    fn tools(&mut self, tools: &[Tool], choice: Option<&ToolChoice>, parallel: Option<bool>) {
        let mut out = Vec::new();
        for tool in tools {
            match &tool.opaque {
                None => out.push(self.tool(tool)),
                Some(opaque) if self.is_same_format => out.push(opaque.clone()),
                Some(opaque) => match openai_shared::tool(opaque, self.origin, Format::Responses) {
                    Some(tool) => out.push(tool),
                    None => self.note(Field::Tool, Fate::Dropped),
                },
            }
        }
        if !out.is_empty() {
            self.set("tools", out);
        } else if !self.is_same_format {
            // A choice among no tools is a 400; it means something only where tools were left out.
            if choice.is_some() && !tools.is_empty() {
                self.note(Field::ToolChoice, Fate::Dropped);
            }
            return;
        }
        let takes_forced = self.upstream.facts.forced_tools != Some(false);
        match choice {
            None => {}
            Some(ToolChoice::Auto) => self.set("tool_choice", "auto"),
            Some(ToolChoice::None) => self.set("tool_choice", "none"),
            Some(_) if !takes_forced => self.note(Field::ToolChoice, Fate::Dropped),
            Some(ToolChoice::Required) => self.set("tool_choice", "required"),
            Some(ToolChoice::Named(name)) => {
                self.set("tool_choice", json!({"type": "function", "name": name}));
            }
        }
        if let Some(parallel) = parallel {
            self.set("parallel_tool_calls", parallel);
        }
    }

    fn tool(&mut self, tool: &Tool) -> Value {
        let Tool { name, description, parameters, strict, cache_control, opaque: _, extra } = tool;
        let mut out = Map::new();
        out.insert("type".into(), "function".into());
        out.insert("name".into(), name.clone().into());
        if let Some(description) = description {
            out.insert("description".into(), description.clone().into());
        }
        let no_parameters = || match strict {
            _ if self.is_same_format => Value::Null,
            Some(true) => json!({"type": "object", "properties": {}, "additionalProperties": false}),
            _ => json!({"type": "object", "properties": {}}),
        };
        out.insert("parameters".into(), parameters.clone().unwrap_or_else(no_parameters));
        // Absent means strict here, and not strict everywhere else.
        let unsaid = if self.is_same_format { None } else { Some(false) };
        out.insert("strict".into(), strict.or(unsaid).into());
        if self.is_same_format {
            if let Some(marker) = cache_control {
                out.insert("cache_control".into(), marker.clone());
            }
            fields::add_missing(&mut out, extra);
        } else {
            if cache_control.is_some() {
                self.note(Field::CacheControl, Fate::Dropped);
            }
            extras::note_dropped(extra, self.ledger);
        }
        out.into()
    }

    fn max_tokens(&mut self, asked: Option<u64>) {
        let Some(asked) = asked else { return };
        let most = self.upstream.facts.max_output.unwrap_or(u64::MAX).max(MIN_OUTPUT);
        let fit = if self.is_same_format { asked } else { asked.clamp(MIN_OUTPUT, most) };
        if fit != asked {
            self.note(Field::MaxTokens, Fate::Clamped);
        }
        self.set("max_output_tokens", fit);
    }

    /// 1 is the default of both, and the only value that reasoning models take.
    fn sampling(&mut self, temperature: Option<f64>, top_p: Option<f64>) {
        let quirks = self.upstream.provider.quirks(self.upstream.model);
        let is_fixed = match self.upstream.facts.sampling {
            Some(sampling) => sampling == Sampling::Refused,
            None => quirks.fixed_sampling,
        };
        let is_one_of = self.upstream.facts.sampling == Some(Sampling::OneOf) && temperature.is_some();
        for (name, field, value, is_refused, most) in [
            ("temperature", Field::Temperature, temperature, is_fixed, quirks.max_temperature),
            ("top_p", Field::TopP, top_p, is_fixed || is_one_of, 1.0),
        ] {
            match value {
                Some(value) if is_refused && value != 1.0 => self.note(field, Fate::Dropped),
                Some(_) if is_refused => {}
                Some(value) if value > most => {
                    self.note(field, Fate::Clamped);
                    self.set(name, most);
                }
                Some(value) => self.set(name, value),
                None => {}
            }
        }
    }

    fn text(&mut self, format: Option<&ResponseFormat>, verbosity: Option<&str>) {
        let mut text = Map::new();
        match format {
            None => {}
            Some(ResponseFormat::Text) => drop(text.insert("format".into(), json!({"type": "text"}))),
            Some(ResponseFormat::JsonObject) => {
                text.insert("format".into(), json!({"type": "json_object"}));
            }
            Some(ResponseFormat::JsonSchema { name, schema, strict, description }) => {
                let mut format = Map::new();
                format.insert("type".into(), "json_schema".into());
                format.insert("name".into(), name.clone().into());
                format.insert("schema".into(), schema.clone());
                if let Some(strict) = strict {
                    format.insert("strict".into(), (*strict).into());
                }
                if let Some(description) = description {
                    format.insert("description".into(), description.clone().into());
                }
                text.insert("format".into(), format.into());
            }
        }
        if let Some(verbosity) = verbosity {
            text.insert("verbosity".into(), verbosity.into());
        }
        if !text.is_empty() {
            self.set("text", text);
        }
    }

    fn user(&mut self, user: Option<&str>) {
        let most = self.upstream.provider.quirks(self.upstream.model).max_user;
        match user {
            Some(user) if user.chars().count() <= most || self.is_same_format => self.set("user", user),
            Some(_) => self.note(Field::User, Fate::Dropped),
            None => {}
        }
    }

    /// What `include` must hold for them.
    fn logprobs(&mut self, logprobs: Option<bool>, top: Option<u64>) -> Vec<&'static str> {
        let refuses = self.upstream.provider.quirks(self.upstream.model).refuses.contains(&"logprobs");
        let is_asked = logprobs == Some(true);
        if is_asked && refuses {
            self.note(Field::Logprobs, Fate::Dropped);
        }
        match top {
            // Zero is what a request without it gets.
            Some(0) | None => {}
            Some(_) if refuses => self.note(Field::TopLogprobs, Fate::Dropped),
            Some(top) => {
                let most = self.upstream.provider.quirks(self.upstream.model).max_top_logprobs;
                let fit = if self.is_same_format { top } else { top.min(most) };
                if fit != top {
                    self.note(Field::TopLogprobs, Fate::Clamped);
                }
                self.set("top_logprobs", fit);
            }
        }
        if is_asked && !refuses { vec![INCLUDE_LOGPROBS] } else { Vec::new() }
    }

    fn extra(&mut self, extra: &Map<String, Value>, include: &[&str]) {
        let mut out = std::mem::take(&mut self.out);
        if self.is_same_format {
            // The client's own choice of tools is more than the neutral one says.
            if let Some(choice) = extra.get("tool_choice") {
                out.insert("tool_choice".into(), choice.clone());
            }
            fields::add_missing(&mut out, extra);
        } else {
            let (taken, rest) = openai_shared::carry(extra, self.origin, Format::Responses);
            extras::note_dropped(&rest, self.ledger);
            if let Some(choice) = taken.get("tool_choice") {
                out.insert("tool_choice".into(), choice.clone());
            }
            fields::add_missing(&mut out, &taken);
            // Nobody could fetch what OpenAI would keep.
            out.entry("store").or_insert(false.into());
        }
        if !include.is_empty() {
            let all = out.entry("include").or_insert_with(|| Vec::<Value>::new().into());
            if let Value::Array(all) = all {
                let missing = include.iter().filter(|word| !all.iter().any(|it| it == *word));
                let missing: Vec<Value> = missing.map(|word| (*word).into()).collect();
                all.extend(missing);
            }
        }
        self.out = out;
    }
}
