//! What is measured under load. A new row is a new entry of [`all`].

use std::net::SocketAddr;

use crate::call::{Api, Call, Shape};
use crate::schedule::Pair;
use crate::script::{AT_ONCE, PACED, Script};

/// A kind of request, sent straight to the upstream and through the gateway.
pub struct Row {
    pub name: &'static str,
    pub calls: Pair<Call>,
    pub stream: bool,
    /// Its part of `--rate`: one request in so many.
    pub every: u32,
    /// Measured in a closed loop too.
    pub is_for_maximum: bool,
}

/// A stream is a hundred events; at the full rate two cores would do nothing else.
const STREAMS_EVERY: u32 = 10;

pub fn all(upstream: SocketAddr, gateway: SocketAddr) -> Vec<Row> {
    use Api::{Chat, Messages};
    let row = |name, bytes, client, provider, stream: Option<Script>| {
        let shape = Shape { bytes, stream: stream.is_some(), script: stream.unwrap_or(AT_ONCE) };
        // The direct call is what an application without a gateway would send to that provider.
        let calls = Pair {
            direct: shape.direct(provider, upstream),
            gateway: shape.through(client, provider, gateway),
        };
        let every = if shape.stream { STREAMS_EVERY } else { 1 };
        Row { name, calls, stream: shape.stream, every, is_for_maximum: false }
    };
    let small = row("chat, same format, 1 KiB", 1 << 10, Chat, Chat, None);
    vec![
        Row { is_for_maximum: true, ..small },
        row("chat, same format, 32 KiB", 32 << 10, Chat, Chat, None),
        row("chat to Anthropic, 1 KiB", 1 << 10, Chat, Messages, None),
        row("chat, same format, 20 chunks, 5 ms", 1 << 10, Chat, Chat, Some(PACED)),
        row("chat, same format, 100 chunks, 0 ms", 1 << 10, Chat, Chat, Some(AT_ONCE)),
        row("chat to Anthropic, 100 chunks, 0 ms", 1 << 10, Chat, Messages, Some(AT_ONCE)),
    ]
}
