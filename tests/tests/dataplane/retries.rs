//! Second attempts at a target that failed in the same request.

use crate::gateway::{Gateway, World, pool_of};
use crate::wire::{Chat, Messages, Told, WIRES, Wire};
use penstock_e2e::{Behaviour, Replay, Script};
use serde_json::json;

const TEXT: &str = "an answer at last";
const ASKS: [(Wire, bool); 4] = [(Chat, false), (Chat, true), (Messages, false), (Messages, true)];

/// Answers each second request, and fails the others.
fn every_second(wire: Wire) -> Replay {
    Replay::start(Script::by(move |request, n| match n % 2 {
        0 => Behaviour::status(503, "out of order"),
        _ => wire.plays(TEXT, request.wants_stream()),
    }))
}

#[test]
fn a_target_alone_is_tried_again() {
    for provider in WIRES {
        let replay = every_second(provider);
        let mut world = World::new();
        world.pool("alone", provider, &replay.url());
        world.route("bot", &["alone"], json!({}));
        world.route("never", &["alone"], json!({"retries": {"budgetPercent": 0}}));
        let gateway = Gateway::start(&world);
        for (n, (wire, stream)) in ASKS.into_iter().enumerate() {
            let answer = gateway.ask(wire, "bot", stream).send().expect("an answer");
            assert_eq!(answer.header("x-penstock-attempts"), "2");
            assert_eq!(Told::by(wire, &answer).is_whole(wire, TEXT), Ok(()));
            assert_eq!(gateway.settled().sum("penstock_retries_total", &[]), n as f64 + 1.0);
        }
        let answer = gateway.ask(Chat, "never", false).send().expect("an answer");
        assert_eq!((answer.status.as_u16(), answer.header("x-penstock-attempts")), (503, "1"));
        assert_eq!(replay.requests().len(), 9);
    }
}

/// Only what was asked again counts: the answer of one saves the others.
#[test]
fn who_is_not_asked_again_pays_nothing() {
    let first = every_second(Chat);
    let second = Replay::start(Behaviour::status(503, "out of order"));
    let mut world = World::new();
    world.pool("first", Chat, &first.url());
    world.pool("second", Messages, &second.url());
    world.route("bot", &["first", "second"], json!({"maxAttempts": 4}));
    let gateway = Gateway::start(&world);
    for n in 0..20 {
        let (wire, stream) = ASKS[n % 4];
        // Counted from 0 again: whatever the one before left.
        first.set(Script::by(move |request, n| match n {
            0 => Behaviour::status(503, "out of order"),
            _ => Chat.plays(TEXT, request.wants_stream()),
        }));
        let answer = gateway.ask(wire, "bot", stream).send().expect("an answer");
        // Ten to begin with, and a fifth for each request.
        if n < 12 {
            assert_eq!((&*pool_of(&answer), answer.header("x-penstock-attempts")), ("first", "3"));
        }
    }
    let metrics = gateway.settled();
    let retried = |pool: &str| metrics.sum("penstock_retries_total", &[("pool", pool)]) as usize;
    assert_eq!(
        (retried("default/first"), retried("default/second")),
        (first.requests().len() - 20, second.requests().len() - 20)
    );
    assert!((12..=14).contains(&retried("default/first")), "{}", retried("default/first"));
}

/// The last target's empty answer is better than an error, but not than an answer of another one.
#[test]
fn an_empty_answer_is_held_back_while_others_may_be_tried_again() {
    let first = every_second(Chat);
    let empty = Replay::start(Script::by(|request, _| Chat.plays("", request.wants_stream())));
    let mut world = World::new();
    world.pool("first", Chat, &first.url());
    world.pool("empty", Chat, &empty.url());
    world.route("bot", &["first", "empty"], json!({}));
    world.route("two", &["first", "empty"], json!({"maxAttempts": 2}));
    world.route("only", &["empty"], json!({}));
    let gateway = Gateway::start(&world);
    for stream in [true, false] {
        let answer = gateway.ask(Chat, "bot", stream).send().expect("an answer");
        assert_eq!((&*pool_of(&answer), answer.header("x-penstock-attempts")), ("first", "3"));
        assert_eq!(Told::by(Chat, &answer).is_whole(Chat, TEXT), Ok(()));
        for (route, attempts) in [("two", "2"), ("only", "1")] {
            let answer = gateway.ask(Chat, route, stream).send().expect("an answer");
            assert_eq!((&*pool_of(&answer), answer.header("x-penstock-attempts")), ("empty", attempts));
            assert_eq!(Told::by(Chat, &answer).is_whole(Chat, ""), Ok(()));
        }
        // The one of `two` left it at an odd number.
        first.set(Script::by(|request, n| match n % 2 {
            0 => Behaviour::status(503, "out of order"),
            _ => Chat.plays(TEXT, request.wants_stream()),
        }));
    }
}
