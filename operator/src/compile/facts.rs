//! What a pool says of its models, as the catalogue's facts.

use penstock_crds as crds;
use penstock_llm::catalogue::{
    Facts, Modalities, Price, PriceList, Prices, Reasoning, ReasoningStyle, Sampling,
};

/// A price that the schema let through and that is none: a file was never shown to the API server.
pub(super) struct BadPrice {
    pub field: &'static str,
    pub error: penstock_llm::catalogue::BadPrice,
}

/// The facts that a pool gives for a model.
pub(super) fn of_model(model: &crds::PoolModel) -> Result<Facts, BadPrice> {
    let crds::PoolModel {
        name: _,
        upstream: _,
        price,
        context_window,
        max_output_tokens,
        capabilities,
        reasoning,
    } = model;
    let mut facts = Facts {
        context_window: context_window.map(u64::from),
        max_output: max_output_tokens.map(u64::from),
        price: price.as_ref().map(prices).transpose()?,
        reasoning: reasoning.as_ref().map(reasoning_of),
        ..Facts::default()
    };
    if let Some(crds::Capabilities { input, tools, forced_tools, parallel_tools, json_schema, sampling }) =
        capabilities
    {
        facts.input = input.as_deref().map(modalities);
        facts.tools = *tools;
        facts.forced_tools = *forced_tools;
        facts.parallel_tools = *parallel_tools;
        facts.json_schema = *json_schema;
        facts.sampling = sampling.map(|sampling| match sampling {
            crds::Sampling::Free => Sampling::Free,
            crds::Sampling::OneOf => Sampling::OneOf,
            crds::Sampling::Refused => Sampling::Refused,
        });
    }
    Ok(facts)
}

fn prices(price: &crds::Price) -> Result<PriceList, BadPrice> {
    let crds::Price { input, output, cache_read, cache_write, cache_write1h, reasoning } = price;
    let read = |field, text: &Option<String>| -> Result<Option<Price>, BadPrice> {
        text.as_ref().map(|text| text.parse().map_err(|error| BadPrice { field, error })).transpose()
    };
    let base = Prices {
        input: read("input", input)?,
        output: read("output", output)?,
        cache_read: read("cacheRead", cache_read)?,
        cache_write: read("cacheWrite", cache_write)?,
        cache_write_1h: read("cacheWrite1h", cache_write1h)?,
        reasoning: read("reasoning", reasoning)?,
        ..Prices::default()
    };
    Ok(PriceList { base, ..PriceList::default() })
}

/// Every model reads text.
fn modalities(input: &[crds::Modality]) -> Modalities {
    let has = |modality| input.contains(&modality);
    Modalities {
        text: true,
        image: has(crds::Modality::Image),
        pdf: has(crds::Modality::Pdf),
        audio: has(crds::Modality::Audio),
        video: has(crds::Modality::Video),
    }
}

fn reasoning_of(reasoning: &crds::Reasoning) -> Reasoning {
    let crds::Reasoning { style, efforts, min_budget, max_budget, can_disable } = reasoning;
    Reasoning {
        style: match style {
            crds::ReasoningStyle::Never => ReasoningStyle::Never,
            crds::ReasoningStyle::Always => ReasoningStyle::Always,
            crds::ReasoningStyle::Toggle => ReasoningStyle::Toggle,
            crds::ReasoningStyle::Budget => ReasoningStyle::Budget,
            crds::ReasoningStyle::Effort => ReasoningStyle::Effort,
            crds::ReasoningStyle::Adaptive => ReasoningStyle::Adaptive,
        },
        efforts: efforts.iter().flatten().map(|effort| effort.clone().into()).collect(),
        min_budget: min_budget.map(u64::from),
        max_budget: max_budget.map(u64::from),
        can_disable: *can_disable,
    }
}
