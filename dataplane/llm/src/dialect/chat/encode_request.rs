//! The neutral request to a provider that speaks chat completions.

use serde_json::{Map, Value, json};

use super::quirks::Quirks;
use crate::dialect::{Format, Upstream, extras, fields, media};
use crate::error::Refused;
use crate::field::Field;
use crate::ledger::{Fate, Ledger};
use crate::message::{
    Media, Message, Part, PartBody, Reasoning, ReasoningBlock, Request, ResponseFormat, Role, Tool,
    ToolChoice,
};

/// OpenAI takes no more stop sequences.
const MAX_STOPS: usize = 4;
/// OpenAI takes no longer `user`.
const MAX_USER: usize = 64;
/// Reasoning models that refuse `parallel_tool_calls`.
const NO_PARALLEL_SWITCH: &[&str] = &["o1", "o3", "o4"];

pub(super) fn encode(
    request: &Request,
    upstream: &Upstream<'_>,
    ledger: &mut Ledger,
) -> Result<Vec<u8>, Refused> {
    let quirks = upstream.provider.quirks(upstream.model);
    let reasons = quirks.fixed_sampling;
    let mut encoder = Encoder { request, upstream, quirks, ledger, reasons, out: Map::new() };
    encoder.set("model", upstream.model);
    encoder.messages()?;
    encoder.tools();
    encoder.limits_and_sampling();
    encoder.reasoning();
    encoder.response_format();
    encoder.user();
    if request.stream {
        encoder.set("stream", true);
        // Always: the proxy meters by it.
        encoder.set("stream_options", json!({"include_usage": true}));
    }
    encoder.extra();
    // Writing into memory cannot fail.
    Ok(serde_json::to_vec(&encoder.out).unwrap_or_default())
}

struct Encoder<'a> {
    request: &'a Request,
    upstream: &'a Upstream<'a>,
    quirks: &'static Quirks,
    ledger: &'a mut Ledger,
    /// The model is one of OpenAI's reasoning models.
    reasons: bool,
    out: Map<String, Value>,
}

impl Encoder<'_> {
    fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.out.insert(name.to_owned(), value.into());
    }

    fn is_same_format(&self) -> bool {
        self.request.origin == Some(Format::Chat)
    }

    fn note(&mut self, field: Field, fate: Fate) {
        self.ledger.note(field, fate);
    }

    /// Adds what only the client's format knows, or notes that it is lost.
    fn join_extra(&mut self, target: &mut Map<String, Value>, extra: &Map<String, Value>) {
        if self.is_same_format() {
            fields::add_missing(target, extra);
        } else {
            extras::note_dropped(extra, self.ledger);
        }
    }

    fn messages(&mut self) -> Result<(), Refused> {
        let mut out = Vec::new();
        self.system(&mut out);
        for message in &self.request.messages {
            match message.role {
                Role::User => self.user_message(message, &mut out)?,
                Role::Assistant => out.push(self.assistant_message(message)),
            }
        }
        self.set("messages", out);
        Ok(())
    }

    fn system(&mut self, out: &mut Vec<Value>) {
        let role = if self.reasons { "developer" } else { "system" };
        let mut joined: Vec<&str> = Vec::new();
        for part in &self.request.system {
            let PartBody::Text(text) = &part.body else {
                self.note(Field::System, Fate::Dropped);
                continue;
            };
            if self.is_same_format() {
                let content = match &part.cache_control {
                    Some(marker) => json!([{"type": "text", "text": text, "cache_control": marker}]),
                    None => text.as_str().into(),
                };
                let mut message = object(json!({"role": role, "content": content}));
                fields::add_missing(&mut message, &part.extra);
                out.push(message.into());
                continue;
            }
            if part.cache_control.is_some() {
                self.ledger.note(Field::CacheControl, Fate::Dropped);
            }
            extras::note_dropped(&part.extra, self.ledger);
            joined.push(text);
        }
        if !joined.is_empty() {
            out.push(json!({"role": role, "content": joined.join("\n\n")}));
        }
    }

    fn cache_control(&mut self, marker: Option<&Value>, target: &mut Map<String, Value>) {
        match marker {
            Some(marker) if self.is_same_format() => {
                target.insert("cache_control".into(), marker.clone());
            }
            Some(_) => self.ledger.note(Field::CacheControl, Fate::Dropped),
            None => {}
        }
    }

    /// Tool results first, each a message: they must follow the calls that they answer.
    fn user_message(&mut self, message: &Message, out: &mut Vec<Value>) -> Result<(), Refused> {
        let mut content = Vec::new();
        let mut has_results = false;
        for part in &message.parts {
            if let PartBody::ToolResult { id, parts, is_error } = &part.body {
                has_results = true;
                if *is_error {
                    self.note(Field::ResultIsError, Fate::Dropped);
                }
                let mut result = object(json!({"role": "tool", "tool_call_id": id, "content": Value::Null}));
                self.cache_control(part.cache_control.as_ref(), &mut result);
                self.join_extra(&mut result, &part.extra);
                result.insert("content".into(), self.result_content(parts, &mut content)?);
                if self.is_same_format() {
                    fields::add_missing(&mut result, &message.extra);
                }
                out.push(result.into());
            }
        }
        for part in &message.parts {
            if !matches!(part.body, PartBody::ToolResult { .. }) {
                content.push(self.content_part(part)?);
            }
        }
        if content.is_empty() && has_results {
            return Ok(());
        }
        let mut written = object(json!({"role": "user", "content": unwrap_single_text(content)}));
        if let Some(name) = &message.name {
            written.insert("name".into(), name.clone().into());
        }
        self.join_extra(&mut written, &message.extra);
        out.push(written.into());
        Ok(())
    }

    /// A tool message takes text alone: images and files move to the user message behind it.
    fn result_content(&mut self, parts: &[Part], moved: &mut Vec<Value>) -> Result<Value, Refused> {
        let mut texts: Vec<Value> = Vec::new();
        for part in parts {
            match &part.body {
                PartBody::Text(_) => texts.push(self.content_part(part)?),
                PartBody::Image(_) | PartBody::Document { .. } => {
                    self.note(Field::ResultPart, Fate::Emulated);
                    moved.push(self.content_part(part)?);
                }
                PartBody::Opaque { format: Format::Chat, value } => texts.push(value.clone()),
                PartBody::Opaque { value, .. } => {
                    self.note(Field::ResultPart, Fate::Emulated);
                    texts.push(json!({"type": "text", "text": value.to_string()}));
                }
                PartBody::Refusal(_)
                | PartBody::Audio(_)
                | PartBody::Video(_)
                | PartBody::Citation(_)
                | PartBody::Reasoning(_)
                | PartBody::ToolCall(_)
                | PartBody::ToolResult { .. } => {
                    self.note(Field::ResultPart, Fate::Dropped);
                }
            }
        }
        Ok(if texts.is_empty() { "".into() } else { unwrap_single_text(texts) })
    }

    /// A part of a user message.
    fn content_part(&mut self, part: &Part) -> Result<Value, Refused> {
        let mut out = match &part.body {
            PartBody::Text(text) | PartBody::Refusal(text) => object(json!({"type": "text", "text": text})),
            PartBody::Image(Media::Url { url, detail }) => image(url, detail.as_deref()),
            PartBody::Image(Media::Base64 { media_type, data, detail }) => {
                image(&media::data_url(media_type, data), detail.as_deref())
            }
            PartBody::Document { media: Media::Base64 { media_type, data, .. }, name } => {
                let name = name.as_deref().unwrap_or("document.pdf");
                let data = media::data_url(media_type, data);
                object(json!({"type": "file", "file": {"filename": name, "file_data": data}}))
            }
            PartBody::Image(Media::PlainText(text))
            | PartBody::Document { media: Media::PlainText(text), .. } => {
                self.note(Field::Document, Fate::Emulated);
                object(json!({"type": "text", "text": text}))
            }
            PartBody::Document { media: Media::Url { .. }, .. } => {
                return Err(self.refuse("a document by URL cannot be sent in OpenAI's chat format"));
            }
            PartBody::Opaque { format: Format::Chat, value } => return Ok(value.clone()),
            PartBody::Opaque { value, .. } => {
                let kind = value
                    .get("type")
                    .or_else(|| value.get("role"))
                    .and_then(Value::as_str)
                    .unwrap_or("unknown");
                return Err(self.refuse(&format!("`{kind}` cannot be sent in OpenAI's chat format")));
            }
            PartBody::Audio(_) | PartBody::Video(_) => {
                return Err(self.refuse("sound and video cannot be sent in OpenAI's chat format"));
            }
            PartBody::Citation(_)
            | PartBody::Reasoning(_)
            | PartBody::ToolCall(_)
            | PartBody::ToolResult { .. } => {
                return Err(self.refuse("this cannot stand in a user message of OpenAI's chat format"));
            }
        };
        self.cache_control(part.cache_control.as_ref(), &mut out);
        self.join_extra(&mut out, &part.extra);
        Ok(out.into())
    }

    fn refuse(&self, message: &str) -> Refused {
        Refused { field: "messages[].content[].type".into(), message: message.to_owned() }
    }

    fn assistant_message(&mut self, message: &Message) -> Value {
        let mut content: Vec<Value> = Vec::new();
        let mut reasoning = String::new();
        let mut refusal: Option<String> = None;
        let mut calls: Vec<Value> = Vec::new();
        for part in &message.parts {
            match &part.body {
                PartBody::Text(text) => {
                    let mut out = object(json!({"type": "text", "text": text}));
                    self.cache_control(part.cache_control.as_ref(), &mut out);
                    self.join_extra(&mut out, &part.extra);
                    content.push(out.into());
                }
                PartBody::Refusal(text) => refusal.get_or_insert_default().push_str(text),
                PartBody::Reasoning(ReasoningBlock::Thinking { text, signature: None })
                    if self.quirks.reasoning_history =>
                {
                    reasoning.push_str(text);
                }
                // A signature is its issuer's, and no chat provider issued one.
                PartBody::Reasoning(_) => {
                    self.note(Field::ReasoningHistory, Fate::Dropped);
                }
                PartBody::ToolCall(call) => {
                    let arguments = if call.arguments.is_empty() { "{}" } else { &call.arguments };
                    let mut out = object(json!({
                        "id": call.id,
                        "type": "function",
                        "function": {"name": call.name, "arguments": arguments},
                    }));
                    self.cache_control(part.cache_control.as_ref(), &mut out);
                    self.join_extra(&mut out, &part.extra);
                    calls.push(out.into());
                }
                PartBody::Opaque { format: Format::Chat, value } => match value.get("type") {
                    Some(kind) if kind == "custom" => calls.push(value.clone()),
                    _ => content.push(value.clone()),
                },
                // What a server tool did is the provider's own history; the text that came of it stays.
                PartBody::Citation(_) => {}
                PartBody::Opaque { .. }
                | PartBody::Audio(_)
                | PartBody::Video(_)
                | PartBody::Image(_)
                | PartBody::Document { .. }
                | PartBody::ToolResult { .. } => {
                    self.note(Field::Part, Fate::Dropped);
                }
            }
        }
        let mut out = object(json!({"role": "assistant"}));
        let content = if self.is_same_format() { unwrap_single_text(content) } else { join_texts(&content) };
        let has_content =
            content.as_str() != Some("") && content.as_array().is_none_or(|list| !list.is_empty());
        // Only beside calls or a refusal may the content be null.
        let may_be_null = !calls.is_empty() || refusal.is_some();
        out.insert("content".into(), if !has_content && may_be_null { Value::Null } else { content });
        if !reasoning.is_empty() {
            out.insert("reasoning_content".into(), reasoning.into());
        }
        if let Some(refusal) = refusal {
            out.insert("refusal".into(), refusal.into());
        }
        if !calls.is_empty() {
            out.insert("tool_calls".into(), calls.into());
        }
        if let Some(name) = &message.name {
            out.insert("name".into(), name.clone().into());
        }
        self.join_extra(&mut out, &message.extra);
        out.into()
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
        if !out.is_empty() {
            self.set("tools", out);
        } else if !self.is_same_format() {
            // A choice among no tools is a 400; it means something only where tools were left out.
            if self.request.tool_choice.is_some() && !self.request.tools.is_empty() {
                self.note(Field::ToolChoice, Fate::Dropped);
            }
            return;
        }
        match &self.request.tool_choice {
            None => {}
            Some(ToolChoice::Auto) => self.set("tool_choice", "auto"),
            Some(ToolChoice::None) => self.set("tool_choice", "none"),
            Some(ToolChoice::Required) => self.set("tool_choice", "required"),
            Some(ToolChoice::Named(name)) => {
                self.set("tool_choice", json!({"type": "function", "function": {"name": name}}));
            }
        }
        let Some(parallel) = self.request.parallel_tool_calls else { return };
        let refuses = self.reasons && NO_PARALLEL_SWITCH.iter().any(|it| self.upstream.model.starts_with(it));
        match (parallel, refuses) {
            (_, false) => self.set("parallel_tool_calls", parallel),
            // Several at once is what these models do anyway.
            (true, true) => {}
            (false, true) => {
                self.note(Field::ParallelToolCalls, Fate::Dropped);
            }
        }
    }

    fn tool(&mut self, tool: &Tool) -> Value {
        let Tool { name, description, parameters, strict, cache_control, opaque: _, extra } = tool;
        let mut function = object(json!({"name": name}));
        if let Some(description) = description {
            function.insert("description".into(), description.clone().into());
        }
        if let Some(parameters) = parameters {
            function.insert("parameters".into(), parameters.clone());
        }
        if let Some(strict) = strict {
            function.insert("strict".into(), (*strict).into());
        }
        self.join_extra(&mut function, extra);
        let mut out = object(json!({"type": "function", "function": function}));
        self.cache_control(cache_control.as_ref(), &mut out);
        out.into()
    }

    fn limits_and_sampling(&mut self) {
        let request = self.request;
        if let Some(most) = request.max_tokens {
            self.set(if self.reasons { "max_completion_tokens" } else { "max_tokens" }, most);
        }
        for (name, field, value) in
            [("temperature", Field::Temperature, request.temperature), ("top_p", Field::TopP, request.top_p)]
        {
            match value {
                // 1 is the default of both, and the only value that reasoning models take.
                Some(value) if self.reasons && value != 1.0 => self.ledger.note(field, Fate::Dropped),
                Some(value) if !self.reasons => self.set(name, value),
                _ => {}
            }
        }
        if request.top_k.is_some() {
            self.ledger.note(Field::TopK, Fate::Dropped);
        }
        if request.stop.is_empty() {
            return;
        }
        if self.reasons {
            return self.note(Field::Stop, Fate::Dropped);
        }
        if request.stop.len() > MAX_STOPS {
            self.note(Field::Stop, Fate::Clamped);
        }
        let stops: Vec<&str> = request.stop.iter().take(MAX_STOPS).map(String::as_str).collect();
        self.set("stop", stops);
    }

    fn reasoning(&mut self) {
        let Some(reasoning) = &self.request.reasoning else { return };
        if self.is_same_format() {
            match reasoning {
                Reasoning::Effort(effort) => self.set("reasoning_effort", effort.as_str()),
                Reasoning::Off => self.set("reasoning_effort", "none"),
                Reasoning::On | Reasoning::Budget(_) | Reasoning::Adaptive(_) => {}
            }
            return;
        }
        match reasoning {
            // A model that does not reason is already off; one that does has no common word for it.
            Reasoning::Off if !self.reasons => {}
            Reasoning::Off => self.note(Field::Reasoning, Fate::Dropped),
            // Whether the server behind knows the field cannot be told from here, and many refuse it.
            _ if !self.reasons => self.note(Field::Reasoning, Fate::Dropped),
            Reasoning::On | Reasoning::Adaptive(None) => {}
            Reasoning::Adaptive(Some(effort)) | Reasoning::Effort(effort) => {
                let known = ["minimal", "low", "medium", "high"].contains(&effort.as_str());
                if !known {
                    self.note(Field::ReasoningEffort, Fate::Clamped);
                }
                self.set("reasoning_effort", if known { effort } else { "high" });
            }
            Reasoning::Budget(tokens) => {
                self.note(Field::ReasoningBudget, Fate::Emulated);
                self.set("reasoning_effort", effort_of(*tokens));
            }
        }
    }

    fn response_format(&mut self) {
        let format = match &self.request.response_format {
            None => return,
            Some(ResponseFormat::Text) => json!({"type": "text"}),
            Some(ResponseFormat::JsonObject) => json!({"type": "json_object"}),
            Some(ResponseFormat::JsonSchema { name, schema, strict, description }) => {
                let mut inner = object(json!({"name": name, "schema": schema}));
                if let Some(strict) = strict {
                    inner.insert("strict".into(), (*strict).into());
                }
                if let Some(description) = description {
                    inner.insert("description".into(), description.clone().into());
                }
                json!({"type": "json_schema", "json_schema": inner})
            }
        };
        self.set("response_format", format);
    }

    fn user(&mut self) {
        match &self.request.user {
            Some(user) if user.chars().count() <= MAX_USER || self.is_same_format() => {
                self.set("user", user.as_str());
            }
            Some(_) => self.note(Field::User, Fate::Dropped),
            None => {}
        }
    }

    fn extra(&mut self) {
        let mut out = std::mem::take(&mut self.out);
        self.join_extra(&mut out, &self.request.extra);
        self.out = out;
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn image(url: &str, detail: Option<&str>) -> Map<String, Value> {
    let mut inner = object(json!({"url": url}));
    if let Some(detail) = detail {
        inner.insert("detail".into(), detail.into());
    }
    object(json!({"type": "image_url", "image_url": inner}))
}

/// One plain text is written as a string, as most clients do and every server takes.
fn unwrap_single_text(mut parts: Vec<Value>) -> Value {
    match parts.as_mut_slice() {
        [] => "".into(),
        [Value::Object(only)] if only.len() == 2 && only.get("type").is_some_and(|kind| kind == "text") => {
            only.get_mut("text").map(Value::take).unwrap_or_default()
        }
        _ => parts.into(),
    }
}

/// Anthropic cuts one text into blocks where citations stand; many servers take only a string.
fn join_texts(parts: &[Value]) -> Value {
    parts.iter().filter_map(|part| part.get("text")?.as_str()).collect::<String>().into()
}

/// Between the budgets that the other direction gives to each word.
fn effort_of(budget: u64) -> &'static str {
    match budget {
        0..=2048 => "low",
        2049..=8192 => "medium",
        _ => "high",
    }
}
