//! Microsoft Entra, and keys in headers.

use http::HeaderName;
use http::header::AUTHORIZATION;
use serde_json::json;

use super::server::Server;
use super::{AZURE, Scheme, World, file};

#[tokio::test]
async fn a_pods_token_becomes_one_for_azure_and_stays_there() {
    let server = Server::start(|seen, _| {
        assert_eq!(seen.path, "/tenant-1/oauth2/v2.0/token");
        let form = seen.form();
        let given = ["grant_type", "client_id", "scope", "client_assertion_type", "client_assertion"]
            .map(|name| form[name].as_str());
        assert_eq!(
            given,
            [
                "client_credentials",
                "client-1",
                "https://cognitiveservices.azure.com/.default",
                "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                "pod.token",
            ]
        );
        (200, r#"{"token_type":"Bearer","expires_in":"3599","access_token":"eyAzure"}"#.into())
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let token = file(&folder, "token", "pod.token\n");
    let mut world = World::new(&[
        ("AZURE_FEDERATED_TOKEN_FILE", &token),
        ("AZURE_CLIENT_ID", "client-1"),
        ("AZURE_TENANT_ID", "tenant-1"),
        ("AZURE_AUTHORITY_HOST", &format!("{}/", server.url)),
    ]);
    let authorizer = world.authorizer(&Scheme::AzureEntra, None);
    assert_eq!(world.bearer(&authorizer, AZURE).await, "Bearer eyAzure");
    for url in ["https://vm.westeurope.cloudapp.azure.com/", "http://mine.openai.azure.com/"] {
        assert!(world.send(&authorizer, url).await.is_err(), "{url}");
    }
    assert_eq!(server.count(), 1);
    let authorizer = world.authorizer(&Scheme::AzureEntra, Some("azure-key"));
    assert_eq!(world.header(&authorizer, AZURE, "api-key").await, "azure-key");
}

#[tokio::test]
async fn what_is_missing_is_told() {
    let server = Server::start(|_, _| {
        let error = json!({
            "error": "invalid_client",
            "error_description": "AADSTS700213: No matching federated identity record found",
            "error_codes": [700213],
        });
        (401, error.to_string())
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let token = file(&folder, "token", "pod.token\n");
    let variables = [
        ("AZURE_FEDERATED_TOKEN_FILE", token.as_str()),
        ("AZURE_CLIENT_ID", "client-1"),
        ("AZURE_TENANT_ID", "tenant-1"),
        ("AZURE_AUTHORITY_HOST", &server.url),
    ];
    for missing in 0..3 {
        let mut some = variables.to_vec();
        let (name, _) = some.remove(missing);
        let mut world = World::new(&some);
        let authorizer = world.authorizer(&Scheme::AzureEntra, None);
        let error = world.send(&authorizer, AZURE).await.unwrap_err().to_string();
        assert!(error.contains(&format!("{name} is not set")), "{error}");
    }
    let mut world = World::new(&variables);
    let authorizer = world.authorizer(&Scheme::AzureEntra, None);
    assert_eq!(
        world.send(&authorizer, AZURE).await.unwrap_err().to_string(),
        "Microsoft Entra (127.0.0.1) answered 401: invalid_client, AADSTS700213; add a federated credential to the \
         identity, with the cluster's issuer and the pod's ServiceAccount"
    );
}

#[tokio::test]
async fn keys_in_headers_go_as_they_are() {
    let mut world = World::new(&[]);
    let bearer = Scheme::Header { name: AUTHORIZATION, prefix: "Bearer " };
    let plain = Scheme::Header { name: HeaderName::from_static("x-api-key"), prefix: "" };
    let authorizer = world.authorizer(&bearer, Some("sk-1\n"));
    let request = world.send(&authorizer, "http://anywhere.example/").await.unwrap();
    assert_eq!(request.headers()["authorization"], "Bearer sk-1");
    assert!(request.headers()["authorization"].is_sensitive());
    assert_eq!(authorizer.redact("key sk-1 and sk-1").as_deref(), Some("key [secret] and [secret]"));
    let authorizer = world.authorizer(&plain, Some("sk-2"));
    assert_eq!(world.header(&authorizer, "http://anywhere.example/", "x-api-key").await, "sk-2");
    let authorizer = world.authorizer(&plain, None);
    assert!(world.send(&authorizer, "http://anywhere.example/").await.unwrap().headers().is_empty());
}
