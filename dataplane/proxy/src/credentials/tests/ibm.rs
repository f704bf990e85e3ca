//! IBM Cloud IAM.

use super::server::Server;
use super::{Scheme, World};

const URL: &str = "https://us-south.ml.cloud.ibm.com/ml/v1/text/chat";

#[tokio::test]
async fn an_api_key_becomes_a_token() {
    let server = Server::start(|seen, _| {
        let form = seen.form();
        assert_eq!(form["grant_type"], "urn:ibm:params:oauth:grant-type:apikey");
        assert_eq!(form["apikey"], "ibm-key");
        assert_eq!(seen.path, "/identity/token");
        (
            200,
            r#"{"access_token":"eyIBM","expires_in":3600,"expiration":1767229200,"scope":"ibm openid"}"#
                .into(),
        )
    })
    .await;
    let mut world = World::new(&[]);
    let scheme = Scheme::IbmIam { endpoint: Some(format!("{}/identity/token", server.url)) };
    let authorizer = world.authorizer(&scheme, Some("ibm-key\n"));
    for _ in 0..3 {
        assert_eq!(world.bearer(&authorizer, URL).await, "Bearer eyIBM");
    }
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn a_deleted_key_and_none_are_told() {
    let server = Server::start(|_, _| {
        (400, r#"{"errorCode":"BXNIM0415E","errorMessage":"Provided API key could not be found."}"#.into())
    })
    .await;
    let mut world = World::new(&[]);
    let scheme = Scheme::IbmIam { endpoint: Some(server.url.clone()) };
    let authorizer = world.authorizer(&scheme, Some("ibm-key"));
    assert_eq!(
        world.send(&authorizer, URL).await.unwrap_err().to_string(),
        "IBM Cloud IAM (127.0.0.1) answered 400: BXNIM0415E; the API key does not exist (any more): put a valid one \
         into the Secret"
    );
    for secret in [None, Some(" ")] {
        let authorizer = world.authorizer(&scheme, secret);
        let error = world.send(&authorizer, URL).await.unwrap_err().to_string();
        assert!(error.contains("Secret"), "{error}");
    }
}
