//! Sources of a text: `annotations` here, citations in the neutral answer.
//!
//! Places count characters, of the text part here and of the whole answer there.

use serde_json::{Value, json};

use crate::dialect::Format;
use crate::message::Citation;

/// `base` is how many characters of the answer stand before the part.
pub(super) fn read(annotation: &Value, base: u64) -> Citation {
    let text = |name: &str| annotation.get(name).and_then(Value::as_str).map(str::to_owned);
    let place =
        |name: &str| annotation.get(name).and_then(Value::as_u64).map(|place| place.saturating_add(base));
    Citation {
        url: text("url"),
        title: text("title").or_else(|| text("filename")),
        cited_text: None,
        start: place("start_index"),
        end: place("end_index"),
        own: Some((Format::Responses, annotation.clone())),
    }
}

/// `None` for a source that has no URL: there is no annotation for it. `length` is the part's, in characters.
pub(super) fn write(citation: &Citation, base: u64, length: u64) -> Option<Value> {
    let Citation { url, title, cited_text: _, start, end, own } = citation;
    if let Some((Format::Responses, annotation)) = own {
        let mut annotation = annotation.clone();
        // The part may begin elsewhere than it did.
        for (name, place) in [("start_index", start), ("end_index", end)] {
            if let (Some(own), Some(place)) = (annotation.get_mut(name), place) {
                *own = place.saturating_sub(base).into();
            }
        }
        return Some(annotation);
    }
    let url = url.as_ref()?;
    // A source whose place nobody told stands for the text so far.
    let start = start.map_or(0, |start| start.saturating_sub(base));
    let end = end.map_or(length, |end| end.saturating_sub(base));
    Some(json!({
        "type": "url_citation",
        "url": url,
        "title": title.as_ref().unwrap_or(url),
        "start_index": start,
        "end_index": end,
    }))
}

/// Is there an annotation for it?
pub(super) fn can_write(citation: &Citation) -> bool {
    citation.url.is_some() || matches!(citation.own, Some((Format::Responses, _)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_move_with_the_part() {
        let annotation = json!({
            "type": "url_citation", "url": "https://a", "title": "A", "start_index": 2, "end_index": 5,
        });
        let mut citation = read(&annotation, 10);
        assert_eq!((citation.start, citation.end), (Some(12), Some(15)));
        assert_eq!(write(&citation, 10, 9), Some(annotation.clone()));
        assert_eq!(write(&citation, 0, 19).unwrap()["start_index"], 12);
        citation.own = None;
        assert_eq!(write(&citation, 10, 9), Some(annotation));
    }

    #[test]
    fn a_source_without_place_or_url() {
        let citation = Citation { url: Some("https://a".into()), ..Citation::default() };
        let written = write(&citation, 3, 7).unwrap();
        assert_eq!((&written["title"], &written["end_index"]), (&json!("https://a"), &json!(7)));
        let offline = Citation { cited_text: Some("x".into()), ..Citation::default() };
        assert_eq!(write(&offline, 0, 0), None);
        let file = json!({"type": "file_citation", "file_id": "f", "filename": "a.pdf", "index": 1});
        let citation = read(&file, 0);
        assert_eq!(citation.title.as_deref(), Some("a.pdf"));
        assert_eq!(write(&citation, 0, 0), Some(file));
    }
}
