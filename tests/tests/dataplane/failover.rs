//! Failover saves this request: whatever a provider does before the first meaningful event, the client hears the
//! next one, once and whole.

use crate::faults::{BEFORE, Row, Trouble, Unreachable};
use crate::gateway::{Gateway, World};
use crate::wire::{Chat, Messages, Told, WIRES, Wire, count, each, first_text, place};
use penstock_e2e::replay::{Event, Paced};
use penstock_e2e::{Behaviour, Replay, Script};
use serde_json::{Value, json};
use std::collections::HashMap;

const FALLBACK: &str = "the fallback speaks, once and whole";

struct Case {
    /// Model, route, and place of the provider that fails.
    id: String,
    reason: &'static str,
    /// The format of the provider that fails. The next one speaks the other format.
    failing: Wire,
    reaches: bool,
    asks: Vec<(Wire, bool)>,
}

/// Short, where waiting for it is the point.
fn timeouts(name: &str) -> Value {
    if name.starts_with("slow") {
        return json!({"timeouts": {"connect": "700ms", "firstToken": "700ms", "total": "3s"}});
    }
    json!({"timeouts": {"connect": "15s", "firstToken": "20s", "total": "60s"}})
}

const ASKS: [(Wire, bool); 4] = [(Chat, false), (Chat, true), (Messages, false), (Messages, true)];

/// A key that was refused or limited rests, and so does a provider that asks for time: then the next request would not come to this provider.
fn rests(row: &Row) -> bool {
    row.reason == "rate_limited" || matches!(row.name, "s401" | "s403" | "s503-wait")
}

#[test]
fn every_failure_before_the_first_token_goes_to_the_next_target() {
    let unreachable = Unreachable::start();
    let bad = Replay::start(Behaviour::EmptyBody200);
    let good = WIRES.map(|wire| Replay::start(wire.answer(FALLBACK)));

    let mut world = World::new();
    for (wire, replay) in WIRES.iter().zip(&good) {
        world.pool(&format!("good-{}", wire.short()), *wire, &replay.url());
    }
    let mut cases = Vec::new();
    let mut table = HashMap::new();
    for (row, failing) in BEFORE.iter().flat_map(|row| WIRES.map(|failing| (row, failing))) {
        let possible = ASKS.into_iter().filter(|&(_, stream)| (row.trouble)(failing, stream).is_some());
        let possible: Vec<_> = possible.collect();
        let groups: Vec<_> = if rests(row) { possible.chunks(1).collect() } else { vec![&possible[..]] };
        for (n, asks) in groups.into_iter().enumerate() {
            let id = format!("{}-{}-{n}", row.name, failing.short());
            let mut url = bad.url();
            let mut reaches = true;
            for &(_, stream) in asks {
                let trouble = (row.trouble)(failing, stream).expect("possible");
                if let Some(nowhere) = unreachable.url(&trouble) {
                    (reaches, url) = (false, nowhere);
                }
                if let Trouble::Plays(behaviour) = trouble {
                    table.insert((id.clone(), stream), behaviour);
                }
            }
            world.pool(&format!("bad-{id}"), failing, &failing.endpoint(&url, &id));
            let good = format!("good-{}", failing.other().short());
            world.route(&id, &[&format!("bad-{id}"), &good], timeouts(row.name));
            cases.push(Case { id, reason: row.reason, failing, reaches, asks: asks.to_vec() });
        }
    }
    bad.set(Script::by(move |request, _| table[&(place(request), request.wants_stream())].clone()));
    let gateway = Gateway::start(&world);

    let requests: Vec<_> = cases
        .iter()
        .flat_map(|case| case.asks.iter().map(move |&(client, stream)| (case, client, stream)))
        .collect();
    each(&requests, 16, |&(case, client, stream)| {
        let id = &case.id;
        let wrong = |what: &dyn std::fmt::Debug| format!("{id} {client:?} stream={stream}: {what:?}");
        let mut request = client.request(id, stream);
        request["messages"][0]["content"] = json!(id);
        let answer = gateway.call(client, &request).send().map_err(|error| wrong(&error))?;
        if answer.status != 200 {
            return Err(wrong(&(answer.status, answer.text())));
        }
        let headers =
            ["x-penstock-attempts", "x-penstock-target", "x-penstock-route"].map(|name| answer.header(name));
        let target = format!("good-{}/up/m", case.failing.other().short());
        if headers != ["2", &target, &format!("default/{id}")] {
            return Err(wrong(&headers));
        }
        let kind = if stream { "text/event-stream" } else { "application/json" };
        if !answer.header("content-type").starts_with(kind) || answer.header("x-request-id").is_empty() {
            return Err(wrong(&answer.headers));
        }
        Told::by(client, &answer).is_whole(client, FALLBACK).map_err(|what| wrong(&what))
    });

    // Each provider was asked once for each request, whatever it did to it.
    let bad_hits = count(bad.requests().iter().map(place));
    let good_hits = count(good.iter().flat_map(Replay::requests).map(|request| first_text(&request)));
    let metrics = gateway.settled();
    each(&cases, 1, |case| {
        let id = &case.id;
        let asks = case.asks.len();
        let hits = [&bad_hits, &good_hits].map(|hits| hits.get(id).copied().unwrap_or(0));
        if hits != [if case.reaches { asks } else { 0 }, asks] {
            return Err(format!("{id}: asked {hits:?} times instead of {asks}"));
        }
        let (route, bad) = (format!("default/{id}"), format!("default/bad-{id}"));
        let sum = |name: &str, labels: &[(&str, &str)]| {
            let mut all = vec![("route", route.as_str()), ("rule", "all")];
            all.extend(labels);
            metrics.sum(name, &all)
        };
        let counts = [
            sum("penstock_attempts_total", &[("pool", &bad), ("result", case.reason)]),
            sum("penstock_attempts_total", &[("pool", &bad)]),
            sum("penstock_attempts_total", &[("result", "ok")]),
            sum("penstock_attempts_total", &[]) / 2.0,
            sum("penstock_failovers_total", &[("pool", &bad), ("error_type", case.reason)]),
            sum("penstock_failovers_total", &[]),
            sum("penstock_requests_total", &[("outcome", "success"), ("provider", "up")]),
            sum("penstock_requests_total", &[]),
        ];
        if counts == [asks as f64; 8] {
            Ok(())
        } else {
            Err(format!("{id}: counted {counts:?} instead of {asks}"))
        }
    });
    assert_eq!(unreachable.requests(), 0);
    eprintln!("{} failures, each failed over", requests.len());
}

#[test]
fn a_frame_beyond_all_bounds_goes_to_the_next_target() {
    let mut frame = b"data: {\"choices\": [{\"delta\": {\"content\": \"".to_vec();
    frame.resize(18 << 20, b'x');
    let huge = Behaviour::RawStream {
        status: 200,
        headers: vec![("content-type".into(), "text/event-stream".into())],
        bytes: frame.into(),
        chunk_size: 1 << 20,
        paced: Paced::default(),
    };
    let (bad, good) = (Replay::start(huge), Replay::start(Chat.answer(FALLBACK)));
    let mut world = World::new();
    world.pool("bad", Chat, &bad.url());
    world.pool("good", Chat, &good.url());
    world.route("bot", &["bad", "good"], json!({}));
    let gateway = Gateway::start(&world);
    let answer = gateway.ask(Chat, "bot", true).send().expect("an answer");
    assert_eq!(Told::by(Chat, &answer).is_whole(Chat, FALLBACK), Ok(()));
    assert_eq!(answer.header("x-penstock-attempts"), "2");
}

#[test]
fn providers_of_a_pool_take_over_from_each_other() {
    let (bad, good) = (Replay::start(Behaviour::status(500, "")), Replay::start(Messages.answer(FALLBACK)));
    let mut world = World::new();
    let provider = |name: &str, kind: &str, endpoint: String| {
        json!({
            "name": name, "type": kind, "endpoint": endpoint, "models": [{"name": "m"}],
            "auth": {"apiKeys": [{"secretRef": {"name": "keys", "key": "one"}}]},
        })
    };
    let providers = [provider("first", "OpenAI", bad.url()), provider("second", "Anthropic", good.url())];
    world.pool_of_many("pool", &providers);
    world.route("bot", &["pool"], json!({}));
    let gateway = Gateway::start(&world);
    for (wire, stream) in [(Chat, false), (Chat, true), (Messages, false), (Messages, true)] {
        let answer = gateway.ask(wire, "bot", stream).send().expect("an answer");
        assert_eq!(Told::by(wire, &answer).is_whole(wire, FALLBACK), Ok(()), "{wire:?} {stream}");
        assert_eq!(answer.header("x-penstock-target"), "pool/second/m");
    }
    assert_eq!((bad.requests().len(), good.requests().len()), (4, 4));
}

#[test]
fn what_a_model_said_before_it_failed_is_not_said_twice() {
    // Reasoning is an answer that has begun: no other target may take over behind it.
    let thinking = json!({"choices": [{"index": 0, "delta": {"role": "assistant", "reasoning_content": "Let me see"}, "finish_reason": null}]});
    let bad =
        Replay::start(Behaviour::sse([Event::data(thinking), Chat.error_event("server_error", "boom")]));
    let good = Replay::start(Chat.answer(FALLBACK));
    let mut world = World::new();
    world.pool("bad", Chat, &bad.url());
    world.pool("good", Chat, &good.url());
    world.route("bot", &["bad", "good"], json!({}));
    let gateway = Gateway::start(&world);
    let answer = gateway.ask(Chat, "bot", true).send().expect("an answer");
    let told = Told::by(Chat, &answer);
    assert_eq!((told.ends, told.errors.len(), told.finish.len()), (0, 1, 0), "{}", answer.text());
    assert!(good.requests().is_empty());
}
