//! The data inside the binary, as it is found and read.

use std::collections::BTreeSet;
use std::time::Instant;

use super::line::{Line, write};
use super::*;
use crate::Usage;

fn dollars(price: Option<Price>) -> Option<String> {
    price.map(|price| price.to_string())
}

fn facts(key: &str) -> Facts {
    let (provider, model) = key.split_once('/').unwrap();
    find(provider, model).unwrap_or_else(|| panic!("{key} is not known"))
}

fn prices(key: &str) -> Prices {
    facts(key).price.unwrap_or_else(|| panic!("{key} has no price")).base
}

#[test]
fn it_is_large_enough_and_small_enough() {
    let (models, providers) = (BUILT_IN.lines().count(), providers().count());
    println!("{models} models of {providers} providers, {} bytes", MODELS.len());
    assert!(models >= 1500 && providers >= 32);
    assert!(MODELS.len() + CORRECTIONS.len() < 1 << 20);
}

#[test]
fn every_provider_type_with_a_vendor_has_models() {
    for key in [
        "openai",
        "azureopenai",
        "anthropic",
        "gemini",
        "vertexai",
        "bedrock",
        "mistral",
        "cohere",
        "deepseek",
        "qwen",
        "moonshot",
        "zhipu",
        "minimax",
        "bytedance",
        "metallama",
        "xai",
        "groq",
        "together",
        "fireworks",
        "openrouter",
        "perplexity",
        "cerebras",
        "sambanova",
        "nvidianim",
        "huggingface",
        "deepinfra",
        "nebius",
        "novita",
        "databricks",
        "snowflake",
        "watsonx",
        "cloudflareworkersai",
        "ollama",
    ] {
        assert!(models(key).next().is_some(), "{key}");
    }
}

#[test]
fn every_line_is_found_reads_and_comes_back_as_it_was() {
    let letters: BTreeSet<char> = BUILT_IN.sources().map(|source| source.letter).collect();
    let mut last = "";
    for line in BUILT_IN.lines() {
        assert!(last < line.key, "{} stands behind {last}", line.key);
        last = line.key;
        let facts = line.facts().unwrap_or_else(|error| panic!("{}: {error}", line.key));
        let fields: Vec<_> = line.fields().map(Result::unwrap).collect();
        assert_eq!(write(&facts), fields.iter().map(|field| field.text).collect::<Vec<_>>(), "{}", line.key);
        assert!(
            fields.iter().all(|field| letters.contains(&field.source)),
            "{}: a letter without source",
            line.key
        );
        let (provider, model) = line.key.split_once('/').unwrap();
        assert_eq!(BUILT_IN.lookup(provider, model), Some(Found { line, via: Via::Name }));
        assert!(serves(provider, model));
    }
    assert!(MODELS.is_ascii());
}

#[test]
fn sources_have_a_day_or_refer_to_others() {
    let dated: Vec<char> =
        BUILT_IN.sources().filter(|source| source.day.is_some()).map(|source| source.letter).collect();
    assert_eq!(&dated[..2], ['l', 'm']);
    let others: String =
        BUILT_IN.sources().filter(|source| source.day.is_none()).map(|source| source.letter).collect();
    assert_eq!(others, "bLMvf");
}

#[test]
fn corrections_are_sorted_and_read() {
    let lines: Vec<Line<'_>> =
        CORRECTIONS.lines().filter(|line| !line.starts_with('#')).map(Line::new).collect();
    assert!(lines.is_sorted_by(|one, next| one.key < next.key));
    let letters: BTreeSet<char> = sources::read(CORRECTIONS).map(|source| source.letter).collect();
    for line in lines {
        let facts = line.facts().unwrap();
        assert!(line.fields().all(|field| letters.contains(&field.unwrap().source)), "{}", line.key);
        assert!(!line.key.ends_with('*') || facts.price.is_none(), "{}: a family has no price", line.key);
    }
}

/// Typed by hand, not taken from the sources.
#[test]
fn known_prices() {
    for (key, input, output, cache_read, cache_write) in [
        ("openai/gpt-4o", "2.50", "10.00", Some("1.25"), None),
        ("openai/gpt-4o-mini", "0.15", "0.60", Some("0.075"), None),
        ("openai/gpt-4.1", "2.00", "8.00", Some("0.50"), None),
        ("openai/gpt-5", "1.25", "10.00", Some("0.125"), None),
        ("openai/o3-mini", "1.10", "4.40", Some("0.55"), None),
        ("anthropic/claude-sonnet-4-5", "3.00", "15.00", Some("0.30"), Some("3.75")),
        ("anthropic/claude-haiku-4-5", "1.00", "5.00", Some("0.10"), Some("1.25")),
        ("anthropic/claude-opus-4-5", "5.00", "25.00", Some("0.50"), Some("6.25")),
        ("anthropic/claude-opus-4-1", "15.00", "75.00", Some("1.50"), Some("18.75")),
        ("gemini/gemini-2.5-pro", "1.25", "10.00", Some("0.125"), None),
        ("groq/llama-3.3-70b-versatile", "0.59", "0.79", None, None),
    ] {
        let Prices { input: i, output: o, cache_read: r, cache_write: w, .. } = prices(key);
        let got = (dollars(i), dollars(o), dollars(r), dollars(w));
        let want = |text: &str| Some(text.to_owned());
        assert_eq!(
            got,
            (want(input), want(output), cache_read.and_then(want), cache_write.and_then(want)),
            "{key}"
        );
    }
    assert_eq!(dollars(prices("anthropic/claude-sonnet-4-5").cache_write_1h).as_deref(), Some("6.00"));
    assert_eq!(dollars(prices("openai/text-embedding-3-small").input).as_deref(), Some("0.02"));
    // Inference profiles of a region cost a tenth more than the global one.
    assert_eq!(
        dollars(prices("bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0").input).as_deref(),
        Some("3.30")
    );
    assert_eq!(
        dollars(prices("bedrock/global.anthropic.claude-sonnet-4-5-20250929-v1:0").input).as_deref(),
        Some("3.00")
    );
}

#[test]
fn long_prompts_and_tiers() {
    let list = facts("gemini/gemini-2.5-pro").price.unwrap();
    assert_eq!(list.above.len(), 1);
    assert_eq!(
        (list.above[0].tokens, dollars(list.above[0].prices.input).as_deref()),
        (200_000, Some("2.50"))
    );
    let usage = |input| Usage { input: Some(input), output: Some(0), ..Usage::default() };
    for (input, tier, want) in [
        (200_000, None, "0.25"),
        (200_001, None, "0.5000025"),
        (200_000, Some("batch"), "0.125"),
        (200_000, Some("flex"), "0.125"),
        (200_000, Some("priority"), "0.45"),
    ] {
        assert_eq!(cost(&list, &usage(input), tier).unwrap().to_string(), want, "{input} {tier:?}");
    }
    // Half the price in batches, at OpenAI as at Anthropic.
    for key in ["openai/gpt-4o", "anthropic/claude-sonnet-4-5"] {
        let list = facts(key).price.unwrap();
        let batch = list.tiers.iter().find(|tier| tier.tier == "batch").unwrap();
        assert_eq!(batch.prices.input.unwrap().0 * 2, list.base.input.unwrap().0, "{key}");
    }
}

#[test]
fn an_unknown_price_is_none_and_only_what_is_free_costs_nothing() {
    for key in ["ollama/llama3.1", "nvidianim/microsoft/phi-4-mini-instruct", "zhipu/glm-4.5-flash"] {
        assert_eq!(facts(key).price, None, "{key}");
    }
    let free = |price: Option<Price>| price == Some(Price(0));
    for line in BUILT_IN.lines() {
        let price = line.facts().unwrap().price.unwrap_or_default();
        let is_free = free(price.base.input) || free(price.base.output);
        assert!(!is_free || line.key.ends_with(":free"), "{} costs nothing", line.key);
    }
    let list = facts("openrouter/meta-llama/llama-3.3-70b-instruct:free").price.unwrap();
    let usage = Usage { input: Some(5), output: Some(5), ..Usage::default() };
    assert_eq!(cost(&list, &usage, None).unwrap().total(), 0);
}

#[test]
fn known_limits_and_abilities() {
    let gpt_5 = facts("openai/gpt-5");
    assert_eq!(
        (gpt_5.context_window, gpt_5.max_input, gpt_5.max_output),
        (Some(400_000), Some(272_000), Some(128_000))
    );
    assert_eq!(facts("openai/gpt-5-2025-08-07").max_input, Some(272_000));
    let gpt_4o = facts("openai/gpt-4o");
    assert_eq!((gpt_4o.context_window, gpt_4o.max_output), (Some(128_000), Some(16_384)));
    assert_eq!((gpt_4o.tools, gpt_4o.json_schema, gpt_4o.thinks()), (Some(true), Some(true), Some(false)));
    assert!(gpt_4o.input.unwrap().image && !gpt_4o.input.unwrap().audio);
    let gemini = facts("gemini/gemini-2.5-flash").input.unwrap();
    assert!(gemini.text && gemini.image && gemini.pdf && gemini.audio && gemini.video);
    assert_eq!(facts("openai/text-embedding-3-small").mode, Some(Mode::Embedding));
    // DeepSeek has a JSON mode and no schemas.
    assert_eq!(facts("deepseek/deepseek-v4-pro").json_schema, Some(false));
    assert_eq!(facts("anthropic/claude-opus-5-5").forced_tools, Some(false));
    assert_eq!(facts("openai/o3-mini").deprecated.as_deref(), Some("2026-10-23"));
}

#[test]
fn reasoning_models_of_openai() {
    for (model, efforts, can_disable) in [
        ("o1", "low,medium,high", Some(false)),
        ("o3", "low,medium,high", Some(false)),
        ("o4-mini-2025-04-16", "low,medium,high", Some(false)),
        ("gpt-5", "minimal,low,medium,high", Some(false)),
        ("gpt-5-mini-2025-08-07", "minimal,low,medium,high", Some(false)),
        ("gpt-5-pro-2025-10-06", "high", Some(false)),
        ("gpt-5.1", "none,low,medium,high", Some(true)),
        ("gpt-5.4", "none,low,medium,high,xhigh", Some(true)),
    ] {
        let facts = facts(&format!("openai/{model}"));
        let reasoning = facts.reasoning.unwrap();
        assert_eq!(reasoning.style, ReasoningStyle::Effort, "{model}");
        assert_eq!(
            (reasoning.efforts.join(",").as_str(), reasoning.can_disable),
            (efforts, can_disable),
            "{model}"
        );
        assert_eq!(facts.sampling, Some(Sampling::Refused), "{model}");
    }
    for model in ["gpt-4o", "gpt-4.1-mini", "gpt-5-chat-latest"] {
        assert_eq!(facts(&format!("openai/{model}")).sampling, Some(Sampling::Free), "{model}");
    }
    // The same behind Azure, and in a fine-tune.
    assert_eq!(facts("azureopenai/o3-mini").sampling, Some(Sampling::Refused));
    assert_eq!(facts("openai/ft:o4-mini:acme::id").sampling, Some(Sampling::Refused));
}

#[test]
fn thinking_of_gemini() {
    for (model, min, max, can_disable) in [
        ("gemini-2.5-pro", Some(128), Some(32_768), Some(false)),
        ("gemini-2.5-flash", Some(0), Some(24_576), Some(true)),
        ("gemini-2.5-flash-lite", Some(512), Some(24_576), Some(true)),
    ] {
        for provider in ["gemini", "vertexai"] {
            let reasoning = find(provider, model).unwrap().reasoning.unwrap();
            assert_eq!(reasoning.style, ReasoningStyle::Budget);
            let got = (reasoning.min_budget, reasoning.max_budget, reasoning.can_disable);
            assert_eq!(got, (min, max, can_disable), "{provider}/{model}");
        }
    }
    for (model, efforts) in [
        ("gemini-3-pro-preview", "low,high"),
        ("gemini-3.1-pro-preview", "low,medium,high"),
        ("gemini-3-flash-preview", "minimal,low,medium,high"),
        ("gemini-3.8-flash", "low,medium,high"),
        // Not out yet.
        ("gemini-3.9-pro", "low,high"),
    ] {
        let reasoning = facts(&format!("gemini/{model}")).reasoning.unwrap();
        assert_eq!(
            (reasoning.style, reasoning.efforts.join(",").as_str()),
            (ReasoningStyle::Effort, efforts),
            "{model}"
        );
    }
}

#[test]
fn claude_by_name_by_family_and_behind_others() {
    use ReasoningStyle::{Adaptive, Budget, Never};
    let (none, high, max, xhigh) =
        ("", "low,medium,high", "low,medium,high,max", "low,medium,high,xhigh,max");
    for (model, max_output, style, efforts, can_disable, schema, sampling) in [
        ("claude-2.1", 4096, Never, none, None, false, Sampling::Free),
        ("claude-instant-1.2", 4096, Never, none, None, false, Sampling::Free),
        ("claude-3-opus-20240229", 4096, Never, none, None, false, Sampling::Free),
        ("claude-3-5-sonnet-latest", 8192, Never, none, None, false, Sampling::Free),
        ("claude-3-7-sonnet-20250219", 64_000, Budget, none, Some(true), false, Sampling::Free),
        ("claude-opus-4-20250514", 32_000, Budget, none, Some(true), false, Sampling::Free),
        ("claude-sonnet-4-0", 64_000, Budget, none, Some(true), false, Sampling::Free),
        ("claude-opus-4-1-20250805", 32_000, Budget, none, Some(true), false, Sampling::OneOf),
        ("claude-haiku-4-5", 64_000, Budget, none, Some(true), true, Sampling::OneOf),
        ("claude-sonnet-4-5", 64_000, Budget, none, Some(true), true, Sampling::OneOf),
        ("claude-opus-4-5", 64_000, Budget, high, Some(true), true, Sampling::OneOf),
        ("claude-sonnet-4-6", 128_000, Adaptive, max, Some(true), true, Sampling::OneOf),
        ("claude-opus-4-6", 128_000, Adaptive, max, Some(true), true, Sampling::OneOf),
        ("claude-opus-4-7", 128_000, Adaptive, xhigh, Some(true), true, Sampling::Refused),
        ("claude-opus-4-8", 128_000, Adaptive, xhigh, Some(true), true, Sampling::Refused),
        ("claude-opus-5", 128_000, Adaptive, xhigh, Some(true), true, Sampling::Refused),
        ("claude-sonnet-5", 128_000, Adaptive, xhigh, Some(true), true, Sampling::Refused),
        ("claude-haiku-5", 128_000, Adaptive, xhigh, Some(true), true, Sampling::Refused),
        ("claude-opus-5-5", 128_000, Adaptive, xhigh, Some(false), true, Sampling::Refused),
        ("claude-sonnet-5-5", 128_000, Adaptive, xhigh, Some(false), true, Sampling::Refused),
        ("claude-fable-5", 128_000, Adaptive, xhigh, Some(false), true, Sampling::Refused),
        ("claude-mythos-5", 128_000, Adaptive, xhigh, Some(false), true, Sampling::Refused),
        // A Claude that nobody knows: like the newest, but for the limit, which is nobody's guess.
        ("claude-next-1", 8192, Adaptive, xhigh, None, true, Sampling::Refused),
    ] {
        let facts = facts(&format!("anthropic/{model}"));
        let reasoning = facts.reasoning.unwrap();
        assert_eq!(
            (facts.max_output, facts.json_schema, facts.sampling),
            (Some(max_output), Some(schema), Some(sampling)),
            "{model}"
        );
        let thinking = (reasoning.style, reasoning.efforts.join(","), reasoning.can_disable);
        assert_eq!(thinking, (style, efforts.to_owned(), can_disable), "{model}");
        assert_eq!(reasoning.min_budget.is_some(), style == Budget || efforts == max, "{model}");
    }
    assert_eq!(find("anthropic", "kimi-k2"), None);
    // What holds for the model, holds at hosts that pass Anthropic's format on.
    let vendor = facts("anthropic/claude-opus-4-6");
    for (provider, model) in [
        ("bedrock", "eu.anthropic.claude-opus-4-6-v1"),
        ("vertexai", "claude-opus-4-6@default"),
        ("azureopenai", "claude-opus-4-6"),
    ] {
        let hosted = find(provider, model).unwrap();
        assert_eq!(
            (&hosted.reasoning, hosted.sampling),
            (&vendor.reasoning, vendor.sampling),
            "{provider}/{model}"
        );
    }
}

#[test]
fn a_host_without_a_line_has_its_vendors_abilities_and_no_price() {
    let found = BUILT_IN.lookup("deepinfra", "anthropic/claude-opus-4-6").unwrap();
    assert_eq!((found.via, found.line.key), (Via::Vendor, "anthropic/claude-opus-4-6"));
    let facts = found.facts();
    assert_eq!((facts.price, facts.context_window, facts.max_output), (None, None, Some(128_000)));
    assert_eq!(facts.sampling, Some(Sampling::OneOf));
    assert!(!serves("deepinfra", "anthropic/claude-opus-4-6"));
}

#[test]
fn other_names_lead_to_the_model_and_other_prices_to_none() {
    for (provider, model, key, via) in [
        ("openai", "gpt-4o-2031-01-01", "openai/gpt-4o", Via::Name),
        ("openai", "ft:gpt-4o-2024-08-06:acme::id", "openai/ft:gpt-4o-2024-08-06", Via::Name),
        ("openai", "ft:gpt-5:acme::id", "openai/gpt-5", Via::OtherPrice),
        ("openai", "gpt-6-nova", "openai/gpt-6*", Via::Family),
        ("gemini", "models/gemini-2.5-pro", "gemini/gemini-2.5-pro", Via::Name),
        ("vertexai", "claude-opus-4-5", "vertexai/claude-opus-4-5", Via::Name),
        (
            "bedrock",
            "sa.anthropic.claude-opus-4-6-v1",
            "bedrock/anthropic.claude-opus-4-6-v1",
            Via::OtherPrice,
        ),
        ("openrouter", "openai/gpt-4o:nitro", "openrouter/openai/gpt-4o", Via::OtherPrice),
        ("fireworks", "kimi-k3", "fireworks/accounts/fireworks/models/kimi-k3", Via::Name),
    ] {
        let found = BUILT_IN.lookup(provider, model).unwrap_or_else(|| panic!("{provider}/{model}"));
        assert_eq!((found.line.key, found.via), (key, via), "{provider}/{model}");
        assert!(via == Via::Name || found.facts().price.is_none());
    }
    for (provider, model) in
        [("openai", "claude-opus-4-1"), ("openai", "gpt-oss-120b"), ("nobody", "x"), ("", "")]
    {
        assert!(!serves(provider, model), "{provider}/{model}");
    }
}

#[test]
fn a_name_that_is_too_long_is_no_model() {
    let model = "-20250805".repeat(1 << 20);
    let start = Instant::now();
    assert_eq!(find("anthropic", &format!("claude-{model}")), None);
    println!("a name of {} bytes: {:?}", model.len(), start.elapsed());
    assert!(!serves("bedrock", &model));
}

proptest::proptest! {
    /// Clients send any name: none breaks the lookup, and what is found is what the catalogue holds.
    #[test]
    fn any_name_is_looked_up(
        provider in proptest::sample::select(providers().collect::<Vec<_>>()),
        model in "(models/|arn:|ft:|us\\.|anthropic[./])?(claude-|gpt-|gemini-|x)?[a-z0-9.:@/éñ*-]{0,24}",
    ) {
        if let Some(found) = BUILT_IN.lookup(provider, &model) {
            assert!(found.line.facts().is_ok());
            let is_own = found.line.key.split_once('/').is_some_and(|(key, _)| key == provider);
            assert_eq!(is_own, found.via != Via::Vendor, "{provider}/{model}: {}", found.line.key);
            assert!(found.via == Via::Name || found.facts().price.is_none());
        }
    }
}

#[test]
fn a_lookup_takes_little_time() {
    let keys: Vec<(&str, &str)> = BUILT_IN.lines().filter_map(|line| line.key.split_once('/')).collect();
    let time = |what: &str, look: &dyn Fn(&str, &str) -> bool| {
        let start = Instant::now();
        let found = keys.iter().filter(|(provider, model)| look(provider, model)).count();
        println!("{what}: {:?} each, {found} found", start.elapsed() / u32::try_from(keys.len()).unwrap());
        found
    };
    assert_eq!(
        time("facts of a known model", &|provider, model| find(provider, model).is_some()),
        keys.len()
    );
    assert_eq!(time("is a model known", &serves), keys.len());
    assert_eq!(
        time("a model that nobody knows", &|provider, _| find(provider, "no-such-model-1").is_some()),
        0
    );
}
