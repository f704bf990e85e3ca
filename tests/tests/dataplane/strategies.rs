//! Strategies that look at the targets: how fast they are, how busy, how dear.

use crate::gateway::{Gateway, SOON, World, pool_of};
use crate::wire::{Chat, WIRES, each};
use penstock_e2e::{Behaviour, End, Replay, Script, wait_until};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

const FAST_MS: u64 = 30;
const SLOW_MS: u64 = 300;

/// A provider that waits for so many milliseconds.
fn patient(delay: &Arc<AtomicU64>) -> Replay {
    let delay = delay.clone();
    Replay::start(Script::by(move |request, _| {
        let delay = Duration::from_millis(delay.load(SeqCst));
        Chat.plays("an answer", request.wants_stream()).delayed(delay)
    }))
}

fn targets(pools: &[&str]) -> Value {
    pools.iter().map(|pool| json!({"pool": pool, "model": "m"})).collect()
}

/// How many requests came to each since the last look.
fn taken(replays: &[Replay]) -> Vec<usize> {
    replays.iter().map(|replay| replay.take_requests().len()).collect()
}

#[test]
fn a_slow_target_is_left_and_asked_again_when_it_is_fast() {
    let delays = [FAST_MS, SLOW_MS, FAST_MS].map(|delay| Arc::new(AtomicU64::new(delay)));
    let replays = delays.each_ref().map(patient);
    let mut world = World::new();
    let pools = ["fast", "slow", "quick"];
    for (pool, replay) in pools.iter().zip(&replays) {
        world.pool(pool, Chat, &replay.url());
    }
    let rule = json!({"strategy": "LeastLatency", "targets": targets(&pools)});
    world.route_by_rule("bot", rule, json!({}));
    let gateway = Gateway::start(&world);

    let ends = AtomicBool::new(false);
    let load = &|n: usize| {
        while !ends.load(SeqCst) {
            let answer = gateway.ask(WIRES[n % 2], "bot", n % 4 < 2).send().expect("an answer");
            assert_eq!(answer.status, 200, "{}", answer.text());
        }
    };
    std::thread::scope(|scope| {
        let _ends = Ends(&ends);
        (0..6).for_each(|n| drop(scope.spawn(move || load(n))));
        std::thread::sleep(Duration::from_secs(2));
        taken(&replays);
        wait_until(SOON, "some traffic", || {
            replays.iter().map(|replay| replay.requests().len()).sum::<usize>() >= 300
        });
        let counts = taken(&replays);
        println!("while it is slow: {counts:?}");
        let all: usize = counts.iter().sum();
        assert!(counts[1] * 20 <= all, "{counts:?}: 95 % leave it");
        assert!(counts[0] * 5 > all && counts[2] * 5 > all, "{counts:?}: the others share");

        // Whoever was slow is not forgotten for good.
        delays[1].store(FAST_MS, SeqCst);
        let mut seconds = 0;
        wait_until(3 * SOON, "it gets its share again", || {
            std::thread::sleep(Duration::from_secs(1));
            seconds += 1;
            let counts = taken(&replays);
            println!("second {seconds} after it has recovered: {counts:?}");
            counts[1] * 100 >= 15 * counts.iter().sum::<usize>()
        });
    });
}

/// Ends the load, in a test that fails too.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

#[test]
fn the_least_busy_target_is_asked_in_relation_to_its_weight() {
    let hangs = || Replay::start(Behaviour::sse(Chat.events("one two three")).end(End::HangAfter(3)));
    let replays = [hangs(), hangs(), hangs()];
    let mut world = World::new();
    let pools = ["large", "a", "b"];
    for (pool, replay) in pools.iter().zip(&replays) {
        world.pool(pool, Chat, &replay.url());
    }
    let mut targets = targets(&pools);
    targets[0]["weight"] = json!(200);
    let rule = json!({"strategy": "LeastBusy", "targets": targets});
    world.route_by_rule("bot", rule, json!({}));
    let gateway = Gateway::start(&world);

    let open = || {
        let stream = gateway.ask(Chat, "bot", true).open().expect("an answer");
        assert_eq!(stream.status, 200);
        let target = stream.headers["x-penstock-target"].to_str().expect("text");
        (target.split('/').next().expect("a pool").to_owned(), stream)
    };
    let mut streams: Vec<_> = (0..8).map(|_| open()).collect();
    let busy = pools.map(|pool| streams.iter().filter(|(of, _)| of == pool).count());
    assert_eq!(busy, [4, 2, 2]);
    // A place that is left is the next one to be taken.
    streams.retain(|(pool, _)| pool != "b");
    wait_until(SOON, "the provider sees the clients go", || replays[2].cancelled() == 2);
    wait_until(SOON, "the gateway too", || gateway.count("penstock_requests_in_flight", &[]) == 6);
    let next = [open(), open()];
    assert!(next.iter().all(|(pool, _)| pool == "b"), "{:?}", next.each_ref().map(|(pool, _)| pool));
}

/// A provider of OpenAI's format with this price for a model that no catalogue knows.
fn priced(replay: &Replay, price: Option<[&str; 2]>) -> Value {
    let mut model = json!({"name": "m", "upstream": "made-at-home"});
    if let Some([input, output]) = price {
        model["price"] = json!({"input": input, "output": output});
    }
    json!({"name": "up", "type": "OpenAICompatible", "endpoint": format!("{}/v1", replay.url()), "models": [model]})
}

#[test]
fn the_cheapest_known_price_is_asked_first_and_an_unknown_one_last() {
    let providers = ["unknown", "dear", "cheap"].map(|pool| (pool, Replay::start(Chat.answer(pool))));
    let mut world = World::new();
    for ((pool, replay), price) in
        providers.iter().zip([None, Some(["9.00", "9.00"]), Some(["0.90", "0.90"])])
    {
        world.pool_of(pool, priced(replay, price));
    }
    let targets = targets(&["unknown", "dear", "cheap"]);
    // One attempt at each, or the rounds that follow would be counted as well.
    let failover = json!({"retries": {"budgetPercent": 0}});
    world.route_by_rule("bot", json!({"strategy": "LeastCost", "targets": targets}), failover);
    let gateway = Gateway::start(&world);
    let asked = |pool: &str, attempts: &str| {
        for (wire, stream) in WIRES.into_iter().flat_map(|wire| [(wire, true), (wire, false)]) {
            let answer = gateway.ask(wire, "bot", stream).send().expect("an answer");
            assert_eq!((&*pool_of(&answer), answer.header("x-penstock-attempts")), (pool, attempts));
        }
    };
    asked("cheap", "1");
    providers[2].1.set(Behaviour::status(503, ""));
    asked("dear", "2");
    providers[1].1.set(Behaviour::status(503, ""));
    asked("unknown", "3");
}

#[test]
fn the_cheapest_target_depends_on_the_request() {
    let [reads, writes] = ["reads", "writes"].map(|pool| Replay::start(Chat.answer(pool)));
    let mut world = World::new();
    world.pool_of("reads", priced(&reads, Some(["1.00", "50.00"])));
    world.pool_of("writes", priced(&writes, Some(["5.00", "1.00"])));
    let rule = json!({"strategy": "LeastCost", "targets": targets(&["reads", "writes"])});
    world.route_by_rule("bot", rule, json!({}));
    let gateway = Gateway::start(&world);
    let asks: Vec<_> = WIRES.into_iter().flat_map(|wire| [(wire, true), (wire, false)]).collect();
    each(&asks, 1, |&(wire, stream)| {
        let mut long = wire.request("bot", stream);
        long["messages"][0]["content"] = json!("word ".repeat(2_000));
        long["max_tokens"] = json!(5);
        let mut short = wire.request("bot", stream);
        short["max_tokens"] = json!(1_000);
        let ask = |request: &Value| gateway.call(wire, request).send().map_err(|error| error.to_string());
        let pools = [pool_of(&ask(&long)?), pool_of(&ask(&short)?)];
        if pools == ["reads", "writes"] { Ok(()) } else { Err(format!("{wire:?} {stream}: {pools:?}")) }
    });
}
