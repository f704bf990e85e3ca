//! Models that can stand in for a target: those that a user asked for with `equivalents: Auto`, and what the fallbacks
//! that are written down can never do.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use penstock_config as config;
use penstock_crds as crds;
use penstock_llm::catalogue::{self, Facts};
use penstock_llm::needs;
use penstock_llm::provider;

use super::pool::{PoolOutcome, key_of};
use super::targets::{self, Site};

/// So many of a class: a last resort, not a second catalogue.
const MOST: usize = 3;
/// Behind every priority that can be written down.
const LAST_PRIORITY: u32 = 1_000;

/// What the pools have, looked up once for all routes of one compile: a provider without a list may serve hundreds of
/// models.
#[derive(Default)]
pub(super) struct Shelf(RefCell<BTreeMap<String, Rc<Vec<Offer>>>>);

/// A model of a pool.
struct Offer {
    model: String,
    candidates: Vec<(config::Candidate, Facts)>,
}

impl Shelf {
    fn offers(&self, pool: &PoolOutcome<'_>, site: &Site<'_>) -> Rc<Vec<Offer>> {
        let id = pool.key.id();
        if let Some(known) = self.0.borrow().get(&id) {
            return known.clone();
        }
        let offers = Rc::new(offers(pool, site));
        self.0.borrow_mut().insert(id, offers.clone());
        offers
    }
}

/// Every model of the pool that it can serve now, and that nobody retires.
fn offers(pool: &PoolOutcome<'_>, site: &Site<'_>) -> Vec<Offer> {
    let (Some(spec), Some(usable)) = (pool.spec, &pool.contribution) else { return vec![] };
    let names: BTreeSet<String> = spec.providers.iter().flat_map(|p| models_of(p, site)).collect();
    let of = |model: String| {
        let serving = targets::candidates(spec, &model, &site.world.catalogue);
        let known = targets::usable_of(serving, Some(usable)).into_iter().filter_map(|candidate| {
            let facts = facts_of(&candidate, usable).filter(|facts| facts.deprecated.is_none())?;
            Some((candidate, facts))
        });
        Offer { candidates: known.collect(), model }
    };
    names.into_iter().map(of).filter(|offer| !offer.candidates.is_empty()).collect()
}

/// What is known of the model that a candidate asks for.
fn facts_of(candidate: &config::Candidate, pool: &config::Pool) -> Option<Facts> {
    let provider = pool.providers.iter().find(|provider| provider.name == candidate.provider)?;
    let known = provider::by_name(&provider.r#type)?;
    let mut facts = catalogue::find(&known.key(), &candidate.upstream).unwrap_or_default();
    // The operator wrote them: they can be read.
    if let Ok(better) = serde_json::from_value(candidate.facts.clone().into()) {
        facts.overlay(&better);
    }
    Some(facts)
}

fn first_facts(target: &config::Target, site: &Site<'_>) -> Option<Facts> {
    let pool = site.pools.get(&target.pool)?.contribution.as_ref()?;
    facts_of(target.candidates.first()?, pool)
}

/// The models of the target's class in the pools of the namespace, the closest in price first, those of other
/// providers before those of the target's own, without those that the rule has already.
pub(super) fn find(site: &Site<'_>, target: &config::Target, rule: &[config::Target]) -> Vec<config::Target> {
    let Some(primary) = first_facts(target, site) else { return vec![] };
    let own_providers: Vec<&str> = target.candidates.iter().map(|c| c.provider.as_str()).collect();
    let mut found: Vec<((bool, f64), config::Target)> = Vec::new();
    for pool in site.pools.values().filter(|pool| pool.key.namespace == site.namespace) {
        let id = pool.key.id();
        for Offer { model, candidates } in site.shelf.offers(pool, site).iter() {
            let is_there = |t: &config::Target| t.pool == id && t.model.as_ref() == Some(model);
            if rule.iter().any(is_there) {
                continue;
            }
            let of_class: Vec<(f64, &config::Candidate)> = candidates
                .iter()
                .filter_map(|(candidate, facts)| Some((needs::same_class(&primary, facts)?, candidate)))
                .collect();
            let Some(closest) = of_class.iter().map(|(apart, _)| *apart).min_by(f64::total_cmp) else {
                continue;
            };
            let is_own = id == target.pool
                && of_class.iter().all(|(_, c)| own_providers.contains(&c.provider.as_str()));
            let equivalent = config::Target {
                pool: id.clone(),
                model: Some(model.clone()),
                priority: LAST_PRIORITY,
                weight: 100,
                only_after: vec![],
                timeouts: target.timeouts,
                is_equivalent: true,
                candidates: of_class.into_iter().map(|(_, candidate)| candidate.clone()).collect(),
                listed: BTreeMap::new(),
            };
            found.push(((is_own, closest), equivalent));
        }
    }
    found.sort_by(|((own_a, a), x), ((own_b, b), y)| {
        own_a.cmp(own_b).then(a.total_cmp(b)).then(x.pool.cmp(&y.pool)).then(x.model.cmp(&y.model))
    });
    // The same model of another date is no second resort.
    let mut seen = BTreeSet::new();
    found.retain(|(_, target)| {
        let model = target.model.as_deref().unwrap_or_default();
        seen.insert((target.pool.clone(), catalogue::undated(model).to_owned()))
    });
    found.truncate(MOST);
    // Each has a priority of its own: the closest one is tried first.
    let ordered = found.into_iter().map(|(_, target)| target).zip(LAST_PRIORITY..);
    ordered.map(|(target, priority)| config::Target { priority, ..target }).collect()
}

/// The models that a provider can be asked for by name.
fn models_of(provider: &crds::Provider, site: &Site<'_>) -> Vec<String> {
    match &provider.models {
        Some(models) => models.iter().map(|model| model.name.clone()).collect(),
        None => {
            let key = key_of(provider.r#type);
            let corrected = site.world.catalogue.models(&key).map(str::to_owned);
            catalogue::models(&key).map(str::to_owned).chain(corrected).collect()
        }
    }
}

/// What fallbacks of a rule can never do that its first target can, and what has no price where the price decides.
pub(super) fn warnings(site: &Site<'_>, rule: &config::Rule) -> Vec<String> {
    let rule_path = site.path;
    let mut said = Vec::new();
    let lowest = rule.targets.iter().map(|target| target.priority).min();
    let primary = rule
        .targets
        .iter()
        .find(|t| Some(t.priority) == lowest && t.weight > 0 && t.only_after.is_empty() && t.model.is_some());
    let of_primary = primary.and_then(|target| Some((target, first_facts(target, site)?)));
    for (i, target) in rule.targets.iter().enumerate().filter(|(_, target)| !target.is_equivalent) {
        let Some(facts) = first_facts(target, site) else { continue };
        let name = target.model.as_deref().unwrap_or_default();
        let is_compared = rule.strategy == config::Strategy::LeastCost && target.only_after.is_empty();
        if is_compared && !has_price(&facts) {
            said.push(format!(
                "{rule_path}.targets[{i}]: no price is known of `{name}`, so that LeastCost always tries it last; \
                 give `price` in `models` of its provider"
            ));
        }
        let Some((first, of_first)) = &of_primary else { continue };
        if std::ptr::eq(*first, target) {
            continue;
        }
        let lacks: Vec<String> =
            needs::shortfalls(of_first, &facts).into_iter().map(|lack| shortfall(&lack)).collect();
        if !lacks.is_empty() {
            said.push(format!(
                "{rule_path}.targets[{i}]: `{name}` can never take over requests that need {}; `{}` serves those",
                lacks.join(", "),
                first.model.as_deref().unwrap_or_default(),
            ));
        }
    }
    said
}

fn has_price(facts: &Facts) -> bool {
    facts.price.as_ref().is_some_and(|price| price.base.input.is_some() && price.base.output.is_some())
}

fn shortfall(lack: &needs::Lack) -> String {
    use needs::Lack;
    match lack {
        Lack::Image => "images".into(),
        Lack::Pdf => "PDFs".into(),
        Lack::Audio => "audio".into(),
        Lack::Video => "video".into(),
        Lack::Tools => "tools".into(),
        Lack::ForcedTools => "a forced tool call".into(),
        Lack::JsonSchema => "a JSON schema".into(),
        Lack::Reasoning => "reasoning".into(),
        Lack::Context { prompt: _, window } => format!("more than {window} tokens of context"),
    }
}

#[cfg(test)]
mod tests {
    use crate::compile::compile;
    use crate::compile::tests::{targets, world};

    fn pool(name: &str, providers: &str) -> String {
        format!(
            "apiVersion: penstock.dev/v1alpha1\nkind: ProviderPool\nmetadata: {{name: {name}, namespace: ai}}\n\
             spec: {{providers: [{providers}]}}"
        )
    }

    fn local(name: &str, models: &str) -> String {
        format!(
            "{{name: {name}, type: OpenAICompatible, endpoint: http://{name}:8000/v1, models: [{models}]}}"
        )
    }

    fn model(name: &str, price: &str, window: u32, tools: bool) -> String {
        format!(
            "{{name: {name}, price: {{input: \"{price}\", output: \"{price}\"}}, contextWindow: {window}, \
             capabilities: {{tools: {tools}}}}}"
        )
    }

    fn route(targets: &str) -> String {
        format!(
            "apiVersion: penstock.dev/v1alpha1\nkind: ModelRoute\nmetadata: {{name: r, namespace: ai}}\n\
             spec: {{models: [{{name: bot}}], rules: [{{name: all, targets: [{targets}]}}]}}"
        )
    }

    #[test]
    fn models_of_the_class_stand_behind_everything_nearest_first() {
        let here = pool(
            "here",
            &local(
                "one",
                &[
                    model("primary", "1.00", 8_000, true),
                    model("twin", "1.00", 8_000, true),
                    model("dear", "9.00", 8_000, true),
                    model("small", "1.00", 4_000, true),
                    model("mute", "1.00", 8_000, false),
                ]
                .join(", "),
            ),
        );
        let there = pool(
            "there",
            &local(
                "two",
                &[model("near", "1.10", 9_000, true), model("far", "2.50", 8_000, true)].join(", "),
            ),
        );
        let text = [here, there, route("{pool: here, model: primary, equivalents: Auto}")].join("\n---\n");
        let compiled = compile(&world(&text));
        // Another provider's first, however near the own one's twin is.
        assert_eq!(
            targets(&compiled.snapshot, "ai/r"),
            [
                "ai/here/primary one:primary",
                "ai/there/near two:near",
                "ai/there/far two:far",
                "ai/here/twin one:twin"
            ]
        );
        let rule = &compiled.snapshot.routes["ai/r"].rules[0];
        assert!(rule.targets[1..].iter().all(|target| target.is_equivalent && target.priority >= 1_000));
    }

    #[test]
    fn what_a_fallback_can_never_do_is_a_warning() {
        let models = [model("able", "1.00", 8_000, true), model("mute", "1.00", 4_000, false)].join(", ");
        let pool = pool("p", &local("one", &models));
        let text =
            [pool, route("{pool: p, model: able}, {pool: p, model: mute, priority: 1}")].join("\n---\n");
        let compiled = compile(&world(&text));
        let warnings = &compiled.verdicts[&crate::compile::ObjectKey {
            kind: crate::compile::Kind::ModelRoute,
            namespace: "ai".into(),
            name: "r".into(),
        }]
            .warnings;
        assert_eq!(
            *warnings,
            [
                "spec.rules[0].targets[1]: `mute` can never take over requests that need tools, more than 4000 tokens \
              of context; `able` serves those"
            ]
        );
    }
}
