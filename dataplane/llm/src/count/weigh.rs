//! How many tokens a text is, by the look of it.
//!
//! A tokenizer of today cuts a text into words, numbers, punctuation and white space, and splits each by what it saw
//! often when it was trained. The same cuts are made here, and each piece gets the weight that it had on average:
//! least squares over pieces of some thousand characters of English, of code and markup in eight languages, and of
//! prose in 29 others, against the median of five tokenizers (o200k, Llama 3, Gemini, Qwen 3, DeepSeek 3); then rounded,
//! and raised by a few percent, because too little is worse than too much. Weights are thousandths of a token. How far
//! this is off on texts of another kind is in `docs/token-estimate.md`.

use std::io;

/// One letter; a word of 2 to 7 letters; 8 to 12; 13 to 16; each letter beyond.
const LETTER: u64 = 900;
const SHORT_WORD: u64 = 980;
const WORD: u64 = 1_320;
const LONG_WORD: u64 = 2_700;
const LETTER_BEYOND: u64 = 300;
const LONGEST: u64 = 16;
/// A letter of a word in capitals.
const CAPITAL: u64 = 220;
/// Up to three digits of a number; the space in front of it, which no digit joins.
const DIGITS: u64 = 1_300;
const SPACE_BEFORE: u64 = 500;
/// Spaces and tabs, two or more; a single space belongs to the word behind it.
const SPACES: u64 = 850;
/// Line ends, one or more; behind punctuation they often join it.
const LINE_END: u64 = 1_800;
const LINE_END_JOINED: u64 = 550;
/// Punctuation; each further sign that differs from the one before it; each that repeats it.
const PUNCTUATION: u64 = 650;
const OTHER_SIGN: u64 = 350;
const SAME_SIGN: u64 = 130;
/// Typographic punctuation: dashes, quotation marks, East Asian full stops.
const MARK: u64 = 900;
/// Emoji, arrows, boxes, mathematics.
const SYMBOL: u64 = 1_800;

/// Words of other Latin languages than English are in fewer vocabularies whole: each letter from the fourth on, the
/// same letter where many letters have accents, and each letter with one.
const FOREIGN_LETTER: f64 = 195.0;
const FOREIGN_ACCENTED: f64 = 900.0;
const FOREIGN_ACCENT: f64 = 550.0;
/// The share of letters with accents beyond which a language is not stranger still, and beyond which further accents
/// weigh nothing: Vietnamese has them on every other letter, and is in the vocabularies.
const MANY_ACCENTS: f64 = 0.08;
const MOST_ACCENTS: f64 = 0.22;

/// What a character is to a tokenizer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Class {
    #[default]
    Nothing,
    Latin,
    Digit,
    Space,
    LineEnd,
    Punctuation,
    Mark,
    Symbol,
    Script(Script),
}

/// Writing systems beside the Latin one, with the weight of a word and of a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Script {
    Cyrillic,
    Greek,
    Hebrew,
    Arabic,
    Devanagari,
    Indic,
    Thai,
    Hangul,
    Kana,
    Han,
    Other,
}

impl Script {
    fn weights(self) -> (u64, u64) {
        match self {
            Self::Cyrillic => (740, 215),
            Self::Greek => (760, 300),
            Self::Hebrew => (490, 400),
            Self::Arabic => (390, 300),
            Self::Devanagari => (520, 500),
            Self::Indic => (750, 500),
            Self::Thai => (230, 430),
            Self::Hangul => (740, 600),
            Self::Kana => (0, 660),
            Self::Han => (0, 680),
            // Few vocabularies have any of them: about a token a letter.
            Self::Other => (500, 1_000),
        }
    }
}

/// Classes of ASCII, by byte.
const ASCII: [Class; 128] = {
    let mut classes = [Class::Punctuation; 128];
    let mut byte = 0;
    while byte < 128 {
        classes[byte] = match byte as u8 {
            b'a'..=b'z' | b'A'..=b'Z' => Class::Latin,
            b'0'..=b'9' => Class::Digit,
            b'\n' | b'\r' => Class::LineEnd,
            b' ' | b'\t' => Class::Space,
            _ => Class::Punctuation,
        };
        byte += 1;
    }
    classes
};

fn class_of(c: char) -> Class {
    use Script::*;
    match c {
        '\0'..='\x7f' => ASCII[c as usize],
        '\u{80}'..='\u{24f}' | '\u{1e00}'..='\u{1eff}' if c.is_alphabetic() => Class::Latin,
        // Accents that follow their letter.
        '\u{300}'..='\u{36f}' => Class::Latin,
        '\u{370}'..='\u{3ff}' | '\u{1f00}'..='\u{1fff}' => Class::Script(Greek),
        '\u{400}'..='\u{52f}' => Class::Script(Cyrillic),
        '\u{590}'..='\u{5ff}' => Class::Script(Hebrew),
        '\u{600}'..='\u{77f}' | '\u{fb50}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}' => Class::Script(Arabic),
        '\u{900}'..='\u{97f}' => Class::Script(Devanagari),
        '\u{980}'..='\u{dff}' => Class::Script(Indic),
        '\u{e00}'..='\u{e7f}' => Class::Script(Thai),
        '\u{1100}'..='\u{11ff}' | '\u{ac00}'..='\u{d7af}' => Class::Script(Hangul),
        '\u{3041}'..='\u{30ff}' => Class::Script(Kana),
        '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{323af}' => Class::Script(Han),
        '\u{80}'..='\u{bf}' | '\u{2000}'..='\u{206f}' | '\u{3000}'..='\u{3040}' | '\u{ff00}'..='\u{ff65}' => {
            Class::Mark
        }
        _ if c.is_alphabetic() => Class::Script(Other),
        _ => Class::Symbol,
    }
}

/// Weighs texts piece by piece; a piece that goes on in the next text is one piece.
#[derive(Debug, Default)]
pub(super) struct Scale {
    /// Thousandths of a token.
    weight: u64,
    run: Run,
    /// What closed last, for line ends.
    before: Class,
    latin: Latin,
}

/// The piece under way.
#[derive(Debug, Default)]
struct Run {
    class: Class,
    length: u64,
    /// Signs that repeat the one before.
    same: u64,
    last: char,
    /// The second letter of a word is a capital.
    is_capital: bool,
    /// The letters of a word of no more than [`LONGEST_ENGLISH`], lower case.
    key: u64,
    accents: u64,
}

/// What tells English and code from other languages, over the whole text.
#[derive(Debug, Default)]
struct Latin {
    words: u64,
    english: u64,
    letters: u64,
    /// Letters from the fourth on, up to [`LONGEST`].
    late: u64,
    accents: u64,
    signs: u64,
}

impl Scale {
    pub fn push(&mut self, text: &str) {
        let mut rest = text;
        loop {
            // Most of most texts.
            let small = rest.bytes().take_while(u8::is_ascii_lowercase).count();
            let Some((letters, other)) = rest.split_at_checked(small) else { return };
            if small > 0 {
                self.add_letters(letters);
            }
            let mut chars = other.chars();
            let Some(c) = chars.next() else { return };
            self.add(c);
            rest = chars.as_str();
        }
    }

    /// What comes next is no part of the piece before it.
    pub fn cut(&mut self) {
        self.close();
        self.before = Class::Nothing;
    }

    /// Tokens so far; some text is at least one.
    pub fn tokens(&mut self) -> u64 {
        self.close();
        let weight = self.weight.saturating_add(self.latin.extra());
        weight.div_ceil(1_000)
    }

    /// The same as [`Self::add`] of each, for some of `a` to `z`.
    fn add_letters(&mut self, letters: &str) {
        if self.run.class != Class::Latin {
            self.close();
            self.run.class = Class::Latin;
        }
        let run = &mut self.run;
        run.length += letters.len() as u64;
        if run.length <= LONGEST_ENGLISH {
            run.key = letters.bytes().fold(run.key, |key, byte| key << 8 | u64::from(byte));
        }
        run.last = 'a';
    }

    fn add(&mut self, c: char) {
        let class = class_of(c);
        let goes_on = class == self.run.class
            && !(class == Class::Latin && c.is_uppercase() && self.run.last.is_lowercase());
        if !goes_on {
            self.close();
            self.run.class = class;
        }
        let run = &mut self.run;
        match class {
            Class::Latin => {
                run.is_capital |= run.length == 1 && c.is_uppercase();
                run.accents += u64::from(!c.is_ascii());
                run.key = run.key << 8 | u64::from(c.to_ascii_lowercase() as u32);
            }
            Class::Punctuation => run.same += u64::from(run.length > 0 && c == run.last),
            _ => {}
        }
        run.length += 1;
        run.last = c;
    }

    fn close(&mut self) {
        let Run { class, length, same, last: _, is_capital, key, accents } = std::mem::take(&mut self.run);
        let weight = match class {
            Class::Nothing => return,
            Class::Latin => self.latin.word(length, is_capital, key, accents),
            Class::Digit if self.before == Class::Space => DIGITS * length.div_ceil(3) + SPACE_BEFORE,
            Class::Digit => DIGITS * length.div_ceil(3),
            Class::Space if length > 1 => SPACES,
            Class::Space => 0,
            Class::LineEnd if self.before == Class::Punctuation => LINE_END_JOINED,
            Class::LineEnd => LINE_END,
            Class::Punctuation => {
                self.latin.signs += length;
                PUNCTUATION + SAME_SIGN * same + OTHER_SIGN * (length - 1 - same)
            }
            Class::Mark => MARK * length,
            Class::Symbol => SYMBOL * length,
            Class::Script(script) => {
                let (word, letter) = script.weights();
                word + letter * length
            }
        };
        self.weight = self.weight.saturating_add(weight);
        self.before = class;
    }
}

impl Latin {
    fn word(&mut self, length: u64, is_capital: bool, key: u64, accents: u64) -> u64 {
        self.words += 1;
        self.english +=
            u64::from(accents == 0 && length <= LONGEST_ENGLISH && ENGLISH.binary_search(&key).is_ok());
        self.letters += length;
        self.accents += accents;
        if is_capital {
            return CAPITAL * length;
        }
        self.late += length.min(LONGEST).saturating_sub(3);
        let beyond = LETTER_BEYOND * length.saturating_sub(LONGEST);
        match length {
            0..=1 => LETTER,
            2..=7 => SHORT_WORD,
            8..=12 => WORD,
            _ => LONG_WORD + beyond,
        }
    }

    /// What words weigh more than English ones. A text without the small words of English is in another language,
    /// unless punctuation shows that it is code.
    fn extra(&self) -> u64 {
        if self.words == 0 {
            return 0;
        }
        let [words, english, letters, late, accents, signs] =
            [self.words, self.english, self.letters, self.late, self.accents, self.signs].map(|n| n as f64);
        let is_code = 1.2 * (signs / words - 0.3).max(0.0);
        let is_foreign = (1.0 - 7.0 * english / words - is_code).clamp(0.0, 1.0);
        let is_accented = (accents / letters.max(1.0)).min(MANY_ACCENTS);
        let accents = accents.min(letters * MOST_ACCENTS);
        let extra = late * (FOREIGN_LETTER + FOREIGN_ACCENTED * is_accented) + accents * FOREIGN_ACCENT;
        (is_foreign * extra) as u64
    }
}

/// Small words that are frequent in English and rare in its neighbours, by length and alphabet.
const ENGLISH_WORDS: [&str; 32] = [
    "by", "if", "in", "is", "it", "of", "to", "and", "are", "can", "for", "its", "not", "out", "the", "who",
    "you", "from", "have", "into", "only", "than", "that", "then", "this", "will", "with", "other", "their",
    "there", "which", "would",
];

const LONGEST_ENGLISH: u64 = 5;

/// The same as numbers, in ascending order.
const ENGLISH: [u64; 32] = {
    let mut keys = [0; 32];
    let mut i = 0;
    while i < keys.len() {
        let word = ENGLISH_WORDS[i].as_bytes();
        let mut j = 0;
        while j < word.len() {
            keys[i] = keys[i] << 8 | word[j] as u64;
            j += 1;
        }
        i += 1;
    }
    keys
};

/// JSON is weighed as it is written, without being written anywhere.
impl io::Write for Scale {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A JSON writer cuts at characters; were it not so, the rest would be a few symbols.
        for chunk in bytes.utf8_chunks() {
            self.push(chunk.valid());
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(super) fn text(text: &str) -> u64 {
    let mut scale = Scale::default();
    scale.push(text);
    scale.tokens()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn english_words_are_found() {
        assert!(ENGLISH.is_sorted());
        let english = |text: &str| {
            let mut scale = Scale::default();
            scale.push(text);
            scale.close();
            (scale.latin.english, scale.latin.words)
        };
        assert_eq!(english("The cat and THE other; thé in-to therein"), (6, 9));
    }

    #[test]
    fn pieces_go_on_from_text_to_text() {
        for whole in ["international", "The aBc ABc abcDE théa Then", "{\"a\": 12345}", "été\n\n", "日本語"]
        {
            let mut cut = Scale::default();
            for c in whole.chars() {
                cut.push(c.encode_utf8(&mut [0; 4]));
            }
            assert_eq!(cut.tokens(), text(whole), "{whole}");
        }
    }

    #[test]
    fn nothing_is_nothing_and_anything_is_something() {
        assert_eq!(text(""), 0);
        for some in ["a", "1", ".", "\n", "語", "🙂", "\u{0}", "  "] {
            assert!(text(some) > 0, "{some:?}");
        }
    }
}
