//! The main job on a real API server: `kubectl apply`, the operator pushes, proxies serve, status tells the truth.

mod plane;

use std::sync::Mutex;
use std::time::Duration;

use penstock_e2e::replay::{Behaviour, Replay, Script};
use penstock_e2e::webhook::is_signed_with;
use penstock_e2e::{answers, python, wait_for, wait_until};
use plane::{AI, CATALOGUE, PATIENCE, Plane, SYSTEM, Traffic, condition};
use serde_json::{Value, json};

fn pool(name: &str, providers: Value) -> String {
    json!({
        "apiVersion": "penstock.dev/v1alpha1", "kind": "ProviderPool",
        "metadata": {"name": name, "namespace": AI}, "spec": {"providers": providers},
    })
    .to_string()
}

fn route(name: &str, models: &str, targets: Value) -> String {
    let models: Vec<Value> = models.split(',').map(|name| json!({"name": name})).collect();
    json!({
        "apiVersion": "penstock.dev/v1alpha1", "kind": "ModelRoute",
        "metadata": {"name": name, "namespace": AI},
        "spec": {"models": models, "rules": [{"name": "default", "targets": targets}]},
    })
    .to_string()
}

fn openai(name: &str, upstream: &Replay, secret: &str) -> Value {
    json!({
        "name": name, "type": "OpenAI", "endpoint": format!("{}/v1", upstream.url()),
        "auth": {"apiKeys": [{"secretRef": {"name": secret, "key": "api-key"}}]},
    })
}

fn anthropic(name: &str, upstream: &Replay, secret: &str) -> Value {
    json!({
        "name": name, "type": "Anthropic", "endpoint": upstream.url(),
        "auth": {"apiKeys": [{"secretRef": {"name": secret, "key": "api-key"}}]},
    })
}

/// From nothing to SDK traffic that does not notice a failing provider.
#[test]
fn first_light() {
    let Some(plane) = Plane::start("first_light", 3) else { return };
    let failing = Replay::start(answers::openai_error(503, "server_error", "down for maintenance"));
    let healthy = Replay::start(answers::anthropic("all is well"));
    plane.secret("openai", "sk-openai");
    plane.secret("anthropic", "sk-ant");
    plane.cluster.apply(&pool(
        "frontier",
        json!([openai("openai", &failing, "openai"), anthropic("anthropic", &healthy, "anthropic")]),
    ));
    plane.cluster.apply(&route(
        "support",
        "support-bot,support-*",
        json!([{"pool": "frontier", "model": "gpt-4o"}, {"pool": "frontier", "model": "claude-sonnet-4-5", "priority": 1}]),
    ));
    plane.wait_programmed("modelroutes.penstock.dev/support");
    plane.wait_programmed("providerpools.penstock.dev/frontier");

    let table = plane.cluster.kubectl_ok(&["get", "modelroutes.penstock.dev", "-n", AI]);
    println!("{table}");
    let row = table.lines().find(|line| line.starts_with("support ")).expect("a row");
    let cells: Vec<_> = row.split_whitespace().collect();
    assert_eq!(&cells[1..6], ["support-bot,support-*", "True", "True", "True", "3/3"], "{table}");

    let api = &plane.proxies[0].api;
    let messages = json!([{"role": "user", "content": "hello"}]);
    for (sdk, base) in [("openai", format!("{api}/v1")), ("anthropic", api.clone())] {
        let call = |stream: bool| match sdk {
            "openai" => json!({"model": "support-bot", "messages": messages, "stream": stream}),
            _ => json!({"model": "support-bot", "messages": messages, "max_tokens": 100, "stream": stream}),
        };
        let job = json!({"sdk": sdk, "base_url": base, "api_key": "any", "calls": [call(false), call(true)]});
        let answers: Vec<Value> = python::run("sdk.py", &[], &[], &job);
        for answer in answers {
            assert_eq!(answer["text"], "all is well", "{answer}");
            assert_eq!(answer["headers"]["x-penstock-attempts"], "2", "{answer}");
            assert_eq!(answer["headers"]["x-penstock-target"], "frontier/anthropic/claude-sonnet-4-5");
        }
    }
    assert_eq!(healthy.requests()[0].header("x-api-key"), "sk-ant");

    let metrics = plane.proxies[0].metrics();
    let of = |name, labels: &[(&str, &str)]| metrics.sum(name, labels);
    assert_eq!(
        of(
            "penstock_requests_total",
            &[("route", "ai/support"), ("outcome", "success"), ("provider", "anthropic")]
        ),
        4.0
    );
    assert_eq!(
        of("penstock_failovers_total", &[("provider", "openai"), ("error_type", "server_error")]),
        4.0
    );
    assert_eq!(of("penstock_tokens_total", &[("gen_ai_token_type", "input")]), 4.0 * answers::USAGE.0 as f64);
    assert_eq!(
        of("penstock_tokens_total", &[("gen_ai_token_type", "output")]),
        4.0 * answers::USAGE.1 as f64
    );
    assert!(of("penstock_push_acks_total", &[]) >= 1.0);

    let events = plane.cluster.kubectl_ok(&["get", "events", "-n", AI]);
    assert!(events.contains("Programmed"), "{events}");
    for secret in ["sk-openai", "sk-ant"] {
        let status = plane.cluster.kubectl_ok(&["get", "modelroutes,providerpools", "-n", AI, "-o", "yaml"]);
        let logs = plane.proxies.iter().map(|proxy| proxy.process.logs()).collect::<String>();
        let logs = logs + &plane.operator.as_ref().expect("an operator").logs() + &events + &status;
        assert!(!logs.contains(secret), "{secret} leaked");
    }
}

/// `Programmed` waits for every proxy, and says for which.
#[test]
fn programmed_waits_for_a_proxy_that_does_not_acknowledge() {
    let Some(plane) = Plane::start("programmed_waits", 3) else { return };
    let upstream = Replay::start(answers::openai("ok"));
    plane.secret("key", "sk-1");
    plane.cluster.apply(&pool("p", json!([openai("o", &upstream, "key")])));
    plane.cluster.apply(&route("r", "m", json!([{"pool": "p", "model": "gpt-4o"}])));
    plane.cluster.apply(&route("other", "other", json!([{"pool": "p", "model": "gpt-4o"}])));
    plane.wait_programmed("modelroutes.penstock.dev/r");
    plane.wait_programmed("modelroutes.penstock.dev/other");

    plane.proxies[1].process.signal("STOP");
    plane.cluster.apply(&route("r", "m", json!([{"pool": "p", "model": "gpt-4.1"}])));
    let waiting = plane.wait_condition("modelroutes.penstock.dev/r", "Programmed", "False");
    assert_eq!(waiting["reason"], "Pending", "{waiting}");
    assert!(
        waiting["message"].as_str().is_some_and(|m| m.contains("2/3") && m.contains("proxy-1")),
        "{waiting}"
    );
    assert_eq!(plane.status("modelroutes.penstock.dev/r")["proxies"], "2/3");
    assert_eq!(
        condition(&plane.status("modelroutes.penstock.dev/other"), "Programmed")["status"],
        "True",
        "a change of one route is no news for another"
    );

    plane.proxies[1].process.signal("CONT");
    let done = plane.wait_condition("modelroutes.penstock.dev/r", "Programmed", "True");
    assert_eq!(done["reason"], "Programmed");
    assert_eq!(plane.status("modelroutes.penstock.dev/r")["proxies"], "3/3");
}

/// A Secret is rotated under traffic: no request fails, and the old key is not used any more.
#[test]
fn keys_rotate_under_traffic() {
    let Some(plane) = Plane::start("keys_rotate", 2) else { return };
    // Accepts only keys that were ever issued; the provider revokes the old one when the test says so.
    static REVOKED: Mutex<Vec<String>> = Mutex::new(vec![]);
    let good = answers::openai("ok");
    let upstream = Replay::start(Script::by(move |request, n| {
        let key = request.header("authorization").to_owned();
        if REVOKED.lock().expect("the list").contains(&key) {
            return answers::openai_error(401, "invalid_api_key", "revoked");
        }
        good.behaviour(request, n)
    }));
    plane.secret("key", "sk-old");
    plane.cluster.apply(&pool("p", json!([openai("o", &upstream, "key")])));
    plane.cluster.apply(&route("r", "m", json!([{"pool": "p", "model": "gpt-4o"}])));
    plane.wait_programmed("modelroutes.penstock.dev/r");
    let apis: Vec<_> = plane.proxies.iter().map(|proxy| proxy.api.clone()).collect();
    let traffic = Traffic::start(&apis, "m");
    traffic.pass(50);

    plane.secret("key", "sk-new");
    wait_until(PATIENCE, "only the new key to be used", || {
        upstream.take_requests();
        traffic.pass(20);
        upstream.requests().iter().rev().take(10).all(|seen| seen.header("authorization") == "Bearer sk-new")
    });
    REVOKED.lock().expect("the list").push("Bearer sk-old".into());
    traffic.pass(50);
    traffic.stop_without_failures("key rotation");
}

/// The Secret of a hook is one that a resource names: it is watched, missed, and rotated.
#[test]
fn the_signing_secret_of_a_hook_is_watched() {
    const OLD: &str = "whsec_cGVuc3RvY2stc2lnbmluZy1rZXktMDEyMzQ1Njc4OQ==";
    const NEW: &str = "whsec_YW5vdGhlciBzaWduaW5nIGtleSBvZiB0ZXN0cw==";
    let Some(plane) = Plane::start("signing_secret", 1) else { return };
    let upstream = Replay::start(answers::openai("ok"));
    let hook = Replay::start(Behaviour::json(json!({"rule": "default"})));
    plane.secret("key", "sk-1");
    plane.cluster.apply(&pool("p", json!([openai("o", &upstream, "key")])));
    let mut with_hook: Value =
        serde_json::from_str(&route("r", "m", json!([{"pool": "p", "model": "gpt-4o"}]))).expect("a route");
    with_hook["spec"]["hooks"] = json!([{
        "name": "router", "endpoint": hook.url(), "timeout": "10s", "failurePolicy": "Fail",
        "signingSecretRef": {"name": "router", "key": "api-key"},
    }]);
    plane.cluster.apply(&with_hook.to_string());
    let refs = plane.wait_condition("modelroutes.penstock.dev/r", "ResolvedRefs", "False");
    assert_eq!(refs["reason"], "SecretNotFound", "{refs}");
    assert!(
        refs["message"].as_str().is_some_and(|m| m.contains("spec.hooks[0].signingSecretRef.name")),
        "{refs}"
    );

    plane.secret("router", OLD);
    plane.wait_programmed("modelroutes.penstock.dev/r");
    plane.proxies[0].wait_serving("m");
    assert!(is_signed_with(hook.requests().last().expect("a request"), OLD));

    plane.secret("router", NEW);
    wait_until(PATIENCE, "the new key signs", || {
        assert_eq!(plane.proxies[0].ask("m", false).expect("an answer").status, 200);
        is_signed_with(hook.requests().last().expect("a request"), NEW)
    });
    plane.wait_programmed("modelroutes.penstock.dev/r");
}

/// One bad object has its own condition and stops nobody.
#[test]
fn a_broken_route_stands_beside_a_good_one() {
    let Some(plane) = Plane::start("broken_beside_good", 1) else { return };
    let upstream = Replay::start(answers::openai("ok"));
    plane.secret("key", "sk-1");
    plane.cluster.apply(&pool("p", json!([openai("o", &upstream, "key")])));
    plane.cluster.apply(&route("no-pool", "a", json!([{"pool": "nowhere", "model": "gpt-4o"}])));
    plane.cluster.apply(&route("no-model", "b", json!([{"pool": "p", "model": "clawd"}])));
    plane.cluster.apply(&pool("no-secret", json!([openai("o", &upstream, "missing")])));
    plane.cluster.apply(&route("good", "m", json!([{"pool": "p", "model": "gpt-4o"}])));
    plane.wait_programmed("modelroutes.penstock.dev/good");
    plane.proxies[0].wait_serving("m");

    for (resource, reason, path) in [
        ("modelroutes.penstock.dev/no-pool", "PoolNotFound", "spec.rules[0].targets[0].pool"),
        ("modelroutes.penstock.dev/no-model", "ModelNotFound", "spec.rules[0].targets[0].model"),
        (
            "providerpools.penstock.dev/no-secret",
            "SecretNotFound",
            "spec.providers[0].auth.apiKeys[0].secretRef",
        ),
    ] {
        let refs = plane.wait_condition(resource, "ResolvedRefs", "False");
        assert_eq!(refs["reason"], reason, "{refs}");
        assert!(refs["message"].as_str().is_some_and(|m| m.contains(path)), "{refs}");
        println!("{resource}: {}", refs["message"]);
    }

    // What was missing appears, and all heals by itself.
    plane.secret("missing", "sk-2");
    plane.wait_condition("providerpools.penstock.dev/no-secret", "ResolvedRefs", "True");
    plane.cluster.apply(&pool("nowhere", json!([openai("o", &upstream, "key")])));
    plane.wait_programmed("modelroutes.penstock.dev/no-pool");
    plane.proxies[0].wait_serving("a");

    // A route that was good and breaks goes on as it was.
    plane.cluster.apply(&route("good", "m", json!([{"pool": "vanished", "model": "gpt-4o"}])));
    plane.wait_condition("modelroutes.penstock.dev/good", "ResolvedRefs", "False");
    plane.wait_condition("modelroutes.penstock.dev/good", "Programmed", "False");
    assert_eq!(
        plane.proxies[0].ask("m", false).expect("an answer").status,
        200,
        "what was last good keeps serving"
    );
}

/// The oldest route wins a contested name; when it goes, the next one takes over.
#[test]
fn a_contested_name_goes_to_the_oldest_route() {
    let Some(plane) = Plane::start("contested_name", 1) else { return };
    let upstream = Replay::start(answers::openai("ok"));
    plane.secret("key", "sk-1");
    plane.cluster.apply(&pool("p", json!([openai("o", &upstream, "key")])));
    let targets = json!([{"pool": "p", "model": "gpt-4o"}]);
    plane.cluster.apply(&route("z-first", "m", targets.clone()));
    plane.wait_programmed("modelroutes.penstock.dev/z-first");
    // Creation timestamps have whole seconds.
    std::thread::sleep(Duration::from_millis(1100));
    plane.cluster.apply(&route("a-second", "m", targets.clone()));
    let lost = plane.wait_condition("modelroutes.penstock.dev/a-second", "Accepted", "False");
    assert_eq!(lost["reason"], "Conflicted", "{lost}");
    assert!(lost["message"].as_str().is_some_and(|m| m.contains("ai/z-first")), "{lost}");
    assert_eq!(plane.proxies[0].ask("m", false).expect("an answer").header("x-penstock-route"), "ai/z-first");

    plane.cluster.delete(&route("z-first", "m", targets));
    plane.wait_condition("modelroutes.penstock.dev/a-second", "Accepted", "True");
    plane.wait_programmed("modelroutes.penstock.dev/a-second");
    wait_until(PATIENCE, "the second route to serve", || {
        plane.proxies[0]
            .ask("m", false)
            .is_ok_and(|answer| answer.header("x-penstock-route") == "ai/a-second")
    });
}

/// The operator is killed under traffic and comes back: nobody notices, and status does not flap.
#[test]
fn the_operator_dies_and_returns_under_traffic() {
    let Some(mut plane) = Plane::start("operator_restart", 2) else { return };
    let upstream = Replay::start(answers::openai("ok"));
    plane.secret("key", "sk-1");
    plane.cluster.apply(&pool("p", json!([openai("o", &upstream, "key")])));
    plane.cluster.apply(&route("r", "m", json!([{"pool": "p", "model": "gpt-4o"}])));
    plane.wait_programmed("modelroutes.penstock.dev/r");
    let before = condition(&plane.status("modelroutes.penstock.dev/r"), "Programmed");
    let apis: Vec<_> = plane.proxies.iter().map(|proxy| proxy.api.clone()).collect();
    let traffic = Traffic::start(&apis, "m");
    traffic.pass(50);

    plane.operator.take().expect("an operator").kill();
    traffic.pass(100);
    plane.start_operator();
    plane.cluster.apply(&route("later", "later", json!([{"pool": "p", "model": "gpt-4.1"}])));
    plane.wait_programmed("modelroutes.penstock.dev/later");
    for proxy in &plane.proxies {
        assert_eq!(proxy.ask("later", false).expect("an answer").status, 200);
    }
    traffic.pass(50);
    traffic.stop_without_failures("operator killed and restarted");
    let after = condition(&plane.status("modelroutes.penstock.dev/r"), "Programmed");
    assert_eq!(
        before["lastTransitionTime"], after["lastTransitionTime"],
        "Programmed flapped: {before} {after}"
    );

    // A clean stop is no event for the proxies either.
    let status = plane.operator.take().expect("an operator").stop();
    assert!(status.success(), "the operator stopped with {status}");
    assert_eq!(plane.proxies[0].ask("m", true).expect("an answer").status, 200);
}

/// A proxy starts while the operator is away, and serves what it last had.
#[test]
fn a_proxy_starts_without_its_operator() {
    let Some(mut plane) = Plane::start("last_good", 1) else { return };
    let upstream = Replay::start(answers::openai("ok"));
    plane.secret("key", "sk-1");
    plane.cluster.apply(&pool("p", json!([openai("o", &upstream, "key")])));
    plane.cluster.apply(&route("r", "m", json!([{"pool": "p", "model": "gpt-4o"}])));
    plane.wait_programmed("modelroutes.penstock.dev/r");
    plane.proxies[0].wait_serving("m");

    plane.operator.take().expect("an operator").kill();
    let mut old = plane.proxies.remove(0);
    let status = old.process.stop();
    assert!(status.success(), "the proxy stopped with {status}");
    let proxy = plane.start_proxy("proxy-0");
    assert_eq!(proxy.ask("m", false).expect("an answer").status, 200);
    assert_eq!(proxy.ask("m", true).expect("an answer").status, 200);

    // One that never had a configuration says so and is not ready.
    let fresh = plane.start_proxy("proxy-fresh");
    let answer = fresh.ask("m", false).expect("an answer");
    assert_eq!(answer.status, 503);
    assert_eq!(answer.json()["error"]["code"], "not_configured");
}

/// A rollout: proxies leave and arrive under traffic that follows readiness.
#[test]
fn a_proxy_drains_without_cutting_streams() {
    let Some(mut plane) = Plane::start("drain", 1) else { return };
    let slow = answers::openai("one two three four five six seven eight nine ten");
    let upstream = Replay::start(Script::by(move |request, n| {
        let answer = slow.behaviour(request, n);
        if request.wants_stream() { answer.chunk_delay(Duration::from_millis(150)) } else { answer }
    }));
    plane.secret("key", "sk-1");
    plane.cluster.apply(&pool("p", json!([openai("o", &upstream, "key")])));
    plane.cluster.apply(&route("r", "m", json!([{"pool": "p", "model": "gpt-4o"}])));
    plane.wait_programmed("modelroutes.penstock.dev/r");
    plane.proxies[0].wait_serving("m");

    let api = plane.proxies[0].api.clone();
    let streaming = std::thread::spawn(move || plane::ask(&api, "m", true));
    wait_until(PATIENCE, "the stream to begin", || {
        upstream.requests().iter().any(|seen| seen.wants_stream())
    });
    let mut proxy = plane.proxies.remove(0);
    let status = proxy.process.stop();
    assert!(status.success(), "{status}");
    let answer = streaming.join().expect("the stream").expect("an answer");
    assert!(answer.text().contains("ten") && answer.text().contains("[DONE]"), "{}", answer.text());

    // It said goodbye, so nobody waits for its acks.
    plane.start_proxy("proxy-next");
    plane.cluster.apply(&route("r", "m", json!([{"pool": "p", "model": "gpt-4.1"}])));
    plane.wait_condition("modelroutes.penstock.dev/r", "Programmed", "True");
    assert_eq!(plane.status("modelroutes.penstock.dev/r")["proxies"], "1/1");
}

/// A proxy without the right token gets no configuration, and is told why.
#[test]
fn strangers_get_no_configuration() {
    let Some(mut plane) = Plane::start("strangers", 0) else { return };
    plane.cluster.kubectl_ok(&["create", "serviceaccount", "stranger", "-n", SYSTEM]);
    let token = plane.cluster.kubectl_ok(&[
        "create",
        "token",
        "stranger",
        "-n",
        SYSTEM,
        "--audience",
        "penstock-operator",
    ]);
    plane.with_token(token.trim());
    plane.start_proxy("stranger");
    plane.proxies[0].process.wait_for_line("403", PATIENCE);
    // The right account, but a token for the API server.
    let token = plane.cluster.kubectl_ok(&["create", "token", "penstock-proxy", "-n", SYSTEM]);
    plane.with_token(token.trim());
    plane.start_proxy("wrong-audience");
    plane.proxies[1].process.wait_for_line("401", PATIENCE);
    for proxy in &plane.proxies {
        assert_eq!(proxy.ask("m", false).expect("an answer").status, 503);
    }
}

/// What a rule takes stays with it: a rule whose pool is missing answers 503 and says where to look, and the others serve.
#[test]
fn a_rule_without_a_usable_target_does_not_give_its_requests_away() {
    let Some(plane) = Plane::start("rules", 1) else { return };
    let upstream = Replay::start(answers::openai("ok"));
    plane.secret("key", "sk-1");
    plane.cluster.apply(&pool("p", json!([openai("o", &upstream, "key")])));
    let rules = |pdf: &str| {
        json!({
            "apiVersion": "penstock.dev/v1alpha1", "kind": "ModelRoute",
            "metadata": {"name": "r", "namespace": AI},
            "spec": {"models": [{"name": "m"}, {"name": "private"}], "rules": [
                {"name": "private", "when": pdf, "targets": [{"pool": "gone", "model": "gpt-4o"}]},
                {"name": "default", "targets": [{"pool": "p", "model": "gpt-4o"}]},
            ]},
        })
        .to_string()
    };
    plane.cluster.apply(&rules("request.model == 'private'"));
    let unresolved = plane.wait_condition("modelroutes.penstock.dev/r", "ResolvedRefs", "False");
    assert_eq!(unresolved["reason"], "PoolNotFound", "{unresolved}");
    let proxy = &plane.proxies[0];
    proxy.wait_serving("m");
    let answer = proxy.ask("private", false).expect("an answer");
    assert_eq!(answer.status, 503);
    assert!(answer.text().contains("rule `private` of route ai/r has no usable target"), "{}", answer.text());
    assert_eq!(upstream.requests().iter().filter(|request| request.json()["model"] != "gpt-4o").count(), 0);

    // A condition with a mistake is named, and what was good goes on.
    plane.cluster.apply(&rules("request.modle == 'private'"));
    let refused = plane.wait_condition("modelroutes.penstock.dev/r", "Accepted", "False");
    let message = refused["message"].as_str().unwrap_or_default();
    assert!(
        message.contains("spec.rules[0].when: line 1, column 9") && message.contains("`model`"),
        "{refused}"
    );
    assert_eq!(proxy.ask("m", false).expect("an answer").status, 200);
}

/// What the ConfigMap says of a model counts for the next request; a mistake in it is an Event, and changes nothing.
#[test]
fn a_configmap_adds_to_the_catalogue() {
    let Some(plane) = Plane::start("catalogue", 1) else { return };
    let upstream = Replay::start(answers::anthropic("ok"));
    plane.secret("key", "sk-1");
    plane.cluster.apply(&pool("p", json!([anthropic("a", &upstream, "key")])));
    plane.cluster.apply(&route("r", "m", json!([{"pool": "p", "model": "claude-sonnet-4-5"}])));
    plane.wait_programmed("modelroutes.penstock.dev/r");
    let say = |text: &str| {
        plane.cluster.apply(
            &json!({
                "apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"name": CATALOGUE, "namespace": SYSTEM}, "data": {"models.yaml": text},
            })
            .to_string(),
        );
    };
    // Anthropic insists on `max_tokens`; where the client gives none it is the model's limit.
    let max_tokens = || {
        assert_eq!(plane.proxies[0].ask("m", false).expect("an answer").status, 200);
        upstream.requests().last().expect("a request").json()["max_tokens"].clone()
    };
    let wait_max_tokens = |want: u64| {
        wait_for(PATIENCE, &format!("max_tokens {want}"), || {
            let sent = max_tokens();
            if sent == want { Ok(()) } else { Err(sent.to_string()) }
        });
    };
    say("anthropic: {claude-sonnet-4-5: {maxOutput: 77}}");
    wait_max_tokens(77);
    say("anthropic: {claude-sonnet-4-5: {maxOutptu: 55}}");
    let events = ["get", "events", "-n", SYSTEM, "--field-selector=reason=InvalidCatalogue", "-o", "json"];
    let note = wait_for(PATIENCE, "an Event", || {
        let list: Value = serde_json::from_str(&plane.cluster.kubectl_ok(&events)).expect("JSON");
        match list["items"][0]["message"].as_str() {
            Some(note) => Ok(note.to_owned()),
            None => Err(list.to_string()),
        }
    });
    assert!(note.contains("maxOutptu") && note.contains("stays in force"), "{note}");
    assert_eq!(max_tokens(), 77);
    say("anthropic: {claude-sonnet-4-5: {maxOutput: 55}}");
    wait_max_tokens(55);
}

/// What the schema refuses, the API server refuses; it names the field.
#[test]
fn the_api_server_refuses_what_the_schema_refuses() {
    let Some(plane) = Plane::without_processes("schema") else { return };
    let bad = [
        (pool("p", json!([{"name": "a", "type": "OpenAICompatible"}])), "needs `endpoint`"),
        (pool("p", json!([{"name": "a", "type": "Simulated"}])), "needs `models`"),
        (pool("p", json!([{"name": "a", "type": "Nobody"}])), "Unsupported value"),
        (pool("p", json!([{"name": "a", "type": "Bedrock", "auth": {"aws": {}}}])), "needs `region`"),
        (
            pool(
                "p",
                json!([{"name": "a", "type": "Bedrock", "endpoint": "https://b.internal", "auth": {"aws": {}}}]),
            ),
            "needs `region`",
        ),
        (
            pool(
                "p",
                json!([{"name": "a", "type": "Ollama", "endpoint": "http://o:1", "region": "eu", "models": [{"name": "m"}]}]),
            ),
            "`region` is only for",
        ),
        (
            pool("p", json!([{"name": "a", "type": "OpenAI", "auth": {"aws": {}}}])),
            "only for providers of type Bedrock",
        ),
        (pool("p", json!([{"name": "a", "type": "OpenAI", "auth": {}}])), "exactly one of"),
        (pool("p", json!([])), "at least 1"),
        (
            json!({
                "apiVersion": "penstock.dev/v1alpha1", "kind": "ModelRoute",
                "metadata": {"name": "r", "namespace": AI},
                "spec": {"models": [{"name": "m"}], "rules": [
                    {"name": "all", "targets": [{"pool": "p", "model": "m"}]},
                    {"name": "never", "when": "request.stream", "targets": [{"pool": "p", "model": "m"}]},
                ]},
            })
            .to_string(),
            "only the last one can do without",
        ),
        (route("r", "a*b", json!([{"pool": "p", "model": "m"}])), "spec.models[0].name"),
        (route("r", "m", json!([{"pool": "p", "model": "m", "weight": 0}])), "weight above 0"),
        (route("r", "m", json!([{"pool": "p", "model": "m", "when": "true"}])), "unknown field"),
    ];
    for (manifest, message) in bad {
        let output = plane.cluster.try_apply(&manifest);
        assert!(!output.ok && output.stderr.contains(message), "{manifest}\n{}", output.stderr);
        assert!(!output.stderr.contains("unrecognized format"), "{}", output.stderr);
    }
    let kept: Vec<String> = wait_for(PATIENCE, "the list", || {
        let list = plane.cluster.get_json(&["modelroutes,providerpools", "-A"]);
        Ok::<_, String>(
            list["items"]
                .as_array()
                .map(|items| items.iter().map(Value::to_string).collect())
                .unwrap_or_default(),
        )
    });
    assert!(kept.is_empty(), "{kept:?}");
}
