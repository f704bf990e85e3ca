//! How a stream of bytes is cut into frames: server-sent events, Amazon's event stream, lines of JSON.

use bytes::{Bytes, BytesMut};

use crate::error::Broken;
use crate::sse;

/// One piece of a stream that means something by itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// What the framing calls the piece: the `event:` field of server-sent events, `:event-type` or
    /// `:exception-type` of an event stream.
    pub event: Option<String>,
    /// Its content; of server-sent events the `data:` lines, joined with LF. Empty where there was none (a comment, a
    /// keep-alive).
    pub data: String,
    /// The frame's bytes as they came, with what ends it.
    pub raw: Bytes,
}

/// A way to cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Server-sent events.
    Sse,
    /// A JSON text a line.
    Ndjson,
    /// `application/vnd.amazon.eventstream`.
    EventStream,
}

impl Framing {
    /// What the head of a streamed answer says.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Sse => "text/event-stream; charset=utf-8",
            Self::Ndjson => "application/x-ndjson",
            Self::EventStream => "application/vnd.amazon.eventstream",
        }
    }

    /// What a request for such a stream accepts.
    pub fn accept(self) -> &'static str {
        match self {
            Self::Sse => "text/event-stream",
            Self::Ndjson | Self::EventStream => self.content_type(),
        }
    }

    /// A parser whose frames have no more than `limit` bytes.
    pub fn frames(self, limit: usize) -> Frames {
        match self {
            Self::Sse => Frames::Sse(sse::Parser::new(limit)),
            Self::Ndjson => Frames::Ndjson(Lines::new(limit)),
            Self::EventStream => Frames::EventStream(crate::eventstream::Parser::new(limit)),
        }
    }
}

/// Cuts a stream of bytes into frames. A frame above the limit is an error.
#[derive(Debug)]
pub enum Frames {
    Sse(sse::Parser),
    Ndjson(Lines),
    EventStream(crate::eventstream::Parser),
}

impl Frames {
    /// More bytes of the stream; then [`Self::next`] until it has none.
    pub fn push(&mut self, bytes: &[u8]) {
        match self {
            Self::Sse(parser) => parser.push(bytes),
            Self::Ndjson(lines) => lines.push(bytes),
            Self::EventStream(parser) => parser.push(bytes),
        }
    }

    /// The next whole frame.
    #[expect(clippy::should_implement_trait, reason = "an iterator cannot go on after its end")]
    pub fn next(&mut self) -> Result<Option<Frame>, Broken> {
        match self {
            Self::Sse(parser) => parser.next(),
            Self::Ndjson(lines) => lines.next(),
            Self::EventStream(parser) => parser.next(),
        }
    }

    /// The stream ended: a frame that lacks only its end is one.
    pub fn finish(&mut self) -> Option<Frame> {
        match self {
            Self::Sse(parser) => parser.finish(),
            Self::Ndjson(lines) => lines.finish(),
            // A message without its checksum is none.
            Self::EventStream(_) => None,
        }
    }
}

/// Lines of JSON.
#[derive(Debug)]
pub struct Lines {
    limit: usize,
    buffer: BytesMut,
    /// Bytes that were looked at already: nothing is scanned twice.
    scanned: usize,
}

impl Lines {
    /// `limit` in bytes.
    pub fn new(limit: usize) -> Self {
        Self { limit, buffer: BytesMut::new(), scanned: 0 }
    }

    fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    fn next(&mut self) -> Result<Option<Frame>, Broken> {
        let rest = self.buffer.get(self.scanned..).unwrap_or_default();
        match rest.iter().position(|&byte| byte == b'\n') {
            Some(at) => {
                let end = self.scanned + at + 1;
                self.scanned = 0;
                let raw = self.buffer.split_to(end).freeze();
                if raw.len() > self.limit { Err(Broken::TooLarge(self.limit)) } else { Ok(Some(line(raw))) }
            }
            None => {
                self.scanned = self.buffer.len();
                if self.scanned > self.limit { Err(Broken::TooLarge(self.limit)) } else { Ok(None) }
            }
        }
    }

    fn finish(&mut self) -> Option<Frame> {
        self.scanned = 0;
        let raw = self.buffer.split().freeze();
        (!raw.is_empty()).then(|| line(raw))
    }
}

fn line(raw: Bytes) -> Frame {
    let data = String::from_utf8_lossy(&raw).trim().to_owned();
    Frame { event: None, data, raw }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frames(pieces: &[&[u8]]) -> Vec<Frame> {
        let mut lines = Lines::new(1 << 20);
        let mut out = Vec::new();
        for piece in pieces {
            lines.push(piece);
            while let Some(frame) = lines.next().unwrap() {
                out.push(frame);
            }
        }
        out.extend(lines.finish());
        out
    }

    #[test]
    fn lines_are_frames() {
        let data: Vec<String> =
            frames(&[b"{\"a\":1}\r\n\n{\"b\"", b":2}\n{}"]).into_iter().map(|frame| frame.data).collect();
        assert_eq!(data, ["{\"a\":1}", "", "{\"b\":2}", "{}"]);
    }

    #[test]
    fn a_huge_line_is_refused() {
        let mut lines = Lines::new(4);
        lines.push(b"12345");
        assert_eq!(lines.next(), Err(Broken::TooLarge(4)));
        let mut lines = Lines::new(4);
        lines.push(b"1234\n");
        assert_eq!(lines.next(), Err(Broken::TooLarge(4)));
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same_frames(
            text in "[a-c{}\n\r]{0,60}",
            cuts in prop::collection::vec(0usize..200, 0..12),
        ) {
            let bytes = text.as_bytes();
            let mut at: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
            at.extend([0, bytes.len()]);
            at.sort_unstable();
            let pieces: Vec<&[u8]> = at.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            prop_assert_eq!(frames(&[bytes]), frames(&pieces));
        }
    }
}
