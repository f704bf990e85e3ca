//! A client that keeps nothing of an answer but what OpenAI's format knows: opaque reasoning state comes back to its
//! issuer byte-exact all the same, over three turns of tool calls, streamed and not.

use crate::gateway::{Gateway, World};
use penstock_e2e::client::events;
use penstock_e2e::replay::{Event, SeenRequest};
use penstock_e2e::{Behaviour, Replay, Script};
use serde_json::{Value, json};

/// What the provider thinks in its first two turns, and signs.
const THOUGHTS: [(&str, &str); 2] = [
    ("Which  city?\nLet me \"see\": é.", "EqQBCgIYAhIkc2lnbmF0dXJl/+abc=="),
    ("Bern, then.", "AnotherSignature+/0123456789=="),
];
const ANSWER: &str = "It is nicer in Wien.";

#[derive(Clone, Copy, Debug, PartialEq)]
enum Vendor {
    Anthropic,
    Gemini,
    Bedrock,
}

impl Vendor {
    fn provider(self, url: &str) -> Value {
        let key = json!({"apiKeys": [{"secretRef": {"name": "keys", "key": "one"}}]});
        match self {
            Self::Anthropic => json!({
                "name": "up", "type": "Anthropic", "endpoint": url, "auth": key,
                "models": [{"name": "m", "upstream": "claude-sonnet-4-5"}],
            }),
            Self::Gemini => json!({
                "name": "up", "type": "Gemini", "endpoint": format!("{url}/v1beta"), "auth": key,
                "models": [{"name": "m", "upstream": "gemini-3-pro-preview"}],
            }),
            Self::Bedrock => json!({
                "name": "up", "type": "Bedrock", "endpoint": url, "region": "eu-central-1", "auth": key,
                "models": [{"name": "m", "upstream": "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"}],
            }),
        }
    }

    /// The answer of a turn: 0 and 1 think and call, 2 speaks.
    fn turn(self, turn: usize, stream: bool) -> Behaviour {
        match (self, stream) {
            (Self::Anthropic, false) => Behaviour::json(anthropic(turn)),
            (Self::Anthropic, true) => Behaviour::sse(anthropic_events(turn)),
            (Self::Gemini, false) => Behaviour::json(gemini(turn)),
            (Self::Gemini, true) => Behaviour::sse(vec![Event::data(gemini(turn))]),
            // What ConverseStream sends is binary; whole answers show the same here.
            (Self::Bedrock, _) => Behaviour::json(bedrock(turn)),
        }
    }

    /// Are the thoughts of the turns before this one in the request, in place and byte for byte?
    fn check(self, turn: usize, request: &SeenRequest) {
        let body = request.json();
        let assistant: Vec<&Value> = match self {
            Self::Gemini => body["contents"]
                .as_array()
                .expect("contents")
                .iter()
                .filter(|it| it["role"] == "model")
                .collect(),
            _ => body["messages"]
                .as_array()
                .expect("messages")
                .iter()
                .filter(|it| it["role"] == "assistant")
                .collect(),
        };
        assert_eq!(assistant.len(), turn, "{body}");
        for (i, message) in assistant.iter().enumerate() {
            let (thought, signature) = THOUGHTS[i];
            match self {
                Self::Anthropic => {
                    let block = &message["content"][0];
                    assert_eq!(
                        block,
                        &json!({"type": "thinking", "thinking": thought, "signature": signature}),
                        "{body}"
                    );
                    assert_eq!(message["content"][1]["type"], "tool_use", "{body}");
                    assert_eq!(message["content"][1]["id"], format!("call_{i}"), "{body}");
                }
                Self::Gemini => {
                    let parts = message["parts"].as_array().expect("parts");
                    let call = parts.iter().find(|part| part["functionCall"].is_object()).expect("a call");
                    assert_eq!(call["thoughtSignature"], signature, "{body}");
                }
                Self::Bedrock => {
                    let block = &message["content"][0]["reasoningContent"]["reasoningText"];
                    assert_eq!(block, &json!({"text": thought, "signature": signature}), "{body}");
                    assert_eq!(message["content"][1]["toolUse"]["toolUseId"], format!("call_{i}"), "{body}");
                }
            }
        }
    }
}

fn anthropic_blocks(turn: usize) -> Vec<Value> {
    if turn == 2 {
        return vec![json!({"type": "text", "text": ANSWER})];
    }
    let (thought, signature) = THOUGHTS[turn];
    vec![
        json!({"type": "thinking", "thinking": thought, "signature": signature}),
        json!({"type": "tool_use", "id": format!("call_{turn}"), "name": "get_weather", "input": {"city": turn.to_string()}}),
    ]
}

fn anthropic(turn: usize) -> Value {
    json!({
        "id": format!("msg_{turn}"), "type": "message", "role": "assistant", "model": "claude-sonnet-4-5",
        "content": anthropic_blocks(turn), "stop_reason": if turn == 2 { "end_turn" } else { "tool_use" },
        "stop_sequence": null, "usage": {"input_tokens": 10, "output_tokens": 5},
    })
}

fn anthropic_events(turn: usize) -> Vec<Event> {
    let mut start = anthropic(turn);
    (start["content"], start["stop_reason"]) = (json!([]), Value::Null);
    let mut out = vec![Event::named("message_start", json!({"type": "message_start", "message": start}))];
    for (index, block) in anthropic_blocks(turn).iter().enumerate() {
        let (begin, deltas) = match block["type"].as_str().expect("a type") {
            "thinking" => (
                json!({"type": "thinking", "thinking": "", "signature": ""}),
                vec![
                    json!({"type": "thinking_delta", "thinking": block["thinking"]}),
                    json!({"type": "signature_delta", "signature": block["signature"]}),
                ],
            ),
            "tool_use" => (
                json!({"type": "tool_use", "id": block["id"], "name": block["name"], "input": {}}),
                vec![json!({"type": "input_json_delta", "partial_json": block["input"].to_string()})],
            ),
            _ => (
                json!({"type": "text", "text": ""}),
                vec![json!({"type": "text_delta", "text": block["text"]})],
            ),
        };
        out.push(Event::named(
            "content_block_start",
            json!({"type": "content_block_start", "index": index, "content_block": begin}),
        ));
        for delta in deltas {
            out.push(Event::named(
                "content_block_delta",
                json!({"type": "content_block_delta", "index": index, "delta": delta}),
            ));
        }
        out.push(Event::named("content_block_stop", json!({"type": "content_block_stop", "index": index})));
    }
    let stop = if turn == 2 { "end_turn" } else { "tool_use" };
    out.push(Event::named(
        "message_delta",
        json!({"type": "message_delta", "delta": {"stop_reason": stop, "stop_sequence": null}, "usage": {"output_tokens": 5}}),
    ));
    out.push(Event::named("message_stop", json!({"type": "message_stop"})));
    out
}

fn gemini(turn: usize) -> Value {
    let parts = if turn == 2 {
        json!([{"text": ANSWER}])
    } else {
        let (thought, signature) = THOUGHTS[turn];
        json!([
            {"text": thought, "thought": true},
            {"functionCall": {"name": "get_weather", "args": {"city": turn.to_string()}}, "thoughtSignature": signature},
        ])
    };
    json!({
        "candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": "STOP", "index": 0}],
        "usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 5, "thoughtsTokenCount": 3, "totalTokenCount": 18},
        "modelVersion": "gemini-3-pro-preview", "responseId": format!("r{turn}"),
    })
}

fn bedrock(turn: usize) -> Value {
    let content = if turn == 2 {
        json!([{"text": ANSWER}])
    } else {
        let (thought, signature) = THOUGHTS[turn];
        json!([
            {"reasoningContent": {"reasoningText": {"text": thought, "signature": signature}}},
            {"toolUse": {"toolUseId": format!("call_{turn}"), "name": "get_weather", "input": {"city": turn.to_string()}}},
        ])
    };
    json!({
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": if turn == 2 { "end_turn" } else { "tool_use" },
        "usage": {"inputTokens": 10, "outputTokens": 5, "totalTokens": 15}, "metrics": {"latencyMs": 1},
    })
}

/// What a plain client keeps of a streamed message: content and calls, put together by their index.
fn gathered(chunks: &[Value]) -> Value {
    let mut content = String::new();
    let mut calls: Vec<Value> = Vec::new();
    for delta in chunks.iter().filter_map(|chunk| chunk["choices"].get(0)).map(|choice| &choice["delta"]) {
        content += delta["content"].as_str().unwrap_or_default();
        for piece in delta["tool_calls"].as_array().into_iter().flatten() {
            let index = piece["index"].as_u64().expect("an index") as usize;
            if calls.len() <= index {
                calls.push(json!({"id": piece["id"], "type": "function", "function": {"name": piece["function"]["name"], "arguments": ""}}));
            }
            let arguments = &mut calls[index]["function"]["arguments"];
            *arguments = json!(format!(
                "{}{}",
                arguments.as_str().expect("text"),
                piece["function"]["arguments"].as_str().unwrap_or_default()
            ));
        }
    }
    message(content, calls)
}

fn message(content: String, calls: Vec<Value>) -> Value {
    let mut out = json!({"role": "assistant", "content": content});
    if !calls.is_empty() {
        out["tool_calls"] = calls.into();
    }
    out
}

/// The same of a whole answer: nothing but the members that OpenAI documents.
fn kept(answer: &Value) -> Value {
    let message_in = &answer["choices"][0]["message"];
    let calls = message_in["tool_calls"].as_array().into_iter().flatten().map(|call| {
        json!({"id": call["id"], "type": "function", "function": {"name": call["function"]["name"], "arguments": call["function"]["arguments"]}})
    });
    message(message_in["content"].as_str().unwrap_or_default().to_owned(), calls.collect())
}

fn converse(vendor: Vendor, stream: bool) {
    let replay = Replay::start(Script::by(move |_, turn| vendor.turn(turn, stream)));
    let mut world = World::new();
    world.pool_of("p", vendor.provider(&replay.url()));
    world.route("bot", &["p"], json!({}));
    let gateway = Gateway::start(&world);

    let mut messages = vec![json!({"role": "user", "content": "Where is it nicer?"})];
    for turn in 0..3 {
        let tool = json!({"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}});
        let request = json!({
            "model": "bot", "messages": messages, "tools": [tool], "reasoning_effort": "low", "max_tokens": 4000,
            "stream": stream,
        });
        let answer = gateway.call(crate::wire::Chat, &request).send().expect("an answer");
        assert_eq!(answer.status, 200, "{vendor:?} {turn}: {}", answer.text());
        vendor.check(turn, &replay.take_requests().pop().expect("a request"));
        let said = if stream {
            let data: Vec<Value> = events(&answer.text())
                .iter()
                .filter(|event| event.data != "[DONE]")
                .map(|event| serde_json::from_str(&event.data).expect("JSON"))
                .collect();
            gathered(&data)
        } else {
            kept(&answer.json())
        };
        if turn == 2 {
            assert_eq!(said, message(ANSWER.into(), vec![]));
            return;
        }
        let calls = said["tool_calls"].as_array().expect("a call").clone();
        assert_eq!(calls.len(), 1, "{said}");
        messages.push(said);
        messages.push(json!({"role": "tool", "tool_call_id": calls[0]["id"], "content": "sunny"}));
    }
}

#[test]
fn signatures_of_claude_survive() {
    converse(Vendor::Anthropic, false);
    converse(Vendor::Anthropic, true);
}

#[test]
fn signatures_of_gemini_survive() {
    converse(Vendor::Gemini, false);
    converse(Vendor::Gemini, true);
}

#[test]
fn signatures_on_bedrock_survive() {
    converse(Vendor::Bedrock, false);
}

/// A signature goes to its issuer and to nobody else: the next turn at another vendor is sent without, and says so.
#[test]
fn a_signature_never_reaches_another_issuer() {
    let claude = Replay::start(Script::by(|_, turn| Vendor::Anthropic.turn(turn.min(1), false)));
    let other = Replay::start(crate::wire::Chat.answer(ANSWER));
    let mut world = World::new();
    world.pool_of("claude", Vendor::Anthropic.provider(&claude.url()));
    world.pool("openai", crate::wire::Chat, &other.url());
    world.route("first", &["claude"], json!({}));
    world.route("second", &["openai"], json!({}));
    let gateway = Gateway::start(&world);
    let tool = json!({"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {}}}});
    let request = |model: &str, messages: &Value| json!({"model": model, "messages": messages, "tools": [tool], "reasoning_effort": "low", "max_tokens": 4000});
    let mut messages = json!([{"role": "user", "content": "Where is it nicer?"}]);
    let answer =
        gateway.call(crate::wire::Chat, &request("first", &messages)).send().expect("an answer").json();
    // This client keeps everything.
    let said = answer["choices"][0]["message"].clone();
    let id = said["tool_calls"][0]["id"].clone();
    let list = messages.as_array_mut().expect("a list");
    list.push(said);
    list.push(json!({"role": "tool", "tool_call_id": id, "content": "sunny"}));
    let answer = gateway.call(crate::wire::Chat, &request("second", &messages)).send().expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.text());
    let seen = other.take_requests().pop().expect("a request");
    let body = String::from_utf8_lossy(&seen.body);
    assert!(!body.contains(THOUGHTS[0].1) && !body.contains("__ps1_") && !body.contains("Let me"), "{body}");
    assert_eq!(seen.json()["messages"][1]["tool_calls"][0]["id"], "call_0");
    assert_eq!(seen.json()["messages"][2]["tool_call_id"], "call_0");
    let disclosed = answer.header("x-penstock-translation");
    assert!(disclosed.contains("reasoning") && disclosed.contains("dropped"), "{disclosed}");
}
