//! Listeners: the API port and the admin port (metrics, health), and how they shut down.

use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;

use crate::pipeline;
use crate::proxy::Proxy;
use crate::reply::{self, Body};

/// A client that does not finish its headers in this time is cut off. hyper counts the wait for the next request of a
/// kept-alive connection in, so it is longer than the clients and load balancers in use keep theirs (Go's client 90 s,
/// AWS's ALB 60 s): the side that sends the next request must be the one that gives up first, or it meets a reset.
const HEADER_TIME: Duration = Duration::from_secs(120);
/// Larger headers are answered 431.
const HEADER_BYTES: usize = 64 << 10;

/// Serves the API until `shutdown` resolves, then lets requests in flight finish, bounded by
/// [`crate::Settings::drain_timeout`].
pub async fn serve(proxy: Arc<Proxy>, listener: TcpListener, shutdown: impl Future<Output = ()>) {
    let drain = proxy.settings.drain_timeout;
    let handler = move |request| {
        let proxy = proxy.clone();
        async move { pipeline::handle(proxy, request).await }
    };
    accept(listener, handler, shutdown, drain).await;
}

/// Serves `/metrics`, `/healthz`, `/readyz` and the last decisions.
pub async fn serve_admin(proxy: Arc<Proxy>, listener: TcpListener, shutdown: impl Future<Output = ()>) {
    let handler = move |request| {
        let response = admin(&proxy, &request);
        async move { response }
    };
    accept(listener, handler, shutdown, Duration::from_secs(1)).await;
}

fn admin(proxy: &Proxy, request: &Request<Incoming>) -> Response<Body> {
    if request.method() != Method::GET {
        return reply::text(StatusCode::METHOD_NOT_ALLOWED, "GET only\n");
    }
    match request.uri().path() {
        "/metrics" => {
            let mut response = Response::new(reply::full(proxy.metrics.render()));
            let format = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
            response.headers_mut().insert(CONTENT_TYPE, format);
            response
        }
        "/healthz" => reply::text(StatusCode::OK, "ok\n"),
        "/readyz" => pipeline::readiness(proxy),
        "/decisions" => decisions(proxy, request.uri().query()),
        path => match path.strip_prefix("/decisions/") {
            Some(id) => decision(proxy, id),
            None => reply::text(
                StatusCode::NOT_FOUND,
                "there are /metrics, /healthz, /readyz, /decisions and /decisions/{request id}\n",
            ),
        },
    }
}

/// The last decisions, newest first: `?limit=20`.
fn decisions(proxy: &Proxy, query: Option<&str>) -> Response<Body> {
    let limit = query.and_then(|query| query.strip_prefix("limit=")).map_or(Ok(20), str::parse);
    match limit {
        // What is kept are plain structs: they can be written.
        Ok(limit) => {
            let found = proxy.decisions.newest(limit);
            reply::json(StatusCode::OK, serde_json::to_vec(&found).unwrap_or_default())
        }
        Err(_) => reply::text(StatusCode::BAD_REQUEST, "limit is a number: /decisions?limit=20\n"),
    }
}

fn decision(proxy: &Proxy, id: &str) -> Response<Body> {
    match proxy.decisions.find(id) {
        Some(found) => reply::json(StatusCode::OK, serde_json::to_vec(&found).unwrap_or_default()),
        None => reply::text(
            StatusCode::NOT_FOUND,
            "no decision of that request id: only the last ones are kept, each in the proxy that made it\n",
        ),
    }
}

async fn accept<H, F>(listener: TcpListener, handler: H, shutdown: impl Future<Output = ()>, drain: Duration)
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let mut shutdown = pin!(shutdown);
    let graceful = GracefulShutdown::new();
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIME).max_buf_size(HEADER_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(HEADER_BYTES as u32)
        .keep_alive_interval(Duration::from_secs(30));
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of file descriptors, for example: wait for some to come back instead of spinning.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
            () = &mut shutdown => break,
        };
        // Without it small stream events wait for the client's acknowledgement of the one before.
        let _ = stream.set_nodelay(true);
        let handler = handler.clone();
        let service = service_fn(move |request| {
            let answer = handler(request);
            async move { Ok::<_, Infallible>(answer.await) }
        });
        let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::trace!(%error, "a connection ended with an error");
            }
        });
    }
    drop(listener);
    if tokio::time::timeout(drain, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests were still in flight at the end of the drain timeout");
    }
}
