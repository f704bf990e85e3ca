//! The turns of a conversation, written.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::dialect::fields::{self, object};
use crate::dialect::{extras, media, thoughts};
use crate::error::Refused;
use crate::field::Field;
use crate::ledger::{Fate, Ledger};
use crate::message::{Media, Message, Part, PartBody, Role, ToolCall};

use super::{arguments, unreadable_arguments};

pub(super) struct Turns<'a> {
    pub is_same_format: bool,
    /// Whether the model reads images, where that is known.
    pub takes_images: Option<bool>,
    pub ledger: &'a mut Ledger,
    /// Names of the tools that were called, by the call's id: results need them.
    pub names: BTreeMap<&'a str, &'a str>,
}

/// A message in the making: its text, and images.
#[derive(Default)]
struct Content {
    text: String,
    images: Vec<Value>,
    extra: Map<String, Value>,
}

impl Content {
    /// `between` stands between two texts: those of a user are lines, those of an assistant pieces of one.
    fn add(&mut self, text: &str, between: &str) {
        if !self.text.is_empty() && !text.is_empty() {
            self.text.push_str(between);
        }
        self.text.push_str(text);
    }

    fn is_empty(&self) -> bool {
        self.text.is_empty() && self.images.is_empty()
    }

    fn into_message(self, role: &str) -> Map<String, Value> {
        let Self { text, images, extra } = self;
        let mut out = object(json!({"role": role, "content": text}));
        if !images.is_empty() {
            out.insert("images".into(), images.into());
        }
        fields::add_missing(&mut out, &extra);
        out
    }
}

const LINE: &str = "\n";
const PARAGRAPH: &str = "\n\n";

impl<'a> Turns<'a> {
    pub fn message(&mut self, message: &'a Message, out: &mut Vec<Value>) -> Result<(), Refused> {
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

    fn join_extra(&mut self, target: &mut Map<String, Value>, extra: &Map<String, Value>) {
        extras::join(target, extra, self.is_same_format, self.ledger);
    }

    /// What stands beside a part. There are no parts here to join.
    fn beside(&mut self, part: &Part) {
        if matches!(&part.body, PartBody::Refusal(text) if !text.is_empty()) {
            // It is text here.
            self.note(Field::Refusal, Fate::Emulated);
        }
        if part.cache_control.is_some() {
            self.note(Field::CacheControl, Fate::Dropped);
        }
        extras::note_dropped(&part.extra, self.ledger);
    }

    /// One message: many models' templates know one. A client of the same format gets its own back.
    pub fn system(&mut self, parts: &[Part], instruction: Option<String>, out: &mut Vec<Value>) {
        let mut joined = Content::default();
        for part in parts {
            let PartBody::Text(text) = &part.body else {
                self.note(Field::System, Fate::Dropped);
                continue;
            };
            self.beside(part);
            if self.is_same_format {
                out.push(json!({"role": "system", "content": text}));
            } else {
                joined.add(text, PARAGRAPH);
            }
        }
        if let Some(instruction) = instruction {
            joined.add(&instruction, PARAGRAPH);
        }
        if !joined.is_empty() {
            out.push(joined.into_message("system").into());
        }
    }

    /// Tool results first, each a message.
    fn user(
        &mut self,
        parts: &[Part],
        extra: &Map<String, Value>,
        out: &mut Vec<Value>,
    ) -> Result<(), Refused> {
        let mut content = Content::default();
        let mut extra = Some(extra);
        for part in parts {
            let PartBody::ToolResult { id, parts, is_error } = &part.body else { continue };
            if *is_error {
                self.note(Field::ResultIsError, Fate::Dropped);
            }
            self.beside(part);
            let mut result = object(json!({"role": "tool", "content": self.result(parts, &mut content)?}));
            match self.names.get(id.as_str()).filter(|name| !name.is_empty()) {
                Some(name) => drop(result.insert("tool_name".into(), (*name).into())),
                // Which call it answers is told by its place alone.
                None => self.note(Field::CallId, Fate::Dropped),
            }
            // Newer servers tell results of parallel calls apart by it; older ones ignore it.
            if !id.is_empty() {
                result.insert("tool_call_id".into(), id.as_str().into());
            }
            if let Some(extra) = extra.take() {
                self.join_extra(&mut result, extra);
            }
            out.push(result.into());
        }
        for part in parts {
            if !matches!(part.body, PartBody::ToolResult { .. }) {
                self.user_part(part, &mut content)?;
            }
        }
        if content.is_empty() {
            if extra.is_some() {
                self.note(Field::Content, Fate::Dropped);
            }
            return Ok(());
        }
        let mut message = content.into_message("user");
        if let Some(extra) = extra {
            self.join_extra(&mut message, extra);
        }
        out.push(message.into());
        Ok(())
    }

    fn user_part(&mut self, part: &Part, content: &mut Content) -> Result<(), Refused> {
        match &part.body {
            PartBody::Text(text) | PartBody::Refusal(text) => content.add(text, LINE),
            PartBody::Image(media) => {
                let image = self.image(media)?;
                content.images.push(image);
            }
            PartBody::Document { media, name } => {
                let Some(text) = media::text_of(media) else {
                    return Err(refuse(format!(
                        "Ollama reads documents as text only, and {} is not",
                        match media {
                            Media::Base64 { media_type, .. } => format!("`{media_type}`"),
                            _ => "a document by URL".to_owned(),
                        }
                    )));
                };
                self.note(Field::Document, Fate::Emulated);
                match name {
                    Some(name) => content.add(&format!("{name}:\n{text}"), LINE),
                    None => content.add(&text, LINE),
                }
            }
            PartBody::Opaque { value, .. } => {
                let kind = value.get("type").or_else(|| value.get("role")).and_then(Value::as_str);
                return Err(refuse(format!("`{}` cannot be sent to Ollama", kind.unwrap_or("unknown"))));
            }
            PartBody::Audio(_) | PartBody::Video(_) => {
                return Err(refuse("Ollama takes no sound and no video"));
            }
            PartBody::Citation(_)
            | PartBody::Reasoning(_)
            | PartBody::ToolCall(_)
            | PartBody::ToolResult { .. } => {
                return Err(refuse("this cannot stand in a user message to Ollama"));
            }
        }
        self.beside(part);
        Ok(())
    }

    fn image(&mut self, media: &Media) -> Result<Value, Refused> {
        if self.takes_images == Some(false) {
            return Err(refuse("this model reads no images"));
        }
        match media {
            Media::Base64 { media_type: _, data, detail } => {
                if detail.as_ref().is_some_and(|detail| detail != "auto") {
                    self.note(Field::ImageDetail, Fate::Dropped);
                }
                Ok(data.as_str().into())
            }
            Media::Url { .. } => {
                Err(refuse("Ollama takes the bytes of an image, not its URL: send it as a `data:` URL"))
            }
            Media::PlainText(_) => Err(refuse("an image must be bytes")),
        }
    }

    /// A tool message takes a text: images move to the user message behind it.
    fn result(&mut self, parts: &[Part], moved: &mut Content) -> Result<String, Refused> {
        let mut content = Content::default();
        for part in parts {
            match &part.body {
                PartBody::Text(text) | PartBody::Refusal(text) => content.add(text, LINE),
                PartBody::Image(_) => {
                    self.note(Field::ResultPart, Fate::Emulated);
                    self.user_part(part, moved)?;
                    continue;
                }
                PartBody::Document { .. } => {
                    self.user_part(part, &mut content)?;
                    continue;
                }
                PartBody::Opaque { value, .. } => {
                    self.note(Field::ResultPart, Fate::Emulated);
                    content.add(&value.to_string(), LINE);
                }
                PartBody::Audio(_)
                | PartBody::Video(_)
                | PartBody::Citation(_)
                | PartBody::Reasoning(_)
                | PartBody::ToolCall(_)
                | PartBody::ToolResult { .. } => self.note(Field::ResultPart, Fate::Dropped),
            }
            self.beside(part);
        }
        Ok(content.text)
    }

    fn assistant(&mut self, parts: &'a [Part], extra: &Map<String, Value>, out: &mut Vec<Value>) {
        let mut content = Content::default();
        let mut thinking = Content::default();
        let mut calls = Vec::new();
        for part in parts {
            match &part.body {
                PartBody::Text(text) | PartBody::Refusal(text) => {
                    content.add(text, "");
                    self.beside(part);
                }
                PartBody::Reasoning(block) => {
                    if let Some(text) = thoughts::unsigned(block, self.ledger) {
                        thinking.add(text, PARAGRAPH);
                    }
                    self.beside(part);
                }
                PartBody::ToolCall(call) => calls.push(self.call(call, part)),
                // For the reader: the model never saw it.
                PartBody::Citation(_) => {}
                PartBody::Image(Media::Base64 { data, .. }) if self.is_same_format => {
                    content.images.push(data.as_str().into());
                }
                PartBody::Opaque { .. }
                | PartBody::Audio(_)
                | PartBody::Video(_)
                | PartBody::Image(_)
                | PartBody::Document { .. }
                | PartBody::ToolResult { .. } => self.note(Field::Part, Fate::Dropped),
            }
        }
        if content.is_empty() && thinking.is_empty() && calls.is_empty() {
            return self.note(Field::Content, Fate::Dropped);
        }
        let mut message = content.into_message("assistant");
        if !thinking.is_empty() {
            message.insert("thinking".into(), thinking.text.into());
        }
        if !calls.is_empty() {
            message.insert("tool_calls".into(), calls.into());
        }
        self.join_extra(&mut message, extra);
        out.push(message.into());
    }

    fn call(&mut self, call: &'a ToolCall, part: &Part) -> Value {
        let ToolCall { id, name, arguments: text, signature } = call;
        if signature.is_some() {
            self.note(Field::ReasoningSignature, Fate::Dropped);
        }
        if part.cache_control.is_some() {
            self.note(Field::CacheControl, Fate::Dropped);
        }
        self.names.insert(id, name);
        let arguments = arguments(text).unwrap_or_else(|| {
            self.note(Field::CallArguments, Fate::Emulated);
            unreadable_arguments(text)
        });
        // The id is for newer servers; older ones ignore it.
        let mut out = object(json!({"id": id, "function": {"name": name, "arguments": arguments}}));
        if id.is_empty() {
            out.shift_remove("id");
        }
        self.join_extra(&mut out, &part.extra);
        out.into()
    }
}

fn refuse(message: impl Into<String>) -> Refused {
    Refused { field: "messages[].content[].type".into(), message: message.into() }
}
