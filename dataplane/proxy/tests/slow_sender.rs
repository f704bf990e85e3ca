//! A client that stops in the middle of its request is answered 408, and held no longer.

use std::time::Duration;

use penstock_config::{ClientAuth, Snapshot};
use penstock_proxy::{Proxy, Settings, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

#[tokio::test]
async fn a_body_that_stops_coming_is_a_408() {
    let proxy = Proxy::new(Settings { client_idle: Duration::from_millis(200), ..Settings::default() });
    let empty = Snapshot { auth: ClientAuth::Open, pools: Default::default(), routes: Default::default() };
    proxy.apply(&empty).expect("an empty snapshot is valid");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(serve(proxy, listener, std::future::pending()));

    let mut client = TcpStream::connect(address).await.expect("a connection");
    let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{\"model\":";
    client.write_all(head.as_bytes()).await.expect("the head");
    let mut answer = vec![0; 4096];
    let read = tokio::time::timeout(Duration::from_secs(30), client.read(&mut answer)).await;
    let length = read.expect("an answer").expect("bytes");
    let text = String::from_utf8_lossy(&answer[..length]);
    assert!(text.starts_with("HTTP/1.1 408"), "{text}");
    assert!(text.contains("request_timeout"), "{text}");
}
