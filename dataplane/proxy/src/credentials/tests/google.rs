//! Google: the token endpoint, token exchange, impersonation and the metadata server.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Value, json};

use super::server::Server;
use super::{Scheme, VERTEX, World, file};

pub const KEY_PEM: &str = include_str!("rsa-key.pem");

/// A key file whose tokens come from this endpoint.
pub fn service_account(token_uri: &str) -> String {
    json!({
        "type": "service_account",
        "project_id": "project",
        "private_key_id": "key-1",
        "private_key": KEY_PEM,
        "client_email": "penstock@project.iam.gserviceaccount.com",
        "token_uri": token_uri,
    })
    .to_string()
}

/// Header and claims of an assertion whose signature holds.
pub fn claims_of(assertion: &str) -> (Value, Value) {
    let key = PrivatePkcs8KeyDer::from_pem_slice(KEY_PEM.as_bytes()).unwrap();
    let key = RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()).unwrap();
    let (signed, signature) = assertion.rsplit_once('.').unwrap();
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).unwrap();
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public().as_ref())
        .verify(signed.as_bytes(), &decode(signature))
        .expect("the signature holds");
    let (header, claims) = signed.split_once('.').unwrap();
    let read = |part: &str| serde_json::from_slice(&decode(part)).unwrap();
    (read(header), read(claims))
}

#[tokio::test]
async fn a_service_account_signs_for_its_token() {
    let server = Server::start(|seen, _| {
        let form = seen.form();
        assert_eq!(form["grant_type"], "urn:ietf:params:oauth:grant-type:jwt-bearer");
        let (_, claims) = claims_of(&form["assertion"]);
        assert_eq!(claims["iss"], "penstock@project.iam.gserviceaccount.com");
        (200, json!({ "access_token": "ya29.token", "expires_in": 3599, "token_type": "Bearer" }).to_string())
    })
    .await;
    let mut world = World::new(&[]);
    let key = service_account(&format!("{}/token", server.url));
    let authorizer = world.authorizer(&Scheme::Google, Some(&key));
    // A key of one's own may go anywhere.
    for url in [VERTEX, "http://127.0.0.1:1/x"] {
        assert_eq!(world.bearer(&authorizer, url).await, "Bearer ya29.token");
    }
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn a_user_renews_by_refresh_token_and_bills_a_project() {
    let server = Server::start(|seen, _| {
        let form = seen.form();
        let given =
            ["grant_type", "client_id", "client_secret", "refresh_token"].map(|name| form[name].as_str());
        assert_eq!(given, ["refresh_token", "id", "client-secret", "1//refresh"]);
        (200, r#"{"access_token":"ya29.user","expires_in":3599}"#.into())
    })
    .await;
    let mut world = World::new(&[]);
    let key = json!({
        "type": "authorized_user",
        "client_id": "id",
        "client_secret": "client-secret",
        "refresh_token": "1//refresh",
        "quota_project_id": "billed",
        "token_uri": server.url,
    });
    let authorizer = world.authorizer(&Scheme::Google, Some(&key.to_string()));
    assert_eq!(world.bearer(&authorizer, VERTEX).await, "Bearer ya29.user");
    assert_eq!(world.header(&authorizer, VERTEX, "x-goog-user-project").await, "billed");
}

/// An external account as `gcloud iam workload-identity-pools create-cred-config` writes it.
fn external(server: &str, source: Value) -> Value {
    json!({
        "type": "external_account",
        "audience": "//iam.googleapis.com/pool",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": format!("{server}/sts"),
        "credential_source": source,
    })
}

#[tokio::test]
async fn federation_by_a_file_reads_the_rotated_token() {
    let server = Server::start(|seen, number| {
        let form = seen.form();
        assert_eq!(form["grant_type"], "urn:ietf:params:oauth:grant-type:token-exchange");
        assert_eq!(form["audience"], "//iam.googleapis.com/pool");
        assert_eq!(form["scope"], "https://www.googleapis.com/auth/cloud-platform");
        assert_eq!(form["subject_token_type"], "urn:ietf:params:oauth:token-type:jwt");
        assert_eq!(form["subject_token"], format!("pod.token.{number}"));
        (200, json!({ "access_token": format!("federated-{number}"), "expires_in": 3600 }).to_string())
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let token = file(&folder, "token", "pod.token.0\n");
    let key = file(&folder, "key.json", &external(&server.url, json!({ "file": token })).to_string());
    let mut world = World::new(&[("GOOGLE_APPLICATION_CREDENTIALS", &key)]);
    let authorizer = world.authorizer(&Scheme::Google, None);
    assert_eq!(world.bearer(&authorizer, VERTEX).await, "Bearer federated-0");
    file(&folder, "token", "pod.token.1\n");
    world.clock.advance(3600);
    assert_eq!(world.bearer(&authorizer, VERTEX).await, "Bearer federated-1");
}

#[tokio::test]
async fn federation_by_a_url_with_impersonation() {
    let server = Server::start(|seen, _| match seen.path.as_str() {
        "/subject" => {
            assert_eq!(seen.header("x-source"), "source-header");
            (200, r#"{"value":"pod.token"}"#.into())
        }
        "/sts" => {
            assert_eq!(seen.form()["subject_token"], "pod.token");
            (200, r#"{"access_token":"federated","expires_in":3600}"#.into())
        }
        "/impersonate" => {
            assert_eq!(seen.header("authorization"), "Bearer federated");
            let body: Value = serde_json::from_slice(&seen.body).unwrap();
            assert_eq!(body["lifetime"], "1800s");
            (200, r#"{"accessToken":"impersonated","expireTime":"2026-01-01T00:30:00Z"}"#.into())
        }
        other => (404, other.into()),
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let mut key = external(
        &server.url,
        json!({
            "url": format!("{}/subject", server.url),
            "headers": { "X-Source": "source-header" },
            "format": { "type": "json", "subject_token_field_name": "value" },
        }),
    );
    key["service_account_impersonation_url"] = json!(format!("{}/impersonate", server.url));
    key["service_account_impersonation"] = json!({ "token_lifetime_seconds": 1800 });
    let key = file(&folder, "key.json", &key.to_string());
    let mut world = World::new(&[("GOOGLE_APPLICATION_CREDENTIALS", &key)]);
    let authorizer = world.authorizer(&Scheme::Google, None);
    assert_eq!(world.bearer(&authorizer, VERTEX).await, "Bearer impersonated");
    world.clock.advance(1800);
    let error = world.send(&authorizer, VERTEX).await.unwrap_err().to_string();
    assert!(error.contains("already ended"), "{error}");
    assert_eq!(server.count(), 6, "the impersonated token's own end counts");
}

#[tokio::test]
async fn a_pods_identity_comes_from_the_metadata_server_and_stays_at_google() {
    let server = Server::start(|seen, _| {
        assert_eq!(seen.header("metadata-flavor"), "Google");
        let path = "/computeMetadata/v1/instance/service-accounts/default/token";
        assert!(seen.path.starts_with(path), "{}", seen.path);
        (200, r#"{"access_token":"ya29.pod","expires_in":3599,"token_type":"Bearer"}"#.into())
    })
    .await;
    let host = server.url.strip_prefix("http://").unwrap();
    let mut world = World::new(&[("GCE_METADATA_HOST", host)]);
    let authorizer = world.authorizer(&Scheme::Google, None);
    assert_eq!(world.bearer(&authorizer, VERTEX).await, "Bearer ya29.pod");
    let error = world.send(&authorizer, "https://attacker.example/v1/x").await.unwrap_err().to_string();
    assert!(error.contains("is not sent to https://attacker.example"), "{error}");

    let mut world =
        World::new(&[("GCE_METADATA_HOST", host), ("PENSTOCK_POD_IDENTITY_HOSTS", "vertex.corp.example")]);
    let authorizer = world.authorizer(&Scheme::Google, None);
    assert_eq!(world.bearer(&authorizer, "https://vertex.corp.example/v1/x").await, "Bearer ya29.pod");
}

#[tokio::test]
async fn an_external_account_in_a_secret_is_the_pods_own_identity() {
    let mut world = World::new(&[]);
    let external = |server: &str, file: &str| {
        let mut key = external(server, json!({ "file": file }));
        key["token_url"] = json!(format!("{server}/v1/token"));
        key.to_string()
    };
    let key = external("https://sts.googleapis.com", "/var/run/secrets/penstock/token");
    let authorizer = world.authorizer(&Scheme::Google, Some(&key));
    let error = world.send(&authorizer, VERTEX).await.unwrap_err().to_string();
    assert!(error.contains("PENSTOCK_FEDERATION_TOKEN_DIRS"), "{error}");
    let mut world = World::new(&[("PENSTOCK_FEDERATION_TOKEN_DIRS", "/no/such")]);
    let key = external("https://sts.googleapis.com", "/no/such/token");
    let authorizer = world.authorizer(&Scheme::Google, Some(&key));
    let error = world.send(&authorizer, VERTEX).await.unwrap_err().to_string();
    assert!(error.contains("/no/such/token cannot be used"), "{error}");
    let key = external("https://attacker.example", "/no/such/token");
    let authorizer = world.authorizer(&Scheme::Google, Some(&key));
    let error = world.send(&authorizer, VERTEX).await.unwrap_err().to_string();
    assert!(error.contains("must have the token_url https://sts.googleapis.com/v1/token"), "{error}");
}

#[tokio::test]
async fn failures_say_what_to_do() {
    let server = Server::start(|_, _| {
        let answer = json!({ "error": "invalid_grant", "error_description": "Invalid JWT Signature." });
        (400, answer.to_string())
    })
    .await;
    let mut world = World::new(&[]);
    let authorizer = world.authorizer(&Scheme::Google, Some(&service_account(&server.url)));
    let error = world.send(&authorizer, VERTEX).await.unwrap_err();
    assert!(!error.is_passing());
    assert_eq!(
        error.to_string(),
        "Google's token endpoint (127.0.0.1) answered 400: invalid_grant; check that the clock is right, and that \
         the service account and its key still exist and are enabled"
    );

    // Port 9 is discard; nothing listens there.
    let mut world = World::new(&[("GCE_METADATA_HOST", "127.0.0.1:9")]);
    let authorizer = world.authorizer(&Scheme::Google, None);
    let error = world.send(&authorizer, VERTEX).await.unwrap_err();
    assert!(error.is_passing());
    let error = error.to_string();
    assert!(error.contains("no connection") && error.contains("give the provider a Secret"), "{error}");

    for secret in ["AIzaApiKey", "[]", r#"{"type":"gdch_service_account"}"#, r#"{"type":"authorized_user"}"#]
    {
        let authorizer = world.authorizer(&Scheme::Google, Some(secret));
        let error = world.send(&authorizer, VERTEX).await.unwrap_err().to_string();
        assert!(error.starts_with("Google's credentials") || error.contains("`type`"), "{error}");
    }
}
