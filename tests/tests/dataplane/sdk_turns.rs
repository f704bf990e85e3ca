//! Tool conversations: the second turn brings back what the first one said, as it was.

use crate::gateway::{Gateway, World};
use crate::sdk::{Said, provider, run};
use crate::wire::{Chat, Messages, WIRES, Wire, place};
use penstock_e2e::replay::SeenRequest;
use penstock_e2e::{Behaviour, Replay, Script};
use serde_json::{Value, json};

const THINKING: (&str, &str) = ("Which  city?\nLet me \"see\".", "EqQBCgIYAhIkc2lnbmF0dXJl/+abc==");
const REDACTED: &str = "ZW5jcnlwdGVkIHRob3VnaHQ=";
const SECOND: &str = "It is sunny in Wien and raining in Bern.";

fn first() -> Said {
    let tool = |id, city: &str| (id, "get_weather", json!({"city": city}));
    Said {
        thinking: Some(THINKING),
        redacted: Some(REDACTED),
        text: "Let me look. ",
        tools: vec![
            tool("toolu_01Aa", "Wien"),
            tool("toolu_01Bb", "Bern"),
            ("toolu_01Cc", "get_time", json!({})),
        ],
        cut: false,
    }
}

fn is_second(request: &SeenRequest) -> bool {
    let body = String::from_utf8_lossy(&request.body).replace(' ', "");
    body.contains("\"tool_result\"") || body.contains("\"role\":\"tool\"")
}

/// Tools and thinking on; the first turn of a conversation.
fn request(client: Wire, model: &str, stream: bool) -> Value {
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}});
    let mut request =
        json!({"model": model, "messages": [{"role": "user", "content": "Where is it nicer?"}]});
    let names = ["get_weather", "get_time"];
    match client {
        Chat => {
            request["tools"] = names
                .map(|name| json!({"type": "function", "function": {"name": name, "parameters": schema}}))
                .into_iter()
                .collect();
            request["reasoning_effort"] = json!("low");
            request["max_tokens"] = json!(4000);
        }
        Messages => {
            request["tools"] =
                names.map(|name| json!({"name": name, "input_schema": schema})).into_iter().collect();
            request["thinking"] = json!({"type": "enabled", "budget_tokens": 1024});
            request["max_tokens"] = json!(4000);
        }
    }
    if stream {
        request["stream"] = json!(true);
    }
    request
}

fn talk(gateway: &Gateway, client: Wire, calls: Vec<Value>) -> Vec<Value> {
    let results = json!({"get_weather": "21 °C", "get_time": "noon"});
    run("turns.py", &gateway.url, client, json!({"calls": calls, "results": results}))
}

/// The text of an answer as the SDK dumps it.
fn text(client: Wire, answer: &Value) -> String {
    match client {
        Chat => answer["choices"][0]["message"]["content"].as_str().unwrap_or_default().to_owned(),
        Messages => {
            let blocks = answer["content"].as_array().expect("blocks");
            blocks.iter().filter_map(|block| block["text"].as_str()).collect()
        }
    }
}

/// Without what the SDK adds as null.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let set = members.iter().filter(|(_, value)| !value.is_null());
            set.map(|(name, value)| (name.clone(), without_nulls(value))).collect()
        }
        Value::Array(items) => items.iter().map(without_nulls).collect(),
        other => other.clone(),
    }
}

fn check_messages(client: Wire, seen: &SeenRequest) {
    let body = seen.json();
    let messages = body["messages"].as_array().expect("messages");
    let roles: Vec<_> = messages.iter().map(|message| message["role"].as_str().expect("a role")).collect();
    assert_eq!(roles, ["user", "assistant", "user"], "{body}");
    let expected = json!([
        {"type": "thinking", "thinking": THINKING.0, "signature": THINKING.1},
        {"type": "redacted_thinking", "data": REDACTED},
        {"type": "text", "text": "Let me look. "},
        {"type": "tool_use", "id": "toolu_01Aa", "name": "get_weather", "input": {"city": "Wien"}},
        {"type": "tool_use", "id": "toolu_01Bb", "name": "get_weather", "input": {"city": "Bern"}},
        {"type": "tool_use", "id": "toolu_01Cc", "name": "get_time", "input": {}},
    ]);
    assert_eq!(without_nulls(&messages[1]["content"]), expected, "{client:?}");
    // Byte for byte, whatever lies between.
    let bytes = String::from_utf8_lossy(&seen.body);
    assert!(bytes.contains(THINKING.1) && bytes.contains(&json!(THINKING.0).to_string()), "{bytes}");
    let results = messages[2]["content"].as_array().expect("blocks");
    assert_eq!(results.len(), 3);
    for (result, (id, text)) in
        results.iter().zip([("toolu_01Aa", "21 °C"), ("toolu_01Bb", "21 °C"), ("toolu_01Cc", "noon")])
    {
        assert_eq!((&result["type"], &result["tool_use_id"]), (&json!("tool_result"), &json!(id)));
        let content = &result["content"];
        assert_eq!(content.as_str().or(content[0]["text"].as_str()), Some(text), "{result}");
    }
    assert!(body["thinking"].is_object(), "still on: {body}");
}

fn check_chat(client: Wire, seen: &SeenRequest) {
    let body = seen.json();
    let messages = body["messages"].as_array().expect("messages");
    let roles: Vec<_> = messages.iter().map(|message| message["role"].as_str().expect("a role")).collect();
    assert_eq!(roles, ["user", "assistant", "tool", "tool", "tool"], "{body}");
    let calls = messages[1]["tool_calls"].as_array().expect("calls");
    let got: Vec<_> = calls
        .iter()
        .map(|call| {
            let arguments: Value =
                serde_json::from_str(call["function"]["arguments"].as_str().expect("text")).expect("JSON");
            (
                call["id"].as_str().expect("an id"),
                call["function"]["name"].as_str().expect("a name"),
                arguments,
            )
        })
        .collect();
    assert_eq!(got, first().tools);
    let content = &messages[1]["content"];
    assert_eq!(content.as_str().or(content[0]["text"].as_str()), Some("Let me look. "), "{body}");
    // Servers like DeepSeek's want it back.
    assert_eq!(messages[1]["reasoning_content"], THINKING.0, "{client:?}: {body}");
    for (result, (id, text)) in
        messages[2..].iter().zip([("toolu_01Aa", "21 °C"), ("toolu_01Bb", "21 °C"), ("toolu_01Cc", "noon")])
    {
        let content = &result["content"];
        assert_eq!(
            (&result["tool_call_id"], content.as_str().or(content[0]["text"].as_str())),
            (&json!(id), Some(text))
        );
    }
}

#[test]
fn the_second_turn_brings_back_what_the_first_one_said() {
    let mut world = World::new();
    let replays = WIRES.map(|wire| {
        Replay::start(Script::by(move |request, _| {
            let said = if is_second(request) { Said { text: SECOND, ..Said::default() } } else { first() };
            said.plays(wire, request.wants_stream())
        }))
    });
    for (wire, replay) in WIRES.iter().zip(&replays) {
        for client in WIRES {
            let id = format!("{}-{}", client.short(), wire.short());
            world.pool_of(&id, provider(*wire, &wire.endpoint(&replay.url(), &id)));
            world.route(&id, &[&id], json!({}));
        }
    }
    let gateway = Gateway::start(&world);
    for client in WIRES {
        let calls = WIRES.into_iter().flat_map(|wire| {
            [false, true]
                .map(|stream| request(client, &format!("{}-{}", client.short(), wire.short()), stream))
        });
        for turns in talk(&gateway, client, calls.collect()) {
            assert_eq!(text(client, &turns[0]), "Let me look. ", "{turns}");
            assert_eq!(text(client, &turns[1]), SECOND, "{turns}");
        }
    }
    for (wire, replay) in WIRES.iter().zip(&replays) {
        let seen = replay.requests();
        assert_eq!((seen.len(), seen.iter().filter(|request| is_second(request)).count()), (8, 4));
        for request in seen.iter().filter(|request| is_second(request)) {
            let client = if place(request).starts_with("chat") { Chat } else { Messages };
            match wire {
                Chat => check_chat(client, request),
                Messages => check_messages(client, request),
            }
        }
    }
}

/// A conversation that begins with one provider and goes on with another: what only its issuer may see, or only
/// some servers take, does not go along.
#[test]
fn reasoning_does_not_go_to_another_issuer() {
    // The provider of the first turn is closed for the second.
    let closing = WIRES.map(|wire| {
        Replay::start(Script::by(move |request, _| match is_second(request) {
            true => Behaviour::status(503, "closed"),
            false => first().plays(wire, request.wants_stream()),
        }))
    });
    let second = Said { text: SECOND, ..Said::default() };
    let taking_over = WIRES.map(|wire| {
        let second = second.clone();
        Replay::start(Script::by(move |request, _| second.plays(wire, request.wants_stream())))
    });
    let mut world = World::new();
    for (client, from) in WIRES.into_iter().flat_map(|client| WIRES.map(|from| (client, from))) {
        let (id, to) = (format!("{}-{}", client.short(), from.short()), from.other());
        let (one, two) = (format!("{id}-one"), format!("{id}-two"));
        world.pool_of(&one, provider(from, &from.endpoint(&closing[from as usize].url(), &id)));
        // OpenAI itself, which refuses members that it does not know; a model that reasons, or it could not take over.
        let mut reasoning = provider(to, &to.endpoint(&taking_over[to as usize].url(), &id));
        if to == Chat {
            reasoning["type"] = json!("OpenAI");
            reasoning["models"] = json!([{"name": "m", "upstream": "o3"}]);
        }
        world.pool_of(&two, reasoning);
        world.route(&id, &[&one, &two], json!({}));
    }
    let gateway = Gateway::start(&world);
    for client in WIRES {
        let calls = WIRES.into_iter().flat_map(|from| {
            [false, true]
                .map(|stream| request(client, &format!("{}-{}", client.short(), from.short()), stream))
        });
        for turns in talk(&gateway, client, calls.collect()) {
            assert_eq!(text(client, &turns[1]), SECOND, "{turns}");
        }
    }
    for (to, replay) in WIRES.iter().zip(&taking_over) {
        let seen = replay.requests();
        assert_eq!(seen.len(), 4);
        for request in seen {
            let bytes = String::from_utf8_lossy(&request.body);
            let what = format!("{} to {to:?}: {bytes}", place(&request));
            assert!(bytes.contains("toolu_01Aa") && bytes.contains("Let me look. "), "{what}");
            let messages = request.json()["messages"].to_string();
            for member in
                ["reasoning_content", "reasoning_details", "thinking", "signature", THINKING.1, REDACTED]
            {
                assert!(!messages.contains(member), "{member} in {what}");
            }
        }
    }
}
