//! How signed reasoning travels through a format that has no place for it.
//!
//! An answer carries its blocks, whole and in order, in `reasoning_details` beside the readable
//! `reasoning_content`. A client that sends the assistant message back as it was brings them back byte-exact.

use serde_json::{Value, json};

use crate::dialect::carrier;
use crate::message::{Issuer, ReasoningBlock};

/// The entry of a block; `None` for text without a signature, which is in `reasoning_content` already.
/// `index` lets the official SDKs' delta accumulation join lists.
pub(super) fn write_detail(block: &ReasoningBlock, index: usize) -> Option<Value> {
    match block {
        ReasoningBlock::Thinking { text, signature } => signature.as_ref().map(|signature| {
            let signature = carrier::tag(signature, Issuer::Anthropic);
            json!({"type": "thinking", "thinking": text, "signature": signature, "index": index})
        }),
        ReasoningBlock::Redacted { data } => {
            let data = carrier::tag(data, Issuer::Anthropic);
            Some(json!({"type": "redacted_thinking", "data": data, "index": index}))
        }
    }
}

/// `None` where the list is not one that we wrote.
pub(super) fn read_details(value: &Value) -> Option<Vec<ReasoningBlock>> {
    value.as_array()?.iter().map(read_detail).collect()
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
