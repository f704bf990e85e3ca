//! What a route's requests can be about: checked here, learned by the proxies.

use std::collections::BTreeMap;

use penstock_config as config;
use penstock_crds as crds;
use penstock_crds::status::reason;
use penstock_route::intent;

use super::Problem;

/// What goes to the proxies, and what of it cannot be learned from.
pub(super) fn compile(
    intents: &BTreeMap<String, crds::Intent>,
    threshold: Option<u32>,
) -> (Option<config::Intents>, Vec<Problem>) {
    if intents.is_empty() {
        return (None, Vec::new());
    }
    let examples: intent::Examples = intents
        .iter()
        .map(|(name, intent)| {
            let crds::Intent { examples } = intent;
            (name.clone(), examples.clone())
        })
        .collect();
    let problem = |flaw: intent::Flaw| {
        let intent::Flaw { intent, example, message } = flaw;
        let path = match example {
            Some(i) => format!("spec.intents.{intent}.examples[{i}]"),
            None => format!("spec.intents.{intent}.examples"),
        };
        Problem::new(reason::INVALID, path, message)
    };
    let problems = intent::flaws(&examples).into_iter().map(problem).collect();
    (Some(config::Intents { examples, threshold: threshold.unwrap_or(intent::THRESHOLD) }), problems)
}

/// What conditions can compare with.
pub(super) fn names(intents: Option<&config::Intents>) -> Vec<&str> {
    intents.iter().flat_map(|intents| intents.examples.keys()).map(String::as_str).collect()
}
