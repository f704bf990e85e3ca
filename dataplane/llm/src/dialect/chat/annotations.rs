//! Sources of an answer: OpenAI's and OpenRouter's `annotations`, Perplexity's lists beside the choices.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::dialect::Format;
use crate::message::Citation;

/// An entry of `annotations`. What is no web page stays as it is, for clients of this format.
pub(super) fn read(annotation: &Value) -> Citation {
    let own = Some((Format::Chat, annotation.clone()));
    let Some(page) = annotation.get("url_citation") else { return Citation { own, ..Citation::default() } };
    let text = |name: &str| page.get(name).and_then(Value::as_str).map(str::to_owned);
    let count = |name: &str| page.get(name).and_then(Value::as_u64);
    // OpenRouter writes 0 to 0 where it does not know.
    let (start, end) = match (count("start_index"), count("end_index")) {
        (Some(start), Some(end)) if start < end => (Some(start), Some(end)),
        _ => (None, None),
    };
    Citation { url: text("url"), title: text("title"), cited_text: text("content"), start, end, own }
}

/// Perplexity's `search_results`, and of `citations`, which are bare URLs, those that are not among them.
pub(super) fn read_lists(body: &Value) -> Vec<Citation> {
    let list = |name: &str| body.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let results = list("search_results").iter().filter_map(|result| {
        let text = |name: &str| result.get(name).and_then(Value::as_str).map(str::to_owned);
        Some(Citation {
            url: Some(text("url")?),
            title: text("title"),
            cited_text: text("snippet"),
            ..Citation::default()
        })
    });
    let mut out: Vec<Citation> = results.collect();
    let known: HashSet<&str> = out.iter().filter_map(|citation| citation.url.as_deref()).collect();
    let bare = list("citations").iter().filter_map(Value::as_str).filter(|url| !known.contains(url));
    let bare: Vec<Citation> =
        bare.map(|url| Citation { url: Some(url.to_owned()), ..Citation::default() }).collect();
    out.extend(bare);
    out
}

/// `None` for a source that this format has no word for. OpenAI's own SDKs want both indices.
pub(super) fn write(citation: &Citation) -> Option<Value> {
    let Citation { url, title, cited_text, start, end, own } = citation;
    if let Some((Format::Chat, own)) = own {
        return Some(own.clone());
    }
    let url = url.as_ref()?;
    let mut page = json!({
        "url": url,
        "title": title.as_deref().unwrap_or(url),
        "start_index": start.unwrap_or(0),
        "end_index": end.unwrap_or(0),
    });
    if let (Some(text), Value::Object(page)) = (cited_text, &mut page) {
        page.insert("content".into(), text.clone().into());
    }
    Some(json!({"type": "url_citation", "url_citation": page}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_join_without_doubles() {
        let body = json!({
            "citations": ["https://a.example", "https://b.example", 1],
            "search_results": [{"url": "https://a.example", "title": "A", "snippet": "words", "date": null}],
        });
        let read = read_lists(&body);
        let urls: Vec<_> = read.iter().map(|citation| citation.url.as_deref().unwrap()).collect();
        assert_eq!(urls, ["https://a.example", "https://b.example"]);
        assert_eq!(read[0].title.as_deref(), Some("A"));
        assert!(read_lists(&json!({"citations": "many"})).is_empty());
    }

    #[test]
    fn own_annotations_come_back_as_they_were() {
        for own in [
            json!({"type": "url_citation", "url_citation": {"url": "u", "title": "t", "start_index": 1, "end_index": 5, "x": 1}}),
            json!({"type": "file_citation", "file_id": "f"}),
        ] {
            assert_eq!(write(&read(&own)), Some(own));
        }
        assert_eq!(write(&Citation::default()), None);
    }
}
