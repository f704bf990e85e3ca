//! Opaque reasoning state as Bedrock carries it.
//!
//! `redactedContent` is a blob, base64 in JSON. What Claude encrypts is text already: Bedrock's blob is that text's
//! bytes, and the text is what Anthropic's own API has as `redacted_thinking.data` and takes back from here.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::dialect::carrier;
use crate::message::{Issuer, Signature};

/// In front of Claude's bytes that are no text, which stay base64: no base64 text begins so.
const RAW: &str = "base64:";

/// What a blob of this issuer says; `None` for one that is not base64, or tagged with nobody known.
pub(super) fn read(blob: &str, issuer: Option<Issuer>) -> Option<Signature> {
    let issuer = issuer.unwrap_or(Issuer::Bedrock);
    let bytes = STANDARD.decode(blob).ok()?;
    if issuer != Issuer::Anthropic {
        return Some(Signature { issuer, value: blob.to_owned() });
    }
    match String::from_utf8(bytes) {
        Ok(text) => carrier::untag(&text, issuer),
        Err(_) => Some(Signature { issuer, value: format!("{RAW}{blob}") }),
    }
}

/// The reverse of [`read`]; signatures of other issuers travel tagged.
pub(super) fn write(signature: &Signature) -> String {
    match signature.value.strip_prefix(RAW) {
        Some(blob) if signature.issuer == Issuer::Anthropic => blob.to_owned(),
        _ => STANDARD.encode(carrier::tag(signature, Issuer::Anthropic)),
    }
}

/// For the issuer itself.
pub(super) fn write_own(signature: &Signature) -> String {
    if signature.issuer == Issuer::Anthropic { write(signature) } else { signature.value.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blobs_come_back_byte_exact() {
        for (bytes, issuer, value) in [
            (&b"EtkECkgI=="[..], Issuer::Anthropic, "EtkECkgI=="),
            (&[0xff, 0x00], Issuer::Anthropic, "base64:/wA="),
            (b"x", Issuer::Bedrock, "eA=="),
        ] {
            let blob = STANDARD.encode(bytes);
            let signature = read(&blob, Some(issuer)).unwrap();
            assert_eq!(signature, Signature { issuer, value: value.into() });
            assert_eq!(write_own(&signature), blob);
        }
    }

    #[test]
    fn strangers_travel_through_a_client() {
        for issuer in Issuer::ALL {
            let signature = Signature { issuer, value: "sig".into() };
            assert_eq!(read(&write(&signature), Some(Issuer::Anthropic)), Some(signature));
        }
        assert_eq!(read("%", Some(Issuer::Anthropic)), None);
    }
}
