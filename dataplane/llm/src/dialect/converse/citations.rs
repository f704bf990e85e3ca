//! `citationsContent`: a text with the sources that it rests on.

use serde_json::{Map, Value, json};

use crate::dialect::Format;
use crate::message::{Citation, Part, PartBody};

/// A source, as answers and streams have it. Where its text stands in the answer is added by who counts.
pub(super) fn read(citation: &Value) -> Citation {
    let text = |name: &str| citation.get(name).and_then(Value::as_str).map(str::to_owned);
    let web = citation.get("location").and_then(|location| location.get("web"));
    let url = web.and_then(|web| web.get("url")).and_then(Value::as_str).map(str::to_owned);
    let source =
        text("source").filter(|source| source.starts_with("https://") || source.starts_with("http://"));
    let pieces = citation.get("sourceContent").and_then(Value::as_array).map(|pieces| texts(pieces));
    Citation {
        url: url.or(source),
        title: text("title"),
        cited_text: pieces.filter(|text| !text.is_empty()),
        start: None,
        end: None,
        own: Some((Format::Converse, citation.clone())),
    }
}

/// The texts of a list of `{"text": ...}`, joined.
pub(super) fn texts(pieces: &[Value]) -> String {
    pieces.iter().filter_map(|piece| piece.get("text")?.as_str()).collect()
}

pub(super) fn write(citation: &Citation) -> Value {
    let Citation { url, title, cited_text, start: _, end: _, own } = citation;
    if let Some((Format::Converse, own)) = own {
        return own.clone();
    }
    let mut out = Map::new();
    if let Some(title) = title {
        out.insert("title".into(), title.clone().into());
    }
    if let Some(text) = cited_text {
        out.insert("sourceContent".into(), json!([{"text": text}]));
    }
    if let Some(url) = url {
        out.insert("location".into(), json!({"web": {"url": url}}));
    }
    out.into()
}

/// A text, and the citations behind it.
pub(super) fn block(text: &str, citations: &[&Citation]) -> Value {
    let citations: Vec<Value> = citations.iter().map(|citation| write(citation)).collect();
    json!({"citationsContent": {"content": [{"text": text}], "citations": citations}})
}

/// The citations that a list of parts begins with.
pub(super) fn leading(parts: &[Part]) -> Vec<&Citation> {
    parts
        .iter()
        .map_while(|part| match &part.body {
            PartBody::Citation(citation) => Some(citation),
            _ => None,
        })
        .collect()
}
