//! What is known of a model. Unknown stays `None`: nobody guesses, and an unknown price is never 0.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::price::PriceList;

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
    /// Longest prompt, tokens, where the provider limits it apart from the window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_input: Option<u64>,
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

/// Kinds of content, as a set. Written as a list of words: `[text, image]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<Modality>", into = "Vec<Modality>")]
pub struct Modalities {
    pub text: bool,
    pub image: bool,
    pub pdf: bool,
    pub audio: bool,
    pub video: bool,
}

/// A kind of content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Modality {
    Text,
    Image,
    Pdf,
    Audio,
    Video,
}

impl Modality {
    pub const ALL: [Self; 5] = [Self::Text, Self::Image, Self::Pdf, Self::Audio, Self::Video];
}

impl Modalities {
    pub fn has(self, kind: Modality) -> bool {
        match kind {
            Modality::Text => self.text,
            Modality::Image => self.image,
            Modality::Pdf => self.pdf,
            Modality::Audio => self.audio,
            Modality::Video => self.video,
        }
    }
}

impl FromIterator<Modality> for Modalities {
    fn from_iter<I: IntoIterator<Item = Modality>>(kinds: I) -> Self {
        let mut set = Self::default();
        for kind in kinds {
            match kind {
                Modality::Text => set.text = true,
                Modality::Image => set.image = true,
                Modality::Pdf => set.pdf = true,
                Modality::Audio => set.audio = true,
                Modality::Video => set.video = true,
            }
        }
        set
    }
}

impl From<Vec<Modality>> for Modalities {
    fn from(kinds: Vec<Modality>) -> Self {
        kinds.into_iter().collect()
    }
}

impl From<Modalities> for Vec<Modality> {
    fn from(set: Modalities) -> Self {
        Modality::ALL.into_iter().filter(|kind| set.has(*kind)).collect()
    }
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
    /// Anthropic's adaptive thinking, with an effort word; a budget is a 400 unless the limits of one are known.
    Adaptive,
    /// It thinks; how that is steered is not known.
    Unknown,
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

impl Facts {
    /// Nothing is known.
    pub const UNKNOWN: Self = Self {
        mode: None,
        context_window: None,
        max_input: None,
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

    /// What `over` knows replaces what is here, prices as [`PriceList::overlay`] says.
    pub fn overlay(&mut self, over: &Self) {
        fn put<T: Clone>(old: &mut Option<T>, new: &Option<T>) {
            if new.is_some() {
                old.clone_from(new);
            }
        }
        let Self {
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
        } = over;
        put(&mut self.mode, mode);
        put(&mut self.context_window, context_window);
        put(&mut self.max_input, max_input);
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
            self.price.get_or_insert_default().overlay(price);
        }
    }

    /// Does it think at all? `None` where that is unknown.
    pub fn thinks(&self) -> Option<bool> {
        self.reasoning.as_ref().map(|reasoning| reasoning.style != ReasoningStyle::Never)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Price, Prices};
    use super::*;

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
        let text = r#"{"contextWindow":200000,"price":{"input":"3.00","above":[{"tokens":200000,"prices":{"input":"6.00"}}]},"input":["text","pdf"],"reasoning":{"style":"budget","minBudget":1024}}"#;
        let facts: Facts = serde_json::from_str(text).unwrap();
        assert_eq!(facts.price.as_ref().unwrap().base.input, Some(Price(3_000_000)));
        assert_eq!(facts.input, Some(Modalities { text: true, pdf: true, ..Modalities::default() }));
        let again: Facts = serde_json::from_str(&serde_json::to_string(&facts).unwrap()).unwrap();
        assert_eq!(facts, again);
        assert!(serde_json::from_str::<Facts>(r#"{"contextWidow":1}"#).is_err());
    }
}
