//! The client side: connections to providers. The one file that knows the HTTP client.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tower_service::Service;

type Connector = TimedConnector<HttpsConnector<HttpConnector>>;

/// A pooling HTTP client whose connections (DNS, TCP, TLS) are made within a fixed time.
#[derive(Clone)]
pub struct Client(hyper_util::client::legacy::Client<Connector, Full<Bytes>>);

/// Why a request got no answer.
#[derive(Debug)]
pub enum SendError {
    /// No connection: nothing was sent.
    Connect { timed_out: bool, message: String },
    /// The connection broke before an answer: the provider may have seen the request.
    Sent(String),
}

impl Client {
    fn new(connect_timeout: Duration) -> Self {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_keepalive(Some(Duration::from_secs(60)));
        let https = HttpsConnectorBuilder::new()
            .with_webpki_roots()
            .https_or_http()
            .enable_http1()
            .enable_http2()
            .wrap_connector(http);
        let client = hyper_util::client::legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(60))
            .http2_keep_alive_interval(Duration::from_secs(20))
            .build(TimedConnector { inner: https, timeout: connect_timeout });
        Self(client)
    }

    /// Sends and waits for the head of the answer.
    pub async fn send(&self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, SendError> {
        self.0.request(request).await.map_err(|error| {
            let message = root_cause(&error);
            if error.is_connect() {
                SendError::Connect { timed_out: message == TIMED_OUT, message }
            } else {
                SendError::Sent(message)
            }
        })
    }
}

/// One client for each connect timeout in use, kept across configurations so that connections are too.
#[derive(Default)]
pub struct Clients(Mutex<HashMap<u64, Client>>);

impl Clients {
    pub fn get(&self, connect_ms: u64) -> Client {
        let mut clients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        clients.entry(connect_ms).or_insert_with(|| Client::new(Duration::from_millis(connect_ms))).clone()
    }

    /// Drops the clients that no configuration uses any more.
    pub fn keep_only(&self, in_use: &[u64]) {
        let mut clients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        clients.retain(|connect_ms, _| in_use.contains(connect_ms));
    }
}

const TIMED_OUT: &str = "no connection within the connect timeout";

/// The innermost error says what happened; the outer ones say "client error".
pub fn root_cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// Bounds DNS, TCP and TLS together; hyper-util's own limit covers TCP alone.
#[derive(Clone)]
struct TimedConnector<C> {
    inner: C,
    timeout: Duration,
}

impl<C> Service<Uri> for TimedConnector<C>
where
    C: Service<
            Uri,
            Response = MaybeHttpsStream<TokioIo<TcpStream>>,
            Error = Box<dyn std::error::Error + Send + Sync>,
        >,
    C::Future: Send + 'static,
{
    type Response = C::Response;
    type Error = C::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = self.inner.call(uri);
        let timeout = self.timeout;
        Box::pin(async move {
            match tokio::time::timeout(timeout, connecting).await {
                Ok(connected) => connected,
                Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, TIMED_OUT).into()),
            }
        })
    }
}
