//! Content blocks of a request, written.

use serde_json::{Map, Value, json};

use crate::catalogue::Modalities;
use crate::dialect::{Format, Upstream, extras, fields};
use crate::error::Refused;
use crate::field::Field;
use crate::ledger::{Fate, Ledger};
use crate::message::{Issuer, Media, Part, PartBody, ReasoningBlock, ToolCall};
use crate::provider::bedrock::{Vendor, vendor};

use super::attachments::{self, Kind, Names, refuse};
use super::conversation::Turn;
use super::{blob, cache, citations, ids};

pub(super) struct Blocks<'a> {
    pub upstream: &'a Upstream<'a>,
    pub origin: Option<Format>,
    pub ledger: &'a mut Ledger,
    pub names: Names,
}

impl Blocks<'_> {
    pub fn is_same_format(&self) -> bool {
        self.origin == Some(Format::Converse)
    }

    fn vendor(&self) -> Option<Vendor> {
        vendor(self.upstream.model)
    }

    pub fn note(&mut self, field: Field, fate: Fate) {
        self.ledger.note(field, fate);
    }

    pub fn user(&mut self, part: &Part, turn: &mut Turn) -> Result<(), Refused> {
        match &part.body {
            PartBody::Text(_) | PartBody::Refusal(_) => self.text(part, &mut turn.rest),
            PartBody::ToolResult { .. } => self.tool_result(part, turn)?,
            PartBody::Image(_) | PartBody::Audio(_) | PartBody::Video(_) | PartBody::Document { .. } => {
                let block = self.attachment(part)?;
                turn.rest.push(block);
                turn.rest.extend(self.cache_point(part.cache_control.as_ref()));
            }
            PartBody::Opaque { format: Format::Converse, value } => turn.rest.push(value.clone()),
            PartBody::Opaque { format, value } => {
                let block = search_result(*format, value).ok_or_else(|| {
                    let kind = value.get("type").or_else(|| value.get("role")).and_then(Value::as_str);
                    refuse(format!("`{}` cannot be sent to Bedrock", kind.unwrap_or("unknown")))
                })?;
                turn.rest.push(block);
                turn.rest.extend(self.cache_point(value.get("cache_control")));
            }
            PartBody::Citation(_) | PartBody::Reasoning(_) | PartBody::ToolCall(_) => {
                return Err(refuse("this cannot stand in a user message of Bedrock's".into()));
            }
        }
        Ok(())
    }

    /// Citations behind a text belong to it; the model wrote them, so another format's say nothing new to it.
    pub fn assistant(&mut self, parts: &[Part], turn: &mut Turn) {
        for (i, part) in parts.iter().enumerate() {
            match &part.body {
                PartBody::Text(text) if self.is_same_format() => {
                    let behind = citations::leading(parts.get(i + 1..).unwrap_or_default());
                    if behind.is_empty() {
                        self.text(part, &mut turn.rest);
                    } else {
                        turn.rest.push(citations::block(text, &behind));
                    }
                }
                PartBody::Text(_) | PartBody::Refusal(_) => self.text(part, &mut turn.rest),
                PartBody::Reasoning(block) => {
                    let block = self.reasoning(block);
                    turn.rest.extend(block);
                }
                PartBody::ToolCall(call) => {
                    let block = self.tool_use(call);
                    self.join(part, "toolUse", block, &mut turn.rest);
                }
                PartBody::Opaque { format: Format::Converse, value } => turn.rest.push(value.clone()),
                PartBody::Citation(_) => {}
                PartBody::Opaque { .. }
                | PartBody::Image(_)
                | PartBody::Audio(_)
                | PartBody::Video(_)
                | PartBody::Document { .. }
                | PartBody::ToolResult { .. } => self.note(Field::Part, Fate::Dropped),
            }
        }
    }

    /// Blank text is a 400; nothing is lost with it.
    pub fn text(&mut self, part: &Part, out: &mut Vec<Value>) {
        let (PartBody::Text(text) | PartBody::Refusal(text)) = &part.body else { return };
        if !self.is_same_format() {
            extras::note_dropped(&part.extra, self.ledger);
            if text.trim().is_empty() {
                if part.cache_control.is_some() {
                    self.note(Field::CacheControl, Fate::Dropped);
                }
                return;
            }
        }
        self.note_refusal(part);
        out.push(json!({"text": text}));
        out.extend(self.cache_point(part.cache_control.as_ref()));
    }

    /// A refusal is text here.
    fn note_refusal(&mut self, part: &Part) {
        if matches!(part.body, PartBody::Refusal(_)) {
            self.note(Field::Refusal, Fate::Emulated);
        }
    }

    /// Adds what stands beside a block's own members, and the cache point behind it.
    fn join(&mut self, part: &Part, kind: &str, mut block: Map<String, Value>, out: &mut Vec<Value>) {
        if self.is_same_format() {
            fields::add_missing(&mut block, &part.extra);
        } else {
            extras::note_dropped(&part.extra, self.ledger);
        }
        out.push(json!({kind: block}));
        out.extend(self.cache_point(part.cache_control.as_ref()));
    }

    pub fn cache_point(&mut self, marker: Option<&Value>) -> Option<Value> {
        let marker = marker?;
        if self.is_same_format() {
            return Some(cache::point(marker));
        }
        if self.upstream.facts.prompt_caching == Some(false) {
            self.note(Field::CacheControl, Fate::Dropped);
            return None;
        }
        // Nova's cache has one life.
        if self.vendor() == Some(Vendor::Amazon) && marker.get("ttl").is_some_and(|life| life != "5m") {
            self.note(Field::CacheControl, Fate::Clamped);
            return Some(cache::point(&Value::Null));
        }
        Some(cache::point(marker))
    }

    fn attachment(&mut self, part: &Part) -> Result<Value, Refused> {
        let (kind, media) = match &part.body {
            PartBody::Image(media) => (&attachments::IMAGE, media),
            PartBody::Audio(media) => (&attachments::AUDIO, media),
            PartBody::Video(media) => (&attachments::VIDEO, media),
            PartBody::Document { media, .. } => (&attachments::DOCUMENT, media),
            _ => return Err(refuse("this is nothing to attach".into())),
        };
        self.judge(kind)?;
        let (format, source) = kind.source(media)?;
        let mut block = Map::new();
        block.insert("format".into(), format.into());
        let mut extra = part.extra.clone();
        if let PartBody::Document { name, .. } = &part.body {
            self.document_members(name.as_deref(), &mut extra, &mut block);
        }
        block.insert("source".into(), source);
        let detail = match media {
            Media::Url { detail, .. } | Media::Base64 { detail, .. } => detail.as_deref(),
            Media::PlainText(_) => None,
        };
        if detail.is_some_and(|detail| detail != "auto") {
            self.note(Field::ImageDetail, Fate::Dropped);
        }
        if self.is_same_format() {
            fields::add_missing(&mut block, &extra);
        } else {
            extras::note_dropped(&extra, self.ledger);
        }
        Ok(json!({kind.block: block}))
    }

    /// What the model is known not to read is not sent without its reader.
    fn judge(&self, kind: &Kind) -> Result<(), Refused> {
        let Some(Modalities { text: _, image, pdf: _, audio, video }) = self.upstream.facts.input else {
            return Ok(());
        };
        // Bedrock reads documents for models that take no PDF.
        let reads = match kind.block {
            "image" => image,
            "audio" => audio,
            "video" => video,
            _ => true,
        };
        if reads || self.is_same_format() {
            return Ok(());
        }
        Err(refuse(format!("`{}` takes no {}", self.upstream.model, kind.name)))
    }

    fn document_members(
        &mut self,
        name: Option<&str>,
        extra: &mut Map<String, Value>,
        block: &mut Map<String, Value>,
    ) {
        if self.is_same_format() {
            block.insert("name".into(), name.unwrap_or_default().into());
            return;
        }
        let (fit, is_changed) = self.names.fit(name);
        if is_changed {
            self.note(Field::DocumentName, Fate::Clamped);
        }
        block.insert("name".into(), fit.into());
        // Claude's own words, which Bedrock has too.
        if self.origin == Some(Format::Messages) && self.vendor() == Some(Vendor::Anthropic) {
            let is_switch =
                extra.get("citations").and_then(|it| it.get("enabled")).is_some_and(Value::is_boolean);
            for (member, is_known) in
                [("citations", is_switch), ("context", extra.get("context").is_some_and(Value::is_string))]
            {
                if is_known && let Some(value) = extra.shift_remove(member) {
                    block.insert(member.into(), value);
                }
            }
        }
    }

    fn tool_result(&mut self, part: &Part, turn: &mut Turn) -> Result<(), Refused> {
        let PartBody::ToolResult { id, parts, is_error } = &part.body else { return Ok(()) };
        let mut content = Vec::new();
        let mut marker = part.cache_control.clone();
        for inner in parts {
            self.result_part(inner, &mut content, turn)?;
            if let (Some(inner), None) = (&inner.cache_control, &marker) {
                // A cache point cannot stand inside of a result.
                self.note(Field::CacheControl, Fate::Emulated);
                marker = Some(inner.clone());
            }
        }
        if content.is_empty() && !self.is_same_format() {
            self.note(Field::ResultPart, Fate::Emulated);
            content.push(json!({"text": "(empty)"}));
        }
        let mut block = Map::new();
        block.insert("toolUseId".into(), self.id(id).into());
        block.insert("content".into(), content.into());
        if *is_error {
            if self.takes_rich_results() {
                block.insert("status".into(), "error".into());
            } else {
                self.note(Field::ResultIsError, Fate::Dropped);
            }
        }
        let part =
            Part { body: PartBody::Text(String::new()), cache_control: marker, extra: part.extra.clone() };
        let mut out = Vec::new();
        self.join(&part, "toolResult", block, &mut out);
        // Results come first, but for a client that has put them in order itself.
        if self.is_same_format() {
            turn.rest.append(&mut out)
        } else {
            turn.results.append(&mut out)
        }
        Ok(())
    }

    /// The service model: "This field is only supported by Amazon Nova and Anthropic Claude 3 and 4 models", of a
    /// result's status and images.
    fn takes_rich_results(&self) -> bool {
        self.is_same_format() || matches!(self.vendor(), None | Some(Vendor::Amazon | Vendor::Anthropic))
    }

    fn result_part(&mut self, part: &Part, content: &mut Vec<Value>, turn: &mut Turn) -> Result<(), Refused> {
        match &part.body {
            PartBody::Text(text) | PartBody::Refusal(text) => {
                if self.is_same_format() || !text.trim().is_empty() {
                    self.note_refusal(part);
                    content.push(json!({"text": text}));
                }
                if !self.is_same_format() {
                    extras::note_dropped(&part.extra, self.ledger);
                }
            }
            PartBody::Image(_) | PartBody::Video(_) | PartBody::Document { .. } => {
                let block = self.attachment(part)?;
                if self.takes_rich_results() {
                    content.push(block);
                } else {
                    self.note(Field::ResultPart, Fate::Emulated);
                    content.push(json!({"text": "(attached below)"}));
                    turn.rest.push(block);
                }
            }
            PartBody::Opaque { format: Format::Converse, value } => content.push(value.clone()),
            PartBody::Opaque { format, value } => match search_result(*format, value) {
                Some(block) => content.push(block),
                None => {
                    self.note(Field::ResultPart, Fate::Emulated);
                    content.push(json!({"text": value.to_string()}));
                }
            },
            PartBody::Citation(_) => {}
            PartBody::Audio(_)
            | PartBody::Reasoning(_)
            | PartBody::ToolCall(_)
            | PartBody::ToolResult { .. } => {
                return Err(refuse("this cannot stand in a tool's result of Bedrock's".into()));
            }
        }
        Ok(())
    }

    /// State that another vendor signed is a 400, and so is Claude's thinking without its signature.
    fn reasoning(&mut self, block: &ReasoningBlock) -> Option<Value> {
        let issuer = self.upstream.issuer();
        match block {
            ReasoningBlock::Thinking { text, signature: Some(signature) }
                if Some(signature.issuer) == issuer =>
            {
                let text = json!({"text": text, "signature": signature.value});
                Some(json!({"reasoningContent": {"reasoningText": text}}))
            }
            ReasoningBlock::Thinking { text, signature: None }
                if self.is_same_format() && issuer != Some(Issuer::Anthropic) =>
            {
                Some(json!({"reasoningContent": {"reasoningText": {"text": text}}}))
            }
            ReasoningBlock::Redacted { data } if Some(data.issuer) == issuer => {
                Some(json!({"reasoningContent": {"redactedContent": blob::write_own(data)}}))
            }
            ReasoningBlock::Thinking { text, signature } => {
                if signature.is_some() {
                    self.note(Field::ReasoningSignature, Fate::Dropped);
                }
                if !text.is_empty() {
                    self.note(Field::ReasoningHistory, Fate::Dropped);
                }
                None
            }
            ReasoningBlock::Redacted { .. } => {
                self.note(Field::ReasoningSignature, Fate::Dropped);
                None
            }
        }
    }

    fn tool_use(&mut self, call: &ToolCall) -> Map<String, Value> {
        let ToolCall { id, name, arguments, signature } = call;
        if signature.is_some() {
            self.note(Field::ReasoningSignature, Fate::Dropped);
        }
        // A call's input is an object here. Arguments that are none (a model's broken JSON in an old turn) still tell
        // the model what it wrote.
        let input = match serde_json::from_str(arguments) {
            Ok(input @ Value::Object(_)) => input,
            _ if arguments.trim().is_empty() => Map::new().into(),
            _ => {
                self.note(Field::CallArguments, Fate::Emulated);
                json!({"arguments": arguments})
            }
        };
        let name = if self.is_same_format() { name.clone() } else { ids::fit_name(name) };
        let mut block = Map::new();
        block.insert("toolUseId".into(), self.id(id).into());
        block.insert("name".into(), name.into());
        block.insert("input".into(), input);
        block
    }

    fn id(&self, id: &str) -> String {
        match (self.is_same_format(), self.vendor()) {
            (true, _) => id.to_owned(),
            (false, vendor) => ids::fit(id, vendor == Some(Vendor::Anthropic)),
        }
    }
}

/// Anthropic's `search_result` block, which Bedrock has in the same words.
fn search_result(format: Format, value: &Value) -> Option<Value> {
    if format != Format::Messages || value.get("type")? != "search_result" {
        return None;
    }
    let (source, title) = (value.get("source")?.as_str()?, value.get("title")?.as_str()?);
    let texts = value.get("content")?.as_array()?;
    let texts: Option<Vec<Value>> =
        texts.iter().map(|block| Some(json!({"text": block.get("text")?.as_str()?}))).collect();
    let mut block = Map::new();
    block.insert("source".into(), source.into());
    block.insert("title".into(), title.into());
    block.insert("content".into(), texts?.into());
    if let Some(enabled) = value.get("citations").and_then(|it| it.get("enabled")).and_then(Value::as_bool) {
        block.insert("citations".into(), json!({"enabled": enabled}));
    }
    Some(json!({"searchResult": block}))
}
