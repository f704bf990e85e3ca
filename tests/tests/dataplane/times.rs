//! A rule's times in place of the route's, and a target's in place of the rule's.

use crate::faults::Trouble;
use crate::faults::Unreachable;
use crate::gateway::{Gateway, World, pool_of};
use crate::wire::{Chat, Messages, Told, WIRES, Wire, is_error_body};
use penstock_e2e::{Behaviour, End, Replay};
use serde_json::{Value, json};

/// Beyond the patience of the tests' client: whoever waits for these fails the test.
const NEVER: &str = "10m";
const SHORT: &str = "700ms";

fn never() -> Value {
    json!({"timeouts": {"connect": NEVER, "firstToken": NEVER, "answer": NEVER, "idle": NEVER, "total": "20m"}})
}

/// The route `bot` to `slow` and then `good`: with these times of the rule, and of its target `slow`.
fn start(slow: &str, good: &Replay, rule: Value, target: Value) -> Gateway {
    let mut world = World::new();
    world.pool("slow", Chat, slow);
    world.pool("good", Messages, &good.url());
    let mut targets = json!([{"pool": "slow", "model": "m"}, {"pool": "good", "model": "m", "priority": 1}]);
    if !target.is_null() {
        targets[0]["timeouts"] = target;
    }
    let mut spec = json!({"targets": targets});
    if !rule.is_null() {
        spec["timeouts"] = rule;
    }
    world.route_by_rule("bot", spec, never());
    Gateway::start(&world)
}

/// The times of a rule and of its target, of which the shorter one holds.
fn either(times: &Value) -> [(Value, Value); 3] {
    let long = json!({"connect": NEVER, "firstToken": NEVER, "answer": NEVER, "idle": NEVER});
    [(times.clone(), Value::Null), (Value::Null, times.clone()), (long, times.clone())]
}

#[test]
fn first_token_answer_and_connect() {
    let good = Replay::start(Messages.answer("good"));
    let hangs = Replay::start(Behaviour::HangAfterHeaders);
    let unreachable = Unreachable::start();
    let mute = unreachable.url(&Trouble::Mute).expect("a URL");
    for (slow, times, streams) in [
        (hangs.url(), json!({"firstToken": SHORT}), &[true][..]),
        (hangs.url(), json!({"answer": SHORT}), &[false]),
        (mute, json!({"connect": SHORT}), &[true, false]),
    ] {
        for (rule, target) in either(&times) {
            let gateway = start(&slow, &good, rule, target);
            for (wire, stream) in streams.iter().flat_map(|stream| WIRES.map(|wire| (wire, *stream))) {
                let answer = gateway.ask(wire, "bot", stream).send().expect("an answer in time");
                assert_eq!(
                    (&*pool_of(&answer), answer.header("x-penstock-attempts")),
                    ("good", "2"),
                    "{times}"
                );
            }
            let timed_out = [("pool", "default/slow"), ("result", "timeout")];
            assert_eq!(
                gateway.settled().sum("penstock_attempts_total", &timed_out),
                2.0 * streams.len() as f64
            );
        }
    }
}

#[test]
fn idle() {
    let good = Replay::start(Messages.answer("good"));
    let stalls = Replay::start(Behaviour::sse(Chat.events("one two three")).end(End::HangAfter(3)));
    for (rule, target) in either(&json!({"idle": SHORT})) {
        let gateway = start(&stalls.url(), &good, rule, target);
        for wire in WIRES {
            let answer = gateway.ask(wire, "bot", true).send().expect("an answer in time");
            let told = Told::by(wire, &answer);
            assert_eq!((told.ends, told.errors.len()), (0, 1), "{told:?}");
            assert!(told.errors[0].1.contains("fell silent"), "{told:?}");
        }
    }
}

#[test]
fn the_total_of_a_rule() {
    let hangs = Replay::start(Behaviour::HangAfterHeaders);
    for (wire, stream) in WIRES.into_iter().flat_map(|wire| [(wire, true), (wire, false)]) {
        let mut world = World::new();
        world.pool("slow", Chat, &hangs.url());
        let rules = json!([
            {
                "name": "hasty", "when": "request.headers['x-hasty'] == 'yes'", "timeouts": {"total": SHORT},
                "targets": [{"pool": "slow", "model": "m"}],
            },
            {"name": "calm", "targets": [{"pool": "slow", "model": "m"}], "timeouts": {"total": "3s"}},
        ]);
        world.route_of("bot", json!({"models": [{"name": "bot"}], "rules": rules, "failover": never()}));
        let gateway = Gateway::start(&world);
        let ask = |hasty: &str| {
            let call = gateway.ask(wire, "bot", stream).header("x-hasty", hasty);
            let began = std::time::Instant::now();
            let answer = call.send().expect("an answer in time");
            assert_eq!(answer.status, 504, "{}", answer.text());
            assert!(is_error_body(wire, &answer.json()), "{}", answer.text());
            began.elapsed()
        };
        ask("yes");
        // Never sooner than it says; how much later is the machine's business.
        assert!(ask("no") >= std::time::Duration::from_secs(3));
    }
}

#[test]
fn each_target_has_its_own_times() {
    // The first one is given little time, the second one enough.
    let slow = |wire: Wire, text: &'static str| {
        Replay::start(penstock_e2e::Script::by(move |request, _| {
            wire.plays(text, request.wants_stream()).delayed(std::time::Duration::from_secs(2))
        }))
    };
    let (first, second) = (slow(Chat, "first"), slow(Messages, "second"));
    let short = json!({"firstToken": SHORT, "answer": SHORT});
    let gateway = start(&first.url(), &second, Value::Null, short);
    for (wire, stream) in WIRES.into_iter().flat_map(|wire| [(wire, true), (wire, false)]) {
        let answer = gateway.ask(wire, "bot", stream).send().expect("an answer");
        assert_eq!((&*pool_of(&answer), answer.header("x-penstock-attempts")), ("good", "2"));
        assert_eq!(Told::by(wire, &answer).is_whole(wire, "second"), Ok(()));
    }
}
