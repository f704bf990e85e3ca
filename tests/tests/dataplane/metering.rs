//! Tokens by class, counted as the provider counted them, once.

use crate::gateway::{Gateway, World};
use crate::wire::{Chat, Messages, Told, WIRES, Wire};
use penstock_e2e::replay::Event;
use penstock_e2e::{Behaviour, Replay, Script};
use serde_json::{Value, json};

/// input, cache_read, cache_write, output, reasoning.
type Tokens = [u64; 5];

const CLASSES: [&str; 5] = ["input", "cache_read", "cache_write", "output", "reasoning"];

/// What a provider of this format reports, and what it means.
fn usage(wire: Wire) -> (Value, Tokens) {
    match wire {
        Chat => {
            let usage = json!({
                "prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120,
                "prompt_tokens_details": {"cached_tokens": 40, "audio_tokens": 0},
                "completion_tokens_details": {"reasoning_tokens": 5, "audio_tokens": 0},
            });
            (usage, [60, 40, 0, 20, 5])
        }
        Messages => {
            let usage = json!({
                "input_tokens": 30, "output_tokens": 7, "cache_read_input_tokens": 50, "cache_creation_input_tokens": 10,
                "cache_creation": {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 0},
            });
            (usage, [30, 50, 10, 7, 0])
        }
    }
}

fn provider(wire: Wire) -> Replay {
    Replay::start(Script::by(move |request, _| {
        let (usage, _) = usage(wire);
        if !request.wants_stream() {
            let mut body = wire.body("an answer");
            body["usage"] = usage;
            return Behaviour::json(body);
        }
        let events = wire.events("an answer").into_iter().map(|event| {
            let Ok(mut data) = serde_json::from_str::<Value>(&event.data) else { return event };
            if data["type"] == "message_start" {
                data["message"]["usage"] = usage.clone();
                // Cumulative, and corrected at the end.
                data["message"]["usage"]["output_tokens"] = json!(1);
                data["message"]["usage"]["input_tokens"] = json!(3);
            } else if data["type"] == "message_delta" {
                data["usage"] = json!({"output_tokens": 7, "input_tokens": 30, "cache_read_input_tokens": 50, "cache_creation_input_tokens": 10});
            } else if data["usage"].is_object() {
                data["usage"] = usage.clone();
            }
            Event { data: data.to_string(), ..event }
        });
        Behaviour::sse(events.collect::<Vec<_>>())
    }))
}

fn counted(gateway: &Gateway) -> Tokens {
    let metrics = gateway.settled();
    CLASSES.map(|class| metrics.sum("penstock_tokens_total", &[("gen_ai_token_type", class)]) as u64)
}

#[test]
fn tokens_are_counted_by_class_and_exactly() {
    for wire in WIRES {
        let replay = provider(wire);
        let mut world = World::new();
        world.pool("p", wire, &replay.url());
        world.route("bot", &["p"], json!({}));
        let gateway = Gateway::start(&world);
        let (_, expected) = usage(wire);
        let mut asked = 0;
        for (client, stream, options) in [
            (Chat, false, None),
            (Messages, false, None),
            (Messages, true, None),
            (Chat, true, None),
            (Chat, true, Some(json!({"include_usage": true}))),
            (Chat, true, Some(json!({"include_usage": false}))),
            // A word of vLLM's, which says how often and not whether.
            (Chat, true, Some(json!({"continuous_usage_stats": true}))),
        ] {
            let wants = options.as_ref().is_some_and(|options| options["include_usage"] == true);
            let mut request = client.request("bot", stream);
            if let Some(options) = options {
                request["stream_options"] = options;
            }
            let answer = gateway.call(client, &request).send().expect("an answer");
            let told = Told::by(client, &answer);
            assert_eq!(told.is_whole(client, "an answer"), Ok(()), "{}", answer.text());
            asked += 1;
            assert_eq!(
                counted(&gateway),
                expected.map(|tokens| tokens * asked),
                "{client:?} of {wire:?} stream={stream}"
            );

            // What the client is told is the same, in its own words.
            let [input, read, write, output, reasoning] = expected;
            match (client, stream && !wants) {
                (Chat, true) => assert_eq!(told.usage, [json!(null); 0], "only when asked for"),
                (Chat, false) => {
                    let [usage] = &told.usage[..] else { panic!("one usage: {told:?}") };
                    assert_eq!(usage["prompt_tokens"], input + read + write);
                    assert_eq!(usage["completion_tokens"], output);
                    assert_eq!(usage["total_tokens"], input + read + write + output);
                    assert_eq!(usage["prompt_tokens_details"]["cached_tokens"], read);
                    if reasoning > 0 {
                        assert_eq!(usage["completion_tokens_details"]["reasoning_tokens"], reasoning);
                    }
                }
                (Messages, _) => {
                    let usage = told.usage.last().expect("usage");
                    assert_eq!(usage["output_tokens"], output);
                    assert_eq!(usage["input_tokens"], input, "{told:?}");
                    assert_eq!(usage["cache_read_input_tokens"], read);
                    assert_eq!(usage["cache_creation_input_tokens"].as_u64().unwrap_or(0), write);
                }
            }
            if client == Chat && wants {
                let events = answer.events();
                let chunk: Value = serde_json::from_str(&events[events.len() - 2].data).expect("JSON");
                assert!(chunk["usage"].is_object() && chunk["choices"] == json!([]), "last, alone: {chunk}");
            }
            let asked_for_usage = replay.take_requests().pop().expect("a request").json();
            assert_eq!(asked_for_usage["stream_options"]["include_usage"] == true, wire == Chat && stream);
        }
        let metrics = gateway.metrics();
        assert_eq!(metrics.sum("penstock_unmetered_answers_total", &[]), 0.0);
        let success = [
            ("outcome", "success"),
            ("pool", "default/p"),
            ("provider", "up"),
            ("gen_ai_request_model", "m"),
        ];
        assert_eq!(metrics.sum("penstock_requests_total", &success), asked as f64);
        assert_eq!(metrics.sum("gen_ai_server_request_duration_seconds_count", &[]), asked as f64);
        assert_eq!(metrics.sum("gen_ai_server_time_to_first_token_seconds_count", &[]), 5.0);
        assert_eq!(metrics.sum("penstock_overhead_duration_seconds_count", &[]), asked as f64);
    }
}

#[test]
fn an_answer_without_usage_is_unmetered_and_not_free() {
    for (wire, stream) in WIRES.into_iter().flat_map(|wire| [false, true].map(|stream| (wire, stream))) {
        let replay = Replay::start(Script::by(move |request, _| {
            if !request.wants_stream() {
                let mut body = wire.body("an answer");
                body.as_object_mut().expect("an object").remove("usage");
                return Behaviour::json(body);
            }
            let events = wire.events("an answer").into_iter().filter_map(|event| {
                let Ok(mut data) = serde_json::from_str::<Value>(&event.data) else { return Some(event) };
                let only_usage = data["choices"].as_array().is_some_and(Vec::is_empty);
                data.as_object_mut()?.remove("usage");
                if let Some(message) = data.get_mut("message").and_then(Value::as_object_mut) {
                    message.remove("usage");
                }
                (!only_usage).then(|| Event { data: data.to_string(), ..event })
            });
            Behaviour::sse(events.collect::<Vec<_>>())
        }));
        let mut world = World::new();
        world.pool("p", wire, &replay.url());
        world.route("bot", &["p"], json!({}));
        let gateway = Gateway::start(&world);
        let mut request = Chat.request("bot", stream);
        if stream {
            request["stream_options"] = json!({"include_usage": true});
        }
        let answer = gateway.call(Chat, &request).send().expect("an answer");
        let told = Told::by(Chat, &answer);
        assert_eq!(told.is_whole(Chat, "an answer"), Ok(()), "{}", answer.text());
        assert!(told.usage.is_empty(), "no count is made up: {told:?}");
        assert_eq!(counted(&gateway), [0; 5]);
        assert_eq!(gateway.count("penstock_unmetered_answers_total", &[("pool", "default/p")]), 1);
    }
}

#[test]
fn failed_attempts_are_not_billed() {
    // The first target counts its prompt and then fails: the answer's tokens are the second one's.
    let bad = Replay::start(Behaviour::sse([
        Messages.events("x").swap_remove(0),
        Messages.error_event("overloaded_error", "Overloaded"),
    ]));
    let good = provider(Chat);
    let mut world = World::new();
    world.pool("bad", Messages, &bad.url());
    world.pool("good", Chat, &good.url());
    world.route("bot", &["bad", "good"], json!({}));
    let gateway = Gateway::start(&world);
    let answer = gateway.ask(Messages, "bot", true).send().expect("an answer");
    assert_eq!(Told::by(Messages, &answer).is_whole(Messages, "an answer"), Ok(()));
    assert_eq!(counted(&gateway), usage(Chat).1);
    assert_eq!(gateway.count("penstock_tokens_total", &[("pool", "default/bad")]), 0);
}
