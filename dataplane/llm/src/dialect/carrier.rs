//! How opaque reasoning state travels through clients whose format has no place for it.
//!
//! A signature of Anthropic's stands in Anthropic's format as it is; any other one gets its issuer in front, so that
//! it finds its way back to it and to nobody else. Clients of OpenAI's chat format that keep nothing of a message but
//! what that format knows still keep the ids of tool calls: there the state of a turn that called tools rides along.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::message::{Issuer, Part, PartBody, ReasoningBlock, Signature};

const TAG: &str = "penstock:";
/// Between a call's own id and what rides on it. Letters, digits and `_` alone, as every provider takes them.
const SADDLE: &str = "__ps1_";
/// An id longer than this is nobody's: what would need one travels in the message alone.
const LONGEST_ID: usize = 64 << 10;

/// A signature as one text, with its issuer unless that is `home`, whose format the text stands in.
pub(super) fn tag(signature: &Signature, home: Issuer) -> String {
    let Signature { issuer, value } = signature;
    if *issuer == home { value.clone() } else { format!("{TAG}{}:{value}", issuer.as_str()) }
}

/// The reverse of [`tag`]. A tag that names nobody known is no signature.
pub(super) fn untag(text: &str, home: Issuer) -> Option<Signature> {
    match text.strip_prefix(TAG) {
        None => Some(Signature { issuer: home, value: text.to_owned() }),
        Some(rest) => {
            let (issuer, value) = rest.split_once(':')?;
            Some(Signature { issuer: Issuer::by_name(issuer)?, value: value.to_owned() })
        }
    }
}

/// What rides on the first tool call of a message.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Rider {
    /// Blocks of reasoning that stand before the calls, in order.
    pub blocks: Vec<ReasoningBlock>,
    /// The call's own signature.
    pub call: Option<Signature>,
}

impl Rider {
    pub fn is_empty(&self) -> bool {
        let is_signed =
            |block: &ReasoningBlock| !matches!(block, ReasoningBlock::Thinking { signature: None, .. });
        self.call.is_none() && !self.blocks.iter().any(is_signed)
    }
}

/// A tool call's id with what rides on it; the bare id where there is nothing, or too much.
pub(super) fn mount(id: &str, rider: &Rider) -> String {
    if rider.is_empty() {
        return id.to_owned();
    }
    let blocks: Vec<Value> = rider.blocks.iter().map(write_block).collect();
    let mut out = json!({});
    if let Value::Object(out) = &mut out {
        if !blocks.is_empty() {
            out.insert("b".into(), blocks.into());
        }
        if let Some(signature) = &rider.call {
            out.insert("c".into(), write_signature(signature));
        }
    }
    let mounted = format!("{id}{SADDLE}{}", URL_SAFE_NO_PAD.encode(out.to_string()));
    if mounted.len() > LONGEST_ID { id.to_owned() } else { mounted }
}

/// The bare id, and what rode on it.
pub(super) fn dismount(id: &str) -> (&str, Option<Rider>) {
    let Some((bare, load)) = id.split_once(SADDLE) else { return (id, None) };
    match read_rider(load) {
        Some(rider) => (bare, Some(rider)),
        // Not ours after all.
        None => (id, None),
    }
}

/// Takes what rides on the calls of one message off their ids. Signatures that a call had no other carrier for go to
/// the call; blocks of reasoning are given back.
pub(super) fn dismount_calls(parts: &mut [Part]) -> Vec<ReasoningBlock> {
    let mut blocks = Vec::new();
    for part in parts {
        let PartBody::ToolCall(call) = &mut part.body else { continue };
        let (id, rider) = dismount(&call.id);
        let Some(rider) = rider else { continue };
        call.id = id.to_owned();
        call.signature = call.signature.take().or(rider.call);
        if blocks.is_empty() {
            blocks = rider.blocks;
        }
    }
    blocks
}

fn read_rider(load: &str) -> Option<Rider> {
    let bytes = URL_SAFE_NO_PAD.decode(load).ok()?;
    let value: Value = serde_json::from_slice(&bytes).ok()?;
    let blocks = match value.get("b") {
        None => Vec::new(),
        Some(list) => list.as_array()?.iter().map(read_block).collect::<Option<_>>()?,
    };
    let call = match value.get("c") {
        None => None,
        Some(signature) => Some(read_signature(signature)?),
    };
    Some(Rider { blocks, call })
}

fn write_signature(signature: &Signature) -> Value {
    json!([signature.issuer.as_str(), signature.value])
}

fn read_signature(value: &Value) -> Option<Signature> {
    let [issuer, value] = value.as_array()?.as_slice() else { return None };
    Some(Signature { issuer: Issuer::by_name(issuer.as_str()?)?, value: value.as_str()?.to_owned() })
}

fn write_block(block: &ReasoningBlock) -> Value {
    match block {
        ReasoningBlock::Thinking { text, signature } => {
            json!({"t": text, "s": signature.as_ref().map(write_signature)})
        }
        ReasoningBlock::Redacted { data } => json!({"r": write_signature(data)}),
    }
}

fn read_block(value: &Value) -> Option<ReasoningBlock> {
    if let Some(data) = value.get("r") {
        return Some(ReasoningBlock::Redacted { data: read_signature(data)? });
    }
    let signature = match value.get("s")? {
        Value::Null => None,
        signature => Some(read_signature(signature)?),
    };
    Some(ReasoningBlock::Thinking { text: value.get("t")?.as_str()?.to_owned(), signature })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signature(issuer: Issuer, value: &str) -> Signature {
        Signature { issuer, value: value.into() }
    }

    #[test]
    fn tags_name_strangers_only() {
        for issuer in Issuer::ALL {
            let signed = signature(issuer, "AbC+/=:x");
            for home in Issuer::ALL {
                let text = tag(&signed, home);
                assert_eq!(text == "AbC+/=:x", issuer == home);
                assert_eq!(untag(&text, home), Some(signed.clone()));
            }
        }
        assert_eq!(untag("penstock:nobody:x", Issuer::Anthropic), None);
        assert_eq!(untag("penstock:", Issuer::Anthropic), None);
    }

    #[test]
    fn riders_come_back_byte_exact() {
        let rider = Rider {
            blocks: vec![
                ReasoningBlock::Thinking {
                    text: "é\n\"quoted\"".into(),
                    signature: Some(signature(Issuer::Anthropic, "sig==")),
                },
                ReasoningBlock::Redacted { data: signature(Issuer::Bedrock, "blob") },
                ReasoningBlock::Thinking { text: "plain".into(), signature: None },
            ],
            call: Some(signature(Issuer::Gemini, "gs")),
        };
        let mounted = mount("call_1", &rider);
        assert!(mounted.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)));
        assert_eq!(dismount(&mounted), ("call_1", Some(rider)));
    }

    #[test]
    fn what_does_not_ride_stays_as_it_is() {
        assert_eq!(mount("call_1", &Rider::default()), "call_1");
        let unsigned = ReasoningBlock::Thinking { text: "x".into(), signature: None };
        assert_eq!(mount("call_1", &Rider { blocks: vec![unsigned], call: None }), "call_1");
        let huge = Rider { blocks: vec![], call: Some(signature(Issuer::Gemini, &"x".repeat(LONGEST_ID))) };
        assert_eq!(mount("call_1", &huge), "call_1");
        for other in ["call_1", "toolu__ps1_", "a__ps1_!!", "a__ps1_e30x"] {
            assert_eq!(dismount(other), (other, None), "{other}");
        }
    }
}
