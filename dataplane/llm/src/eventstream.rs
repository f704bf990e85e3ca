//! Amazon's event stream, `application/vnd.amazon.eventstream`: bytes in, frames out, however the bytes were cut.
//!
//! A message is a prelude (its length, its headers' length, a checksum of both), headers, a payload and a checksum of
//! everything before it. Source: <https://smithy.io/2.0/aws/amazon-eventstream.html>. Amazon's own crate reads and
//! writes the messages; this module owns the cutting, the limits, and which headers name a frame.
//!
//! A frame's `event` is its `:event-type`; of what is no event it is `exception:` with the `:exception-type`, or `error:`
//! with the `:error-code`, so that nobody takes a failure for an event.

use aws_smithy_eventstream::frame::{read_message_from, write_message_to};
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use bytes::{Buf, BytesMut};
use serde_json::json;

use crate::error::Broken;
use crate::framing::Frame;

/// What a frame's `event` begins with when the service reports a failure that its API describes.
pub const EXCEPTION: &str = "exception:";
/// The same for any other failure.
pub const ERROR: &str = "error:";

/// Length, headers' length and their checksum, bytes.
const PRELUDE: usize = 12;
/// A message without headers and payload, bytes.
const LEAST: usize = PRELUDE + 4;
/// The protocol's limit of all headers of a message, bytes. It also bounds what they take in memory.
const MOST_HEADERS: usize = 128 << 10;

/// Cuts a stream of bytes into frames. A frame of more than `limit` bytes is an error.
#[derive(Debug)]
pub struct Parser {
    limit: usize,
    buffer: BytesMut,
    /// Length of the message that the buffer begins with, once its prelude was read.
    length: Option<usize>,
}

impl Parser {
    /// `limit` in bytes.
    pub fn new(limit: usize) -> Self {
        Self { limit, buffer: BytesMut::new(), length: None }
    }

    /// More bytes of the stream; then [`Self::next`] until it has none.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole frame. A length that cannot be is an error before its bytes are waited for.
    #[expect(clippy::should_implement_trait, reason = "an iterator cannot go on after its end")]
    pub fn next(&mut self) -> Result<Option<Frame>, Broken> {
        let length = match self.length {
            Some(length) => length,
            None => match self.buffer.first_chunk() {
                Some(prelude) => *self.length.insert(read_prelude(prelude, self.limit)?),
                None => return Ok(None),
            },
        };
        if self.buffer.len() < length {
            return Ok(None);
        }
        self.length = None;
        let raw = self.buffer.split_to(length).freeze();
        let message = read_message_from(raw.clone()).map_err(malformed)?;
        let (event, data) = read(&message);
        Ok(Some(Frame { event, data, raw }))
    }
}

fn read_prelude(prelude: &[u8; PRELUDE], limit: usize) -> Result<usize, Broken> {
    let mut fields = prelude.as_slice();
    let (length, headers, checksum) = (fields.get_u32(), fields.get_u32(), fields.get_u32());
    let (signed, _) = prelude.split_at(PRELUDE - 4);
    if crc32fast::hash(signed) != checksum {
        return Err(malformed("the checksum of a prelude is wrong"));
    }
    let (length, headers) = (length as usize, headers as usize);
    if length > limit {
        return Err(Broken::TooLarge(limit));
    }
    if length < LEAST || headers > MOST_HEADERS.min(length - LEAST) {
        return Err(malformed("the lengths of a prelude are wrong"));
    }
    Ok(length)
}

fn malformed(what: impl std::fmt::Display) -> Broken {
    Broken::Malformed(format!("event stream: {what}"))
}

fn read(message: &Message) -> (Option<String>, String) {
    let header = |name: &str| {
        let header = message.headers().iter().find(|header| header.name().as_str() == name)?;
        Some(header.value().as_string().ok()?.as_str().to_owned())
    };
    let mut data = String::from_utf8_lossy(message.payload()).into_owned();
    let kind = header(":message-type");
    let event = match (kind.as_deref(), header(":exception-type")) {
        (Some("error"), _) => {
            // Such a message has its text in a header.
            if data.is_empty() {
                data = json!({"message": header(":error-message").unwrap_or_default()}).to_string();
            }
            Some(format!("{ERROR}{}", header(":error-code").unwrap_or_default()))
        }
        (Some("exception"), exception) => Some(format!("{EXCEPTION}{}", exception.unwrap_or_default())),
        (None, Some(exception)) => Some(format!("{EXCEPTION}{exception}")),
        _ => header(":event-type"),
    };
    (event, data)
}

/// Appends one message with a JSON payload. `event` is a frame's, marks of failures included.
pub fn write_event(out: &mut Vec<u8>, event: &str, payload: &[u8]) {
    let text = |text: &str| HeaderValue::String(text.to_owned().into());
    let (kind, name, value) = match (event.strip_prefix(EXCEPTION), event.strip_prefix(ERROR)) {
        (Some(exception), _) => ("exception", ":exception-type", exception),
        (_, Some(code)) => ("error", ":error-code", code),
        _ => ("event", ":event-type", event),
    };
    let headers = vec![
        Header::new(name, text(value)),
        Header::new(":content-type", text("application/json")),
        Header::new(":message-type", text(kind)),
    ];
    let message = Message::new_from_parts(headers, payload.to_vec());
    // It fails for names above 32 KiB and payloads above 4 GiB alone, and then writes nothing.
    let _ = write_message_to(&message, out);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMIT: usize = 1 << 20;

    fn frames(pieces: &[&[u8]]) -> Result<Vec<Frame>, Broken> {
        let mut parser = Parser::new(LIMIT);
        let mut out = Vec::new();
        for piece in pieces {
            parser.push(piece);
            while let Some(frame) = parser.next()? {
                out.push(frame);
            }
        }
        Ok(out)
    }

    fn message(headers: &[(&'static str, &'static str)], payload: &'static str) -> Vec<u8> {
        let header = |(name, value): &(&'static str, &'static str)| {
            Header::new(*name, HeaderValue::String((*value).into()))
        };
        let message = Message::new_from_parts(headers.iter().map(header).collect(), payload);
        let mut out = Vec::new();
        write_message_to(&message, &mut out).unwrap();
        out
    }

    fn prelude(length: u32, headers: u32) -> Vec<u8> {
        let mut out = [length.to_be_bytes(), headers.to_be_bytes()].concat();
        out.extend(crc32fast::hash(&out).to_be_bytes());
        out
    }

    fn named(bytes: &[u8]) -> (Option<String>, String) {
        let frame = frames(&[bytes]).unwrap().remove(0);
        assert_eq!(frame.raw, bytes);
        (frame.event, frame.data)
    }

    #[test]
    fn headers_name_the_frame() {
        for (headers, payload, event, data) in [
            (&[(":event-type", "messageStart"), (":message-type", "event")][..], "{}", "messageStart", "{}"),
            (
                &[(":message-type", "exception"), (":exception-type", "throttlingException")],
                r#"{"message":"x"}"#,
                "exception:throttlingException",
                r#"{"message":"x"}"#,
            ),
            (&[(":exception-type", "validationException")], "{}", "exception:validationException", "{}"),
            (
                &[(":message-type", "error"), (":error-code", "500"), (":error-message", "a \"b\"")],
                "",
                "error:500",
                r#"{"message":"a \"b\""}"#,
            ),
            (&[(":message-type", "error")], "", "error:", r#"{"message":""}"#),
        ] {
            assert_eq!(named(&message(headers, payload)), (Some(event.to_owned()), data.to_owned()));
        }
        assert_eq!(named(&message(&[], "x")), (None, "x".to_owned()));
    }

    #[test]
    fn lengths_are_judged_before_the_bytes_come() {
        let mut parser = Parser::new(1000);
        parser.push(&prelude(1001, 0));
        assert_eq!(parser.next(), Err(Broken::TooLarge(1000)));
        for (length, headers) in [(0, 0), (15, 0), (16, 1), (100, 85), (900_000, (128 << 10) + 1)] {
            let mut parser = Parser::new(LIMIT);
            parser.push(&prelude(length, headers));
            assert!(matches!(parser.next(), Err(Broken::Malformed(_))), "{length} {headers}");
        }
        let mut parser = Parser::new(1000);
        parser.push(b"<html>Bad Gateway</html>");
        assert!(matches!(parser.next(), Err(Broken::Malformed(_))));
    }

    #[test]
    fn a_message_that_was_cut_is_none() {
        let whole = message(&[(":event-type", "messageStop")], "{}");
        for end in 0..whole.len() {
            assert_eq!(frames(&[&whole[..end]]), Ok(vec![]));
        }
    }

    fn stream() -> impl Strategy<Value = Vec<(String, String)>> {
        let event = prop_oneof!["[a-zA-Z]{1,20}", "exception:[a-zA-Z]{0,20}", "error:[a-z0-9]{0,9}"];
        prop::collection::vec((event, "[^\u{0}]{1,60}"), 0..6)
    }

    fn written(events: &[(String, String)]) -> Vec<u8> {
        let mut out = Vec::new();
        for (event, payload) in events {
            write_event(&mut out, event, payload.as_bytes());
        }
        out
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(events in stream()) {
            let read = frames(&[&written(&events)]).unwrap();
            let read: Vec<_> = read.into_iter().map(|frame| (frame.event.unwrap(), frame.data)).collect();
            prop_assert_eq!(read, events);
        }

        #[test]
        fn any_cut_gives_the_same_frames(
            events in stream(),
            cuts in prop::collection::vec(0usize..2000, 0..12),
        ) {
            let bytes = written(&events);
            let mut at: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
            at.extend([0, bytes.len()]);
            at.sort_unstable();
            let pieces: Vec<&[u8]> = at.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            prop_assert_eq!(frames(&[&bytes]), frames(&pieces));
        }

        #[test]
        fn one_changed_byte_is_noticed(mut events in stream(), at in any::<usize>(), by in 1u8..) {
            events.push(("last".to_owned(), "{}".to_owned()));
            let mut bytes = written(&events);
            let at = at % bytes.len();
            bytes[at] ^= by;
            prop_assert!(frames(&[&bytes]).is_err());
        }

        #[test]
        fn garbage_never_panics(mut bytes in prop::collection::vec(any::<u8>(), 0..200), headers in 0u32..200) {
            let _ = frames(&[&bytes]);
            // Behind a right prelude, and with a right checksum at the end.
            let length = bytes.len() as u32 + LEAST as u32;
            let mut whole = prelude(length, headers);
            whole.append(&mut bytes);
            whole.extend(crc32fast::hash(&whole).to_be_bytes());
            let _ = frames(&[&whole]);
        }
    }
}
