//! Which candidates a request may go to, and in which order: a rule's strategy, and what the request uses of a model.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use penstock_config::{FailoverReason, Sticky, Strategy};
use penstock_llm::catalogue;
use penstock_llm::message::{Part, PartBody, Role};
use penstock_llm::needs::{self, Lack, Needs};
use penstock_llm::{Request, Usage};
use rand::Rng;
use ring::digest::{Context, SHA256};

use crate::exit::Skip;
use crate::job::{Ask, Job};
use crate::pick::{self, Runner};
use crate::runtime::{Candidate, Rule};

/// What is thought of an answer whose length nobody knows, tokens.
const USUAL_ANSWER: f64 = 300.0;

/// The candidates of a request.
pub struct Plan {
    /// In the order in which they are tried.
    pub queue: VecDeque<Arc<Candidate>>,
    /// Those that wait for a failure of a certain kind.
    pub reserve: Vec<Arc<Candidate>>,
    /// Those that lack what the request uses, where others have it.
    pub skipped: Vec<Skip>,
    /// What the request uses; `None` where all candidates are alike in that.
    pub needs: Option<Needs>,
}

/// Plans a request. `look` decodes the request even where its order does not depend on it.
pub fn plan(job: &Job<'_>, rule: &Rule, look: bool, now: Instant, rng: &mut impl Rng) -> Plan {
    let model = &job.envelope.model;
    let all: Vec<Arc<Candidate>> =
        rule.targets.iter().flat_map(|target| target.candidates_for(model)).collect();
    let needs = needs_of(job, rule, all.len(), look);
    let sticky = rule.sticky.as_ref().and_then(|sticky| seed(job, rule, sticky));
    let runners: Vec<Runner> = all.iter().map(|c| runner(c, rule.strategy, job, needs, now)).collect();
    let order = pick::order(rule.strategy, &runners, sticky, rng);
    let ordered: Vec<Arc<Candidate>> = order.into_iter().filter_map(|i| all.get(i).cloned()).collect();
    sort_out(ordered, needs)
}

/// What the request uses of a model. Most requests are plain and short, and need not be decoded to know that.
fn needs_of(job: &Job<'_>, rule: &Rule, candidates: usize, look: bool) -> Option<Needs> {
    if !matches!(job.ask, Ask::Generate(_)) || (candidates < 2 && !look) {
        return None;
    }
    let is_asked = look || rule.strategy == Strategy::LeastCost;
    // A token is at least a byte.
    let length = u64::try_from(job.body.len()).unwrap_or(u64::MAX);
    let fits = rule.screen.window.is_none_or(|window| length <= window);
    let is_plain = || !rule.screen.is_partial || needs::is_plain(job.body);
    if !is_asked && fits && is_plain() {
        return None;
    }
    // A body that cannot be read has a message of its own where it is encoded.
    job.needs()
}

fn runner(
    candidate: &Candidate,
    strategy: Strategy,
    job: &Job<'_>,
    needs: Option<Needs>,
    now: Instant,
) -> Runner {
    let load = &candidate.vitals.load;
    Runner {
        target: candidate.target,
        identity: candidate.identity,
        priority: candidate.priority,
        weight: candidate.weight,
        cost: match strategy {
            Strategy::LeastCost => needs.and_then(|needs| expected_cost(candidate, &needs, job)),
            _ => None,
        },
        latency: match strategy {
            Strategy::LeastLatency => load.latency(job.is_stream(), now),
            _ => None,
        },
        waiting: load.waiting(),
        in_flight: load.in_flight(),
        share: candidate.vitals.breaker.share(now),
    }
}

/// What the request is expected to cost at this candidate, picodollars; `None` where a price is unknown. The prompt is
/// estimated; the answer is as long as those of the model were lately, and the part of the prompt that is read from a
/// cache is what it was lately.
pub fn expected_cost(candidate: &Candidate, needs: &Needs, job: &Job<'_>) -> Option<u128> {
    let list = candidate.facts.price.as_ref()?;
    let (answer, cached) = candidate.vitals.load.usual_use();
    let answer = answer.unwrap_or(USUAL_ANSWER).round() as u64;
    let cached = (cached.unwrap_or(0.0) * needs.prompt_tokens as f64) as u64;
    let usage = Usage {
        input: Some(needs.prompt_tokens.saturating_sub(cached)),
        cache_read: Some(cached),
        output: Some(needs.answer_tokens.map_or(answer, |most| answer.min(most))),
        ..Usage::default()
    };
    let tier = job.request().ok().and_then(|request| request.service_tier.as_deref());
    catalogue::cost(list, &usage, tier).map(|cost| cost.total())
}

/// Plans a request for candidates that somebody else chose, in their order: the strategy of the rule, and after which
/// failures a target is there, count no more.
pub fn plan_in_order(job: &Job<'_>, chosen: Vec<Arc<Candidate>>) -> Plan {
    let needs = match job.ask {
        Ask::Generate(_) if chosen.len() > 1 => job.needs(),
        _ => None,
    };
    let of_first = as_of_the_first(needs, chosen.first());
    let mut queue = chosen;
    let skipped = leave_out(&mut queue, |c| of_first.and_then(|needs| needs.unmet_by(&c.facts)));
    Plan { queue: queue.into(), reserve: vec![], skipped: skipped.unwrap_or_default(), needs }
}

/// Reasoning is an effort, not an ability that the answer needs: it counts where the first choice has it.
fn as_of_the_first(needs: Option<Needs>, first: Option<&Arc<Candidate>>) -> Option<Needs> {
    let thinks = first.is_some_and(|first| first.facts.thinks() == Some(true));
    needs.map(|needs| Needs { reasoning: needs.reasoning && thinks, ..needs })
}

/// Leaves out what lacks something that another candidate has. `None` where all lack something: they are all tried. The
/// provider's own word says best what is wrong, and a catalogue may err.
fn leave_out(
    queue: &mut Vec<Arc<Candidate>>,
    lack: impl Fn(&Candidate) -> Option<Lack>,
) -> Option<Vec<Skip>> {
    if !queue.iter().any(|candidate| lack(candidate).is_none()) {
        return None;
    }
    let mut skipped = Vec::new();
    queue.retain(|candidate| match lack(candidate) {
        None => true,
        Some(lack) => {
            skipped.push(Skip::lacking(candidate.clone(), lack));
            false
        }
    });
    Some(skipped)
}

/// Sorts candidates by what they are there for.
fn sort_out(ordered: Vec<Arc<Candidate>>, needs: Option<Needs>) -> Plan {
    let needs_what_the_first_has =
        as_of_the_first(needs, ordered.iter().find(|candidate| candidate.only_after.is_empty()));
    let lack =
        |candidate: &Candidate| needs_what_the_first_has.and_then(|needs| needs.unmet_by(&candidate.facts));
    let is_too_long =
        ordered.iter().any(|c| c.only_after.is_empty() && matches!(lack(c), Some(Lack::Context { .. })));
    let (reserve, mut queue): (Vec<_>, Vec<_>) = ordered.into_iter().partition(|candidate| {
        let is_called_for = is_too_long && candidate.only_after.contains(&FailoverReason::ContextLength);
        !candidate.only_after.is_empty() && !is_called_for
    });
    // What was called for comes behind what needs no call.
    queue.sort_by_key(|candidate| (candidate.is_equivalent, !candidate.only_after.is_empty()));
    let skipped = leave_out(&mut queue, lack);
    if skipped.is_none() && is_too_long {
        queue.sort_by_key(|candidate| std::cmp::Reverse(candidate.facts.context_window));
    }
    Plan { queue: queue.into(), reserve, skipped: skipped.unwrap_or_default(), needs }
}

impl Plan {
    /// There is nobody to ask.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.skipped.is_empty() && self.reserve.is_empty()
    }

    /// Those that wait for this failure join the queue, before the equivalents. True where there were any.
    pub fn call_reserve(&mut self, reason: FailoverReason) -> bool {
        let (called, waiting) =
            std::mem::take(&mut self.reserve).into_iter().partition(|c| c.only_after.contains(&reason));
        self.reserve = waiting;
        let called: Vec<_> = called;
        let is_any = !called.is_empty();
        for candidate in called {
            let at = self.queue.iter().position(|waiting| waiting.is_equivalent);
            self.queue.insert(at.unwrap_or(self.queue.len()), candidate);
        }
        is_any
    }

    /// The prompt did not fit this candidate: what has a larger window goes first, and what has none larger comes last. It
    /// is not left out: windows are what catalogues say, and each tokenizer counts in its own way.
    pub fn needs_more_context_than(&mut self, failed: &Candidate) {
        let Some(window) = failed.facts.context_window else { return };
        self.queue.make_contiguous().sort_by_key(|candidate| {
            let place = match candidate.facts.context_window {
                Some(own) if own > window => 0,
                None => 1,
                Some(_) => 2,
            };
            (candidate.is_equivalent, place)
        });
    }
}

/// What the draw hangs on: the same for requests that belong together, another one in each rule.
fn seed(job: &Job<'_>, rule: &Rule, sticky: &Sticky) -> Option<u64> {
    let mut hash = Context::new(&SHA256);
    hash.update(rule.name.as_bytes());
    hash.update(&[0]);
    match sticky {
        Sticky::User => {
            let user = match job.ask {
                Ask::Embed => job.embed_request().ok()?.user.as_deref(),
                _ => job.request().ok()?.user.as_deref(),
            };
            hash.update(user.filter(|user| !user.is_empty())?.as_bytes());
        }
        Sticky::Header(name) => hash.update(job.headers.get(name.as_str())?.as_bytes()),
        Sticky::Conversation => how_it_began(job.request().ok()?, &mut hash)?,
    }
    let digest = hash.finish();
    let first: [u8; 8] = digest.as_ref().get(..8)?.try_into().ok()?;
    Some(u64::from_be_bytes(first))
}

/// The instructions and the first message of the user, which every turn of a conversation repeats.
fn how_it_began(request: &Request, hash: &mut Context) -> Option<()> {
    let text = |part: &Part| match &part.body {
        PartBody::Text(text) => Some(text.clone()),
        _ => None,
    };
    let first = request.messages.iter().find(|message| message.role == Role::User)?;
    for text in request.system.iter().chain(&first.parts).filter_map(text) {
        hash.update(text.as_bytes());
        hash.update(&[0]);
    }
    Some(())
}
