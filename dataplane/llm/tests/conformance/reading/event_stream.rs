//! Amazon's event stream, read and written by hand.
//!
//! Each message is: its length and the length of its headers (4 bytes each, big-endian), the CRC-32 of those, the
//! headers, the payload, and the CRC-32 of all before. A header is the length of its name (1 byte), the name, its type
//! (7 is text), the length of the text (2 bytes) and the text. See
//! <https://smithy.io/2.0/aws/amazon-eventstream.html>.

use serde_json::Value;

pub struct Message {
    pub kind: String,
    pub is_exception: bool,
    pub payload: Value,
}

pub fn read(mut bytes: &[u8]) -> Vec<Message> {
    let mut out = Vec::new();
    while !bytes.is_empty() {
        let (total, headers) = (number(&bytes[..4]), number(&bytes[4..8]));
        let (message, rest) = bytes.split_at(total);
        let (body, sum) = message.split_at(total - 4);
        assert_eq!(number(sum), checksum(body) as usize, "checksum of a message");
        let (headers, payload) = body[12..].split_at(headers);
        let headers = read_headers(headers);
        let header =
            |name: &str| headers.iter().find(|header| header.0 == name).map(|header| header.1.clone());
        out.push(Message {
            kind: header(":event-type").or(header(":exception-type")).unwrap_or_default(),
            is_exception: header(":message-type").as_deref() != Some("event"),
            payload: serde_json::from_slice(payload).expect("a payload is JSON"),
        });
        bytes = rest;
    }
    out
}

fn read_headers(mut bytes: &[u8]) -> Vec<(String, String)> {
    let mut out = Vec::new();
    while !bytes.is_empty() {
        let (name, rest) = bytes[1..].split_at(usize::from(bytes[0]));
        assert_eq!(rest[0], 7, "a header is text");
        let (value, rest) = rest[3..].split_at(number(&rest[1..3]));
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("a header is UTF-8");
        out.push((text(name), text(value)));
        bytes = rest;
    }
    out
}

/// A message of an event.
pub fn write(kind: &str, payload: &Value) -> Vec<u8> {
    let mut headers = Vec::new();
    for (name, value) in
        [(":event-type", kind), (":content-type", "application/json"), (":message-type", "event")]
    {
        headers.push(u8::try_from(name.len()).expect("a short name"));
        headers.extend(name.bytes());
        headers.push(7);
        headers.extend(u16::try_from(value.len()).expect("a short value").to_be_bytes());
        headers.extend(value.bytes());
    }
    let payload = payload.to_string();
    let length = |length: usize| u32::try_from(length).expect("a short message").to_be_bytes();
    let mut out = Vec::new();
    out.extend(length(12 + headers.len() + payload.len() + 4));
    out.extend(length(headers.len()));
    out.extend(checksum(&out).to_be_bytes());
    out.extend(headers);
    out.extend(payload.bytes());
    out.extend(checksum(&out).to_be_bytes());
    out
}

fn number(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |number, byte| number << 8 | usize::from(*byte))
}

/// CRC-32 as in gzip.
fn checksum(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| sum >> 1 ^ (0xedb8_8320 & (sum & 1).wrapping_neg()))
    })
}
