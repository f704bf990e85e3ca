//! Facts that an operator of Penstock adds to the catalogue, or sets over it.
//!
//! ```yaml
//! openai:
//!   gpt-5.4: {price: {input: "2.00", output: "12.00"}}
//!   "internal-*": {mode: chat, contextWindow: 32000}
//! ```
//!
//! Owns: how such a document is checked, and how its facts lie over the built-in ones. Refuses to know: where it comes
//! from, and YAML: it takes a value that was read already.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Facts, Reasoning, cost, line};

/// A checked document: provider key → name of a model, or beginning of names with a `*` behind it → facts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overrides(BTreeMap<String, BTreeMap<String, Facts>>);

/// Something wrong in the document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct BadOverride {
    /// Where: `openai.gpt-5.4.price.input`.
    pub path: String,
    pub message: String,
}

impl Overrides {
    /// Reads a document; an empty one (`null`) overrides nothing.
    ///
    /// # Errors
    /// Everything that is wrong, in the order of the document: one bad entry does not hide the next.
    pub fn parse(document: &Value) -> Result<Self, Vec<BadOverride>> {
        let mut problems = Vec::new();
        let mut overrides = Self::default();
        for (provider, models) in members(document, "", "provider keys", &mut problems) {
            if !is_provider(provider) {
                let message = format!("not a provider key: use one of {}", provider_keys().join(", "));
                problems.push(BadOverride { path: provider.clone(), message });
                continue;
            }
            for (model, facts) in members(models, provider, "names of models", &mut problems) {
                let path = format!("{provider}.{model}");
                match read(model, facts) {
                    Ok(facts) => {
                        let models = overrides.0.entry(provider.clone()).or_default();
                        models.insert(model.clone(), facts);
                    }
                    Err(BadOverride { path: inner, message }) => {
                        let dot = if inner.is_empty() { "" } else { "." };
                        problems.push(BadOverride { path: format!("{path}{dot}{inner}"), message });
                    }
                }
            }
        }
        if problems.is_empty() { Ok(overrides) } else { Err(problems) }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Does the document name this model, in full or by its beginning?
    pub fn serves(&self, provider: &str, model: &str) -> bool {
        self.of(provider, model).next().is_some()
    }

    /// The models that the document names in full.
    pub fn models<'a>(&'a self, provider: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        let models = self.0.get(provider).into_iter().flatten();
        models.map(|(name, _)| name.as_str()).filter(|name| !name.ends_with('*'))
    }

    /// Lays what the document says over facts: first what it says of beginnings of names, shorter ones first, then what
    /// it says of the name itself.
    pub fn overlay(&self, provider: &str, model: &str, facts: &mut Facts) {
        for over in self.of(provider, model) {
            facts.overlay(over);
        }
    }

    /// What is known of a model, from the catalogue and from the document.
    pub fn find(&self, provider: &str, model: &str) -> Option<Facts> {
        let known = super::find(provider, model);
        if known.is_none() && !self.serves(provider, model) {
            return None;
        }
        let mut facts = known.unwrap_or_default();
        self.overlay(provider, model, &mut facts);
        Some(facts)
    }

    /// The entries for a model, weakest first. In a sorted map a beginning stands before what begins with it, and the
    /// name itself is looked up.
    fn of<'a>(&'a self, provider: &str, model: &'a str) -> impl Iterator<Item = &'a Facts> + use<'a> {
        let models = self.0.get(provider);
        let fits = |name: &str| name.strip_suffix('*').is_some_and(|start| model.starts_with(start));
        let beginnings =
            models.into_iter().flatten().filter(move |(name, _)| fits(name)).map(|(_, facts)| facts);
        beginnings.chain(models.and_then(|models| models.get(model)))
    }
}

/// The members of an object. `null` has none: an empty YAML file is one.
fn members<'a>(
    value: &'a Value,
    path: &str,
    of: &str,
    problems: &mut Vec<BadOverride>,
) -> impl Iterator<Item = (&'a String, &'a Value)> + use<'a> {
    if !value.is_object() && !value.is_null() {
        let path = if path.is_empty() { "document" } else { path };
        problems.push(BadOverride { path: path.to_owned(), message: format!("not a map from {of}") });
    }
    value.as_object().into_iter().flatten()
}

fn is_provider(key: &str) -> bool {
    super::models(key).next().is_some()
        || crate::provider::REGISTRY.iter().any(|provider| provider.key() == key)
}

fn provider_keys() -> Vec<String> {
    let mut keys: Vec<String> = crate::provider::REGISTRY.iter().map(|provider| provider.key()).collect();
    keys.extend(super::providers().map(str::to_owned));
    keys.sort();
    keys.dedup();
    keys
}

fn read(model: &str, value: &Value) -> Result<Facts, BadOverride> {
    let wrong =
        |path: &str, message: &str| Err(BadOverride { path: path.to_owned(), message: message.to_owned() });
    if model.is_empty() || model.strip_suffix('*').unwrap_or(model).contains('*') {
        return wrong("", "name a model, or the beginning of names with one `*` behind it");
    }
    let facts: Facts = serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let path = if path == "." { String::new() } else { path };
        BadOverride { path, message: error.into_inner().to_string() }
    })?;
    let limits = [
        (facts.context_window, "contextWindow"),
        (facts.max_input, "maxInput"),
        (facts.max_output, "maxOutput"),
    ];
    if let Some((_, name)) = limits.iter().find(|(limit, _)| *limit == Some(0)) {
        return wrong(name, "0 tokens are no limit: leave it out where it is unknown");
    }
    if let Some(day) = &facts.deprecated
        && !line::is_day(day)
    {
        return wrong("deprecated", "not a day: write it as 2026-11-30");
    }
    if let Some(Reasoning { min_budget: Some(min), max_budget: Some(max), .. }) = facts.reasoning
        && min > max
    {
        return wrong("reasoning", "`minBudget` is above `maxBudget`");
    }
    let tiers = facts.price.iter().flat_map(|price| &price.tiers);
    if let Some((i, message)) = tiers.enumerate().find_map(|(i, tier)| Some((i, never(&tier.tier)?))) {
        return wrong(&format!("price.tiers[{i}].tier"), &message);
    }
    Ok(facts)
}

/// Why the prices of this tier would never count, if they would not: answers name their tier in OpenAI's words, and for
/// the standard one the prices of the model itself count.
fn never(tier: &str) -> Option<String> {
    let lower = tier.to_ascii_lowercase();
    if lower.is_empty() {
        return Some("name a tier, for example `priority`".into());
    }
    if cost::STANDARD.contains(&lower.as_str()) {
        return Some(format!(
            "`{tier}` is the standard tier, whose prices stand in `price` itself, beside `tiers`: move them there"
        ));
    }
    (lower != tier).then(|| format!("tiers are written in lower case: `{lower}`"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{Price, find};
    use super::*;

    #[test]
    fn facts_lie_over_the_built_in_ones() {
        let document = json!({
            "openai": {
                "gpt-4o": {"price": {"input": "2.00"}},
                "gpt-*": {"maxOutput": 5, "price": {"input": "9.00"}},
                "*": {"maxOutput": 4, "contextWindow": 7},
                "in-house": {"mode": "chat"},
            },
        });
        let overrides = Overrides::parse(&document).unwrap();
        let built_in = find("openai", "gpt-4o").unwrap();
        let facts = overrides.find("openai", "gpt-4o").unwrap();
        let price = facts.price.as_ref().unwrap();
        assert_eq!(price.base.input, Some(Price(2_000_000)));
        assert_eq!(price.base.output, built_in.price.as_ref().unwrap().base.output);
        assert_eq!((facts.max_output, facts.context_window), (Some(5), Some(7)));
        assert_eq!(facts.input, built_in.input);
        assert_eq!(overrides.find("openai", "other").unwrap().max_output, Some(4));
        assert!(overrides.serves("openai", "other") && !overrides.serves("anthropic", "other"));
        assert_eq!(overrides.models("openai").collect::<Vec<_>>(), ["gpt-4o", "in-house"]);
        assert_eq!(overrides.find("anthropic", "no-such-model"), None);
    }

    #[test]
    fn an_empty_document_changes_nothing() {
        for document in [Value::Null, json!({}), json!({"openai": null})] {
            let overrides = Overrides::parse(&document).unwrap();
            assert_eq!(overrides.find("openai", "gpt-4o"), find("openai", "gpt-4o"));
        }
    }

    #[test]
    fn every_problem_is_named_with_its_place() {
        let document = json!({
            "opnai": {},
            "anthropic": [],
            "openai": {
                "a": {"price": {"above": [{"tokens": 1, "prices": {"input": 3.1}}]}},
                "b": {"contextWidow": 1},
                "c": {"input": ["vidoe"]},
                "d*e": {},
                "e": {"maxOutput": 0},
                "f": {"deprecated": "soon"},
                "g": {"reasoning": {"style": "budget", "minBudget": 2, "maxBudget": 1}},
                "h": 5,
                "": {},
                "i": {"price": {"above": [{"tokens": 2, "prices": {}}, {"tokens": 1, "prices": {}}]}},
                "j": {"price": {"tiers": [{"tier": "flex"}, {"tier": "default"}]}},
                "k": {"price": {"tiers": [{"tier": "Priority"}]}},
                "l": {"price": {"tiers": [{"tier": ""}]}},
            },
        });
        let problems = Overrides::parse(&document).unwrap_err();
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        for (at, says) in [
            "opnai: not a provider key: use one of ",
            "anthropic: not a map from names of models",
            "openai.a.price.above[0].prices.input: `3.1` is not a price: write US dollars",
            "openai.b.contextWidow: unknown field `contextWidow`",
            "openai.c.input[0]: unknown variant `vidoe`",
            "openai.d*e: name a model",
            "openai.e.maxOutput: 0 tokens",
            "openai.f.deprecated: not a day",
            "openai.g.reasoning: `minBudget` is above `maxBudget`",
            "openai.h: invalid type: integer `5`",
            "openai.: name a model",
            "openai.i.price: `above` must be in the order",
            "openai.j.price.tiers[1].tier: `default` is the standard tier",
            "openai.k.price.tiers[0].tier: tiers are written in lower case: `priority`",
            "openai.l.price.tiers[0].tier: name a tier",
        ]
        .into_iter()
        .enumerate()
        {
            assert!(problems[at].starts_with(says), "{says}\n{}", problems[at]);
        }
        assert_eq!(problems.len(), 15);
        assert!(Overrides::parse(&json!("x")).unwrap_err()[0].to_string().starts_with("document: not a map"));
    }
}
