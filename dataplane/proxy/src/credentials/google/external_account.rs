//! Workload identity federation: a token of the cluster (or of another issuer) against one of Google.
//!
//! The file holds no secret; it says where the pod's token is, and who takes it. One from a Secret is the word of a
//! user of the cluster, and could send the proxy's own tokens anywhere. So it names the two endpoints of Google that
//! give tokens out and no others (customers' storage, for one, is below `googleapis.com` too), it names no URL to
//! read from, and only token files that whoever runs the proxy put in a folder for it
//! (<https://cloud.google.com/docs/authentication/external/externally-sourced-credentials>).

use std::collections::BTreeMap;
use std::path::{Component, Path};

use http::Uri;
use http::header::{AUTHORIZATION, HeaderName};
use penstock_config::Secret;
use serde::Deserialize;
use serde_json::{Value, json};

use super::key_file::read;
use super::{Origin, SCOPE};
use crate::credentials::exchange::{Answer, Call, Endpoint, Exchange};
use crate::credentials::expiry::{self, Told};
use crate::credentials::mint::Issued;
use crate::credentials::{Credential, CredentialError, Surroundings};

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

/// Folders, separated by commas, whose token files a Secret may name.
const FOLDERS_VARIABLE: &str = "PENSTOCK_FEDERATION_TOKEN_DIRS";
/// Where Google's instructions for clusters mount the token.
const FOLDER: &str = "/var/run/service-account";

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
    #[serde(skip)]
    origin: Origin,
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
        let account = Self { origin, ..read(text, MEMBERS)? };
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
        if origin == Origin::Secret {
            if !gives_tokens(token_url) || !impersonation_url.as_deref().is_none_or(impersonates) {
                return Err(CredentialError::unusable(
                    "an external account in a Secret must have the token_url https://sts.googleapis.com/v1/token, and \
                     as service_account_impersonation_url, if any, https://iamcredentials.googleapis.com/v1/projects/-/\
                     serviceAccounts/EMAIL:generateAccessToken",
                ));
            }
            if url.is_some() {
                return Err(CredentialError::unusable(
                    "an external account in a Secret must have a file as its credential_source; one with a URL must \
                     come from the proxy's own GOOGLE_APPLICATION_CREDENTIALS",
                ));
            }
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
            (Some(path), _) => {
                if self.origin == Origin::Secret {
                    check_folder(path, &exchange.surroundings)?;
                }
                exchange.surroundings.read(path).await?
            }
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

/// May a Secret name this file?
fn check_folder(path: &str, surroundings: &Surroundings) -> Result<(), CredentialError> {
    let told = surroundings.variable(FOLDERS_VARIABLE).unwrap_or_else(|| FOLDER.to_owned());
    let path = Path::new(path);
    let walks = path.components().any(|part| matches!(part, Component::ParentDir));
    let is_below = |folder: &str| !folder.is_empty() && path.starts_with(folder);
    if !walks && told.split(',').map(str::trim).any(is_below) {
        return Ok(());
    }
    Err(CredentialError::Unusable(format!(
        "the credential_source of an external account in a Secret must be a file below {told}; other folders can be \
         named to the proxy in {FOLDERS_VARIABLE}"
    )))
}

/// Google's Security Token Service, global or of a region.
fn gives_tokens(url: &str) -> bool {
    let Some((host, path)) = https(url) else { return false };
    let of_region = host.strip_prefix("sts.").and_then(|rest| rest.strip_suffix(".rep.googleapis.com"));
    path == "/v1/token" && (host == "sts.googleapis.com" || of_region.is_some_and(is_word))
}

fn impersonates(url: &str) -> bool {
    let Some((host, path)) = https(url) else { return false };
    let account = path
        .strip_prefix("/v1/projects/-/serviceAccounts/")
        .and_then(|rest| rest.strip_suffix(":generateAccessToken"));
    host == "iamcredentials.googleapis.com"
        && account.is_some_and(|account| account.split(['@', '.']).all(is_word))
}

/// Letters, digits and hyphens.
fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// Host, without user and port, and path with query of an https URL that has nothing else.
fn https(url: &str) -> Option<(String, String)> {
    let uri = url.parse::<Uri>().ok().filter(|uri| uri.scheme_str() == Some("https"))?;
    let host = uri.host().filter(|host| uri.authority().is_some_and(|it| it.as_str() == *host))?;
    Some((host.to_owned(), uri.path_and_query()?.as_str().to_owned()))
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
    fn a_secret_names_googles_token_endpoints_only() {
        for (member, url) in [
            ("token_url", "https://sts.attacker.example/v1/token"),
            ("token_url", "http://sts.googleapis.com/v1/token"),
            ("token_url", "https://googleapis.com.attacker.example/"),
            ("token_url", "https://sts.googleapis.com@attacker.example/v1/token"),
            ("token_url", "https://user@sts.googleapis.com/v1/token"),
            ("token_url", "https://sts.googleapis.com:8443/v1/token"),
            // Anybody's bucket.
            ("token_url", "https://storage.googleapis.com/upload/storage/v1/b/x/o?uploadType=media&name=y"),
            ("token_url", "https://storage.googleapis.com/v1/token"),
            ("token_url", "https://sts.googleapis.com/v1/token?x=y"),
            ("token_url", "https://sts.a/.rep.googleapis.com/v1/token"),
            ("service_account_impersonation_url", "https://attacker.example/"),
            ("service_account_impersonation_url", "https://storage.googleapis.com/b/x"),
            ("service_account_impersonation_url", "https://iamcredentials.googleapis.com/v1/x"),
            (
                "service_account_impersonation_url",
                "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/../x:generateAccessToken",
            ),
        ] {
            let change = |file: &mut Value| file[member] = json!(url);
            assert!(parse(change, Origin::Secret).contains("https://sts.googleapis.com/v1/token"), "{url}");
            assert_eq!(parse(change, Origin::Pod), "fine", "who runs the proxy may");
        }
        let both = |file: &mut Value| {
            file["token_url"] = json!("https://sts.europe-west1.rep.googleapis.com/v1/token");
            file["service_account_impersonation_url"] = json!(
                "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/a-b@p-1.iam.gserviceaccount.com:generateAccessToken"
            );
        };
        assert_eq!(parse(both, Origin::Secret), "fine");
        let by_url = |file: &mut Value| {
            file["credential_source"] = json!({ "url": "http://metadata.google.internal/token" });
        };
        assert!(parse(by_url, Origin::Secret).contains("must have a file"));
    }

    #[test]
    fn a_secret_names_only_files_that_are_there_for_it() {
        let bare = Surroundings::new(|_| None, || std::time::SystemTime::UNIX_EPOCH);
        let told = Surroundings::new(
            |name| (name == FOLDERS_VARIABLE).then(|| "/tokens, /more".into()),
            || std::time::SystemTime::UNIX_EPOCH,
        );
        for (path, by_default, when_told) in [
            ("/var/run/service-account/token", true, false),
            ("/tokens/a/b", false, true),
            ("/more/x", false, true),
            ("/tokensx/a", false, false),
            ("/tokens/../var/run/secrets/penstock/token", false, false),
            ("/var/run/service-account/../secrets/penstock/token", false, false),
            ("/var/run/secrets/penstock/token", false, false),
            ("/proc/self/fd/1", false, false),
            ("token", false, false),
        ] {
            assert_eq!(check_folder(path, &bare).is_ok(), by_default, "{path}");
            assert_eq!(check_folder(path, &told).is_ok(), when_told, "{path}");
        }
        let error = check_folder("/etc/x", &bare).unwrap_err().to_string();
        assert!(
            error.contains(FOLDER) && error.contains(FOLDERS_VARIABLE) && !error.contains("/etc/x"),
            "{error}"
        );
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
