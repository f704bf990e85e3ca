//! Workload identity federation: a token of the cluster (or of another issuer) against one of Google.
//!
//! The file holds no secret; it says where the pod's token is, and who takes it. One from a Secret is the word of a
//! user of the cluster, so its tokens go to Google's own endpoints only: else a Secret could send any token file of
//! the proxy anywhere (<https://cloud.google.com/docs/authentication/external/externally-sourced-credentials>).

use std::collections::BTreeMap;

use http::Uri;
use http::header::{AUTHORIZATION, HeaderName};
use penstock_config::Secret;
use serde::Deserialize;
use serde_json::{Value, json};

use super::key_file::read;
use super::{HOST, Origin, SCOPE};
use crate::credentials::exchange::{Answer, Call, Endpoint, Exchange};
use crate::credentials::expiry::{self, Told};
use crate::credentials::mint::Issued;
use crate::credentials::{Credential, CredentialError};

static STS: Endpoint = Endpoint {
    name: "Google's token exchange (STS)",
    codes: &[("/error", "")],
    advice: &[(
        "invalid_grant",
        "check that the identity pool's provider has the token's issuer and audience, and that its condition lets the \
         pod in",
    )],
    otherwise: "check the identity pool and provider in the file's audience",
    unreachable: "check that the pod may reach it",
};

static SOURCE: Endpoint = Endpoint {
    name: "the source of the subject token",
    codes: &[],
    advice: &[],
    otherwise: "check the credential_source of the file",
    unreachable: "check the credential_source of the file",
};

static IMPERSONATION: Endpoint = Endpoint {
    name: "Google's service account credentials API",
    codes: &[("/error/status", "")],
    advice: &[(
        "PERMISSION_DENIED",
        "give the federated identity roles/iam.workloadIdentityUser on the service account, and enable the IAM Service \
         Account Credentials API",
    )],
    otherwise: "check the file's service_account_impersonation_url",
    unreachable: "check that the pod may reach it",
};

const MEMBERS: &str = "audience, subject_token_type, token_url, credential_source";

/// `type: external_account`.
#[derive(Deserialize)]
pub struct ExternalAccount {
    audience: String,
    subject_token_type: String,
    token_url: String,
    credential_source: Source,
    service_account_impersonation_url: Option<String>,
    #[serde(default)]
    service_account_impersonation: Impersonation,
}

#[derive(Deserialize)]
struct Source {
    file: Option<String>,
    url: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, Secret<String>>,
    #[serde(default)]
    format: Format,
}

/// How the source writes its token.
#[derive(Default, Deserialize)]
struct Format {
    r#type: Option<String>,
    subject_token_field_name: Option<String>,
}

#[derive(Default, Deserialize)]
struct Impersonation {
    token_lifetime_seconds: Option<u32>,
}

#[derive(Deserialize)]
struct ExchangeAnswer {
    access_token: Secret<String>,
    expires_in: Option<Told>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ImpersonationAnswer {
    access_token: Secret<String>,
    expire_time: Option<Told>,
}

impl ExternalAccount {
    pub fn parse(text: &str, origin: Origin) -> Result<Self, CredentialError> {
        let account: Self = read(text, MEMBERS)?;
        let Self {
            token_url,
            credential_source: Source { file, url, headers: _, format },
            service_account_impersonation_url: impersonation_url,
            ..
        } = &account;
        if file.is_some() == url.is_some() {
            return Err(CredentialError::unusable(
                "the credential_source of an external account must be a file or a URL; other kinds are not supported",
            ));
        }
        match format.r#type.as_deref() {
            None | Some("text") => {}
            Some("json") if format.subject_token_field_name.is_some() => {}
            Some(_) => {
                return Err(CredentialError::unusable(
                    "the format of an external account's credential_source must be text, or json with a \
                     subject_token_field_name",
                ));
            }
        }
        let is_foreign = |url: &String| !is_googles(url);
        if origin == Origin::Secret
            && (is_foreign(token_url) || impersonation_url.as_ref().is_some_and(is_foreign))
        {
            return Err(CredentialError::Unusable(format!(
                "the token_url and service_account_impersonation_url of an external account in a Secret must be \
                 https URLs below {HOST}"
            )));
        }
        Ok(account)
    }

    pub async fn fetch(&self, exchange: &Exchange) -> Result<Issued, CredentialError> {
        let subject = self.subject_token(exchange).await?;
        let fields = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("requested_token_type", "urn:ietf:params:oauth:token-type:access_token"),
            ("audience", self.audience.as_str()),
            ("scope", SCOPE),
            ("subject_token_type", self.subject_token_type.as_str()),
            ("subject_token", subject.expose().as_str()),
        ];
        let answer = exchange.call(Call::post_form(&STS, &self.token_url, &fields)).await?;
        let ExchangeAnswer { access_token, expires_in } = answer.json()?;
        match &self.service_account_impersonation_url {
            Some(url) => self.impersonate(exchange, url, &access_token).await,
            None => {
                let expires_at = Some(expiry::after(expires_in.as_ref(), exchange.now));
                Ok(Issued { credential: bearer(&answer, &access_token)?, expires_at })
            }
        }
    }

    /// The token that says who the pod is. Read anew each time: it rotates.
    async fn subject_token(&self, exchange: &Exchange) -> Result<Secret<String>, CredentialError> {
        let Source { file, url, headers, format } = &self.credential_source;
        let text = match (file, url) {
            (Some(path), _) => exchange.surroundings.read(path).await?,
            (None, Some(url)) => {
                let mut call = Call::get(&SOURCE, url);
                for (name, value) in headers {
                    let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| {
                        CredentialError::unusable(
                            "a header of the credential_source has a name that none may have",
                        )
                    })?;
                    call = call.header(name, value.expose());
                }
                exchange.call(call).await?.text()?.to_owned()
            }
            (None, None) => return Err(no_token()),
        };
        subject_token(&text, format).ok_or_else(no_token)
    }

    async fn impersonate(
        &self,
        exchange: &Exchange,
        url: &str,
        federated: &Secret<String>,
    ) -> Result<Issued, CredentialError> {
        let seconds = self.service_account_impersonation.token_lifetime_seconds.unwrap_or(3600);
        let body = json!({ "scope": [SCOPE], "lifetime": format!("{seconds}s") });
        let call = Call::post_json(&IMPERSONATION, url, &body);
        let answer =
            exchange.call(call.header(AUTHORIZATION, format!("Bearer {}", federated.expose()))).await?;
        let ImpersonationAnswer { access_token, expire_time } = answer.json()?;
        let expires_at = Some(expiry::at(expire_time.as_ref(), exchange.now));
        Ok(Issued { credential: bearer(&answer, &access_token)?, expires_at })
    }
}

fn bearer(answer: &Answer, token: &Secret<String>) -> Result<Credential, CredentialError> {
    match token.expose().trim() {
        "" => Err(answer.lacks("a token")),
        token => Credential::bearer(token),
    }
}

fn no_token() -> CredentialError {
    CredentialError::unusable(
        "the credential_source of the external account holds no token in the format it names",
    )
}

/// A token is one word. Anything else is not one, and does not leave the pod.
fn subject_token(text: &str, format: &Format) -> Option<Secret<String>> {
    let token = match (&format.r#type, &format.subject_token_field_name) {
        (Some(kind), Some(member)) if kind == "json" => {
            let json: Value = serde_json::from_str(text).ok()?;
            json.get(member)?.as_str()?.trim().to_owned()
        }
        _ => text.trim().to_owned(),
    };
    let is_word = token.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~+/=".contains(&b));
    (is_word && !token.is_empty()).then(|| Secret::new(token))
}

fn is_googles(url: &str) -> bool {
    let Ok(uri) = url.parse::<Uri>() else { return false };
    let host = uri.host().and_then(|host| host.strip_suffix(HOST));
    uri.scheme_str() == Some("https") && host.is_some_and(|rest| rest.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(change: impl FnOnce(&mut Value), origin: Origin) -> String {
        let mut file = json!({
            "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/k",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": "https://sts.googleapis.com/v1/token",
            "credential_source": { "file": "/var/run/secrets/token" },
        });
        change(&mut file);
        ExternalAccount::parse(&file.to_string(), origin)
            .err()
            .map_or("fine".into(), |error| error.to_string())
    }

    #[test]
    fn a_file_or_a_url_and_nothing_else() {
        let source = |source: Value| parse(|file| file["credential_source"] = source, Origin::Pod);
        assert_eq!(source(json!({ "file": "/token" })), "fine");
        assert_eq!(
            source(
                json!({ "url": "http://a/", "format": { "type": "json", "subject_token_field_name": "t" } })
            ),
            "fine"
        );
        for kind in [
            json!({ "environment_id": "aws1" }),
            json!({ "executable": {} }),
            json!({ "file": "a", "url": "b" }),
        ] {
            assert!(source(kind.clone()).contains("must be a file or a URL"), "{kind}");
        }
        assert!(
            source(json!({ "file": "a", "format": { "type": "json" } })).contains("subject_token_field_name")
        );
        assert!(source(json!({ "file": "a", "format": { "type": "xml" } })).contains("must be text"));
        assert!(source(json!(7)).contains(MEMBERS));
    }

    #[test]
    fn a_secret_names_googles_endpoints_only() {
        for (member, url) in [
            ("token_url", "https://sts.attacker.example/v1/token"),
            ("token_url", "http://sts.googleapis.com/v1/token"),
            ("token_url", "https://googleapis.com.attacker.example/"),
            ("token_url", "https://attackergoogleapis.com/"),
            ("token_url", "https://sts.googleapis.com@attacker.example/"),
            ("service_account_impersonation_url", "https://attacker.example/"),
        ] {
            let change = |file: &mut Value| file[member] = json!(url);
            assert!(parse(change, Origin::Secret).contains("below googleapis.com"), "{url}");
            assert_eq!(parse(change, Origin::Pod), "fine", "who runs the proxy may");
        }
        let both = |file: &mut Value| {
            file["service_account_impersonation_url"] = json!("https://iamcredentials.googleapis.com/v1/x");
        };
        assert_eq!(parse(both, Origin::Secret), "fine");
    }

    #[test]
    fn only_one_word_is_a_token() {
        let json = Format { r#type: Some("json".into()), subject_token_field_name: Some("t".into()) };
        let token =
            |text: &str, format: &Format| subject_token(text, format).map(|token| token.expose().clone());
        assert_eq!(token(" eyJ.a-b_c.d=\n", &Format::default()).as_deref(), Some("eyJ.a-b_c.d="));
        assert_eq!(token(r#"{"t":"abc"}"#, &json).as_deref(), Some("abc"));
        for text in ["", r#"{"auth":{"keys":[]}}"#, "root:x:0:0", "two words"] {
            assert_eq!(token(text, &Format::default()), None, "{text}");
        }
        for text in ["", "abc", "{}", r#"{"t":1}"#, r#"{"t":"a b"}"#] {
            assert_eq!(token(text, &json), None, "{text}");
        }
    }
}
