//! Opaque reasoning state in `thoughtSignature`.
//!
//! A signature of AI Studio stands there as it is. The SDKs read the member as base64, so any other one, which has
//! its issuer in front, is base64 of that text. The SDKs may write base64 in either alphabet.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use serde_json::Value;

use crate::dialect::carrier;
use crate::message::{Issuer, PartBody, ReasoningBlock, Signature};

/// Whose signatures the format itself holds.
const HOME: Issuer = Issuer::Gemini;
/// Base64 of `penstock:`, which ends at a whole group.
pub(super) const MARK: &str = "cGVuc3RvY2s6";
/// Marks a block that is encrypted as a whole, behind [`MARK`].
const REDACTED: &str = "redacted:";

/// What Gemini 3 takes in place of a signature that nobody has: a call that another model made, or the client.
/// Source: <https://ai.google.dev/gemini-api/docs/thought-signatures>, FAQ. Last resort: it may think less well.
pub(super) const NONE_AT_HAND: &str = "skip_thought_signature_validator";

pub(super) fn write(signature: &Signature) -> String {
    if signature.issuer == HOME { signature.value.clone() } else { wrap("", signature) }
}

pub(super) fn write_redacted(data: &Signature) -> String {
    wrap(REDACTED, data)
}

fn wrap(kind: &str, signature: &Signature) -> String {
    let Signature { issuer, value } = signature;
    STANDARD.encode(format!("penstock:{kind}{}:{value}", issuer.as_str()))
}

/// The block that a signature belongs to, with this text. `None` for one that only looks like ours.
pub(super) fn read_block(signature: &str, text: String) -> Option<ReasoningBlock> {
    if !signature.starts_with(MARK) {
        let signature = Signature { issuer: HOME, value: signature.to_owned() };
        return Some(ReasoningBlock::Thinking { text, signature: Some(signature) });
    }
    let fit = |c| match c {
        '-' => '+',
        '_' => '/',
        c => c,
    };
    let standard: String = signature.trim_end_matches('=').chars().map(fit).collect();
    let inner = String::from_utf8(STANDARD_NO_PAD.decode(standard).ok()?).ok()?;
    let tagged = inner.strip_prefix("penstock:")?;
    Some(match tagged.strip_prefix(REDACTED) {
        Some(rest) => ReasoningBlock::Redacted { data: untag(rest)? },
        None => ReasoningBlock::Thinking { text, signature: Some(untag(tagged)?) },
    })
}

fn untag(rest: &str) -> Option<Signature> {
    carrier::untag(&format!("penstock:{rest}"), HOME)
}

/// A signature that is no block's: of a call, or inside a part that only this format has.
pub(super) fn read(signature: &str) -> Option<Signature> {
    match read_block(signature, String::new())? {
        ReasoningBlock::Thinking { signature, .. } => signature,
        ReasoningBlock::Redacted { .. } => None,
    }
}

/// What a provider put there. One with an issuer in front comes from another Penstock, which says whose it is.
pub(super) fn from_provider(text: &str, issuer: Option<Issuer>) -> Option<ReasoningBlock> {
    if text.starts_with(MARK) {
        return read_block(text, String::new());
    }
    let signature = Signature { issuer: issuer?, value: text.to_owned() };
    Some(ReasoningBlock::Thinking { text: String::new(), signature: Some(signature) })
}

/// Writes the issuer into a part that only this format has, as [`write`] does.
pub(super) fn stamp(part: &mut Value, issuer: Option<Issuer>) {
    let Some(Value::String(text)) = part.get_mut("thoughtSignature") else { return };
    if let Some(issuer) = issuer.filter(|_| !text.starts_with(MARK)) {
        *text = write(&Signature { issuer, value: std::mem::take(text) });
    }
}

/// Makes a stamped part fit for this reader; `false` when it lost its signature, which another issued.
pub(super) fn unstamp(part: &mut Value, reader: Option<Issuer>) -> bool {
    let Value::Object(members) = part else { return true };
    let Some(Value::String(text)) = members.get_mut("thoughtSignature") else { return true };
    match read(text).filter(|signature| Some(signature.issuer) == reader) {
        Some(signature) => {
            *text = signature.value;
            true
        }
        None => {
            members.shift_remove("thoughtSignature");
            false
        }
    }
}

/// The signature of a block without text of its own: it belongs to the part before it.
pub(super) fn of_bare_block(body: &PartBody) -> Option<&Signature> {
    match body {
        PartBody::Reasoning(ReasoningBlock::Thinking { text, signature }) if text.is_empty() => {
            signature.as_ref()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_issuers_signature_comes_back_byte_exact() {
        for issuer in Issuer::ALL {
            let signature = Signature { issuer, value: "Ab+/é?>=:x==".into() };
            let written = write(&signature);
            assert_eq!(written == signature.value, issuer == Issuer::Gemini);
            assert_eq!(read(&written), Some(signature.clone()));
            if issuer != Issuer::Gemini {
                let urlsafe = written.replace('+', "-").replace('/', "_").trim_end_matches('=').to_owned();
                assert_eq!(read(&urlsafe), Some(signature.clone()));
            }
            let data = write_redacted(&signature);
            assert_eq!(read_block(&data, String::new()), Some(ReasoningBlock::Redacted { data: signature }));
            assert_eq!(read(&data), None);
        }
    }

    #[test]
    fn what_only_looks_like_ours_is_nothing() {
        for bad in [MARK.to_owned(), format!("{MARK}!"), STANDARD.encode("penstock:nobody:x")] {
            assert_eq!(read(&bad), None, "{bad}");
        }
    }

    #[test]
    fn parts_of_the_format_go_back_to_their_issuer() {
        let part = json!({"executableCode": {"code": "1"}, "thoughtSignature": "s"});
        for (issuer, reader, is_kept) in [
            (Issuer::Vertex, Issuer::Vertex, true),
            (Issuer::Gemini, Issuer::Gemini, true),
            (Issuer::Vertex, Issuer::Gemini, false),
            (Issuer::Gemini, Issuer::Vertex, false),
        ] {
            let mut stamped = part.clone();
            stamp(&mut stamped, Some(issuer));
            assert_eq!(unstamp(&mut stamped, Some(reader)), is_kept);
            assert_eq!(stamped.get("thoughtSignature").is_some(), is_kept);
            assert!(!is_kept || stamped == part);
        }
    }
}
