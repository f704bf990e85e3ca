//! Targets without a model: clients name what the pools behind them serve.

use crate::gateway::{Gateway, World, pool_of};
use crate::wire::{Chat, Messages, Told, WIRES, is_error_body};
use penstock_e2e::client::{Answer, Call};
use penstock_e2e::{Behaviour, Replay};
use serde_json::{Value, json};

struct Setup {
    gateway: Gateway,
    home: Replay,
    vendor: Replay,
}

/// A pool that lists its models, and one whose provider is asked for whatever is its vendor's.
fn start(name: &str) -> Setup {
    let (home, vendor) = (Replay::start(Chat.answer("home")), Replay::start(Messages.answer("vendor")));
    let mut world = World::new();
    let listed = json!([{"name": "llama-large"}, {"name": "llama-small", "upstream": "meta/llama-small"}]);
    let endpoint = format!("{}/v1", home.url());
    world.pool_of(
        "home",
        json!({"name": "up", "type": "OpenAICompatible", "endpoint": endpoint, "models": listed}),
    );
    let mut provider = World::provider(Messages, &vendor.url());
    provider.as_object_mut().expect("an object").remove("models");
    world.pool_of("vendor", provider);
    let targets = json!([{"pool": "home"}, {"pool": "vendor", "priority": 1}]);
    let rules = json!([{"name": "all", "targets": targets}]);
    world.route_of("open", json!({"models": [{"name": name}], "rules": rules}));
    // A name of its own beats what is open.
    world.route_named("own", "claude-of-ours", "home-m");
    world.pool("home-m", Chat, &home.url());
    Setup { gateway: Gateway::start(&world), home, vendor }
}

impl Setup {
    fn names(&self) -> Vec<String> {
        let answer = Call::get(&format!("{}/v1/models", self.gateway.url)).send().expect("an answer");
        let entries = answer.json()["data"].as_array().expect("a list").clone();
        entries.iter().map(|entry| entry["id"].as_str().expect("an id").to_owned()).collect()
    }

    fn one(&self, model: &str) -> Answer {
        Call::get(&format!("{}/v1/models/{model}", self.gateway.url)).send().expect("an answer")
    }
}

#[test]
fn clients_name_what_the_pools_serve() {
    let setup = start("*");
    for (model, pool, upstream) in [
        ("llama-large", "home", "llama-large"),
        ("llama-small", "home", "meta/llama-small"),
        ("claude-sonnet-4-5", "vendor", "claude-sonnet-4-5"),
        // No catalogue knows it yet.
        ("claude-of-next-year", "vendor", "claude-of-next-year"),
        ("claude-of-ours", "home-m", "gpt-4o"),
    ] {
        for (wire, stream) in WIRES.into_iter().flat_map(|wire| [(wire, true), (wire, false)]) {
            let answer = setup.gateway.ask(wire, model, stream).send().expect("an answer");
            assert_eq!(pool_of(&answer), pool, "{model}");
            let text = if pool == "vendor" { "vendor" } else { "home" };
            assert_eq!(Told::by(wire, &answer).is_whole(wire, text), Ok(()), "{model}");
            let replay = if pool == "vendor" { &setup.vendor } else { &setup.home };
            let asked = replay.take_requests();
            assert_eq!((asked.len(), &asked[0].json()["model"]), (1, &json!(upstream)));
        }
    }
    // Labels come from the configuration: what a client names is none.
    let metrics = setup.gateway.settled();
    assert_eq!(
        metrics.sum("penstock_requests_total", &[("gen_ai_request_model", "claude-of-next-year")]),
        0.0
    );
    assert!(metrics.sum("penstock_requests_total", &[("gen_ai_request_model", "*")]) > 0.0);
}

#[test]
fn what_nobody_serves_is_a_404_and_no_request() {
    let setup = start("*");
    for (wire, stream) in WIRES.into_iter().flat_map(|wire| [(wire, true), (wire, false)]) {
        for model in ["gpt-of-nobody", "llama-huge"] {
            let answer = setup.gateway.ask(wire, model, stream).send().expect("an answer");
            assert_eq!(answer.status, 404, "{}", answer.text());
            let body = answer.json();
            assert!(is_error_body(wire, &body), "{body}");
            assert!(body["error"]["message"].as_str().expect("a message").contains(model), "{body}");
            if wire == Chat {
                assert_eq!(body["error"]["code"], "model_not_found");
            }
        }
    }
    assert_eq!((setup.home.requests().len(), setup.vendor.requests().len()), (0, 0));
}

#[test]
fn the_list_of_models_has_what_the_pools_list() {
    let setup = start("*");
    assert_eq!(setup.names(), ["claude-of-ours", "llama-large", "llama-small"]);
    // One of them, and one that can be asked for without being in the list.
    for name in ["llama-small", "claude-of-next-year"] {
        let answer = setup.one(name);
        assert_eq!((answer.status.as_u16(), &answer.json()["id"]), (200, &json!(name)));
    }
    let answer = setup.one("gpt-of-nobody");
    assert_eq!(answer.status, 404, "{}", answer.text());
}

#[test]
fn a_prefix_leaves_the_rest_to_others() {
    let setup = start("llama-*");
    assert_eq!(setup.names(), ["claude-of-ours", "llama-large", "llama-small"]);
    assert_eq!(pool_of(&setup.gateway.ask(Chat, "llama-small", false).send().expect("an answer")), "home");
    let refused = setup.gateway.ask(Chat, "claude-sonnet-4-5", false).send().expect("an answer");
    assert_eq!(refused.status, 404);
    assert!(setup.vendor.requests().is_empty());
}

#[test]
fn a_model_of_a_client_that_a_vendor_does_not_know_says_nothing_of_its_health() {
    let setup = start("*");
    setup.vendor.set(Messages.error(404, "not_found_error", "model: claude-typo"));
    for n in 0..8 {
        let answer = setup.gateway.ask(WIRES[n % 2], "claude-typo", n % 4 < 2).send().expect("an answer");
        assert_eq!(answer.status, 404, "{}", answer.text());
        assert!(is_error_body(WIRES[n % 2], &answer.json()), "{}", answer.text());
    }
    assert_eq!(setup.gateway.settled().sum("penstock_breaker_state", &[("pool", "default/vendor")]), 0.0);
    setup.vendor.set(Messages.answer("vendor"));
    let answer = setup.gateway.ask(Chat, "claude-sonnet-4-5", false).send().expect("an answer");
    assert_eq!(pool_of(&answer), "vendor");
}

#[test]
fn a_model_that_two_pools_list_fails_over() {
    let (one, two) = (Replay::start(Behaviour::status(500, "boom")), Replay::start(Messages.answer("two")));
    let mut world = World::new();
    for (pool, wire, replay) in [("one", Chat, &one), ("two", Messages, &two)] {
        let mut provider: Value = World::provider(wire, &replay.url());
        provider["models"][0]["name"] = json!("shared");
        world.pool_of(pool, provider);
    }
    let targets = json!([{"pool": "one"}, {"pool": "two", "priority": 1}]);
    let rules = json!([{"name": "all", "targets": targets}]);
    world.route_of("open", json!({"models": [{"name": "*"}], "rules": rules}));
    let gateway = Gateway::start(&world);
    for (wire, stream) in WIRES.into_iter().flat_map(|wire| [(wire, true), (wire, false)]) {
        let answer = gateway.ask(wire, "shared", stream).send().expect("an answer");
        assert_eq!(
            (answer.header("x-penstock-target"), answer.header("x-penstock-attempts")),
            ("two/up/shared", "2")
        );
    }
}
