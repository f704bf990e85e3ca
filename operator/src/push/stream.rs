//! One stream: snapshots out, answers in, both at once.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::stream;
use http::Response;
use http::header::{CONTENT_TYPE, HeaderValue};
use http_body::Frame as BodyFrame;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Incoming;
use k8s_openapi::jiff::Timestamp;
use penstock_config::{FRAMES_HEADER, HEALTH_FRAMES, ProxyFrame, PushFrame, read_frame, write_frame};
use tokio::sync::{oneshot, watch};
use tokio::task::AbortHandle;
use tokio::time::{Interval, MissedTickBehavior, interval, timeout};

use super::lines::Lines;
use super::{Body, Caller, going_down};
use crate::hub::StreamId;
use crate::publisher::{Frame, Publisher};

/// The proxy must say who it is within this time.
const HELLO_TIMEOUT: Duration = Duration::from_secs(10);
const PING_INTERVAL: Duration = Duration::from_secs(10);

/// Answers at once; the body goes on for as long as the proxy stays.
pub fn open(
    publisher: &Arc<Publisher>,
    caller: Caller,
    body: Incoming,
    shutdown: watch::Receiver<bool>,
) -> Response<Body> {
    let (joined_tx, joined) = oneshot::channel();
    let reading = tokio::spawn(read(Arc::clone(publisher), caller, body, joined_tx));
    let mut frames = publisher.subscribe();
    // The one that is there already is news to this proxy.
    frames.mark_changed();
    let mut ping = interval(PING_INTERVAL);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let outgoing = Outgoing {
        publisher: Arc::clone(publisher),
        frames,
        joined: Some(joined),
        proxy: None,
        ping,
        shutdown,
        _reading: AbortOnDrop(reading.abort_handle()),
    };
    let lines = stream::unfold(outgoing, |mut outgoing| async move {
        let line = outgoing.next().await?;
        Some((Ok::<_, Infallible>(BodyFrame::data(line)), outgoing))
    });
    let mut response = Response::new(StreamBody::new(lines).boxed_unsync());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    response.headers_mut().insert(FRAMES_HEADER, HeaderValue::from_static(HEALTH_FRAMES));
    response
}

/// A proxy in the hub. Dropping it, for whatever reason, tells the hub that the stream is lost.
struct Joined {
    publisher: Arc<Publisher>,
    proxy: String,
    stream: StreamId,
}

impl Drop for Joined {
    fn drop(&mut self) {
        // After a farewell the hub does not know this stream any more, and nothing happens.
        self.publisher.update(|hub| hub.lost(&self.proxy, self.stream, Instant::now()));
        tracing::info!(proxy = self.proxy, "a proxy left");
    }
}

/// Who this is, for the other half of the stream; `ended` closes with the reading half.
struct Introduced {
    proxy: String,
    stream: StreamId,
    ended: watch::Receiver<()>,
}

/// The reading half: from the proxy's hello to its end.
async fn read(
    publisher: Arc<Publisher>,
    caller: Caller,
    body: Incoming,
    introduce: oneshot::Sender<Introduced>,
) {
    let mut lines = Lines::new(body);
    let hello = match timeout(HELLO_TIMEOUT, next_frame(&mut lines)).await {
        Ok(Ok(Some(ProxyFrame::Hello { proxy, version, serving }))) => (proxy, version, serving),
        Ok(Ok(_)) => return tracing::warn!(caller.username, "a stream did not begin with Hello"),
        Ok(Err(error)) => return tracing::warn!(caller.username, error, "a stream broke before Hello"),
        Err(_) => return tracing::warn!(caller.username, "a stream said no Hello within 10 s"),
    };
    let (named, version, serving) = hello;
    let proxy = caller.pod.unwrap_or(named);
    let stream = publisher.update(|hub| hub.hello(&proxy, serving.as_ref(), Instant::now()));
    let serving = serving.map(|revision| revision.to_string()).unwrap_or_default();
    tracing::info!(proxy, version, serving, "a proxy joined");
    let joined = Joined { publisher, proxy, stream };
    let (_ends_with_us, ended) = watch::channel(());
    if introduce.send(Introduced { proxy: joined.proxy.clone(), stream, ended }).is_err() {
        return;
    }
    loop {
        match next_frame(&mut lines).await {
            Ok(Some(frame)) => {
                if !take(&joined, frame) {
                    return;
                }
            }
            Ok(None) => return,
            Err(error) => return tracing::warn!(proxy = joined.proxy, error, "a proxy's stream broke"),
        }
    }
}

async fn next_frame(lines: &mut Lines<Incoming>) -> Result<Option<ProxyFrame>, String> {
    loop {
        match lines.next().await {
            Ok(None) => return Ok(None),
            Ok(Some(line)) if line.trim_ascii().is_empty() => {}
            Ok(Some(line)) => return read_frame(&line).map(Some).map_err(|error| error.to_string()),
            Err(error) => return Err(error.to_string()),
        }
    }
}

/// Acts on one frame; false when the stream is to end.
fn take(joined: &Joined, frame: ProxyFrame) -> bool {
    let Joined { publisher, proxy, stream } = joined;
    match frame {
        ProxyFrame::Ack { revision } => {
            if publisher.update(|hub| hub.ack(proxy, *stream, &revision)) {
                publisher.metrics().push_acks.inc();
                tracing::debug!(proxy, %revision, "acknowledged");
            }
            true
        }
        ProxyFrame::Refuse { revision, error } => {
            tracing::warn!(proxy, %revision, error, "a proxy refused the configuration");
            if publisher.update(|hub| hub.refuse(proxy, *stream, &revision, error)) {
                publisher.metrics().push_refusals.inc();
            }
            true
        }
        ProxyFrame::Health { targets, keys } => {
            publisher.update(|hub| hub.health(proxy, *stream, (targets, keys), Timestamp::now()));
            true
        }
        ProxyFrame::Later => true,
        ProxyFrame::Bye => {
            publisher.update(|hub| hub.bye(proxy, *stream));
            false
        }
        ProxyFrame::Hello { .. } => {
            tracing::warn!(proxy, "a proxy said Hello twice");
            false
        }
    }
}

/// The writing half.
struct Outgoing {
    publisher: Arc<Publisher>,
    frames: watch::Receiver<Option<Arc<Frame>>>,
    joined: Option<oneshot::Receiver<Introduced>>,
    proxy: Option<Introduced>,
    ping: Interval,
    shutdown: watch::Receiver<bool>,
    /// When the proxy takes no more, nothing is read from it either.
    _reading: AbortOnDrop,
}

impl Outgoing {
    /// The next line to send; `None` when the stream is over.
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(joined) = self.joined.take() {
            let introduced = tokio::select! {
                introduced = joined => introduced.ok()?,
                () = going_down(&mut self.shutdown) => return None,
            };
            self.proxy = Some(introduced);
        }
        let Introduced { proxy, stream, ended } = self.proxy.as_mut()?;
        loop {
            tokio::select! {
                biased;
                _ = ended.changed() => return None,
                () = going_down(&mut self.shutdown) => return None,
                changed = self.frames.changed() => changed.ok()?,
                _ = self.ping.tick() => return Some(Bytes::from(write_frame(&PushFrame::Ping))),
            }
            let newest = self.frames.borrow_and_update().clone();
            let Some(frame) = newest else { continue };
            if self.publisher.is_current(proxy, *stream) {
                continue;
            }
            self.publisher.update(|hub| hub.sent(proxy, *stream, frame.sequence, &frame.revision));
            return Some(frame.line.clone());
        }
    }
}

struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
