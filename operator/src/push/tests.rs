//! The push listener with real TLS and a real HTTP/2 client; only the TokenReview is made up.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Instant, SystemTime};

use http_body::Frame;
use http_body_util::StreamBody;
use hyper::client::conn::http2::SendRequest;
use penstock_config::{
    ClientAuth, FRAMES_HEADER, HEALTH_FRAMES, OpenBreaker, ProxyFrame, PushFrame, Revision, Snapshot,
    TargetHealth, read_frame, write_frame,
};
use rustls::RootCertStore;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::sync::mpsc;

use super::auth::ReviewError;
use super::lines::Lines;
use super::*;
use crate::compile::Compiled;
use crate::hub::Follower;
use crate::metrics::Metrics;
use crate::tls::{Authority, Serving, server_config};
use crate::watch::Changes;

/// The token is the ServiceAccount's name, and the pod's after a `+`.
struct ByName;

impl TokenReviewer for ByName {
    async fn review(&self, token: &str) -> Result<Option<Caller>, ReviewError> {
        let (account, pod) = match token.split_once('+') {
            Some((account, pod)) => (account, Some(pod.to_owned())),
            None => (token, None),
        };
        match account {
            "broken" => Err(ReviewError("no answer".into())),
            "wrong" => Ok(None),
            account => {
                Ok(Some(Caller { username: format!("system:serviceaccount:penstock:{account}"), pod }))
            }
        }
    }
}

struct Server {
    address: SocketAddr,
    ca: String,
    publisher: Arc<Publisher>,
    down: watch::Sender<bool>,
    serving: tokio::task::JoinHandle<()>,
}

impl Server {
    async fn start() -> Self {
        crate::test_tls();
        let authority = Authority::generate(SystemTime::now()).unwrap();
        let key = authority.issue(&["localhost".to_owned()], SystemTime::now()).unwrap();
        let publisher = Arc::new(Publisher::new(
            Duration::from_secs(60),
            Arc::new(Changes::default()),
            Metrics::new().unwrap(),
        ));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (down, shutdown) = watch::channel(false);
        let push = Push {
            publisher: Arc::clone(&publisher),
            reviewer: ByName,
            accounts: vec!["penstock/proxy".parse().unwrap()],
            shutdown,
        };
        let tls = server_config(Arc::new(Serving::new(key)));
        let serving = tokio::spawn(serve(listener, tls, push));
        Self { address, ca: authority.certificate_pem, publisher, down, serving }
    }

    /// Publishes the nth of many snapshots.
    fn publish(&self, n: u64) -> Revision {
        let health = penstock_config::Health { consecutive_failures: 1, cooldown_ms: n, slow_start_ms: 0 };
        let pool = penstock_config::Pool { health, providers: vec![] };
        let snapshot = Snapshot {
            auth: ClientAuth::Open,
            pools: [("a/b".to_owned(), pool)].into(),
            routes: BTreeMap::new(),
        };
        let revision = snapshot.revision();
        self.publisher.publish(Compiled { snapshot, verdicts: BTreeMap::new(), auth_problem: None });
        revision
    }

    async fn client(&self) -> SendRequest<Body> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.ca.as_bytes()).unwrap()).unwrap();
        let mut config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let tcp = TcpStream::connect(self.address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let tls = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, tcp).await.unwrap();
        let (client, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(tls)).await.unwrap();
        tokio::spawn(connection);
        client
    }

    async fn request(&self, method: Method, path: &str, token: &str, body: Body) -> Response<Incoming> {
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = format!("https://localhost{path}").parse().unwrap();
        if !token.is_empty() {
            let value = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        self.client().await.send_request(request).await.unwrap()
    }

    async fn proxy(&self, token: &str, name: &str, serving: Option<Revision>) -> Proxy {
        let (out, frames) = mpsc::unbounded_channel::<Bytes>();
        let body = StreamBody::new(futures_util::stream::unfold(frames, |mut frames| async move {
            let frame = frames.recv().await?;
            Some((Ok::<_, Infallible>(Frame::data(frame)), frames))
        }));
        let response = self.request(Method::POST, "/v1/stream", token, body.boxed_unsync()).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers().get(FRAMES_HEADER).unwrap(), HEALTH_FRAMES);
        let proxy = Proxy { out, lines: Lines::new(response.into_body()) };
        proxy.say(&ProxyFrame::Hello { proxy: name.into(), version: "1".into(), serving });
        proxy
    }

    fn followers(&self) -> Vec<Follower> {
        self.publisher.look(Instant::now()).fleet
    }

    async fn wait(&self, what: &str, until: impl Fn(&[Follower]) -> bool) {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
        while !until(&self.followers()) {
            assert!(tokio::time::Instant::now() < deadline, "{what}: {:?}", self.followers());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

struct Proxy {
    out: mpsc::UnboundedSender<Bytes>,
    lines: Lines<Incoming>,
}

impl Proxy {
    fn say(&self, frame: &ProxyFrame) {
        self.out.send(write_frame(frame).into()).unwrap();
    }

    /// The revision of the next snapshot; `None` when the stream has ended.
    async fn next(&mut self) -> Option<Revision> {
        loop {
            let line = timeout(Duration::from_secs(10), self.lines.next()).await.unwrap().ok()??;
            if let PushFrame::Snapshot { revision, snapshot } = read_frame(&line).unwrap() {
                assert_eq!(snapshot.revision(), revision);
                return Some(revision);
            }
        }
    }
}

#[tokio::test]
async fn a_proxy_receives_acknowledges_and_takes_leave() {
    let server = Server::start().await;
    let first = server.publish(1);
    let mut proxy = server.proxy("proxy", "p-1", None).await;
    assert_eq!(proxy.next().await, Some(first.clone()));
    proxy.say(&ProxyFrame::Ack { revision: first });
    server.wait("the ack", |fleet| fleet.iter().any(|p| p.id == "p-1" && p.acked == 1)).await;

    let second = server.publish(2);
    assert_eq!(proxy.next().await, Some(second.clone()));
    proxy.say(&ProxyFrame::Refuse { revision: second, error: "too new".into() });
    server.wait("the refusal", |fleet| fleet.iter().any(|p| p.refused == Some((2, "too new".into())))).await;
    assert_eq!(server.publisher.metrics().push_acks.get(), 1);
    assert_eq!(server.publisher.metrics().push_refusals.get(), 1);

    proxy.say(&ProxyFrame::Bye);
    server.wait("the farewell", <[Follower]>::is_empty).await;
    assert_eq!(proxy.next().await, None);
}

#[tokio::test]
async fn nothing_is_sent_before_there_is_something() {
    let server = Server::start().await;
    let mut proxy = server.proxy("proxy", "p-1", None).await;
    let early = timeout(Duration::from_millis(200), proxy.lines.next()).await;
    let ping = early.unwrap().unwrap().unwrap();
    assert!(matches!(read_frame(&ping).unwrap(), PushFrame::Ping));
    assert!(timeout(Duration::from_millis(200), proxy.lines.next()).await.is_err());
    let first = server.publish(1);
    assert_eq!(proxy.next().await, Some(first));
}

#[tokio::test]
async fn what_a_proxy_serves_already_is_not_sent_again() {
    let server = Server::start().await;
    let first = server.publish(1);
    let mut proxy = server.proxy("proxy", "p-1", Some(first)).await;
    server.wait("the hello", |fleet| fleet.iter().any(|p| p.acked == 1)).await;
    let second = server.publish(2);
    assert_eq!(proxy.next().await, Some(second));
}

#[tokio::test]
async fn a_slow_proxy_gets_the_newest_and_not_all() {
    let server = Server::start().await;
    let first = server.publish(0);
    let mut proxy = server.proxy("proxy", "p-1", Some(first)).await;
    server.wait("the hello", |fleet| !fleet.is_empty()).await;
    // All before the stream's task gets its turn: the test runs on one thread.
    let revisions: Vec<Revision> = (1..100).map(|n| server.publish(n)).collect();
    let newest = revisions.last().cloned();
    assert_eq!(proxy.next().await, newest);
}

#[tokio::test]
async fn a_vanished_proxy_is_lost_but_counts() {
    let server = Server::start().await;
    let first = server.publish(1);
    let proxy = server.proxy("proxy", "p-1", Some(first)).await;
    server.wait("the hello", |fleet| fleet.iter().any(|p| p.connected)).await;
    drop(proxy);
    server.wait("the loss", |fleet| fleet.iter().any(|p| !p.connected && p.acked == 1)).await;
}

#[tokio::test]
async fn the_pod_of_the_token_beats_what_the_proxy_calls_itself() {
    let server = Server::start().await;
    let first = server.publish(1);
    let _proxy = server.proxy("proxy+pod-7", "somebody-else", Some(first)).await;
    server.wait("the hello", |fleet| fleet.iter().any(|p| p.id == "pod-7")).await;
}

#[tokio::test]
async fn who_may_not_come_in_is_told_why() {
    let server = Server::start().await;
    let cases = [
        ("", StatusCode::UNAUTHORIZED, "no_token"),
        ("wrong", StatusCode::UNAUTHORIZED, "wrong_token"),
        ("intruder", StatusCode::FORBIDDEN, "wrong_account"),
        ("broken", StatusCode::SERVICE_UNAVAILABLE, "review_failed"),
    ];
    for (token, status, reason) in cases {
        let empty = Full::default().boxed_unsync();
        let response = server.request(Method::POST, "/v1/stream", token, empty).await;
        assert_eq!(response.status(), status, "{token}");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["error"]["reason"], reason);
        let rejected = server.publisher.metrics().push_rejected.with_label_values(&[reason]).get();
        assert_eq!(rejected, 1);
    }
    let empty = || Full::default().boxed_unsync();
    assert_eq!(server.request(Method::POST, "/", "proxy", empty()).await.status(), StatusCode::NOT_FOUND);
    let get = server.request(Method::GET, "/v1/stream", "proxy", empty()).await;
    assert_eq!(get.status(), StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn a_stream_that_breaks_the_rules_is_ended() {
    let server = Server::start().await;
    server.publish(1);
    let mut twice = server.proxy("proxy", "p-1", None).await;
    twice.say(&ProxyFrame::Hello { proxy: "p-1".into(), version: "1".into(), serving: None });
    while twice.next().await.is_some() {}

    let mut endless = server.proxy("proxy", "p-2", None).await;
    endless.out.send(Bytes::from(vec![b'x'; 100_000])).unwrap();
    while endless.next().await.is_some() {}
    server.wait("both gone", <[Follower]>::is_empty).await;
}

#[tokio::test]
async fn shutdown_ends_the_streams() {
    let server = Server::start().await;
    let first = server.publish(1);
    let mut proxy = server.proxy("proxy", "p-1", Some(first)).await;
    server.wait("the hello", |fleet| !fleet.is_empty()).await;
    server.down.send_replace(true);
    assert_eq!(proxy.next().await, None);
    drop(proxy);
    timeout(Duration::from_secs(5), server.serving).await.unwrap().unwrap();
}

#[tokio::test]
async fn health_is_heard_and_goes_with_its_stream() {
    let server = Server::start().await;
    let first = server.publish(1);
    let open = |server: &Server| -> Vec<usize> {
        server.publisher.look(Instant::now()).reports.iter().map(|report| report.open.len()).collect()
    };
    // One that is older never speaks of health.
    let _older = server.proxy("proxy", "p-1", Some(first.clone())).await;
    let proxy = server.proxy("proxy", "p-2", Some(first)).await;
    let target = |open| TargetHealth { pool: "a/b".into(), provider: "o".into(), model: "m".into(), open };
    let ill = target(Some(OpenBreaker { cooldown_ms: 1000, last_failure: None }));
    proxy.say(&ProxyFrame::Health { targets: vec![ill], keys: vec![] });
    server.wait("the report", |fleet| fleet.len() == 2 && open(&server) == [1]).await;
    // One that is newer says what this operator does not know.
    proxy.out.send(Bytes::from("{\"type\":\"weather\",\"sky\":{\"blue\":true}}\n")).unwrap();
    proxy.say(&ProxyFrame::Health { targets: vec![target(None)], keys: vec![] });
    server.wait("the recovery", |_| open(&server) == [0]).await;
    assert!(server.followers().iter().all(|proxy| proxy.connected));
    drop(proxy);
    server.wait("the loss", |fleet| fleet.iter().any(|proxy| !proxy.connected)).await;
    assert_eq!(open(&server), [0_usize; 0]);
    assert_eq!(server.followers().len(), 2, "it counts on");
}
