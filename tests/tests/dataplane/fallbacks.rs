//! Targets that are there for one kind of failure, and models that nobody wrote down.

use crate::faults::too_long;
use crate::gateway::{Gateway, World, pool_of};
use crate::wire::{Chat, Messages, Told, WIRES, Wire, is_error_body};
use penstock_e2e::{Behaviour, Replay};
use serde_json::{Value, json};

const ASKS: [(Wire, bool); 4] = [(Chat, false), (Chat, true), (Messages, false), (Messages, true)];

/// The ways in which content is refused, without a word of an answer.
fn filtered(wire: Wire, stream: bool) -> Vec<Behaviour> {
    match wire {
        Chat => {
            let refused = json!({"error": {
                "message": "The response was filtered due to the prompt triggering our content management policy.",
                "type": "invalid_request_error", "param": "prompt", "code": "content_filter",
            }});
            let mut whole = Chat.body("");
            whole["choices"][0]["finish_reason"] = json!("content_filter");
            let mut events = Chat.events("");
            for event in &mut events {
                event.data = event.data.replace("\"stop\"", "\"content_filter\"");
            }
            let empty = if stream { Behaviour::sse(events) } else { Behaviour::json(whole) };
            vec![Behaviour::error(400, refused), empty]
        }
        Messages => {
            let mut whole = Messages.body("");
            whole["content"] = json!([]);
            whole["stop_reason"] = json!("refusal");
            let mut events = Messages.events("");
            for event in &mut events {
                event.data = event.data.replace("\"end_turn\"", "\"refusal\"");
            }
            vec![if stream { Behaviour::sse(events) } else { Behaviour::json(whole) }]
        }
    }
}

#[test]
fn a_target_that_is_there_for_one_failure_is_asked_after_that_one_alone() {
    let first = WIRES.map(|wire| Replay::start(wire.answer("first")));
    let others = ["long", "bold", "next"].map(|pool| (pool, Replay::start(Chat.answer(pool))));
    let mut world = World::new();
    for (pool, replay) in &others {
        let mut provider = World::provider(Chat, &replay.url());
        if *pool == "long" {
            provider["models"][0]["contextWindow"] = json!(1_000_000);
        }
        world.pool_of(pool, provider);
    }
    for (wire, replay) in WIRES.iter().zip(&first) {
        world.pool(wire.short(), *wire, &replay.url());
        let targets = json!([
            {"pool": wire.short(), "model": "m"},
            {"pool": "long", "model": "m", "priority": 1, "onlyAfter": ["ContextLength"]},
            {"pool": "bold", "model": "m", "priority": 1, "onlyAfter": ["ContentFilter"]},
            {"pool": "next", "model": "m", "priority": 2},
        ]);
        world.route_by_rule(&format!("bot-{}", wire.short()), json!({"targets": targets}), json!({}));
        // Nobody is there for filtered content.
        world.route(&format!("plain-{}", wire.short()), &[wire.short(), "next"], json!({}));
    }
    let gateway = Gateway::start(&world);
    for ((wire, replay), (client, stream)) in
        WIRES.iter().zip(&first).flat_map(|place| ASKS.map(|ask| (place, ask)))
    {
        let ask = |route: &str| {
            let model = format!("{route}-{}", wire.short());
            gateway.ask(client, &model, stream).send().expect("an answer")
        };
        let goes_to = |behaviour: Behaviour, pool: &str, attempts: &str| {
            replay.set(behaviour);
            let answer = ask("bot");
            let what = format!("{wire:?} to {client:?}, stream {stream}, {pool}");
            assert_eq!(
                (&*pool_of(&answer), answer.header("x-penstock-attempts")),
                (pool, attempts),
                "{what}"
            );
            assert_eq!(
                Told::by(client, &answer).text,
                if pool == wire.short() { "first" } else { pool },
                "{what}"
            );
        };
        goes_to(wire.plays("first", stream), wire.short(), "1");
        goes_to(wire.error(500, "server_error", "boom"), "next", "2");
        goes_to(too_long(*wire), "long", "2");
        for filtered in filtered(*wire, stream) {
            goes_to(filtered.clone(), "bold", "2");
            replay.set(filtered);
            let answer = ask("plain");
            assert!(!answer.text().contains("next"), "it is not for the next one: {}", answer.text());
            assert_eq!(answer.header("x-penstock-attempts"), "1");
            if answer.status != 200 {
                assert_eq!(answer.status, 400);
                assert!(is_error_body(client, &answer.json()), "{}", answer.text());
            }
        }
    }
    let asked = |pool: usize| others[pool].1.requests().len();
    assert_eq!([asked(0), asked(1), asked(2)], [8, 12, 8]);
}

/// It stands behind those that need no call, and may fail like any other.
#[test]
fn who_is_called_for_stands_behind_the_others() {
    let replays = ["first", "called", "next"].map(|pool| (pool, Replay::start(Chat.answer(pool))));
    let mut world = World::new();
    for (pool, replay) in &replays {
        world.pool(pool, Chat, &replay.url());
    }
    let targets = json!([
        {"pool": "first", "model": "m"},
        {"pool": "called", "model": "m", "onlyAfter": ["RateLimited", "Overloaded"]},
        {"pool": "next", "model": "m", "priority": 1},
    ]);
    world.route_by_rule("bot", json!({"targets": targets}), json!({}));
    let gateway = Gateway::start(&world);
    let asked = || replays.each_ref().map(|(_, replay)| replay.take_requests().len());
    let ask = || gateway.ask(Messages, "bot", true).send().expect("an answer");
    // Not rate limited: the key would rest.
    replays[0].1.set(Chat.error(529, "overloaded_error", "Overloaded"));
    assert_eq!((&*pool_of(&ask()), asked()), ("next", [1, 0, 1]));
    replays[2].1.set(Behaviour::status(503, "out of order"));
    assert_eq!((&*pool_of(&ask()), asked()), ("called", [1, 1, 1]));
    replays[1].1.set(Behaviour::status(503, "out of order"));
    let answer = ask();
    assert_eq!((answer.status.as_u16(), answer.header("x-penstock-attempts")), (529, "3"));
    assert!(is_error_body(Messages, &answer.json()), "{}", answer.text());
    assert_eq!(asked(), [1, 1, 1]);
    // Another failure calls nobody.
    replays[0].1.set(Behaviour::status(500, "boom"));
    assert!(ask().status.is_server_error());
    assert_eq!(asked()[1], 0);
}

fn made_at_home(name: &str, price: &str, window: u32) -> Value {
    json!({
        "name": name, "price": {"input": price, "output": price}, "contextWindow": window,
        "capabilities": {"tools": true},
    })
}

#[test]
fn models_of_the_same_class_take_over_and_say_so() {
    let replays = ["here", "there"].map(|pool| (pool, Replay::start(Chat.answer(pool))));
    let mut world = World::new();
    let models = [
        json!([made_at_home("named", "1.00", 8_000)]),
        json!([
            made_at_home("small", "1.00", 4_000),
            made_at_home("dear", "90.00", 8_000),
            made_at_home("twin", "1.10", 16_000),
        ]),
    ];
    for ((pool, replay), models) in replays.iter().zip(models) {
        let endpoint = format!("{}/v1", replay.url());
        world.pool_of(
            pool,
            json!({"name": "up", "type": "OpenAICompatible", "endpoint": endpoint, "models": models}),
        );
    }
    let target = |equivalents: &str| json!({"targets": [{"pool": "here", "model": "named", "equivalents": equivalents}]});
    world.route_by_rule("auto", target("Auto"), json!({}));
    world.route_by_rule("none", target("None"), json!({}));
    let gateway = Gateway::start(&world);
    let header = "x-penstock-equivalent";
    for (wire, stream) in ASKS {
        let answer = gateway.ask(wire, "auto", stream).send().expect("an answer");
        assert_eq!((&*pool_of(&answer), answer.header(header)), ("here", ""));
    }
    replays[0].1.set(Behaviour::status(500, "boom"));
    for (wire, stream) in ASKS {
        let answer = gateway.ask(wire, "auto", stream).send().expect("an answer");
        assert_eq!(answer.header("x-penstock-target"), "there/up/twin", "{}", answer.text());
        assert_eq!((answer.header(header), answer.header("x-penstock-attempts")), ("true", "2"));
        assert_eq!(Told::by(wire, &answer).is_whole(wire, "there"), Ok(()));
        let asked = replays[1].1.take_requests();
        assert_eq!((asked.len(), &asked[0].json()["model"]), (1, &json!("twin")));
    }
    let counted = [("gen_ai_request_model", "twin"), ("route", "default/auto")];
    assert_eq!(gateway.settled().sum("penstock_equivalent_answers_total", &counted), 4.0);
    let answer = gateway.ask(Chat, "none", false).send().expect("an answer");
    assert_eq!(answer.status, 500);
    assert!(replays[1].1.requests().is_empty());
}
