//! Media types, and what can stand behind a URL.
//!
//! Both APIs fetch public and signed web URLs, videos of YouTube, and `gs://` objects themselves. Sources:
//! <https://ai.google.dev/gemini-api/docs/file-input-methods>,
//! <https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference>, `FileData`.

use crate::message::{Media, Part, PartBody};

/// What a part shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Image,
    Audio,
    Video,
    Document,
}

/// Endings of file names.
const ENDINGS: &[(&str, &str)] = &[
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("webp", "image/webp"),
    ("gif", "image/gif"),
    ("heic", "image/heic"),
    ("heif", "image/heif"),
    ("avif", "image/avif"),
    ("wav", "audio/wav"),
    ("mp3", "audio/mpeg"),
    ("aac", "audio/aac"),
    ("ogg", "audio/ogg"),
    ("flac", "audio/flac"),
    ("m4a", "audio/mp4"),
    ("mp4", "video/mp4"),
    ("mov", "video/quicktime"),
    ("mpeg", "video/mpeg"),
    ("mpg", "video/mpeg"),
    ("avi", "video/x-msvideo"),
    ("webm", "video/webm"),
    ("wmv", "video/x-ms-wmv"),
    ("3gp", "video/3gpp"),
    ("pdf", "application/pdf"),
    ("txt", "text/plain"),
    ("md", "text/markdown"),
    ("html", "text/html"),
    ("csv", "text/csv"),
    ("json", "application/json"),
];

impl Kind {
    pub fn of(media_type: &str) -> Self {
        match media_type.split('/').next().unwrap_or_default() {
            "image" => Self::Image,
            "audio" => Self::Audio,
            "video" => Self::Video,
            _ => Self::Document,
        }
    }

    /// What most of its kind are.
    fn usual(self) -> &'static str {
        match self {
            Self::Image => "image/jpeg",
            Self::Audio => "audio/mpeg",
            Self::Video => "video/mp4",
            Self::Document => "application/pdf",
        }
    }

    pub fn part(self, media: Media, name: Option<String>) -> Part {
        match self {
            Self::Image => PartBody::Image(media),
            Self::Audio => PartBody::Audio(media),
            Self::Video => PartBody::Video(media),
            Self::Document => PartBody::Document { media, name },
        }
        .into()
    }
}

/// Can the APIs fetch it?
pub(super) fn is_fetchable(url: &str) -> bool {
    ["https://", "http://", "gs://"].iter().any(|scheme| url.starts_with(scheme))
}

/// The media type of what is behind a URL, as far as the URL tells: one of this kind, or any.
pub(super) fn type_of_url(url: &str, kind: Option<Kind>) -> Option<&'static str> {
    const YOUTUBE: &[&str] = &["https://www.youtube.com/", "https://youtube.com/", "https://youtu.be/"];
    if YOUTUBE.iter().any(|host| url.starts_with(host)) {
        return Some("video/mp4");
    }
    let path = url.split(['?', '#']).next().unwrap_or(url);
    let file = path.rsplit('/').next().unwrap_or(path);
    let (_, ending) = file.rsplit_once('.')?;
    let found = ENDINGS.iter().find(|(known, _)| ending.eq_ignore_ascii_case(known)).map(|(_, it)| *it)?;
    kind.is_none_or(|kind| Kind::of(found) == kind).then_some(found)
}

/// The media type to send for a URL; `None` where the API finds it out itself.
pub(super) fn sent_type(url: &str, kind: Kind, is_mandatory: bool) -> Option<&'static str> {
    type_of_url(url, Some(kind)).or_else(|| is_mandatory.then(|| kind.usual()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_of_urls() {
        for (url, kind, is_mandatory, want) in [
            ("https://x.example/a.PNG?w=1#f", Kind::Image, false, Some("image/png")),
            ("gs://bucket/a.b/report.pdf", Kind::Document, true, Some("application/pdf")),
            ("https://x.example/a", Kind::Image, false, None),
            ("https://x.example/a", Kind::Image, true, Some("image/jpeg")),
            ("https://x.example/a.png", Kind::Video, true, Some("video/mp4")),
            ("https://youtu.be/abc", Kind::Video, false, Some("video/mp4")),
            ("https://x.example", Kind::Audio, true, Some("audio/mpeg")),
        ] {
            assert_eq!(sent_type(url, kind, is_mandatory), want, "{url}");
        }
        assert!(is_fetchable("gs://x/y") && is_fetchable("https://x") && !is_fetchable("file-abc"));
    }
}
