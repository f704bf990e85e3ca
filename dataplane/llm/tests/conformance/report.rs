//! What was checked and what was found, in tables that can be quoted.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use crate::exchange::Exchange;
use crate::wrong::WRONG;

#[derive(Clone, Copy, Default)]
pub struct Counts {
    pub exchanges: usize,
    pub streams: usize,
    pub cuts: usize,
    /// Recorded failures: error answers, and errors inside of answers and streams.
    pub errors: usize,
    pub with_calls: usize,
    pub requests: usize,
    /// Requests encoded for a provider type.
    pub sent: usize,
    /// Answers encoded for a client and read back.
    pub replies: usize,
    /// Answers with signed or encrypted state, sent back by a client in the next turn.
    pub turns: usize,
}

/// What one exchange, or many, came to.
#[derive(Default)]
pub struct Report {
    /// By provider, endpoint and fidelity.
    counts: BTreeMap<[String; 3], Counts>,
    skipped: BTreeMap<[String; 4], usize>,
    /// Why provider types refused requests.
    refused: BTreeMap<String, usize>,
    pub problems: Vec<String>,
    /// Answers encoded again, for a check with the official SDKs.
    pub written: Vec<String>,
}

impl Report {
    pub fn counts(&mut self, exchange: &Exchange) -> &mut Counts {
        let Exchange { provider, endpoint, fidelity, .. } = exchange;
        self.counts.entry([provider, endpoint, fidelity].map(Clone::clone)).or_default()
    }

    pub fn skip(&mut self, exchange: &Exchange, why: &str) {
        let Exchange { provider, endpoint, fidelity, .. } = exchange;
        let key = [why.to_owned(), provider.clone(), endpoint.clone(), fidelity.clone()];
        *self.skipped.entry(key).or_default() += 1;
    }

    pub fn refuse(&mut self, why: String) {
        *self.refused.entry(why).or_default() += 1;
    }

    pub fn problem(&mut self, exchange: &Exchange, what: impl AsRef<str>) {
        let what: String = what.as_ref().chars().take(2000).collect();
        let Exchange { id, endpoint, fidelity, .. } = exchange;
        self.problems.push(format!("{id} ({endpoint}, {fidelity}): {what}"));
    }

    pub fn join(&mut self, other: Self) {
        let Self { counts, skipped, refused, problems, written } = other;
        counts.into_iter().for_each(|(key, counts)| *self.counts.entry(key).or_default() += counts);
        skipped.into_iter().for_each(|(key, count)| *self.skipped.entry(key).or_default() += count);
        refused.into_iter().for_each(|(key, count)| *self.refused.entry(key).or_default() += count);
        self.problems.extend(problems);
        self.written.extend(written);
    }

    pub fn print(&self) {
        println!("\nskipped, whole recordings and single checks:");
        for ([why, provider, endpoint, fidelity], count) in &self.skipped {
            println!("{count:>5}  {provider} {endpoint}, {fidelity}: {why}");
        }
        println!("\nrequests that a provider type refused, by reason:");
        for (why, count) in &self.refused {
            println!("{count:>5}  {why}");
        }
        println!("\nrecordings that are themselves wrong:");
        for (id, why) in WRONG {
            println!("       {id}: {why}");
        }
        println!(
            "\n{:<20} {:<28} {:<12} {:>5} {:>7} {:>5} {:>6} {:>5} {:>8} {:>6} {:>7} {:>5}",
            "provider",
            "endpoint",
            "fidelity",
            "exch.",
            "streams",
            "cuts",
            "errors",
            "calls",
            "requests",
            "sent",
            "replies",
            "turns"
        );
        let (mut recorded, mut rewritten) = (Counts::default(), Counts::default());
        for ([provider, endpoint, fidelity], counts) in &self.counts {
            if fidelity == "sdk" {
                rewritten += *counts;
            } else {
                recorded += *counts;
            }
            row(provider, endpoint, fidelity, counts);
        }
        row("all", "", "wire, events", &recorded);
        row("", "", "sdk", &rewritten);
    }
}

fn row(provider: &str, endpoint: &str, fidelity: &str, counts: &Counts) {
    let Counts { exchanges, streams, cuts, errors, with_calls, requests, sent, replies, turns } = counts;
    println!(
        "{provider:<20} {endpoint:<28} {fidelity:<12} {exchanges:>5} {streams:>7} {cuts:>5} {errors:>6} \
         {with_calls:>5} {requests:>8} {sent:>6} {replies:>7} {turns:>5}"
    );
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        let Self { exchanges, streams, cuts, errors, with_calls, requests, sent, replies, turns } = other;
        self.exchanges += exchanges;
        self.streams += streams;
        self.cuts += cuts;
        self.errors += errors;
        self.with_calls += with_calls;
        self.requests += requests;
        self.sent += sent;
        self.replies += replies;
        self.turns += turns;
    }
}
