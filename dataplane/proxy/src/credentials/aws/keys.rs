//! AWS keys as JSON: what a Secret holds, and what AWS's credential endpoints answer.

use aws_credential_types::Credentials;
use penstock_config::Secret;
use serde::Deserialize;

use super::{Scope, Signer};
use crate::credentials::expiry::{self, Told};
use crate::credentials::mint::Issued;
use crate::credentials::{Credential, CredentialError};

use std::time::SystemTime;

/// As the operator compiles it from a Secret's entries.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct KeyPair {
    access_key_id: Secret<String>,
    secret_access_key: Secret<String>,
    session_token: Option<Secret<String>>,
}

/// An access key as JSON, or a Bedrock API key as it is.
pub fn from_secret(scope: &Scope, secret: &str) -> Result<Credential, CredentialError> {
    if !secret.starts_with('{') {
        if !scope.is_bedrock() {
            return Err(CredentialError::Unusable(format!(
                "the Secret holds one key, which only Bedrock takes as it is; {} needs an access key id and a secret \
                 access key",
                scope.service
            )));
        }
        return Credential::bearer(secret);
    }
    // The parser's own words would quote the Secret.
    let KeyPair { access_key_id, secret_access_key, session_token } =
        serde_json::from_str(secret).map_err(|_| {
            CredentialError::unusable(
                "the Secret is no JSON object with accessKeyId, secretAccessKey and, if there is one, sessionToken",
            )
        })?;
    let session_token = session_token.map(|token| token.expose().trim().to_owned());
    let keys = keys(access_key_id.expose(), secret_access_key.expose(), session_token)
        .ok_or_else(|| CredentialError::unusable("the Secret's accessKeyId or secretAccessKey is empty"))?;
    Signer::new(keys, scope.clone()).map(Credential::Aws)
}

/// `None` where one of the two is empty.
pub fn keys(id: &str, secret: &str, session_token: Option<String>) -> Option<Credentials> {
    let (id, secret) = (id.trim(), secret.trim());
    let session_token = session_token.filter(|token| !token.is_empty());
    (!id.is_empty() && !secret.is_empty())
        .then(|| Credentials::new(id, secret, session_token, None, "penstock"))
}

/// Temporary keys as STS, the container agents and the instance metadata service write them. The name of the
/// session token differs.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct TemporaryKeys {
    access_key_id: Secret<String>,
    secret_access_key: Secret<String>,
    #[serde(alias = "SessionToken")]
    token: Secret<String>,
    expiration: Option<Told>,
}

impl TemporaryKeys {
    /// `None` where a key is empty.
    pub fn issued(self, scope: &Scope, now: SystemTime) -> Option<Result<Issued, CredentialError>> {
        let Self { access_key_id, secret_access_key, token, expiration } = self;
        let token = Some(token.expose().clone());
        let keys = keys(access_key_id.expose(), secret_access_key.expose(), token)?;
        let expires_at = Some(expiry::at(expiration.as_ref(), now));
        Some(
            Signer::new(keys, scope.clone())
                .map(|signer| Issued { credential: Credential::Aws(signer), expires_at }),
        )
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn scope(service: &str) -> Scope {
        Scope { service: service.into(), region: "us-east-1".into() }
    }

    fn kind(service: &str, secret: &str) -> String {
        match from_secret(&scope(service), secret) {
            Ok(Credential::Header(_)) => "bearer".into(),
            Ok(Credential::Aws(signer)) => format!("keys, session {:?}", signer.session_token()),
            Ok(Credential::Nothing) => "nothing".into(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn both_forms_of_a_secret() {
        assert_eq!(kind("bedrock", "ABSKabc="), "bearer");
        assert_eq!(kind("bedrock", r#"{"accessKeyId":"AKID","secretAccessKey":"s"}"#), "keys, session None");
        let session = r#"{"accessKeyId":"AKID","secretAccessKey":"s","sessionToken":"t\n","other":1}"#;
        assert_eq!(kind("sagemaker", session), "keys, session Some(\"t\")");
        assert_eq!(
            kind("bedrock", r#"{"accessKeyId":"AKID","secretAccessKey":"s","sessionToken":""}"#),
            "keys, session None"
        );
    }

    #[test]
    fn what_is_wrong_is_said_without_the_secret() {
        assert!(kind("sagemaker", "hidden").starts_with("the Secret holds one key"));
        for secret in [
            r#"{"accessKeyId":"hidden"}"#,
            r#"{"accessKeyId":"AKID","secretAccessKey":["hidden"]}"#,
            r#"{"accessKeyId":"AKID","secretAccessKey":"hidden""#,
            r#"{"accessKeyId":" ","secretAccessKey":"hidden"}"#,
        ] {
            let error = kind("bedrock", secret);
            assert!(error.contains("secretAccessKey") && !error.contains("hidden"), "{error}");
        }
        let control = kind("bedrock", "hid\u{7}den");
        assert!(control.contains("no header may have") && !control.contains("hid"), "{control}");
        let control =
            kind("bedrock", r#"{"accessKeyId":"AKID","secretAccessKey":"s","sessionToken":"hid\u0007den"}"#);
        assert!(control.contains("no header may have") && !control.contains("hid"), "{control}");
    }

    #[test]
    fn temporary_keys_of_every_endpoint() {
        let now = UNIX_EPOCH + Duration::from_secs(1_767_225_600);
        for json in [
            r#"{"AccessKeyId":"A","SecretAccessKey":"s","SessionToken":"t","Expiration":1.7672292E9}"#,
            r#"{"AccessKeyId":"A","SecretAccessKey":"s","Token":"t","Expiration":"2026-01-01T01:00:00Z","Code":"Success"}"#,
        ] {
            let keys: TemporaryKeys = serde_json::from_str(json).unwrap();
            let Ok(issued) = keys.issued(&scope("bedrock"), now).unwrap() else { panic!("{json}") };
            assert_eq!(issued.expires_at, Some(now + Duration::from_secs(3600)));
        }
        let empty = r#"{"AccessKeyId":"","SecretAccessKey":"s","Token":"t"}"#;
        assert!(
            serde_json::from_str::<TemporaryKeys>(empty).unwrap().issued(&scope("bedrock"), now).is_none()
        );
    }
}
