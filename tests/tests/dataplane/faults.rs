//! How a provider fails, as data: before the first meaningful event of its answer, and behind it.

use crate::wire::{Chat, Messages, Wire};
use bytes::Bytes;
use penstock_e2e::replay::{Event, Paced};
use penstock_e2e::{Behaviour, End, Replay};
use serde_json::json;
use std::net::TcpListener;
use std::sync::LazyLock;
use std::time::Duration;

/// How a provider fails.
pub enum Trouble {
    /// The connection is refused.
    Refused,
    /// No such host.
    NoHost,
    /// TLS was expected, and plain text came.
    PlainText,
    /// Its certificate is signed by nobody.
    Unsigned,
    /// The connection is made, and the TLS handshake never ends.
    Mute,
    Plays(Behaviour),
}

use Trouble::{Mute, NoHost, PlainText, Plays, Refused, Unsigned};

/// What no request reaches.
pub struct Unreachable {
    refusing: Replay,
    plain: Replay,
    unsigned: Replay,
    mute: TcpListener,
}

impl Unreachable {
    pub fn start() -> Self {
        let refusing = Replay::start(Behaviour::EmptyBody200);
        refusing.refuse();
        Self {
            refusing,
            plain: Replay::start(Behaviour::EmptyBody200),
            unsigned: Replay::start_unsigned(Behaviour::EmptyBody200),
            // Nobody accepts: the kernel makes the connections.
            mute: TcpListener::bind("127.0.0.1:0").expect("a port"),
        }
    }

    /// The provider's URL in this trouble; `None` where requests reach it.
    pub fn url(&self, trouble: &Trouble) -> Option<String> {
        let https = |url: String| url.replace("http://", "https://");
        Some(match trouble {
            Refused => self.refusing.url(),
            NoHost => "http://does-not-exist.invalid".into(),
            PlainText => https(self.plain.url()),
            Unsigned => https(self.unsigned.url()),
            Mute => format!("https://{}", self.mute.local_addr().expect("an address")),
            Plays(_) => return None,
        })
    }

    /// Requests that reached one of them after all.
    pub fn requests(&self) -> usize {
        [&self.refusing, &self.plain, &self.unsigned].map(|replay| replay.requests().len()).iter().sum()
    }
}

/// A row of the table: its name, the class of failure, and what is played (`None`: cannot happen here).
pub struct Row {
    pub name: &'static str,
    pub reason: &'static str,
    pub trouble: fn(Wire, bool) -> Option<Trouble>,
}

const fn row(name: &'static str, reason: &'static str, trouble: fn(Wire, bool) -> Option<Trouble>) -> Row {
    Row { name, reason, trouble }
}

fn plays(behaviour: Behaviour) -> Option<Trouble> {
    Some(Plays(behaviour))
}

fn raw(content_type: &str, bytes: impl Into<Bytes>, end: End) -> Option<Trouble> {
    plays(bytes_of(content_type, bytes.into(), 40, Paced { delay: Duration::ZERO, end }))
}

fn bytes_of(content_type: &str, bytes: Bytes, chunk_size: usize, paced: Paced) -> Behaviour {
    let headers = vec![("content-type".into(), content_type.into())];
    Behaviour::RawStream { status: 200, headers, bytes, chunk_size, paced }
}

/// Never silent for long, and never done.
const DRIP: Paced = Paced { delay: Duration::from_millis(50), end: End::Complete };

/// Beyond the largest frame of a stream, and the largest answer that is not streamed.
static HUGE: LazyLock<Bytes> = LazyLock::new(|| {
    let mut frame = b"data: {\"choices\": [{\"delta\": {\"content\": \"".to_vec();
    frame.resize(65 << 20, b'x');
    frame.into()
});

/// The events before the first text, and then these.
fn begun(wire: Wire, then: impl IntoIterator<Item = Event>) -> Behaviour {
    let mut events = wire.events("x");
    events.truncate(wire.preamble());
    events.extend(then);
    Behaviour::sse(events)
}

/// An error that the provider puts into an answer of status 200.
fn error_inside(wire: Wire, stream: bool, kind: &str) -> Option<Trouble> {
    let event = wire.error_event(kind, "not today");
    if stream {
        return plays(begun(wire, [event]));
    }
    plays(Behaviour::json(serde_json::from_str(&event.data).expect("JSON")))
}

/// Before the first meaningful event. The name of a row whose trouble is a wait begins with `slow`.
pub const BEFORE: &[Row] = &[
    row("refused", "connect", |_, _| Some(Refused)),
    row("no-host", "connect", |_, _| Some(NoHost)),
    row("plain-text", "connect", |_, _| Some(PlainText)),
    row("unsigned", "connect", |_, _| Some(Unsigned)),
    row("slow-mute", "timeout", |_, _| Some(Mute)),
    row("reset", "connect", |_, _| plays(Behaviour::ResetBeforeHeaders)),
    row("s500", "server_error", |w, _| plays(w.error(500, "server_error", "boom"))),
    row("s502-html", "server_error", |_, _| plays(Behaviour::status(502, "<html>Bad gateway</html>"))),
    row("s503", "server_error", |_, _| plays(Behaviour::status(503, "out of order"))),
    row("s503-wait", "server_error", |w, _| {
        plays(w.error(503, "server_error", "out of order").header("retry-after", "7"))
    }),
    row("s503-busy", "overloaded", |_, _| plays(Behaviour::status(503, "the model is overloaded"))),
    row("s504", "timeout", |_, _| plays(Behaviour::status(504, ""))),
    row("s529", "overloaded", |w, _| plays(w.error(529, "overloaded_error", "Overloaded"))),
    row("s529-bare", "overloaded", |_, _| plays(Behaviour::status(529, ""))),
    row("s429", "rate_limited", |w, _| plays(w.error(429, "rate_limit_error", "slow down"))),
    row("s429-wait", "rate_limited", |w, _| {
        plays(w.error(429, "rate_limit_error", "slow down").header("retry-after", "7"))
    }),
    row("s429-quota", "rate_limited", |w, _| plays(w.error(429, "insufficient_quota", "no credit"))),
    row("s408", "timeout", |_, _| plays(Behaviour::status(408, ""))),
    row("s409", "server_error", |_, _| plays(Behaviour::status(409, "conflict"))),
    row("s425", "server_error", |_, _| plays(Behaviour::status(425, "too early"))),
    row("s401", "server_error", |w, _| plays(w.error(401, "authentication_error", "invalid key"))),
    row("s403", "server_error", |w, _| plays(w.error(403, "permission_error", "not for you"))),
    row("s404", "server_error", |w, _| plays(w.error(404, "not_found_error", "no such model"))),
    row("slow-hang-before", "timeout", |_, _| plays(Behaviour::HangBeforeHeaders)),
    row("slow-hang-after", "timeout", |_, _| plays(Behaviour::HangAfterHeaders)),
    row("slow-hang-begun", "timeout", |w, stream| {
        stream.then(|| Plays(begun(w, []).end(End::HangAfter(w.preamble()))))
    }),
    row("slow-comments-only", "timeout", |_, stream| {
        let ping = |_| Event { event: Some("ping".into()), data: String::new() };
        let pings: Vec<_> = (0..200).map(ping).collect();
        stream.then(|| Plays(Behaviour::sse(pings).chunk_delay(Duration::from_millis(50))))
    }),
    row("slow-stall", "timeout", |w, stream| match stream {
        false => raw("application/json", w.body("a text that will stall").to_string(), End::HangAfter(2)),
        true => None,
    }),
    row("slow-drip", "timeout", |w, stream| {
        let (kind, bytes): (_, Bytes) = if stream {
            let preamble = w.events("x").into_iter().take(w.preamble());
            ("text/event-stream", preamble.flat_map(|event| event.bytes()).collect())
        } else {
            ("application/json", w.body(&"drip ".repeat(200)).to_string().into())
        };
        plays(bytes_of(kind, bytes, 1, DRIP))
    }),
    row("error-inside", "server_error", |w, stream| error_inside(w, stream, "api_error")),
    row("overloaded-inside", "overloaded", |w, stream| error_inside(w, stream, "overloaded_error")),
    row("limited-inside", "rate_limited", |w, stream| error_inside(w, stream, "rate_limit_error")),
    row("no-content", "server_error", |w, stream| plays(w.plays("", stream))),
    row("no-bytes", "server_error", |_, _| plays(Behaviour::EmptyBody200)),
    row("no-events", "server_error", |_, stream| stream.then(|| Plays(Behaviour::sse([])))),
    row("done-only", "server_error", |w, stream| {
        let end = if w == Chat {
            Event::data("[DONE]")
        } else {
            Event::named("message_stop", json!({"type": "message_stop"}))
        };
        stream.then(|| Plays(Behaviour::sse([end])))
    }),
    row("null-choices", "server_error", |w, stream| {
        let body = if w == Chat {
            json!({"id": "x", "object": "chat.completion", "choices": []})
        } else {
            json!({"type": "message", "role": "assistant", "content": []})
        };
        (!stream).then(|| Plays(Behaviour::json(body)))
    }),
    row("broken-json", "server_error", |w, stream| match stream {
        false => raw("application/json", "{\"id\": \"x\", \"choices\": [", End::Complete),
        true => plays(begun(w, [Event::data("{\"type\": \"content_block_delta\", \"broken")])),
    }),
    row("other-json", "server_error", |_, _| raw("application/json", "[1, 2, 3]", End::Complete)),
    row("html", "server_error", |_, _| {
        raw("text/html", "<html><body>Welcome to nginx!</body></html>", End::Complete)
    }),
    row("noise", "server_error", |_, _| {
        raw("text/event-stream", b"\x00\x01\xff noise\n\nmore: noise\r\r\n".repeat(5), End::Complete)
    }),
    row("json-for-stream", "server_error", |w, stream| {
        stream.then(|| Plays(Behaviour::json(w.body("not a stream"))))
    }),
    row("cut-body", "connect", |w, stream| match stream {
        false => raw("application/json", w.body("a text that will be cut").to_string(), End::CutAfter(2)),
        true => plays(begun(w, [Event::data("{}")]).end(End::CutAfter(w.preamble()))),
    }),
    row("short-body", "server_error", |w, stream| match stream {
        false => {
            let mut body = w.body("a text that will be cut").to_string();
            body.truncate(60);
            raw("application/json", body, End::Complete)
        }
        true => plays(begun(w, [])),
    }),
    row("reset-body", "connect", |w, stream| {
        let reset =
            || raw("application/json", w.body("a text that will be cut").to_string(), End::ResetAfter(2));
        (!stream).then(reset).flatten()
    }),
    row("huge", "server_error", |_, stream| {
        let kind = if stream { "text/event-stream" } else { "application/json" };
        plays(bytes_of(kind, HUGE.clone(), 1 << 20, Paced::default()))
    }),
    row("too-long", "context_length", |w, _| plays(too_long(w))),
];

pub fn too_long(wire: Wire) -> Behaviour {
    match wire {
        Chat => Behaviour::error(
            400,
            json!({"error": {
                "message": "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.",
                "type": "invalid_request_error", "param": "messages", "code": "context_length_exceeded",
            }}),
        ),
        Messages => {
            wire.error(400, "invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum")
        }
    }
}

/// What is said before the troubles of [`BEHIND`], and what would have been.
pub const SAID: &str = "one two three ";
pub const TEXT: &str = "one two three four five six";

type Stream = fn(Wire) -> Behaviour;

/// Behind the third word of a stream.
pub const BEHIND: &[(&str, Stream)] = &[
    ("cut", |wire| Behaviour::sse(wire.events(TEXT)).end(End::CutAfter(wire.preamble() + 3))),
    ("reset", |wire| Behaviour::sse(wire.events(TEXT)).end(End::ResetAfter(wire.preamble() + 3))),
    ("ended", |wire| said(wire, [])),
    ("stalled", |wire| Behaviour::sse(wire.events(TEXT)).end(End::HangAfter(wire.preamble() + 3))),
    ("error", |wire| said(wire, [wire.error_event("overloaded_error", "Overloaded")])),
    ("malformed", |wire| said(wire, [Event::data("{\"type\": \"content_block_delta\", \"broken")])),
    ("not-json", |wire| said(wire, [Event::data("Internal Server Error")])),
];

pub fn said(wire: Wire, then: impl IntoIterator<Item = Event>) -> Behaviour {
    let mut events = wire.events(TEXT);
    events.truncate(wire.preamble() + 3);
    events.extend(then);
    // What follows is no part of an answer that has failed.
    if events.len() > wire.preamble() + 3 {
        events.extend(wire.events(TEXT).split_off(wire.preamble() + 3));
    }
    Behaviour::sse(events)
}
