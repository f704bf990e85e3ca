//! The credentials of one provider, out of the Secrets that it names.

use penstock_config as config;
use penstock_config::Secret;
use penstock_crds as crds;

use super::keys::{self, Unusable};
use super::pool::Problems;
use super::{Problem, Secrets};

/// Entries of a Secret with AWS access keys, and the members that the proxy reads them from.
const AWS_ENTRIES: [(&str, &str, bool); 3] = [
    ("access-key-id", "accessKeyId", true),
    ("secret-access-key", "secretAccessKey", true),
    ("session-token", "sessionToken", false),
];

/// Where credentials come from, and what is wrong with them.
pub(super) struct Wallet<'a> {
    pub namespace: &'a str,
    /// Of `auth`.
    pub path: String,
    /// What the provider contributed last: a credential that cannot be read keeps its last value.
    pub last: Option<&'a config::Provider>,
    pub secrets: &'a Secrets,
    pub problems: &'a mut Problems,
}

impl Wallet<'_> {
    /// `None` where the pod's own identity is the credential; an empty list where none can be used.
    pub fn credentials(&mut self, auth: &crds::Auth) -> Option<Vec<config::ApiKey>> {
        let crds::Auth { api_keys, aws, google, azure: _ } = auth;
        if let Some(api_keys) = api_keys {
            let keys = api_keys.iter().enumerate();
            return Some(keys.filter_map(|(i, key)| self.api_key(i, key)).collect());
        }
        if let Some(secret) = aws.as_ref().and_then(|aws| aws.secret_ref.as_ref()) {
            let path = format!("{}.aws.secretRef", self.path);
            let found = aws_keys(self.secrets, self.namespace, &secret.name);
            return Some(self.keep(secret.name.clone(), 1, &path, found).into_iter().collect());
        }
        if let Some(secret) = google.as_ref().and_then(|google| google.secret_ref.as_ref()) {
            let path = format!("{}.google.secretRef", self.path);
            let found = keys::google_credentials(self.secrets, self.namespace, secret);
            return Some(self.keep(id_of(secret), 1, &path, found).into_iter().collect());
        }
        None
    }

    fn api_key(&mut self, index: usize, spec: &crds::ApiKey) -> Option<config::ApiKey> {
        let crds::ApiKey { secret_ref, weight } = spec;
        let path = format!("{}.apiKeys[{index}].secretRef", self.path);
        let found = keys::api_key(self.secrets, self.namespace, secret_ref);
        self.keep(id_of(secret_ref), *weight, &path, found)
    }

    /// A credential that cannot be read keeps its last value, when there is one.
    fn keep(
        &mut self,
        id: String,
        weight: u32,
        path: &str,
        found: Result<Secret<String>, Unusable>,
    ) -> Option<config::ApiKey> {
        let value = match found {
            Ok(value) => Some(value),
            Err(Unusable { reason, field, text }) => {
                let last = self.last.and_then(|last| last.keys.iter().find(|key| key.id == id));
                let note =
                    if last.is_some() { " (until then the key read before goes on being used)" } else { "" };
                self.problems.unresolved.push(Problem::new(
                    reason,
                    format!("{path}.{field}"),
                    format_args!("{text}{note}"),
                ));
                last.map(|key| key.value.clone())
            }
        };
        Some(config::ApiKey { id, value: value?, weight })
    }
}

fn id_of(reference: &crds::SecretKeyRef) -> String {
    format!("{}/{}", reference.name, reference.key)
}

/// AWS access keys as one text, as the proxy reads them.
fn aws_keys(secrets: &Secrets, namespace: &str, name: &str) -> Result<Secret<String>, Unusable> {
    // The reference names no entry: the Secret is to blame.
    let blame_secret = |unusable| Unusable { field: "name", ..unusable };
    let entries = keys::entries(secrets, namespace, name)?;
    let mut out = serde_json::Map::new();
    for (entry, member, is_needed) in AWS_ENTRIES {
        let value = match entries.get(entry) {
            Some(value) => keys::plain_entry(name, entry, value).map_err(blame_secret)?,
            None if is_needed => return Err(blame_secret(keys::no_entry(name, entry))),
            None => continue,
        };
        out.insert(member.to_owned(), value.expose().clone().into());
    }
    Ok(Secret::new(serde_json::Value::from(out).to_string()))
}
