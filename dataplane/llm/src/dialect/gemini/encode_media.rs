//! Images, sound, video and documents of a request, written.

use serde_json::{Map, Value, json};

use crate::error::Refused;
use crate::field::Field;
use crate::ledger::Fate;
use crate::message::Media;

use super::encode_content::Contents;
use super::media::{self, Kind};

impl Contents<'_> {
    /// `own_type`: the media type that a client of this format gave to a URL.
    pub(super) fn media(
        &mut self,
        media: &Media,
        kind: Kind,
        name: Option<&str>,
        own_type: Option<&str>,
    ) -> Result<Value, Refused> {
        if let Some(reads) = self.upstream.facts.input {
            let (reads, what) = match kind {
                Kind::Image => (reads.image, "images"),
                Kind::Audio => (reads.audio, "sound"),
                Kind::Video => (reads.video, "video"),
                Kind::Document => (reads.pdf || matches!(media, Media::PlainText(_)), "documents"),
            };
            if !reads && !self.is_same_format {
                return Err(self.refuse(format!("{} does not read {what}", self.upstream.model)));
            }
        }
        if let Media::Url { detail: Some(detail), .. } | Media::Base64 { detail: Some(detail), .. } = media
            && detail != "auto"
        {
            self.note(Field::ImageDetail, Fate::Dropped);
        }
        let mut inner = Map::new();
        let member = match media {
            Media::PlainText(text) => {
                self.note(Field::Document, Fate::Emulated);
                if name.is_some() {
                    self.note(Field::DocumentName, Fate::Dropped);
                }
                return Ok(json!({"text": text}));
            }
            Media::Base64 { media_type, data, .. } => {
                inner.insert("mimeType".into(), media_type.clone().into());
                inner.insert("data".into(), data.clone().into());
                "inlineData"
            }
            Media::Url { url, .. } if media::is_fetchable(url) => {
                inner.insert("fileUri".into(), url.clone().into());
                let by_url = || media::sent_type(url, kind, self.quirks.needs_media_type);
                if let Some(media_type) = own_type.or_else(by_url) {
                    inner.insert("mimeType".into(), media_type.into());
                }
                "fileData"
            }
            Media::Url { .. } => {
                return Err(self.refuse(
                    "Google reads media from https:// and gs:// URLs alone; send the bytes as base64".into(),
                ));
            }
        };
        match name {
            Some(name) if self.quirks.media_names || self.is_same_format => {
                drop(inner.insert("displayName".into(), name.into()))
            }
            Some(_) => self.note(Field::DocumentName, Fate::Dropped),
            None => {}
        }
        let mut out = Map::new();
        out.insert(member.to_owned(), inner.into());
        Ok(out.into())
    }
}
