//! Who may call: the Secret of client keys, hashed.

use penstock_config::{ClientAuth, ClientKey, hash_client_key};

use super::{ClientAuthSource, Secrets, keys};

/// What the proxies check, and what is wrong with the Secret. Never opens by mistake: without a usable key, every
/// caller is refused.
pub(super) fn compile(source: &ClientAuthSource, secrets: &Secrets) -> (ClientAuth, Option<String>) {
    let ClientAuthSource::Secret { namespace, name } = source else { return (ClientAuth::Open, None) };
    let closed = |problem: String| (ClientAuth::Keys { keys: vec![] }, Some(problem));
    let entries = match keys::entries(secrets, namespace, name) {
        Ok(entries) => entries,
        Err(unusable) => {
            return closed(format!("client keys: {}; until then every caller is refused", unusable.text));
        }
    };
    if entries.is_empty() {
        return closed(format!(
            "client keys: Secret `{namespace}/{name}` has no entries, so every caller is refused; add one entry for each client"
        ));
    }
    let mut accepted = Vec::new();
    let mut flaws = Vec::new();
    for (entry, value) in entries {
        match keys::plain(value) {
            Ok(key) => {
                accepted.push(ClientKey { name: entry.clone(), sha256: hash_client_key(key.expose()) });
            }
            Err(flaw) => flaws.push(format!("entry `{entry}` {flaw}")),
        }
    }
    let problem = (!flaws.is_empty())
        .then(|| format!("client keys: Secret `{namespace}/{name}`: {}", flaws.join("; ")));
    (ClientAuth::Keys { keys: accepted }, problem)
}
