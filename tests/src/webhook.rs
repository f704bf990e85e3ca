//! The other side of Standard Webhooks: is a request signed with this secret? Written here by itself, so that a mistake
//! of the proxy is not made twice.

use crate::replay::SeenRequest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

/// HMAC-SHA256 as RFC 2104 has it, for a key that is no longer than a block.
fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let pad = |byte: u8| {
        let mut block = [byte; 64];
        block.iter_mut().zip(key).for_each(|(pad, key)| *pad ^= key);
        block
    };
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().into()
}

/// # Panics
/// When the secret is none.
pub fn is_signed_with(seen: &SeenRequest, secret: &str) -> bool {
    let key = STANDARD.decode(secret.trim_start_matches("whsec_")).expect("base64");
    let (id, at) = (seen.header("webhook-id"), seen.header("webhook-timestamp"));
    let message = [id.as_bytes(), b".", at.as_bytes(), b".", &seen.body].concat();
    seen.header("webhook-signature") == format!("v1,{}", STANDARD.encode(hmac(&key, &message)))
}
