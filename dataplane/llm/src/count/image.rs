//! How large an image is, read out of the first bytes of its base64 text.
//!
//! PNG, GIF, WebP and JPEG say it in their header. Bytes are decoded one at a time, where they are needed: a JPEG's
//! header may stand behind tens of thousands of others.

/// Segments of a JPEG that are looked at before its size is given up.
const MOST_SEGMENTS: usize = 64;
/// The longer edge to which vendors shrink an image, in pixels, and the pixels of a token:
/// <https://docs.claude.com/en/docs/build-with-claude/vision>. OpenAI's tiles and Gemini's come out lower for large
/// images; nobody's higher.
const LONGEST_EDGE: f64 = 1568.0;
const PIXELS_A_TOKEN: f64 = 750.0;
const MOST_TOKENS: f64 = 1_600.0;

pub(super) fn tokens(width: u32, height: u32) -> u64 {
    let (width, height) = (f64::from(width), f64::from(height));
    let scale = (LONGEST_EDGE / width.max(height)).min(1.0);
    let tokens = width * scale * height * scale / PIXELS_A_TOKEN;
    tokens.clamp(1.0, MOST_TOKENS).round() as u64
}

/// Width and height in pixels, where the header says them.
pub(super) fn size(base64: &str) -> Option<(u32, u32)> {
    let bytes = Bytes(base64.as_bytes());
    let size = match bytes.read::<4>(0)? {
        [0x89, b'P', b'N', b'G'] => (bytes.big(16)?, bytes.big(20)?),
        [b'G', b'I', b'F', b'8'] => (bytes.little16(6)?, bytes.little16(8)?),
        [b'R', b'I', b'F', b'F'] => webp(&bytes)?,
        [0xff, 0xd8, 0xff, _] => jpeg(&bytes)?,
        _ => return None,
    };
    (size.0 > 0 && size.1 > 0).then_some(size)
}

fn webp(bytes: &Bytes<'_>) -> Option<(u32, u32)> {
    match &bytes.read::<4>(12)? {
        // Lossy: 14 bits each.
        b"VP8 " => Some((bytes.little16(26)? & 0x3fff, bytes.little16(28)? & 0x3fff)),
        // Lossless: 14 bits each, less one, packed.
        b"VP8L" => {
            let bits = u32::from_le_bytes(bytes.read::<4>(21)?);
            Some(((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1))
        }
        // Extended: 24 bits each, less one.
        b"VP8X" => {
            let [a, b, c, d, e, f] = bytes.read::<6>(24)?;
            Some((u32::from_le_bytes([a, b, c, 0]) + 1, u32::from_le_bytes([d, e, f, 0]) + 1))
        }
        _ => None,
    }
}

/// Hops from segment to segment until one that begins a frame.
fn jpeg(bytes: &Bytes<'_>) -> Option<(u32, u32)> {
    let mut at = 2;
    for _ in 0..MOST_SEGMENTS {
        let [mark, kind, high, low] = bytes.read::<4>(at)?;
        match (mark, kind) {
            // Fill bytes.
            (0xff, 0xff) => at += 1,
            (0xff, 0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf) => {
                return Some((bytes.big16(at + 7)?, bytes.big16(at + 5)?));
            }
            (0xff, _) => at += 2 + usize::from(u16::from_be_bytes([high, low])),
            _ => return None,
        }
    }
    None
}

/// Bytes behind base64 text, by position.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn get(&self, at: usize) -> Option<u8> {
        let digit = |i: usize| -> Option<u32> {
            let digit = match *self.0.get(at / 3 * 4 + i)? {
                byte @ b'A'..=b'Z' => byte - b'A',
                byte @ b'a'..=b'z' => byte - b'a' + 26,
                byte @ b'0'..=b'9' => byte - b'0' + 52,
                b'+' | b'-' => 62,
                b'/' | b'_' => 63,
                _ => return None,
            };
            Some(digit.into())
        };
        let i = at % 3;
        // Two digits of six bits hold the byte.
        let pair = digit(i)? << 6 | digit(i + 1)?;
        u8::try_from(pair >> (4 - 2 * i) & 0xff).ok()
    }

    fn read<const N: usize>(&self, from: usize) -> Option<[u8; N]> {
        let mut out = [0; N];
        for (i, byte) in out.iter_mut().enumerate() {
            *byte = self.get(from.checked_add(i)?)?;
        }
        Some(out)
    }

    fn big(&self, at: usize) -> Option<u32> {
        self.read(at).map(u32::from_be_bytes)
    }

    fn big16(&self, at: usize) -> Option<u32> {
        self.read(at).map(u16::from_be_bytes).map(u32::from)
    }

    fn little16(&self, at: usize) -> Option<u32> {
        self.read(at).map(u16::from_le_bytes).map(u32::from)
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

    use super::*;

    /// Images of 640 x 480 pixels, as far as their size.
    fn headers() -> Vec<Vec<u8>> {
        let png = [b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".as_slice(), &640u32.to_be_bytes(), &480u32.to_be_bytes()]
            .concat();
        let gif = [b"GIF89a".as_slice(), &640u16.to_le_bytes(), &480u16.to_le_bytes()].concat();
        let riff = |kind: &[u8]| [b"RIFF\0\0\0\0WEBP".as_slice(), kind, b"\0\0\0\0"].concat();
        let lossy = [
            riff(b"VP8 "),
            b"\0\0\0\x9d\x01\x2a".to_vec(),
            640u16.to_le_bytes().into(),
            480u16.to_le_bytes().into(),
        ];
        let packed: u32 = 639 | 479 << 14;
        let lossless = [riff(b"VP8L"), vec![0x2f], packed.to_le_bytes().into()];
        let extended = [riff(b"VP8X"), vec![0; 4], vec![0x7f, 0x02, 0], vec![0xdf, 0x01, 0]];
        // Behind a thumbnail of the greatest length, and fill bytes.
        let jpeg = [
            b"\xff\xd8\xff\xe1\xff\xff".to_vec(),
            vec![0; 65_533],
            b"\xff\xff\xff\xc2\0\x11\x08".to_vec(),
            480u16.to_be_bytes().into(),
            640u16.to_be_bytes().into(),
        ];
        vec![png, gif, lossy.concat(), lossless.concat(), extended.concat(), jpeg.concat()]
    }

    #[test]
    fn sizes_are_read_out_of_headers() {
        for header in headers() {
            let kind = &header[..4];
            assert_eq!(size(&STANDARD.encode(&header)), Some((640, 480)), "{kind:?}");
            assert_eq!(size(&URL_SAFE_NO_PAD.encode(&header)), Some((640, 480)), "{kind:?}");
            // Cut off, there is no size; and no panic wherever the cut is.
            let text = STANDARD.encode(&header);
            let cut = text.len() / 8 * 4;
            assert_eq!(size(&text[..cut]), None, "{kind:?}");
        }
        for none in ["", "####", "iVBO", "bm90IGFuIGltYWdlIGF0IGFsbA==", "/9j/4AAA/9j/"] {
            assert_eq!(size(none), None, "{none}");
        }
    }

    #[test]
    fn tokens_grow_with_the_area_up_to_a_bound() {
        for (width, height, want) in [
            (200, 200, 53),
            (1000, 1000, 1333),
            (1092, 1092, 1590),
            (4000, 4000, 1600),
            (1, 1, 1),
            (1, 100_000, 1),
        ] {
            assert_eq!(tokens(width, height), want, "{width} x {height}");
        }
    }
}
