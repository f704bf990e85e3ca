//! Hedging: a target that is suddenly slow gets company, the first answer counts, and the loser is cancelled.

use crate::gateway::{Gateway, SOON, World, pool_of};
use crate::wire::{Chat, Messages, Told, WIRES, Wire, each};
use penstock_e2e::{Behaviour, End, Replay, wait_until};
use serde_json::{Value, json};
use std::sync::Mutex;
use std::time::Duration;

const FIRST: &str = "the first one speaks";
const SECOND: &str = "the second one speaks";
const ASKS: [(Wire, bool); 4] = [(Chat, false), (Chat, true), (Messages, false), (Messages, true)];

struct Setup {
    gateway: Gateway,
    first: Replay,
    second: Replay,
}

fn start(hedging: Value) -> Setup {
    let (first, second) = (Replay::start(Chat.answer(FIRST)), Replay::start(Messages.answer(SECOND)));
    let mut world = World::new();
    world.pool("first", Chat, &first.url());
    world.pool("second", Messages, &second.url());
    world.route("bot", &["first", "second"], json!({"hedging": hedging}));
    Setup { gateway: Gateway::start(&world), first, second }
}

impl Setup {
    fn hears(&self, (wire, stream): (Wire, bool), pool: &str, attempts: &str) {
        let answer = self.gateway.ask(wire, "bot", stream).send().expect("an answer");
        assert_eq!((&*pool_of(&answer), answer.header("x-penstock-attempts")), (pool, attempts));
        let text = if pool == "first" { FIRST } else { SECOND };
        assert_eq!(Told::by(wire, &answer).is_whole(wire, text), Ok(()));
    }

    fn hedges(&self) -> u64 {
        self.gateway.settled().sum("penstock_hedges_total", &[("pool", "default/first")]) as u64
    }
}

#[test]
fn a_target_that_is_suddenly_slow_gets_company_and_is_cancelled() {
    // Longer than an answer takes on a machine that is busy with other things.
    let setup = start(json!({"minDelay": "1500ms", "budgetPercent": 50}));
    for n in 0..24 {
        setup.hears(ASKS[n % 4], "first", "1");
    }
    assert_eq!((setup.hedges(), setup.second.requests().len()), (0, 0), "nobody joins who is not slow");

    let hangs = [
        Behaviour::HangBeforeHeaders,
        Behaviour::HangAfterHeaders,
        Behaviour::json(Chat.body(FIRST)).delayed(Duration::from_secs(60)),
    ];
    let mut gone = 0;
    for (n, hang) in hangs.into_iter().enumerate() {
        setup.first.set(hang);
        for ask in [ASKS[n], ASKS[n + 1]] {
            setup.hears(ask, "second", "2");
            gone += 1;
            wait_until(SOON, "the first one sees the gateway go", || setup.first.cancelled() == gone);
        }
    }
    assert_eq!(setup.hedges(), gone as u64);
    let metrics = setup.gateway.settled();
    let attempts = |pool: &str, result: &str| {
        let pool = format!("default/{pool}");
        metrics.sum("penstock_attempts_total", &[("pool", &pool), ("result", result)]) as usize
    };
    assert_eq!((attempts("first", "abandoned"), attempts("second", "ok")), (gone, gone));
    assert_eq!(metrics.sum("penstock_failovers_total", &[]), 0.0, "nobody failed");
    assert_eq!(metrics.sum("penstock_requests_total", &[("outcome", "success")]) as usize, 24 + gone);
    assert_eq!(metrics.sum("penstock_breaker_state", &[]), 0.0);
}

#[test]
fn the_second_one_loses_where_it_is_slower() {
    let setup = start(json!({"minDelay": "100ms", "budgetPercent": 50}));
    setup.second.set(Behaviour::sse(Messages.events(SECOND)).end(End::HangAfter(1)));
    for (n, (wire, stream)) in ASKS.into_iter().enumerate() {
        setup.first.set(Chat.plays(FIRST, stream).delayed(Duration::from_millis(1_500)));
        setup.hears((wire, stream), "first", "2");
        wait_until(SOON, "the second one sees the gateway go", || setup.second.cancelled() == n + 1);
    }
    assert_eq!(setup.hedges(), 4);
    assert_eq!(setup.first.cancelled(), 0);
}

#[test]
fn a_second_one_that_fails_leaves_the_answer_to_the_first() {
    let setup = start(json!({"minDelay": "100ms", "budgetPercent": 50}));
    setup.second.set(Behaviour::status(500, "boom"));
    for (wire, stream) in ASKS {
        setup.first.set(Chat.plays(FIRST, stream).delayed(Duration::from_millis(1_000)));
        setup.hears((wire, stream), "first", "2");
    }
    assert_eq!(setup.second.requests().len(), 4);
}

#[test]
fn company_is_bounded_by_the_budget() {
    let setup = start(json!({"minDelay": "50ms", "budgetPercent": 1}));
    setup.first.set(Behaviour::json(Chat.body(FIRST)).delayed(Duration::from_secs(2)));
    let heard = Mutex::new(Vec::new());
    each(&[(); 40], 10, |()| {
        let answer = setup.gateway.ask(Chat, "bot", false).send().map_err(|error| error.to_string())?;
        heard.lock().expect("unpoisoned").push(pool_of(&answer));
        Ok(())
    });
    let heard = heard.into_inner().expect("unpoisoned");
    // Ten to begin with, and one of a hundred requests.
    let second = heard.iter().filter(|pool| *pool == "second").count();
    assert_eq!((setup.hedges(), setup.second.requests().len()), (10, 10), "{heard:?}");
    assert_eq!((heard.len(), second), (40, 10));
    assert_eq!(setup.first.requests().len(), 40);
}

#[test]
fn without_hedging_nobody_joins() {
    let (first, second) = (Replay::start(Behaviour::EmptyBody200), Replay::start(Chat.answer(SECOND)));
    first.set(Behaviour::json(Chat.body(FIRST)).delayed(Duration::from_secs(2)));
    let mut world = World::new();
    world.pool("first", Chat, &first.url());
    world.pool("second", Chat, &second.url());
    world.route("bot", &["first", "second"], json!({}));
    let gateway = Gateway::start(&world);
    for wire in WIRES {
        assert_eq!(pool_of(&gateway.ask(wire, "bot", false).send().expect("an answer")), "first");
    }
    assert!(second.requests().is_empty());
}
