//! Content blocks of a request, written.

use serde_json::{Map, Value, json};

use super::encode_request::may_go;
use crate::dialect::call_ids::Ids;
use crate::dialect::{Format, extras, fields, media};
use crate::error::Refused;
use crate::field::Field;
use crate::ledger::{Fate, Ledger};
use crate::message::{Issuer, Media, Part, PartBody, ReasoningBlock, Signature, ToolCall};

const PDF: &str = "application/pdf";
const IMAGE: &str = "image/";

pub(super) struct Blocks<'a> {
    pub is_same_format: bool,
    /// Whose signatures the provider reads.
    pub issuer: Option<Issuer>,
    pub ids: &'a mut Ids,
    pub ledger: &'a mut Ledger,
}

impl Blocks<'_> {
    /// Tool results first: Anthropic refuses them behind anything else.
    pub fn user(&mut self, parts: &[Part]) -> Result<Vec<Value>, Refused> {
        let is_result = |part: &&Part| matches!(part.body, PartBody::ToolResult { .. });
        let (results, rest): (Vec<&Part>, Vec<&Part>) = parts.iter().partition(is_result);
        let mut out = Vec::with_capacity(parts.len());
        for part in results.into_iter().chain(rest) {
            out.extend(self.user_block(part)?);
        }
        Ok(out)
    }

    fn user_block(&mut self, part: &Part) -> Result<Option<Value>, Refused> {
        let out = match &part.body {
            PartBody::Text(_) | PartBody::Refusal(_) => return Ok(self.text(part)),
            PartBody::Image(media) => json!({"type": "image", "source": self.source(media, IMAGE)?}),
            PartBody::Document { media, name } => {
                let mut out = json!({"type": "document", "source": self.source(media, PDF)?});
                if let (Some(name), Value::Object(out)) = (name, &mut out) {
                    out.insert("title".into(), name.clone().into());
                }
                out
            }
            PartBody::ToolResult { id, parts, is_error } => self.tool_result(id, parts, *is_error)?,
            PartBody::Opaque { format: Format::Messages, value } => return Ok(Some(value.clone())),
            PartBody::Opaque { value, .. } => {
                let kind = value
                    .get("type")
                    .or_else(|| value.get("role"))
                    .and_then(Value::as_str)
                    .unwrap_or("unknown");
                return Err(refuse(format!("`{kind}` cannot be sent in Anthropic's format")));
            }
            PartBody::Audio(_) | PartBody::Video(_) => {
                return Err(refuse("sound and video cannot be sent in Anthropic's format".into()));
            }
            PartBody::Citation(_) | PartBody::Reasoning(_) | PartBody::ToolCall(_) => {
                return Err(refuse("this cannot stand in a user message of Anthropic's format".into()));
            }
        };
        Ok(Some(self.complete(out, part)))
    }

    pub fn assistant(&mut self, parts: &[Part]) -> Vec<Value> {
        parts.iter().filter_map(|part| self.assistant_block(part)).collect()
    }

    fn assistant_block(&mut self, part: &Part) -> Option<Value> {
        let out = match &part.body {
            PartBody::Text(_) | PartBody::Refusal(_) => return self.text(part),
            PartBody::Reasoning(block) => self.thought(block)?,
            PartBody::ToolCall(ToolCall { id, name, arguments, signature }) => {
                if signature.is_some() {
                    self.ledger.note(Field::ReasoningSignature, Fate::Dropped);
                }
                let input = self.input(arguments);
                json!({"type": "tool_use", "id": self.ids.of(id), "name": name, "input": input})
            }
            PartBody::Opaque { format: Format::Messages, value } => return Some(value.clone()),
            PartBody::Citation(_) => return None,
            PartBody::Opaque { .. }
            | PartBody::Image(_)
            | PartBody::Audio(_)
            | PartBody::Video(_)
            | PartBody::Document { .. }
            | PartBody::ToolResult { .. } => {
                self.ledger.note(Field::Part, Fate::Dropped);
                return None;
            }
        };
        Some(self.complete(out, part))
    }

    /// A signature of another issuer is a 400, and so is thinking without one.
    fn thought(&mut self, block: &ReasoningBlock) -> Option<Value> {
        match block {
            ReasoningBlock::Thinking { text, signature: Some(signature) } if self.may_go(signature) => {
                Some(json!({"type": "thinking", "thinking": text, "signature": signature.value}))
            }
            ReasoningBlock::Redacted { data } if self.may_go(data) => {
                Some(json!({"type": "redacted_thinking", "data": data.value}))
            }
            // What the model thought stays with the turn; only who signed it does not.
            ReasoningBlock::Thinking { text, signature } if self.takes_unsigned() && !text.is_empty() => {
                if signature.is_some() {
                    self.ledger.note(Field::ReasoningSignature, Fate::Dropped);
                }
                Some(json!({"type": "thinking", "thinking": text, "signature": ""}))
            }
            ReasoningBlock::Thinking { signature: None, .. } => {
                self.ledger.note(Field::ReasoningHistory, Fate::Dropped);
                None
            }
            ReasoningBlock::Thinking { .. } | ReasoningBlock::Redacted { .. } => {
                self.ledger.note(Field::ReasoningSignature, Fate::Dropped);
                None
            }
        }
    }

    /// Servers of models that sign nothing, some of which want the thinking of a tool loop back. OpenRouter hands
    /// blocks on to who signed them.
    fn takes_unsigned(&self) -> bool {
        self.is_same_format && !matches!(self.issuer, Some(Issuer::Anthropic | Issuer::OpenRouter))
    }

    fn may_go(&self, signature: &Signature) -> bool {
        may_go(signature, self.issuer)
    }

    /// `None` for an empty text, which is a 400; nothing is lost with it.
    pub fn text(&mut self, part: &Part) -> Option<Value> {
        let (PartBody::Text(text) | PartBody::Refusal(text)) = &part.body else { return None };
        if text.trim().is_empty() && !self.is_same_format {
            return None;
        }
        Some(self.complete(json!({"type": "text", "text": text}), part))
    }

    /// Adds what stands beside a block's own members.
    fn complete(&mut self, block: Value, part: &Part) -> Value {
        let Value::Object(mut out) = block else { return block };
        if let Some(marker) = &part.cache_control {
            out.insert("cache_control".into(), marker.clone());
        }
        if self.is_same_format {
            fields::add_missing(&mut out, &part.extra);
        } else {
            extras::note_dropped(&part.extra, self.ledger);
        }
        out.into()
    }

    /// `takes` is what bytes may be, [`PDF`] or [`IMAGE`].
    fn source(&mut self, media: &Media, takes: &str) -> Result<Value, Refused> {
        let (Media::Url { detail, .. } | Media::Base64 { detail, .. }) = media else {
            let Media::PlainText(text) = media else { return Ok(Value::Null) };
            return Ok(json!({"type": "text", "media_type": "text/plain", "data": text}));
        };
        if detail.as_ref().is_some_and(|detail| detail != "auto") {
            self.ledger.note(Field::ImageDetail, Fate::Dropped);
        }
        match media {
            Media::Base64 { media_type, data, .. } => match self.media_type(media_type, takes) {
                Some(own) => Ok(json!({"type": "base64", "media_type": own, "data": data})),
                None if takes == PDF && media::text_of(media).is_some() => {
                    self.ledger.note(Field::Document, Fate::Emulated);
                    let text = media::text_of(media).unwrap_or_default();
                    Ok(json!({"type": "text", "media_type": "text/plain", "data": text}))
                }
                None => Err(refuse(format!("`{media_type}` cannot be sent in Anthropic's format"))),
            },
            Media::Url { url, .. } => Ok(json!({"type": "url", "url": url})),
            Media::PlainText(_) => Ok(Value::Null),
        }
    }

    /// What Anthropic calls a type of bytes, among those that it reads.
    fn media_type<'m>(&self, given: &'m str, takes: &str) -> Option<&'m str> {
        match given {
            _ if self.is_same_format => Some(given),
            "image/jpg" if takes == IMAGE => Some("image/jpeg"),
            "image/jpeg" | "image/png" | "image/gif" | "image/webp" if takes == IMAGE => Some(given),
            _ => (takes == PDF && given.starts_with(PDF)).then_some(PDF),
        }
    }

    fn tool_result(&mut self, id: &str, parts: &[Part], is_error: bool) -> Result<Value, Refused> {
        let mut content = Vec::new();
        for part in parts {
            match &part.body {
                PartBody::Opaque { format: Format::Chat, value } => {
                    self.ledger.note(Field::ResultPart, Fate::Emulated);
                    content.push(json!({"type": "text", "text": value.to_string()}));
                }
                _ => content.extend(self.user_block(part)?),
            }
        }
        let mut out = Map::new();
        out.insert("type".into(), "tool_result".into());
        out.insert("tool_use_id".into(), self.ids.of(id).into());
        if !content.is_empty() {
            out.insert("content".into(), content.into());
        }
        if is_error {
            out.insert("is_error".into(), true.into());
        }
        Ok(out.into())
    }

    /// A call's input is an object here. Arguments that are none (a model's broken JSON in an old turn) still tell
    /// the model what it wrote.
    fn input(&mut self, arguments: &str) -> Value {
        match serde_json::from_str(arguments) {
            Ok(input @ Value::Object(_)) => input,
            _ if arguments.trim().is_empty() => Map::new().into(),
            _ => {
                self.ledger.note(Field::CallArguments, Fate::Emulated);
                json!({"arguments": arguments})
            }
        }
    }
}

fn refuse(message: String) -> Refused {
    Refused { field: "messages[].content[].type".into(), message }
}
