//! Images, sounds, videos and documents that a request names by their web addresses, and their bytes in place of them:
//! for providers that fetch nothing themselves. Who fetches, and whether anybody may, is not known here.

use crate::message::{Media, Part, PartBody, Request};

/// What a client says an address is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MediaKind {
    Image,
    Audio,
    Video,
    Document,
}

impl MediaKind {
    /// Is a media type one of this kind? A web page is no document: what a server shows in place of a file that it
    /// does not give away is one.
    pub fn takes(self, media_type: &str) -> bool {
        let begins = |kind: &str| media_type.starts_with(kind);
        match self {
            Self::Image => begins("image/"),
            Self::Audio => begins("audio/"),
            Self::Video => begins("video/"),
            Self::Document => (begins("application/") || begins("text/")) && media_type != "text/html",
        }
    }
}

/// The bytes behind an address.
#[derive(Clone, Debug, PartialEq)]
pub struct Fetched {
    /// Without parameters.
    pub media_type: String,
    /// Base64.
    pub data: String,
}

/// Every web address in the request, in their order, as often as it stands there: so often its bytes will.
pub fn addresses(request: &Request) -> Vec<(MediaKind, &str)> {
    let mut found = Vec::new();
    let parts = request.messages.iter().map(|message| &message.parts);
    for parts in std::iter::once(&request.system).chain(parts) {
        collect(parts, &mut |address| found.push(address));
    }
    found
}

fn collect<'a>(parts: &'a [Part], found: &mut dyn FnMut((MediaKind, &'a str))) {
    for part in parts {
        let (kind, media) = match &part.body {
            PartBody::Image(media) => (MediaKind::Image, media),
            PartBody::Audio(media) => (MediaKind::Audio, media),
            PartBody::Video(media) => (MediaKind::Video, media),
            PartBody::Document { media, name: _ } => (MediaKind::Document, media),
            PartBody::ToolResult { parts, .. } => {
                collect(parts, found);
                continue;
            }
            _ => continue,
        };
        if let Media::Url { url, .. } = media
            && is_web(url)
        {
            found((kind, url));
        }
    }
}

/// The request with bytes in place of the addresses that `bytes` knows.
pub fn inline(request: &Request, bytes: impl Fn(MediaKind, &str) -> Option<Fetched>) -> Request {
    let mut request = request.clone();
    replace(&mut request.system, &bytes);
    for message in &mut request.messages {
        replace(&mut message.parts, &bytes);
    }
    request
}

/// The request as it may look, with next to nothing in place of what the addresses hold, and documents of the kinds
/// that providers take. What is refused in each of these forms is not worth fetching for.
pub fn sketches(request: &Request) -> [Request; 2] {
    ["application/pdf", "text/plain"].map(|document| {
        inline(request, |kind, _| {
            let media_type = match kind {
                MediaKind::Image => "image/png",
                MediaKind::Audio => "audio/wav",
                MediaKind::Video => "video/mp4",
                MediaKind::Document => document,
            };
            Some(Fetched { media_type: media_type.to_owned(), data: "AAAA".to_owned() })
        })
    })
}

fn replace(parts: &mut [Part], bytes: &dyn Fn(MediaKind, &str) -> Option<Fetched>) {
    for part in parts {
        let (kind, media) = match &mut part.body {
            PartBody::Image(media) => (MediaKind::Image, media),
            PartBody::Audio(media) => (MediaKind::Audio, media),
            PartBody::Video(media) => (MediaKind::Video, media),
            PartBody::Document { media, name: _ } => (MediaKind::Document, media),
            PartBody::ToolResult { parts, .. } => {
                replace(parts, bytes);
                continue;
            }
            _ => continue,
        };
        if let Media::Url { url, detail } = media
            && is_web(url)
            && let Some(Fetched { media_type, data }) = bytes(kind, url)
        {
            *media = Media::Base64 { media_type, data, detail: detail.take() };
        }
    }
}

fn is_web(url: &str) -> bool {
    let begins = |scheme: &str| url.get(..scheme.len()).is_some_and(|head| head.eq_ignore_ascii_case(scheme));
    begins("https://") || begins("http://")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Format;

    fn request() -> Request {
        let image = |url: &str| json!({"type": "image_url", "image_url": {"url": url, "detail": "low"}});
        let body = json!({"model": "m", "messages": [
            {"role": "user", "content": [
                image("https://a.example/1.png"), image("HTTP://a.example/2"), image("https://a.example/1.png"),
                image("gs://bucket/3.png"), image("data:image/png;base64,AAAA"),
            ]},
        ]});
        let mut request = Format::Chat.dialect().decode_request(body.to_string().as_bytes()).unwrap();
        let document = Media::Url { url: "https://a.example/4.pdf".into(), detail: None };
        let parts = vec![PartBody::Document { media: document, name: None }.into()];
        let result = PartBody::ToolResult { id: "call_1".into(), parts, is_error: false };
        request.messages[0].parts.push(result.into());
        request
    }

    #[test]
    fn web_addresses_are_found_also_in_tool_results() {
        assert_eq!(
            addresses(&request()),
            [
                (MediaKind::Image, "https://a.example/1.png"),
                (MediaKind::Image, "HTTP://a.example/2"),
                (MediaKind::Image, "https://a.example/1.png"),
                (MediaKind::Document, "https://a.example/4.pdf"),
            ]
        );
    }

    #[test]
    fn bytes_take_the_place_of_addresses() {
        let inlined = inline(&request(), |_, url| {
            let known = url.ends_with("1.png");
            known.then(|| Fetched { media_type: "image/webp".into(), data: "BBBB".into() })
        });
        let bytes = Media::Base64 {
            media_type: "image/webp".into(),
            data: "BBBB".into(),
            detail: Some("low".into()),
        };
        let parts = &inlined.messages[0].parts;
        assert_eq!(parts[0].body, PartBody::Image(bytes.clone()));
        assert_eq!(parts[2].body, PartBody::Image(bytes));
        // What is not known stays as it was.
        assert_eq!(parts[1], request().messages[0].parts[1]);
        for sketch in sketches(&request()) {
            assert_eq!(addresses(&sketch), []);
        }
    }

    #[test]
    fn a_page_is_no_document() {
        for (kind, media_type, takes) in [
            (MediaKind::Image, "image/webp", true),
            (MediaKind::Image, "application/pdf", false),
            (MediaKind::Document, "application/pdf", true),
            (MediaKind::Document, "text/plain", true),
            (MediaKind::Document, "text/html", false),
            (MediaKind::Audio, "audio/mpeg", true),
            (MediaKind::Video, "audio/mpeg", false),
        ] {
            assert_eq!(kind.takes(media_type), takes, "{kind:?} {media_type}");
        }
    }
}
