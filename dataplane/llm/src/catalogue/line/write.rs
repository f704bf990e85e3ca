//! Facts, written.

use super::super::{AboveTokens, Facts, Modalities, PriceList, Prices, Reasoning, TierPrices};
use super::{CLASSES, MODALITIES, MODES, SAMPLINGS, STYLES, class};

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
    out.extend(reasoning.as_ref().map(|reasoning| format!("think={}", self::reasoning(reasoning))));
    out.extend(sampling.map(|sampling| format!("sample={}", spelling(&SAMPLINGS, &sampling))));
    out.extend(deprecated.as_ref().map(|day| format!("until={day}")));
    if let Some(PriceList { base, above, tiers }) = price {
        push_prices(&mut out, "", base, above);
        for TierPrices { tier, prices, above } in tiers {
            push_prices(&mut out, tier, prices, above);
        }
    }
    out
}

fn letters(kinds: Modalities) -> String {
    MODALITIES.iter().filter(|(kind, _)| kinds.has(*kind)).map(|(_, letter)| *letter).collect()
}

pub(super) fn reasoning(reasoning: &Reasoning) -> String {
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

fn push_prices(out: &mut Vec<String>, tier: &str, base: &Prices, above: &[AboveTokens]) {
    if !base.is_empty() {
        out.push(format!("${tier}={}", classes(*base)));
    }
    for AboveTokens { tokens, prices } in above {
        out.push(format!("${tier}>{tokens}={}", classes(*prices)));
    }
}

fn classes(mut prices: Prices) -> String {
    let mut items = Vec::new();
    for letter in CLASSES {
        if let Some(Some(price)) = class(&mut prices, letter) {
            let text = price.to_string();
            items.push(format!("{letter}{}", text.strip_suffix(".00").unwrap_or(text.trim_end_matches('0'))));
        }
    }
    items.join(",")
}

/// Every value stands in its table: a test reads back what it writes.
fn spelling<T: PartialEq>(table: &[(T, &'static str)], meaning: &T) -> &'static str {
    table.iter().find(|(known, _)| known == meaning).map_or("", |(_, word)| word)
}
