//! The client of hooks against servers of this machine, with names that resolve to whatever a test wants.

use std::future::{Ready, ready};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper_util::client::legacy::connect::dns::Name;
use penstock_config::hook::is_closed;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tower_service::Service;

use super::client::HookClient;
use super::trouble::Trouble;
use super::wire::ANSWER_LIMIT;
use crate::credentials::tests::server::Server;
use crate::guarded::{self, Connector, Guarded, Versions};

/// `A-B.test` resolves to the addresses A and B.
#[derive(Clone)]
struct Names;

impl Service<Name> for Names {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Ready<io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let addresses = name.as_str().trim_end_matches(".test").split('-');
        let addresses: Vec<SocketAddr> =
            addresses.map(|address| SocketAddr::new(address.parse().unwrap(), 0)).collect();
        ready(Ok(addresses.into_iter()))
    }
}

fn client() -> HookClient<Connector<Names>> {
    let resolver = Guarded::over(Names, Arc::new(|address| !is_closed(address)), "closed");
    HookClient::over(guarded::connector(resolver, Versions::OneAndTwo))
}

async fn post(client: &HookClient<Connector<Names>>, url: &str) -> Result<Option<Bytes>, Trouble> {
    client.post(&url.parse().unwrap(), &Bytes::from_static(b"{}"), &[]).await
}

#[tokio::test]
async fn a_name_of_a_closed_address_is_not_connected_to() {
    let server = Server::start(|_, _| (200, "{}".into())).await;
    let port = server.url.rsplit(':').next().unwrap();
    let client = client();
    for closed in ["169.254.169.254", "0.0.0.0", "100.100.100.200", "224.0.0.1-169.254.0.1"] {
        let refused = post(&client, &format!("http://{closed}.test:{port}/")).await;
        assert_eq!(refused, Err(Trouble::Connect("closed".into())), "{closed}");
    }
    assert_eq!(server.count(), 0);
    // Of several addresses, the open ones are left.
    let both = post(&client, &format!("http://169.254.169.254-127.0.0.1.test:{port}/")).await;
    assert_eq!(both, Ok(Some(Bytes::from_static(b"{}"))));
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn answers_are_bounded_and_only_two_statuses_are_answers() {
    let server = Server::start(|seen, _| match seen.path.as_str() {
        "/largest" => (200, "x".repeat(ANSWER_LIMIT)),
        "/larger" => (200, "x".repeat(ANSWER_LIMIT + 1)),
        path => (path[1..].parse().unwrap(), String::new()),
    })
    .await;
    let client = client();
    let port = server.url.rsplit(':').next().unwrap();
    let of = async |path: &str| post(&client, &format!("http://127.0.0.1.test:{port}/{path}")).await;
    assert_eq!(of("largest").await.unwrap().unwrap().len(), ANSWER_LIMIT);
    assert_eq!(of("larger").await, Err(Trouble::Invalid("it has more than 65536 bytes".into())));
    assert_eq!(of("200").await, Ok(Some(Bytes::new())));
    assert_eq!(of("204").await, Ok(None));
    for status in [201, 301, 302, 307, 308, 400, 404, 500, 503] {
        assert_eq!(of(&status.to_string()).await, Err(Trouble::Status(status)), "{status}");
    }
    let seen = &server.seen()[0];
    assert_eq!((seen.method.as_str(), seen.header("content-type")), ("POST", "application/json"));
    assert_eq!(&seen.body[..], b"{}");
}

/// Reads the head of one request; its body comes with it.
async fn read_request(connection: &mut tokio::net::TcpStream) {
    let mut seen = Vec::new();
    while !seen.windows(4).any(|end| end == b"\r\n\r\n") {
        let mut piece = [0; 1024];
        let count = connection.read(&mut piece).await.unwrap();
        seen.extend_from_slice(&piece[..count]);
    }
}

#[tokio::test]
async fn a_kept_connection_that_is_closed_costs_no_answer() {
    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let served = tokio::spawn(async move {
        let (mut first, _) = listener.accept().await.unwrap();
        read_request(&mut first).await;
        first.write_all(ANSWER).await.unwrap();
        // The second request comes on the same connection, and this is all that becomes of it.
        read_request(&mut first).await;
        drop(first);
        let (mut second, _) = listener.accept().await.unwrap();
        read_request(&mut second).await;
        second.write_all(ANSWER).await.unwrap();
    });
    let client = client();
    for _ in 0..2 {
        let answer = post(&client, &format!("http://127.0.0.1.test:{port}/")).await;
        assert_eq!(answer, Ok(Some(Bytes::from_static(b"{}"))));
    }
    served.await.unwrap();
}

#[tokio::test]
async fn nobody_there_is_no_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let refused = post(&client(), &format!("http://127.0.0.1.test:{port}/")).await;
    assert!(matches!(refused, Err(Trouble::Connect(_))), "{refused:?}");
}
