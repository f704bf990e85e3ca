//! Who may call: client keys, hashed in memory, compared in constant time.

use http::HeaderMap;
use penstock_config::ClientAuth;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

/// The callers that a configuration admits.
#[derive(Debug)]
pub enum Callers {
    Open,
    Keys(Vec<[u8; 32]>),
}

impl Callers {
    /// `None` when a hash is not 64 hex digits.
    pub fn from_config(auth: &ClientAuth) -> Option<Self> {
        match auth {
            ClientAuth::Open => Some(Self::Open),
            ClientAuth::Keys { keys } => {
                keys.iter().map(|key| parse_hash(&key.sha256)).collect::<Option<Vec<_>>>().map(Self::Keys)
            }
        }
    }

    pub fn admit(&self, headers: &HeaderMap) -> bool {
        let keys = match self {
            Self::Open => return true,
            Self::Keys(keys) => keys,
        };
        // Every key is compared, so that the time does not tell which one was close.
        let found = presented_keys(headers).fold(Choice::from(0), |found, presented| {
            let hash: [u8; 32] = Sha256::digest(presented).into();
            keys.iter().fold(found, |found, key| found | key.ct_eq(&hash))
        });
        found.into()
    }
}

/// The keys of `Authorization: Bearer` (OpenAI's SDKs), `x-api-key` (Anthropic's) and `x-goog-api-key` (Google's). Some clients send both, one of
/// them a leftover from their environment.
fn presented_keys(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let bearer = headers.get(http::header::AUTHORIZATION).and_then(|value| {
        let (scheme, key) = value.as_bytes().split_at_checked(7)?;
        scheme.eq_ignore_ascii_case(b"bearer ").then_some(key)
    });
    let plain = |name| headers.get(name).map(|value| value.as_bytes());
    [bearer, plain("x-api-key"), plain("x-goog-api-key")].into_iter().flatten().map(<[u8]>::trim_ascii)
}

fn parse_hash(hex: &str) -> Option<[u8; 32]> {
    let mut out = [0; 32];
    if hex.len() != 64 || !hex.is_ascii() {
        return None;
    }
    for (byte, pair) in out.iter_mut().zip(hex.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use penstock_config::{ClientKey, hash_client_key};

    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(http::HeaderName::from_static(name), value.parse().unwrap())])
    }

    #[test]
    fn both_sdks_keys_are_admitted_and_nothing_else() {
        let keys = ["team-a-key", "team-b-key"]
            .map(|key| ClientKey { name: key.into(), sha256: hash_client_key(key) })
            .to_vec();
        let callers = Callers::from_config(&ClientAuth::Keys { keys }).unwrap();
        assert!(callers.admit(&headers("authorization", "Bearer team-a-key")));
        assert!(callers.admit(&headers("authorization", "bearer  team-b-key")));
        assert!(callers.admit(&headers("x-api-key", "team-b-key")));
        let mut both = headers("authorization", "Bearer leftover");
        both.insert("x-api-key", "team-a-key".parse().unwrap());
        assert!(callers.admit(&both));
        for (name, value) in [
            ("authorization", "Bearer team-a-ke"),
            ("authorization", "Basic team-a-key"),
            ("authorization", "Bearer "),
            ("x-api-key", ""),
            ("x-other", "team-a-key"),
        ] {
            assert!(!callers.admit(&headers(name, value)), "{name}: {value}");
        }
    }

    #[test]
    fn no_keys_means_closed() {
        let callers = Callers::from_config(&ClientAuth::Keys { keys: vec![] }).unwrap();
        assert!(!callers.admit(&headers("x-api-key", "anything")));
    }

    #[test]
    fn a_broken_hash_refuses_the_configuration() {
        let keys = vec![ClientKey { name: "a".into(), sha256: "zz".into() }];
        assert!(Callers::from_config(&ClientAuth::Keys { keys }).is_none());
    }
}
