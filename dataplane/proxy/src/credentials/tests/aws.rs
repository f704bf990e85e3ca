//! AWS: STS, the pod identity agent, the instance metadata service.

use serde_json::json;

use super::server::Server;
use super::{BEDROCK, World, aws, file};

const ROLE: &str = "arn:aws:iam::123456789012:role/llm";

fn signed_with(authorization: &str, id: &str) -> bool {
    authorization
        .starts_with(&format!("AWS4-HMAC-SHA256 Credential={id}/20260101/us-east-1/bedrock/aws4_request, "))
}

#[tokio::test]
async fn a_secrets_access_key_signs() {
    let mut world = World::new(&[("AWS_ACCESS_KEY_ID", "not-this-one"), ("AWS_SECRET_ACCESS_KEY", "x")]);
    let secret = r#"{"accessKeyId":"AKIASECRET","secretAccessKey":"key"}"#;
    let authorizer = world.authorizer(&aws(), Some(secret));
    let request = world.send(&authorizer, BEDROCK).await.unwrap();
    assert!(signed_with(request.headers()["authorization"].to_str().unwrap(), "AKIASECRET"));
    assert_eq!(request.uri().path(), "/model/m%3A0/converse");
    let authorizer = world.authorizer(&aws(), Some("ABSKkey\n"));
    assert_eq!(world.bearer(&authorizer, "https://anywhere.example/").await, "Bearer ABSKkey");
}

#[tokio::test]
async fn a_pods_bedrock_key_stays_at_bedrock() {
    let mut world = World::new(&[("AWS_BEARER_TOKEN_BEDROCK", "ABSKpod")]);
    let authorizer = world.authorizer(&aws(), None);
    assert_eq!(world.bearer(&authorizer, BEDROCK).await, "Bearer ABSKpod");
    for url in [
        "https://abc.execute-api.us-east-1.amazonaws.com/",
        "https://bedrock-runtime.us-west-2.amazonaws.com/",
    ] {
        assert!(world.send(&authorizer, url).await.is_err(), "{url}");
    }
}

#[tokio::test]
async fn a_role_of_the_service_account() {
    let server = Server::start(|seen, number| {
        assert_eq!(seen.header("accept"), "application/json");
        let form = seen.form();
        let given = ["Action", "Version", "RoleArn", "RoleSessionName", "WebIdentityToken"]
            .map(|name| form[name].as_str());
        assert_eq!(given, ["AssumeRoleWithWebIdentity", "2011-06-15", ROLE, "penstock-proxy", "pod.token"]);
        let answer = json!({ "AssumeRoleWithWebIdentityResponse": {
            "AssumeRoleWithWebIdentityResult": {
                "Audience": "sts.amazonaws.com",
                "Credentials": {
                    "AccessKeyId": format!("ASIA{number}"),
                    "SecretAccessKey": "key",
                    "SessionToken": format!("session-{number}"),
                    "Expiration": super::START as f64 + 3600.0 * (number + 1) as f64,
                },
            },
            "ResponseMetadata": { "RequestId": "1" },
        } });
        (200, answer.to_string())
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let token = file(&folder, "token", "pod.token\n");
    let mut world = World::new(&[
        ("AWS_WEB_IDENTITY_TOKEN_FILE", &token),
        ("AWS_ROLE_ARN", ROLE),
        ("AWS_ENDPOINT_URL_STS", &server.url),
    ]);
    let authorizer = world.authorizer(&aws(), None);
    // A signature is bound to its host: it may go to a proxy of Bedrock.
    for url in [BEDROCK, "http://127.0.0.1:1/model/m/converse"] {
        let request = world.send(&authorizer, url).await.unwrap();
        assert!(signed_with(request.headers()["authorization"].to_str().unwrap(), "ASIA0"));
        assert_eq!(request.headers()["x-amz-security-token"], "session-0");
    }
    let quoted = "The Canonical String should have been: x-amz-security-token:session-0 host";
    assert_eq!(
        authorizer.redact(quoted).as_deref(),
        Some("The Canonical String should have been: x-amz-security-token:[secret] host")
    );
    assert_eq!(authorizer.redact("nothing"), None);
    world.clock.advance(3600);
    assert_eq!(world.header(&authorizer, BEDROCK, "x-amz-security-token").await, "session-1");
    assert!(authorizer.redact(quoted).is_some(), "a request that began before may still fail");
}

#[tokio::test]
async fn a_role_that_does_not_trust_the_pod() {
    let server = Server::start(|_, _| {
        let error =
            json!({ "Error": { "Code": "AccessDenied", "Message": "Not authorized", "Type": "Sender" } });
        (403, error.to_string())
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let token = file(&folder, "token", "pod.token");
    let mut world = World::new(&[
        ("AWS_WEB_IDENTITY_TOKEN_FILE", &token),
        ("AWS_ROLE_ARN", ROLE),
        ("AWS_ENDPOINT_URL_STS", &server.url),
    ]);
    let authorizer = world.authorizer(&aws(), None);
    assert_eq!(
        world.send(&authorizer, BEDROCK).await.unwrap_err().to_string(),
        "AWS's token service (STS) (127.0.0.1) answered 403: AccessDenied; check that the role's trust policy names \
         the pod's ServiceAccount and the cluster's OIDC provider"
    );
}

#[tokio::test]
async fn pod_identity_shows_the_pods_token() {
    let server = Server::start(|seen, _| {
        assert_eq!(seen.header("authorization"), "pod.token");
        let answer = json!({
            "AccessKeyId": "ASIAPOD",
            "SecretAccessKey": "key",
            "Token": "session",
            "Expiration": "2026-01-01T06:00:00Z",
            "AccountId": "123456789012",
        });
        (200, answer.to_string())
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let token = file(&folder, "token", "pod.token\n");
    let mut world = World::new(&[
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &format!("{}/v1/credentials", server.url)),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", &token),
    ]);
    let authorizer = world.authorizer(&aws(), None);
    assert!(signed_with(&world.bearer(&authorizer, BEDROCK).await, "ASIAPOD"));
    world.clock.advance(5 * 3600);
    assert!(world.send(&authorizer, BEDROCK).await.is_ok());
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn the_nodes_role_is_read_in_a_session() {
    let server = Server::start(|seen, _| {
        let credentials = "/latest/meta-data/iam/security-credentials/";
        match (seen.method.as_str(), seen.path.as_str()) {
            ("PUT", "/latest/api/token") => {
                assert_eq!(seen.header("x-aws-ec2-metadata-token-ttl-seconds"), "60");
                (200, "imds-session".into())
            }
            ("GET", path) if path.starts_with(credentials) => {
                assert_eq!(seen.header("x-aws-ec2-metadata-token"), "imds-session");
                if path == credentials {
                    return (200, "node-role\n".into());
                }
                assert!(path.ends_with("/node-role"));
                let answer = json!({
                    "Code": "Success",
                    "Type": "AWS-HMAC",
                    "AccessKeyId": "ASIANODE",
                    "SecretAccessKey": "key",
                    "Token": "session",
                    "Expiration": "2026-01-01T06:00:00Z",
                });
                (200, answer.to_string())
            }
            (_, other) => (404, other.into()),
        }
    })
    .await;
    let mut world = World::new(&[("AWS_EC2_METADATA_SERVICE_ENDPOINT", &server.url)]);
    let authorizer = world.authorizer(&aws(), None);
    assert!(signed_with(&world.bearer(&authorizer, BEDROCK).await, "ASIANODE"));
    assert_eq!(server.count(), 3);
}

#[tokio::test]
async fn a_pod_without_any_identity_is_told_what_to_do() {
    let never = Server::slow(std::time::Duration::from_secs(60), |_, _| (200, String::new())).await;
    let disabled = [("AWS_EC2_METADATA_DISABLED", "true")];
    let hidden = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", never.url.as_str())];
    for variables in [disabled.as_slice(), hidden.as_slice()] {
        let mut world = World::new(variables);
        let authorizer = world.authorizer(&aws(), None);
        let error = world.send(&authorizer, BEDROCK).await.unwrap_err().to_string();
        assert!(error.contains("the pod has no AWS identity") && error.contains("IRSA"), "{error}");
    }
    assert_eq!(never.count(), 1, "it was asked, and given up on");
}
