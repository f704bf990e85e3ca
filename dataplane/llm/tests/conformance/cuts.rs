//! A stream of bytes through a decoder, however it is cut.

use penstock_llm::framing::Frames;
use penstock_llm::{Broken, Event, Format, Upstream};

/// Cuts of each stream.
pub const CUTS: u64 = 5;

/// The events that these pieces of a stream tell.
pub fn decode(pieces: &[&[u8]], format: Format, upstream: &Upstream<'_>) -> Result<Vec<Event>, Broken> {
    let mut frames: Frames = format.dialect().framing().frames(64 << 20);
    let mut decoder = format.dialect().stream_decoder(upstream);
    let mut events = Vec::new();
    for piece in pieces {
        frames.push(piece);
        while let Some(frame) = frames.next()? {
            decoder.push(&frame, &mut events)?;
        }
    }
    if let Some(frame) = frames.finish() {
        decoder.push(&frame, &mut events)?;
    }
    decoder.finish(&mut events)?;
    Ok(events)
}

/// Pieces of random size, most of them small; seed 0 cuts behind every byte.
pub fn cut(bytes: &[u8], seed: u64) -> Vec<&[u8]> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut pieces = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let most = 1 << (2 * seed + 2);
        let size = if seed == 0 { 1 } else { 1 + usize::try_from((state >> 33) % most).unwrap() };
        let (piece, left) = rest.split_at(size.min(rest.len()));
        pieces.push(piece);
        rest = left;
    }
    pieces
}
