//! Positions in an answer's text: Google counts bytes of UTF-8, everybody else characters.

/// An answer's text so far, with marks that make a position cheap to find.
#[derive(Debug, Default)]
pub(super) struct Offsets {
    text: String,
    /// Characters before each 64th byte, or before the character that it is in.
    marks: Vec<u64>,
    chars: u64,
}

const STEP: usize = 64;

impl Offsets {
    pub fn push(&mut self, piece: &str) {
        for c in piece.chars() {
            while self.marks.len() * STEP < self.text.len() + c.len_utf8() {
                self.marks.push(self.chars);
            }
            self.text.push(c);
            self.chars += 1;
        }
    }

    /// Characters before this byte; of a byte inside a character, those before it. A position behind the end is
    /// the end.
    pub fn chars_before(&self, byte: u64) -> u64 {
        let byte = usize::try_from(byte).unwrap_or(usize::MAX);
        if byte >= self.text.len() {
            return self.chars;
        }
        let (Some(before), from) = (self.marks.get(byte / STEP), byte / STEP * STEP) else {
            return self.chars;
        };
        let starts = self.text.as_bytes().get(from..byte).unwrap_or_default();
        // The mark stands before the character that its byte is in; that one's start lies before `from`.
        let is_start = |byte: &&u8| (**byte & 0xc0) != 0x80;
        let inside = !self.text.is_char_boundary(from);
        let whole = starts.iter().filter(is_start).count() as u64 + u64::from(inside && !starts.is_empty());
        // Inside a character, the one that is open does not count.
        before + if self.text.is_char_boundary(byte) { whole } else { whole.saturating_sub(1) }
    }

    /// Bytes before this character.
    pub fn bytes_before(&self, char: u64) -> u64 {
        let mark = self.marks.partition_point(|before| *before <= char).saturating_sub(1);
        let (mut from, mut left) = (mark * STEP, char.saturating_sub(*self.marks.get(mark).unwrap_or(&0)));
        while from > 0 && !self.text.is_char_boundary(from) {
            from -= 1;
        }
        for c in self.text.get(from..).unwrap_or_default().chars() {
            if left == 0 {
                return from as u64;
            }
            from += c.len_utf8();
            left -= 1;
        }
        self.text.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bytes_and_characters(text in "[aé€😀\\n]{0,300}", cut in 0usize..300) {
            let mut offsets = Offsets::default();
            let at = text.char_indices().nth(cut).map_or(text.len(), |(at, _)| at);
            offsets.push(&text[..at]);
            offsets.push(&text[at..]);
            for (n, (at, c)) in text.char_indices().enumerate() {
                prop_assert_eq!(offsets.chars_before(at as u64), n as u64);
                prop_assert_eq!(offsets.bytes_before(n as u64), at as u64);
                for inside in 1..c.len_utf8() {
                    prop_assert_eq!(offsets.chars_before((at + inside) as u64), n as u64);
                }
            }
            let end = text.chars().count() as u64;
            prop_assert_eq!(offsets.chars_before(u64::MAX), end);
            prop_assert_eq!(offsets.chars_before(text.len() as u64), end);
            prop_assert_eq!(offsets.bytes_before(end), text.len() as u64);
            prop_assert_eq!(offsets.bytes_before(u64::MAX), text.len() as u64);
        }
    }
}
