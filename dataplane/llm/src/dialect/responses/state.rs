//! Opaque reasoning state: how it stands in a provider's items, in the neutral conversation and in a client's items.
//!
//! A provider of this format wants the id of a reasoning item back beside its `encrypted_content`. A neutral signature
//! is one text, so it holds both, as compact JSON: `{"id":"rs_1","encrypted_content":"..."}`.
//!
//! A client keeps whole items. State of OpenAI's own stands in them as OpenAI wrote it; any other is tagged with its
//! issuer (see [`carrier`]), and a block that is encrypted as a whole says so in front.

use serde_json::{Value, json};

use crate::dialect::carrier;
use crate::error::Refused;
use crate::message::{Issuer, ReasoningBlock, Signature};

/// Whose state stands in this format without a tag.
pub(super) const HOME: Issuer = Issuer::OpenAI;
/// How every tag begins.
const TAGGED: &str = "penstock:";
/// In front of a tag: the block has no text of its own.
const REDACTED: &str = "penstock:redacted:";

/// The reasoning that an item shows: its summary, or, where there is none, its own text.
pub(super) fn text_of(item: &Value) -> String {
    let texts = |name: &str| {
        let parts = item.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let texts =
            parts.iter().filter_map(|part| part.get("text")?.as_str()).filter(|text| !text.is_empty());
        texts.collect::<Vec<_>>().join(SEPARATOR)
    };
    let summary = texts("summary");
    if summary.is_empty() { texts("content") } else { summary }
}

/// Between the parts of a summary.
pub(super) const SEPARATOR: &str = "\n\n";

/// The state of an item that a provider wrote. Without an issuer nobody could tell later whose it is.
pub(super) fn sign(item: &Value, issuer: Option<Issuer>) -> Option<Signature> {
    let encrypted = item.get("encrypted_content")?.as_str().filter(|text| !text.is_empty())?;
    let id = item.get("id").and_then(Value::as_str);
    Some(Signature { issuer: issuer?, value: join(id, encrypted) })
}

/// The reasoning that a provider's item holds; `None` for one that holds nothing. What another gateway tagged keeps its
/// issuer.
pub(super) fn read(item: &Value, issuer: Option<Issuer>) -> Option<ReasoningBlock> {
    let text = text_of(item);
    let encrypted = item.get("encrypted_content").and_then(Value::as_str).unwrap_or_default();
    let block = match encrypted.starts_with(TAGGED) {
        true => unseal(None, Some(encrypted), text),
        false => ReasoningBlock::Thinking { text, signature: sign(item, issuer) },
    };
    let is_nothing = matches!(&block, ReasoningBlock::Thinking { text, signature: None } if text.is_empty());
    (!is_nothing).then_some(block)
}

fn join(id: Option<&str>, encrypted: &str) -> String {
    match id {
        Some(id) => json!({"id": id, "encrypted_content": encrypted}).to_string(),
        None => json!({"encrypted_content": encrypted}).to_string(),
    }
}

/// Id and `encrypted_content` of a signature that [`sign`] made; `None` for one that came in another format.
pub(super) fn split(value: &str) -> Option<(Option<String>, String)> {
    if !value.starts_with('{') {
        return None;
    }
    let value: Value = serde_json::from_str(value).ok()?;
    let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    Some((text("id"), text("encrypted_content")?))
}

/// A block's state for a client: the id that goes with it, where it must be that one, and `encrypted_content`.
pub(super) fn seal(block: &ReasoningBlock) -> Option<(Option<String>, String)> {
    match block {
        ReasoningBlock::Thinking { signature, .. } => {
            let signature = signature.as_ref()?;
            match split(&signature.value) {
                Some(native) if signature.issuer == HOME => Some(native),
                _ => Some((None, tag(signature))),
            }
        }
        ReasoningBlock::Redacted { data } => {
            Some((None, format!("{REDACTED}{}:{}", data.issuer.as_str(), data.value)))
        }
    }
}

/// With its issuer, OpenAI's too: an item whose id is not OpenAI's holds no native state.
pub(super) fn tag(signature: &Signature) -> String {
    let stranger = if signature.issuer == HOME { Issuer::Anthropic } else { HOME };
    carrier::tag(signature, stranger)
}

/// The reverse of [`seal`]. State that names nobody known is lost.
pub(super) fn unseal(id: Option<&str>, encrypted: Option<&str>, text: String) -> ReasoningBlock {
    let Some(encrypted) = encrypted.filter(|text| !text.is_empty()) else {
        return ReasoningBlock::Thinking { text, signature: None };
    };
    if let Some(rest) = encrypted.strip_prefix(REDACTED) {
        let data = rest.split_once(':').and_then(|(issuer, value)| {
            Some(Signature { issuer: Issuer::by_name(issuer)?, value: value.to_owned() })
        });
        return match data {
            Some(data) => ReasoningBlock::Redacted { data },
            None => ReasoningBlock::Thinking { text, signature: None },
        };
    }
    let is_native = !encrypted.starts_with(TAGGED);
    let signature = carrier::untag(encrypted, HOME).map(|signature| match is_native {
        true => Signature { value: join(id, encrypted), ..signature },
        false => signature,
    });
    ReasoningBlock::Thinking { text, signature }
}

/// Items that are no reasoning hold state too (a compacted conversation): what a provider wrote gets its issuer in
/// front, unless that is OpenAI.
pub(super) fn stamp(item: &mut Value, issuer: Option<Issuer>) {
    let Some(issuer) = issuer.filter(|issuer| *issuer != HOME) else { return };
    if let Some(state) = item.get_mut("encrypted_content")
        && let Some(text) = state.as_str().filter(|text| !text.is_empty())
    {
        *state = carrier::tag(&Signature { issuer, value: text.to_owned() }, HOME).into();
    }
}

/// The reverse, for a provider that the item goes to. Another one could not read it, and the item is nothing without.
pub(super) fn unstamp(item: &mut Value, issuer: Option<Issuer>) -> Result<(), Refused> {
    let kind = item.get("type").and_then(Value::as_str).unwrap_or("item").to_owned();
    let Some(state) = item.get_mut("encrypted_content") else { return Ok(()) };
    let Some(text) = state.as_str().filter(|text| !text.is_empty()) else { return Ok(()) };
    match carrier::untag(text, HOME) {
        Some(signature) if Some(signature.issuer) == issuer => {
            *state = signature.value.into();
            Ok(())
        }
        _ => Err(Refused {
            field: "input[].encrypted_content".into(),
            message: format!(
                "an item of type `{kind}` is encrypted by another provider, and only that one can read it; \
                 send the messages that it stands for"
            ),
        }),
    }
}

/// Stamps every item of an answer, or of an event, that a client of this format gets as it is. `None` where there is
/// nothing to stamp.
pub(crate) fn stamp_answer(json: &str, issuer: Option<Issuer>) -> Option<String> {
    let issuer = issuer.filter(|issuer| *issuer != HOME)?;
    if !json.contains("\"encrypted_content\"") {
        return None;
    }
    let mut value: Value = serde_json::from_str(json).ok()?;
    if let Some(item) = value.get_mut("item") {
        stamp_native(item, issuer);
    }
    for path in ["/output", "/response/output"] {
        for item in value.pointer_mut(path).and_then(Value::as_array_mut).into_iter().flatten() {
            stamp_native(item, issuer);
        }
    }
    Some(value.to_string())
}

/// Reasoning needs its id back, whatever the client makes of it.
fn stamp_native(item: &mut Value, issuer: Issuer) {
    if item.get("type").is_none_or(|kind| kind != "reasoning") {
        return stamp(item, Some(issuer));
    }
    let signature = sign(item, Some(issuer));
    if let (Some(signature), Some(state)) = (signature, item.get_mut("encrypted_content")) {
        *state = tag(&signature).into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thinking(text: &str, issuer: Issuer, value: &str) -> ReasoningBlock {
        let signature = Some(Signature { issuer, value: value.into() });
        ReasoningBlock::Thinking { text: text.into(), signature }
    }

    #[test]
    fn state_comes_back_byte_exact() {
        let native = r#"{"id":"rs_1","encrypted_content":"gAA=/+"}"#;
        let mut blocks = vec![
            thinking("t", Issuer::OpenAI, native),
            thinking("", Issuer::OpenAI, r#"{"encrypted_content":"x"}"#),
            thinking("t", Issuer::OpenAI, "not ours"),
            thinking("t", Issuer::Azure, native),
        ];
        for issuer in Issuer::ALL {
            blocks.push(thinking("t", issuer, "sig:=="));
            blocks.push(ReasoningBlock::Redacted { data: Signature { issuer, value: "a:b".into() } });
        }
        for block in blocks {
            let (id, encrypted) = seal(&block).unwrap();
            let text = match &block {
                ReasoningBlock::Thinking { text, .. } => text.clone(),
                ReasoningBlock::Redacted { .. } => String::new(),
            };
            assert_eq!(unseal(id.as_deref(), Some(&encrypted), text), block, "{encrypted}");
        }
    }

    #[test]
    fn openai_items_stay_as_they_are() {
        let item = json!({"type": "reasoning", "id": "rs_1", "encrypted_content": "gAAA", "summary": []});
        let signature = sign(&item, Some(Issuer::OpenAI));
        let block = ReasoningBlock::Thinking { text: String::new(), signature };
        assert_eq!(seal(&block), Some((Some("rs_1".into()), "gAAA".into())));
    }

    #[test]
    fn a_tag_of_nobody_is_no_state() {
        for text in ["penstock:nobody:x", "penstock:redacted:nobody:x", "penstock:redacted:", ""] {
            let want = ReasoningBlock::Thinking { text: "t".into(), signature: None };
            assert_eq!(unseal(Some("rs_1"), Some(text), "t".into()), want);
        }
    }

    #[test]
    fn other_items_go_back_to_their_issuer_only() {
        for issuer in [Issuer::OpenAI, Issuer::Azure] {
            let mut item = json!({"type": "compaction", "id": "cmp_1", "encrypted_content": "gAAA"});
            let before = item.clone();
            stamp(&mut item, Some(issuer));
            assert!(unstamp(&mut item.clone(), Some(Issuer::Xai)).is_err());
            assert!(unstamp(&mut item.clone(), None).is_err());
            unstamp(&mut item, Some(issuer)).unwrap();
            assert_eq!(item, before);
        }
    }

    #[test]
    fn a_stamped_answer_comes_back_as_its_issuer_wrote_it() {
        let event = json!({
            "type": "response.completed",
            "response": {"output": [
                {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"},
                {"type": "compaction", "id": "cmp_1", "encrypted_content": "gBBB"},
                {"type": "message", "content": []},
            ]},
        });
        assert_eq!(stamp_answer(&event.to_string(), Some(Issuer::OpenAI)), None);
        assert_eq!(stamp_answer(&event.to_string(), None), None);
        assert_eq!(stamp_answer("{}", Some(Issuer::Xai)), None);
        let stamped: Value =
            serde_json::from_str(&stamp_answer(&event.to_string(), Some(Issuer::Xai)).unwrap()).unwrap();
        let output = &stamped["response"]["output"];
        let block = unseal(Some("dropped"), output[0]["encrypted_content"].as_str(), String::new());
        let signature = sign(&event["response"]["output"][0], Some(Issuer::Xai));
        assert_eq!(block, ReasoningBlock::Thinking { text: String::new(), signature });
        let mut compaction = output[1].clone();
        unstamp(&mut compaction, Some(Issuer::Xai)).unwrap();
        assert_eq!(compaction, event["response"]["output"][1]);
        let added = json!({"type": "response.output_item.added", "item": {"type": "reasoning", "encrypted_content": "x"}});
        let added = stamp_answer(&added.to_string(), Some(Issuer::Azure)).unwrap();
        assert!(added.contains("penstock:azure:"));
    }

    #[test]
    fn what_an_item_shows() {
        let part = |text: &str| json!({"type": "x", "text": text});
        let text =
            |summary: &[Value], content: &[Value]| text_of(&json!({"summary": summary, "content": content}));
        assert_eq!(text(&[part("a"), part(""), part("b")], &[part("c")]), "a\n\nb");
        assert_eq!(text(&[], &[part("c")]), "c");
        assert_eq!(text_of(&json!({"content": null})), "");
    }
}
