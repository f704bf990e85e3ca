//! What is known of a model. Unknown stays `None`: nobody guesses, and an unknown price is never 0.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// Facts of one model at one provider. Every member is optional: a later source overrides an earlier one member by
/// member, see [`Facts::overlay`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Facts {
    /// What the model does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// Prompt and answer together, tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_window: Option<u64>,
    /// Longest answer, tokens, reasoning included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_output: Option<u64>,
    /// Kinds of content that it reads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<Modalities>,
    /// Kinds of content that it writes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<Modalities>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tools: Option<bool>,
    /// Takes a tool choice that forces a call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forced_tools: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallel_tools: Option<bool>,
    /// Native answers that fit a JSON Schema.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub json_schema: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_caching: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<Reasoning>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sampling: Option<Sampling>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<PriceList>,
    /// Day on which the provider retires it, `2026-11-30`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deprecated: Option<Cow<'static, str>>,
}

/// What a model does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Mode {
    Chat,
    Completion,
    Embedding,
    Other,
}

/// Kinds of content, as a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Modalities {
    pub text: bool,
    pub image: bool,
    pub pdf: bool,
    pub audio: bool,
    pub video: bool,
}

/// How a model is asked to think.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Reasoning {
    pub style: ReasoningStyle,
    /// Effort words it takes, weakest first; empty where it takes none or they are unknown.
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub efforts: Cow<'static, [Cow<'static, str>]>,
    /// Least and greatest token budget.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_budget: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_budget: Option<u64>,
    /// Can it be turned off?
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub can_disable: Option<bool>,
}

/// The control that a model gives over its thinking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ReasoningStyle {
    /// It does not think.
    Never,
    /// It always thinks, and nothing steers it.
    Always,
    /// On or off.
    Toggle,
    /// A number of tokens.
    Budget,
    /// A word such as `low` or `high`.
    Effort,
    /// Anthropic's adaptive thinking, with an effort word; a budget is a 400.
    Adaptive,
}

/// Which sampling parameters a model takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Sampling {
    Free,
    /// Not `temperature` and `top_p` together.
    OneOf,
    /// None: any value but the default is a 400.
    Refused,
}

/// Prices of a model, by class of token. What is missing is unknown.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct PriceList {
    #[serde(flatten)]
    pub base: Prices,
    /// Prices of long prompts, by ascending threshold; the highest one below the prompt's length counts for the
    /// whole request.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub above: Vec<AboveTokens>,
    /// Prices of another `service_tier` (`batch`, `flex`, `priority`).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tiers: Vec<TierPrices>,
}

/// Prices in force above a prompt length.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AboveTokens {
    /// Prompt tokens.
    pub tokens: u64,
    pub prices: Prices,
}

/// Prices of a service tier.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TierPrices {
    pub tier: Cow<'static, str>,
    pub prices: Prices,
}

/// Prices per class of token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
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
#[error("`{0}` is not a price: write US dollars per million tokens as a decimal, for example \"3.00\"")]
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
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl Prices {
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

impl Facts {
    /// Nothing is known.
    pub const UNKNOWN: Self = Self {
        mode: None,
        context_window: None,
        max_output: None,
        input: None,
        output: None,
        tools: None,
        forced_tools: None,
        parallel_tools: None,
        json_schema: None,
        prompt_caching: None,
        reasoning: None,
        sampling: None,
        price: None,
        deprecated: None,
    };

    /// What `over` knows replaces what is here. A price list with a base price replaces thresholds and tiers too:
    /// someone's own price holds for every prompt.
    pub fn overlay(&mut self, over: &Self) {
        fn put<T: Clone>(old: &mut Option<T>, new: &Option<T>) {
            if new.is_some() {
                old.clone_from(new);
            }
        }
        let Self {
            mode,
            context_window,
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
        } = over;
        put(&mut self.mode, mode);
        put(&mut self.context_window, context_window);
        put(&mut self.max_output, max_output);
        put(&mut self.input, input);
        put(&mut self.output, output);
        put(&mut self.tools, tools);
        put(&mut self.forced_tools, forced_tools);
        put(&mut self.parallel_tools, parallel_tools);
        put(&mut self.json_schema, json_schema);
        put(&mut self.prompt_caching, prompt_caching);
        put(&mut self.reasoning, reasoning);
        put(&mut self.sampling, sampling);
        put(&mut self.deprecated, deprecated);
        if let Some(price) = price {
            let list = self.price.get_or_insert_default();
            list.base.overlay(&price.base);
            list.above.clone_from(&price.above);
            list.tiers.clone_from(&price.tiers);
        }
    }

    /// Does it think at all? `None` where that is unknown.
    pub fn thinks(&self) -> Option<bool> {
        self.reasoning.as_ref().map(|reasoning| reasoning.style != ReasoningStyle::Never)
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
    fn an_overlay_replaces_what_it_knows() {
        let mut facts = Facts { max_output: Some(5), tools: Some(true), ..Facts::default() };
        let price =
            PriceList { base: Prices { input: Some(Price(9)), ..Prices::default() }, ..PriceList::default() };
        facts.overlay(&Facts { max_output: Some(6), price: Some(price.clone()), ..Facts::default() });
        let want = Facts { max_output: Some(6), tools: Some(true), price: Some(price), ..Facts::default() };
        assert_eq!(facts, want);
    }

    #[test]
    fn facts_travel_as_json() {
        let text = r#"{"contextWindow":200000,"price":{"input":"3.00","above":[{"tokens":200000,"prices":{"input":"6.00"}}]},"reasoning":{"style":"budget","minBudget":1024}}"#;
        let facts: Facts = serde_json::from_str(text).unwrap();
        assert_eq!(facts.price.as_ref().unwrap().base.input, Some(Price(3_000_000)));
        let again: Facts = serde_json::from_str(&serde_json::to_string(&facts).unwrap()).unwrap();
        assert_eq!(facts, again);
        assert!(serde_json::from_str::<Facts>(r#"{"contextWidow":1}"#).is_err());
    }
}
