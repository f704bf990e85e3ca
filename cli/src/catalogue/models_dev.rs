//! models.dev's `api.json`: providers, each with its models; prices in dollars per million tokens. What is `false` is
//! said to be so; what is absent is not known.

use std::borrow::Cow;
use std::collections::BTreeMap;

use penstock_llm::catalogue::{
    AboveTokens, Facts, Modalities, Modality, Mode, Price, PriceList, Prices, Reasoning, ReasoningStyle,
    Sampling, TierPrices, line,
};
use serde::Deserialize;

use super::dollars::per_million;
use super::listing::{Listed, Listing, known};
use super::providers::PROVIDERS;

#[derive(Deserialize)]
struct Provider {
    models: BTreeMap<String, Model>,
}

#[derive(Deserialize)]
struct Model {
    #[serde(default)]
    family: String,
    #[serde(default)]
    last_updated: String,
    modalities: Kinds,
    limit: Limit,
    cost: Option<Cost>,
    tool_call: bool,
    structured_output: Option<bool>,
    temperature: Option<bool>,
    reasoning: bool,
    #[serde(default)]
    reasoning_options: Vec<ReasoningOption>,
    experimental: Option<Experimental>,
}

#[derive(Deserialize)]
struct Kinds {
    input: Vec<String>,
    output: Vec<String>,
}

#[derive(Deserialize)]
struct Limit {
    context: Option<u64>,
    input: Option<u64>,
    output: Option<u64>,
}

#[derive(Deserialize)]
struct Cost {
    input: Option<f64>,
    output: Option<f64>,
    cache_read: Option<f64>,
    cache_write: Option<f64>,
    reasoning: Option<f64>,
    input_audio: Option<f64>,
    output_audio: Option<f64>,
    #[serde(default)]
    tiers: Vec<Step>,
}

/// Prices above a prompt length.
#[derive(Deserialize)]
struct Step {
    tier: Threshold,
    #[serde(flatten)]
    cost: Box<Cost>,
}

#[derive(Deserialize)]
struct Threshold {
    size: u64,
}

#[derive(Deserialize)]
struct ReasoningOption {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    values: Vec<Option<String>>,
    min: Option<i64>,
    max: Option<i64>,
}

#[derive(Deserialize)]
struct Experimental {
    #[serde(default)]
    modes: BTreeMap<String, SpeedMode>,
}

/// Another speed of the same model, with what a request says to get it.
#[derive(Deserialize)]
struct SpeedMode {
    cost: Option<Cost>,
    #[serde(default)]
    provider: ModeRequest,
}

#[derive(Default, Deserialize)]
struct ModeRequest {
    #[serde(default)]
    body: BTreeMap<String, serde_json::Value>,
}

/// Reads the file's text. Also the newest day on which a model in it was updated: nothing in it is older news.
///
/// # Errors
/// When it is not of the shape above.
pub fn read(text: &str) -> Result<(Listing, Option<String>), serde_json::Error> {
    let file: BTreeMap<String, Provider> = serde_json::from_str(text)?;
    let mut listing = Listing::new();
    for provider in PROVIDERS {
        for id in provider.models_dev {
            for (model, entry) in file.get(*id).into_iter().flat_map(|provider| &provider.models) {
                let is_free = provider.key == "openrouter" && model.ends_with(":free");
                let listed = || Listed { facts: facts(model, entry, is_free), names_page: false };
                listing.entry(format!("{}/{model}", provider.key)).or_insert_with(listed);
            }
        }
    }
    let days = file.values().flat_map(|provider| provider.models.values()).map(|model| &model.last_updated);
    let newest = days.filter(|day| line::is_day(day)).max().cloned();
    Ok((listing, newest))
}

fn facts(id: &str, model: &Model, is_free: bool) -> Facts {
    let output = modalities(&model.modalities.output);
    let is_embedding = model.family.contains("embed") || id.contains("embed");
    let mode = if is_embedding {
        Mode::Embedding
    } else if output.is_some_and(|output| output.text) {
        Mode::Chat
    } else {
        Mode::Other
    };
    let limit = |tokens: Option<u64>| tokens.filter(|tokens| *tokens > 0);
    let context_window = limit(model.limit.context);
    let price = model.cost.as_ref().and_then(|cost| price(cost, model.experimental.as_ref(), mode, is_free));
    Facts {
        mode: Some(mode),
        context_window,
        max_input: limit(model.limit.input).filter(|tokens| Some(*tokens) != context_window),
        max_output: limit(model.limit.output).filter(|_| mode != Mode::Embedding),
        input: modalities(&model.modalities.input),
        output,
        tools: (mode == Mode::Chat).then_some(model.tool_call),
        json_schema: model.structured_output,
        prompt_caching: price.as_ref().and_then(|list| list.base.cache_read).map(|_| true),
        reasoning: (mode == Mode::Chat).then(|| reasoning(model)),
        sampling: model
            .temperature
            .filter(|_| mode == Mode::Chat)
            .map(|takes| if takes { Sampling::Free } else { Sampling::Refused }),
        price,
        ..Facts::default()
    }
}

fn modalities(words: &[String]) -> Option<Modalities> {
    let set: Modalities = words
        .iter()
        .filter_map(|word| match word.as_str() {
            "text" => Some(Modality::Text),
            "image" => Some(Modality::Image),
            "pdf" => Some(Modality::Pdf),
            "audio" => Some(Modality::Audio),
            "video" => Some(Modality::Video),
            _ => None,
        })
        .collect();
    (set != Modalities::default()).then_some(set)
}

fn reasoning(model: &Model) -> Reasoning {
    let mut reasoning = Reasoning {
        style: ReasoningStyle::Unknown,
        efforts: Cow::Borrowed(&[]),
        min_budget: None,
        max_budget: None,
        can_disable: None,
    };
    if !model.reasoning {
        reasoning.style = ReasoningStyle::Never;
        return reasoning;
    }
    let option = |kind: &str| model.reasoning_options.iter().find(|option| option.kind == kind);
    let bound = |tokens: Option<i64>| tokens.and_then(|tokens| u64::try_from(tokens).ok());
    // The strongest control names the style; what the weaker ones say is kept.
    if option("toggle").is_some() {
        reasoning.style = ReasoningStyle::Toggle;
        reasoning.can_disable = Some(true);
    }
    if let Some(option) = option("budget_tokens") {
        reasoning.style = ReasoningStyle::Budget;
        (reasoning.min_budget, reasoning.max_budget) = (bound(option.min), bound(option.max));
        // A budget of 0 turns it off.
        if option.min == Some(0) {
            reasoning.can_disable = Some(true);
        }
    }
    if let Some(option) = option("effort") {
        reasoning.style = ReasoningStyle::Effort;
        let words: Vec<Cow<'static, str>> = option
            .values
            .iter()
            .flatten()
            .filter(|word| line::is_word(word))
            .cloned()
            .map(Cow::Owned)
            .collect();
        if option.values.contains(&None) || words.iter().any(|word| word == "none") {
            reasoning.can_disable = Some(true);
        }
        reasoning.efforts = words.into();
    }
    reasoning
}

fn price(cost: &Cost, experimental: Option<&Experimental>, mode: Mode, is_free: bool) -> Option<PriceList> {
    let base = prices(cost, mode, is_free);
    let mut above: Vec<AboveTokens> = cost
        .tiers
        .iter()
        .map(|step| AboveTokens { tokens: step.tier.size, prices: prices(&step.cost, mode, is_free) })
        .filter(|above| !above.prices.is_empty())
        .collect();
    above.sort_by_key(|above| above.tokens);
    above.dedup_by_key(|above| above.tokens);
    let modes = experimental.into_iter().flat_map(|experimental| &experimental.modes);
    let mut tiers: Vec<TierPrices> = modes
        .filter_map(|(name, speed)| {
            let prices = prices(speed.cost.as_ref()?, mode, is_free);
            // The tier is called what the answer calls it.
            let tier = speed.provider.body.get("service_tier").and_then(|tier| tier.as_str()).unwrap_or(name);
            let fits = !prices.is_empty() && line::is_word(tier);
            let tier = Cow::Owned(tier.to_owned());
            fits.then(|| TierPrices { tier, prices, above: Vec::new() })
        })
        .collect();
    tiers.sort_by(|one, other| one.tier.cmp(&other.tier));
    tiers.dedup_by(|one, other| one.tier == other.tier);
    let list = PriceList { base, above, tiers };
    (list != PriceList::default()).then_some(list)
}

fn prices(cost: &Cost, mode: Mode, is_free: bool) -> Prices {
    let Cost { input, output, cache_read, cache_write, reasoning, input_audio, output_audio, tiers: _ } =
        cost;
    let price = |dollars: &Option<f64>| -> Option<Price> { known(dollars.and_then(per_million), is_free) };
    let output = price(output).filter(|_| mode != Mode::Embedding);
    Prices {
        input: price(input),
        output,
        cache_read: price(cache_read),
        cache_write: price(cache_write),
        cache_write_1h: None,
        reasoning: price(reasoning).filter(|reasoning| Some(*reasoning) != output),
        input_audio: price(input_audio),
        output_audio: price(output_audio),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn model(more: Value) -> Value {
        let mut model = json!({
            "last_updated": "2026-06-01", "modalities": {"input": ["text", "image"], "output": ["text"]},
            "limit": {"context": 400_000, "input": 272_000, "output": 128_000}, "tool_call": true,
            "reasoning": false, "name": "X",
        });
        model.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        model
    }

    fn written(provider: &str, id: &str, model: &Value) -> String {
        let file = json!({provider: {"id": provider, "models": {id: model}}});
        let (listing, _) = read(&file.to_string()).unwrap();
        let (key, listed) = listing.first_key_value().unwrap();
        format!("{key} {}", line::write(&listed.facts).join(" "))
    }

    #[test]
    fn members_become_facts() {
        let more = json!({
            "cost": {
                "input": 2.5, "output": 15.0, "cache_read": 0.25, "cache_write": 0, "reasoning": 15,
                "tiers": [{"input": 5, "output": 22.5, "tier": {"size": 272_000, "type": "context"}}],
            },
            "experimental": {"modes": {"fast": {
                "cost": {"input": 5, "output": 30},
                "provider": {"body": {"service_tier": "priority"}},
            }}},
            "structured_output": true, "temperature": false, "reasoning": true,
            "reasoning_options": [{"type": "effort", "values": ["none", "low"]}],
        });
        assert_eq!(
            written("openai", "gpt-x", &model(more)),
            "openai/gpt-x chat ctx=400000 prompt=272000 out=128000 in=ti gen=t +tools +schema +cache \
             think=effort/none,low/+off sample=refused $=i2.5,o15,r0.25 $>272000=i5,o22.5 $priority=i5,o30"
        );
    }

    #[test]
    fn reasoning_options_become_a_style() {
        for (options, style) in [
            (json!([]), "unknown"),
            (json!([{"type": "toggle"}]), "toggle/+off"),
            (json!([{"type": "budget_tokens", "min": 128, "max": 32768}]), "budget/128..32768"),
            (json!([{"type": "budget_tokens", "min": 0, "max": 9}]), "budget/0..9/+off"),
            (json!([{"type": "toggle"}, {"type": "budget_tokens", "min": 512}]), "budget/512../+off"),
            (json!([{"type": "effort", "values": ["low", "high"]}]), "effort/low,high"),
            (json!([{"type": "effort", "values": [null, "high"]}]), "effort/high/+off"),
            (
                json!([{"type": "effort", "values": ["low"]}, {"type": "budget_tokens", "min": 1024}]),
                "effort/low/1024..",
            ),
        ] {
            let more = json!({"reasoning": true, "reasoning_options": options});
            let line = written("openai", "x", &model(more));
            assert!(line.ends_with(&format!(" think={style}")), "{line}");
        }
    }

    #[test]
    fn only_free_variants_are_free() {
        let cost = json!({"cost": {"input": 0, "output": 0}});
        assert!(written("openrouter", "a/b:free", &model(cost.clone())).ends_with(" $=i0,o0"));
        for (provider, id) in [("openrouter", "a/b"), ("nvidia", "b:free")] {
            assert!(!written(provider, id, &model(cost.clone())).contains('$'));
        }
    }

    #[test]
    fn embeddings_have_no_output() {
        let more = json!({
            "family": "text-embedding", "cost": {"input": 0.1, "output": 0},
            "modalities": {"input": ["text"], "output": ["text"]},
        });
        assert_eq!(
            written("mistral", "x-embed", &model(more)),
            "mistral/x-embed embedding ctx=400000 prompt=272000 in=t gen=t $=i0.1"
        );
    }

    #[test]
    fn the_first_of_several_ids_counts() {
        let file = json!({
            "zai": {"models": {"glm-x": model(json!({"cost": {"input": 1, "output": 2}}))}},
            "zhipuai": {"models": {
                "glm-x": model(json!({"cost": {"input": 9, "output": 9}})),
                "glm-y": model(json!({"last_updated": "2026-07-01"})),
            }},
        });
        let (listing, newest) = read(&file.to_string()).unwrap();
        assert_eq!(listing["zhipu/glm-x"].facts.price.as_ref().unwrap().base.input, Some(Price(1_000_000)));
        assert!(listing.contains_key("zhipu/glm-y"));
        assert_eq!(newest.as_deref(), Some("2026-07-01"));
    }
}
