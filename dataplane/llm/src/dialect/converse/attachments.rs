//! Images, documents, sound and video: Bedrock names formats by a word and takes bytes or an object in S3.
//!
//! Source: the service model's `ImageBlock`, `DocumentBlock`, `AudioBlock` and `VideoBlock`.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::dialect::media;
use crate::error::Refused;
use crate::message::Media;

/// A kind of content that has formats.
pub(super) struct Kind {
    /// The block's name.
    pub block: &'static str,
    /// For messages.
    pub name: &'static str,
    /// Format and media type. The first row of a format is the one that answers and requests are read with.
    formats: &'static [(&'static str, &'static str)],
    /// Format of bytes whose media type begins so and has no row.
    otherwise: Option<(&'static str, &'static str)>,
}

pub(super) const IMAGE: Kind = Kind {
    block: "image",
    name: "images",
    formats: &[
        ("png", "image/png"),
        ("jpeg", "image/jpeg"),
        ("jpeg", "image/jpg"),
        ("gif", "image/gif"),
        ("webp", "image/webp"),
    ],
    otherwise: None,
};

pub(super) const DOCUMENT: Kind = Kind {
    block: "document",
    name: "documents",
    formats: &[
        ("pdf", "application/pdf"),
        ("csv", "text/csv"),
        ("doc", "application/msword"),
        ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        ("xls", "application/vnd.ms-excel"),
        ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        ("html", "text/html"),
        ("txt", "text/plain"),
        ("md", "text/markdown"),
        ("txt", "application/json"),
        ("txt", "application/xml"),
    ],
    otherwise: Some(("text/", "txt")),
};

pub(super) const AUDIO: Kind = Kind {
    block: "audio",
    name: "sound",
    formats: &[
        ("mp3", "audio/mpeg"),
        ("mp3", "audio/mp3"),
        ("wav", "audio/wav"),
        ("wav", "audio/x-wav"),
        ("opus", "audio/opus"),
        ("aac", "audio/aac"),
        ("x-aac", "audio/x-aac"),
        ("flac", "audio/flac"),
        ("mp4", "audio/mp4"),
        ("m4a", "audio/m4a"),
        ("m4a", "audio/x-m4a"),
        ("ogg", "audio/ogg"),
        ("mkv", "audio/x-matroska"),
        ("mka", "audio/x-mka"),
        ("mpeg", "audio/x-mpeg"),
        ("mpga", "audio/mpga"),
        ("pcm", "audio/pcm"),
        ("webm", "audio/webm"),
    ],
    otherwise: None,
};

pub(super) const VIDEO: Kind = Kind {
    block: "video",
    name: "video",
    formats: &[
        ("mp4", "video/mp4"),
        ("mov", "video/quicktime"),
        ("mkv", "video/x-matroska"),
        ("webm", "video/webm"),
        ("flv", "video/x-flv"),
        ("mpeg", "video/mpeg"),
        ("mpg", "video/mpg"),
        ("wmv", "video/x-ms-wmv"),
        ("three_gp", "video/3gpp"),
    ],
    otherwise: None,
};

/// Ends of file names that are no format's word.
const EXTENSIONS: &[(&str, &str)] =
    &[("jpg", "jpeg"), ("htm", "html"), ("markdown", "md"), ("3gp", "three_gp")];

impl Kind {
    /// `None` for a format that came later than this table.
    pub fn media_type(&self, format: &str) -> Option<&'static str> {
        self.formats.iter().find(|(known, _)| *known == format).map(|(_, media_type)| *media_type)
    }

    fn of_media_type(&self, media_type: &str) -> Option<&'static str> {
        let media_type = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let row = self.formats.iter().find(|(_, known)| *known == media_type).map(|(format, _)| *format);
        row.or_else(|| {
            self.otherwise.filter(|(start, _)| media_type.starts_with(start)).map(|(_, format)| format)
        })
    }

    /// By the end of an object's name.
    pub fn of_address(&self, address: &str) -> Option<&'static str> {
        let (_, end) = address.rsplit_once('.')?;
        let end = end.to_ascii_lowercase();
        let end =
            EXTENSIONS.iter().find(|(known, _)| *known == end).map_or(end.as_str(), |(_, format)| format);
        self.formats.iter().find(|(format, _)| *format == end).map(|(format, _)| *format)
    }

    fn words(&self) -> String {
        let mut words: Vec<&str> = self.formats.iter().map(|(format, _)| *format).collect();
        words.dedup();
        words.join(", ")
    }

    /// Format and source.
    pub fn source(&self, media: &Media) -> Result<(&'static str, Value), Refused> {
        match media {
            Media::Base64 { media_type, data, .. } => {
                // Some clients put a whole `data:` URL where the bytes belong.
                let (media_type, data) = media::split(data).unwrap_or((media_type, data));
                let format = self.of_media_type(media_type).ok_or_else(|| {
                    refuse(format!("Bedrock takes {} as {}, not `{media_type}`", self.name, self.words()))
                })?;
                Ok((format, json!({"bytes": data})))
            }
            Media::PlainText(text) => Ok(("txt", json!({"bytes": STANDARD.encode(text)}))),
            Media::Url { url, .. } if url.starts_with("s3://") => {
                let format = self.of_address(url).ok_or_else(|| {
                    refuse(format!(
                        "Bedrock takes {} as {}: end the object's name so",
                        self.name,
                        self.words()
                    ))
                })?;
                Ok((format, json!({"s3Location": {"uri": url}})))
            }
            Media::Url { .. } => Err(refuse(format!(
                "Bedrock does not fetch {} from the web: send the bytes as base64, or an s3:// address",
                self.name
            ))),
        }
    }
}

pub(super) fn refuse(message: String) -> Refused {
    Refused { field: "messages[].content[]".into(), message }
}

/// Longest name of a document, characters.
const LONGEST_NAME: usize = 200;

/// Names of a request's documents, which must differ; upper and lower case are the same.
#[derive(Default)]
pub(super) struct Names {
    taken: BTreeSet<String>,
    /// The number that the next document of a name gets.
    next: BTreeMap<String, usize>,
}

impl Names {
    /// The name that a document gets, and whether that says something else than the one it had.
    pub fn fit(&mut self, wanted: Option<&str>) -> (String, bool) {
        let stem = wanted.map(without_extension).unwrap_or_default();
        let mut base = clean(stem);
        if base.is_empty() {
            base = "document".to_owned();
        }
        let next = self.next.entry(base.to_ascii_lowercase()).or_insert(1);
        let name = loop {
            let name = numbered(&base, *next);
            *next += 1;
            if self.taken.insert(name.to_ascii_lowercase()) {
                break name;
            }
        };
        let is_changed = wanted.is_some() && name != stem;
        (name, is_changed)
    }
}

fn numbered(base: &str, number: usize) -> String {
    if number == 1 {
        return base.to_owned();
    }
    let end = format!(" {number}");
    let start: String = base.chars().take(LONGEST_NAME - end.len()).collect();
    format!("{start}{end}")
}

/// The format has a member of its own.
fn without_extension(name: &str) -> &str {
    match name.rsplit_once('.') {
        Some((stem, end)) if !stem.is_empty() && (1..=5).contains(&end.len()) => stem,
        _ => name,
    }
}

/// Letters, digits, hyphens, parentheses, brackets, and spaces one at a time; anything else becomes a space.
fn clean(name: &str) -> String {
    let is_fit = |c: char| c.is_ascii_alphanumeric() || "-()[]".contains(c);
    let words = name.split(|c| !is_fit(c)).filter(|word| !word.is_empty());
    let joined = words.collect::<Vec<_>>().join(" ");
    let cut = joined.get(..LONGEST_NAME).unwrap_or(&joined);
    cut.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_and_differ() {
        let mut names = Names::default();
        for (wanted, name, is_changed) in [
            (None, "document", false),
            (None, "document 2", false),
            (Some("report.pdf"), "report", false),
            (Some("Report"), "Report 2", true),
            (Some("report 3"), "report 3", false),
            (Some("report"), "report 4", true),
            (Some("John's  résumé_v1.docx"), "John s r sum v1", true),
            (Some("[a] (b)-c"), "[a] (b)-c", false),
            (Some("報告"), "document 3", true),
            (Some(""), "document 4", true),
            (Some(".pdf"), "pdf", true),
        ] {
            assert_eq!(names.fit(wanted), (name.to_owned(), is_changed), "{wanted:?}");
        }
        let long = "x".repeat(300);
        assert_eq!(names.fit(Some(&long)), ("x".repeat(200), true));
        assert_eq!(names.fit(Some(&long)), (format!("{} 2", "x".repeat(198)), true));
    }

    #[test]
    fn formats_are_found() {
        let source = |kind: &Kind, media: Media| kind.source(&media).map(|(format, _)| format).ok();
        let bytes = |media_type: &str| Media::Base64 {
            media_type: media_type.into(),
            data: "AA==".into(),
            detail: None,
        };
        let object = |url: &str| Media::Url { url: url.into(), detail: None };
        assert_eq!(source(&IMAGE, bytes("image/JPG")), Some("jpeg"));
        assert_eq!(source(&IMAGE, bytes("image/bmp")), None);
        assert_eq!(source(&DOCUMENT, bytes("text/csv; charset=utf-8")), Some("csv"));
        assert_eq!(source(&DOCUMENT, bytes("text/x-python")), Some("txt"));
        assert_eq!(source(&DOCUMENT, bytes("application/zip")), None);
        assert_eq!(source(&DOCUMENT, Media::PlainText("x".into())), Some("txt"));
        assert_eq!(source(&VIDEO, object("s3://bucket/a.b/c.3GP")), Some("three_gp"));
        assert_eq!(source(&IMAGE, object("s3://bucket/picture")), None);
        assert_eq!(source(&IMAGE, object("https://example.com/a.png")), None);
        assert_eq!(source(&AUDIO, bytes("audio/mpeg")), Some("mp3"));
        for kind in [IMAGE, DOCUMENT, AUDIO, VIDEO] {
            for (format, _) in kind.formats {
                let media_type = kind.media_type(format).unwrap();
                assert_eq!(kind.of_media_type(media_type), Some(*format));
            }
        }
    }

    #[test]
    fn a_data_url_among_the_bytes_is_undone() {
        let media = Media::Base64 {
            media_type: "application/pdf".into(),
            data: "data:application/pdf;base64,JVBERi0=".into(),
            detail: None,
        };
        assert_eq!(DOCUMENT.source(&media), Ok(("pdf", json!({"bytes": "JVBERi0="}))));
    }
}
