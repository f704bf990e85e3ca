//! A plain HTTP/1.1 client for what the SDKs do not show: headers, raw streams, going away in the
//! middle. One connection for each request, nothing retried, no TLS.

use crate::replay::{Event, RUNTIME, wait_outside_runtime};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// Longest wait for headers, and for a whole answer.
const TIMEOUT: Duration = Duration::from_secs(60);

/// An answer that has come whole.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("connect: {0}")]
    Connect(std::io::Error),
    #[error(transparent)]
    Http(#[from] hyper::Error),
    #[error("no answer after {TIMEOUT:?}")]
    Timeout,
}

/// A request with these headers and body.
#[derive(Clone, Debug)]
pub struct Call {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
}

impl Call {
    fn new(method: Method, url: &str, body: Bytes) -> Self {
        let uri: Uri = url.parse().unwrap_or_else(|error| panic!("{url}: {error}"));
        Self { method, uri, headers: HeaderMap::new(), body }
    }

    pub fn get(url: &str) -> Self {
        Self::new(Method::GET, url, Bytes::new())
    }

    pub fn post(url: &str, body: &Value) -> Self {
        let body = serde_json::to_vec(body).expect("JSON").into();
        Self::new(Method::POST, url, body).header(CONTENT_TYPE.as_str(), "application/json")
    }

    /// A body that need not be JSON.
    pub fn post_bytes(url: &str, body: impl Into<Bytes>) -> Self {
        Self::new(Method::POST, url, body.into()).header(CONTENT_TYPE.as_str(), "application/json")
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name = HeaderName::try_from(name).expect("a header name");
        self.headers.insert(name, HeaderValue::try_from(value).expect("a header value"));
        self
    }

    pub fn bearer(self, key: &str) -> Self {
        self.header("authorization", &format!("Bearer {key}"))
    }

    /// Sends it and reads the whole answer. An answer that is cut is an error.
    pub fn send(self) -> Result<Answer, Error> {
        wait_outside_runtime(async {
            let whole = async {
                let (status, headers, body, _connection) = self.open_async().await?;
                let body = body.collect().await?.to_bytes();
                Ok(Answer { status, headers, body })
            };
            tokio::time::timeout(TIMEOUT, whole).await.unwrap_or(Err(Error::Timeout))
        })
    }

    /// Sends it and returns when the headers have come. Dropping the stream drops the connection.
    pub fn open(self) -> Result<Streaming, Error> {
        wait_outside_runtime(async {
            let opened = tokio::time::timeout(TIMEOUT, self.open_async()).await;
            let (status, headers, mut body, connection) = opened.unwrap_or(Err(Error::Timeout))?;
            let (sender, chunks) = channel();
            let reader = RUNTIME.spawn(async move {
                let _connection = connection;
                while let Some(frame) = body.frame().await {
                    let chunk = frame.map(|frame| frame.into_data().unwrap_or_default());
                    let ended = chunk.is_err();
                    if sender.send(chunk).is_err() || ended {
                        break;
                    }
                }
            });
            Ok(Streaming { status, headers, chunks, reader })
        })
    }

    async fn open_async(self) -> Result<(StatusCode, HeaderMap, Incoming, Connection), Error> {
        let authority = self.uri.authority().expect("a host in the URL").clone();
        let stream = TcpStream::connect(authority.as_str()).await.map_err(Error::Connect)?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let connection = Connection(tokio::spawn(async move { drop(connection.await) }));
        let path = self.uri.path_and_query().map_or("/", |path| path.as_str());
        let mut request = Request::new(Full::new(self.body));
        *request.method_mut() = self.method;
        *request.uri_mut() = path.parse().expect("a path");
        *request.headers_mut() = self.headers;
        request.headers_mut().insert(HOST, HeaderValue::from_str(authority.as_str()).expect("a host"));
        let (head, body) = sender.send_request(request).await?.into_parts();
        Ok((head.status, head.headers, body, connection))
    }
}

/// The task that moves a connection's bytes; closing is ending it.
struct Connection(JoinHandle<()>);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// An answer whose body is still coming.
#[derive(Debug)]
pub struct Streaming {
    pub status: StatusCode,
    pub headers: HeaderMap,
    chunks: Receiver<Result<Bytes, hyper::Error>>,
    reader: JoinHandle<()>,
}

impl Streaming {
    /// The next bytes; `None` at the end. Panics when nothing comes within `timeout`.
    #[track_caller]
    pub fn next(&mut self, timeout: Duration) -> Option<Result<Bytes, Error>> {
        match self.chunks.recv_timeout(timeout) {
            Ok(chunk) => Some(chunk.map_err(Error::from)),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("nothing came within {timeout:?}"),
        }
    }

    /// Reads to the end; what came, and the error where the stream was cut.
    pub fn rest(mut self) -> (Bytes, Option<Error>) {
        let mut all = Vec::new();
        while let Some(chunk) = self.next(TIMEOUT) {
            match chunk {
                Ok(bytes) => all.extend_from_slice(&bytes),
                Err(error) => return (all.into(), Some(error)),
            }
        }
        (all.into(), None)
    }
}

impl Drop for Streaming {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Answer {
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {:?}", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header as text; empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("a header of text"))
    }

    /// The events of a `text/event-stream`; comments are left out.
    pub fn events(&self) -> Vec<Event> {
        events(&self.text())
    }
}

/// Parses whole events; a last one without its empty line is one that was cut and is left out.
pub fn events(text: &str) -> Vec<Event> {
    let text = text.replace("\r\n", "\n");
    let whole = text.rfind("\n\n").map_or("", |end| &text[..end]);
    let parse = |block: &str| {
        let field = |line: &str, name: &str| {
            line.strip_prefix(name)?.strip_prefix(':').map(|value| value.trim_start_matches(' ').to_owned())
        };
        let data: Vec<_> = block.lines().filter_map(|line| field(line, "data")).collect();
        let event = block.lines().find_map(|line| field(line, "event"));
        (!data.is_empty()).then(|| Event { event, data: data.join("\n") })
    };
    whole.split("\n\n").filter_map(parse).collect()
}
