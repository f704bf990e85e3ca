//! The neutral request to one of Google's APIs.

use serde_json::{Map, Value, json};

use crate::dialect::{Format, Upstream, extras, fields};
use crate::error::Refused;
use crate::field::Field;
use crate::ledger::{Fate, Ledger};
use crate::message::{PartBody, Request, Tool, ToolChoice};

use super::encode_content::Contents;
use super::{schema, signature, usage};

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
        spare: schema::SPARE,
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

pub(super) struct Encoder<'a> {
    pub request: &'a Request,
    pub upstream: &'a Upstream<'a>,
    pub ledger: &'a mut Ledger,
    /// Parts of the instructions; the last may be ours.
    pub system: Vec<Value>,
    pub tools: Vec<Value>,
    /// Bytes that schemas may still grow by.
    pub spare: usize,
    /// `generationConfig`.
    config: Map<String, Value>,
    out: Map<String, Value>,
}

impl Encoder<'_> {
    fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.out.insert(name.to_owned(), value.into());
    }

    pub(super) fn configure(&mut self, name: &str, value: impl Into<Value>) {
        self.config.insert(name.to_owned(), value.into());
    }

    pub(super) fn is_same_format(&self) -> bool {
        self.request.origin == Some(Format::Gemini)
    }

    pub(super) fn note(&mut self, field: Field, fate: Fate) {
        self.ledger.note(field, fate);
    }

    fn system(&mut self) {
        for part in &self.request.system {
            if part.cache_control.is_some() {
                self.note(Field::CacheControl, Fate::Dropped);
            }
            let mut written = match &part.body {
                PartBody::Text(text) if text.is_empty() => continue,
                PartBody::Text(text) => json!({"text": text}),
                PartBody::Opaque { format: Format::Gemini, value } => {
                    let mut value = value.clone();
                    signature::unstamp(&mut value, self.upstream.issuer());
                    value
                }
                // Instructions are text alone.
                _ => {
                    self.note(Field::System, Fate::Dropped);
                    continue;
                }
            };
            match (self.is_same_format(), &mut written) {
                (true, Value::Object(written)) => fields::add_missing(written, &part.extra),
                _ => extras::note_dropped(&part.extra, self.ledger),
            }
            self.system.push(written);
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
            let (schema, is_changed) = self.schema(parameters);
            if is_changed && self.spare == 0 {
                self.note(Field::ToolParameters, Fate::Clamped);
            }
            out.insert("parametersJsonSchema".into(), schema);
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
