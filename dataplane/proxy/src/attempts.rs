//! The attempt loop: candidates in their order, until one has begun to answer.
//!
//! A failure goes to the next candidate. When none is left, those whose failures pass are tried again, after a pause and
//! within their retry budget. Where the route hedges, a second candidate is asked while the first one is slow.

use std::sync::Arc;
use std::time::{Duration, Instant};

use penstock_config::FailoverReason;
use penstock_llm::{ClientError, ErrorKind};
use rand::RngExt;

use crate::attempt::{self, Answer, Next, Permit};
use crate::exit::{Exit, Skip, every_target_failed};
use crate::failure::Failure;
use crate::health::Seat;
use crate::hooks;
use crate::job::{Ask, Encoded, Job, Unsendable};
use crate::meter::Meter;
use crate::metrics::SkipReason;
use crate::plan::{self, Plan};
use crate::runtime::{Candidate, Route, Rule, Via};
use crate::trail::{Step, Trail, attempted};

/// A provider that asks for more time than this is not waited for.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// What was found for a request: an answer that has begun.
pub struct Found {
    pub answer: Answer,
    pub target: Arc<Candidate>,
    pub route: Arc<Route>,
    pub attempts: usize,
    pub deadline: Instant,
    pub seat: Option<Seat>,
}

/// Tries the rule's targets.
pub async fn try_targets(
    job: &Job<'_>,
    rule: &Rule,
    plan: Plan,
    meter: &mut Meter,
    trail: &mut Trail,
) -> Result<Found, Exit> {
    for skip in &plan.skipped {
        note_skip(trail, skip);
    }
    // What others took is no time of the gateway's own.
    let elsewhere = hooks::waited(&trail.hooks);
    let mut attempts = Attempts {
        job,
        deadline: meter.started() + rule.total,
        plan,
        failures: Vec::new(),
        again: Vec::new(),
        retrying: Vec::new(),
        round: 0,
        started: 0,
        is_over: false,
        elsewhere,
        meter,
        trail,
    };
    loop {
        let Some(ready) = attempts.next().await? else {
            if attempts.wait_for_next_round().await {
                continue;
            }
            break;
        };
        if let Some(found) = attempts.run(ready).await {
            return Ok(found);
        }
    }
    let Attempts { plan, failures, .. } = attempts;
    Err(every_target_failed(job.route, failures, &plan.skipped))
}

struct Attempts<'j, 'r> {
    job: &'j Job<'r>,
    deadline: Instant,
    plan: Plan,
    failures: Vec<(Arc<Candidate>, Failure)>,
    /// Those that may be tried again, with what they asked to wait.
    again: Vec<(Arc<Candidate>, Duration)>,
    /// Those in the queue that have failed before, and have not been asked again yet.
    retrying: Vec<Arc<Candidate>>,
    round: u32,
    /// Attempts so far, cancelled ones included.
    started: usize,
    /// A failure that no other target would mend.
    is_over: bool,
    elsewhere: Duration,
    meter: &'j mut Meter,
    trail: &'j mut Trail,
}

/// A candidate that may be asked, and what it will be asked.
struct Ready {
    target: Arc<Candidate>,
    encoded: Encoded,
    permit: Option<Permit>,
    deadline: Instant,
    next: Next,
    is_hedge: bool,
}

/// An attempt that ended.
struct Ended {
    target: Arc<Candidate>,
    outcome: Result<Answer, Failure>,
    seat: Option<Seat>,
    took: Duration,
    is_hedge: bool,
}

/// Asks. Dropped before its end, it cancels the provider's request and frees what the permit holds.
async fn ask(job: &Job<'_>, ready: Ready) -> Ended {
    let Ready { target, encoded, permit, deadline, next, is_hedge } = ready;
    let began = Instant::now();
    let outcome = attempt::run(job, &target, encoded, deadline, next).await;
    let now = Instant::now();
    let seat = permit.and_then(|permit| permit.settle(outcome.as_ref(), now));
    Ended { target, outcome, seat, took: now.saturating_duration_since(began), is_hedge }
}

impl Attempts<'_, '_> {
    fn left(&self) -> usize {
        self.job.route.max_attempts.saturating_sub(self.started)
    }

    fn is_out_of_time(&self) -> bool {
        self.is_over || self.left() == 0 || Instant::now() >= self.deadline
    }

    fn skip(&mut self, skip: Skip) {
        note_skip(self.trail, &skip);
        self.plan.skipped.push(skip);
    }

    /// The next candidate that may be asked.
    async fn next(&mut self) -> Result<Option<Ready>, Exit> {
        while !self.is_out_of_time() {
            let Some(target) = self.plan.queue.pop_front() else { break };
            let retry = self.retrying.iter().position(|again| Arc::ptr_eq(again, &target));
            let Some(retry) = retry else {
                match self.prepare(target).await? {
                    Some(ready) => return Ok(Some(ready)),
                    None => continue,
                }
            };
            // It pays when it is asked, and not before: another one may answer first.
            self.retrying.swap_remove(retry);
            if !target.vitals.retries.take(self.job.route.retries.budget_percent) {
                continue;
            }
            match self.prepare(target.clone()).await? {
                Some(ready) => {
                    target.metrics.retried.inc();
                    return Ok(Some(ready));
                }
                None => target.vitals.retries.give_back(),
            }
        }
        Ok(None)
    }

    /// Encodes for this candidate and waits for its leave; `None` where it is passed over.
    async fn prepare(&mut self, target: Arc<Candidate>) -> Result<Option<Ready>, Exit> {
        let encoded = match self.job.encode(&target) {
            Err(Unsendable::Refused(refused)) if self.job.is_worth_fetching(&target) => {
                if let Err((reason, wait)) = Permit::foresee(&target, Instant::now()) {
                    self.skip(Skip::new(target, reason, wait));
                    return Ok(None);
                }
                let asked = Instant::now();
                // The other half is for the answer: a slow file must not look like a slow provider.
                let until = asked + self.deadline.saturating_duration_since(asked) / 2;
                let inlined = Box::pin(self.job.encode_inlined(&target, until)).await;
                self.elsewhere += asked.elapsed();
                inlined.unwrap_or(Err(Unsendable::Refused(refused)))
            }
            encoded => encoded,
        };
        let encoded = match encoded {
            Ok(encoded) => encoded,
            Err(Unsendable::Bad(bad)) => return Err(ClientError::from(bad).into()),
            Err(Unsendable::Refused(refused)) => {
                self.skip(Skip::new(target, SkipReason::CannotTranslate, None).because(refused));
                return Ok(None);
            }
        };
        let permit = if self.is_by_itself(&target, &encoded) {
            None
        } else {
            let most = self.deadline.saturating_duration_since(Instant::now());
            match Permit::ask(&target, self.job.is_stream(), most).await {
                Ok(permit) => Some(permit),
                Err((reason, wait)) => {
                    self.skip(Skip::new(target, reason, wait));
                    return Ok(None);
                }
            }
        };
        Ok(Some(self.ready(target, encoded, permit, false)))
    }

    /// A candidate that may be asked at once, beside one that is being asked.
    fn next_at_once(&mut self) -> Option<Ready> {
        if self.is_out_of_time() {
            return None;
        }
        let target = self.plan.queue.pop_front()?;
        // Whoever has just failed is no company; who needs a wait may do later.
        let is_fresh = !self.retrying.iter().any(|again| Arc::ptr_eq(again, &target));
        let encoded = is_fresh.then(|| self.job.encode(&target).ok()).flatten();
        let leave = encoded.and_then(|encoded| {
            let permit = Permit::ask_now(&target, self.job.is_stream(), Instant::now()).ok()?;
            Some((encoded, permit))
        });
        match leave {
            Some((encoded, permit)) => Some(self.ready(target, encoded, Some(permit), true)),
            None => {
                self.plan.queue.push_front(target);
                None
            }
        }
    }

    fn is_by_itself(&self, target: &Candidate, encoded: &Encoded) -> bool {
        matches!(target.via, Via::Http) && attempt::answers_by_itself(self.job, encoded)
    }

    fn ready(
        &mut self,
        target: Arc<Candidate>,
        encoded: Encoded,
        permit: Option<Permit>,
        is_hedge: bool,
    ) -> Ready {
        if let (Some((before, failure)), false) = (self.failures.last(), is_hedge)
            && let Some(reason) = failure.reason
            && !Arc::ptr_eq(before, &target)
        {
            before.metrics.failover(reason);
        }
        if self.started == 0 {
            self.meter.add_overhead(self.meter.started().elapsed().saturating_sub(self.elsewhere));
        }
        if !self.failures.iter().any(|(failed, _)| Arc::ptr_eq(failed, &target)) {
            target.vitals.retries.pay_in(self.job.route.retries.budget_percent);
        }
        let tries = self.left().min(self.plan.queue.len() + 1);
        self.started += 1;
        self.trail.translates(&target.label, target.is_equivalent, &encoded.ledger);
        let deadline = self.attempt_deadline(&target, tries);
        let filter = FailoverReason::ContentFilter;
        let is_there_for_filtered =
            |candidate: &Arc<Candidate>| candidate.only_after.contains(&filter) && self.left() > 0;
        let next = Next {
            is_none: tries == 1 && self.plan.reserve.is_empty() && !self.may_return_to_others_than(&target),
            takes_filtered: (tries > 1 && self.job.route.failover_on.contains(&filter))
                || self.plan.reserve.iter().any(is_there_for_filtered),
        };
        Ready { target, encoded, permit, deadline, next, is_hedge }
    }

    /// Others that failed may be tried again behind this one.
    fn may_return_to_others_than(&self, target: &Arc<Candidate>) -> bool {
        let percent = self.job.route.retries.budget_percent;
        self.left() > 0
            && self
                .again
                .iter()
                .any(|(other, _)| !Arc::ptr_eq(other, target) && other.vitals.retries.has_any(percent))
    }

    /// A streamed answer has until `firstToken`. One that is not streamed has no first token: it has until `answer`, or
    /// an even share of the time that is left, so that a target that hangs leaves some for the others.
    fn attempt_deadline(&self, target: &Candidate, tries: usize) -> Instant {
        let now = Instant::now();
        let left = self.deadline.saturating_duration_since(now);
        let limits = &target.limits;
        let time = match (self.job.is_stream(), limits.answer) {
            (true, _) => limits.first_token,
            (false, Some(answer)) => answer,
            (false, None) => left / u32::try_from(tries.max(1)).unwrap_or(1),
        };
        now + time.min(left)
    }

    async fn run(&mut self, ready: Ready) -> Option<Found> {
        let job = self.job;
        let Some((delay, percent)) = self.hedge(&ready) else {
            let ended = ask(job, ready).await;
            return self.settle(ended);
        };
        // Few requests come here: the others need no place on the heap.
        Box::pin(self.run_beside(ready, delay, percent)).await
    }

    /// Asks, and asks a second one too when the first has not begun to answer after `delay`.
    async fn run_beside(&mut self, ready: Ready, delay: Duration, percent: u32) -> Option<Found> {
        let job = self.job;
        let first = ready.target.clone();
        let mut asking = Box::pin(ask(job, ready));
        if let Ok(ended) = tokio::time::timeout(delay, &mut asking).await {
            return self.settle(ended);
        }
        if !first.vitals.hedges.take(percent) {
            let ended = asking.await;
            return self.settle(ended);
        }
        let Some(second) = self.next_at_once() else {
            first.vitals.hedges.give_back();
            let ended = asking.await;
            return self.settle(ended);
        };
        first.metrics.hedged.inc();
        let beside = second.target.clone();
        let mut hedge = Box::pin(ask(job, second));
        let (ended, other) = tokio::select! {
            ended = &mut asking => (ended, (hedge, beside)),
            ended = &mut hedge => (ended, (asking, first)),
        };
        let (other, target) = other;
        if ended.outcome.is_ok() {
            // The loser is cancelled when it is dropped.
            drop(other);
            self.trail.step(
                &target.label,
                target.is_equivalent,
                attempted("abandoned", ended.took, None, false),
            );
            return self.settle(ended);
        }
        self.settle(ended);
        // What the failure says of the request counts for the other one as well, but it is already under way.
        let ended = other.await;
        self.settle(ended)
    }

    /// How long the first attempt is alone, and the share of requests that may be joined; `None` where nobody joins it.
    fn hedge(&self, ready: &Ready) -> Option<(Duration, u32)> {
        let hedging = self.job.route.hedging?;
        let is_possible = matches!(self.job.ask, Ask::Generate(_))
            && ready.permit.is_some()
            && self.left() > 0
            && !self.plan.queue.is_empty();
        if !is_possible {
            return None;
        }
        let vitals = &ready.target.vitals;
        vitals.hedges.pay_in(hedging.budget_percent);
        let usual = vitals.load.usual().unwrap_or_default();
        Some((usual.max(Duration::from_millis(hedging.min_delay_ms)), hedging.budget_percent))
    }

    /// Notes how an attempt ended, and decides what comes next.
    fn settle(&mut self, ended: Ended) -> Option<Found> {
        let Ended { target, outcome, seat, took, is_hedge } = ended;
        let failure = match outcome {
            Ok(answer) => {
                self.trail.step(&target.label, target.is_equivalent, attempted("ok", took, None, is_hedge));
                self.meter.answered_by(&target);
                if self.job.ask == Ask::CountTokens {
                    self.meter.has_no_usage();
                }
                self.meter.add_overhead(answer.overhead);
                self.meter.disclose(&answer.ledger);
                if target.is_equivalent {
                    target.metrics.equivalent.inc();
                }
                let route = self.job.route.clone();
                let attempts = self.started;
                return Some(Found { answer, target, route, attempts, deadline: self.deadline, seat });
            }
            Err(failure) if target.is_open => failure.of_named_model(),
            Err(failure) => failure,
        };
        let result = failure.reason.map_or("rejected", FailoverReason::as_str);
        let step = attempted(result, took, Some(&failure.message), is_hedge);
        self.trail.step(&target.label, target.is_equivalent, step);
        tracing::debug!(
            route = &*self.job.route.name,
            target = &*target.label,
            ?failure.reason,
            failure.message,
            "attempt failed"
        );
        self.decide(&target, &failure);
        self.failures.push((target, failure));
        None
    }

    fn decide(&mut self, target: &Arc<Candidate>, failure: &Failure) {
        let Some(reason) = failure.reason else {
            self.is_over = true;
            return;
        };
        let goes_on = self.job.route.failover_on.contains(&reason);
        if !goes_on {
            // Only those that were written down for this failure.
            self.plan.queue.clear();
            self.again.clear();
        }
        let is_called = self.plan.call_reserve(reason);
        if !goes_on {
            self.is_over = !is_called;
            return;
        }
        if reason == FailoverReason::ContextLength {
            self.plan.needs_more_context_than(target);
        }
        let another_key = matches!(failure.kind, ErrorKind::RateLimited | ErrorKind::Credentials)
            && target.keys.any_awake(Instant::now());
        if another_key {
            self.plan.queue.push_front(target.clone());
        } else if failure.passes(LONGEST_PAUSE) {
            self.again.push((target.clone(), failure.wait.unwrap_or_default()));
        }
    }

    /// Puts those whose failures pass into the queue again, after a pause. False where none may be tried again.
    async fn wait_for_next_round(&mut self) -> bool {
        if self.is_out_of_time() {
            return false;
        }
        let retries = self.job.route.retries;
        let mut again = std::mem::take(&mut self.again);
        again.truncate(self.left());
        again.retain(|(target, _)| target.vitals.retries.has_any(retries.budget_percent));
        let Some(asked) = again.iter().map(|(_, wait)| *wait).min() else { return false };
        let backoff = Duration::from_millis(retries.backoff_ms) * 2_u32.saturating_pow(self.round.min(8));
        // Jitter, or what failed together comes back together.
        let pause = backoff.mul_f64(rand::rng().random_range(0.5..1.5)).max(asked);
        if Instant::now() + pause >= self.deadline {
            return false;
        }
        self.round += 1;
        tokio::time::sleep(pause).await;
        self.retrying = again.into_iter().map(|(target, _)| target).collect();
        self.plan.queue.extend(self.retrying.iter().cloned());
        true
    }
}

fn note_skip(trail: &mut Trail, skip: &Skip) {
    let step = Step::Skipped { reason: skip.reason.as_str().into(), message: skip.explain() };
    trail.step(&skip.target.label, skip.target.is_equivalent, step);
}

/// What would be done, without sending anything: the same plan, the same encoding, the same look at health.
pub fn foresee(job: &Job<'_>, rule: &Rule, trail: &mut Trail) {
    let now = Instant::now();
    let plan = plan::plan(job, rule, true, now, &mut rand::rng());
    trail.planned(rule, &plan);
    let Plan { queue, reserve, skipped, needs } = plan;
    for target in queue.iter().chain(&reserve).chain(skipped.iter().map(|skip| &skip.target)) {
        let cost = needs.and_then(|needs| plan::expected_cost(target, &needs, job));
        trail.costs(&target.label, target.is_equivalent, cost);
    }
    for target in queue {
        match (job.encode(&target), Permit::foresee(&target, now)) {
            (Ok(encoded), Ok(())) => {
                trail.translates(&target.label, target.is_equivalent, &encoded.ledger);
                trail.step(&target.label, target.is_equivalent, Step::WouldBeAsked);
            }
            (Ok(_), Err((reason, wait))) => note_skip(trail, &Skip::foreseen(target, reason, wait)),
            (Err(Unsendable::Bad(bad)), _) => {
                let step = Step::Skipped { reason: "bad_request".into(), message: bad.to_string() };
                trail.step(&target.label, target.is_equivalent, step);
            }
            (Err(Unsendable::Refused(refused)), _) => {
                let skip = Skip::foreseen(target, SkipReason::CannotTranslate, None).because(refused);
                note_skip(trail, &skip);
            }
        }
    }
    for target in reserve {
        let reasons: Vec<&str> = target.only_after.iter().map(|reason| reason.as_str()).collect();
        let message = format!("tried only after {}", reasons.join(", "));
        trail.step(&target.label, false, Step::Skipped { reason: "only_after".into(), message });
    }
    for skip in &skipped {
        note_skip(trail, skip);
    }
}
