//! The catalogue's line format: one model a line, its key and then its facts, each with the letter of its source.
//!
//! ```text
//! openai/gpt-x chat@b ctx=400000@m out=128000@b in=ti@b +tools@b think=effort/low,high/-off@m $=i2.5,o10@L
//! ```
//!
//! Owns: how a line is read and written. Refuses to know: which lines there are, and what the letters stand for.
//! `docs/catalogue.md` describes the format for people.

mod read;
mod write;

pub use write::write;

use read::read;

use super::{Facts, Modality, Mode, Price, Prices, ReasoningStyle, Sampling};

/// A line that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no fact of the catalogue")]
pub struct BadLine(pub String);

fn bad(text: &str) -> BadLine {
    BadLine(text.chars().take(80).collect())
}

/// A line, cut into key and facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// `provider key/model`; in the corrections perhaps with a `*` behind it.
    pub key: &'a str,
    facts: &'a str,
}

/// One fact as it is written, and the letter of its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    pub text: &'a str,
    pub source: char,
}

impl<'a> Field<'a> {
    fn parse(text: &'a str) -> Result<Self, BadLine> {
        let (fact, source) = text.rsplit_once('@').ok_or_else(|| bad(text))?;
        let mut letters = source.chars();
        match (letters.next(), letters.next()) {
            (Some(source), None) if source.is_ascii_alphabetic() && !fact.is_empty() => {
                Ok(Self { text: fact, source })
            }
            _ => Err(bad(text)),
        }
    }

    /// What the fact is about: `ctx`, `tools`, `$batch`.
    pub fn name(&self) -> &'a str {
        name(self.text)
    }
}

/// What a fact, written without its source, is about.
pub fn name(text: &str) -> &str {
    match text.split_once('=') {
        Some((name, _)) => name,
        None => text.strip_prefix(['+', '-']).unwrap_or("mode"),
    }
}

impl<'a> Line<'a> {
    pub fn new(line: &'a str) -> Self {
        let (key, facts) = line.split_once(' ').unwrap_or((line, ""));
        Self { key, facts }
    }

    /// The facts as written, in the order of the line.
    pub fn fields(&self) -> impl Iterator<Item = Result<Field<'a>, BadLine>> + use<'a> {
        self.facts.split(' ').filter(|text| !text.is_empty()).map(Field::parse)
    }

    pub fn facts(&self) -> Result<Facts, BadLine> {
        self.facts_about(|_| true)
    }

    /// The facts whose names are wanted.
    pub fn facts_about(&self, wanted: impl Fn(&str) -> bool) -> Result<Facts, BadLine> {
        let mut facts = Facts::default();
        for field in self.fields() {
            let field = field?;
            if wanted(field.name()) {
                read(&mut facts, field.text)?;
            }
        }
        Ok(facts)
    }
}

/// Can this stand in a line as an effort or a tier? Lower-case letters, digits, `_`, `-`, and none of the format's marks.
pub fn is_word(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-');
    text.starts_with(|first: char| first.is_ascii_lowercase()) && text.bytes().all(fits)
}

/// Is this a day as `2026-11-30`?
pub fn is_day(text: &str) -> bool {
    let mut parts = text.split('-');
    let mut part = |digits: usize, to: u32| {
        let part = parts.next().filter(|part| part.len() == digits);
        let number = part.filter(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
        number.and_then(|part| part.parse().ok()).is_some_and(|number: u32| (1..=to).contains(&number))
    };
    part(4, 9999) && part(2, 12) && part(2, 31) && parts.next().is_none()
}

const MODES: [(Mode, &str); 4] = [
    (Mode::Chat, "chat"),
    (Mode::Completion, "completion"),
    (Mode::Embedding, "embedding"),
    (Mode::Other, "other"),
];

const STYLES: [(ReasoningStyle, &str); 7] = [
    (ReasoningStyle::Never, "never"),
    (ReasoningStyle::Always, "always"),
    (ReasoningStyle::Toggle, "toggle"),
    (ReasoningStyle::Budget, "budget"),
    (ReasoningStyle::Effort, "effort"),
    (ReasoningStyle::Adaptive, "adaptive"),
    (ReasoningStyle::Unknown, "unknown"),
];

const SAMPLINGS: [(Sampling, &str); 3] =
    [(Sampling::Free, "free"), (Sampling::OneOf, "oneof"), (Sampling::Refused, "refused")];

const MODALITIES: [(Modality, char); 5] = [
    (Modality::Text, 't'),
    (Modality::Image, 'i'),
    (Modality::Pdf, 'p'),
    (Modality::Audio, 'a'),
    (Modality::Video, 'v'),
];

/// The class of token behind each letter.
fn class(prices: &mut Prices, letter: char) -> Option<&mut Option<Price>> {
    Some(match letter {
        'i' => &mut prices.input,
        'o' => &mut prices.output,
        'r' => &mut prices.cache_read,
        'w' => &mut prices.cache_write,
        'h' => &mut prices.cache_write_1h,
        't' => &mut prices.reasoning,
        'a' => &mut prices.input_audio,
        's' => &mut prices.output_audio,
        _ => return None,
    })
}

const CLASSES: [char; 8] = ['i', 'o', 'r', 'w', 'h', 't', 'a', 's'];

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::super::Reasoning;
    use super::read::reasoning as read_reasoning;
    use super::write::reasoning as write_reasoning;
    use super::*;

    const FULL: &str = "openai/x chat@b ctx=400000@m prompt=272000@m out=128000@b in=tipav@b gen=ta@l +tools@b \
                        +forced@l -parallel@l +schema@b +cache@m think=effort/none,low,odd/1024../+off@m \
                        sample=refused@m until=2027-01-31@l $=i2.5,o10.25,r0.25,w3,h5,t12,a40,s80@L \
                        $>200000=i5,o20@l $batch=i1.25,o5@l $batch>200000=i2@l";

    #[test]
    fn a_line_comes_back_as_it_was() {
        let line = Line::new(FULL);
        assert_eq!(line.key, "openai/x");
        let sources: Vec<char> = line.fields().map(|field| field.unwrap().source).collect();
        let facts = line.facts().unwrap();
        let written =
            write(&facts).into_iter().zip(sources).map(|(text, source)| format!(" {text}@{source}"));
        assert_eq!(format!("openai/x{}", written.collect::<String>()), FULL);
        assert_eq!(facts.price.unwrap().tiers[0].above[0].prices.input, Some(Price(2_000_000)));
    }

    #[test]
    fn every_word_reads_and_writes() {
        for (mode, text) in MODES {
            assert_eq!(Line::new(&format!("k {text}@l")).facts().unwrap().mode, Some(mode));
        }
        for (style, _) in STYLES {
            let reasoning = Reasoning {
                style,
                efforts: Cow::Borrowed(&[]),
                min_budget: None,
                max_budget: Some(7),
                can_disable: Some(false),
            };
            assert_eq!(read_reasoning(&write_reasoning(&reasoning)), Ok(reasoning));
        }
        for (sampling, _) in SAMPLINGS {
            let facts = Facts { sampling: Some(sampling), ..Facts::default() };
            let text = format!("k {}@l", write(&facts).join(""));
            assert_eq!(Line::new(&text).facts(), Ok(facts));
        }
    }

    #[test]
    fn names_tell_what_a_fact_is_about() {
        for (text, about) in [
            ("chat", "mode"),
            ("ctx=1", "ctx"),
            ("-tools", "tools"),
            ("$=i1", "$"),
            ("$batch>5=i1", "$batch>5"),
        ] {
            assert_eq!(name(text), about);
        }
    }

    #[test]
    fn days() {
        for (text, is) in
            [("2026-11-30", true), ("2026-13-01", false), ("2026-1-1", false), ("2026-11-30-1", false)]
        {
            assert_eq!(is_day(text), is, "{text}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "k chat",
            "k chat@",
            "k chat@ll",
            "k chatter@l",
            "k ctx=many@l",
            "k ctx=-1@l",
            "k in=tx@l",
            "k +wings@l",
            "k think=sometimes@l",
            "k think=effort/LOW@l",
            "k think=budget/a..b@l",
            "k sample=some@l",
            "k until=tomorrow@l",
            "k $=i@l",
            "k $=z1@l",
            "k $=@l",
            "k $>x=i1@l",
            "k $a b=i1@l",
            "k weight=3@l",
        ] {
            assert!(Line::new(text).facts().is_err(), "{text}");
        }
    }
}
