//! Asks hooks by HTTP: bounded in size, no redirect followed, no address that no hook has.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, USER_AGENT};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::Connect;
use hyper_util::client::legacy::connect::dns::GaiResolver;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use penstock_config::hook::is_closed;

use super::trouble::Trouble;
use super::wire::ANSWER_LIMIT;
use crate::guarded::{self, Connector, Guarded, Versions};
use crate::upstream::root_cause;

/// Largest head of an answer, in bytes.
const HEAD_LIMIT: usize = 16 << 10;
const IDLE: std::time::Duration = std::time::Duration::from_secs(30);
const IDLE_CONNECTIONS: usize = 64;
/// A connection that was kept may be closed by the other side at the moment that it is used. Asking changes nothing, so
/// that it can be done again.
const TRIES: usize = 2;
const CLOSED: &str = "it is at an address where no hook is asked";

/// A client for all hooks; connections are kept for the next request.
#[derive(Clone)]
pub struct HookClient<C = Connector<GaiResolver>>(legacy::Client<C, Full<Bytes>>);

impl HookClient {
    pub fn new() -> Self {
        let resolver = Guarded::new(Arc::new(|address| !is_closed(address)), CLOSED);
        Self::over(guarded::connector(resolver, Versions::OneAndTwo))
    }
}

impl<C: Connect + Clone + Send + Sync + 'static> HookClient<C> {
    pub fn over(connector: C) -> Self {
        let client = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .http1_max_buf_size(HEAD_LIMIT)
            .http2_max_header_list_size(u32::try_from(HEAD_LIMIT).unwrap_or(u32::MAX))
            .build(connector);
        Self(client)
    }

    /// The body of its answer; `None` where it has nothing to say.
    pub async fn post(
        &self,
        uri: &Uri,
        body: &Bytes,
        extra: &[(HeaderName, HeaderValue)],
    ) -> Result<Option<Bytes>, Trouble> {
        let response = self.send(uri, body, extra).await?;
        match response.status() {
            StatusCode::OK => read(response.into_body()).await.map(Some),
            StatusCode::NO_CONTENT => Ok(None),
            other => Err(Trouble::Status(other.as_u16())),
        }
    }

    async fn send(
        &self,
        uri: &Uri,
        body: &Bytes,
        extra: &[(HeaderName, HeaderValue)],
    ) -> Result<Response<Incoming>, Trouble> {
        let mut broken = None;
        for _ in 0..TRIES {
            let mut request = Request::new(Full::new(body.clone()));
            *request.method_mut() = Method::POST;
            *request.uri_mut() = uri.clone();
            let headers = request.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
            let agent = HeaderValue::from_static(concat!("penstock/", env!("CARGO_PKG_VERSION")));
            headers.insert(USER_AGENT, agent);
            headers.extend(extra.iter().cloned());
            match self.0.request(request).await {
                Ok(response) => return Ok(response),
                Err(error) if error.is_connect() => return Err(Trouble::Connect(root_cause(&error))),
                Err(error) => broken = Some(Trouble::Connect(root_cause(&error))),
            }
        }
        Err(broken.unwrap_or_else(|| Trouble::Connect("it was not tried".to_owned())))
    }
}

async fn read(body: Incoming) -> Result<Bytes, Trouble> {
    match Limited::new(body, ANSWER_LIMIT).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            Err(Trouble::Invalid(format!("it has more than {ANSWER_LIMIT} bytes")))
        }
        Err(_) => Err(Trouble::Connect("the connection broke in the middle of the answer".to_owned())),
    }
}
