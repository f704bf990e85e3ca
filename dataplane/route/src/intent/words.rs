//! What is seen of a text: its words, each pair of neighbours, and pieces of words, so that `resetting` is near `reset`
//! and a slip of the finger costs little. Nothing here knows a language.

use std::hash::{BuildHasher, Hasher};
use std::sync::LazyLock;

use regex::Regex;

/// Most features that are learned; of more, those that most examples have.
pub const MOST_FEATURES: usize = 1 << 16;
/// Longest text that is looked at whole, in bytes.
const LONGEST: usize = 2048;
/// Pieces of words have so many characters.
const PIECES: [usize; 2] = [3, 4];

/// A word is a run of letters, digits and their marks. Characters of Chinese, and pictures, are words by themselves: no
/// spaces stand between them.
static WORD: LazyLock<Regex> = LazyLock::new(|| {
    #[allow(clippy::unwrap_used, reason = "a constant, and every test here reads it")]
    Regex::new(r"[\p{Han}\p{So}]|[\p{L}\p{N}--\p{Han}][\p{L}\p{M}\p{N}--\p{Han}]*").unwrap()
});

/// In lower case; every digit is a 0, because which order or version it is says nothing of what is asked.
fn plain(word: &str) -> impl Iterator<Item = char> {
    word.chars().flat_map(char::to_lowercase).map(|c| if c.is_numeric() { '0' } else { c })
}

/// The words of a text as they are compared.
pub fn words(text: &str) -> Vec<String> {
    WORD.find_iter(text).map(|word| plain(word.as_str()).collect()).collect()
}

/// Calls `each` for every feature, as often as it is there.
pub fn features(text: &str, each: &mut impl FnMut(u64)) {
    if text.len() <= LONGEST {
        return of_part(text, each);
    }
    // What is wanted stands before what it is wanted of, or behind it.
    of_part(text.get(..text.floor_char_boundary(LONGEST / 2)).unwrap_or_default(), each);
    of_part(text.get(text.ceil_char_boundary(text.len() - LONGEST / 2)..).unwrap_or_default(), each);
}

fn of_part(text: &str, each: &mut impl FnMut(u64)) {
    let mut word = Vec::new();
    let edge = Hash::of('P').and('\n');
    let mut before = edge;
    let mut any = false;
    for found in WORD.find_iter(text) {
        any = true;
        word.clear();
        // Both ends are marked, so that a piece at one of them is another piece.
        word.push('<');
        word.extend(plain(found.as_str()));
        word.push('>');
        let whole = word.iter().fold(Hash::of('W'), |hash, c| hash.and(*c));
        each(whole.0);
        each(before.join(whole).0);
        before = whole;
        for size in PIECES {
            // The whole is there already.
            if size < word.len() {
                word.windows(size)
                    .for_each(|piece| each(piece.iter().fold(Hash::of('p'), |hash, c| hash.and(*c)).0));
            }
        }
    }
    if any {
        each(before.join(edge).0);
    }
}

/// What a feature counts that is there so many times: a second time says less than the first.
pub fn often(times: usize) -> f32 {
    let times = u16::try_from(times).unwrap_or(u16::MAX);
    1.0 + f32::from(times).ln()
}

/// FNV-1a over characters, <http://www.isthe.com/chongo/tech/comp/fnv/>: the same on every machine.
#[derive(Clone, Copy)]
struct Hash(u64);

impl Hash {
    const PRIME: u64 = 0x0000_0100_0000_01b3;

    fn of(kind: char) -> Self {
        Self(0xcbf2_9ce4_8422_2325).and(kind)
    }

    fn and(self, c: char) -> Self {
        Self((self.0 ^ u64::from(c)).wrapping_mul(Self::PRIME))
    }

    /// Of two in this order.
    fn join(self, other: Self) -> Self {
        Self((self.0.rotate_left(17) ^ other.0).wrapping_mul(Self::PRIME))
    }
}

/// Features are hashes already. A client can choose what is looked up, and not what is in the table.
#[derive(Clone, Copy, Default)]
pub struct AsItIs;

pub struct Given(u64);

impl BuildHasher for AsItIs {
    type Hasher = Given;

    fn build_hasher(&self) -> Given {
        Given(0)
    }
}

impl Hasher for Given {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, hash: u64) {
        // The table looks at both ends of it, and FNV's upper bits are the better mixed ones.
        self.0 = hash ^ (hash >> 32);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
