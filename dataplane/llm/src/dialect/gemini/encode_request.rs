//! The neutral request to one of Google's APIs.

use serde_json::{Map, Value, json};

use crate::catalogue::{ReasoningStyle, Sampling};
use crate::dialect::{Format, Upstream, extras, fields, instructions};
use crate::error::Refused;
use crate::field::Field;
use crate::ledger::{Fate, Ledger};
use crate::message::{PartBody, Reasoning, Request, ResponseFormat, Tool, ToolChoice};

use super::encode_content::Contents;
use super::{schema, signature, thinking, usage};

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
/// Labels of a request; keys and values have no more than this many characters.
const MAX_LABELS: usize = 64;
const MAX_LABEL: usize = 63;

pub(super) fn encode(
    request: &Request,
    upstream: &Upstream<'_>,
    ledger: &mut Ledger,
) -> Result<Vec<u8>, Refused> {
    // The model and the stream stand in the URL; usage always comes; the messages have a file of their own; options
    // for a provider join later.
    let Request {
        model: _,
        stream: _,
        include_usage: _,
        system: _,
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
        reasoning: _,
        thinking_mode: _,
        response_format: _,
        n: _,
        seed: _,
        presence_penalty: _,
        frequency_penalty: _,
        logit_bias,
        logprobs: _,
        top_logprobs: _,
        service_tier: _,
        verbosity,
        metadata: _,
        provider_options: _,
        extra: _,
        origin: _,
    } = request;
    for (field, is_given) in [
        (Field::ParallelToolCalls, *parallel_tool_calls == Some(false) && !request.tools.is_empty()),
        (Field::User, user.is_some()),
        (Field::LogitBias, logit_bias.as_ref().is_some_and(|it| !it.is_null() && *it != json!({}))),
        (Field::Verbosity, verbosity.as_ref().is_some_and(|word| word != "medium")),
    ] {
        if is_given {
            ledger.note(field, Fate::Dropped);
        }
    }
    let contents = Contents::new(request, upstream, ledger).write()?;
    let mut encoder = Encoder {
        request,
        upstream,
        ledger,
        system: Vec::new(),
        tools: Vec::new(),
        config: Map::new(),
        out: Map::new(),
    };
    encoder.system();
    encoder.tools();
    encoder.response_format();
    encoder.limits_and_sampling();
    encoder.thinking();
    encoder.contents(contents);
    encoder.tier_and_labels();
    encoder.extra();
    // Writing into memory cannot fail.
    Ok(serde_json::to_vec(&encoder.out).unwrap_or_default())
}

struct Encoder<'a> {
    request: &'a Request,
    upstream: &'a Upstream<'a>,
    ledger: &'a mut Ledger,
    /// Parts of the instructions; the last may be ours.
    system: Vec<Value>,
    tools: Vec<Value>,
    /// `generationConfig`.
    config: Map<String, Value>,
    out: Map<String, Value>,
}

impl Encoder<'_> {
    fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.out.insert(name.to_owned(), value.into());
    }

    fn configure(&mut self, name: &str, value: impl Into<Value>) {
        self.config.insert(name.to_owned(), value.into());
    }

    fn is_same_format(&self) -> bool {
        self.request.origin == Some(Format::Gemini)
    }

    fn note(&mut self, field: Field, fate: Fate) {
        self.ledger.note(field, fate);
    }

    fn system(&mut self) {
        for part in &self.request.system {
            match &part.body {
                PartBody::Text(text) if text.is_empty() => {}
                PartBody::Text(text) => self.system.push(json!({"text": text})),
                PartBody::Opaque { format: Format::Gemini, value } => {
                    let mut value = value.clone();
                    signature::unstamp(&mut value, self.upstream.issuer());
                    self.system.push(value);
                }
                // Instructions are text alone.
                _ => self.note(Field::System, Fate::Dropped),
            }
            if part.cache_control.is_some() {
                self.note(Field::CacheControl, Fate::Dropped);
            }
            match (self.is_same_format(), self.system.last_mut()) {
                (true, Some(Value::Object(last))) => fields::add_missing(last, &part.extra),
                _ => extras::note_dropped(&part.extra, self.ledger),
            }
        }
    }

    /// Instructions alone are a whole request to OpenAI; Google wants something to answer.
    fn contents(&mut self, mut contents: Vec<Value>) {
        if contents.is_empty() && !self.system.is_empty() {
            self.note(Field::Messages, Fate::Emulated);
            contents.push(json!({"role": "user", "parts": std::mem::take(&mut self.system)}));
        }
        let is_users = |first: &Value| first.get("role").is_some_and(|role| role == "user");
        if !contents.first().is_some_and(is_users) && !self.is_same_format() {
            // Nothing to answer is a 400, and so are calls behind nothing.
            self.note(Field::Messages, Fate::Emulated);
            contents.insert(0, json!({"role": "user", "parts": [{"text": " "}]}));
        }
        self.set("contents", contents);
        if !self.system.is_empty() {
            let parts = std::mem::take(&mut self.system);
            self.set("systemInstruction", json!({"parts": parts}));
        }
        if !self.tools.is_empty() {
            let tools = std::mem::take(&mut self.tools);
            self.set("tools", tools);
            self.tool_choice();
        } else if matches!(self.request.tool_choice, Some(ToolChoice::Required | ToolChoice::Named(_))) {
            self.note(Field::ToolChoice, Fate::Dropped);
        }
        if !self.config.is_empty() {
            let config = std::mem::take(&mut self.config);
            self.set("generationConfig", config);
        }
    }

    /// Functions stand together, where the first one does.
    fn tools(&mut self) {
        let mut declarations = Vec::new();
        let mut place = None;
        for tool in &self.request.tools {
            match &tool.opaque {
                None => {
                    place.get_or_insert(self.tools.len());
                    declarations.push(self.declaration(tool));
                }
                Some(own) if self.is_same_format() => self.tools.push(own.clone()),
                Some(_) => self.note(Field::Tool, Fate::Dropped),
            }
        }
        if let Some(place) = place {
            self.tools.insert(place, json!({"functionDeclarations": declarations}));
        }
    }

    fn declaration(&mut self, tool: &Tool) -> Value {
        let Tool { name, description, parameters, strict, cache_control, opaque: _, extra } = tool;
        let mut out = Map::new();
        out.insert("name".into(), name.clone().into());
        if let Some(description) = description {
            out.insert("description".into(), description.clone().into());
        }
        if let Some(parameters) =
            parameters.as_ref().filter(|it| it.as_object().is_some_and(|it| !it.is_empty()))
        {
            // A constraint that is passed over there is no loss: only `strict` promises that all of them hold.
            out.insert("parametersJsonSchema".into(), self.schema(parameters).0);
        }
        if *strict == Some(true) {
            self.note(Field::ToolStrict, Fate::Dropped);
        }
        if cache_control.is_some() {
            self.note(Field::CacheControl, Fate::Dropped);
        }
        if self.is_same_format() {
            fields::add_missing(&mut out, extra);
        } else {
            extras::note_dropped(extra, self.ledger);
        }
        out.into()
    }

    /// The schema as it is sent, and whether it says less than before.
    fn schema(&self, schema: &Value) -> (Value, bool) {
        if self.is_same_format() { (schema.clone(), false) } else { schema::adapt(schema) }
    }

    fn tool_choice(&mut self) {
        let config = match &self.request.tool_choice {
            None => return,
            Some(ToolChoice::Auto) => json!({"mode": "AUTO"}),
            Some(ToolChoice::None) => json!({"mode": "NONE"}),
            Some(ToolChoice::Required | ToolChoice::Named(_))
                if self.upstream.facts.forced_tools == Some(false) && !self.is_same_format() =>
            {
                return self.note(Field::ToolChoice, Fate::Dropped);
            }
            Some(ToolChoice::Required) => json!({"mode": "ANY"}),
            Some(ToolChoice::Named(name)) => json!({"mode": "ANY", "allowedFunctionNames": [name]}),
        };
        self.set("toolConfig", json!({"functionCallingConfig": config}));
    }

    fn response_format(&mut self) {
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

    fn limits_and_sampling(&mut self) {
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

    fn thinking(&mut self) {
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

    fn tier_and_labels(&mut self) {
        let quirks = self.upstream.provider.gemini_quirks(self.upstream.model);
        match self.request.service_tier.as_deref() {
            None | Some("auto") => {}
            Some("default") if !quirks.service_tier => {}
            Some(tier @ ("default" | "flex" | "priority")) if quirks.service_tier => {
                self.set("serviceTier", usage::write_tier(tier));
            }
            Some(tier) if quirks.service_tier && self.is_same_format() => self.set("serviceTier", tier),
            Some(_) => self.note(Field::ServiceTier, Fate::Dropped),
        }
        let Some(metadata) = self.request.metadata.as_ref().filter(|it| !it.is_empty()) else { return };
        let fits = |(name, value): (&String, &Value)| {
            !name.is_empty() && is_label(name) && value.as_str().is_some_and(is_label)
        };
        let is_fit = metadata.len() <= MAX_LABELS && metadata.iter().all(fits);
        if quirks.labels && (is_fit || self.is_same_format()) {
            self.set("labels", metadata.clone());
        } else {
            self.note(Field::Metadata, Fate::Dropped);
        }
    }

    fn extra(&mut self) {
        if self.is_same_format() {
            fields::add_missing(&mut self.out, &self.request.extra);
        } else {
            extras::note_dropped(&self.request.extra, self.ledger);
        }
    }
}

/// Source: <https://cloud.google.com/resource-manager/docs/labels-overview>.
fn is_label(text: &str) -> bool {
    let fits = |c: char| {
        c.is_lowercase()
            || c.is_numeric()
            || matches!(c, '_' | '-')
            || (c.is_alphabetic() && !c.is_uppercase())
    };
    text.chars().count() <= MAX_LABEL && text.chars().all(fits)
}
