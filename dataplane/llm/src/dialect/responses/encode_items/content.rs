//! What a user says and what a tool gives back: texts, images, files.

use serde_json::{Value, json};

use super::{Items, object};
use crate::dialect::{Format, media};
use crate::error::Refused;
use crate::field::Field;
use crate::ledger::Fate;
use crate::message::{Media, Part, PartBody};

impl Items<'_> {
    /// A part of a user's message, or of what a tool gave back.
    pub(super) fn content_part(&mut self, part: &Part) -> Result<Value, Refused> {
        let mut out = match &part.body {
            PartBody::Text(text) => json!({"type": "input_text", "text": text}),
            PartBody::Refusal(text) => {
                self.note(Field::Refusal, Fate::Emulated);
                json!({"type": "input_text", "text": text})
            }
            PartBody::Image(media) => self.image(media)?,
            PartBody::Document { media, name } => self.document(media, name.as_deref())?,
            PartBody::Audio(media) => self.audio(media)?,
            PartBody::Opaque { format: Format::Responses, value } => return Ok(value.clone()),
            PartBody::Opaque { value, .. } => {
                let kind = value.get("type").or_else(|| value.get("role")).and_then(Value::as_str);
                return Err(refuse(format!(
                    "`{}` cannot be sent in OpenAI's Responses format",
                    kind.unwrap_or("unknown")
                )));
            }
            PartBody::Video(_) => {
                return Err(refuse("video cannot be sent in OpenAI's Responses format".into()));
            }
            PartBody::Citation(_)
            | PartBody::Reasoning(_)
            | PartBody::ToolCall(_)
            | PartBody::ToolResult { .. } => {
                return Err(refuse(
                    "this cannot stand in a user message of OpenAI's Responses format".into(),
                ));
            }
        };
        if let Value::Object(out) = &mut out {
            self.cache_control(part, out);
            self.join_extra(out, &part.extra);
        }
        Ok(out)
    }

    fn image(&mut self, media: &Media) -> Result<Value, Refused> {
        if self.upstream.facts.input.is_some_and(|takes| !takes.image) {
            return Err(refuse(format!("model {} reads no images", self.upstream.model)));
        }
        let (url, detail) = match media {
            Media::Url { url, detail } => (url.clone(), detail),
            Media::Base64 { media_type, data, detail } => (media::data_url(media_type, data), detail),
            Media::PlainText(text) => return Ok(self.plain_text(text)),
        };
        let mut out = json!({"type": "input_image", "image_url": url});
        // The schema wants it, and this is its default.
        let unsaid = (!self.is_same_format()).then_some("auto");
        if let (Some(detail), Value::Object(out)) = (detail.as_deref().or(unsaid), &mut out) {
            out.insert("detail".into(), detail.into());
        }
        Ok(out)
    }

    fn plain_text(&mut self, text: &str) -> Value {
        self.note(Field::Document, Fate::Emulated);
        json!({"type": "input_text", "text": text})
    }

    fn document(&mut self, media: &Media, name: Option<&str>) -> Result<Value, Refused> {
        let is_pdf = match media {
            Media::Base64 { media_type, .. } => media_type == "application/pdf",
            Media::Url { .. } => true,
            Media::PlainText(text) => return Ok(self.plain_text(text)),
        };
        if is_pdf && self.upstream.facts.input.is_some_and(|takes| !takes.pdf) {
            return Err(refuse(format!("model {} reads no documents", self.upstream.model)));
        }
        let mut out = object(json!({"type": "input_file"}));
        match media {
            Media::Base64 { media_type, data, .. } => {
                // OpenAI wants a name beside the bytes, and tells the type by its end.
                let name = match name {
                    None => "document.pdf".to_owned(),
                    Some(name) if is_pdf && !name.contains('.') => format!("{name}.pdf"),
                    Some(name) => name.to_owned(),
                };
                out.insert("filename".into(), name.into());
                out.insert("file_data".into(), media::data_url(media_type, data).into());
            }
            Media::Url { url, .. } => {
                if let Some(name) = name {
                    out.insert("filename".into(), name.into());
                }
                out.insert("file_url".into(), url.clone().into());
            }
            Media::PlainText(_) => {}
        }
        Ok(out.into())
    }

    /// OpenAI's reference has no sound in this format; a server that has takes it as the chat format writes it.
    fn audio(&mut self, media: &Media) -> Result<Value, Refused> {
        match media {
            Media::Base64 { media_type, data, .. } if self.is_same_format() => {
                let format = match media_type.as_str() {
                    "audio/mpeg" => "mp3",
                    other => other.strip_prefix("audio/").unwrap_or(other),
                };
                Ok(json!({"type": "input_audio", "input_audio": {"data": data, "format": format}}))
            }
            _ => Err(refuse("sound cannot be sent in OpenAI's Responses format".into())),
        }
    }
}

fn refuse(message: String) -> Refused {
    Refused { field: "input[].content[].type".into(), message }
}
