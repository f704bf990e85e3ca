//! Prices, exact: whole numbers of the smallest unit that a vendor uses, never floats.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// Prices of a model, by class of token. What is missing is unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct PriceList {
    pub base: Prices,
    /// Prices of long prompts, by ascending threshold; the highest one below the prompt's length counts for the
    /// whole request.
    pub above: Vec<AboveTokens>,
    /// Prices of another `service_tier` (`batch`, `flex`, `priority`). What a tier does not know is unknown: the base
    /// prices are not its prices.
    pub tiers: Vec<TierPrices>,
}

/// Prices in force above a prompt length.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AboveTokens {
    /// Prompt tokens.
    pub tokens: u64,
    pub prices: Prices,
}

/// Prices of a service tier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TierPrices {
    pub tier: Cow<'static, str>,
    #[serde(default)]
    pub prices: Prices,
    /// As [`PriceList::above`], within the tier.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub above: Vec<AboveTokens>,
}

/// Prices per class of token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Prices {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<Price>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<Price>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_read: Option<Price>,
    /// Writing to a cache that lives for five minutes, or for as long as the provider says where it has one kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<Price>,
    /// Writing to a cache that lives for an hour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write_1h: Option<Price>,
    /// Reasoning tokens, where they do not cost what other output does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<Price>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_audio: Option<Price>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_audio: Option<Price>,
}

/// Millionths of a US dollar per million tokens (a picodollar per token). Written as a decimal of dollars per
/// million: `"3.00"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Price(pub u64);

/// A price that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a price: write US dollars per million tokens as a decimal in quotes, for example \"3.00\""
)]
pub struct BadPrice(pub String);

impl std::str::FromStr for Price {
    type Err = BadPrice;

    /// Digits, and up to six behind the point.
    fn from_str(text: &str) -> Result<Self, BadPrice> {
        let bad = || BadPrice(text.chars().take(40).collect());
        let (whole, part) = text.split_once('.').unwrap_or((text, ""));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || whole.len() > 9 || part.len() > 6 || !digits(whole) || !digits(part) {
            return Err(bad());
        }
        if text.ends_with('.') {
            return Err(bad());
        }
        let whole: u64 = whole.parse().map_err(|_| bad())?;
        let part: u64 = format!("{part:0<6}").parse().map_err(|_| bad())?;
        Ok(Self(whole * 1_000_000 + part))
    }
}

impl std::fmt::Display for Price {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (whole, part) = (self.0 / 1_000_000, self.0 % 1_000_000);
        let part = format!("{part:06}");
        let part = part.trim_end_matches('0');
        write!(f, "{whole}.{part:0<2}")
    }
}

impl Serialize for Price {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Price {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ReadPrice)
    }
}

/// Numbers are refused with the same words as bad texts: YAML reads `3.10` as a float, and a float is no price.
struct ReadPrice;

impl serde::de::Visitor<'_> for ReadPrice {
    type Value = Price;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("US dollars per million tokens as a decimal in quotes, for example \"3.00\"")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Price, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Price, E> {
        Err(E::custom(BadPrice(number.to_string())))
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Price, E> {
        Err(E::custom(BadPrice(number.to_string())))
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Price, E> {
        Err(E::custom(BadPrice(number.to_string())))
    }
}

/// [`PriceList`] as people write it: the base prices stand in the list itself. (`flatten` would do the same, but not
/// beside `deny_unknown_fields`.)
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct Written {
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<Price>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<Price>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_read: Option<Price>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_write: Option<Price>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_write_1h: Option<Price>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning: Option<Price>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input_audio: Option<Price>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_audio: Option<Price>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    above: Vec<AboveTokens>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tiers: Vec<TierPrices>,
}

impl From<PriceList> for Written {
    fn from(PriceList { base, above, tiers }: PriceList) -> Self {
        let Prices {
            input,
            output,
            cache_read,
            cache_write,
            cache_write_1h,
            reasoning,
            input_audio,
            output_audio,
        } = base;
        Self {
            input,
            output,
            cache_read,
            cache_write,
            cache_write_1h,
            reasoning,
            input_audio,
            output_audio,
            above,
            tiers,
        }
    }
}

impl TryFrom<Written> for PriceList {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        let Written {
            input,
            output,
            cache_read,
            cache_write,
            cache_write_1h,
            reasoning,
            input_audio,
            output_audio,
            above,
            tiers,
        } = written;
        let ascending = |above: &[AboveTokens]| above.is_sorted_by(|one, next| one.tokens < next.tokens);
        if !ascending(&above) || !tiers.iter().all(|tier| ascending(&tier.above)) {
            return Err("`above` must be in the order of `tokens`, each threshold once");
        }
        let stands_before =
            |at, tier: &TierPrices| tiers.iter().take(at).any(|other| other.tier == tier.tier);
        if tiers.iter().enumerate().any(|(at, tier)| stands_before(at, tier)) {
            return Err("a tier stands twice in `tiers`");
        }
        let base = Prices {
            input,
            output,
            cache_read,
            cache_write,
            cache_write_1h,
            reasoning,
            input_audio,
            output_audio,
        };
        Ok(Self { base, above, tiers })
    }
}

impl Prices {
    /// Not one price is known.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What `over` knows replaces what is here.
    pub fn overlay(&mut self, over: &Self) {
        let Self {
            input,
            output,
            cache_read,
            cache_write,
            cache_write_1h,
            reasoning,
            input_audio,
            output_audio,
        } = over;
        let put = |old: &mut Option<Price>, new: &Option<Price>| *old = new.or(*old);
        put(&mut self.input, input);
        put(&mut self.output, output);
        put(&mut self.cache_read, cache_read);
        put(&mut self.cache_write, cache_write);
        put(&mut self.cache_write_1h, cache_write_1h);
        put(&mut self.reasoning, reasoning);
        put(&mut self.input_audio, input_audio);
        put(&mut self.output_audio, output_audio);
    }
}

impl PriceList {
    /// What `over` knows replaces what is here. Base prices replace thresholds and tiers too: someone's own price holds
    /// for every prompt and tier, unless they say more.
    pub fn overlay(&mut self, over: &Self) {
        let Self { base, above, tiers } = over;
        self.base.overlay(base);
        if !base.is_empty() || !above.is_empty() {
            self.above.clone_from(above);
        }
        if !base.is_empty() || !tiers.is_empty() {
            self.tiers.clone_from(tiers);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_read_and_write() {
        for (text, price, written) in [
            ("3", 3_000_000, "3.00"),
            ("3.00", 3_000_000, "3.00"),
            ("0.075", 75_000, "0.075"),
            ("0.000001", 1, "0.000001"),
            ("0", 0, "0.00"),
        ] {
            assert_eq!(text.parse(), Ok(Price(price)), "{text}");
            assert_eq!(Price(price).to_string(), written);
        }
        for bad in ["", ".5", "1.", "-1", "1e3", "1.0000001", "$3", "1,5", "12345678901"] {
            assert_eq!(bad.parse::<Price>(), Err(BadPrice(bad.into())), "{bad}");
        }
    }

    #[test]
    fn a_list_reads_as_people_write_it() {
        let text = r#"{"input":"3.00","cacheWrite1h":"6.00","above":[{"tokens":200000,"prices":{"input":"6.00"}}],"tiers":[{"tier":"batch","prices":{"input":"1.50"}}]}"#;
        let list: PriceList = serde_json::from_str(text).unwrap();
        assert_eq!(list.base.input, Some(Price(3_000_000)));
        assert_eq!(list.base.cache_write_1h, Some(Price(6_000_000)));
        assert_eq!(list.above[0].prices.input, Some(Price(6_000_000)));
        assert_eq!(serde_json::to_string(&list).unwrap(), text);
    }

    #[test]
    fn what_is_wrong_with_a_list_is_said() {
        for (text, says) in [
            (r#"{"inptu":"3"}"#, "unknown field `inptu`"),
            (r#"{"above":[{"tokens":1,"prices":{"in":"3"}}]}"#, "unknown field `in`"),
            (r#"{"input":3.1}"#, "`3.1` is not a price: write US dollars per million tokens"),
            (r#"{"input":3}"#, "`3` is not a price"),
            (r#"{"input":"3 $"}"#, "`3 $` is not a price"),
            (r#"{"input":true}"#, "expected US dollars per million tokens"),
            (r#"{"above":[{"tokens":2,"prices":{}},{"tokens":1,"prices":{}}]}"#, "in the order of `tokens`"),
            (r#"{"tiers":[{"tier":"batch"},{"tier":"batch"}]}"#, "a tier stands twice"),
        ] {
            let error = serde_json::from_str::<PriceList>(text).unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn own_prices_replace_thresholds_and_tiers() {
        let read = |text: &str| serde_json::from_str::<PriceList>(text).unwrap();
        let catalogue = r#"{"input":"3","output":"15","above":[{"tokens":9,"prices":{"input":"6"}}],"tiers":[{"tier":"batch","prices":{"input":"1"}}]}"#;
        for (over, want) in [
            (r#"{"input":"2"}"#, r#"{"input":"2","output":"15"}"#),
            (
                r#"{"tiers":[{"tier":"batch","prices":{"input":"2"}}]}"#,
                r#"{"input":"3","output":"15","above":[{"tokens":9,"prices":{"input":"6"}}],"tiers":[{"tier":"batch","prices":{"input":"2"}}]}"#,
            ),
            ("{}", catalogue),
        ] {
            let mut list = read(catalogue);
            list.overlay(&read(over));
            assert_eq!(list, read(want), "{over}");
        }
    }
}
