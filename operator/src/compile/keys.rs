//! One entry of a Secret as a key that a header can carry.

use std::fmt;

use penstock_config::Secret;
use penstock_crds::SecretKeyRef;
use penstock_crds::status::reason;
use serde_json::{Map, Value};

use super::{SecretState, Secrets};

/// Why a key cannot be used. Never says anything of its value.
pub(super) struct Unusable {
    pub reason: &'static str,
    /// Field of the reference that is to blame.
    pub field: &'static str,
    pub text: String,
}

/// The key that `reference` names.
pub(super) fn api_key(
    secrets: &Secrets,
    namespace: &str,
    reference: &SecretKeyRef,
) -> Result<Secret<String>, Unusable> {
    let SecretKeyRef { name, key } = reference;
    let value = entries(secrets, namespace, name)?.get(key).ok_or_else(|| no_entry(name, key))?;
    plain_entry(name, key, value)
}

/// An entry's value as a key.
pub(super) fn plain_entry(
    secret: &str,
    entry: &str,
    value: &Secret<Vec<u8>>,
) -> Result<Secret<String>, Unusable> {
    plain(value).map_err(|flaw| bad_entry(format!("entry `{entry}` of Secret `{secret}` {flaw}")))
}

pub(super) fn no_entry(secret: &str, entry: &str) -> Unusable {
    bad_entry(format!("Secret `{secret}` has no entry `{entry}`; add the entry or correct the name"))
}

fn bad_entry(text: String) -> Unusable {
    Unusable { reason: reason::SECRET_KEY_NOT_FOUND, field: "key", text }
}

/// The `type`s of credential files that proxies can use, as in Google's client libraries.
const GOOGLE_TYPES: [&str; 3] = ["service_account", "authorized_user", "external_account"];

/// The file of Google credentials that `reference` names, line breaks and all.
pub(super) fn google_credentials(
    secrets: &Secrets,
    namespace: &str,
    reference: &SecretKeyRef,
) -> Result<Secret<String>, Unusable> {
    let SecretKeyRef { name, key } = reference;
    let value = entries(secrets, namespace, name)?.get(key).ok_or_else(|| no_entry(name, key))?;
    let text = std::str::from_utf8(value.expose()).unwrap_or_default().trim();
    let document: Option<Map<String, Value>> = serde_json::from_str(text).ok();
    let flaw = match document.as_ref().map(|members| members.get("type").and_then(Value::as_str)) {
        Some(Some(known)) if GOOGLE_TYPES.contains(&known) => return Ok(Secret::new(text.to_owned())),
        Some(_) => format!("is JSON whose `type` is none of {}", GOOGLE_TYPES.join(", ")),
        None => "is not a JSON object".to_owned(),
    };
    Err(bad_entry(format!(
        "entry `{key}` of Secret `{name}` {flaw}; put the file of the service account's key there as it was downloaded"
    )))
}

/// The secret that `reference` names, as requests to hooks are signed with it.
pub(super) fn signing_secret(
    secrets: &Secrets,
    namespace: &str,
    reference: &SecretKeyRef,
) -> Result<Secret<String>, Unusable> {
    let SecretKeyRef { name, key } = reference;
    let secret = api_key(secrets, namespace, reference)?;
    penstock_config::hook::signing_key(secret.expose()).map_err(|flaw| {
        bad_entry(format!(
            "entry `{key}` of Secret `{name}` {flaw}; put 24 to 64 random bytes there, as base64 behind `whsec_`"
        ))
    })?;
    Ok(secret)
}

/// The entries of a Secret.
pub(super) fn entries<'a>(
    secrets: &'a Secrets,
    namespace: &str,
    name: &str,
) -> Result<&'a std::collections::BTreeMap<String, Secret<Vec<u8>>>, Unusable> {
    let unusable = |reason, text| Unusable { reason, field: "name", text };
    match secrets.get(&(namespace.to_owned(), name.to_owned())).unwrap_or(&SecretState::Missing) {
        SecretState::Present(entries) => Ok(entries),
        SecretState::Missing => Err(unusable(
            reason::SECRET_NOT_FOUND,
            format!("no Secret `{name}` in namespace `{namespace}`; create it or correct the name"),
        )),
        SecretState::Forbidden(why) => Err(unusable(
            reason::SECRET_FORBIDDEN,
            format!("the operator may not read Secret `{name}` in namespace `{namespace}`: {why}"),
        )),
        SecretState::Pending => Err(unusable(
            reason::PENDING,
            format!("Secret `{name}` in namespace `{namespace}` is still being read; wait"),
        )),
    }
}

/// What keeps a value from being a key.
#[derive(Debug, PartialEq)]
pub(super) enum Flaw {
    Empty,
    NotPlain,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "is empty; put the key there",
            Self::NotPlain => {
                "holds characters that no header may carry (control characters, line breaks or non-ASCII); put the key there as plain text"
            }
        })
    }
}

/// The value without the whitespace around it: files and editors end with a newline, keys do not.
pub(super) fn plain(value: &Secret<Vec<u8>>) -> Result<Secret<String>, Flaw> {
    let trimmed = value.expose().trim_ascii();
    if trimmed.is_empty() {
        return Err(Flaw::Empty);
    }
    let text = std::str::from_utf8(trimmed).map_err(|_| Flaw::NotPlain)?;
    if text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        Ok(Secret::new(text.to_owned()))
    } else {
        Err(Flaw::NotPlain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<String, Flaw> {
        plain(&Secret::new(bytes.to_vec())).map(|key| key.expose().clone())
    }

    #[test]
    fn whitespace_around_a_key_is_not_part_of_it() {
        assert_eq!(read(b"  sk-1\r\n"), Ok("sk-1".into()));
    }

    #[test]
    fn what_no_header_can_carry_is_refused() {
        assert_eq!(read(b" \n"), Err(Flaw::Empty));
        assert_eq!(read(b"sk\n1"), Err(Flaw::NotPlain));
        assert_eq!(read("schlüssel".as_bytes()), Err(Flaw::NotPlain));
        assert_eq!(read(&[0xff, 0xfe]), Err(Flaw::NotPlain));
    }
}
