//! LiteLLM's prices: dollars per token, each class, threshold and tier a field of its own.

use std::borrow::Cow;

use penstock_llm::catalogue::{AboveTokens, Mode, Price, PriceList, Prices, TierPrices};
use serde_json::Value;

use super::super::dollars::per_token;
use super::super::listing::known;
use super::{Entry, whole};

/// A class of token and the field that prices it, without threshold and tier.
type Class = fn(&mut Prices) -> &mut Option<Price>;

/// Longer names first: some begin like others. Caches that live for twelve hours have no class here.
const CLASSES: [(&str, Class); 9] = [
    ("cache_creation_input_token_cost_above_1hr", |prices| &mut prices.cache_write_1h),
    ("cache_creation_input_token_cost", |prices| &mut prices.cache_write),
    ("cache_read_input_token_cost", |prices| &mut prices.cache_read),
    ("input_cost_per_token_cache_hit", |prices| &mut prices.cache_read),
    ("input_cost_per_audio_token", |prices| &mut prices.input_audio),
    ("output_cost_per_audio_token", |prices| &mut prices.output_audio),
    ("output_cost_per_reasoning_token", |prices| &mut prices.reasoning),
    ("input_cost_per_token", |prices| &mut prices.input),
    ("output_cost_per_token", |prices| &mut prices.output),
];

/// What stands behind the class in a field's name: `_above_272k_tokens_priority`.
struct Place<'a> {
    above: Option<u64>,
    tier: &'a str,
}

fn place(behind: &str) -> Option<Place<'_>> {
    let (above, behind) = match behind.strip_prefix("_above_") {
        Some(rest) => {
            let (thousands, rest) = rest.split_once("k_tokens")?;
            (Some(thousands.parse::<u64>().ok()? * 1000), rest)
        }
        None => (None, behind),
    };
    let tier = match behind {
        "" => "",
        "_batches" => "batch",
        "_flex" => "flex",
        "_priority" => "priority",
        "_ultrafast" => "ultrafast",
        _ => return None,
    };
    Some(Place { above, tier })
}

pub(super) fn of(entry: &Entry, mode: Mode) -> Option<PriceList> {
    let mut list = PriceList::default();
    for (name, value) in entry {
        let Some((class, behind)) =
            CLASSES.iter().find_map(|(start, class)| Some((class, name.strip_prefix(start)?)))
        else {
            continue;
        };
        let (Some(place), Some(dollars)) = (place(behind), value.as_f64()) else { continue };
        if let Some(price) = known(per_token(dollars), false) {
            class(prices_at(&mut list, &place)).get_or_insert(price);
        }
    }
    for (above, prices) in steps(entry) {
        *prices_at(&mut list, &Place { above, tier: "" }) = prices;
    }
    tidy(&mut list.base, mode);
    list.above.iter_mut().for_each(|above| tidy(&mut above.prices, mode));
    for tier in &mut list.tiers {
        tidy(&mut tier.prices, mode);
        tier.above.iter_mut().for_each(|above| tidy(&mut above.prices, mode));
    }
    list.tiers.sort_by(|one, other| one.tier.cmp(&other.tier));
    (list != PriceList::default()).then_some(list)
}

/// DashScope's own shape: a list of ranges of prompt lengths, the first from 0 on.
fn steps(entry: &Entry) -> Vec<(Option<u64>, Prices)> {
    let steps = entry.get("tiered_pricing").and_then(Value::as_array);
    let step = |step: &Value| {
        let step = step.as_object()?;
        let from = step.get("range")?.get(0)?;
        let price = |name: &str| known(step.get(name).and_then(Value::as_f64).and_then(per_token), false);
        let prices = Prices {
            input: price("input_cost_per_token"),
            output: price("output_cost_per_token"),
            cache_read: price("cache_read_input_token_cost"),
            cache_write: price("cache_creation_input_token_cost"),
            reasoning: price("output_cost_per_reasoning_token"),
            ..Prices::default()
        };
        Some((whole(from), prices))
    };
    steps.into_iter().flatten().filter_map(step).collect()
}

/// The prices of a place, made where it is new.
fn prices_at<'a>(list: &'a mut PriceList, place: &Place<'_>) -> &'a mut Prices {
    let (base, above) = if place.tier.is_empty() {
        (&mut list.base, &mut list.above)
    } else {
        let at = list.tiers.iter().position(|tier| tier.tier == place.tier).unwrap_or_else(|| {
            let tier = Cow::Owned(place.tier.to_owned());
            list.tiers.push(TierPrices { tier, prices: Prices::default(), above: Vec::new() });
            list.tiers.len() - 1
        });
        let tier = &mut list.tiers[at];
        (&mut tier.prices, &mut tier.above)
    };
    let Some(tokens) = place.above else { return base };
    let at = above.partition_point(|known| known.tokens < tokens);
    if above.get(at).is_none_or(|known| known.tokens != tokens) {
        above.insert(at, AboveTokens { tokens, prices: Prices::default() });
    }
    &mut above[at].prices
}

/// Reasoning that costs what other output does has no price of its own; and embeddings write nothing.
fn tidy(prices: &mut Prices, mode: Mode) {
    if prices.reasoning == prices.output {
        prices.reasoning = None;
    }
    if mode == Mode::Embedding {
        prices.output = None;
    }
}
