//! The catalogue's line format: one model a line, its key and then its facts, each with the letter of its source.
//!
//! ```text
//! openai/gpt-x chat@b ctx=400000@m out=128000@b in=ti@b +tools@b think=effort/low,high/-off@m $=i2.5,o10@L
//! ```
//!
//! Owns: how a line is read and written. Refuses to know: which lines there are, and what the letters stand for.
//! `docs/catalogue.md` describes the format for people.

use std::borrow::Cow;

use super::{
    AboveTokens, Facts, Modalities, Modality, Mode, Price, PriceList, Prices, Reasoning, ReasoningStyle,
    Sampling, TierPrices,
};

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

/// Words that facts are made of; they need no allocation.
const WORDS: &[&str] = &[
    "none",
    "minimal",
    "low",
    "medium",
    "high",
    "xhigh",
    "max",
    "batch",
    "flex",
    "priority",
    "fast",
    "ultrafast",
];

fn word(text: &str) -> Result<Cow<'static, str>, BadLine> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') {
        return Err(bad(text));
    }
    let known = WORDS.iter().find(|known| **known == text);
    Ok(known.map_or_else(|| Cow::Owned(text.to_owned()), |known| Cow::Borrowed(*known)))
}

fn number(text: &str) -> Result<u64, BadLine> {
    text.parse().map_err(|_| bad(text))
}

/// Adds one written fact.
fn read(facts: &mut Facts, text: &str) -> Result<(), BadLine> {
    if let Some((name, value)) = text.split_once('=') {
        match name {
            "ctx" => facts.context_window = Some(number(value)?),
            "prompt" => facts.max_input = Some(number(value)?),
            "out" => facts.max_output = Some(number(value)?),
            "in" => facts.input = Some(read_modalities(value)?),
            "gen" => facts.output = Some(read_modalities(value)?),
            "think" => facts.reasoning = Some(read_reasoning(value)?),
            "sample" => facts.sampling = Some(read_sampling(value)?),
            "until" => facts.deprecated = Some(read_day(value)?),
            _ => {
                let place = name.strip_prefix('$').ok_or_else(|| bad(text))?;
                read_prices(facts.price.get_or_insert_default(), place, value)?;
            }
        }
        return Ok(());
    }
    let flag = match (text.strip_prefix('+'), text.strip_prefix('-')) {
        (Some(name), _) => Some((name, true)),
        (_, Some(name)) => Some((name, false)),
        _ => None,
    };
    match flag {
        Some(("tools", is)) => facts.tools = Some(is),
        Some(("forced", is)) => facts.forced_tools = Some(is),
        Some(("parallel", is)) => facts.parallel_tools = Some(is),
        Some(("schema", is)) => facts.json_schema = Some(is),
        Some(("cache", is)) => facts.prompt_caching = Some(is),
        Some(_) => return Err(bad(text)),
        None => facts.mode = Some(read_mode(text)?),
    }
    Ok(())
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

fn meaning<T: Copy>(table: &[(T, &str)], text: &str) -> Result<T, BadLine> {
    table.iter().find(|(_, word)| *word == text).map(|(meaning, _)| *meaning).ok_or_else(|| bad(text))
}

/// Every value stands in its table: a test reads back what it writes.
fn spelling<T: PartialEq>(table: &[(T, &'static str)], meaning: &T) -> &'static str {
    table.iter().find(|(known, _)| known == meaning).map_or("", |(_, word)| word)
}

fn read_mode(text: &str) -> Result<Mode, BadLine> {
    meaning(&MODES, text)
}

fn read_sampling(text: &str) -> Result<Sampling, BadLine> {
    meaning(&SAMPLINGS, text)
}

fn read_modalities(text: &str) -> Result<Modalities, BadLine> {
    let kind = |letter| MODALITIES.iter().find(|(_, known)| *known == letter).map(|(kind, _)| *kind);
    text.chars().map(|letter| kind(letter).ok_or_else(|| bad(text))).collect()
}

/// `2026-11-30`.
fn read_day(text: &str) -> Result<Cow<'static, str>, BadLine> {
    if is_day(text) { Ok(Cow::Owned(text.to_owned())) } else { Err(bad(text)) }
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

/// `style[/words][/min..max][/+off|/-off]`.
fn read_reasoning(text: &str) -> Result<Reasoning, BadLine> {
    let mut parts = text.split('/');
    let style = meaning(&STYLES, parts.next().unwrap_or_default())?;
    let mut reasoning = Reasoning {
        style,
        efforts: Cow::Borrowed(&[]),
        min_budget: None,
        max_budget: None,
        can_disable: None,
    };
    for part in parts {
        if let Some((min, max)) = part.split_once("..") {
            let bound = |text: &str| if text.is_empty() { Ok(None) } else { number(text).map(Some) };
            (reasoning.min_budget, reasoning.max_budget) = (bound(min)?, bound(max)?);
        } else if let "+off" | "-off" = part {
            reasoning.can_disable = Some(part == "+off");
        } else {
            reasoning.efforts = Cow::Owned(part.split(',').map(word).collect::<Result<_, _>>()?);
        }
    }
    Ok(reasoning)
}

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

/// `[tier][>tokens]`, and `i2.5,o10`.
fn read_prices(list: &mut PriceList, place: &str, text: &str) -> Result<(), BadLine> {
    let mut prices = Prices::default();
    for item in text.split(',') {
        let mut rest = item.chars();
        let letter = rest.next().ok_or_else(|| bad(text))?;
        let price: Price = rest.as_str().parse().map_err(|_| bad(item))?;
        *class(&mut prices, letter).ok_or_else(|| bad(item))? = Some(price);
    }
    let (tier, tokens) = place.split_once('>').unwrap_or((place, ""));
    let (base, above) = if tier.is_empty() {
        (&mut list.base, &mut list.above)
    } else {
        let at = match list.tiers.iter().position(|known| known.tier == tier) {
            Some(at) => at,
            None => {
                list.tiers.push(TierPrices { tier: word(tier)?, prices: Prices::default(), above: vec![] });
                list.tiers.len() - 1
            }
        };
        let tier = list.tiers.get_mut(at).ok_or_else(|| bad(place))?;
        (&mut tier.prices, &mut tier.above)
    };
    if place.contains('>') {
        let tokens = number(tokens)?;
        let at = above.partition_point(|known| known.tokens < tokens);
        above.insert(at, AboveTokens { tokens, prices });
    } else {
        *base = prices;
    }
    Ok(())
}

/// The facts as a line has them, in order, without sources.
pub fn write(facts: &Facts) -> Vec<String> {
    let Facts {
        mode,
        context_window,
        max_input,
        max_output,
        input,
        output,
        tools,
        forced_tools,
        parallel_tools,
        json_schema,
        prompt_caching,
        reasoning,
        sampling,
        price,
        deprecated,
    } = facts;
    let mut out = Vec::new();
    out.extend(mode.map(|mode| spelling(&MODES, &mode).to_owned()));
    out.extend(context_window.map(|tokens| format!("ctx={tokens}")));
    out.extend(max_input.map(|tokens| format!("prompt={tokens}")));
    out.extend(max_output.map(|tokens| format!("out={tokens}")));
    out.extend(input.map(|kinds| format!("in={}", letters(kinds))));
    out.extend(output.map(|kinds| format!("gen={}", letters(kinds))));
    let flags = [
        (tools, "tools"),
        (forced_tools, "forced"),
        (parallel_tools, "parallel"),
        (json_schema, "schema"),
        (prompt_caching, "cache"),
    ];
    for (flag, name) in flags {
        out.extend(flag.map(|is| format!("{}{name}", if is { '+' } else { '-' })));
    }
    out.extend(reasoning.as_ref().map(|reasoning| format!("think={}", write_reasoning(reasoning))));
    out.extend(sampling.map(|sampling| format!("sample={}", spelling(&SAMPLINGS, &sampling))));
    out.extend(deprecated.as_ref().map(|day| format!("until={day}")));
    if let Some(PriceList { base, above, tiers }) = price {
        write_prices(&mut out, "", base, above);
        for TierPrices { tier, prices, above } in tiers {
            write_prices(&mut out, tier, prices, above);
        }
    }
    out
}

fn letters(kinds: Modalities) -> String {
    MODALITIES.iter().filter(|(kind, _)| kinds.has(*kind)).map(|(_, letter)| *letter).collect()
}

fn write_reasoning(reasoning: &Reasoning) -> String {
    let Reasoning { style, efforts, min_budget, max_budget, can_disable } = reasoning;
    let mut text = spelling(&STYLES, style).to_owned();
    if !efforts.is_empty() {
        text = format!("{text}/{}", efforts.join(","));
    }
    if min_budget.is_some() || max_budget.is_some() {
        let bound = |bound: &Option<u64>| bound.map(|bound| bound.to_string()).unwrap_or_default();
        text = format!("{text}/{}..{}", bound(min_budget), bound(max_budget));
    }
    match can_disable {
        Some(true) => text + "/+off",
        Some(false) => text + "/-off",
        None => text,
    }
}

fn write_prices(out: &mut Vec<String>, tier: &str, base: &Prices, above: &[AboveTokens]) {
    if !base.is_empty() {
        out.push(format!("${tier}={}", write_classes(*base)));
    }
    for AboveTokens { tokens, prices } in above {
        out.push(format!("${tier}>{tokens}={}", write_classes(*prices)));
    }
}

fn write_classes(mut prices: Prices) -> String {
    let mut items = Vec::new();
    for letter in CLASSES {
        if let Some(Some(price)) = class(&mut prices, letter) {
            let text = price.to_string();
            items.push(format!("{letter}{}", text.strip_suffix(".00").unwrap_or(text.trim_end_matches('0'))));
        }
    }
    items.join(",")
}

#[cfg(test)]
mod tests {
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
