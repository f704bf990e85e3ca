//! Server-sent events: bytes in, frames out, however the bytes were cut.
//!
//! The rules are the WHATWG HTML standard's, section "Server-sent events": LF, CR or CRLF ends a line, a blank line
//! ends a frame, a leading colon is a comment, one space after a field's colon is dropped, data lines join with LF,
//! a byte order mark at the start is ignored.

use bytes::{Bytes, BytesMut};

use crate::error::Broken;
use crate::framing::Frame;

/// Cuts a stream of bytes into frames. A frame of more than `limit` bytes is an error.
#[derive(Debug)]
pub struct Parser {
    limit: usize,
    buffer: BytesMut,
    /// Bytes of `buffer` that were looked at already: nothing is scanned twice.
    scanned: usize,
    /// Where the line begins that `scanned` stands in.
    line: usize,
}

impl Parser {
    /// 16 MiB: a frame may carry a whole image.
    pub const DEFAULT_LIMIT: usize = 16 << 20;

    /// `limit` in bytes.
    pub fn new(limit: usize) -> Self {
        Self { limit, buffer: BytesMut::new(), scanned: 0, line: 0 }
    }

    /// More bytes of the stream; then [`Self::next`] until it has none.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole frame.
    #[expect(clippy::should_implement_trait, reason = "an iterator cannot go on after its end")]
    pub fn next(&mut self) -> Result<Option<Frame>, Broken> {
        while let Some(&byte) = self.buffer.get(self.scanned) {
            if byte != b'\n' && byte != b'\r' {
                self.scanned += 1;
                continue;
            }
            // Whether a CR ends the line alone or with an LF shows only in the byte behind it.
            let end = match (byte, self.buffer.get(self.scanned + 1)) {
                (b'\r', None) => break,
                (b'\r', Some(b'\n')) => self.scanned + 2,
                _ => self.scanned + 1,
            };
            let blank = self.line == self.scanned;
            (self.scanned, self.line) = (end, end);
            if blank {
                return self.cut(end).map(Some);
            }
        }
        if self.buffer.len() > self.limit { Err(Broken::TooLarge(self.limit)) } else { Ok(None) }
    }

    /// The stream ended: what is left is a frame too, as some servers leave out the last blank line. The standard
    /// would discard it.
    pub fn finish(&mut self) -> Option<Frame> {
        let end = self.buffer.len();
        if end == 0 { None } else { self.cut(end).ok() }
    }

    fn cut(&mut self, end: usize) -> Result<Frame, Broken> {
        (self.scanned, self.line) = (0, 0);
        let raw = self.buffer.split_to(end).freeze();
        if raw.len() > self.limit { Err(Broken::TooLarge(self.limit)) } else { Ok(read(raw)) }
    }
}

/// Reads the fields of one frame. A byte order mark is dropped wherever a frame begins with it: the standard knows
/// it only at the start of the stream, and nowhere else is it part of a field's name.
fn read(raw: Bytes) -> Frame {
    let text = String::from_utf8_lossy(&raw);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let mut event = None;
    let mut data: Option<String> = None;
    for line in text.split(['\n', '\r']) {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => event = Some(value.to_owned()),
            "data" => match &mut data {
                None => data = Some(value.to_owned()),
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
            },
            _ => {}
        }
    }
    Frame { event, data: data.unwrap_or_default(), raw }
}

/// Appends one event. `data` is JSON text, which has no line ends of its own.
pub fn write_event(out: &mut Vec<u8>, event: Option<&str>, data: &str) {
    begin_event(out, event);
    out.extend_from_slice(data.as_bytes());
    end_event(out);
}

/// Appends one event whose data is this value as JSON.
pub(crate) fn write_json(out: &mut Vec<u8>, event: Option<&str>, data: &impl serde::Serialize) {
    begin_event(out, event);
    // Writing into memory cannot fail, and every type that we write has string keys.
    let _ = serde_json::to_writer(&mut *out, data);
    end_event(out);
}

fn begin_event(out: &mut Vec<u8>, event: Option<&str>) {
    if let Some(event) = event {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(event.as_bytes());
        out.push(b'\n');
    }
    out.extend_from_slice(b"data: ");
}

fn end_event(out: &mut Vec<u8>) {
    out.extend_from_slice(b"\n\n");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frames(pieces: &[&[u8]]) -> Vec<Frame> {
        let mut parser = Parser::new(Parser::DEFAULT_LIMIT);
        let mut out = Vec::new();
        for piece in pieces {
            parser.push(piece);
            while let Some(frame) = parser.next().unwrap() {
                out.push(frame);
            }
        }
        out.extend(parser.finish());
        out
    }

    fn fields(text: &str) -> Vec<(Option<String>, String)> {
        frames(&[text.as_bytes()]).into_iter().map(|frame| (frame.event, frame.data)).collect()
    }

    fn data(data: &str) -> (Option<String>, String) {
        (None, data.to_owned())
    }

    #[test]
    fn line_ends_comments_and_fields() {
        assert_eq!(
            fields("data: a\n\ndata:b\r\n\r\ndata:  c\r\rdata: d\n\r\n"),
            [data("a"), data("b"), data(" c"), data("d")]
        );
        assert_eq!(fields(": keep-alive\n\n"), [data("")]);
        assert_eq!(fields("\u{feff}data: a\n\n"), [data("a")]);
        assert_eq!(
            fields("event: x\nid: 1\nretry\ndata: a\ndata\ndata: b\n\n"),
            [(Some("x".into()), "a\n\nb".into())]
        );
        assert_eq!(fields("data: a\n\ndata: last"), [data("a"), data("last")]);
    }

    #[test]
    fn a_cut_between_cr_and_lf_is_one_line_end() {
        let whole = frames(&[b"data: a\r\ndata: b\r\n\r\ndata: c\r\n\r\n"]);
        assert_eq!(whole, frames(&[b"data: a\r", b"\ndata: b\r\n\r", b"\ndata: c\r\n\r\n"]));
        assert_eq!(whole.len(), 2);
    }

    #[test]
    fn invalid_utf8_is_replaced() {
        assert_eq!(frames(&[b"data: \xff\n\n"])[0].data, "\u{fffd}");
    }

    #[test]
    fn a_huge_frame_is_refused() {
        let mut parser = Parser::new(8);
        parser.push(b"data: 1\n\n");
        assert_eq!(parser.next(), Err(Broken::TooLarge(8)));
        let mut parser = Parser::new(8);
        parser.push(b"data: 123");
        assert_eq!(parser.next(), Err(Broken::TooLarge(8)));
        let mut parser = Parser::new(9);
        parser.push(b"data: 1\n\ndata: 2\n\n");
        assert_eq!(parser.next().unwrap().unwrap().data, "1");
        assert_eq!(parser.next().unwrap().unwrap().data, "2");
        assert_eq!(parser.next(), Ok(None));
    }

    #[test]
    fn written_events_read_back() {
        let mut out = Vec::new();
        write_event(&mut out, Some("x"), "{}");
        write_event(&mut out, None, "[DONE]");
        assert_eq!(out, b"event: x\ndata: {}\n\ndata: [DONE]\n\n");
        assert_eq!(frames(&[&out]).len(), 2);
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same_frames(
            text in "(data: ?|event: ?|:|[a-c{}é]|\r|\n|\r\n|\n\n){0,60}",
            cuts in prop::collection::vec(0usize..200, 0..12),
        ) {
            let bytes = text.as_bytes();
            let mut at: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
            at.extend([0, bytes.len()]);
            at.sort_unstable();
            let pieces: Vec<&[u8]> = at.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            let whole = frames(&[bytes]);
            prop_assert_eq!(&whole, &frames(&pieces));
            let single: Vec<&[u8]> = bytes.chunks(1).collect();
            prop_assert_eq!(&whole, &frames(&single));
            let raw: Vec<u8> = whole.iter().flat_map(|frame| frame.raw.to_vec()).collect();
            prop_assert_eq!(raw, bytes);
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut parser = Parser::new(64);
            parser.push(&bytes);
            while let Ok(Some(_)) = parser.next() {}
            parser.finish();
        }
    }
}
