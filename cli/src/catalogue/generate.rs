//! The generated file: both sources, corrections over them, what hosts inherit from vendors. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use penstock_llm::catalogue::line::{BadLine, Line, write};
use penstock_llm::catalogue::sources::{self, Source};
use penstock_llm::catalogue::{Catalogue, Facts, undated, vendor};

use super::listing::{Listed, Listing};
use super::merge::{
    BOTH, Dispute, FAMILY, Fields, LITELLM, LITELLM_AGAINST, MODELS_DEV, MODELS_DEV_AGAINST, VENDOR, merge,
};

/// What the file is made of.
pub struct Inputs<'a> {
    pub litellm: &'a Listing,
    pub models_dev: &'a Listing,
    /// Day and fingerprint of each source, as the header says them.
    pub litellm_snapshot: Snapshot,
    pub models_dev_snapshot: Snapshot,
    /// The text of `corrections.txt`.
    pub corrections: &'a str,
}

/// Which copy of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    pub day: String,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: String,
}

pub struct Generated {
    pub text: String,
    /// By key.
    pub disputes: BTreeMap<String, Dispute>,
}

/// Vendors whose models stand behind other providers, too; their lines come first, for the others inherit from them.
const VENDORS: [&str; 5] = ["anthropic", "cohere", "gemini", "openai", "xai"];

/// Hosts that pass requests on in the vendor's own shape, so that the vendor's pages about thinking and sampling hold
/// there, too. Others have a shape of their own, which their own entries tell.
const SAME_SHAPE: [&str; 3] = ["azureopenai", "bedrock", "vertexai"];

/// Makes the file.
///
/// # Errors
/// When a line of the corrections cannot be read.
pub fn generate(inputs: &Inputs<'_>) -> Result<Generated, BadLine> {
    let corrections = read_corrections(inputs.corrections)?;
    // A name with a space would break its line; no provider has one.
    let fits = |key: &&String| key.bytes().all(|byte| byte.is_ascii_graphic());
    let keys: BTreeSet<&String> =
        inputs.litellm.keys().chain(inputs.models_dev.keys()).filter(fits).collect();
    let mut disputes = BTreeMap::new();
    let mut lines = BTreeMap::new();
    let is_vendor = |key: &str| key.split_once('/').is_some_and(|(provider, _)| VENDORS.contains(&provider));
    let (first, second): (Vec<&String>, Vec<&String>) = keys.into_iter().partition(|key| is_vendor(key));
    let mut vendors = String::new();
    for (keys, is_first) in [(first, true), (second, false)] {
        let known = Catalogue::new(&vendors, inputs.corrections);
        for key in keys {
            let undated =
                inputs.models_dev.get(key).is_none().then(|| without_date(inputs.models_dev, key)).flatten();
            let models_dev = inputs.models_dev.get(key).or(undated.as_ref());
            let (mut fields, dispute) = merge(key, inputs.litellm.get(key), models_dev);
            correct(&mut fields, key, &known, &corrections)?;
            inherit(&mut fields, key, &known)?;
            if fields.get("mode").is_some_and(|(mode, _)| mode == "other" || mode == "embedding") {
                fields.retain(|name, _| name != "think" && name != "sample");
            }
            if fields.len() == 1 && fields.get("mode").is_some_and(|(mode, _)| mode == "other") {
                continue;
            }
            lines.insert(key.clone(), line(key, &fields)?);
            // A price that a correction set is settled.
            let is_open = |field: &(String, char)| matches!(field.1, LITELLM_AGAINST | MODELS_DEV_AGAINST);
            if let Some(dispute) = dispute.filter(|_| fields.get("$").is_some_and(is_open)) {
                disputes.insert(key.clone(), dispute);
            }
        }
        if is_first {
            vendors = lines.values().map(|line| format!("{line}\n")).collect();
        }
    }
    let mut text = header(inputs);
    for line in lines.values() {
        text.push_str(line);
        text.push('\n');
    }
    Ok(Generated { text, disputes })
}

/// What the source says of the name without its date, prices excepted.
fn without_date(listing: &Listing, key: &str) -> Option<Listed> {
    let Listed { facts, names_page } = listing.get(undated(key)).filter(|_| undated(key) != key)?.clone();
    Some(Listed { facts: Facts { price: None, ..facts }, names_page })
}

/// The corrections that speak of one model.
fn read_corrections(text: &str) -> Result<BTreeMap<&str, Fields>, BadLine> {
    let lines = text.lines().filter(|line| !line.starts_with('#')).map(Line::new);
    lines.map(|line| Ok((line.key, read_fields(&line)?))).collect()
}

fn read_fields(line: &Line<'_>) -> Result<Fields, BadLine> {
    let fields = line.fields().map(|field| {
        let field = field?;
        Ok((field.name().to_owned(), (field.text.to_owned(), field.source)))
    });
    fields.collect()
}

/// How a model thinks is not known, or only that it does.
fn is_open(fields: &Fields, name: &str) -> bool {
    fields.get(name).is_none_or(|(text, _)| text == "think=unknown")
}

/// Corrections go over everything; what only held for the family so far goes below everything, and speaks of chat
/// models.
fn correct(
    fields: &mut Fields,
    key: &str,
    known: &Catalogue<'_>,
    corrections: &BTreeMap<&str, Fields>,
) -> Result<(), BadLine> {
    let Some((provider, model)) = key.split_once('/') else { return Ok(()) };
    let rule = known.family(provider, model).map(|line| read_fields(&line)).transpose()?;
    let is_chat = fields.get("mode").is_none_or(|(mode, _)| mode == "chat");
    let exact = corrections.get(key).or_else(|| corrections.get(undated(key))).cloned();
    for (name, (text, letter)) in rule.into_iter().chain(exact).flatten() {
        if letter != FAMILY || (is_chat && is_open(fields, &name)) {
            fields.insert(name, (text, letter));
        }
    }
    Ok(())
}

/// What a hosted model has from its vendor's line.
fn inherit(fields: &mut Fields, key: &str, known: &Catalogue<'_>) -> Result<(), BadLine> {
    let Some((provider, model)) = key.split_once('/') else { return Ok(()) };
    let Some((vendor, name)) = vendor::of(provider, model) else { return Ok(()) };
    let Some(found) = known.own(vendor, &name) else { return Ok(()) };
    let from_page = |letter| {
        ![LITELLM, MODELS_DEV, BOTH, LITELLM_AGAINST, MODELS_DEV_AGAINST, VENDOR, FAMILY].contains(&letter)
    };
    for (name, (text, letter)) in read_fields(&found.line)? {
        let is_same_shape = matches!(name.as_str(), "think" | "sample") && SAME_SHAPE.contains(&provider);
        let is_inherited = vendor::INHERITED.contains(&name.as_str());
        if is_inherited && (is_open(fields, &name) || (is_same_shape && from_page(letter))) {
            fields.insert(name, (text, VENDOR));
        }
    }
    Ok(())
}

/// The line, its facts in the format's order.
fn line(key: &str, fields: &Fields) -> Result<String, BadLine> {
    let joined = fields.values().map(|(text, letter)| format!(" {text}@{letter}")).collect::<String>();
    let facts = Line::new(&format!("{key}{joined}")).facts()?;
    let mut line = key.to_owned();
    for text in write(&facts) {
        let letter =
            fields.get(penstock_llm::catalogue::line::name(&text)).map_or(FAMILY, |(_, letter)| *letter);
        let _ = write!(line, " {text}@{letter}");
    }
    Ok(line)
}

fn header(inputs: &Inputs<'_>) -> String {
    let Inputs { litellm_snapshot: litellm, models_dev_snapshot: models_dev, corrections, .. } = inputs;
    let mut text = format!(
        "# Models, one a line: `penstock catalogue update` writes this file, and docs/catalogue.md tells its format.\n\
         # What people know better goes into corrections.txt. Behind each fact stands the letter of its source:\n\
         #\n\
         # source {LITELLM} {} LiteLLM model_prices_and_context_window.json, MIT, Copyright (c) 2023 Berri AI, \
         sha256 {}\n\
         # source {MODELS_DEV} {} models.dev api.json, MIT, Copyright (c) 2025 models.dev, sha256 {}\n\
         # source {BOTH} LiteLLM and models.dev, which agree\n\
         # source {LITELLM_AGAINST} LiteLLM; models.dev differs\n\
         # source {MODELS_DEV_AGAINST} models.dev; LiteLLM differs\n\
         # source {VENDOR} the line of the model's own vendor\n",
        litellm.day, litellm.sha256, models_dev.day, models_dev.sha256
    );
    for Source { letter, day, what } in sources::read(corrections) {
        let day = day.map(|day| format!("{day} ")).unwrap_or_default();
        let _ = writeln!(text, "# source {letter} {day}{what}");
    }
    text
}

#[cfg(test)]
mod tests {
    use penstock_llm::catalogue::line::Line;

    use super::*;

    fn listing(lines: &[&str]) -> Listing {
        let listed = |line: &&str| {
            let (key, facts) = line.split_once(' ').unwrap();
            let facts = facts.split(' ').map(|text| format!(" {text}@x")).collect::<String>();
            let facts = Line::new(&format!("k{facts}")).facts().unwrap();
            (key.to_owned(), Listed { facts, names_page: true })
        };
        lines.iter().map(listed).collect()
    }

    fn generated(litellm: &[&str], models_dev: &[&str], corrections: &str) -> Generated {
        let snapshot = || Snapshot { day: "2026-11-24".into(), sha256: "00".into() };
        generate(&Inputs {
            litellm: &listing(litellm),
            models_dev: &listing(models_dev),
            litellm_snapshot: snapshot(),
            models_dev_snapshot: snapshot(),
            corrections,
        })
        .unwrap()
    }

    fn lines(generated: &Generated) -> Vec<&str> {
        generated.text.lines().filter(|line| !line.starts_with('#')).collect()
    }

    #[test]
    fn corrections_go_over_and_family_facts_below() {
        let corrections = "# source A 2026-11-24 page\n\
                           openai/x chat@f +tools@f sample=refused@A\n\
                           openai/y* chat@f out=5@f sample=refused@A think=effort/low@f\n";
        let made = generated(
            &[
                "openai/x chat -tools sample=free",
                "openai/y-1 chat out=7 think=unknown",
                "openai/y-2 embedding",
                "openai/z chat",
            ],
            &[],
            corrections,
        );
        assert_eq!(
            lines(&made),
            [
                "openai/x chat@l -tools@l sample=refused@A",
                "openai/y-1 chat@l out=7@l think=effort/low@f sample=refused@A",
                "openai/y-2 embedding@l",
                "openai/z chat@l",
            ]
        );
        assert!(made.text.contains("# source A 2026-11-24 page\n"));
    }

    #[test]
    fn hosts_inherit_abilities_and_never_prices() {
        let corrections = "anthropic/claude-a-4-1* think=budget/1024..@A sample=oneof@A\n";
        let made = generated(
            &[
                "anthropic/claude-a-4-1 chat ctx=9 out=8 +tools +schema $=i1,o2",
                "bedrock/eu.anthropic.claude-a-4-1-v1:0 chat out=4 sample=free",
                "openrouter/anthropic/claude-a-4.1 chat sample=free think=effort/low",
            ],
            &[],
            corrections,
        );
        assert_eq!(
            lines(&made),
            [
                "anthropic/claude-a-4-1 chat@l ctx=9@l out=8@l +tools@l +schema@l think=budget/1024..@A sample=oneof@A $=i1,o2@l",
                "bedrock/eu.anthropic.claude-a-4-1-v1:0 chat@l out=4@l +tools@v think=budget/1024..@v sample=oneof@v",
                "openrouter/anthropic/claude-a-4.1 chat@l out=8@v +tools@v think=effort/low@l sample=free@l",
            ]
        );
    }

    #[test]
    fn dated_names_learn_from_the_undated_one() {
        let made = generated(
            &["openai/x-2026-01-01 chat ctx=6 out=3 $=i1", "openai/y-other other"],
            &["openai/x chat ctx=9 prompt=6 out=3 +tools $=i2"],
            "openai/x think=effort/high@A\n",
        );
        assert_eq!(
            lines(&made),
            [
                "openai/x chat@m ctx=9@m prompt=6@m out=3@m +tools@m think=effort/high@A $=i2@m",
                "openai/x-2026-01-01 chat@b ctx=9@m prompt=6@b out=3@b +tools@m think=effort/high@A $=i1@l",
            ]
        );
    }

    #[test]
    fn a_correction_settles_a_dispute() {
        let (litellm, models_dev) = (["xai/a $=i1", "xai/b $=i1"], ["xai/a $=i2", "xai/b $=i2"]);
        let made = generated(&litellm, &models_dev, "xai/a $=i3@A\n");
        assert_eq!(lines(&made), ["xai/a $=i3@A", "xai/b $=i1@L"]);
        assert_eq!(made.disputes.keys().collect::<Vec<_>>(), ["xai/b"]);
    }

    #[test]
    fn a_bad_correction_is_told() {
        let snapshot = || Snapshot { day: String::new(), sha256: String::new() };
        let inputs = Inputs {
            litellm: &Listing::new(),
            models_dev: &Listing::new(),
            litellm_snapshot: snapshot(),
            models_dev_snapshot: snapshot(),
            corrections: "xai/a +wings\n",
        };
        assert!(generate(&inputs).is_err());
    }
}
