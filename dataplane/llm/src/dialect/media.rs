//! `data:` URLs, which OpenAI uses where Anthropic has a media type and base64 text.

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
