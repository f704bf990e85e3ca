//! Where the signatures of tool calls stand: Google's `extra_content` on the call, and what rides on the call's id.
//!
//! `extra_content.penstock.issuer` is ours: Google's own servers do not say which of them signed.

use serde_json::{Map, Value, json};

use crate::dialect::carrier::{Rider, mount};
use crate::message::{Issuer, ReasoningBlock, Signature, ToolCall};

/// The signature in an `extra_content`. `home` signed it where it does not say.
pub(super) fn in_extra_content(extra: &Value, home: Option<Issuer>) -> Option<Signature> {
    let value = extra.get("google")?.get("thought_signature")?.as_str().filter(|text| !text.is_empty())?;
    let issuer = match extra.get("penstock").and_then(|it| it.get("issuer")) {
        Some(name) => Issuer::by_name(name.as_str()?),
        None => home,
    }?;
    Some(Signature { issuer, value: value.to_owned() })
}

/// What an `extra_content` holds beside the signature; `None` where that is nothing.
pub(super) fn rest_of_extra_content(extra: Value) -> Option<Value> {
    let Value::Object(mut members) = extra else { return Some(extra) };
    members.shift_remove("penstock");
    if let Some(Value::Object(google)) = members.get_mut("google") {
        google.shift_remove("thought_signature");
        // That the signed part was a thought: the signature says so itself.
        google.shift_remove("thought");
        if google.is_empty() {
            members.shift_remove("google");
        }
    }
    (!members.is_empty()).then_some(Value::Object(members))
}

/// For the provider that signed it.
pub(super) fn extra_content(signature: &Signature) -> Value {
    json!({"google": {"thought_signature": signature.value}})
}

/// The same for a client, which shall bring the issuer's name back.
pub(super) fn carried_extra_content(signature: &Signature) -> Value {
    json!({
        "google": {"thought_signature": signature.value},
        "penstock": {"issuer": signature.issuer.as_str()},
    })
}

/// The issuer whose signatures a provider of this format reads and writes in `extra_content`.
pub(super) fn google(issuer: Option<Issuer>) -> Option<Issuer> {
    issuer.filter(|issuer| matches!(issuer, Issuer::Gemini | Issuer::Vertex))
}

/// The reasoning that rides on the first tool call of an answer.
#[derive(Debug, Default)]
pub(super) struct Passengers {
    blocks: Vec<ReasoningBlock>,
    has_left: bool,
}

impl Passengers {
    /// A block before the first call. Text that nobody signed needs no carrier.
    pub fn add(&mut self, block: &ReasoningBlock) {
        let is_signed = !matches!(block, ReasoningBlock::Thinking { signature: None, .. });
        if is_signed && !self.has_left {
            self.blocks.push(block.clone());
        }
    }

    /// The id of a call towards the client.
    pub fn mount(&mut self, id: &str, signature: Option<&Signature>) -> String {
        self.has_left = true;
        mount(id, &Rider { blocks: std::mem::take(&mut self.blocks), call: signature.cloned() })
    }
}

/// Members of a call for a client.
pub(super) fn carry_call(call: &ToolCall, passengers: &mut Passengers) -> Map<String, Value> {
    let ToolCall { id, name, arguments, signature } = call;
    let mut out = Map::new();
    out.insert("id".into(), passengers.mount(id, signature.as_ref()).into());
    out.insert("type".into(), "function".into());
    out.insert("function".into(), json!({"name": name, "arguments": arguments}));
    if let Some(signature) = signature {
        out.insert("extra_content".into(), carried_extra_content(signature));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn issuers_of_extra_content() {
        let bare = json!({"google": {"thought_signature": "s"}});
        let of = |issuer| Some(Signature { issuer, value: "s".into() });
        assert_eq!(in_extra_content(&bare, Some(Issuer::Vertex)), of(Issuer::Vertex));
        assert_eq!(in_extra_content(&bare, None), None);
        let carried = carried_extra_content(&of(Issuer::Vertex).unwrap());
        assert_eq!(in_extra_content(&carried, Some(Issuer::Gemini)), of(Issuer::Vertex));
        let nobody = json!({"google": {"thought_signature": "s"}, "penstock": {"issuer": "nobody"}});
        assert_eq!(in_extra_content(&nobody, Some(Issuer::Gemini)), None);
        assert_eq!(rest_of_extra_content(carried), None);
        assert_eq!(
            rest_of_extra_content(json!({"google": {"thought": true, "x": 1}})),
            Some(json!({"google": {"x": 1}}))
        );
    }
}
