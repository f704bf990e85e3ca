//! How signed reasoning travels through a format that has no place for it.
//!
//! An answer carries its blocks, whole and in order, in `reasoning_details` beside the readable
//! `reasoning_content`. A client that sends the assistant message back as it was brings them back byte-exact.
//! OpenRouter has its own entries in the same list: they stay as they are, and go back to OpenRouter alone.

use serde_json::{Map, Value, json};

use crate::dialect::carrier;
use crate::message::{Issuer, ReasoningBlock, Signature};

/// The entries of a block; none for text without a signature, which is in `reasoning_content` already.
/// `index`, of the first of them, lets the official SDKs' delta accumulation join lists.
pub(super) fn write_details(block: &ReasoningBlock, index: usize) -> Vec<Value> {
    match block {
        ReasoningBlock::Thinking { text, signature } => {
            let entry = signature.as_ref().map(|signature| {
                let signature = carrier::tag(signature, Issuer::Anthropic);
                json!({"type": "thinking", "thinking": text, "signature": signature, "index": index})
            });
            entry.into_iter().collect()
        }
        ReasoningBlock::Redacted { data } => own_entries(data).unwrap_or_else(|| {
            let data = carrier::tag(data, Issuer::Anthropic);
            vec![json!({"type": "redacted_thinking", "data": data, "index": index})]
        }),
    }
}

/// OpenRouter's entries, as it wrote them.
pub(super) fn own_entries(data: &Signature) -> Option<Vec<Value>> {
    match serde_json::from_str(&data.value) {
        Ok(Value::Array(entries)) if data.issuer == Issuer::OpenRouter => Some(entries),
        _ => None,
    }
}

/// `None` where the list is not one that we wrote.
pub(super) fn read_details(value: &Value) -> Option<Vec<ReasoningBlock>> {
    value.as_array()?.iter().map(read_detail).collect()
}

/// Claude's thoughts as Snowflake writes them; `None` where the list holds anything else.
pub(super) fn read_claude(entries: &[Value]) -> Option<Vec<ReasoningBlock>> {
    let block = |entry: &Value| {
        let text = entry.get("text").and_then(Value::as_str).unwrap_or_default().to_owned();
        is_readable(entry).then(|| ReasoningBlock::Thinking { text, signature: claude_signature(entry) })
    };
    entries.iter().map(block).collect::<Option<Vec<_>>>().filter(|blocks| !blocks.is_empty())
}

fn is_readable(entry: &Value) -> bool {
    entry.get("type").is_some_and(|kind| kind == "reasoning.text")
}

/// The signature in such an entry, or in the piece of one that ends it.
pub(super) fn claude_signature(entry: &Value) -> Option<Signature> {
    let value = entry.get("signature")?.as_str().filter(|text| is_readable(entry) && !text.is_empty())?;
    Some(Signature { issuer: Issuer::Anthropic, value: value.to_owned() })
}

/// The entry again, for a server that writes Claude's thoughts so. `index` is its place in the list.
pub(super) fn write_claude(text: &str, signature: &Signature, index: usize) -> Value {
    json!({
        "type": "reasoning.text", "text": text, "signature": signature.value, "format": "anthropic-claude-v1",
        "index": index,
    })
}

/// The text of a gateway's own entries, one after the other.
pub(super) fn readable(entries: &[Value]) -> Option<String> {
    let text = |entry: &Value| {
        let name = match entry.get("type")?.as_str()? {
            "reasoning.text" => "text",
            "reasoning.summary" => "summary",
            _ => return None,
        };
        entry.get(name)?.as_str().map(str::to_owned)
    };
    let text: String = entries.iter().filter_map(text).collect();
    (!text.is_empty()).then_some(text)
}

fn read_detail(value: &Value) -> Option<ReasoningBlock> {
    let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    match value.get("type")?.as_str()? {
        "thinking" => {
            let signature = match text("signature") {
                Some(signature) => Some(carrier::untag(&signature, Issuer::Anthropic)?),
                None => None,
            };
            Some(ReasoningBlock::Thinking { text: text("thinking")?, signature })
        }
        "redacted_thinking" => {
            Some(ReasoningBlock::Redacted { data: carrier::untag(&text("data")?, Issuer::Anthropic)? })
        }
        _ => None,
    }
}

/// OpenRouter's entries of one answer, joined from the pieces of a stream. Source:
/// <https://openrouter.ai/docs/use-cases/reasoning-tokens>, "Preserving reasoning blocks".
#[derive(Debug, Default)]
pub(super) struct Entries(Vec<Map<String, Value>>);

impl Entries {
    /// Those of a complete answer.
    pub fn of(list: &[Value]) -> Self {
        Self(list.iter().filter_map(Value::as_object).cloned().collect())
    }

    /// A piece goes on with the entry before it where type and index are the same: texts grow, other members are set.
    pub fn add(&mut self, piece: &Value) {
        let Some(piece) = piece.as_object() else { return };
        let is_same = |last: &&mut Map<String, Value>| {
            let same = |name: &str| last.get(name) == piece.get(name);
            same("type")
                && same("index")
                && piece.get("type").is_some_and(|kind| kind != "reasoning.encrypted")
        };
        let Some(last) = self.0.last_mut().filter(is_same) else { return self.0.push(piece.clone()) };
        for (name, value) in piece {
            match (last.get_mut(name), value) {
                (Some(Value::String(text)), Value::String(more))
                    if matches!(name.as_str(), "text" | "summary") =>
                {
                    text.push_str(more);
                }
                (Some(_), Value::Null) => {}
                _ => drop(last.insert(name.clone(), value.clone())),
            }
        }
    }

    /// The list so far, where it says more than the readable text does.
    pub fn take(&mut self) -> Option<Signature> {
        let entries = std::mem::take(&mut self.0);
        let is_opaque = |entry: &Map<String, Value>| {
            let has = |name: &str| entry.get(name).is_some_and(|value| !value.is_null());
            has("signature") || has("data")
        };
        if !entries.iter().any(is_opaque) {
            return None;
        }
        let entries: Vec<Value> = entries.into_iter().map(Value::from).collect();
        Some(Signature { issuer: Issuer::OpenRouter, value: Value::from(entries).to_string() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_among_states() {
        let entries = [
            json!({"type": "reasoning.encrypted", "data": "a"}),
            json!({"type": "reasoning.summary", "summary": "First. "}),
            json!({"type": "reasoning.text", "text": "Second.", "signature": "s"}),
            // Ours repeats what was readable already.
            json!({"type": "thinking", "thinking": "First. ", "signature": "s"}),
        ];
        assert_eq!(readable(&entries).as_deref(), Some("First. Second."));
        assert_eq!(readable(&entries[..1]), None);
    }

    #[test]
    fn pieces_join() {
        let mut entries = Entries::default();
        for piece in [
            json!({"type": "reasoning.text", "text": "I th", "index": 0, "signature": null}),
            json!({"type": "reasoning.text", "text": "ink", "index": 0}),
            json!({"type": "reasoning.text", "index": 0, "signature": "s"}),
            json!({"type": "reasoning.encrypted", "data": "a", "index": 1}),
            json!({"type": "reasoning.encrypted", "data": "b", "index": 1}),
        ] {
            entries.add(&piece);
        }
        let taken = entries.take().unwrap();
        assert_eq!(
            own_entries(&taken).unwrap(),
            [
                json!({"type": "reasoning.text", "text": "I think", "index": 0, "signature": "s"}),
                json!({"type": "reasoning.encrypted", "data": "a", "index": 1}),
                json!({"type": "reasoning.encrypted", "data": "b", "index": 1}),
            ]
        );
        entries.add(&json!({"type": "reasoning.text", "text": "plain", "index": 0}));
        assert_eq!(entries.take(), None);
    }
}
