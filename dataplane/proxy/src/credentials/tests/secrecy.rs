//! Nothing secret in an error or a log line, at any level, whatever an endpoint answers.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use serde_json::json;
use tracing_subscriber::fmt::MakeWriter;

use super::google::{KEY_PEM, service_account};
use super::server::{Seen, Server};
use super::{AZURE, BEDROCK, Scheme, VERTEX, World, aws, file};

const API_KEY: &str = "very-secret_key.1234567890";
const POD_TOKEN: &str = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJwb2QifQ.c2lnbmF0dXJl";

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Log {
    /// Everything that this thread logs, the tasks of its runtime included.
    fn listen(&self) -> tracing::subscriber::DefaultGuard {
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_writer(self.clone())
            .finish();
        tracing::subscriber::set_default(subscriber)
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

/// Everything that a request carried, alone and in a row.
fn echoes(seen: &Seen) -> Vec<String> {
    let mut echoes: Vec<String> = seen.form().into_values().collect();
    echoes.extend(seen.headers.values().map(|value| value.to_str().unwrap_or_default().to_owned()));
    echoes.push(String::from_utf8_lossy(&seen.body).into_owned());
    echoes.sort_by_key(String::len);
    echoes
}

/// An endpoint that quotes what it got in every place where an error could stand.
async fn echoing() -> Server {
    Server::start(|seen, _| {
        let echoes = echoes(seen);
        // The secret is not always the longest.
        let secret =
            echoes.iter().find(|echo| [API_KEY, POD_TOKEN].contains(&echo.as_str()) || echo.len() > 300);
        let echo = secret.cloned().unwrap_or_default();
        let all = echoes.join(" ");
        let answer = json!({
            "error": echo,
            "error_description": all,
            "error_codes": [echo],
            "errorCode": echo,
            "errorMessage": all,
            "Error": { "Code": echo, "Message": all },
            "code": echo,
            "Code": echo,
            "message": all,
        });
        (400, answer.to_string())
    })
    .await
}

/// What must not be found: the secrets whole, and any piece of a signed assertion.
fn assert_no_secret(text: &str, pieces: &[&str]) {
    for piece in pieces.iter().copied().chain([API_KEY, POD_TOKEN, "eyJ", "PRIVATE KEY"]) {
        assert!(!text.contains(piece), "{piece} in: {text}");
    }
    let key: String = KEY_PEM.lines().filter(|line| !line.contains(['-', ' '])).take(1).collect();
    assert!(!key.is_empty() && !text.contains(&key));
}

#[tokio::test]
async fn an_endpoint_that_quotes_its_request_gives_nothing_away() {
    let server = echoing().await;
    let folder = tempfile::tempdir().unwrap();
    let token = file(&folder, "token", POD_TOKEN);
    let external = json!({
        "type": "external_account",
        "audience": "pool",
        "subject_token_type": "jwt",
        "token_url": server.url,
        "credential_source": { "file": token },
    });
    let external = file(&folder, "external.json", &external.to_string());
    let user = json!({
        "type": "authorized_user",
        "client_id": "id",
        "client_secret": API_KEY,
        "refresh_token": POD_TOKEN,
        "token_uri": server.url,
    })
    .to_string();
    let account = service_account(&server.url);
    let agent = format!("{}/v1", server.url);
    let ibm = Scheme::IbmIam { endpoint: Some(server.url.clone()) };
    let irsa = [
        ("AWS_WEB_IDENTITY_TOKEN_FILE", token.as_str()),
        ("AWS_ROLE_ARN", "arn:aws:iam::1:role/r"),
        ("AWS_ENDPOINT_URL_STS", server.url.as_str()),
    ];
    let pod_identity = [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", agent.as_str()),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", token.as_str()),
    ];
    let aks = [
        ("AZURE_FEDERATED_TOKEN_FILE", token.as_str()),
        ("AZURE_CLIENT_ID", "client"),
        ("AZURE_TENANT_ID", "tenant"),
        ("AZURE_AUTHORITY_HOST", server.url.as_str()),
    ];
    let federation = [("GOOGLE_APPLICATION_CREDENTIALS", external.as_str())];
    let none: [(&str, &str); 0] = [];
    let log = Log::default();
    let _listening = log.listen();
    for (n, (variables, scheme, secret, url)) in [
        (none.as_slice(), ibm, Some(API_KEY), VERTEX),
        (&none, Scheme::Google, Some(account.as_str()), VERTEX),
        (&none, Scheme::Google, Some(user.as_str()), VERTEX),
        (&federation, Scheme::Google, None, VERTEX),
        (&irsa, aws(), None, BEDROCK),
        (&pod_identity, aws(), None, BEDROCK),
        (&aks, Scheme::AzureEntra, None, AZURE),
    ]
    .into_iter()
    .enumerate()
    {
        let mut world = World::new(variables);
        let authorizer = world.authorizer(&scheme, secret);
        let error = world.send(&authorizer, url).await.unwrap_err();
        assert_eq!(server.count(), n + 1, "the endpoint was asked");
        let assertions: Vec<String> =
            server.seen().last().unwrap().form().into_values().filter(|value| value.len() > 40).collect();
        let pieces: Vec<&str> =
            assertions.iter().flat_map(|value| value.split('.')).filter(|p| p.len() > 20).collect();
        assert!(error.to_string().contains("answered 400;"), "no code, as it was an echo: {error}");
        assert_no_secret(&format!("{error} {error:?}"), &pieces);
        assert_no_secret(&log.text(), &pieces);
    }
    assert!(log.text().contains("no new credential"), "the failures were logged");
}

#[tokio::test]
async fn a_good_exchange_logs_no_secret() {
    let server = Server::start(|_, _| {
        let keys = json!({
            "AccessKeyId": "ASIA",
            "SecretAccessKey": API_KEY,
            "Token": POD_TOKEN,
            "Expiration": "2026-01-01T06:00:00Z",
            "access_token": POD_TOKEN,
        });
        (200, keys.to_string())
    })
    .await;
    let agent = format!("{}/v1", server.url);
    let mut world = World::new(&[
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", agent.as_str()),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "pod-token-for-the-agent"),
    ]);
    let log = Log::default();
    let _listening = log.listen();
    let authorizer = world.authorizer(&aws(), None);
    let request = world.send(&authorizer, BEDROCK).await.unwrap();
    tracing::info!(?request, "a request that someone prints");
    let authorizer = world.authorizer(&Scheme::Google, Some(&service_account(&server.url)));
    world.send(&authorizer, VERTEX).await.unwrap();
    let text = log.text();
    assert!(text.contains("signing request"), "the signer was heard: {text}");
    assert_no_secret(&text, &["pod-token-for-the-agent"]);
}
