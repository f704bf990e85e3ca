//! Citations: a passage of the answer and the sources that it rests on.

use serde_json::{Map, Value, json};

use crate::dialect::Format;
use crate::message::Citation;

/// One neutral citation for each source, each with its own part of the original. `behind` is how many characters of
/// answer text stand before the block that the citation belongs to.
pub(super) fn read(citation: &Value, behind: u64) -> Vec<Citation> {
    // A passage of the reasoning has no place in the answer's text.
    let kind = citation.get("type").and_then(Value::as_str);
    let is_of_text = kind.is_none_or(|kind| kind == "TEXT_CONTENT");
    let place = |name: &str| {
        let place = citation.get(name).and_then(Value::as_u64).filter(|_| is_of_text);
        place.map(|place| place.saturating_add(behind))
    };
    let (start, end) = (place("start"), place("end"));
    let sources = citation.get("sources").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let one = |source: Option<&Value>| {
        let content = source.and_then(|source| source.get("document").or_else(|| source.get("tool_output")));
        let text =
            |name: &str| content.and_then(|it| it.get(name)).and_then(Value::as_str).map(str::to_owned);
        let cited_text = text("text").or_else(|| text("snippet")).or_else(|| text("content"));
        Citation {
            url: text("url"),
            title: text("title"),
            cited_text: cited_text.or_else(|| whole(content)),
            start,
            end,
            own: Some((Format::Cohere, narrow(citation, source))),
        }
    };
    if sources.is_empty() {
        vec![one(None)]
    } else {
        sources.iter().map(|source| one(Some(source))).collect()
    }
}

/// What a tool gave back that has no text of its own.
fn whole(content: Option<&Value>) -> Option<String> {
    content.filter(|content| content.as_object().is_some_and(|it| !it.is_empty())).map(Value::to_string)
}

/// The citation with this source alone.
fn narrow(citation: &Value, source: Option<&Value>) -> Value {
    let mut own = citation.clone();
    if let (Value::Object(own), Some(source)) = (&mut own, source) {
        own.insert("sources".into(), json!([source]));
    }
    own
}

/// The citation in Cohere's words.
pub(super) fn write(citation: &Citation) -> Value {
    let Citation { url, title, cited_text, start, end, own } = citation;
    if let Some((Format::Cohere, own)) = own {
        return own.clone();
    }
    let mut document = Map::new();
    for (name, value) in [("title", title), ("url", url), ("text", cited_text)] {
        if let Some(value) = value {
            document.insert(name.to_owned(), value.clone().into());
        }
    }
    let mut out = Map::new();
    for (name, place) in [("start", start), ("end", end)] {
        if let Some(place) = place {
            out.insert(name.to_owned(), (*place).into());
        }
    }
    out.insert("sources".into(), json!([{"type": "document", "document": document}]));
    out.insert("type".into(), "TEXT_CONTENT".into());
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_source_is_one() {
        let citation = json!({"start": 2, "end": 5, "text": "sun", "type": "TEXT_CONTENT", "sources": [
            {"type": "document", "id": "d", "document": {"id": "d", "title": "T", "text": "The sun.", "url": "https://a.example"}},
            {"type": "tool", "id": "t:0", "tool_output": {"temperature": 20}},
        ]});
        let read = read(&citation, 10);
        let places: Vec<_> = read.iter().map(|it| (it.start, it.end)).collect();
        assert_eq!(places, [(Some(12), Some(15)), (Some(12), Some(15))]);
        let words: Vec<_> = read.iter().map(|it| it.cited_text.as_deref().unwrap()).collect();
        assert_eq!(words, ["The sun.", r#"{"temperature":20}"#]);
        assert_eq!(
            (read[0].url.as_deref(), read[0].title.as_deref()),
            (Some("https://a.example"), Some("T"))
        );
        assert_eq!(write(&read[1])["sources"], json!([citation["sources"][1]]));
    }

    #[test]
    fn a_passage_of_the_plan_has_no_place_in_the_text() {
        let read = read(&json!({"start": 2, "end": 5, "type": "PLAN", "sources": []}), 0);
        assert_eq!(read.len(), 1);
        assert_eq!((read[0].start, read[0].end), (None, None));
    }
}
