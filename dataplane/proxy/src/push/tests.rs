//! The stream with real TLS and a made-up operator.

use std::convert::Infallible;

use http::{HeaderName, Response};
use http_body_util::combinators::UnsyncBoxBody;
use hyper::service::service_fn;
use penstock_config::{FailoverReason, OpenBreaker, Revision, TargetHealth};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::*;
use crate::health::LastFailure;
use crate::proxy::Settings;

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// An operator that takes one stream, and the proxy on it.
struct Stream {
    proxy: Arc<Proxy>,
    /// What the proxy says.
    said: mpsc::UnboundedReceiver<ProxyFrame>,
    /// What the operator says.
    say: mpsc::UnboundedSender<Bytes>,
    stop: Option<oneshot::Sender<()>>,
    _folder: tempfile::TempDir,
}

impl Stream {
    /// With this `FRAMES_HEADER`, or none.
    async fn open(frames: Option<&'static str>) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        let certified = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(certified.signing_key.serialize_der()));
        let mut tls = rustls::ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certified.cert.der().clone()], key)
            .unwrap();
        tls.alpn_protocols = vec![b"h2".to_vec()];
        let (ca_file, token_file) = (folder.path().join("ca.crt"), folder.path().join("token"));
        std::fs::write(&ca_file, certified.cert.pem()).unwrap();
        std::fs::write(&token_file, "token").unwrap();

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let operator = format!("https://{}", listener.local_addr().unwrap()).parse().unwrap();
        let (say, frames_out) = mpsc::unbounded_channel();
        let (heard, said) = mpsc::unbounded_channel();
        tokio::spawn(serve_one(listener, tls, frames, frames_out, heard));
        let proxy = Proxy::new(Settings::default());
        let link = Link { operator, ca_file, token_file, proxy_id: "p".into(), state_dir: None };
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(run(Arc::clone(&proxy), link, async {
            let _ = stopped.await;
        }));
        Self { proxy, said, say, stop: Some(stop), _folder: folder }
    }

    fn push(&self) -> Revision {
        let snapshot: Snapshot = serde_json::from_value(json!({
            "auth": {"mode": "open"},
            "pools": {"ai/p": {
                "health": {"consecutiveFailures": 1, "cooldownMs": 60_000},
                "providers": [{"name": "o", "type": "OpenAI", "endpoint": "http://127.0.0.1:9", "keys": []}],
            }},
            "routes": {"ai/r": {
                "models": ["m", "n"],
                "rules": [{"name": "all", "targets": [{
                    "pool": "ai/p", "model": "gpt-4o", "priority": 0, "weight": 1,
                    "candidates": [{"provider": "o", "upstream": "gpt-4o"}],
                }]}],
                "failover": {
                    "reasons": [], "maxAttempts": 1,
                    "connectMs": 1, "firstTokenMs": 1, "idleMs": 1, "totalMs": 1,
                },
            }},
        }))
        .unwrap();
        let revision = snapshot.revision();
        let snapshot = Box::new(snapshot);
        let frame = PushFrame::Snapshot { revision: revision.clone(), snapshot };
        self.say.send(write_frame(&frame).into()).unwrap();
        revision
    }

    async fn next(&mut self) -> ProxyFrame {
        timeout(Duration::from_secs(20), self.said.recv()).await.unwrap().unwrap()
    }
}

async fn serve_one(
    listener: TcpListener,
    tls: rustls::ServerConfig,
    frames: Option<&'static str>,
    frames_out: mpsc::UnboundedReceiver<Bytes>,
    heard: mpsc::UnboundedSender<ProxyFrame>,
) {
    let (tcp, _) = listener.accept().await.unwrap();
    let tls = tokio_rustls::TlsAcceptor::from(Arc::new(tls)).accept(tcp).await.unwrap();
    let frames_out = Arc::new(std::sync::Mutex::new(Some(frames_out)));
    let service = service_fn(move |request: Request<Incoming>| {
        let frames_out = frames_out.lock().unwrap().take().unwrap();
        let heard = heard.clone();
        tokio::spawn(async move {
            let mut lines = Lines { body: request.into_body(), buffer: BytesMut::new() };
            while let Ok(Some(line)) = lines.next().await {
                heard.send(read_frame(&line).unwrap()).unwrap();
            }
        });
        let body: Body = StreamBody::new(stream::unfold(frames_out, |mut frames_out| async move {
            let line = frames_out.recv().await?;
            Some((Ok::<_, Infallible>(Frame::data(line)), frames_out))
        }))
        .boxed_unsync();
        let mut response = Response::new(body);
        if let Some(frames) = frames {
            let name = HeaderName::from_static(FRAMES_HEADER);
            response.headers_mut().insert(name, HeaderValue::from_static(frames));
        }
        async { Ok::<_, Infallible>(response) }
    });
    let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    let _ = connection.serve_connection(TokioIo::new(tls), service).await;
}

fn target(open: Option<OpenBreaker>) -> TargetHealth {
    TargetHealth { pool: "ai/p".into(), provider: "o".into(), model: "gpt-4o".into(), open }
}

#[tokio::test]
async fn health_is_told_after_the_first_configuration_and_then_when_it_changes() {
    let mut t = Stream::open(Some("weather, health")).await;
    assert!(matches!(t.next().await, ProxyFrame::Hello { serving: None, .. }));
    // Nothing is known of targets yet, and a frame of a later operator is skipped.
    t.say.send(Bytes::from("{\"type\":\"weather\",\"sky\":[1,{}]}\n")).unwrap();
    assert!(timeout(2 * LOOK, t.said.recv()).await.is_err());
    let revision = t.push();
    assert_eq!(t.next().await, ProxyFrame::Ack { revision });
    assert_eq!(t.next().await, ProxyFrame::Health { targets: vec![], keys: vec![] });
    assert!(timeout(2 * LOOK, t.said.recv()).await.is_err(), "all is well, which is no news");

    let runtime = t.proxy.runtime().unwrap();
    assert_eq!(runtime.seen().count(), 1, "one target, though the route has two names");
    let breaker = runtime.seen().next().unwrap().breaker;
    let now = std::time::Instant::now();
    breaker.note(LastFailure::new(FailoverReason::Connect, None, "nobody there", now));
    breaker.failed(now);
    let ProxyFrame::Health { targets, keys } = t.next().await else { panic!("health") };
    let open = targets[0].open.clone().unwrap();
    assert!((40_000..=60_000).contains(&open.cooldown_ms), "{open:?}");
    let failure = open.last_failure.unwrap();
    assert_eq!((failure.reason.as_str(), failure.message.as_str()), ("Connect", "nobody there"));
    assert_eq!((targets.len(), keys.len()), (1, 0));
    breaker.succeeded(now);
    assert_eq!(t.next().await, ProxyFrame::Health { targets: vec![target(None)], keys: vec![] });
    drop(t.stop.take());
    assert_eq!(t.next().await, ProxyFrame::Bye);
}

#[tokio::test]
async fn an_operator_that_does_not_take_health_hears_nothing_of_it() {
    for frames in [None, Some("weather")] {
        let mut t = Stream::open(frames).await;
        let revision = t.push();
        assert!(matches!(t.next().await, ProxyFrame::Hello { .. }));
        assert_eq!(t.next().await, ProxyFrame::Ack { revision });
        t.proxy.runtime().unwrap().seen().for_each(|seen| seen.breaker.failed(std::time::Instant::now()));
        assert!(timeout(3 * LOOK, t.said.recv()).await.is_err());
        drop(t.stop.take());
        assert_eq!(t.next().await, ProxyFrame::Bye);
    }
}

#[test]
fn the_operator_names_the_frames_that_it_takes() {
    let takes_health = |lists: &[&'static str]| {
        let mut headers = HeaderMap::new();
        for list in lists {
            headers.append(FRAMES_HEADER, HeaderValue::from_static(list));
        }
        takes(&headers, HEALTH_FRAMES)
    };
    assert!(
        takes_health(&["health"]) && takes_health(&["weather,health"]) && takes_health(&["x", " health "])
    );
    assert!(!takes_health(&[]) && !takes_health(&["healthy"]) && !takes_health(&[""]));
}
