//! Several keys of one provider: they share the requests, and one that met a 429 rests.

use crate::gateway::{Gateway, KEY_ONE, World};
use crate::wire::{Chat, Told, WIRES, Wire, count};
use penstock_e2e::replay::SeenRequest;
use penstock_e2e::{Behaviour, Replay, Script};
use serde_json::json;

const TEXT: &str = "an answer of the provider";
const FALLBACK: &str = "an answer of the fallback";

fn key(request: &SeenRequest) -> String {
    let bearer = request.header("authorization").strip_prefix("Bearer ");
    bearer.unwrap_or(request.header("x-api-key")).to_owned()
}

/// Fails the first request, whichever key it has, and answers all others.
fn fails_once(wire: Wire, failure: Behaviour) -> Script {
    Script::by(
        move |request, n| if n == 0 { failure.clone() } else { wire.plays(TEXT, request.wants_stream()) },
    )
}

/// A provider of two keys, and a fallback.
fn world(wire: Wire, bad: &Replay, good: &Replay, keys: &[&str]) -> World {
    let mut world = World::new();
    world.pool_with("first", wire, &bad.url(), keys);
    world.pool("fallback", wire, &good.url());
    world.route("bot", &["first", "fallback"], json!({}));
    world.route("alone", &["first"], json!({}));
    world
}

#[test]
fn a_429_sends_the_request_on_with_the_other_key() {
    for (wire, wait, stream) in [(Chat, false, true), (Chat, true, false), (Wire::Messages, true, true)] {
        let limited = wire.error(429, "rate_limit_error", "slow down");
        let limited = if wait { limited.header("retry-after", "60") } else { limited };
        let bad = Replay::start(fails_once(wire, limited));
        let good = Replay::start(wire.answer(FALLBACK));
        let gateway = Gateway::start(&world(wire, &bad, &good, &["one", "two"]));
        for n in 0..8 {
            let answer = gateway.ask(Chat, "bot", stream).send().expect("an answer");
            assert_eq!(Told::by(Chat, &answer).is_whole(Chat, TEXT), Ok(()), "{wire:?}");
            assert_eq!(answer.header("x-penstock-attempts"), if n == 0 { "2" } else { "1" });
            assert_eq!(answer.header("x-penstock-target"), "first/up/m");
        }
        assert!(good.requests().is_empty(), "the provider could go on with its other key");
        let seen: Vec<_> = bad.requests().iter().map(key).collect();
        assert_eq!(seen.len(), 9);
        assert!(seen[1..].iter().all(|key| *key != seen[0]), "the limited key rests: {seen:?}");
        let metrics = gateway.settled();
        let pool = ("pool", "default/first");
        assert_eq!(metrics.sum("penstock_attempts_total", &[pool, ("result", "rate_limited")]), 1.0);
        assert_eq!(metrics.sum("penstock_attempts_total", &[pool, ("result", "ok")]), 8.0);
        let breaker = metrics.of("penstock_breaker_state", &[pool]);
        assert!(breaker.iter().all(|sample| sample.value == 0.0), "a limit is no outage: {breaker:?}");
    }
}

#[test]
fn when_every_key_rests_the_provider_is_left_alone() {
    let limited = Chat.error(429, "rate_limit_error", "slow down").header("retry-after", "60");
    let bad = Replay::start(limited);
    let good = Replay::start(Chat.answer(FALLBACK));
    let gateway = Gateway::start(&world(Chat, &bad, &good, &["one", "two"]));
    for n in 0..3 {
        let answer = gateway.ask(Chat, "bot", n == 1).send().expect("an answer");
        assert_eq!(Told::by(Chat, &answer).is_whole(Chat, FALLBACK), Ok(()));
        assert_eq!(answer.header("x-penstock-attempts"), if n == 0 { "3" } else { "1" });
    }
    let keys = count(bad.requests().iter().map(key));
    assert_eq!((keys.len(), bad.requests().len()), (2, 2), "each key once: {keys:?}");
    let skipped = [("pool", "default/first"), ("reason", "keys_resting")];
    assert_eq!(gateway.settled().sum("penstock_targets_skipped_total", &skipped), 2.0);

    // Without another target the client is told to wait, in its own format.
    for wire in WIRES {
        let answer = gateway.ask(wire, "alone", true).send().expect("an answer");
        assert_eq!(answer.status, 429, "{}", answer.text());
        let wait: u64 = answer.header("retry-after").parse().expect("seconds");
        assert!((1..=60).contains(&wait), "{wait}");
        assert!(crate::wire::is_error_body(wire, &answer.json()), "{}", answer.text());
    }
    assert_eq!(bad.requests().len(), 2);
}

#[test]
fn keys_share_the_requests_and_a_refused_one_is_not_used_again() {
    let bad = Replay::start(Script::by(|request, _| match key(request) == KEY_ONE {
        true => Chat.error(401, "authentication_error", "Incorrect API key provided"),
        false => Chat.plays(TEXT, request.wants_stream()),
    }));
    let good = Replay::start(Chat.answer(FALLBACK));
    let gateway = Gateway::start(&world(Chat, &bad, &good, &["one", "two"]));
    // Either key comes first in half of the requests: 1 in 2^40 that the refused one never does.
    for _ in 0..40 {
        let answer = gateway.ask(Chat, "bot", false).send().expect("an answer");
        assert_eq!(Told::by(Chat, &answer).is_whole(Chat, TEXT), Ok(()));
    }
    let keys = count(bad.requests().iter().map(key));
    assert_eq!(keys.get(KEY_ONE), Some(&1), "{keys:?}");
    assert!(good.requests().is_empty());
}
