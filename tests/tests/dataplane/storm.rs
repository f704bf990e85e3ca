//! A fifth of everything fails, in every way: next to nobody notices, nobody hears two providers at once, and the
//! providers are not flooded.

use crate::gateway::{Gateway, World};
use crate::wire::{Chat, Told, WIRES, Wire, each, first_text};
use penstock_e2e::replay::{Event, SeenRequest};
use penstock_e2e::{Behaviour, Replay, Script};
use serde_json::json;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

const REQUESTS: usize = 2_000;
/// Of a hundred calls at a provider.
const FAILING: u64 = 20;
/// What a target may be retried before its first requests have paid for it, `health/budget.rs`.
const RESERVE: f64 = 10.0;
/// The default of `failover.retries.budgetPercent`.
const BUDGET: f64 = 0.2;

/// What a provider says to a request: it tells which one, so that a mixture of two would show.
fn marker(request: &str, provider: usize, call: usize) -> String {
    format!("answer to {request} by {provider} in call {call} ").repeat(4)
}

/// A number that looks like chance and is the same in every run.
fn chance(provider: usize, call: usize) -> u64 {
    let mut x = (provider as u64 + 1) << 32 | call as u64;
    for _ in 0..3 {
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9) ^ 0x2545_f491_4f6c_dd1d;
        x ^= x >> 27;
    }
    x
}

/// How a call fails; `None` where it does not.
fn failure(wire: Wire, provider: usize, call: usize, stream: bool) -> Option<Behaviour> {
    let chance = chance(provider, call);
    if chance % 100 >= FAILING {
        return None;
    }
    let begun = |then: Event| {
        let mut events = wire.events("x");
        events.truncate(wire.preamble());
        events.push(then);
        Behaviour::sse(events)
    };
    let error = wire.error_event("api_error", "not today");
    Some(match (chance / 100 % 5, stream) {
        (0, _) => wire.error(503, "server_error", "out of order"),
        (1, _) => Behaviour::ResetBeforeHeaders,
        (2, true) => begun(error),
        (2, false) => Behaviour::json(serde_json::from_str(&error.data).expect("JSON")),
        (3, _) => wire.plays("", stream),
        (_, true) => begun(Event::data("{\"broken")),
        (_, false) => Behaviour::status(200, "{\"broken"),
    })
}

/// A call that came to a provider: the request's name, and whether it was answered.
type Calls = Arc<Mutex<Vec<(String, bool)>>>;

fn provider(n: usize, wire: Wire) -> (Replay, Calls) {
    let calls = Calls::default();
    let log = calls.clone();
    let script = Script::by(move |request: &SeenRequest, call| {
        let (name, stream) = (first_text(request), request.wants_stream());
        let failure = failure(wire, n, call, stream);
        let mut log = log.lock().expect("unpoisoned");
        assert_eq!(log.len(), call, "calls are numbered as they come");
        log.push((name.clone(), failure.is_none()));
        failure.unwrap_or_else(|| wire.plays(&marker(&name, n, call), stream))
    });
    (Replay::start(script), calls)
}

#[test]
fn a_fifth_of_all_calls_fails_and_next_to_no_request_does() {
    let wires = [Chat, Chat.other(), Chat];
    let (replays, calls): (Vec<_>, Vec<_>) =
        wires.iter().enumerate().map(|(n, wire)| provider(n, *wire)).unzip();
    let mut world = World::new();
    world.health = json!({});
    let pools = ["p0", "p1", "p2"];
    for ((pool, wire), replay) in pools.iter().zip(wires).zip(&replays) {
        world.pool(pool, wire, &replay.url());
    }
    let targets = pools.map(|pool| json!({"pool": pool, "model": "m"}));
    world.route_of(
        "bot",
        json!({
            "models": [{"name": "bot"}],
            "rules": [{"name": "all", "targets": targets}],
            "failover": {"maxAttempts": 6},
        }),
    );
    let gateway = Gateway::start(&world);

    let requests: Vec<_> = (0..REQUESTS).map(|n| (format!("r{n}"), WIRES[n % 2], n % 4 < 2)).collect();
    let failed = AtomicUsize::new(0);
    let attempts = AtomicUsize::new(0);
    each(&requests, 16, |(name, client, stream)| {
        let mut request = client.request("bot", *stream);
        request["messages"][0]["content"] = json!(name);
        let answer = gateway.call(*client, &request).send().map_err(|error| format!("{name}: {error}"))?;
        attempts.fetch_add(answer.header("x-penstock-attempts").parse().unwrap_or(0), SeqCst);
        if answer.status != 200 {
            failed.fetch_add(1, SeqCst);
            return Ok(());
        }
        // Whole, and of the one call that its target answered.
        let told = Told::by(*client, &answer);
        let by: usize = answer.header("x-penstock-target")[1..2].parse().expect("a provider's number");
        let answered = calls[by].lock().expect("unpoisoned").clone();
        let mut own = answered.iter().enumerate().filter(|(_, call)| **call == (name.clone(), true));
        let (Some((call, _)), None) = (own.next(), own.next()) else {
            let all = calls.iter().map(|calls| {
                let calls = calls.lock().expect("unpoisoned");
                calls
                    .iter()
                    .enumerate()
                    .filter(|(_, call)| call.0 == *name)
                    .map(|(n, call)| (n, call.1))
                    .collect::<Vec<_>>()
            });
            return Err(format!("{name}: not answered once by {by}: {:?}", all.collect::<Vec<_>>()));
        };
        told.is_whole(*client, &marker(name, by, call)).map_err(|what| format!("{name}: {what}"))
    });

    let metrics = gateway.settled();
    let mut answered = HashMap::new();
    let mut asked = 0;
    let mut failures = 0;
    for (n, (pool, calls)) in pools.iter().zip(&calls).enumerate() {
        let calls = calls.lock().expect("unpoisoned");
        let firsts = calls.iter().map(|(name, _)| name).collect::<HashSet<_>>().len();
        let again = calls.len() - firsts;
        let labels = [("pool", &*format!("default/{pool}"))];
        let retried = metrics.sum("penstock_retries_total", &labels);
        let allowed = RESERVE + BUDGET * firsts as f64;
        let bad = calls.iter().filter(|(_, is_answered)| !is_answered).count();
        println!(
            "provider {n}: {} calls of {firsts} requests, {bad} failed ({:.1} %), {again} retries (metric {retried}, allowed {allowed:.0})",
            calls.len(),
            100.0 * bad as f64 / calls.len() as f64,
        );
        assert!(again as f64 <= allowed, "{again} retries at provider {n}, {allowed} allowed");
        assert_eq!(again as f64, retried, "provider {n}");
        assert!(
            (0.15..0.25).contains(&(bad as f64 / calls.len() as f64)),
            "the storm is as strong as it says"
        );
        for (name, is_answered) in calls.iter() {
            *answered.entry(name.clone()).or_insert(0) += usize::from(*is_answered);
        }
        asked += calls.len();
        failures += bad;
    }
    assert_eq!(attempts.into_inner(), asked, "attempts as the clients were told them");
    let twice = answered.values().filter(|times| **times > 1).count();
    assert_eq!(twice, 0, "requests that were answered by two providers");
    let failed = failed.into_inner();
    let success = 100.0 * (REQUESTS - failed) as f64 / REQUESTS as f64;
    println!(
        "{REQUESTS} requests, {asked} calls, {failures} of them failed; {failed} requests failed: {success:.2} % success"
    );
    assert!(success >= 99.9, "{failed} of {REQUESTS} requests failed");
    assert_eq!(metrics.sum("penstock_requests_total", &[("outcome", "success")]), (REQUESTS - failed) as f64);
}
