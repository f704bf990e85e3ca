//! Where failover does not help: the client hears the truth, in its own format.

use crate::gateway::{Gateway, World};
use crate::wire::{Chat, Messages, WIRES, Wire, each, is_error_body};
use penstock_e2e::client::Answer;
use penstock_e2e::{Behaviour, Replay};
use serde_json::{Value, json};

const ALL: [(Wire, bool); 4] = [(Chat, false), (Chat, true), (Messages, false), (Messages, true)];

/// Checks that it is an error of the client's format with this status, and gives its body.
#[track_caller]
fn refused(wire: Wire, answer: &Answer, status: u16) -> Value {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert!(answer.header("content-type").starts_with("application/json"), "{:?}", answer.headers);
    let body = answer.json();
    assert!(is_error_body(wire, &body), "{wire:?}: {body}");
    assert!(!answer.header("x-request-id").is_empty());
    body
}

fn message(body: &Value) -> &str {
    body["error"]["message"].as_str().expect("a message")
}

#[test]
fn a_400_goes_to_the_client_and_to_no_other_target() {
    let good = Replay::start(Chat.answer("never"));
    let bad = WIRES.map(|wire| {
        let mut body = match wire {
            Chat => json!({"error": {"message": "Invalid value: 'wizard'", "type": "invalid_request_error", "param": "messages[0].role", "code": "invalid_value"}}),
            Messages => json!({"type": "error", "error": {"type": "invalid_request_error", "message": "Invalid value: 'wizard'"}, "request_id": "req_upstream"}),
        };
        body["vendor"] = json!({"kept": true});
        Replay::start(Behaviour::error(400, body))
    });
    let mut world = World::new();
    world.pool("good", Chat, &good.url());
    for (wire, replay) in WIRES.iter().zip(&bad) {
        world.pool(wire.short(), *wire, &replay.url());
        world.route(&format!("bot-{}", wire.short()), &[wire.short(), "good"], json!({}));
    }
    let gateway = Gateway::start(&world);
    for (provider, (client, stream)) in WIRES.into_iter().flat_map(|wire| ALL.map(|ask| (wire, ask))) {
        let answer =
            gateway.ask(client, &format!("bot-{}", provider.short()), stream).send().expect("an answer");
        let body = refused(client, &answer, 400);
        assert!(message(&body).contains("Invalid value: 'wizard'"), "{body}");
        assert_eq!(body["error"]["type"], "invalid_request_error");
        assert_eq!(answer.header("x-penstock-attempts"), "1");
        if client == provider {
            assert_eq!(body["vendor"]["kept"], true, "the provider's own words, as it wrote them");
        }
        if (client, provider) == (Chat, Chat) {
            assert_eq!(
                (&body["error"]["param"], &body["error"]["code"]),
                (&json!("messages[0].role"), &json!("invalid_value"))
            );
        }
    }
    assert!(good.requests().is_empty());
    assert_eq!(bad.each_ref().map(|replay| replay.requests().len()), [4, 4]);
    let metrics = gateway.settled();
    assert_eq!(metrics.sum("penstock_requests_total", &[("outcome", "client_error")]), 8.0);
    assert_eq!(metrics.sum("penstock_attempts_total", &[("result", "rejected")]), 8.0);
    assert_eq!(metrics.sum("penstock_failovers_total", &[]), 0.0);
}

#[test]
fn failover_that_is_off_or_used_up_tries_no_other_target() {
    let good = Replay::start(Chat.answer("never"));
    let bad = WIRES.map(|wire| Replay::start(wire.error(503, "server_error", "closed for today")));
    let limited = Replay::start(Chat.error(429, "rate_limit_error", "slow down"));
    let mut world = World::new();
    world.pool("good", Chat, &good.url());
    world.pool("limited", Chat, &limited.url());
    for (wire, replay) in WIRES.iter().zip(&bad) {
        world.pool(wire.short(), *wire, &replay.url());
        let pools = [wire.short(), "good"];
        world.route(&format!("off-{}", wire.short()), &pools, json!({"reasons": []}));
        world.route(&format!("one-{}", wire.short()), &pools, json!({"maxAttempts": 1}));
        world.route(
            &format!("other-{}", wire.short()),
            &pools,
            json!({"reasons": ["Connect", "RateLimited"]}),
        );
    }
    world.route("two", &["chat", "limited", "good"], json!({"maxAttempts": 2}));
    let gateway = Gateway::start(&world);
    for (provider, (client, stream)) in WIRES.into_iter().flat_map(|wire| ALL.map(|ask| (wire, ask))) {
        for route in ["off", "one", "other"] {
            let model = format!("{route}-{}", provider.short());
            let answer = gateway.ask(client, &model, stream).send().expect("an answer");
            let body = refused(client, &answer, 503);
            assert!(message(&body).contains("closed for today"), "{body}");
            assert_eq!(answer.header("x-penstock-attempts"), "1", "{model}");
        }
    }
    // Two attempts, and no third.
    let answer = gateway.ask(Chat, "two", false).send().expect("an answer");
    let body = refused(Chat, &answer, 429);
    assert_eq!(answer.header("x-penstock-attempts"), "2");
    assert!(message(&body).contains("chat/up/m: closed for today"), "{body}");
    assert!(message(&body).contains("limited/up/m: slow down"), "{body}");
    assert!(good.requests().is_empty());
    assert_eq!(gateway.settled().sum("penstock_requests_total", &[("outcome", "upstream_error")]), 25.0);
}

/// A row: what each target does, then the status that the client hears, its `Retry-After`, OpenAI's code.
struct Row {
    name: &'static str,
    targets: Vec<Option<Behaviour>>,
    status: u16,
    wait: &'static str,
    says: &'static str,
}

#[test]
fn when_every_target_fails_the_most_useful_failure_is_told() {
    let limited =
        |wait: &str| Some(Chat.error(429, "rate_limit_error", "slow down").header("retry-after", wait));
    let status = |status: u16| Some(Chat.error(status, "server_error", "boom"));
    let too_long = Some(Behaviour::error(
        400,
        json!({"error": {"message": "maximum context length is 10", "type": "invalid_request_error", "param": null, "code": "context_length_exceeded"}}),
    ));
    let wrong_key = || Some(Chat.error(401, "authentication_error", "Incorrect API key provided: sk-pro***"));
    let row = |name, targets, status, wait, says| Row { name, targets, status, wait, says };
    let rows = [
        row("limit", vec![status(503), limited("7"), None], 429, "7", "slow down"),
        row("shortest", vec![limited("9"), limited("4"), limited("60")], 429, "4", "slow down"),
        row("busy", vec![status(500), status(529), status(502)], 529, "", "boom"),
        row("long", vec![too_long.clone(), limited("7")], 400, "", "maximum context length"),
        row("last", vec![status(500), status(502)], 502, "", "boom"),
        row("refused", vec![None, None], 502, "", "no connection"),
        row("hung", vec![None, Some(Behaviour::HangBeforeHeaders)], 504, "", "in time"),
        row("keys", vec![wrong_key(), wrong_key()], 502, "", "credentials"),
        row("key-and-500", vec![status(500), wrong_key()], 500, "", "boom"),
        row(
            "model",
            vec![Some(Chat.error(404, "not_found_error", "no such model"))],
            502,
            "",
            "no such model",
        ),
        row("nothing", vec![Some(Behaviour::HangBeforeHeaders)], 504, "", "in time"),
    ];
    let refusing = Replay::start(Behaviour::EmptyBody200);
    refusing.refuse();
    let table = rows.iter().flat_map(|row| {
        let played = |(n, played): (usize, &Option<Behaviour>)| {
            played.clone().map(|it| (format!("{}-{n}", row.name), it))
        };
        row.targets.iter().enumerate().filter_map(played).collect::<Vec<_>>()
    });
    let table: std::collections::HashMap<_, _> = table.collect();
    let replay = Replay::start(penstock_e2e::Script::by(move |request, _| {
        // Each request has a place of its own, so that keys rest for one only.
        let place = crate::wire::place(request);
        table[place.rsplit_once('.').expect("a row and a way to ask").0].clone()
    }));
    let mut world = World::new();
    let mut cases = Vec::new();
    for (row, (n, ask)) in rows.iter().flat_map(|row| ALL.into_iter().enumerate().map(move |ask| (row, ask)))
    {
        let model = format!("{}-ask{n}", row.name);
        let mut pools = Vec::new();
        for (t, target) in row.targets.iter().enumerate() {
            let url = if target.is_some() { replay.url() } else { refusing.url() };
            let pool = format!("{model}-{t}");
            world.pool(&pool, Chat, &format!("{url}/{}-{t}.{n}/v1", row.name));
            pools.push(pool);
        }
        let pools: Vec<_> = pools.iter().map(String::as_str).collect();
        // Each target once, so that what is told of each can be counted.
        let once = json!({"budgetPercent": 0});
        world.route(
            &model,
            &pools,
            json!({"timeouts": {"firstToken": "700ms", "total": "2s"}, "retries": once}),
        );
        cases.push((row, model, ask));
    }
    let gateway = Gateway::start(&world);
    each(&cases, 12, |(row, model, (client, stream))| {
        let answer = gateway.ask(*client, model, *stream).send().expect("an answer");
        let body = refused(*client, &answer, row.status);
        let text = message(&body);
        let names_all = (0..row.targets.len()).all(|t| text.contains(&format!("{model}-{t}/up/m: ")));
        if !text.contains(row.says) || (row.targets.len() > 1 && !names_all) {
            return Err(format!("{model}: {text}"));
        }
        if answer.header("x-penstock-attempts") != row.targets.len().to_string() {
            return Err(format!("{model}: {} attempts", answer.header("x-penstock-attempts")));
        }
        if answer.header("retry-after") != row.wait {
            return Err(format!("{model}: retry-after {:?}", answer.header("retry-after")));
        }
        let kind = match (client, row.status) {
            (_, 429) => "rate_limit_error",
            (_, 400) => "invalid_request_error",
            (Chat, _) => "server_error",
            (Messages, 529) => "overloaded_error",
            (Messages, 504) => "timeout_error",
            (Messages, _) => "api_error",
        };
        if body["error"]["type"] != kind {
            return Err(format!("{model}: {body}"));
        }
        Ok(())
    });
    let outcomes = gateway.settled();
    // Their failure, not the client's; only a prompt that is too long is the client's to mend.
    assert_eq!(outcomes.sum("penstock_requests_total", &[("outcome", "upstream_error")]), cases.len() as f64);
}
