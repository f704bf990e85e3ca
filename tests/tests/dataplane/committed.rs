//! Behind the commit point: a failure is told in the client's format, and a cut stream never looks like a stop.

use crate::faults::{BEHIND, SAID, said};
use crate::gateway::{Gateway, KEY_ONE, SOON, World};
use crate::wire::{Chat, Messages, Told, WIRES, each, place};
use penstock_e2e::client::Call;
use penstock_e2e::replay::Event;
use penstock_e2e::{Behaviour, Replay, Script, python};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::time::Duration;

fn start(bad: &Replay, good: &Replay) -> Gateway {
    let mut world = World::new();
    world.pool("good", Chat, &good.url());
    for wire in WIRES {
        for (name, _) in BEHIND {
            let id = format!("{name}-{}", wire.short());
            world.pool(&id, wire, &wire.endpoint(&bad.url(), &id));
            world.route(&id, &[&id, "good"], json!({"timeouts": {"idle": "600ms"}}));
        }
    }
    Gateway::start(&world)
}

fn providers() -> (Replay, Replay) {
    let table: HashMap<_, _> = BEHIND
        .iter()
        .flat_map(|(name, plays)| WIRES.map(|wire| (format!("{name}-{}", wire.short()), plays(wire))))
        .collect();
    let bad = Replay::start(Script::by(move |request, _| table[&place(request)].clone()));
    (bad, Replay::start(Chat.answer("never")))
}

#[test]
fn a_broken_stream_ends_in_an_error_of_the_clients_format() {
    let (bad, good) = providers();
    let gateway = start(&bad, &good);
    let cases: Vec<_> = BEHIND
        .iter()
        .flat_map(|(name, _)| WIRES.map(|client| WIRES.map(|provider| (*name, client, provider))))
        .flatten()
        .collect();
    each(&cases, 12, |&(name, client, provider)| {
        let model = format!("{name}-{}", provider.short());
        let stream = gateway.ask(client, &model, true).open().map_err(|error| format!("{model}: {error}"))?;
        let headers = (stream.status.as_u16(), stream.headers.get("x-penstock-attempts").cloned());
        let (bytes, cut) = stream.rest();
        let text = String::from_utf8(bytes.into()).expect("UTF-8");
        let told = Told::by_stream(client, &text);
        let good = headers == (200, Some("1".parse().expect("a header")))
            && cut.is_none()
            && told.text == SAID
            && told.finish.is_empty()
            && (told.starts, told.ends, told.errors.len()) == (1, 0, 1);
        if !good {
            return Err(format!("{model} to {client:?}: {headers:?} {cut:?}\n{text}"));
        }
        let (kind, message) = &told.errors[0];
        let expected = match (name, client) {
            ("error", Messages) => ("overloaded_error", "Overloaded"),
            ("error", Chat) => ("", "Overloaded"),
            ("stalled", _) => ("", "silent"),
            _ => ("", ""),
        };
        if !message.contains(expected.1) || !(expected.0.is_empty() || kind == expected.0) || kind.is_empty()
        {
            return Err(format!("{model} to {client:?}: {told:?}"));
        }
        // Nothing behind the error, and of Anthropic's error the name too.
        let last = penstock_e2e::client::events(&text).pop().expect("events");
        let is_last =
            last.data.contains("\"error\"") && (client == Chat || last.event.as_deref() == Some("error"));
        if is_last { Ok(()) } else { Err(format!("{model} to {client:?}: ends in {last:?}")) }
    });
    assert!(good.requests().is_empty(), "no second attempt behind the commit point");
    assert_eq!(bad.requests().len(), cases.len());
    let metrics = gateway.settled();
    let sum = |name, label| metrics.sum(name, &[label]) as usize;
    assert_eq!(sum("penstock_requests_total", ("outcome", "stream_error")), cases.len());
    assert_eq!(sum("penstock_requests_total", ("outcome", "success")), 0);
    assert_eq!(sum("penstock_failovers_total", ("error_type", "connect")), 0);
    assert_eq!(sum("penstock_attempts_total", ("result", "ok")), cases.len());
}

#[test]
fn the_sdks_raise_on_a_broken_stream() {
    let (bad, good) = providers();
    let gateway = start(&bad, &good);
    for (sdk, client) in [("openai", Chat), ("anthropic", Messages)] {
        let models: Vec<_> = BEHIND
            .iter()
            .flat_map(|(name, _)| WIRES.map(|wire| format!("{name}-{}", wire.short())))
            .collect();
        let base = if client == Chat { format!("{}/v1", gateway.url) } else { gateway.url.clone() };
        let calls: Vec<_> = models.iter().map(|model| client.request(model, true)).collect();
        let results: Vec<Value> = python::run(
            "sdk.py",
            &[],
            &[],
            &json!({
                "sdk": sdk, "base_url": base, "api_key": "any", "calls": calls,
                "async": true, "concurrency": 12,
            }),
        );
        for (model, result) in models.iter().zip(&results) {
            assert_eq!(result["ok"], false, "{sdk} {model}: {result}");
            // APIError: what the SDK makes of an error event; anything else would be a bug of one of us.
            let class = result["error"].as_str().expect("a class");
            assert!(
                class == "APIError"
                    || class.ends_with("StatusError")
                    || class.ends_with("ServerError")
                    || class == "OverloadedError",
                "{sdk} {model}: {result}"
            );
            assert!(SAID.starts_with(result["text"].as_str().expect("a text")), "{sdk} {model}: {result}");
        }
    }
    assert!(good.requests().is_empty());
}

#[test]
fn a_stream_that_outlives_the_total_timeout_is_ended() {
    let text = "word ".repeat(400);
    let replays = WIRES.map(|wire| {
        let slow = Behaviour::sse(wire.events(&text)).chunk_delay(Duration::from_millis(50));
        Replay::start(slow)
    });
    let mut world = World::new();
    for (wire, replay) in WIRES.iter().zip(&replays) {
        world.pool(wire.short(), *wire, &replay.url());
        let timeouts = json!({"firstToken": "1200ms", "idle": "1200ms", "total": "1500ms"});
        world.route(wire.short(), &[wire.short()], json!({"timeouts": timeouts}));
    }
    let gateway = Gateway::start(&world);
    let cases = [(Chat, Chat), (Chat, Messages), (Messages, Chat), (Messages, Messages)];
    each(&cases, 4, |&(client, provider)| {
        let answer = gateway.ask(client, provider.short(), true).send().map_err(|error| error.to_string())?;
        let told = Told::by(client, &answer);
        let good = (told.ends, told.finish.len(), told.errors.len()) == (0, 0, 1)
            && told.errors[0].1.contains("total timeout")
            && text.starts_with(&told.text)
            && !told.text.is_empty();
        if good { Ok(()) } else { Err(format!("{client:?} {provider:?}: {}", answer.text())) }
    });
    for replay in &replays {
        penstock_e2e::wait_until(SOON, "the provider's streams are cancelled", || replay.cancelled() == 2);
    }
}

#[test]
fn a_key_that_a_provider_echoes_into_a_stream_stays_here() {
    for (client, provider) in WIRES.into_iter().flat_map(|client| WIRES.map(|provider| (client, provider))) {
        let error = provider.error_event("api_error", &format!("the key {KEY_ONE} has expired"));
        let replay = Replay::start(said(provider, [error]));
        let mut world = World::new();
        world.pool("leaky", provider, &replay.url());
        world.route("bot", &["leaky"], json!({}));
        let gateway = Gateway::start(&world);
        let answer = gateway.ask(client, "bot", true).send().expect("an answer");
        let told = Told::by(client, &answer);
        assert!(told.errors[0].1.contains("has expired"), "{told:?}");
        assert!(!answer.text().contains(KEY_ONE), "{client:?} {provider:?}: {}", answer.text());
        gateway.settled();
        assert!(!gateway.process.logs().contains(KEY_ONE));
    }
}

/// A server that ends with `[DONE]` and says no finish reason: what the decoder waited with is not lost.
#[test]
fn what_was_held_back_comes_before_the_end() {
    let call = json!({"id": "c1", "type": "function", "function": {"name": "now"}});
    let delta = |delta: Value| {
        Event::data(json!({"id": "x", "model": "m", "choices": [{"index": 0, "delta": delta}]}).to_string())
    };
    let replay = Replay::start(Behaviour::sse([
        delta(json!({"role": "assistant", "tool_calls": [call]})),
        Event::data("[DONE]"),
    ]));
    let mut world = World::new();
    let key = json!({"apiKeys": [{"secretRef": {"name": "keys", "key": "one"}}]});
    world.pool_of("p", json!({"name": "up", "type": "OpenAICompatible", "endpoint": replay.url(), "auth": key, "models": [{"name": "m"}]}));
    world.route("bot", &["p"], json!({}));
    let gateway = Gateway::start(&world);
    let request = json!({
        "model": "bot", "stream": true, "max_tokens": 9, "messages": [{"role": "user", "content": "x"}],
        "tools": [{"name": "now", "input_schema": {"type": "object"}}],
    });
    let answer = Call::post(&format!("{}/v1/messages", gateway.url), &request).send().expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.text().contains(r#""partial_json":"{}""#), "{}", answer.text());
}
