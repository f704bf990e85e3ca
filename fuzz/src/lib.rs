//! What the fuzz targets do with their bytes. Nothing may panic, hang, or depend on how a stream was cut.
//!
//! The first byte chooses what the rest is: a client's request, a provider's answer, its stream, or an error body.

use penstock_llm::embed::{self, EmbedFormat};
use penstock_llm::envelope::Envelope;
use penstock_llm::provider::{self, Provider};
use penstock_llm::{
    ClientError, Event, Format, Frame, Framing, Ledger, Reply, Upstream, collect, count, passthrough,
    translate,
};

/// Small, so that the fuzzer reaches it.
const LIMIT: usize = 4096;

/// A provider that speaks the format.
fn provider_of(format: Format) -> &'static dyn Provider {
    let speaks = |provider: &&dyn Provider| provider.formats("model").first() == Some(&format);
    provider::REGISTRY.iter().copied().find(speaks).unwrap_or(provider::REGISTRY[0])
}

fn reply() -> Reply {
    Reply { request_id: "req".into(), model: "model".into(), created: 1, include_usage: true }
}

/// One dialect: everything it reads, and what it read written in every format.
pub fn dialect(format: Format, data: &[u8]) {
    let Some((mode, rest)) = data.split_first() else { return };
    match mode % 4 {
        0 => request(format, rest),
        1 => answer(format, rest),
        2 => stream(format, rest),
        _ => {
            format.dialect().decode_error(400 + u16::from(*mode), rest);
        }
    }
}

fn request(format: Format, body: &[u8]) {
    if let Ok(envelope) = Envelope::parse(body) {
        for provider in provider::REGISTRY {
            let upstream = Upstream::new("model", *provider);
            passthrough::keeps_bytes(&envelope, body, format, &upstream);
        }
    }
    let Ok(request) = format.dialect().decode_request(body) else { return };
    count::estimate(&request);
    for provider in provider::REGISTRY {
        let upstream = Upstream::new(&request.model, *provider);
        for target in provider.formats(&request.model) {
            let mut ledger = Ledger::new(format);
            let sent = translate::encode_request(&request, *target, &upstream, &mut ledger);
            if let Ok(sent) = sent {
                let value: Result<serde_json::Value, _> = serde_json::from_slice(&sent);
                assert!(value.is_ok(), "{} was sent no JSON", provider.name());
            }
        }
    }
}

fn answer(format: Format, body: &[u8]) {
    let upstream = Upstream::new("model", provider_of(format));
    let Ok(Ok(response)) = format.dialect().decode_response(body, &upstream) else { return };
    for client in Format::ALL {
        let bytes = client.dialect().encode_response(&response, &reply(), &mut Ledger::new(client));
        let value: Result<serde_json::Value, _> = serde_json::from_slice(&bytes);
        assert!(value.is_ok(), "{client:?} clients get no JSON");
    }
}

/// The second byte says how the stream is cut.
fn stream(format: Format, data: &[u8]) {
    let Some((cut, bytes)) = data.split_first() else { return };
    let framing = format.dialect().framing();
    let whole = frames(framing, bytes, bytes.len().max(1));
    let pieces = frames(framing, bytes, usize::from(*cut).max(1));
    let events = events(format, &whole);
    assert_eq!(events, self::events(format, &pieces), "the cut changed the events");
    for client in Format::ALL {
        let mut encoder = client.dialect().stream_encoder(reply());
        let mut out = Vec::new();
        for event in &events {
            encoder.push(event, &mut out);
        }
        encoder.finish(&mut out);
        let mut encoder = client.dialect().stream_encoder(reply());
        events.iter().for_each(|event| encoder.push(event, &mut out));
        encoder.error(&ClientError::new(502, "cut", "cut"), &mut out);
    }
    collect(events);
}

fn events(format: Format, frames: &[Frame]) -> Vec<Event> {
    let upstream = Upstream::new("model", provider_of(format));
    let mut decoder = format.dialect().stream_decoder(&upstream);
    let mut events = Vec::new();
    for frame in frames {
        if decoder.push(frame, &mut events).is_err() || decoder.is_done() {
            return events;
        }
    }
    let _ = decoder.finish(&mut events);
    events
}

fn frames(framing: Framing, bytes: &[u8], size: usize) -> Vec<Frame> {
    let mut parser = framing.frames(LIMIT);
    let mut out = Vec::new();
    for piece in bytes.chunks(size) {
        parser.push(piece);
        loop {
            match parser.next() {
                Ok(Some(frame)) => out.push(frame),
                Ok(None) => break,
                Err(_) => return out,
            }
        }
    }
    out.extend(parser.finish());
    out
}

/// The first byte says how the stream is cut.
pub fn framing(framing: Framing, data: &[u8]) {
    let Some((cut, bytes)) = data.split_first() else { return };
    let whole = frames(framing, bytes, bytes.len().max(1));
    assert_eq!(whole, frames(framing, bytes, usize::from(*cut).max(1)), "the cut changed the frames");
}

/// What is spliced into a body is a body again.
pub fn envelope(body: &[u8]) {
    let Ok(envelope) = Envelope::parse(body) else { return };
    let spliced = envelope.splice(body, "other\"model", true);
    let again = Envelope::parse(&spliced).expect("a spliced body");
    assert_eq!(again.model, "other\"model");
    assert!(again.include_usage());
    assert_eq!(
        again.members(&spliced).count().max(envelope.members(body).count()),
        again.members(&spliced).count()
    );
}

pub fn embeddings(data: &[u8]) {
    const FORMATS: [EmbedFormat; 7] = [
        EmbedFormat::OpenAI,
        EmbedFormat::Gemini,
        EmbedFormat::Vertex,
        EmbedFormat::Cohere,
        EmbedFormat::Ollama,
        EmbedFormat::Titan,
        EmbedFormat::BedrockCohere,
    ];
    embed::read_usage(data);
    let asked = embed::decode_request(br#"{"model":"m","input":["a","b"]}"#).expect("a request");
    for format in FORMATS {
        if let Ok(Ok(response)) = embed::decode_response(data, format, &asked) {
            embed::encode_response(&response, &asked, &reply());
        }
    }
    if let Ok(request) = embed::decode_request(data) {
        let upstream = Upstream::new("model", provider_of(Format::Chat));
        for format in FORMATS {
            let _ = embed::encode_request(&request, format, &upstream, &mut Ledger::new(Format::Chat));
        }
    }
}
