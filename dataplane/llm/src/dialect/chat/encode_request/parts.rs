//! Parts of a user message.

use serde_json::{Map, Value, json};

use super::{Encoder, object};
use crate::dialect::{Format, extras, media};
use crate::error::Refused;
use crate::field::Field;
use crate::ledger::Fate;
use crate::message::{Media, Part, PartBody};

impl Encoder<'_> {
    pub(super) fn content_part(&mut self, part: &Part) -> Result<Value, Refused> {
        let mut out = match &part.body {
            PartBody::Text(text) => object(json!({"type": "text", "text": text})),
            PartBody::Refusal(text) => {
                self.note(Field::Refusal, Fate::Emulated);
                object(json!({"type": "text", "text": text}))
            }
            PartBody::Image(media) => self.image(media)?,
            PartBody::Audio(media) => self.sound(media)?,
            PartBody::Video(media) => self.video(media)?,
            PartBody::Document { media, name } => self.document(media, name.as_deref())?,
            // A file that OpenAI keeps, by its id.
            PartBody::Opaque { format: Format::Chat, value }
                if !self.quirks.takes_files && value.get("file").is_some() =>
            {
                return Err(refuse("this provider takes no files"));
            }
            PartBody::Opaque { format: Format::Chat, value } => return Ok(value.clone()),
            PartBody::Opaque { value, .. } => {
                let kind = value.get("type").or_else(|| value.get("role"));
                let kind = kind.and_then(Value::as_str).unwrap_or("unknown");
                return Err(refuse(&format!("`{kind}` cannot be sent in OpenAI's chat format")));
            }
            PartBody::Citation(_)
            | PartBody::Reasoning(_)
            | PartBody::ToolCall(_)
            | PartBody::ToolResult { .. } => {
                return Err(refuse("this cannot stand in a user message of OpenAI's chat format"));
            }
        };
        self.cache_control(part.cache_control.as_ref(), &mut out);
        self.join_extra(&mut out, &part.extra);
        Ok(out.into())
    }

    /// One plain text is written as a string, as most clients do and every server takes. So are several, where a server
    /// takes no list of texts.
    pub(super) fn text_or_list(&mut self, mut parts: Vec<Value>) -> Value {
        let is_text = |part: &Value| part.get("type").is_some_and(|kind| kind == "text");
        match parts.as_mut_slice() {
            [] => "".into(),
            [Value::Object(only)]
                if only.len() == 2 && only.get("type").is_some_and(|kind| kind == "text") =>
            {
                only.get_mut("text").map(Value::take).unwrap_or_default()
            }
            all if !self.quirks.text_lists && all.iter().all(is_text) => {
                self.note_beside_text(all);
                let texts: Vec<&str> = all.iter().filter_map(|part| part.get("text")?.as_str()).collect();
                texts.join("\n\n").into()
            }
            _ => parts.into(),
        }
    }

    /// What is lost of texts that are joined.
    pub(super) fn note_beside_text(&mut self, parts: &[Value]) {
        for (name, value) in parts.iter().filter_map(Value::as_object).flatten() {
            if !matches!(name.as_str(), "type" | "text") {
                extras::note_one(name, value, self.ledger);
            }
        }
    }

    fn image(&mut self, media: &Media) -> Result<Map<String, Value>, Refused> {
        if let Media::PlainText(text) = media {
            return Ok(self.plain(text));
        }
        if !self.quirks.takes_images {
            return Err(refuse("this provider takes no images"));
        }
        let (Media::Url { detail, .. } | Media::Base64 { detail, .. }) = media else { return Ok(Map::new()) };
        let mut inner = object(json!({"url": url_of(media)}));
        if let Some(detail) = detail {
            inner.insert("detail".into(), detail.clone().into());
        }
        Ok(object(json!({"type": "image_url", "image_url": inner})))
    }

    /// OpenAI takes the bytes; servers that fetch for themselves take a URL too.
    fn sound(&mut self, media: &Media) -> Result<Map<String, Value>, Refused> {
        match media {
            _ if !self.quirks.takes_audio => Err(refuse("this provider takes no sound")),
            Media::Base64 { media_type, data, .. } => {
                let audio = json!({"data": data, "format": audio_format(media_type)});
                Ok(object(json!({"type": "input_audio", "input_audio": audio})))
            }
            Media::Url { url, .. } if self.quirks.file_urls => {
                Ok(object(json!({"type": "audio_url", "audio_url": {"url": url}})))
            }
            Media::Url { .. } => Err(refuse("this provider takes no sound by its URL")),
            Media::PlainText(text) => Ok(self.plain(text)),
        }
    }

    fn video(&mut self, media: &Media) -> Result<Map<String, Value>, Refused> {
        match media {
            Media::PlainText(text) => Ok(self.plain(text)),
            _ if !self.quirks.takes_video => Err(refuse("this provider takes no video")),
            _ => Ok(object(json!({"type": "video_url", "video_url": {"url": url_of(media)}}))),
        }
    }

    fn document(&mut self, media: &Media, name: Option<&str>) -> Result<Map<String, Value>, Refused> {
        match media {
            Media::PlainText(text) => return Ok(self.plain(text)),
            Media::Url { .. } | Media::Base64 { .. } if self.quirks.document_urls => {
                let mut out = object(json!({"type": "document_url", "document_url": url_of(media)}));
                if let Some(name) = name {
                    out.insert("document_name".into(), name.into());
                }
                return Ok(out);
            }
            _ if !self.quirks.takes_files => return Err(refuse("this provider takes no files")),
            Media::Url { .. } if !self.quirks.file_urls => {
                return Err(refuse("a document by URL cannot be sent in OpenAI's chat format"));
            }
            Media::Url { .. } | Media::Base64 { .. } => {}
        }
        let mut file = Map::new();
        // OpenAI wants a name beside bytes.
        let name = name.or(matches!(media, Media::Base64 { .. }).then_some("document.pdf"));
        if let Some(name) = name {
            file.insert("filename".into(), name.into());
        }
        file.insert("file_data".into(), url_of(media).into());
        Ok(object(json!({"type": "file", "file": file})))
    }

    fn plain(&mut self, text: &str) -> Map<String, Value> {
        self.note(Field::Document, Fate::Emulated);
        object(json!({"type": "text", "text": text}))
    }
}

fn refuse(message: &str) -> Refused {
    Refused { field: "messages[].content[].type".into(), message: message.to_owned() }
}

fn url_of(media: &Media) -> String {
    match media {
        Media::Url { url, .. } => url.clone(),
        Media::Base64 { media_type, data, .. } => media::data_url(media_type, data),
        Media::PlainText(text) => text.clone(),
    }
}

/// OpenAI's word for a media type: `wav` and `mp3` are its own, other servers know more.
fn audio_format(media_type: &str) -> &str {
    let subtype = media_type.strip_prefix("audio/").unwrap_or(media_type);
    match subtype.split(';').next().unwrap_or(subtype).trim() {
        "mpeg" | "mp3" | "mpeg3" | "x-mpeg" => "mp3",
        "wav" | "x-wav" | "wave" | "vnd.wave" => "wav",
        other => other.strip_prefix("x-").unwrap_or(other),
    }
}
