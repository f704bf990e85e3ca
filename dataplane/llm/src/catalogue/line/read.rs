//! Written facts, read.

use std::borrow::Cow;

use super::super::{
    AboveTokens, Facts, Modalities, Mode, Price, PriceList, Prices, Reasoning, Sampling, TierPrices,
};
use super::{BadLine, MODALITIES, MODES, SAMPLINGS, STYLES, bad, class, is_day, is_word};

/// Adds one written fact.
pub(super) fn read(facts: &mut Facts, text: &str) -> Result<(), BadLine> {
    if let Some((name, value)) = text.split_once('=') {
        match name {
            "ctx" => facts.context_window = Some(number(value)?),
            "prompt" => facts.max_input = Some(number(value)?),
            "out" => facts.max_output = Some(number(value)?),
            "in" => facts.input = Some(modalities(value)?),
            "gen" => facts.output = Some(modalities(value)?),
            "think" => facts.reasoning = Some(reasoning(value)?),
            "sample" => facts.sampling = Some(sampling(value)?),
            "until" => facts.deprecated = Some(day(value)?),
            _ => {
                let place = name.strip_prefix('$').ok_or_else(|| bad(text))?;
                prices(facts.price.get_or_insert_default(), place, value)?;
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
        None => facts.mode = Some(mode(text)?),
    }
    Ok(())
}

/// Words that facts are made of; they need no allocation.
const WORDS: [&str; 12] = [
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
    if !is_word(text) {
        return Err(bad(text));
    }
    let known = WORDS.iter().find(|known| **known == text);
    Ok(known.map_or_else(|| Cow::Owned(text.to_owned()), |known| Cow::Borrowed(*known)))
}

fn number(text: &str) -> Result<u64, BadLine> {
    text.parse().map_err(|_| bad(text))
}

fn meaning<T: Copy>(table: &[(T, &str)], text: &str) -> Result<T, BadLine> {
    table.iter().find(|(_, word)| *word == text).map(|(meaning, _)| *meaning).ok_or_else(|| bad(text))
}

fn mode(text: &str) -> Result<Mode, BadLine> {
    meaning(&MODES, text)
}

fn sampling(text: &str) -> Result<Sampling, BadLine> {
    meaning(&SAMPLINGS, text)
}

fn modalities(text: &str) -> Result<Modalities, BadLine> {
    let kind = |letter| MODALITIES.iter().find(|(_, known)| *known == letter).map(|(kind, _)| *kind);
    text.chars().map(|letter| kind(letter).ok_or_else(|| bad(text))).collect()
}

/// `2026-11-30`.
fn day(text: &str) -> Result<Cow<'static, str>, BadLine> {
    if is_day(text) { Ok(Cow::Owned(text.to_owned())) } else { Err(bad(text)) }
}

/// `style[/words][/min..max][/+off|/-off]`.
pub(super) fn reasoning(text: &str) -> Result<Reasoning, BadLine> {
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

/// `[tier][>tokens]`, and `i2.5,o10`.
fn prices(list: &mut PriceList, place: &str, text: &str) -> Result<(), BadLine> {
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
