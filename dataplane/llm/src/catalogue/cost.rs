//! What a request cost, exact to the picodollar.
//!
//! Owns: which price counts for which token. Refuses to know: where prices come from, and audio tokens: [`Usage`] does
//! not tell them apart, so that `input_audio` and `output_audio` are not used here.

use std::fmt;

use super::{AboveTokens, Price, PriceList, Prices};
use crate::Usage;
use crate::message::Billed;

/// Money by class of token, in picodollars (millionths of a millionth of a US dollar).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    pub input: u128,
    pub cache_read: u128,
    /// Writes to caches of any life.
    pub cache_write: u128,
    /// Generated tokens without reasoning.
    pub output: u128,
    pub reasoning: u128,
    /// Some class had no price of its own and was counted at a higher one: the true cost is this or less.
    pub is_upper_bound: bool,
}

impl Cost {
    /// Picodollars.
    pub fn total(&self) -> u128 {
        let Self { input, cache_read, cache_write, output, reasoning, is_upper_bound: _ } = self;
        let classes = [input, cache_read, cache_write, output, reasoning];
        classes.into_iter().fold(0, |sum: u128, class| sum.saturating_add(*class))
    }

    /// Micro-dollars, rounded half up: for counters, which cannot hold picodollars for long.
    pub fn micro_dollars(&self) -> u64 {
        u64::try_from(self.total().saturating_add(500_000) / 1_000_000).unwrap_or(u64::MAX)
    }
}

/// US dollars with all decimals that count: `0.01234`.
impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DOLLAR: u128 = 1_000_000_000_000;
        let part = format!("{:012}", self.total() % DOLLAR);
        write!(f, "{}.{:0<2}", self.total() / DOLLAR, part.trim_end_matches('0'))
    }
}

/// What this usage cost; `None` where it cannot be known:
/// - input or output tokens were not reported (an embedding reports an output of 0);
/// - a class with tokens has no known price. The one stand-in: tokens read from a cache count as plain input where
///   reading has no price of its own, because caches make reading cheaper, never dearer; [`Cost::is_upper_bound`] tells.
///   Writing may be dearer than input, so nothing stands in for it;
/// - the service tier is one whose prices are not known.
///
/// What the provider says that it charges for counts, where it says so apart, at the prices of plain input and output.
pub fn cost(list: &PriceList, usage: &Usage, service_tier: Option<&str>) -> Option<Cost> {
    let prices = in_force(list, usage.prompt()?, service_tier)?;
    if let Some(Billed { input, output }) = usage.billed {
        let reasoning = usage.reasoning.unwrap_or(0).min(output);
        return Some(Cost {
            input: money(input, prices.input)?,
            output: money(output - reasoning, prices.output)?,
            reasoning: money(reasoning, prices.reasoning.or(prices.output))?,
            ..Cost::default()
        });
    }
    let all_output = usage.output?;
    let reasoning = usage.reasoning.unwrap_or(0).min(all_output);
    let all_writes = usage.cache_write.unwrap_or(0);
    let long_writes = usage.cache_write_1h.unwrap_or(0).min(all_writes);
    let read = usage.cache_read.unwrap_or(0);
    let stands_in = read > 0 && prices.cache_read.is_none();
    Some(Cost {
        input: money(usage.input?, prices.input)?,
        cache_read: money(read, prices.cache_read.or(prices.input))?,
        cache_write: money(all_writes - long_writes, prices.cache_write)?
            .saturating_add(money(long_writes, prices.cache_write_1h)?),
        output: money(all_output - reasoning, prices.output)?,
        reasoning: money(reasoning, prices.reasoning.or(prices.output))?,
        is_upper_bound: stands_in,
    })
}

/// No tokens cost nothing, whatever the price.
fn money(tokens: u64, price: Option<Price>) -> Option<u128> {
    if tokens == 0 { Some(0) } else { Some(u128::from(tokens) * u128::from(price?.0)) }
}

/// Words of providers for their standard tier.
pub(super) const STANDARD: [&str; 5] = ["default", "standard", "auto", "on_demand", "standard_only"];

/// The prices that count for a request of this tier with a prompt of this many tokens.
fn in_force<'a>(list: &'a PriceList, prompt: u64, service_tier: Option<&str>) -> Option<&'a Prices> {
    let (base, above) = match service_tier.filter(|tier| !STANDARD.contains(tier)) {
        None => (&list.base, &list.above),
        Some(tier) => {
            let tier = list.tiers.iter().find(|known| known.tier == tier)?;
            // A tier that knows fewer thresholds than the base has unknown prices there.
            let last = |above: &[AboveTokens]| highest(above, prompt).map(|above| above.tokens);
            if last(&tier.above) < last(&list.above) {
                return None;
            }
            (&tier.prices, &tier.above)
        }
    };
    Some(highest(above, prompt).map_or(base, |above| &above.prices))
}

fn highest(above: &[AboveTokens], prompt: u64) -> Option<&AboveTokens> {
    above.iter().filter(|above| above.tokens < prompt).max_by_key(|above| above.tokens)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list() -> PriceList {
        serde_json::from_str(
            r#"{
                "input": "3", "output": "15", "cacheRead": "0.30", "cacheWrite": "3.75", "cacheWrite1h": "6",
                "above": [{"tokens": 200000, "prices": {"input": "6", "output": "22.50"}}],
                "tiers": [
                    {"tier": "batch", "prices": {"input": "1.50", "output": "7.50"},
                     "above": [{"tokens": 200000, "prices": {"input": "3", "output": "11.25"}}]},
                    {"tier": "priority", "prices": {"input": "6", "output": "30"}}
                ]
            }"#,
        )
        .unwrap()
    }

    fn usage(input: u64, output: u64) -> Usage {
        Usage { input: Some(input), output: Some(output), ..Usage::default() }
    }

    fn total(usage: &Usage, tier: Option<&str>) -> Option<String> {
        cost(&list(), usage, tier).map(|cost| cost.to_string())
    }

    #[test]
    fn classes_have_their_own_prices() {
        let usage = Usage {
            cache_read: Some(1000),
            cache_write: Some(500),
            cache_write_1h: Some(200),
            reasoning: Some(40),
            ..usage(10, 100)
        };
        let cost = cost(&list(), &usage, None).unwrap();
        let want = Cost {
            input: 10 * 3_000_000,
            cache_read: 1000 * 300_000,
            cache_write: 300 * 3_750_000 + 200 * 6_000_000,
            output: 60 * 15_000_000,
            reasoning: 40 * 15_000_000,
            is_upper_bound: false,
        };
        assert_eq!(cost, want);
        assert_eq!(cost.to_string(), "0.004155");
        assert_eq!(cost.micro_dollars(), 4155);
    }

    #[test]
    fn reasoning_is_priced_apart_where_it_is() {
        let mut list = list();
        list.base.reasoning = Some(Price(40_000_000));
        let usage = Usage { reasoning: Some(40), ..usage(0, 100) };
        assert_eq!(cost(&list, &usage, None).unwrap().total(), 60 * 15_000_000 + 40 * 40_000_000);
    }

    #[test]
    fn what_is_billed_counts_where_it_is_told() {
        let billed = Some(Billed { input: 62, output: 30 });
        let usage = Usage { cache_read: Some(1504), reasoning: Some(10), billed, ..usage(27, 89) };
        let cost = cost(&list(), &usage, None).unwrap();
        assert_eq!(cost.total(), 62 * 3_000_000 + 30 * 15_000_000);
        assert_eq!((cost.cache_read, cost.reasoning, cost.is_upper_bound), (0, 10 * 15_000_000, false));
    }

    #[test]
    fn a_long_prompt_changes_the_price_of_the_whole_request() {
        assert_eq!(total(&usage(200_000, 1000), None).as_deref(), Some("0.615"));
        assert_eq!(total(&usage(200_001, 1000), None).as_deref(), Some("1.222506"));
        // Cached tokens make a prompt long, too.
        let cached = Usage { cache_read: Some(200_000), ..usage(1, 0) };
        let cost = cost(&list(), &cached, None).unwrap();
        assert_eq!((cost.total(), cost.is_upper_bound), (200_001 * 6_000_000, true));
    }

    #[test]
    fn tiers_have_their_own_prices_or_none() {
        for (input, tier, want) in [
            (1_000_000, "batch", Some("3.00")),
            (1_000, "batch", Some("0.0015")),
            (1_000, "priority", Some("0.006")),
            (1_000, "default", Some("0.003")),
            (1_000, "flex", None),
            (1_000_000, "priority", None),
        ] {
            assert_eq!(total(&usage(input, 0), Some(tier)).as_deref(), want, "{tier} {input}");
        }
    }

    #[test]
    fn an_unknown_price_is_no_cost_and_never_zero() {
        let unknown = PriceList::default();
        assert_eq!(cost(&unknown, &usage(1, 0), None), None);
        assert_eq!(cost(&unknown, &usage(0, 1), None), None);
        assert_eq!(cost(&unknown, &usage(0, 0), None), Some(Cost::default()));
        let mut list = list();
        list.base.cache_write_1h = None;
        let long = Usage { cache_write: Some(5), cache_write_1h: Some(1), ..usage(1, 1) };
        assert_eq!(cost(&list, &long, None), None);
        list.base.cache_write = None;
        assert_eq!(cost(&list, &Usage { cache_write: Some(5), ..usage(1, 1) }, None), None);
        list.base.output = None;
        assert_eq!(cost(&list, &usage(1, 1), None), None);
        assert_eq!(cost(&list, &usage(1, 0), None).unwrap().total(), 3_000_000);
    }

    #[test]
    fn unreported_tokens_are_no_cost() {
        for usage in
            [Usage { output: Some(1), ..Usage::default() }, Usage { input: Some(1), ..Usage::default() }]
        {
            assert_eq!(cost(&list(), &usage, None), None);
        }
    }

    #[test]
    fn reading_a_cache_without_a_price_is_bounded_by_plain_input() {
        let mut list = list();
        list.base.cache_read = None;
        let cost = cost(&list, &Usage { cache_read: Some(1000), ..usage(0, 0) }, None).unwrap();
        assert_eq!((cost.total(), cost.is_upper_bound), (1000 * 3_000_000, true));
    }

    #[test]
    fn nothing_overflows() {
        let huge = Some(Price(u64::MAX));
        let list = PriceList {
            base: Prices {
                input: huge,
                output: huge,
                cache_read: huge,
                cache_write: huge,
                cache_write_1h: huge,
                reasoning: huge,
                ..Prices::default()
            },
            ..PriceList::default()
        };
        let usage = Usage { cache_read: Some(1), reasoning: Some(9), ..usage(u64::MAX, u64::MAX / 2) };
        assert_eq!(cost(&list, &usage, None).unwrap().micro_dollars(), u64::MAX);
    }
}
