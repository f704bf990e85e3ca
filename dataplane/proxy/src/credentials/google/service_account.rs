//! A service account's key: signs an assertion, which the token endpoint takes for an access token.
//!
//! <https://developers.google.com/identity/protocols/oauth2/service-account#httprest>

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use penstock_config::Secret;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use serde::Deserialize;
use serde_json::json;

use super::SCOPE;
use super::key_file::read;
use crate::credentials::CredentialError;
use crate::credentials::exchange::{Call, Endpoint, Exchange};
use crate::credentials::mint::Issued;
use crate::credentials::oauth;

pub const TOKEN_URI: &str = "https://oauth2.googleapis.com/token";

static TOKEN: Endpoint = Endpoint {
    name: "Google's token endpoint",
    codes: &[("/error", "")],
    advice: &[
        (
            "invalid_grant",
            "check that the clock is right, and that the service account and its key still exist and are enabled",
        ),
        ("invalid_scope", "check that the service account may use the scope cloud-platform"),
    ],
    otherwise: "check the service account's key file",
    unreachable: "check that the pod may reach it",
};

/// Google takes no longer life.
const ASSERTION_LIFE: Duration = Duration::from_secs(3600);
/// An assertion is dated back by this: Google refuses one from the future, and clocks differ.
const CLOCK_SKEW: Duration = Duration::from_secs(30);

/// `type: service_account`, with its key ready to sign.
pub struct ServiceAccount {
    email: String,
    key_id: Option<String>,
    key: RsaKeyPair,
    token_uri: String,
}

#[derive(Deserialize)]
struct File {
    client_email: String,
    private_key: Secret<String>,
    private_key_id: Option<String>,
    token_uri: Option<String>,
}

impl ServiceAccount {
    pub fn parse(text: &str) -> Result<Self, CredentialError> {
        let File { client_email, private_key, private_key_id, token_uri } =
            read(text, "client_email, private_key")?;
        let key = rsa_key(private_key.expose()).ok_or_else(|| {
            CredentialError::unusable(
                "the service account's private_key is no RSA key in PEM; was the file copied whole, with its \\n?",
            )
        })?;
        let token_uri = token_uri.unwrap_or_else(|| TOKEN_URI.into());
        Ok(Self { email: client_email, key_id: private_key_id, key, token_uri })
    }

    pub async fn fetch(&self, exchange: &Exchange) -> Result<Issued, CredentialError> {
        let assertion = self.assertion(exchange.now)?;
        let fields = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
            ("assertion", assertion.expose().as_str()),
        ];
        oauth::token(exchange, Call::post_form(&TOKEN, &self.token_uri, &fields)).await
    }

    /// A JWT that says who asks, until when. RS256 (PKCS #1 v1.5), whose signature chance does not change.
    fn assertion(&self, now: SystemTime) -> Result<Secret<String>, CredentialError> {
        let issued_at = now.duration_since(UNIX_EPOCH).unwrap_or_default().saturating_sub(CLOCK_SKEW);
        let mut header = json!({ "alg": "RS256", "typ": "JWT" });
        if let Some(id) = &self.key_id {
            header["kid"] = json!(id);
        }
        let claims = json!({
            "iss": self.email,
            "scope": SCOPE,
            "aud": self.token_uri,
            "iat": issued_at.as_secs(),
            "exp": (issued_at + ASSERTION_LIFE).as_secs(),
        });
        let encode = |text: String| URL_SAFE_NO_PAD.encode(text);
        let signed = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
        let mut signature = vec![0; self.key.public().modulus_len()];
        self.key
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
            .map_err(|_| CredentialError::unusable("the service account's private_key cannot sign"))?;
        Ok(Secret::new(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))))
    }
}

/// PKCS #8 is what Google hands out; PKCS #1 is what some tools make of it.
fn rsa_key(pem: &str) -> Option<RsaKeyPair> {
    match PrivateKeyDer::from_pem_slice(pem.as_bytes()).ok()? {
        PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).ok(),
        PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::tests::google::{KEY_PEM, claims_of, service_account};

    #[test]
    fn the_assertion_is_signed_and_says_what_google_asks() {
        let file = service_account("https://oauth2.googleapis.com/token");
        let Ok(account) = ServiceAccount::parse(&file) else { panic!("an account") };
        let now = UNIX_EPOCH + Duration::from_secs(1_767_225_600);
        let assertion = account.assertion(now).unwrap();
        let (header, claims) = claims_of(assertion.expose());
        assert_eq!(header, json!({ "alg": "RS256", "typ": "JWT", "kid": "key-1" }));
        assert_eq!(
            claims,
            json!({
                "iss": "penstock@project.iam.gserviceaccount.com",
                "scope": "https://www.googleapis.com/auth/cloud-platform",
                "aud": "https://oauth2.googleapis.com/token",
                "iat": 1_767_225_570,
                "exp": 1_767_229_170,
            })
        );
        assert!(account.assertion(UNIX_EPOCH).is_ok(), "a clock that was never set");
    }

    #[test]
    fn a_damaged_key_is_told_without_quoting_it() {
        for key in ["hidden".to_owned(), KEY_PEM.replace('\n', ""), KEY_PEM[..400].to_owned()] {
            let file = json!({ "client_email": "a@b", "private_key": key }).to_string();
            let Err(error) = ServiceAccount::parse(&file) else { panic!("{key}") };
            let error = error.to_string();
            assert!(error.contains("no RSA key in PEM") && !error.contains("hidden"), "{error}");
        }
    }
}
