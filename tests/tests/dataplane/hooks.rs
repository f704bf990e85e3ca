//! Hooks: services that are asked where a request goes, before the rules of its route are looked at.

use std::process::Command;
use std::time::Duration;

use penstock_e2e::client::{Answer, Call};
use penstock_e2e::replay::SeenRequest;
use penstock_e2e::webhook::is_signed_with;
use penstock_e2e::{Behaviour, Proc, Replay, Script, cargo_bins, python, wait_until, workspace_root};
use serde_json::{Value, json};

use crate::gateway::{Gateway, SOON, World};
use crate::wire::{Chat, Told, WIRES, Wire};

/// 24 bytes.
const SECRET: &str = "whsec_cGVuc3RvY2stc2lnbmluZy1rZXktMDEyMzQ1Njc4OQ==";
const NEW_SECRET: &str = "whsec_YW5vdGhlciBzaWduaW5nIGtleSBvZiB0ZXN0cw==";

struct Routed {
    gateway: Gateway,
    hook: Replay,
    /// One for each pool, `a` to `c`.
    upstreams: Vec<Replay>,
}

type Rules<'a> = &'a [(&'a str, Option<&'a str>, &'a str)];

/// Three rules that take every request as it comes: the first one, unless somebody says otherwise.
const RULES: Rules<'_> = &[("first", Some("true"), "a"), ("second", Some("true"), "b"), ("third", None, "c")];

fn upstreams(world: &mut World) -> Vec<Replay> {
    let start = |pool| {
        let upstream = Replay::start(Chat.answer(pool));
        world.pool(pool, Chat, &upstream.url());
        upstream
    };
    ["a", "b", "c"].map(start).into()
}

/// A hook that does this, with these members in the route beside its name and address.
fn hook_at(hook: &Replay, members: Value) -> Value {
    let mut spec = json!({"name": "router", "endpoint": format!("{}/route", hook.url()), "timeout": "10s"});
    let all = spec.as_object_mut().expect("an object");
    all.extend(members.as_object().expect("an object").clone());
    spec
}

fn start(rules: Rules<'_>, script: impl Into<Script>, members: Value) -> Routed {
    let (mut world, hook) = (World::new(), Replay::start(script));
    world.secret("router", &[("key", SECRET)]);
    let upstreams = upstreams(&mut world);
    world.route_with_hooks("bot", rules, &[hook_at(&hook, members)]);
    Routed { gateway: Gateway::start(&world), hook, upstreams }
}

fn says(verdict: Value) -> Behaviour {
    Behaviour::json(verdict)
}

fn ask(gateway: &Gateway) -> Answer {
    gateway.ask(Chat, "bot", false).send().expect("an answer")
}

/// The pool that answered.
fn target(answer: &Answer) -> &str {
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.header("x-penstock-target").split('/').next().unwrap_or_default()
}

/// Pool, provider and model that answered.
fn target_of(answer: &Answer) -> &str {
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.header("x-penstock-target")
}

fn results(gateway: &Gateway, hook: &str, result: &str) -> f64 {
    let labels = [("route", "default/bot"), ("hook", hook), ("result", result)];
    gateway.settled().sum("penstock_hook_requests_total", &labels)
}

/// What the document of hooks says of each: nothing, where it fits.
fn problems(items: &[(&str, Value)]) -> Vec<Vec<String>> {
    let document = workspace_root().join("docs/hooks.openapi.yaml");
    python::run("hooks.py", &[], &[], &json!({"document": document, "items": items}))
}

fn fits(items: &[(&str, Value)]) {
    for (problems, (name, value)) in problems(items).iter().zip(items) {
        assert!(problems.is_empty(), "{name}: {problems:?} in {value}");
    }
}

#[test]
fn a_hook_is_told_of_the_request_and_picks_the_rule() {
    let routed = start(RULES, says(json!({"rule": "second"})), json!({"send": "Body"}));
    let tool = |name: &str| json!({"type": "function", "function": {"name": name}});
    let request = json!({
        "model": "bot", "user": "u-1", "metadata": {"shop": "berlin"}, "stream": true,
        "tools": [tool("search"), tool("refund")],
        "messages": [{"role": "user", "content": "Where is my order?"}],
    });
    let call = routed.gateway.call(Chat, &request).header("x-tier", "gold").header("x-request-id", "mine-1");
    let answer = ["authorization", "x-api-key", "api-key", "cookie", "x-goog-api-key", "x-auth-token"]
        .into_iter()
        .fold(call, |call, name| call.header(name, "sesame"))
        .header("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
        .send()
        .expect("an answer");
    assert_eq!(target(&answer), "b");
    assert_eq!(Told::by(Chat, &answer).text, "b");

    let seen = &routed.hook.requests()[0];
    assert_eq!((seen.method.as_str(), seen.path.as_str()), ("POST", "/route"));
    assert_eq!(seen.header("content-type"), "application/json");
    assert_eq!(seen.header("webhook-signature"), "", "nobody gave a key");
    let told = seen.json();
    assert!(!seen.body.windows(6).any(|piece| piece == b"sesame"), "{told}");
    assert_eq!(told["headers"]["x-tier"], "gold");
    assert_eq!(told["headers"].get("traceparent"), None);
    assert!(told["promptTokens"].as_u64().is_some_and(|tokens| tokens > 3), "{told}");
    let offer = |name: &str, pool: &str| json!({"name": name, "targets": [{"pool": pool, "model": "m"}]});
    for (member, want) in [
        ("version", json!("v1")),
        ("requestId", json!("mine-1")),
        ("hook", json!("router")),
        ("route", json!("default/bot")),
        ("model", json!("bot")),
        ("endpoint", json!("/v1/chat/completions")),
        ("stream", json!(true)),
        ("user", json!("u-1")),
        ("metadata", json!({"shop": "berlin"})),
        ("tools", json!(["search", "refund"])),
        ("labels", json!({})),
        ("rules", json!([offer("first", "a"), offer("second", "b"), offer("third", "c")])),
        ("body", request),
    ] {
        assert_eq!(told[member], want, "{member}");
    }
    assert_eq!(told["has"]["tools"], true);
    assert_eq!(told["has"]["pdf"], false);

    let metrics = routed.gateway.settled();
    assert_eq!(metrics.sum("penstock_requests_total", &[("rule", "second"), ("outcome", "success")]), 1.0);
    assert_eq!(results(&routed.gateway, "router", "ok"), 1.0);
    assert_eq!(metrics.sum("penstock_hook_duration_seconds_count", &[("hook", "router")]), 1.0);
    assert_eq!(routed.upstreams[0].requests().len(), 0);
}

/// Whatever a client asks for, its hook is sent what the document says.
#[test]
fn every_endpoint_asks_hooks_and_fits_the_document() {
    let routed = start(RULES, says(json!({})), json!({"send": "Body"}));
    let user = json!([{"role": "user", "content": "hi"}]);
    let requests = [
        ("/v1/chat/completions", json!({"model": "bot", "messages": user})),
        (
            "/v1/messages",
            json!({"model": "bot", "max_tokens": 9, "messages": user, "metadata": {"user_id": "u"}}),
        ),
        ("/v1/messages/count_tokens", json!({"model": "bot", "messages": user})),
        (
            "/v1/responses",
            json!({"model": "bot", "input": "hi", "text": {"format": {"type": "json_schema", "name": "s", "schema": {"type": "object"}}}}),
        ),
        ("/v1/completions", json!({"model": "bot", "prompt": "hi"})),
        ("/v1/embeddings", json!({"model": "bot", "input": "hi"})),
        ("/v1beta/models", json!({"contents": [{"role": "user", "parts": [{"text": "hi"}]}]})),
    ];
    for (path, request) in &requests {
        let path = if *path == "/v1beta/models" { "/v1beta/models/bot:generateContent" } else { path };
        let _ = Call::post(&format!("{}{path}", routed.gateway.url), request).send();
    }
    // Requests are asked about one after the other, on one connection.
    assert_eq!(routed.hook.connections(), 1);
    let seen: Vec<Value> = routed.hook.requests().iter().map(SeenRequest::json).collect();
    assert_eq!(seen.len(), requests.len());
    for (told, (path, request)) in seen.iter().zip(&requests) {
        assert_eq!((&told["endpoint"], &told["body"]), (&json!(path), request));
        assert_eq!(told["model"], "bot");
    }
    fits(&seen.into_iter().map(|told| ("HookRequest", told)).collect::<Vec<_>>());
}

#[test]
fn a_body_that_cannot_be_read_is_a_400_and_nobody_is_asked() {
    let routed = start(RULES, says(json!({})), json!({}));
    let url = format!("{}/v1/chat/completions", routed.gateway.url);
    let answer =
        Call::post(&url, &json!({"model": "bot", "messages": "not a list"})).send().expect("an answer");
    assert_eq!(answer.status, 400);
    assert_eq!(answer.json()["error"]["param"], "messages");
    assert!(routed.hook.requests().is_empty());
}

#[test]
fn targets_are_tried_in_the_hooks_order_and_no_others() {
    let targets = |pools: &[&str]| {
        let targets: Vec<_> = pools.iter().map(|pool| json!({"pool": pool, "model": "m"})).collect();
        says(json!({ "targets": targets }))
    };
    let routed = start(RULES, targets(&["c", "b"]), json!({}));
    assert_eq!(target(&ask(&routed.gateway)), "c");
    // The first fails, the second takes over.
    routed.upstreams[2].set(Behaviour::status(500, "no"));
    let answer = ask(&routed.gateway);
    assert_eq!((target(&answer), answer.header("x-penstock-attempts")), ("b", "2"));
    // There is no third one.
    routed.upstreams[1].set(Behaviour::status(500, "no"));
    let answer = ask(&routed.gateway);
    assert!(answer.status.is_server_error(), "{}", answer.status);
    assert!(routed.upstreams[0].requests().is_empty());
    // The rule is the one that took the request, whoever answered.
    routed.hook.set(says(json!({"rule": "second", "targets": [{"pool": "a", "model": "m"}]})));
    assert_eq!(target(&ask(&routed.gateway)), "a");
    let failed = [("rule", "first"), ("outcome", "upstream_error")];
    assert_eq!(routed.gateway.settled().sum("penstock_requests_total", &failed), 1.0);
}

/// Targets that wait for a failure, those without a model of their own, and those that nobody wrote down.
#[test]
fn targets_of_every_sort_can_be_named_or_not() {
    let (mut world, hook) = (World::new(), Replay::start(says(json!({}))));
    let upstreams = upstreams(&mut world);
    let target = |pool: &str| json!({"pool": pool, "model": "m", "equivalents": "Auto"});
    let waiting = json!({"pool": "b", "model": "m", "onlyAfter": ["ContentFilter"]});
    world.route_of(
        "any",
        json!({
            "models": [{"name": "*"}],
            "hooks": [hook_at(&hook, json!({"failurePolicy": "Fail"}))],
            "rules": [
                {"name": "some", "when": "true", "targets": [target("a"), waiting]},
                {"name": "whatever", "targets": [{"pool": "c"}]},
            ],
        }),
    );
    let gateway = Gateway::start(&world);
    let ask = |model: &str| gateway.ask(Chat, model, false).send().expect("an answer");
    assert_eq!(target_of(&ask("m")), "a/up/m");
    let told = hook.requests()[0].json();
    let named = |pool: &str| json!({"pool": pool, "model": "m"});
    assert_eq!(told["rules"][0]["targets"], json!([named("a"), named("b")]), "{told}");
    assert_eq!(told["rules"][1]["targets"], json!([named("c")]), "{told}");

    hook.set(says(json!({"targets": [named("b"), named("a")]})));
    assert_eq!(target_of(&ask("m")), "b/up/m");
    hook.set(says(json!({"targets": [named("c")]})));
    assert_eq!(target_of(&ask("m")), "c/up/m");
    assert_eq!(gateway.settled().sum("penstock_requests_total", &[("rule", "whatever")]), 1.0);
    // Nobody serves this one by its own name.
    assert_eq!(ask("other").status, 503);
    assert_eq!(hook.requests().last().expect("a request").json()["rules"][1]["targets"], json!([]));
    assert_eq!(upstreams[0].requests().len(), 1);
}

#[test]
fn labels_are_for_conditions_and_for_later_hooks() {
    let (mut world, first, second) = (
        World::new(),
        Replay::start(says(json!({"labels": {"topic": "refund", "lang": "de"}}))),
        Replay::start(says(json!({"labels": {"lang": "fr"}}))),
    );
    let _upstreams = upstreams(&mut world);
    let rules: Rules<'_> = &[
        ("other", Some("request.labels['topic'] == 'refund' && request.labels['lang'] == 'de'"), "a"),
        ("refunds", Some("request.labels['topic'] == 'refund' && request.labels['lang'] == 'fr'"), "b"),
        ("unset", Some("request.labels['topic'] == '' && !('topic' in request.labels)"), "c"),
    ];
    let hooks = [hook_at(&first, json!({"name": "first"})), hook_at(&second, json!({"name": "second"}))];
    world.route_with_hooks("bot", rules, &hooks);
    let gateway = Gateway::start(&world);
    assert_eq!(target(&ask(&gateway)), "b");
    assert_eq!(first.requests()[0].json()["labels"], json!({}));
    assert_eq!(second.requests()[0].json()["labels"], json!({"topic": "refund", "lang": "de"}));
    for hook in [&first, &second] {
        hook.set(Behaviour::RawStream {
            status: 204,
            headers: vec![],
            bytes: "".into(),
            chunk_size: 1,
            paced: Default::default(),
        });
    }
    assert_eq!(target(&ask(&gateway)), "c");
}

#[test]
fn a_later_hook_counts_more() {
    let (mut world, first, second) = (
        World::new(),
        Replay::start(says(json!({"rule": "second", "targets": [{"pool": "a", "model": "m"}]}))),
        Replay::start(says(json!({"targets": [{"pool": "c", "model": "m"}]}))),
    );
    let _upstreams = upstreams(&mut world);
    let hooks = [hook_at(&first, json!({"name": "first"})), hook_at(&second, json!({"name": "second"}))];
    world.route_with_hooks("bot", RULES, &hooks);
    let gateway = Gateway::start(&world);
    assert_eq!(target(&ask(&gateway)), "c");
    assert_eq!(gateway.settled().sum("penstock_requests_total", &[("outcome", "success")]), 1.0);
    // A refusal ends it: nobody is asked after it.
    first.set(says(json!({"refuse": {"message": "no"}})));
    assert_eq!(ask(&gateway).status, 403);
    assert_eq!(second.requests().len(), 1);
}

#[test]
fn a_refusal_is_told_in_the_clients_format() {
    let routed = start(RULES, says(json!({})), json!({"failurePolicy": "Fail"}));
    for (wire, stream) in WIRES.into_iter().flat_map(|wire| [(wire, false), (wire, true)]) {
        for (refuse, status, code) in [
            (json!({"status": 451, "code": "not_here", "message": "Not in your country."}), 451, "not_here"),
            (json!({"message": "Not in your country."}), 403, "refused_by_hook"),
        ] {
            routed.hook.set(says(json!({"rule": "first", "refuse": refuse})));
            let answer = routed.gateway.ask(wire, "bot", stream).send().expect("an answer");
            assert_eq!(answer.status, status, "{}", answer.text());
            assert_eq!(answer.header("x-penstock-route"), "default/bot");
            let body = answer.json();
            assert_eq!(body["error"]["message"], "Not in your country.", "{body}");
            if wire == Chat {
                assert_eq!(body["error"]["code"], code);
            }
        }
    }
    assert!(routed.upstreams.iter().all(|upstream| upstream.requests().is_empty()));
    assert_eq!(results(&routed.gateway, "router", "refused"), 8.0);
    let refused = [("route", "default/bot"), ("outcome", "client_error")];
    assert_eq!(routed.gateway.settled().sum("penstock_requests_total", &refused), 8.0);
}

/// What a hook does that is no answer, and how that is counted.
fn troubles() -> Vec<(&'static str, Behaviour)> {
    let invalid = |verdict: Value| ("invalid", says(verdict));
    let raw = |bytes: Vec<u8>| Behaviour::RawStream {
        status: 200,
        headers: vec![],
        bytes: bytes.into(),
        chunk_size: 1 << 16,
        paced: Default::default(),
    };
    vec![
        ("timeout", Behaviour::HangBeforeHeaders),
        ("timeout", Behaviour::HangAfterHeaders),
        ("connect", Behaviour::ResetBeforeHeaders),
        ("status", Behaviour::error(500, json!({"rule": "second"}))),
        ("status", Behaviour::error(201, json!({"rule": "second"}))),
        ("status", Behaviour::error(404, json!({"rule": "second"}))),
        ("invalid", Behaviour::EmptyBody200),
        ("invalid", Behaviour::status(200, "second")),
        ("invalid", raw(format!("{}{{}}", " ".repeat(70_000)).into())),
        invalid(json!({"rule": "none"})),
        invalid(json!({"targets": [{"pool": "d", "model": "m"}]})),
        invalid(json!({"rule": "second", "because": "I say so"})),
        invalid(json!({"labels": {"Topic": "x"}})),
        invalid(json!({"refuse": {"status": 500, "message": "no"}})),
    ]
}

#[test]
fn a_hook_that_fails_is_passed_over_or_is_a_503() {
    for (policy, status) in [("Ignore", 200), ("Fail", 503)] {
        let routed = start(RULES, says(json!({})), json!({"failurePolicy": policy, "timeout": "300ms"}));
        // What a shape tells can be seen in the document, too; names of the route's own can not.
        for (result, behaviour) in troubles() {
            let before = results(&routed.gateway, "router", result);
            routed.hook.set(behaviour.clone());
            let answer = ask(&routed.gateway);
            assert_eq!(answer.status, status, "{policy}: {behaviour:?}: {}", answer.text());
            assert_eq!(results(&routed.gateway, "router", result), before + 1.0, "{behaviour:?}");
            if policy == "Ignore" {
                assert_eq!(target(&answer), "a", "{behaviour:?}");
                continue;
            }
            let error = answer.json()["error"].clone();
            assert_eq!(error["code"], "hook_failed");
            let message = error["message"].as_str().unwrap_or_default();
            assert!(message.contains("hook `router` of route default/bot"), "{message}");
            assert!(!message.contains("127.0.0.1"), "{message}");
        }
        // Nobody there.
        routed.hook.refuse();
        let before = results(&routed.gateway, "router", "connect");
        assert_eq!(ask(&routed.gateway).status, status);
        assert_eq!(results(&routed.gateway, "router", "connect"), before + 1.0);
        // Its time is none of the gateway's own.
        let metrics = routed.gateway.settled();
        assert!(metrics.sum("penstock_overhead_duration_seconds_sum", &[]) < 0.6);
        assert!(metrics.sum("penstock_hook_duration_seconds_sum", &[("hook", "router")]) > 0.6);
    }
}

#[test]
fn what_the_document_lets_pass_and_what_not() {
    let target = json!({"pool": "a", "model": "m"});
    let good = [
        json!({}),
        json!({"rule": "first", "targets": [target], "labels": {"a.b_c-1": "x"}}),
        json!({"refuse": {"message": "no"}}),
        json!({"refuse": {"message": "no", "status": 499, "code": "a-b.c_D"}}),
    ];
    let bad = [
        json!([]),
        json!({"rules": "first"}),
        json!({"rule": 1}),
        json!({"targets": []}),
        json!({"targets": [{"pool": "a"}]}),
        json!({"targets": [{"pool": "a", "model": "m", "weight": 1}]}),
        json!({"labels": {"A": "x"}}),
        json!({"labels": {"a": 1}}),
        json!({"labels": {"a": "x".repeat(257)}}),
        json!({"labels": (0..17).map(|i| (format!("l{i}"), json!("x"))).collect::<serde_json::Map<_, _>>()}),
        json!({"refuse": {}}),
        json!({"refuse": {"message": ""}}),
        json!({"refuse": {"message": "no", "status": 500}}),
        json!({"refuse": {"message": "no", "code": "two words"}}),
    ];
    // The proxy and the document agree.
    let routed = start(RULES, says(json!({})), json!({"failurePolicy": "Fail"}));
    let said = problems(
        &good.iter().chain(&bad).map(|verdict| ("HookVerdict", verdict.clone())).collect::<Vec<_>>(),
    );
    for (i, verdict) in good.iter().chain(&bad).enumerate() {
        let is_good = i < good.len();
        assert_eq!(said[i].is_empty(), is_good, "the document: {verdict}: {:?}", said[i]);
        routed.hook.set(says(verdict.clone()));
        assert_eq!(ask(&routed.gateway).status != 503, is_good, "the proxy: {verdict}");
    }
}

#[test]
fn requests_are_signed_and_a_rotated_key_counts_at_once() {
    let hook = Replay::start(says(json!({"rule": "second"})));
    let signed = json!({"signingSecretRef": {"name": "router", "key": "key"}});
    let mut upstreams_of = vec![];
    let mut world_with = |secret: &str| {
        let mut world = World::new();
        world.secret("router", &[("key", secret)]);
        upstreams_of.extend(upstreams(&mut world));
        world.route_with_hooks("bot", RULES, &[hook_at(&hook, signed.clone())]);
        world
    };
    let gateway = Gateway::start(&world_with(SECRET));
    for _ in 0..2 {
        assert_eq!(target(&ask(&gateway)), "b");
    }
    let seen = hook.take_requests();
    assert!(seen.iter().all(|seen| is_signed_with(seen, SECRET) && !is_signed_with(seen, NEW_SECRET)));
    assert_ne!(seen[0].header("webhook-id"), seen[1].header("webhook-id"));
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a date").as_secs();
    let at: u64 = seen[0].header("webhook-timestamp").parse().expect("a number");
    assert!(now.abs_diff(at) < 60, "{at}");

    gateway.reload(&world_with(NEW_SECRET));
    assert_eq!(target(&ask(&gateway)), "b");
    let seen = hook.take_requests();
    assert!(is_signed_with(&seen[0], NEW_SECRET) && !is_signed_with(&seen[0], SECRET));
    assert!(!gateway.process.logs().contains("cGVuc3"), "a key is in the log");
}

/// Without its key a hook is not asked: it has failed, which `Fail` does not let pass.
#[test]
fn a_hook_without_its_key_has_failed() {
    let (mut world, hook) = (World::new(), Replay::start(says(json!({"rule": "second"}))));
    let _upstreams = upstreams(&mut world);
    let signed = |name: &str, policy: &str| {
        let reference = json!({"name": "router", "key": "key"});
        hook_at(&hook, json!({"name": name, "failurePolicy": policy, "signingSecretRef": reference}))
    };
    world.route_with_hooks("bot", RULES, &[signed("lenient", "Ignore"), signed("strict", "Fail")]);
    let gateway = Gateway::start_with_problems(&world.text(), &[], &[]);
    let logs = gateway.process.logs();
    assert!(logs.contains("spec.hooks[0].signingSecretRef.name: no Secret `router`"), "{logs}");
    let answer = ask(&gateway);
    assert_eq!(answer.status, 503);
    assert!(answer.text().contains("hook `strict`"), "{}", answer.text());
    assert_eq!(
        (results(&gateway, "lenient", "unsigned"), results(&gateway, "strict", "unsigned")),
        (1.0, 1.0)
    );
    assert!(hook.requests().is_empty());
}

#[test]
fn a_verdict_is_kept_for_requests_that_look_the_same() {
    let verdicts = |_: &SeenRequest, n: usize| match n {
        0 => Behaviour::status(500, "not yet"),
        _ => says(json!({"rule": "second"})),
    };
    let routed = start(RULES, Script::by(verdicts), json!({"cacheSeconds": 3600}));
    // A failure is not kept.
    assert_eq!(target(&ask(&routed.gateway)), "a");
    for _ in 0..3 {
        assert_eq!(target(&ask(&routed.gateway)), "b");
    }
    assert_eq!(routed.hook.requests().len(), 2);
    assert_eq!(results(&routed.gateway, "router", "cached"), 2.0);
    assert_eq!(results(&routed.gateway, "router", "ok"), 1.0);
    // Another header, another prompt: another request.
    let other = routed.gateway.ask(Chat, "bot", false).header("x-tier", "gold").send().expect("an answer");
    assert_eq!(target(&other), "b");
    assert_eq!(routed.hook.requests().len(), 3);
    // Another id or trace is not.
    let same =
        routed.gateway.ask(Chat, "bot", false).header("x-request-id", "r-2").header("traceparent", "00-1");
    assert_eq!(target(&same.send().expect("an answer")), "b");
    assert_eq!(routed.hook.requests().len(), 3);
}

#[test]
fn a_verdict_outlives_a_change_that_is_none_of_its_own() {
    let hook = Replay::start(says(json!({"rule": "second"})));
    let mut world = World::new();
    let upstreams = upstreams(&mut world);
    let cached = [hook_at(&hook, json!({"cacheSeconds": 3600}))];
    let mut with_other = world.clone();
    world.route_with_hooks("bot", RULES, &cached);
    with_other.route_with_hooks("bot", RULES, &cached);
    with_other.route("other", &["a"], json!({}));
    let gateway = Gateway::start(&world);
    assert_eq!(target(&ask(&gateway)), "b");
    gateway.reload(&with_other);
    assert_eq!(target(&ask(&gateway)), "b");
    assert_eq!((hook.requests().len(), upstreams[1].requests().len()), (1, 2));
    // The rules are a part of what a hook is asked: with others it is asked again.
    let mut fewer = with_other.clone();
    fewer.remove_route("bot");
    fewer.route_with_hooks("bot", &RULES[1..], &cached);
    gateway.reload(&fewer);
    assert_eq!(target(&ask(&gateway)), "b");
    assert_eq!(hook.requests().len(), 2);
    // Series go with their hook.
    let mut without = fewer.clone();
    without.remove_route("bot");
    gateway.reload(&without);
    assert!(gateway.metrics().of("penstock_hook_requests_total", &[]).is_empty());
    assert!(gateway.metrics().of("penstock_hook_duration_seconds_count", &[]).is_empty());
}

#[test]
fn a_shadow_is_asked_and_not_followed() {
    let refuse = says(json!({"rule": "labelled", "labels": {"a": "b"}, "refuse": {"message": "no"}}));
    let routed = start(
        &[("labelled", Some("request.labels['a'] == 'b'"), "b"), ("all", None, "a")],
        refuse.delayed(Duration::from_millis(500)),
        json!({"shadow": true, "failurePolicy": "Fail"}),
    );
    assert_eq!(target(&ask(&routed.gateway)), "a");
    assert!(results(&routed.gateway, "router", "refused") < 1.0, "the request did not wait");
    wait_until(SOON, "the shadow's verdict is counted", || {
        results(&routed.gateway, "router", "refused") == 1.0
    });
    routed.hook.set(says(json!({"rule": "none"})));
    assert_eq!(target(&ask(&routed.gateway)), "a");
    wait_until(SOON, "an invalid one, too", || results(&routed.gateway, "router", "invalid") == 1.0);
}

#[test]
fn shadows_are_bounded() {
    let routed = start(RULES, Behaviour::HangBeforeHeaders, json!({"shadow": true}));
    for _ in 0..70 {
        assert_eq!(target(&ask(&routed.gateway)), "a");
    }
    assert_eq!(results(&routed.gateway, "router", "dropped"), 6.0);
    wait_until(SOON, "the others are asked", || routed.hook.requests().len() == 64);
    wait_until(SOON, "and given up", || results(&routed.gateway, "router", "timeout") == 64.0);
    assert_eq!(target(&ask(&routed.gateway)), "a");
    assert_eq!(results(&routed.gateway, "router", "dropped"), 6.0);
}

#[test]
fn redirects_are_not_followed() {
    let elsewhere = Replay::start(says(json!({"rule": "second"})));
    let routed = start(RULES, says(json!({})), json!({"failurePolicy": "Fail"}));
    for to in ["http://169.254.169.254/latest/meta-data/".to_owned(), format!("{}/", elsewhere.url())] {
        for status in [301, 302, 303, 307, 308] {
            routed.hook.set(Behaviour::error(status, json!({})).header("location", &to));
            assert_eq!(ask(&routed.gateway).status, 503);
            assert_eq!(routed.hook.take_requests().len(), 1);
        }
    }
    assert_eq!(results(&routed.gateway, "router", "status"), 10.0);
    assert!(elsewhere.requests().is_empty());
}

#[test]
fn explain_tells_what_hooks_said() {
    let routed = start(RULES, says(json!({"rule": "second", "labels": {"topic": "refund"}})), json!({}));
    let explain = |args: &[&str]| {
        let output =
            Command::new(&cargo_bins().penstock).arg("explain").args(args).output().expect("penstock");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let admin = routed.gateway.admin();
    assert_eq!(target(&ask(&routed.gateway)), "b");
    let text = explain(&["--proxy", &admin]);
    assert!(text.contains("hooks     router  says: rule second; label topic=refund"), "{text}");
    assert!(text.contains("rule      second, by word of a hook") && text.contains("1. b/up/m"), "{text}");

    routed.hook.set(Behaviour::status(500, "no"));
    assert_eq!(target(&ask(&routed.gateway)), "a");
    let text = explain(&["--proxy", &admin]);
    assert!(text.contains("router  the answer's status is 500") && text.contains("first  holds"), "{text}");

    routed.hook.set(says(json!({"refuse": {"message": "Not today."}})));
    ask(&routed.gateway);
    let text = explain(&["--proxy", &admin]);
    assert!(text.contains("says: refused with 403 refused_by_hook"), "{text}");
    assert!(text.contains("answer    403 refused_by_hook: Not today."), "{text}");

    // From manifests nobody is asked.
    let asked = routed.hook.requests().len();
    let request = routed.gateway.manifest.with_extension("json");
    std::fs::write(&request, Chat.request("bot", false).to_string()).expect("a request");
    let paths = [&routed.gateway.manifest, &request].map(|path| path.to_str().expect("a UTF-8 path"));
    let text = explain(&["-f", paths[0], paths[1]]);
    assert!(text.contains("hooks     router  not asked") && text.contains("first"), "{text}");
    assert_eq!(routed.hook.requests().len(), asked);
}

/// The addresses that names resolve to are checked in `dataplane/proxy/src/hooks/tests.rs`, with names that exist
/// nowhere.
#[test]
fn a_hook_at_a_closed_address_is_refused_before_anything_is_served() {
    let routed = start(RULES, says(json!({"rule": "second"})), json!({}));
    assert_eq!(target(&ask(&routed.gateway)), "b");
    for closed in ["http://169.254.169.254/latest/meta-data", "http://[fd00:ec2::254]/", "http://2852039166/"]
    {
        let mark = routed.gateway.process.mark();
        let mut world = World::new();
        let _upstreams = upstreams(&mut world);
        world.route_with_hooks("bot", RULES, &[json!({"name": "router", "endpoint": closed})]);
        routed.gateway.reload(&world);
        routed.gateway.process.wait_for_line_after(mark, "spec.hooks[0].endpoint: no hook is asked at", SOON);
        // What was good goes on.
        let before = routed.hook.requests().len();
        let _ = ask(&routed.gateway);
        assert_eq!(routed.hook.requests().len(), before + 1);
    }
}

/// The service of `examples/hooks`, with its manifests as they are but for the port.
#[test]
fn the_example_service_runs() {
    let example = workspace_root().join("examples/hooks");
    let mut python = Command::new("python3");
    python.arg(example.join("service.py")).env("PORT", "0").env("HOOK_SECRET", SECRET);
    python.env("PYTHONDONTWRITEBYTECODE", "1");
    let service = Proc::run("service.py", &mut python);
    let line = service.wait_for_line("listening on port", SOON);
    let port = line.rsplit(' ').next().unwrap_or_default().to_owned();
    let read = |name: &str| std::fs::read_to_string(example.join(name)).expect("a manifest");
    let route = read("route.yaml").replace("127.0.0.1:9000", &format!("127.0.0.1:{port}"));
    let manifests = format!("{}---\n{route}", read("pools.yaml"));
    let with_secret = |secret: &str| {
        let arguments = ["--env-secret", "default/router/signing-key=HOOK_SECRET"];
        Gateway::start_on(&manifests, &arguments, &[("HOOK_SECRET", secret)])
    };
    let gateway = with_secret(SECRET);
    let call = |gateway: &Gateway, content: &str, plan: &str| {
        let request = json!({"model": "assistant", "messages": [{"role": "user", "content": content}]});
        gateway.call(Wire::Chat, &request).header("x-plan", plan).send().expect("an answer")
    };
    let who = |answer: &Answer| answer.header("x-penstock-target").to_owned();
    assert_eq!(who(&call(&gateway, "hi", "free")), "economy/small/sim-small");
    assert_eq!(who(&call(&gateway, &"word ".repeat(300), "free")), "frontier/patient/sim-patient");
    let refused = call(&gateway, "hi", "expired");
    assert_eq!(
        (refused.status.as_u16(), refused.json()["error"]["code"].clone()),
        (402, json!("plan_expired"))
    );
    // Who has another key is nobody to it.
    let stranger = with_secret(NEW_SECRET);
    assert_eq!(who(&call(&stranger, "hi", "free")), "frontier/large/sim-large");
    let refused = [("route", "default/assistant"), ("result", "status")];
    assert_eq!(stranger.settled().sum("penstock_hook_requests_total", &refused), 1.0);
}
