//! /healthz, /readyz and /metrics, on plain HTTP.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;

use crate::metrics::Metrics;

/// A client that sends nothing is cut off after this.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// Whether the operator is ready: `Err` says what it still waits for.
pub type Ready = Arc<dyn Fn() -> Result<(), &'static str> + Send + Sync>;

/// Serves until dropped.
pub async fn serve(listener: TcpListener, metrics: Metrics, ready: Ready) {
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of file descriptors, mostly: a pause instead of a busy loop.
                tracing::warn!(%error, "a connection to the health listener could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let (metrics, ready) = (metrics.clone(), Arc::clone(&ready));
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let response = answer(&request, &metrics, &ready);
                async move { Ok::<_, Infallible>(response) }
            });
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADER_TIMEOUT)
                .serve_connection(TokioIo::new(stream), service);
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a health connection ended");
            }
        });
    }
}

fn answer(request: &Request<Incoming>, metrics: &Metrics, ready: &Ready) -> Response<Full<Bytes>> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return text(StatusCode::METHOD_NOT_ALLOWED, "only GET");
    }
    match request.uri().path() {
        "/healthz" => text(StatusCode::OK, "ok"),
        "/readyz" => match ready() {
            Ok(()) => text(StatusCode::OK, "ok"),
            Err(waits_for) => text(StatusCode::SERVICE_UNAVAILABLE, waits_for),
        },
        "/metrics" => {
            let mut response = Response::new(Full::from(metrics.text()));
            let format = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
            response.headers_mut().insert(CONTENT_TYPE, format);
            response
        }
        _ => text(StatusCode::NOT_FOUND, "here are /healthz, /readyz and /metrics"),
    }
}

fn text(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    response
}
