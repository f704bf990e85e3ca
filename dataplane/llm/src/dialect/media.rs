//! `data:` URLs, which OpenAI uses where Anthropic has a media type and base64 text.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::message::Media;

/// An image or document behind a URL, which may be a `data:` URL.
pub(super) fn from_url(url: String, detail: Option<String>) -> Media {
    match split(&url) {
        Some((media_type, data)) => {
            Media::Base64 { media_type: media_type.to_owned(), data: data.to_owned(), detail }
        }
        None => Media::Url { url, detail },
    }
}

/// Bytes as base64 text. Some clients put a whole `data:` URL where the text belongs.
pub(super) fn from_bytes(media_type: String, data: String) -> Media {
    let data = match split(&data) {
        Some((_, bytes)) => bytes.to_owned(),
        None => data,
    };
    Media::Base64 { media_type, data, detail: None }
}

/// Media type and base64 text of a `data:` URL.
pub(super) fn split(url: &str) -> Option<(&str, &str)> {
    let (head, data) = url.strip_prefix("data:")?.split_once(',')?;
    let media_type = head.strip_suffix(";base64")?;
    // Parameters (`;charset=...`) have no place elsewhere.
    Some((media_type.split(';').next().unwrap_or(media_type), data))
}

pub(super) fn data_url(media_type: &str, data: &str) -> String {
    format!("data:{media_type};base64,{data}")
}

/// The text of a document that is one: plain, or bytes of a kind that people read as text.
pub(super) fn text_of(media: &Media) -> Option<Cow<'_, str>> {
    const KINDS: &[&str] =
        &["application/json", "application/xml", "application/yaml", "application/x-yaml", "application/csv"];
    match media {
        Media::PlainText(text) => Some(text.into()),
        Media::Base64 { media_type, data, .. } => {
            let kind = media_type.split(';').next().unwrap_or_default().trim();
            if !kind.starts_with("text/") && !KINDS.contains(&kind) {
                return None;
            }
            String::from_utf8(STANDARD.decode(data).ok()?).ok().map(Cow::from)
        }
        Media::Url { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_that_are_text() {
        let bytes = |media_type: &str, data: &str| Media::Base64 {
            media_type: media_type.into(),
            data: data.into(),
            detail: None,
        };
        for (media, text) in [
            (Media::PlainText("as it is".into()), Some("as it is")),
            (bytes("text/markdown", "IyBow6k="), Some("# hé")),
            (bytes("application/json; charset=utf-8", "e30="), Some("{}")),
            (bytes("application/pdf", "IyBow6k="), None),
            (bytes("text/plain", "/w=="), None),
            (bytes("text/plain", "not base64"), None),
            (Media::Url { url: "https://example.com/a.txt".into(), detail: None }, None),
        ] {
            assert_eq!(text_of(&media).as_deref(), text, "{media:?}");
        }
    }
}
