//! `penstock catalogue show`: what is known of a model, with the source of each fact.

use std::fmt::Write;
use std::process::ExitCode;

use clap::Args;
use penstock_llm::catalogue::line::Line;
use penstock_llm::catalogue::sources::Source;
use penstock_llm::catalogue::{BUILT_IN, Catalogue, Facts, Found, PriceList, Prices, Via, vendor};
use serde_json::Value;

use crate::exit;

#[derive(Args)]
pub struct ShowArgs {
    /// Provider type in lower case, and the model as the provider names it: `openai/gpt-4o`.
    #[arg(value_name = "PROVIDER/MODEL")]
    model: String,
}

/// Runs the command.
pub fn run(args: &ShowArgs) -> ExitCode {
    match page(&BUILT_IN, &args.model) {
        Ok(page) => {
            print!("{page}");
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("error: {message}");
            exit::PROBLEMS
        }
    }
}

/// What a person sees of a model.
fn page(catalogue: &Catalogue<'_>, asked: &str) -> Result<String, String> {
    let (provider, model) = asked.split_once('/').ok_or("write PROVIDER/MODEL, for example openai/gpt-4o")?;
    let found = catalogue.lookup(provider, model).ok_or_else(|| unknown(catalogue, provider, asked))?;
    let mut page = format!("{asked}\n");
    if let Some(how) = how(&found, asked) {
        let _ = writeln!(page, "{how}");
    }
    let sources: Vec<Source<'_>> = catalogue.sources().collect();
    let mut used: Vec<char> = Vec::new();
    let mut rows: Vec<(String, String, char)> = Vec::new();
    for field in found.line.fields().flatten().filter(|field| found.counts(field.name())) {
        used.push(field.source);
        rows.extend(told(field.text).into_iter().map(|(name, value)| (name, value, field.source)));
    }
    let wide = |column: fn(&(String, String, char)) -> &String| {
        rows.iter().map(|row| column(row).chars().count()).max()
    };
    let (names, values) = (wide(|row| &row.0).unwrap_or(0), wide(|row| &row.1).unwrap_or(0).min(60));
    for (name, value, source) in &rows {
        let _ = writeln!(page, "  {name:names$}  {value:values$}  {source}");
    }
    let missing = missing(&found.facts());
    if !missing.is_empty() {
        let _ = writeln!(page, "unknown: {}", missing.join(", "));
    }
    let _ = writeln!(page, "sources:");
    for Source { letter, day, what } in sources.iter().filter(|source| used.contains(&source.letter)) {
        let day = day.map(|day| format!(", {day}")).unwrap_or_default();
        // The fingerprint is for the update, not for people.
        let what = what.split_once(", sha256").map_or(*what, |(what, _)| what);
        let vendor = vendor_line(catalogue, provider, model).filter(|_| *letter == 'v');
        let vendor = vendor.map(|key| format!(": {key}")).unwrap_or_default();
        let _ = writeln!(page, "  {letter}  {what}{vendor}{day}");
    }
    Ok(page)
}

/// The line that a hosted model inherits from.
fn vendor_line<'a>(catalogue: &Catalogue<'a>, provider: &str, model: &str) -> Option<&'a str> {
    let (vendor, name) = vendor::of(provider, model)?;
    Some(catalogue.own(vendor, &name)?.line.key)
}

fn how(found: &Found<'_>, asked: &str) -> Option<String> {
    let key = found.line.key;
    Some(match found.via {
        Via::Name if key == asked => return None,
        Via::Name => format!("the same as {key}"),
        Via::OtherPrice => format!("the same model as {key}, at a price that is not known"),
        Via::Family => format!("not in the catalogue; the rule {key} speaks of its family"),
        Via::Vendor => format!("not in the catalogue; its abilities are those of its vendor's {key}"),
    })
}

fn unknown(catalogue: &Catalogue<'_>, provider: &str, asked: &str) -> String {
    let known: Vec<&str> = if catalogue.models(provider).next().is_some() {
        catalogue
            .lines()
            .map(|line| line.key)
            .filter(|key| key.starts_with(&format!("{provider}/")))
            .collect()
    } else {
        let providers = catalogue.providers().collect::<Vec<_>>().join(", ");
        return format!("the catalogue knows no provider {provider}; it knows {providers}");
    };
    let mut near: Vec<(f64, &str)> =
        known.iter().map(|key| (strsim::jaro_winkler(key, asked), *key)).collect();
    near.sort_by(|one, other| other.0.total_cmp(&one.0));
    let near = near.iter().take(3).map(|(_, key)| *key).collect::<Vec<_>>().join(", ");
    format!("{asked} is not in the catalogue, which knows {} models of {provider}; near: {near}", known.len())
}

/// Names and values of one written fact, as the configuration would spell them.
fn told(text: &str) -> Vec<(String, String)> {
    let Ok(facts) = Line::new(&format!("k {text}@x")).facts() else { return Vec::new() };
    if let Some(list) = &facts.price {
        return prices(list);
    }
    let Ok(Value::Object(members)) = serde_json::to_value(&facts) else { return Vec::new() };
    let value = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Array(words) => words.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "),
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| format!("{name} {value}").replace(['"', '[', ']'], "").replace(',', ", "))
            .collect::<Vec<_>>()
            .join(", "),
        other => other.to_string(),
    };
    members.iter().map(|(name, member)| (name.clone(), value(member))).collect()
}

fn prices(list: &PriceList) -> Vec<(String, String)> {
    let PriceList { base, above, tiers } = list;
    let mut rows = vec![("price".to_owned(), classes(base))];
    rows.extend(above.iter().map(|above| (format!("price above {}", above.tokens), classes(&above.prices))));
    for tier in tiers {
        rows.push((format!("price, {}", tier.tier), classes(&tier.prices)));
        let name = |tokens: u64| format!("price above {tokens}, {}", tier.tier);
        rows.extend(tier.above.iter().map(|above| (name(above.tokens), classes(&above.prices))));
    }
    rows.retain(|(_, classes)| !classes.is_empty());
    rows
}

/// Dollars per million tokens, by class.
fn classes(prices: &Prices) -> String {
    let Ok(Value::Object(members)) = serde_json::to_value(prices) else { return String::new() };
    let classes =
        members.iter().map(|(name, price)| format!("{name} {}", price.as_str().unwrap_or_default()));
    classes.collect::<Vec<_>>().join(", ")
}

/// What nobody knows.
fn missing(facts: &Facts) -> Vec<String> {
    const NAMES: [&str; 12] = [
        "contextWindow",
        "maxOutput",
        "input",
        "output",
        "tools",
        "forcedTools",
        "parallelTools",
        "jsonSchema",
        "promptCaching",
        "reasoning",
        "sampling",
        "price",
    ];
    let Ok(Value::Object(members)) = serde_json::to_value(facts) else { return Vec::new() };
    NAMES.iter().filter(|name| !members.contains_key(**name)).map(|name| (*name).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODELS: &str = "# source l 2026-11-24 LiteLLM\n# source b both\n\
                          openai/x chat@b ctx=9@l in=ti@b think=effort/low,high/-off@l $=i1,o2@b $batch>5=i0.5@l\n\
                          openai/y-2026-01-01 chat@b\n";

    fn shown(asked: &str) -> Result<String, String> {
        page(&Catalogue::new(MODELS, "openai/o* chat@b sample=refused@l\n"), asked)
    }

    #[test]
    fn every_fact_has_its_source() {
        let page = shown("openai/x").unwrap();
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(
            page.lines().map(words).collect::<Vec<_>>(),
            [
                "openai/x",
                "mode chat b",
                "contextWindow 9 l",
                "input text, image b",
                "reasoning style effort, efforts low, high, canDisable false l",
                "price input 1.00, output 2.00 b",
                "price above 5, batch input 0.50 l",
                "unknown: maxOutput, output, tools, forcedTools, parallelTools, jsonSchema, promptCaching, sampling",
                "sources:",
                "l LiteLLM, 2026-11-24",
                "b both",
            ]
        );
    }

    #[test]
    fn it_says_how_a_model_was_found() {
        for (asked, says) in [
            ("openai/y", "the same as openai/y-2026-01-01"),
            ("openai/o9", "the rule openai/o* speaks of its family"),
            ("azureopenai/x-o9", "knows no provider azureopenai"),
            ("openai/z", "near: openai/x"),
            ("x", "write PROVIDER/MODEL"),
        ] {
            let page = shown(asked).unwrap_or_else(|error| error);
            assert!(page.contains(says), "{asked}: {page}");
        }
    }
}
