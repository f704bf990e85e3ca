//! The push listener: HTTPS, one `POST /v1/stream` for each proxy.
//!
//! Owns: sockets, TLS, who may open a stream. Refuses to know: what is in a snapshot.

mod auth;
mod lines;
mod stream;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

pub use auth::{Caller, KubeReviewer, TokenReviewer};

use crate::publisher::Publisher;
use crate::settings::NamespacedName;

const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// A proxy that answers no HTTP/2 ping is gone, whatever TCP says.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(20);
/// Time for the ends of the streams to leave, at shutdown.
const FAREWELL: Duration = Duration::from_secs(2);

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// What every stream shares.
pub struct Push<R> {
    pub publisher: Arc<Publisher>,
    pub reviewer: R,
    pub accounts: Vec<NamespacedName>,
    /// True when the operator shuts down.
    pub shutdown: watch::Receiver<bool>,
}

/// Serves until shutdown, and then until the streams have ended.
pub async fn serve<R: TokenReviewer>(listener: TcpListener, tls: rustls::ServerConfig, push: Push<R>) {
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    let mut shutdown = push.shutdown.clone();
    let push = Arc::new(push);
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
            () = going_down(&mut shutdown) => break,
        };
        match accepted {
            Ok((tcp, _)) => {
                connections.spawn(connection(tcp, acceptor.clone(), Arc::clone(&push)));
            }
            Err(error) => {
                tracing::warn!(%error, "a connection to the push listener could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    let _ = timeout(FAREWELL, async { while connections.join_next().await.is_some() {} }).await;
}

/// Resolves when the operator shuts down, or has.
async fn going_down(shutdown: &mut watch::Receiver<bool>) {
    let _ = shutdown.wait_for(|down| *down).await;
}

async fn connection<R: TokenReviewer>(tcp: TcpStream, acceptor: TlsAcceptor, push: Arc<Push<R>>) {
    let _ = tcp.set_nodelay(true);
    let tls = match timeout(HANDSHAKE_TIMEOUT, acceptor.accept(tcp)).await {
        Ok(Ok(tls)) => tls,
        Ok(Err(error)) => return tracing::debug!(%error, "a TLS handshake failed"),
        Err(_) => return tracing::debug!("a TLS handshake took too long"),
    };
    let mut shutdown = push.shutdown.clone();
    let service = service_fn(move |request| {
        let push = Arc::clone(&push);
        async move { Ok::<_, Infallible>(answer(push, request).await) }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HANDSHAKE_TIMEOUT);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(16)
        .max_header_list_size(16 << 10)
        .keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT);
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(tls), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = going_down(&mut shutdown) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a push connection ended");
    }
}

async fn answer<R: TokenReviewer>(push: Arc<Push<R>>, request: Request<Incoming>) -> Response<Body> {
    if request.uri().path() != "/v1/stream" {
        return refusal(StatusCode::NOT_FOUND, "not_found", "proxies connect with POST /v1/stream");
    }
    if request.method() != Method::POST {
        return refusal(StatusCode::METHOD_NOT_ALLOWED, "method", "proxies connect with POST /v1/stream");
    }
    match admit(&push, request.headers()).await {
        Ok(caller) => stream::open(&push.publisher, caller, request.into_body(), push.shutdown.clone()),
        Err(rejected) => {
            push.publisher.metrics().push_rejected.with_label_values(&[rejected.reason]).inc();
            tracing::warn!(
                reason = rejected.reason,
                message = rejected.message,
                "a push stream was not let in"
            );
            refusal(rejected.status, rejected.reason, &rejected.message)
        }
    }
}

/// Why a stream is not opened.
struct Rejected {
    status: StatusCode,
    reason: &'static str,
    message: String,
}

/// Who asks, when that one may have the configuration.
async fn admit<R: TokenReviewer>(push: &Push<R>, headers: &HeaderMap) -> Result<Caller, Rejected> {
    let token = bearer(headers).ok_or_else(|| Rejected {
        status: StatusCode::UNAUTHORIZED,
        reason: "no_token",
        message: "send `Authorization: Bearer TOKEN` with a ServiceAccount token".into(),
    })?;
    let caller = push.reviewer.review(token).await.map_err(|error| Rejected {
        status: StatusCode::SERVICE_UNAVAILABLE,
        reason: "review_failed",
        message: format!("the token could not be checked: {error}"),
    })?;
    let caller = caller.ok_or_else(|| Rejected {
        status: StatusCode::UNAUTHORIZED,
        reason: "wrong_token",
        message: format!(
            "the token is not valid for the audience {}; project one for it into the proxy's pod",
            penstock_config::TOKEN_AUDIENCE
        ),
    })?;
    let is_allowed = |account: &NamespacedName| caller.username == auth::username(account);
    if push.accounts.iter().any(is_allowed) {
        return Ok(caller);
    }
    let accounts: Vec<String> = push.accounts.iter().map(ToString::to_string).collect();
    Err(Rejected {
        status: StatusCode::FORBIDDEN,
        reason: "wrong_account",
        message: format!(
            "{} is no proxy; the operator lets in the ServiceAccounts {} (--proxy-service-account)",
            caller.username,
            accounts.join(", ")
        ),
    })
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

fn refusal(status: StatusCode, reason: &str, message: &str) -> Response<Body> {
    let body = json!({"error": {"reason": reason, "message": message}}).to_string();
    let mut response = Response::new(Full::from(body).boxed_unsync());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests;
