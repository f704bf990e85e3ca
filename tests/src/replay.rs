//! A server that plays a provider: it answers what the test tells it to, fails the way it is told
//! to, and keeps what it was asked.

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::Value;
use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;

/// The harness's own runtime: a test that blocks in kubectl or Python must not stop the servers.
pub(crate) static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .thread_name("harness")
        .build()
        .expect("a runtime")
});

/// One event of a `text/event-stream`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub event: Option<String>,
    pub data: String,
}

impl Event {
    /// As OpenAI sends them: data only.
    pub fn data(data: impl ToString) -> Self {
        Self { event: None, data: data.to_string() }
    }

    /// As Anthropic sends them.
    pub fn named(event: impl Into<String>, data: impl ToString) -> Self {
        Self { event: Some(event.into()), data: data.to_string() }
    }

    /// As it is sent.
    pub fn bytes(&self) -> Bytes {
        let event = self.event.iter().map(|event| format!("event: {event}\n"));
        let data = self.data.split('\n').map(|line| format!("data: {line}\n"));
        event.chain(data).chain(["\n".into()]).collect::<String>().into()
    }
}

/// How a streamed body ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum End {
    #[default]
    Complete,
    /// The connection is dropped after this many chunks (events, of SSE).
    CutAfter(usize),
    /// The connection is reset after this many.
    ResetAfter(usize),
    /// Nothing more comes after this many, and the connection stays.
    HangAfter(usize),
}

/// When the chunks of a stream are sent. By default at once, and all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Paced {
    /// Before each chunk.
    pub delay: Duration,
    pub end: End,
}

/// What happens to one request.
#[derive(Clone, Debug)]
pub enum Behaviour {
    Json {
        status: u16,
        headers: Vec<(String, String)>,
        body: Value,
    },
    /// 200, one chunk for each event.
    Sse {
        headers: Vec<(String, String)>,
        events: Vec<Event>,
        paced: Paced,
    },
    /// These bytes, cut every `chunk_size`, wherever that falls.
    RawStream {
        status: u16,
        headers: Vec<(String, String)>,
        bytes: Bytes,
        chunk_size: usize,
        paced: Paced,
    },
    /// A status and a body that is no JSON.
    Status {
        status: u16,
        body: String,
    },
    /// 200 and a body of no bytes.
    EmptyBody200,
    HangBeforeHeaders,
    /// 200 and `text/event-stream`, and then nothing.
    HangAfterHeaders,
    /// A TCP reset where the answer should be.
    ResetBeforeHeaders,
    /// Waits, before anything of it is sent.
    Delayed(Duration, Box<Behaviour>),
}

impl Behaviour {
    pub fn json(body: Value) -> Self {
        Self::error(200, body)
    }

    pub fn error(status: u16, body: Value) -> Self {
        Self::Json { status, headers: vec![], body }
    }

    pub fn status(status: u16, body: impl Into<String>) -> Self {
        Self::Status { status, body: body.into() }
    }

    pub fn sse(events: impl Into<Vec<Event>>) -> Self {
        Self::Sse { headers: vec![], events: events.into(), paced: Paced::default() }
    }

    /// The same after a wait.
    pub fn delayed(self, delay: Duration) -> Self {
        Self::Delayed(delay, Box::new(self))
    }

    /// A stream with this time before each chunk. Nothing else has chunks.
    pub fn chunk_delay(mut self, delay: Duration) -> Self {
        self.paced_mut().delay = delay;
        self
    }

    /// A stream that ends like this.
    pub fn end(mut self, end: End) -> Self {
        self.paced_mut().end = end;
        self
    }

    /// With one more header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        match &mut self {
            Self::Json { headers, .. } | Self::Sse { headers, .. } | Self::RawStream { headers, .. } => {
                headers.push((name.into(), value.into()));
                self
            }
            _ => panic!("{self:?} has no headers to set"),
        }
    }

    fn paced_mut(&mut self) -> &mut Paced {
        match self {
            Self::Sse { paced, .. } | Self::RawStream { paced, .. } => paced,
            other => panic!("{other:?} is no stream"),
        }
    }
}

/// What happens to each request.
pub enum Script {
    Always(Behaviour),
    /// One each; the last for all that follow.
    Sequence(Vec<Behaviour>),
    /// Decided from the request and how many came since the script was set.
    By(Box<Decide>),
}

type Decide = dyn Fn(&SeenRequest, usize) -> Behaviour + Send + Sync;

impl Script {
    pub fn by(decide: impl Fn(&SeenRequest, usize) -> Behaviour + Send + Sync + 'static) -> Self {
        Self::By(Box::new(decide))
    }

    /// What a request gets, `index` being how many came before it.
    pub fn behaviour(&self, request: &SeenRequest, index: usize) -> Behaviour {
        match self {
            Self::Always(behaviour) => behaviour.clone(),
            Self::Sequence(all) => all[index.min(all.len() - 1)].clone(),
            Self::By(decide) => decide(request, index),
        }
    }
}

impl From<Behaviour> for Script {
    fn from(behaviour: Behaviour) -> Self {
        Self::Always(behaviour)
    }
}

impl<const N: usize> From<[Behaviour; N]> for Script {
    fn from(all: [Behaviour; N]) -> Self {
        const { assert!(N > 0) };
        Self::Sequence(all.into())
    }
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct SeenRequest {
    pub at: Instant,
    pub method: Method,
    /// With its query.
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl SeenRequest {
    /// A header as text; empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("a header of text"))
    }

    /// The body; `Null` where it is no JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    pub fn wants_stream(&self) -> bool {
        self.json()["stream"] == true
    }
}

/// The server. It stops, and closes what is open, when dropped.
pub struct Replay {
    addr: SocketAddr,
    state: Arc<State>,
    tls: Option<TlsAcceptor>,
    /// The port: listened on, or only held.
    port: Mutex<Port>,
}

#[derive(Debug)]
enum Port {
    Open {
        accepting: JoinHandle<()>,
        /// Its end ends every connection.
        _connections: watch::Sender<()>,
    },
    /// Bound but not listened on: connecting is refused, and nobody else can take the port.
    Held(TcpSocket),
    /// While it passes from one to the other.
    Changing,
}

#[derive(Default)]
struct State {
    script: Mutex<(Option<Script>, usize)>,
    seen: Mutex<Vec<SeenRequest>>,
    cancelled: AtomicUsize,
    connections: AtomicUsize,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").finish_non_exhaustive()
    }
}

impl Replay {
    /// Listens on a free port of 127.0.0.1.
    pub fn start(script: impl Into<Script>) -> Self {
        Self::start_with(script, None)
    }

    /// The same with TLS, and a certificate that nobody signed.
    pub fn start_unsigned(script: impl Into<Script>) -> Self {
        Self::start_with(script, Some(unsigned()))
    }

    fn start_with(script: impl Into<Script>, tls: Option<TlsAcceptor>) -> Self {
        let socket = bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        let addr = socket.local_addr().expect("an address");
        let replay = Self { addr, state: Arc::default(), tls, port: Mutex::new(Port::Held(socket)) };
        replay.set(script);
        replay.accept();
        replay
    }

    /// `http://127.0.0.1:<port>`, with TLS too.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// From now on, and counted from 0 again.
    pub fn set(&self, script: impl Into<Script>) {
        *self.state.script.lock().expect("unpoisoned") = (Some(script.into()), 0);
    }

    /// All requests that came whole, oldest first.
    pub fn requests(&self) -> Vec<SeenRequest> {
        self.state.seen.lock().expect("unpoisoned").clone()
    }

    /// The requests since the last call.
    pub fn take_requests(&self) -> Vec<SeenRequest> {
        std::mem::take(&mut *self.state.seen.lock().expect("unpoisoned"))
    }

    /// Requests whose client went away before it had the whole answer.
    pub fn cancelled(&self) -> usize {
        self.state.cancelled.load(SeqCst)
    }

    /// Connections that are open now.
    pub fn connections(&self) -> usize {
        self.state.connections.load(SeqCst)
    }

    /// From now on connecting is refused; what was connected is closed.
    pub fn refuse(&self) {
        let mut port = self.port.lock().expect("unpoisoned");
        if let Port::Open { accepting, _connections } = std::mem::replace(&mut *port, Port::Changing) {
            drop(_connections);
            accepting.abort();
            // The listener is closed when its task is gone, and only then can the port be bound.
            wait_outside_runtime(async { drop(accepting.await) });
            crate::wait_until(Duration::from_secs(5), "connections close", || self.connections() == 0);
        }
        *port = Port::Held(bind(self.addr));
    }

    /// Takes connections again after [`Replay::refuse`].
    pub fn accept(&self) {
        let mut port = self.port.lock().expect("unpoisoned");
        let socket = match std::mem::replace(&mut *port, Port::Changing) {
            Port::Held(socket) => socket,
            open => return *port = open,
        };
        let _runtime = RUNTIME.enter();
        let listener = socket.listen(1024).expect("the port is ours");
        let (connections, open) = watch::channel(());
        let accepting = RUNTIME.spawn(accept(listener, self.tls.clone(), Arc::clone(&self.state), open));
        *port = Port::Open { accepting, _connections: connections };
    }
}

impl Drop for Replay {
    fn drop(&mut self) {
        if let Ok(Port::Open { accepting, .. }) = self.port.get_mut() {
            accepting.abort();
        }
    }
}

fn bind(addr: SocketAddr) -> TcpSocket {
    let _runtime = RUNTIME.enter();
    let socket = TcpSocket::new_v4().expect("a socket");
    // Connections of before, in TIME_WAIT, would else keep the port.
    socket.set_reuseaddr(true).expect("SO_REUSEADDR");
    socket.bind(addr).unwrap_or_else(|error| panic!("{addr}: {error}"));
    socket
}

/// Blocks on the harness's runtime from anywhere, another runtime's thread included.
pub(crate) fn wait_outside_runtime<T: Send>(future: impl Future<Output = T> + Send) -> T {
    std::thread::scope(|scope| match scope.spawn(|| RUNTIME.block_on(future)).join() {
        Ok(value) => value,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}

async fn accept(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    state: Arc<State>,
    open: watch::Receiver<()>,
) {
    loop {
        // An error is that of one connection which has gone already.
        if let Ok((stream, _)) = listener.accept().await {
            let counted = Counted::new(Arc::clone(&state));
            let (state, tls, mut open) = (Arc::clone(&state), tls.clone(), open.clone());
            tokio::spawn(async move {
                let _counted = counted;
                tokio::select! {
                    () = serve(stream, tls, &state) => {}
                    _ = open.changed() => {}
                }
            });
        }
    }
}

async fn serve(stream: TcpStream, tls: Option<TlsAcceptor>, state: &Arc<State>) {
    let _ = stream.set_nodelay(true);
    // A second handle to the socket, for the reset: hyper has the first.
    let stream = stream.into_std().expect("a socket");
    let second = TcpStream::from_std(stream.try_clone().expect("a second handle")).expect("a socket");
    let stream = TcpStream::from_std(stream).expect("a socket");
    match tls {
        None => talk(stream, Arc::new(second), state).await,
        Some(tls) => match tls.accept(stream).await {
            Ok(stream) => talk(stream, Arc::new(second), state).await,
            Err(_) => { /* A client that does not trust us. */ }
        },
    }
}

async fn talk(stream: impl AsyncRead + AsyncWrite + Unpin, socket: Arc<TcpStream>, state: &Arc<State>) {
    let answer = service_fn(move |request| {
        let socket = Arc::clone(&socket);
        async move { answer(request, &socket, Arc::clone(state)).await.inspect_err(|Reset| reset(&socket)) }
    });
    // An error is a client that went away, or the connection cut on purpose.
    let _ = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), answer)
        .await;
}

/// What follows when the connection is closed.
fn reset(socket: &TcpStream) {
    socket.set_zero_linger().expect("SO_LINGER");
}

fn unsigned() -> TlsAcceptor {
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    let key = signing_key.serialize_der().try_into().expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions of TLS")
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .expect("a certificate and its key");
    TlsAcceptor::from(Arc::new(config))
}

/// The connection is to be reset.
#[derive(Debug, thiserror::Error)]
#[error("reset")]
struct Reset;

type Body = UnsyncBoxBody<Bytes, io::Error>;

async fn answer(
    request: Request<Incoming>,
    socket: &Arc<TcpStream>,
    state: Arc<State>,
) -> Result<Response<Body>, Reset> {
    let (head, body) = request.into_parts();
    let unfinished = Unfinished { state: Arc::clone(&state), finished: false };
    // A request that breaks off is a client that has gone away.
    let body = body.collect().await.map_err(|_| Reset)?.to_bytes();
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let seen = SeenRequest { at: Instant::now(), method: head.method, path, headers: head.headers, body };
    let mut behaviour = {
        let (script, count) = &mut *state.script.lock().expect("unpoisoned");
        let index = *count;
        *count += 1;
        script.as_ref().expect("a script from the start").behaviour(&seen, index)
    };
    state.seen.lock().expect("unpoisoned").push(seen);

    while let Behaviour::Delayed(delay, inner) = behaviour {
        tokio::time::sleep(delay).await;
        behaviour = *inner;
    }
    match behaviour {
        Behaviour::Json { status, headers, body } => {
            unfinished.done();
            Ok(response(status, "application/json", headers, whole(serde_json::to_vec(&body).expect("JSON"))))
        }
        Behaviour::Status { status, body } => {
            unfinished.done();
            Ok(response(status, "text/plain", vec![], whole(body)))
        }
        Behaviour::EmptyBody200 => {
            unfinished.done();
            Ok(response(200, "application/json", vec![], whole("")))
        }
        Behaviour::Sse { headers, events, paced } => {
            let chunks = events.iter().map(Event::bytes).collect();
            Ok(response(200, "text/event-stream", headers, streamed(chunks, paced, unfinished, socket)))
        }
        Behaviour::RawStream { status, headers, bytes, chunk_size, paced } => {
            let starts = (0..bytes.len()).step_by(chunk_size);
            let chunks = starts.map(|at| bytes.slice(at..bytes.len().min(at + chunk_size))).collect();
            Ok(response(
                status,
                "application/octet-stream",
                headers,
                streamed(chunks, paced, unfinished, socket),
            ))
        }
        Behaviour::HangAfterHeaders => {
            let paced = Paced { delay: Duration::ZERO, end: End::HangAfter(0) };
            Ok(response(200, "text/event-stream", vec![], streamed(vec![], paced, unfinished, socket)))
        }
        Behaviour::HangBeforeHeaders => pending().await,
        Behaviour::ResetBeforeHeaders => {
            unfinished.done();
            Err(Reset)
        }
        Behaviour::Delayed(..) => unreachable!("waited for above"),
    }
}

/// `content_type` holds where the test set none.
fn response(
    status: u16,
    content_type: &'static str,
    headers: Vec<(String, String)>,
    body: Body,
) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status.try_into().expect("a status");
    for (name, value) in headers {
        let name = HeaderName::try_from(name).expect("a header name");
        response.headers_mut().append(name, HeaderValue::try_from(value).expect("a header value"));
    }
    let content_type = HeaderValue::from_static(content_type);
    response.headers_mut().entry(http::header::CONTENT_TYPE).or_insert(content_type);
    response
}

fn whole(body: impl Into<Bytes>) -> Body {
    Full::new(body.into()).map_err(|never: Infallible| match never {}).boxed_unsync()
}

fn streamed(chunks: Vec<Bytes>, paced: Paced, unfinished: Unfinished, socket: &Arc<TcpStream>) -> Body {
    let socket = Arc::clone(socket);
    // Ends by itself, without a next state, behind a cut.
    let frames = stream::unfold(Some((0, unfinished)), move |state| {
        let state = state.map(|(index, unfinished)| (index, unfinished, chunks.get(index).cloned()));
        let socket = Arc::clone(&socket);
        async move {
            let (index, unfinished, chunk) = state?;
            match paced.end {
                End::CutAfter(count) | End::ResetAfter(count) if index >= count => {
                    // So that the client has what was sent before, and not only the cut.
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    if matches!(paced.end, End::ResetAfter(_)) {
                        reset(&socket);
                    }
                    unfinished.done();
                    return Some((Err(io::ErrorKind::ConnectionAborted.into()), None));
                }
                End::HangAfter(count) if index >= count => pending().await,
                _ => {}
            }
            let Some(chunk) = chunk else {
                unfinished.done();
                return None;
            };
            tokio::time::sleep(paced.delay).await;
            Some((Ok(Frame::data(chunk)), Some((index + 1, unfinished))))
        }
    });
    StreamBody::new(frames).boxed_unsync()
}

/// Counts a request that is dropped before its answer was sent.
struct Unfinished {
    state: Arc<State>,
    finished: bool,
}

impl Unfinished {
    fn done(mut self) {
        self.finished = true;
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.finished {
            self.state.cancelled.fetch_add(1, SeqCst);
        }
    }
}

/// Counts a connection for as long as it lives.
struct Counted(Arc<State>);

impl Counted {
    fn new(state: Arc<State>) -> Self {
        state.connections.fetch_add(1, SeqCst);
        Self(state)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, SeqCst);
    }
}
