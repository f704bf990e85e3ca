//! Sources of an answer. Anthropic names them at the block of text that rests on them.

use serde_json::{Value, json};

use crate::dialect::Format;
use crate::message::{Citation, Part, PartBody};

/// Stands where Anthropic has a key to its own search result, in a source that another provider gave. Anthropic would
/// refuse it: such a source stays behind when it comes back in a history.
const CARRIED: &str = "penstock:";

/// `from` and `to` are the bounds of the block in the answer's text, in characters.
pub(super) fn read(citation: &Value, from: u64, to: u64) -> Citation {
    let text = |name: &str| citation.get(name).and_then(Value::as_str).map(str::to_owned);
    Citation {
        // Search results that the client gave have a `source`.
        url: text("url").or_else(|| text("source")),
        title: text("title").or_else(|| text("document_title")),
        cited_text: text("cited_text"),
        start: Some(from),
        end: Some(to),
        own: Some((Format::Messages, citation.clone())),
    }
}

/// `None` for a source without an address.
pub(super) fn write(citation: &Citation) -> Option<Value> {
    let Citation { url, title, cited_text, start: _, end: _, own } = citation;
    if let Some((Format::Messages, own)) = own {
        return Some(own.clone());
    }
    Some(json!({
        "type": "web_search_result_location",
        "url": url.as_ref()?,
        "title": title,
        "cited_text": cited_text.as_deref().unwrap_or_default(),
        "encrypted_index": CARRIED,
    }))
}

/// Takes sources of other providers off a block of a history.
pub(super) fn forget_carried(part: &mut Part) {
    if !matches!(part.body, PartBody::Text(_)) {
        return;
    }
    let Some(Value::Array(list)) = part.extra.get_mut("citations") else { return };
    let count = list.len();
    list.retain(|citation| citation.get("encrypted_index").is_none_or(|index| index != CARRIED));
    if list.is_empty() && count > 0 {
        part.extra.shift_remove("citations");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_sources_come_back_and_others_stay_behind() {
        let own =
            json!({"type": "char_location", "document_index": 0, "document_title": "T", "cited_text": "c"});
        let read = read(&own, 0, 3);
        assert_eq!((read.title.as_deref(), read.url.as_deref()), (Some("T"), None));
        assert_eq!(write(&read), Some(own.clone()));
        let other = Citation { url: Some("https://a.example".into()), ..Citation::default() };
        let mut part = Part::text("x");
        part.extra.insert("citations".into(), json!([write(&other).unwrap(), own.clone()]));
        forget_carried(&mut part);
        assert_eq!(part.extra["citations"], json!([own]));
        part.extra.insert("citations".into(), json!([write(&other).unwrap()]));
        forget_carried(&mut part);
        assert!(part.extra.is_empty());
        assert_eq!(write(&Citation::default()), None);
    }
}
