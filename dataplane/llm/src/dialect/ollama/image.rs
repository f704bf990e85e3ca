//! Images, which are base64 text without a media type here.

use crate::message::Media;

/// The first characters of each kind of image, in base64.
const SIGNS: &[(&str, &str)] = &[
    ("iVBORw0KGgo", "image/png"),
    ("/9j/", "image/jpeg"),
    ("R0lGOD", "image/gif"),
    ("UklGR", "image/webp"),
    ("Qk", "image/bmp"),
];

/// An image of which only the bytes tell what it is; PNG where they do not.
pub(super) fn read(data: &str) -> Media {
    let kind = SIGNS.iter().find(|(sign, _)| data.starts_with(sign)).map_or("image/png", |(_, kind)| kind);
    Media::Base64 { media_type: kind.to_owned(), data: data.to_owned(), detail: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_tell_the_kind() {
        for (data, kind) in [
            ("/9j/4AAQ", "image/jpeg"),
            ("iVBORw0KGgoAAA", "image/png"),
            ("AAAA", "image/png"),
            ("", "image/png"),
        ] {
            let Media::Base64 { media_type, .. } = read(data) else { panic!("{data}") };
            assert_eq!(media_type, kind, "{data}");
        }
    }
}
