//! The turns of a conversation, written.

use serde_json::{Map, Value, json};

use crate::dialect::fields::object;
use crate::dialect::{Format, extras, media, thoughts};
use crate::error::Refused;
use crate::field::Field;
use crate::ledger::{Fate, Ledger};
use crate::message::{Media, Message, Part, PartBody, Role};

use super::citation;

pub(super) struct Turns<'a> {
    pub is_same_format: bool,
    /// Does the model think in blocks of their own? `None` where that is unknown.
    pub thinks: Option<bool>,
    /// Whether it reads images, where that is known.
    pub takes_images: Option<bool>,
    /// May texts move to the request's `documents`, which the model cites?
    pub takes_documents: bool,
    pub ledger: &'a mut Ledger,
    /// Those that did.
    pub documents: Vec<Value>,
}

impl Turns<'_> {
    pub fn message(&mut self, message: &Message, out: &mut Vec<Value>) -> Result<(), Refused> {
        let Message { role, parts, name, extra } = message;
        if name.is_some() {
            self.note(Field::MessageName, Fate::Dropped);
        }
        match role {
            Role::User => self.user(parts, extra, out),
            Role::Assistant => {
                self.assistant(parts, extra, out);
                Ok(())
            }
        }
    }

    fn note(&mut self, field: Field, fate: Fate) {
        self.ledger.note(field, fate);
    }

    /// Adds what only the client's format knows, or notes that it is lost.
    fn join_extra(&mut self, target: &mut Map<String, Value>, extra: &Map<String, Value>) {
        extras::join(target, extra, self.is_same_format, self.ledger);
    }

    /// Adds what stands beside a part's own members.
    fn complete(&mut self, written: Value, part: &Part) -> Value {
        let Value::Object(mut out) = written else { return written };
        if part.cache_control.is_some() {
            self.note(Field::CacheControl, Fate::Dropped);
        }
        self.join_extra(&mut out, &part.extra);
        out.into()
    }

    /// A refusal is text here.
    fn text(&mut self, text: &str, part: &Part) -> Value {
        if matches!(part.body, PartBody::Refusal(_)) {
            self.note(Field::Refusal, Fate::Emulated);
        }
        self.complete(json!({"type": "text", "text": text}), part)
    }

    /// The instructions, as the content of a message.
    pub fn system(&mut self, parts: &[Part]) -> Vec<Value> {
        let mut out = Vec::new();
        for part in parts {
            match &part.body {
                PartBody::Text(text) => out.push(self.complete(json!({"type": "text", "text": text}), part)),
                PartBody::Opaque { format: Format::Cohere, value } => out.push(value.clone()),
                _ => self.note(Field::System, Fate::Dropped),
            }
        }
        out
    }

    /// Tool results first, each a message: they must follow the calls that they answer.
    fn user(
        &mut self,
        parts: &[Part],
        extra: &Map<String, Value>,
        out: &mut Vec<Value>,
    ) -> Result<(), Refused> {
        let mut content = Vec::new();
        let mut extra = Some(extra);
        for part in parts {
            let PartBody::ToolResult { id, parts, is_error } = &part.body else { continue };
            if *is_error {
                self.note(Field::ResultIsError, Fate::Dropped);
            }
            let mut result = Map::new();
            result.insert("role".into(), "tool".into());
            result.insert("tool_call_id".into(), id.as_str().into());
            result.insert("content".into(), self.result(parts, &mut content)?);
            if let Value::Object(mut result) = self.complete(result.into(), part) {
                if let Some(extra) = extra.take() {
                    self.join_extra(&mut result, extra);
                }
                out.push(result.into());
            }
        }
        let says_more = parts.iter().any(says_something);
        for part in parts {
            if !matches!(part.body, PartBody::ToolResult { .. }) {
                content.extend(self.user_part(part, says_more)?);
            }
        }
        if content.is_empty() {
            // An empty turn is refused.
            if extra.is_some() {
                self.note(Field::Content, Fate::Dropped);
            }
            return Ok(());
        }
        let mut message = object(json!({"role": "user", "content": unwrap_single_text(content)}));
        if let Some(extra) = extra {
            self.join_extra(&mut message, extra);
        }
        out.push(message.into());
        Ok(())
    }

    /// `None` for an empty text; nothing is lost with it.
    fn user_part(&mut self, part: &Part, says_more: bool) -> Result<Option<Value>, Refused> {
        let written = match &part.body {
            PartBody::Text(text) | PartBody::Refusal(text) => {
                if text.trim().is_empty() && !self.is_same_format {
                    return Ok(None);
                }
                return Ok(Some(self.text(text, part)));
            }
            PartBody::Image(media) => self.image(media)?,
            PartBody::Document { media, name } => {
                return self.document(media, name.as_deref(), part, says_more);
            }
            PartBody::Opaque { format: Format::Cohere, value } => return Ok(Some(value.clone())),
            PartBody::Opaque { value, .. } => {
                let kind = value.get("type").or_else(|| value.get("role")).and_then(Value::as_str);
                return Err(refuse(format!("`{}` cannot be sent to Cohere", kind.unwrap_or("unknown"))));
            }
            PartBody::Audio(_) | PartBody::Video(_) => {
                return Err(refuse("Cohere takes no sound and no video"));
            }
            PartBody::Citation(_)
            | PartBody::Reasoning(_)
            | PartBody::ToolCall(_)
            | PartBody::ToolResult { .. } => {
                return Err(refuse("this cannot stand in a user message to Cohere"));
            }
        };
        Ok(Some(self.complete(written, part)))
    }

    fn image(&self, media: &Media) -> Result<Value, Refused> {
        if self.takes_images == Some(false) {
            return Err(refuse("this model reads no images"));
        }
        let (url, detail) = match media {
            Media::Url { url, detail } => (url.clone(), detail),
            Media::Base64 { media_type, data, detail } => (media::data_url(media_type, data), detail),
            Media::PlainText(_) => return Err(refuse("an image must be a URL or bytes")),
        };
        let mut image = object(json!({"url": url}));
        if let Some(detail) = detail {
            image.insert("detail".into(), detail.clone().into());
        }
        Ok(json!({"type": "image_url", "image_url": image}))
    }

    /// A text whose citations were asked for (Anthropic's `citations`) joins the request's documents; without them it
    /// stays where it stands, as text.
    fn document(
        &mut self,
        media: &Media,
        name: Option<&str>,
        part: &Part,
        says_more: bool,
    ) -> Result<Option<Value>, Refused> {
        let Some(text) = media::text_of(media) else {
            return Err(refuse(format!(
                "Cohere reads documents as text only, and {} is not",
                match media {
                    Media::Base64 { media_type, .. } => format!("`{media_type}`"),
                    _ => "a document by URL".to_owned(),
                }
            )));
        };
        self.note(Field::Document, Fate::Emulated);
        let asks = part.extra.get("citations").and_then(|it| it.get("enabled")) == Some(&Value::Bool(true));
        if asks && self.takes_documents && says_more {
            let id = format!("doc:{}", self.documents.len());
            let mut rest = part.extra.clone();
            rest.shift_remove("citations");
            let document = json!({"id": id, "data": document_data(name, &text)});
            let bare =
                Part { extra: rest, body: part.body.clone(), cache_control: part.cache_control.clone() };
            let document = self.complete(document, &bare);
            self.documents.push(document);
            return Ok(None);
        }
        let text = match name {
            Some(name) => format!("{name}:\n{text}"),
            None => text.into_owned(),
        };
        Ok(Some(self.complete(json!({"type": "text", "text": text}), part)))
    }

    /// A tool message takes texts and documents: images move to the user message behind it.
    fn result(&mut self, parts: &[Part], moved: &mut Vec<Value>) -> Result<Value, Refused> {
        let mut content = Vec::new();
        for part in parts {
            match &part.body {
                PartBody::Text(text) | PartBody::Refusal(text) => {
                    content.push(self.text(text, part));
                }
                PartBody::Image(media) => {
                    self.note(Field::ResultPart, Fate::Emulated);
                    let image = self.image(media)?;
                    moved.push(self.complete(image, part));
                }
                PartBody::Document { media, name } => {
                    let Some(text) = media::text_of(media) else {
                        return Err(refuse("Cohere reads documents as text only"));
                    };
                    let data = document_data(name.as_deref(), &text);
                    content
                        .push(self.complete(json!({"type": "document", "document": {"data": data}}), part));
                }
                PartBody::Opaque { format: Format::Cohere, value } => content.push(value.clone()),
                PartBody::Opaque { value, .. } => {
                    self.note(Field::ResultPart, Fate::Emulated);
                    content.push(json!({"type": "text", "text": value.to_string()}));
                }
                PartBody::Audio(_)
                | PartBody::Video(_)
                | PartBody::Citation(_)
                | PartBody::Reasoning(_)
                | PartBody::ToolCall(_)
                | PartBody::ToolResult { .. } => self.note(Field::ResultPart, Fate::Dropped),
            }
        }
        Ok(if content.is_empty() { "".into() } else { unwrap_single_text(content) })
    }

    fn assistant(&mut self, parts: &[Part], extra: &Map<String, Value>, out: &mut Vec<Value>) {
        let has_calls = parts.iter().any(|part| matches!(part.body, PartBody::ToolCall(_)));
        let mut plan = String::new();
        let mut content = Vec::new();
        let mut citations = Vec::new();
        let mut calls = Vec::new();
        for part in parts {
            match &part.body {
                PartBody::Text(text) | PartBody::Refusal(text) => {
                    if !text.is_empty() || self.is_same_format {
                        content.push(self.text(text, part));
                    }
                }
                PartBody::Reasoning(block) => {
                    let Some(text) = thoughts::unsigned(block, self.ledger) else { continue };
                    match (has_calls, self.thinks) {
                        // A model without thinking blocks plans its calls in a member of its own; one with them
                        // writes no plan.
                        (true, None | Some(false)) => {
                            let between = if plan.is_empty() { "" } else { "\n\n" };
                            plan.push_str(between);
                            plan.push_str(text);
                        }
                        (false, Some(false)) => self.note(Field::ReasoningHistory, Fate::Dropped),
                        (_, Some(true)) | (false, None) => {
                            content.push(self.complete(json!({"type": "thinking", "thinking": text}), part));
                        }
                    }
                }
                PartBody::ToolCall(call) => {
                    let arguments = if call.arguments.is_empty() { "{}" } else { &call.arguments };
                    if call.signature.is_some() {
                        self.note(Field::ReasoningSignature, Fate::Dropped);
                    }
                    let written = json!({
                        "id": call.id,
                        "type": "function",
                        "function": {"name": call.name, "arguments": arguments},
                    });
                    calls.push(self.complete(written, part));
                }
                PartBody::Citation(citation) if matches!(citation.own, Some((Format::Cohere, _))) => {
                    citations.push(citation::write(citation));
                }
                // Of another provider, for the reader: the model never saw it.
                PartBody::Citation(_) => {}
                PartBody::Opaque { format: Format::Cohere, value } => content.push(value.clone()),
                PartBody::Opaque { .. }
                | PartBody::Audio(_)
                | PartBody::Video(_)
                | PartBody::Image(_)
                | PartBody::Document { .. }
                | PartBody::ToolResult { .. } => self.note(Field::Part, Fate::Dropped),
            }
        }
        if content.is_empty() && calls.is_empty() && plan.is_empty() {
            return self.note(Field::Content, Fate::Dropped);
        }
        let mut message = object(json!({"role": "assistant"}));
        if !plan.is_empty() {
            message.insert("tool_plan".into(), plan.into());
        }
        if !content.is_empty() {
            message.insert("content".into(), unwrap_single_text(content));
        }
        if !calls.is_empty() {
            message.insert("tool_calls".into(), calls.into());
        }
        if !citations.is_empty() {
            message.insert("citations".into(), citations.into());
        }
        self.join_extra(&mut message, extra);
        out.push(message.into());
    }
}

/// Something that a user message can consist of when its documents are elsewhere.
fn says_something(part: &Part) -> bool {
    match &part.body {
        PartBody::Text(text) => !text.trim().is_empty(),
        PartBody::Image(_) => true,
        _ => false,
    }
}

fn document_data(name: Option<&str>, text: &str) -> Value {
    match name {
        Some(name) => json!({"title": name, "text": text}),
        None => json!({"text": text}),
    }
}

pub(super) fn refuse(message: impl Into<String>) -> Refused {
    Refused { field: "messages[].content[].type".into(), message: message.into() }
}

/// One plain text is written as a string.
pub(super) fn unwrap_single_text(mut parts: Vec<Value>) -> Value {
    match parts.as_mut_slice() {
        [Value::Object(only)] if only.len() == 2 && only.get("type").is_some_and(|kind| kind == "text") => {
            only.get_mut("text").map(Value::take).unwrap_or_default()
        }
        _ => parts.into(),
    }
}
