//! Many requests, one fetch; renewal beside the requests; failures that leave what is valid.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;

use super::server::Server;
use super::{Scheme, World, send};

const URL: &str = "https://us-south.ml.cloud.ibm.com/ml/v1/text/chat";

fn scheme(server: &Server) -> Scheme {
    Scheme::IbmIam { endpoint: Some(server.url.clone()) }
}

fn token(number: usize) -> (u16, String) {
    (200, json!({ "access_token": format!("token-{number}"), "expires_in": 3600 }).to_string())
}

/// Waits for what happens beside the requests.
async fn until(mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..200 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it did not come about in time");
}

#[tokio::test]
async fn many_requests_wait_for_one_fetch() {
    let server = Server::slow(Duration::from_millis(100), |_, number| token(number)).await;
    let mut world = World::new(&[]);
    let authorizer = world.authorizer(&scheme(&server), Some("key"));
    let all = join_all((0..50).map(|_| world.bearer(&authorizer, URL))).await;
    assert!(all.iter().all(|bearer| bearer == "Bearer token-0"));
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn one_failure_answers_all_who_wait_and_is_not_asked_again_at_once() {
    let server = Server::slow(Duration::from_millis(50), |_, number| match number {
        0 => (503, "{}".into()),
        _ => token(number),
    })
    .await;
    let mut world = World::new(&[]);
    let authorizer = world.authorizer(&scheme(&server), Some("key"));
    let all = join_all((0..20).map(|_| world.send(&authorizer, URL))).await;
    for outcome in all {
        let error = outcome.unwrap_err();
        assert!(error.is_passing(), "{error}");
    }
    assert!(world.send(&authorizer, URL).await.is_err());
    assert_eq!(server.count(), 1);
    world.clock.advance(1);
    assert_eq!(world.bearer(&authorizer, URL).await, "Bearer token-1");
}

#[tokio::test]
async fn a_client_that_leaves_does_not_take_the_fetch_along() {
    let server = Server::slow(Duration::from_millis(200), |_, number| token(number)).await;
    let mut world = World::new(&[]);
    let authorizer = world.authorizer(&scheme(&server), Some("key"));
    let client = world.client.clone();
    let leaves = tokio::time::timeout(Duration::from_millis(50), send(&authorizer, URL, &client)).await;
    assert!(leaves.is_err());
    assert_eq!(world.bearer(&authorizer, URL).await, "Bearer token-0");
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn renews_before_the_end_while_requests_go_on() {
    let server = Server::slow(Duration::from_millis(50), |_, number| token(number)).await;
    let mut world = World::new(&[]);
    let authorizer = world.authorizer(&scheme(&server), Some("key"));
    assert_eq!(world.bearer(&authorizer, URL).await, "Bearer token-0");
    world.clock.advance(3299);
    assert_eq!(world.bearer(&authorizer, URL).await, "Bearer token-0");
    assert_eq!(server.count(), 1);
    world.clock.advance(1);
    // None of these waits for the slow endpoint.
    for _ in 0..10 {
        assert_eq!(world.bearer(&authorizer, URL).await, "Bearer token-0");
    }
    until(async || world.bearer(&authorizer, URL).await == "Bearer token-1").await;
    assert_eq!(server.count(), 2);
}

#[tokio::test]
async fn a_failed_renewal_does_not_take_what_is_valid() {
    let server = Server::start(|_, number| match number {
        1 => (500, "{}".into()),
        _ => token(number),
    })
    .await;
    let mut world = World::new(&[]);
    let authorizer = world.authorizer(&scheme(&server), Some("key"));
    world.bearer(&authorizer, URL).await;
    world.clock.advance(3300);
    world.bearer(&authorizer, URL).await;
    until(async || server.count() == 2).await;
    for _ in 0..10 {
        assert_eq!(world.bearer(&authorizer, URL).await, "Bearer token-0");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(server.count(), 2, "the endpoint is left alone for a while");
    world.clock.advance(30);
    until(async || world.bearer(&authorizer, URL).await == "Bearer token-2").await;
}

#[tokio::test]
async fn tokens_survive_a_swap_of_configurations() {
    let server = Server::start(|_, number| token(number)).await;
    let mut world = World::new(&[]);
    let before = world.authorizer(&scheme(&server), Some("key"));
    world.bearer(&before, URL).await;
    let after = world.authorizer(&scheme(&server), Some("key"));
    drop(before);
    world.book.forget_unused();
    assert_eq!(world.bearer(&after, URL).await, "Bearer token-0");
    let rotated = world.authorizer(&scheme(&server), Some("another key"));
    assert_eq!(world.bearer(&rotated, URL).await, "Bearer token-1");
}

#[tokio::test]
async fn a_token_that_the_provider_refuses_is_fetched_anew() {
    let server = Server::start(|_, number| token(number)).await;
    let mut world = World::new(&[]);
    let authorizer = world.authorizer(&scheme(&server), Some("key"));
    world.bearer(&authorizer, URL).await;
    authorizer.refused();
    assert_eq!(world.bearer(&authorizer, URL).await, "Bearer token-0", "a new one would be no better");
    world.clock.advance(30);
    authorizer.refused();
    assert_eq!(world.bearer(&authorizer, URL).await, "Bearer token-0", "who else uses it need not wait");
    until(async || world.bearer(&authorizer, URL).await == "Bearer token-1").await;
}

#[tokio::test]
async fn answers_that_are_none() {
    for (status, body, expected) in [
        (200, "<html>".to_owned(), "without what was asked for"),
        (200, r#"{"access_token":""}"#.into(), "without a token"),
        (200, r#"{"expires_in":3600}"#.into(), "without what was asked for"),
        (200, format!(r#"{{"access_token":"{}"}}"#, "x".repeat(70_000)), "more than 65536 bytes"),
        (200, r#"{"access_token":"a\nb"}"#.into(), "no header may have"),
        (302, String::new(), "answered 302"),
    ] {
        let server = Server::start(move |_, _| (status, body.clone())).await;
        let mut world = World::new(&[]);
        let authorizer = world.authorizer(&scheme(&server), Some("key"));
        let error = world.send(&authorizer, URL).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let mut world = World::new(&[]);
    let authorizer = world.authorizer(&Scheme::IbmIam { endpoint: Some("/relative".into()) }, Some("key"));
    let error = world.send(&authorizer, URL).await.unwrap_err().to_string();
    assert_eq!(error, "the address of IBM Cloud IAM is not a whole URL");
}
