//! Signatures of requests, as Standard Webhooks has them:
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderName, HeaderValue};
use ring::hmac;

const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// Signs with one key.
pub struct Signer(hmac::Key);

impl Signer {
    pub fn new(key: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// The headers that go with this body. `id` tells this message from any other; `unix` is now, in seconds.
    pub fn headers(&self, id: &str, unix: u64, body: &[u8]) -> Option<[(HeaderName, HeaderValue); 3]> {
        let unix = unix.to_string();
        let mut signing = hmac::Context::with_key(&self.0);
        for piece in [id.as_bytes(), b".", unix.as_bytes(), b".", body] {
            signing.update(piece);
        }
        let signature = format!("v1,{}", STANDARD.encode(signing.sign()));
        Some([
            (ID, HeaderValue::from_str(id).ok()?),
            (TIMESTAMP, HeaderValue::from_str(&unix).ok()?),
            (SIGNATURE, HeaderValue::from_str(&signature).ok()?),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_as_others_do() {
        // By `openssl dgst -sha256 -mac HMAC`.
        let key =
            penstock_config::hook::signing_key("whsec_cGVuc3RvY2stc2lnbmluZy1rZXktMDEyMzQ1Njc4OQ==").unwrap();
        let headers =
            Signer::new(key.expose()).headers("msg_1", 1_700_000_000, br#"{"version":"v1"}"#).unwrap();
        let text: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        assert_eq!(
            text,
            [
                ("webhook-id", "msg_1"),
                ("webhook-timestamp", "1700000000"),
                ("webhook-signature", "v1,iQkGq/1qMYjEoldW/BWFyYNc5gBuT7t2cPvT4UZgmcA="),
            ]
        );
    }
}
