//! One model, two sources: which says what, and who is believed.
//!
//! The rules, as `docs/catalogue.md` states them for people:
//! - what only one says, counts;
//! - where they differ, LiteLLM counts if its entry names the vendor's page that it was read from, else models.dev;
//! - but kinds of content and reasoning are models.dev's to say (it lists them whole; LiteLLM has single flags), and the
//!   mode and sampling LiteLLM's (it has a word for each);
//! - an output limit that equals the window is no statement beside another limit;
//! - models.dev mostly lists a model once, without date: what it says there, prices excepted, counts for LiteLLM's dated
//!   names, too;
//! - a `-latest` whose price is disputed has moved between the two snapshots: what the source that does not count says, it
//!   says of another model;
//! - prices that differ by more than a hundredth are disputed (less is rounding), and then the list of the source that counts is taken
//!   whole: half a list of each would be nobody's price.

use std::collections::BTreeMap;

use penstock_llm::catalogue::{
    AboveTokens, Facts, Price, PriceList, Prices, Reasoning, ReasoningStyle, TierPrices, line,
};

use super::listing::Listed;

/// Letters of the generated file.
pub const LITELLM: char = 'l';
pub const MODELS_DEV: char = 'm';
pub const BOTH: char = 'b';
pub const LITELLM_AGAINST: char = 'L';
pub const MODELS_DEV_AGAINST: char = 'M';
pub const VENDOR: char = 'v';
pub const FAMILY: char = 'f';

/// Facts as written, by name, each with the letter of its source.
pub type Fields = BTreeMap<String, (String, char)>;

/// The sources disagree on a price.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dispute {
    pub litellm: String,
    pub models_dev: String,
    /// LiteLLM's is taken.
    pub takes_litellm: bool,
}

/// Every fact with this letter.
pub fn fields(facts: &Facts, letter: char) -> Fields {
    let name = |text: &str| line::name(text).to_owned();
    line::write(facts).into_iter().map(|text| (name(&text), (text, letter))).collect()
}

/// What is known of a model from both sources.
pub fn merge(key: &str, litellm: Option<&Listed>, models_dev: Option<&Listed>) -> (Fields, Option<Dispute>) {
    let (litellm, models_dev) = match (litellm, models_dev) {
        (Some(litellm), Some(models_dev)) => (litellm, models_dev),
        (Some(litellm), None) => return (fields(&litellm.facts, LITELLM), None),
        (None, Some(models_dev)) => return (fields(&models_dev.facts, MODELS_DEV), None),
        (None, None) => return (Fields::new(), None),
    };
    let takes_litellm = litellm.names_page;
    if key.ends_with("-latest") && disputes(&litellm.facts, &models_dev.facts) {
        let (facts, letter) =
            if takes_litellm { (&litellm.facts, LITELLM) } else { (&models_dev.facts, MODELS_DEV) };
        return (fields(facts, letter), None);
    }
    let (mut one, mut other) = (litellm.facts.clone(), models_dev.facts.clone());
    settle_limits(&mut one, &mut other);
    settle_reasoning(&mut one.reasoning, &mut other.reasoning);
    let (prices, dispute) = merge_prices(one.price.take(), other.price.take(), takes_litellm);

    let mut merged = fields(&other, MODELS_DEV);
    for (name, (text, _)) in fields(&one, LITELLM) {
        let field = match merged.remove(&name) {
            None => (text, LITELLM),
            Some((same, _)) if same == text => (text, BOTH),
            Some((theirs, _)) => {
                let ours_counts = match name.as_str() {
                    "mode" | "sample" => true,
                    "in" | "gen" | "think" => false,
                    _ => takes_litellm,
                };
                if ours_counts { (text, LITELLM_AGAINST) } else { (theirs, MODELS_DEV_AGAINST) }
            }
        };
        merged.insert(name, field);
    }
    merged.extend(prices);
    (merged, dispute)
}

fn disputes(one: &Facts, other: &Facts) -> bool {
    let base = |facts: &Facts| facts.price.as_ref().map(|list| list.base);
    base(one).zip(base(other)).is_some_and(|(one, other)| agreed(one, other).is_none())
}

/// LiteLLM's input limit is the window for most models, and the prompt's share of it for some.
fn settle_limits(litellm: &mut Facts, models_dev: &mut Facts) {
    let (ours, theirs) = (litellm.context_window, models_dev.context_window);
    if litellm.max_output != models_dev.max_output
        && litellm.max_output.is_some()
        && models_dev.max_output.is_some()
    {
        if litellm.max_output == ours {
            litellm.max_output = None;
        } else if models_dev.max_output == theirs {
            models_dev.max_output = None;
        }
    }
    if let (Some(ours), Some(theirs)) = (ours, theirs)
        && ours != theirs
    {
        let with_output = litellm.max_output.map(|output| ours.saturating_add(output));
        if models_dev.max_input == Some(ours) || with_output == Some(theirs) {
            litellm.max_input = Some(ours);
            litellm.context_window = None;
        }
    }
}

/// "It thinks" is no contradiction to how it thinks; adaptive thinking has effort words, and may take a budget, too.
fn settle_reasoning(litellm: &mut Option<Reasoning>, models_dev: &mut Option<Reasoning>) {
    let (Some(ours), Some(theirs)) = (litellm.as_mut(), models_dev.as_mut()) else { return };
    let thinks = |reasoning: &Reasoning| reasoning.style != ReasoningStyle::Never;
    if !thinks(ours) || !thinks(theirs) {
        return;
    }
    match (ours.style, theirs.style) {
        (ReasoningStyle::Unknown, _) => *litellm = None,
        (_, ReasoningStyle::Unknown) => *models_dev = None,
        (ReasoningStyle::Adaptive, ReasoningStyle::Effort) => {
            theirs.style = ReasoningStyle::Adaptive;
            if let Some(can_disable) = ours.can_disable {
                theirs.can_disable = Some(can_disable);
            }
            *ours = theirs.clone();
        }
        _ => {}
    }
}

/// A place in a price list: tier and threshold.
type Place = (String, Option<u64>);

fn places(list: Option<PriceList>) -> BTreeMap<Place, Prices> {
    let PriceList { base, above, tiers } = list.unwrap_or_default();
    let mut places = BTreeMap::new();
    let mut add = |tier: &str, base: Prices, above: Vec<AboveTokens>| {
        places.insert((tier.to_owned(), None), base);
        places.extend(above.into_iter().map(|above| ((tier.to_owned(), Some(above.tokens)), above.prices)));
    };
    add("", base, above);
    for TierPrices { tier, prices, above } in tiers {
        add(&tier, prices, above);
    }
    places.retain(|_, prices| !prices.is_empty());
    places
}

/// A place's prices as a line has them.
fn written((tier, tokens): &Place, prices: Prices) -> Option<(String, String)> {
    let above = tokens.map(|tokens| AboveTokens { tokens, prices });
    let base = if above.is_some() { Prices::default() } else { prices };
    let above: Vec<AboveTokens> = above.into_iter().collect();
    let list = if tier.is_empty() {
        PriceList { base, above, tiers: Vec::new() }
    } else {
        let tier = TierPrices { tier: tier.clone().into(), prices: base, above };
        PriceList { tiers: vec![tier], ..PriceList::default() }
    };
    let text = line::write(&Facts { price: Some(list), ..Facts::default() }).pop()?;
    Some((line::name(&text).to_owned(), text))
}

fn merge_prices(
    litellm: Option<PriceList>,
    models_dev: Option<PriceList>,
    takes_litellm: bool,
) -> (Fields, Option<Dispute>) {
    let (ours, theirs) = (places(litellm), places(models_dev));
    let base = (String::new(), None);
    let is_disputed = match (ours.get(&base), theirs.get(&base)) {
        (Some(ours), Some(theirs)) => agreed(*ours, *theirs).is_none(),
        _ => false,
    };
    let mut merged = Fields::new();
    let mut put = |place: &Place, prices: Prices, letter: char| {
        merged.extend(written(place, prices).map(|(name, text)| (name, (text, letter))));
    };
    for (place, our) in &ours {
        match theirs.get(place) {
            Some(their) => match agreed(*our, *their).filter(|_| !is_disputed) {
                Some(prices) => put(place, prices, BOTH),
                None if takes_litellm => put(place, *our, LITELLM_AGAINST),
                None => put(place, *their, MODELS_DEV_AGAINST),
            },
            None if takes_litellm || !is_disputed => put(place, *our, LITELLM),
            None => {}
        }
    }
    for (place, their) in theirs.iter().filter(|(place, _)| !ours.contains_key(*place)) {
        if !takes_litellm || !is_disputed {
            put(place, *their, MODELS_DEV);
        }
    }
    let text = |places: &BTreeMap<Place, Prices>| {
        places.get(&base).and_then(|prices| written(&base, *prices)).map(|(_, text)| text).unwrap_or_default()
    };
    let dispute =
        is_disputed.then(|| Dispute { litellm: text(&ours), models_dev: text(&theirs), takes_litellm });
    (merged, dispute)
}

/// The prices of both, where they agree on every class that both know; the shorter of two spellings of the same price.
fn agreed(one: Prices, other: Prices) -> Option<Prices> {
    let class = |one: Option<Price>, other: Option<Price>| match (one, other) {
        (Some(one), Some(other)) if one.0.abs_diff(other.0).saturating_mul(100) > one.0.max(other.0) => None,
        (Some(one), Some(other)) => {
            let digits = |price: Price| price.to_string().trim_end_matches('0').len();
            Some(Some(if digits(other) < digits(one) { other } else { one }))
        }
        (one, other) => Some(one.or(other)),
    };
    Some(Prices {
        input: class(one.input, other.input)?,
        output: class(one.output, other.output)?,
        cache_read: class(one.cache_read, other.cache_read)?,
        cache_write: class(one.cache_write, other.cache_write)?,
        cache_write_1h: class(one.cache_write_1h, other.cache_write_1h)?,
        reasoning: class(one.reasoning, other.reasoning)?,
        input_audio: class(one.input_audio, other.input_audio)?,
        output_audio: class(one.output_audio, other.output_audio)?,
    })
}

#[cfg(test)]
mod tests {
    use penstock_llm::catalogue::line::Line;

    use super::*;

    fn listed(facts: &str, names_page: bool) -> Listed {
        let facts = facts.split(' ').map(|text| format!(" {text}@x")).collect::<String>();
        Listed { facts: Line::new(&format!("k{facts}")).facts().unwrap(), names_page }
    }

    fn merged(litellm: &str, names_page: bool, models_dev: &str) -> String {
        let (fields, _) = merge("a/b", Some(&listed(litellm, names_page)), Some(&listed(models_dev, false)));
        fields.values().map(|(text, letter)| format!("{text}@{letter}")).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn who_says_it_and_who_is_believed() {
        for (litellm, names_page, models_dev, want) in [
            ("chat +tools", true, "chat -schema", "chat@b -schema@m +tools@l"),
            ("out=5 +tools", true, "out=6 -tools", "out=5@L +tools@L"),
            ("out=5 +tools", false, "out=6 -tools", "out=6@M -tools@M"),
            ("in=t sample=refused", true, "in=ti sample=free", "in=ti@M sample=refused@L"),
            // Limits.
            ("ctx=9 out=9", true, "ctx=9 out=4", "ctx=9@b out=4@m"),
            ("ctx=9 out=4", false, "ctx=9 out=9", "ctx=9@b out=4@l"),
            ("ctx=6 out=3", true, "ctx=9 out=3", "ctx=9@m out=3@b prompt=6@l"),
            ("ctx=6 out=3", true, "ctx=10 prompt=6 out=3", "ctx=10@m out=3@b prompt=6@b"),
            ("ctx=6 out=3", true, "ctx=8 out=3", "ctx=6@L out=3@b"),
            // Reasoning.
            ("think=unknown", true, "think=budget/1..2", "think=budget/1..2@m"),
            ("think=effort/low", true, "think=unknown", "think=effort/low@l"),
            ("think=effort/low", true, "think=never", "think=never@M"),
            (
                "think=adaptive/low,high/-off",
                true,
                "think=effort/low,max/1024..",
                "think=adaptive/low,max/1024../-off@b",
            ),
            // Prices.
            ("$=i1,o2,w3", true, "$=i1,o2,r0.1", "$=i1,o2,r0.1,w3@b"),
            ("$=i2.99999,o15.00002", true, "$=i3,o15", "$=i3,o15@b"),
            ("$=i1,o2,w3 $batch=i0.5", true, "$=i2,o2,r0.1 $>9=i4", "$=i1,o2,w3@L $batch=i0.5@l"),
            ("$=i1,o2,w3 $batch=i0.5", false, "$=i2,o2,r0.1 $>9=i4", "$=i2,o2,r0.1@M $>9=i4@m"),
            ("$=i1 $>9=i2", true, "$=i1 $>9=i3", "$=i1@b $>9=i2@L"),
            ("chat", true, "chat $=i1", "$=i1@m chat@b"),
        ] {
            assert_eq!(merged(litellm, names_page, models_dev), want, "{litellm} | {models_dev}");
        }
    }

    #[test]
    fn a_dispute_is_told() {
        let dispute = |litellm: &str, models_dev: &str| {
            merge("a/b", Some(&listed(litellm, true)), Some(&listed(models_dev, false))).1
        };
        assert_eq!(dispute("$=i1,o2", "$=i1,o2"), None);
        assert_eq!(dispute("$=i1,o2", "chat"), None);
        let want = Dispute { litellm: "$=i1,o2".into(), models_dev: "$=i1,o3".into(), takes_litellm: true };
        assert_eq!(dispute("$=i1,o2", "$=i1,o3"), Some(want));
    }

    #[test]
    fn a_moved_name_means_two_models() {
        let (litellm, models_dev) = (listed("chat $=i1", true), listed("chat +tools $=i2", false));
        let (fields, dispute) = merge("a/b-latest", Some(&litellm), Some(&models_dev));
        let texts: Vec<&str> = fields.values().map(|(text, _)| text.as_str()).collect();
        assert_eq!((texts, dispute), (vec!["$=i1", "chat"], None));
    }

    #[test]
    fn one_source_alone_counts() {
        let (fields, dispute) = merge("a/b", None, Some(&listed("chat", false)));
        assert_eq!((fields["mode"].clone(), dispute), (("chat".to_owned(), MODELS_DEV), None));
        let (fields, _) = merge("a/b", Some(&listed("chat", false)), None);
        assert_eq!(fields["mode"].1, LITELLM);
    }
}
