//! The stream from the operator: receives snapshots, puts them in force, says so; and says how the targets are.
//!
//! The proxy outlives the operator: while the stream is down, it serves what it has.

use std::fmt;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use bytes::{Bytes, BytesMut};
use futures_util::stream;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Method, Request, Uri};
use http_body::Frame;
use http_body_util::{BodyExt, Limited, StreamBody};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use penstock_config::{
    FRAMES_HEADER, HEALTH_FRAMES, ProxyFrame, PushFrame, Snapshot, read_frame, write_frame,
};
use rustls::RootCertStore;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};

use crate::health::Heard;
use crate::last_good;
use crate::proxy::Proxy;

/// The operator pings every 10 s; three missed pings are a dead stream.
const SILENCE: Duration = Duration::from_secs(35);
/// The health of the targets is looked at so often, and told when there is news.
const LOOK: Duration = Duration::from_secs(1);
/// Frames that may wait to be sent; the last of them are kept for answers.
const OUTGOING: usize = 16;
const FOR_ANSWERS: usize = 4;
/// No snapshot is larger than this: 5,000 routes are about 10 MiB.
const FRAME_LIMIT: usize = 256 << 20;

/// Where the operator is, and how to speak to it.
#[derive(Clone, Debug)]
pub struct Link {
    /// `https://host:port`.
    pub operator: Uri,
    /// The operator's CA, PEM. Read anew at each connection.
    pub ca_file: PathBuf,
    /// A ServiceAccount token for the operator's audience. Read anew at each connection: it rotates.
    pub token_file: PathBuf,
    /// Name of this proxy: its pod's.
    pub proxy_id: String,
    /// Where the last good configuration is kept; `None` keeps none.
    pub state_dir: Option<PathBuf>,
}

/// Keeps a stream to the operator until `shutdown` resolves, then takes leave.
pub async fn run(proxy: Arc<Proxy>, link: Link, shutdown: impl Future<Output = ()>) {
    let mut shutdown = pin!(shutdown);
    let mut backoff = Duration::from_millis(100);
    let mut last_error = String::new();
    loop {
        let mut connected = false;
        let outcome = follow(&proxy, &link, &mut shutdown, &mut connected).await;
        proxy.metrics.push_connected.set(0);
        let error = match outcome {
            Ok(Ended::ByUs) => return,
            Ok(Ended::ByOperator) => "the operator closed the stream".to_owned(),
            Err(error) => format!("{error:#}"),
        };
        if connected {
            backoff = Duration::from_millis(100);
            last_error.clear();
        }
        // Said once, not at each of the many tries while an operator is away.
        if error != last_error {
            tracing::warn!(error, operator = %link.operator, "no stream from the operator; serving what there is");
            last_error = error;
        }
        // Jitter, or a fleet comes back all at once.
        let pause = backoff.mul_f64(rand::random_range(0.5..1.0));
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = &mut shutdown => return,
        }
        backoff = (backoff * 2).min(Duration::from_secs(5));
    }
}

enum Ended {
    ByUs,
    ByOperator,
}

/// One connection, from its first byte to its last.
async fn follow(
    proxy: &Arc<Proxy>,
    link: &Link,
    shutdown: &mut (impl Future<Output = ()> + Unpin),
    connected: &mut bool,
) -> anyhow::Result<Ended> {
    let (frames_out, outgoing) = mpsc::channel::<Bytes>(OUTGOING);
    let hello = ProxyFrame::Hello {
        proxy: link.proxy_id.clone(),
        version: env!("CARGO_PKG_VERSION").into(),
        serving: proxy.serving(),
    };
    frames_out.send(write_frame(&hello).into()).await?;
    let Opened { body, takes_health } = tokio::select! {
        opened = tokio::time::timeout(Duration::from_secs(10), open(link, outgoing)) => {
            opened.map_err(|_| anyhow!("the operator did not answer within 10 s"))??
        }
        () = &mut *shutdown => return Ok(Ended::ByUs),
    };
    *connected = true;
    proxy.metrics.push_connected.set(1);
    tracing::info!(operator = %link.operator, "connected to the operator");
    let mut lines = Lines { body, buffer: BytesMut::new() };
    let mut silent_at = Instant::now() + SILENCE;
    let mut heard = Heard::default();
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let line = tokio::select! {
            line = timeout_at(silent_at, lines.next()) => line.map_err(|_| anyhow!("the operator fell silent"))??,
            _ = look.tick(), if takes_health => {
                tell_health(proxy, &mut heard, &frames_out);
                continue;
            }
            () = &mut *shutdown => {
                let _ = frames_out.send(write_frame(&ProxyFrame::Bye).into()).await;
                // Time for the farewell to leave before the connection does.
                tokio::time::sleep(Duration::from_millis(100)).await;
                return Ok(Ended::ByUs);
            }
        };
        let Some(line) = line else { return Ok(Ended::ByOperator) };
        silent_at = Instant::now() + SILENCE;
        let (proxy, link) = (proxy.clone(), link.clone());
        // Learning a route's intents takes as long as seconds, and requests are served on this thread.
        let answer = tokio::task::spawn_blocking(move || receive(&proxy, &link, &line)).await??;
        if let Some(answer) = answer {
            frames_out.send(write_frame(&answer).into()).await?;
        }
    }
}

/// Never waits: an operator that reads slowly hears of it at a later look.
fn tell_health(proxy: &Proxy, heard: &mut Heard, frames_out: &mpsc::Sender<Bytes>) {
    let now = std::time::Instant::now();
    if let Some(report) = proxy.health(now) {
        heard.tell(&report, now, |frame| {
            frames_out.capacity() > FOR_ANSWERS && frames_out.try_send(frame).is_ok()
        });
    }
}

/// Acts on one frame; what is said back.
fn receive(proxy: &Proxy, link: &Link, line: &[u8]) -> anyhow::Result<Option<ProxyFrame>> {
    let (revision, snapshot) = match read_frame(line)? {
        PushFrame::Ping | PushFrame::Later => return Ok(None),
        PushFrame::Snapshot { revision, snapshot } => (revision, snapshot),
    };
    match proxy.apply(&snapshot) {
        Ok(_) => {
            tracing::info!(%revision, "configuration applied");
            proxy.metrics.push_acks.inc();
            if let Some(folder) = &link.state_dir {
                keep(folder, &snapshot);
            }
            Ok(Some(ProxyFrame::Ack { revision }))
        }
        Err(error) => {
            tracing::error!(%revision, %error, "configuration refused; the one before stays in force");
            proxy.metrics.push_refusals.inc();
            Ok(Some(ProxyFrame::Refuse { revision, error: error.to_string() }))
        }
    }
}

/// Serving does not depend on it: a full disk costs the next start, not this one.
fn keep(folder: &Path, snapshot: &Snapshot) {
    if let Err(error) = last_good::store(folder, snapshot) {
        tracing::error!(%error, folder = %folder.display(), "the last good configuration could not be stored");
    }
}

/// A stream that the operator answered.
struct Opened {
    body: Incoming,
    /// Operators before health ended the stream at a frame that they do not know.
    takes_health: bool,
}

async fn open(link: &Link, outgoing: mpsc::Receiver<Bytes>) -> anyhow::Result<Opened> {
    let host = link.operator.host().context("the operator's URL has no host")?;
    let port = link.operator.port_u16().unwrap_or(443);
    let tls = tls_config(&link.ca_file).await?;
    let mut token = tokio::fs::read_to_string(&link.token_file)
        .await
        .with_context(|| named("token", &link.token_file))?;
    token.truncate(token.trim_end().len());
    let tcp = TcpStream::connect((host, port)).await.context("connecting to the operator")?;
    tcp.set_nodelay(true)?;
    let name = ServerName::try_from(host.to_owned()).context("the operator's host name")?;
    let tls = tokio_rustls::TlsConnector::from(Arc::new(tls))
        .connect(name, tcp)
        .await
        .context("TLS with the operator")?;
    let (mut sender, connection) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(Duration::from_secs(10))
        .keep_alive_timeout(Duration::from_secs(20))
        .handshake(TokioIo::new(tls))
        .await?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "the connection to the operator ended");
        }
    });
    let frames = Box::pin(stream::unfold(outgoing, |mut outgoing| async move {
        let frame = outgoing.recv().await?;
        Some((Ok::<_, io::Error>(Frame::data(frame)), outgoing))
    }));
    let mut request = Request::new(StreamBody::new(frames));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = format!("https://{host}:{port}/v1/stream").parse()?;
    let mut bearer = HeaderValue::from_str(&format!("Bearer {token}"))
        .map_err(|_| anyhow!("the token file holds no token"))?;
    bearer.set_sensitive(true);
    request.headers_mut().insert(AUTHORIZATION, bearer);
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    let response = sender.send_request(request).await?;
    let status = response.status();
    if !status.is_success() {
        let body = Limited::new(response.into_body(), 4096)
            .collect()
            .await
            .map(|body| body.to_bytes())
            .unwrap_or_default();
        bail!("the operator answered {status}: {}", String::from_utf8_lossy(&body).trim());
    }
    let takes_health = takes(response.headers(), HEALTH_FRAMES);
    Ok(Opened { body: response.into_body(), takes_health })
}

/// Whether the operator takes these frames.
fn takes(headers: &HeaderMap, frames: &str) -> bool {
    let lists = headers.get_all(FRAMES_HEADER).into_iter().filter_map(|list| list.to_str().ok());
    lists.flat_map(|list| list.split(',')).any(|named| named.trim() == frames)
}

async fn tls_config(ca_file: &Path) -> anyhow::Result<rustls::ClientConfig> {
    let pem = tokio::fs::read(ca_file).await.with_context(|| named("CA", ca_file))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        roots.add(certificate.with_context(|| named("CA", ca_file))?)?;
    }
    if roots.is_empty() {
        bail!("no certificate in {}", ca_file.display());
    }
    let mut config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

fn named(what: &str, path: &Path) -> String {
    format!("reading the {what} file {}", path.display())
}

/// Cuts the body into lines.
struct Lines {
    body: Incoming,
    buffer: BytesMut,
}

impl Lines {
    async fn next(&mut self) -> anyhow::Result<Option<Bytes>> {
        let mut searched = 0;
        loop {
            if let Some(at) = self.buffer.get(searched..).and_then(|new| new.iter().position(|b| *b == b'\n'))
            {
                return Ok(Some(self.buffer.split_to(searched + at + 1).freeze()));
            }
            searched = self.buffer.len();
            if searched > FRAME_LIMIT {
                bail!("the operator sent a frame of more than {FRAME_LIMIT} bytes");
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(frame) => self.buffer.extend_from_slice(&frame?.into_data().unwrap_or_default()),
            }
        }
    }
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The buffer holds credentials.
        f.debug_struct("Lines").field("buffered", &self.buffer.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
