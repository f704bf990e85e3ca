//! The official SDKs, sync and async, streaming and not, against providers of both formats: what they gather is
//! what the provider said, and the provider is asked for what they asked.

use crate::gateway::{CHAT_MODEL, Gateway, MESSAGES_MODEL, World};
use crate::wire::{Chat, Messages, WIRES, Wire, place};
use penstock_e2e::answers::USAGE;
use penstock_e2e::replay::{Event, SeenRequest};
use penstock_e2e::{Behaviour, Replay, Script, python};
use serde_json::{Value, json};
use std::collections::HashMap;

/// What a provider says, in neither format.
#[derive(Clone, Debug, Default)]
pub struct Said {
    /// Text and signature.
    pub thinking: Option<(&'static str, &'static str)>,
    pub redacted: Option<&'static str>,
    pub text: &'static str,
    /// Id, name, arguments.
    pub tools: Vec<(&'static str, &'static str, Value)>,
    pub cut: bool,
}

impl Said {
    fn finish(&self, wire: Wire) -> &'static str {
        match (wire, self.tools.is_empty(), self.cut) {
            (Chat, _, true) => "length",
            (Messages, _, true) => "max_tokens",
            (Chat, true, _) => "stop",
            (Chat, false, _) => "tool_calls",
            (Messages, true, _) => "end_turn",
            (Messages, false, _) => "tool_use",
        }
    }

    pub fn plays(&self, wire: Wire, stream: bool) -> Behaviour {
        match (wire, stream) {
            (Chat, false) => Behaviour::json(self.chat()),
            (Chat, true) => Behaviour::sse(self.chunks()),
            (Messages, false) => Behaviour::json(self.message()),
            (Messages, true) => Behaviour::sse(self.message_events()),
        }
    }

    fn chat(&self) -> Value {
        let mut body = Chat.body(self.text);
        let message = &mut body["choices"][0]["message"];
        if let Some((thinking, _)) = self.thinking {
            message["reasoning_content"] = json!(thinking);
        }
        if !self.tools.is_empty() {
            let call = |(id, name, input): &(&str, &str, Value)| json!({"id": id, "type": "function", "function": {"name": name, "arguments": input.to_string()}});
            message["tool_calls"] = self.tools.iter().map(call).collect();
            if self.text.is_empty() {
                message["content"] = Value::Null;
            }
        }
        body["choices"][0]["finish_reason"] = json!(self.finish(Chat));
        body
    }

    fn chunks(&self) -> Vec<Event> {
        let whole = Chat.events(self.text);
        let chunk = |delta: Value| {
            let choices = json!([{"index": 0, "delta": delta, "finish_reason": null}]);
            Event::data(
                json!({"id": "chatcmpl-e2e", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices}),
            )
        };
        let mut events = vec![whole[0].clone()];
        for piece in pieces(self.thinking.map_or("", |(text, _)| text)) {
            events.push(chunk(json!({"reasoning_content": piece})));
        }
        // Start, words, stop, usage, end.
        events.extend_from_slice(&whole[1..whole.len() - 3]);
        for (index, (id, name, input)) in self.tools.iter().enumerate() {
            let function = json!({"name": name, "arguments": ""});
            events.push(chunk(
                json!({"tool_calls": [{"index": index, "id": id, "type": "function", "function": function}]}),
            ));
            for piece in pieces(&input.to_string()) {
                events
                    .push(chunk(json!({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})));
            }
        }
        let stop = whole[whole.len() - 3].data.replace("\"stop\"", &format!("\"{}\"", self.finish(Chat)));
        events.push(Event::data(stop));
        events.extend_from_slice(&whole[whole.len() - 2..]);
        events
    }

    fn blocks(&self) -> Vec<Value> {
        let mut blocks = Vec::new();
        if let Some((thinking, signature)) = self.thinking {
            blocks.push(json!({"type": "thinking", "thinking": thinking, "signature": signature}));
        }
        blocks.extend(self.redacted.map(|data| json!({"type": "redacted_thinking", "data": data})));
        if !self.text.is_empty() {
            blocks.push(json!({"type": "text", "text": self.text}));
        }
        let tool = |(id, name, input): &(&str, &str, Value)| json!({"type": "tool_use", "id": id, "name": name, "input": input});
        blocks.extend(self.tools.iter().map(tool));
        blocks
    }

    fn message(&self) -> Value {
        let mut body = Messages.body("");
        body["content"] = self.blocks().into();
        body["stop_reason"] = json!(self.finish(Messages));
        body
    }

    fn message_events(&self) -> Vec<Event> {
        let whole = Messages.events("");
        let mut events = vec![whole[0].clone()];
        for (index, block) in self.blocks().into_iter().enumerate() {
            let named = |data: Value| Event::named(data["type"].as_str().expect("a type"), &data);
            let mut start = block.clone();
            let mut deltas = Vec::new();
            match block["type"].as_str().expect("a type") {
                "text" => {
                    start["text"] = json!("");
                    deltas.extend(
                        pieces(block["text"].as_str().expect("text"))
                            .map(|it| json!({"type": "text_delta", "text": it})),
                    );
                }
                "thinking" => {
                    (start["thinking"], start["signature"]) = (json!(""), json!(""));
                    deltas.extend(
                        pieces(block["thinking"].as_str().expect("text"))
                            .map(|it| json!({"type": "thinking_delta", "thinking": it})),
                    );
                    deltas.push(json!({"type": "signature_delta", "signature": block["signature"]}));
                }
                "tool_use" => {
                    start["input"] = json!({});
                    // Without arguments there is no piece of them either.
                    let input =
                        if block["input"] == json!({}) { String::new() } else { block["input"].to_string() };
                    deltas.extend(
                        pieces(&input).map(|it| json!({"type": "input_json_delta", "partial_json": it})),
                    );
                }
                _ => {}
            }
            events
                .push(named(json!({"type": "content_block_start", "index": index, "content_block": start})));
            events.extend(
                deltas.into_iter().map(|delta| {
                    named(json!({"type": "content_block_delta", "index": index, "delta": delta}))
                }),
            );
            events.push(named(json!({"type": "content_block_stop", "index": index})));
        }
        let stop = whole[whole.len() - 2].data.replace("end_turn", self.finish(Messages));
        events.push(Event::named("message_delta", stop));
        events.push(whole[whole.len() - 1].clone());
        events
    }
}

/// Five characters each.
fn pieces(text: &str) -> impl Iterator<Item = String> {
    let chars: Vec<char> = text.chars().collect();
    chars.chunks(5).map(|piece| piece.iter().collect()).collect::<Vec<_>>().into_iter()
}

/// A pool's provider of a format, for models that think aloud in OpenAI's format too.
pub fn provider(wire: Wire, endpoint: &str) -> Value {
    let (kind, upstream) = match wire {
        Chat => ("OpenAICompatible", CHAT_MODEL),
        Messages => ("Anthropic", MESSAGES_MODEL),
    };
    json!({
        "name": "up", "type": kind, "endpoint": endpoint, "models": [{"name": "m", "upstream": upstream}],
        "auth": {"apiKeys": [{"secretRef": {"name": "keys", "key": "one"}}]},
    })
}

/// One call by each SDK.
pub fn run(script: &str, gateway: &str, client: Wire, more: Value) -> Vec<Value> {
    let (sdk, base_url) = match client {
        Chat => ("openai", format!("{gateway}/v1")),
        Messages => ("anthropic", gateway.to_owned()),
    };
    let mut job = json!({"sdk": sdk, "base_url": base_url, "api_key": "any"});
    job.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    python::run(script, &[], &[], &job)
}

const PNG: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

fn schema() -> Value {
    json!({"type": "object", "properties": {"city": {"type": "string", "description": "where"}}, "required": ["city"]})
}

/// A request that uses everything, in a client's format.
fn rich(client: Wire) -> Value {
    match client {
        Chat => json!({
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": [
                    {"type": "text", "text": "What is in the picture?"},
                    {"type": "image_url", "image_url": {"url": format!("data:image/png;base64,{PNG}")}},
                ]},
            ],
            "tools": [{"type": "function", "function": {"name": "get_weather", "description": "Weather of a city", "parameters": schema()}}],
            "tool_choice": {"type": "function", "function": {"name": "get_weather"}},
            "parallel_tool_calls": false,
            "stop": ["END", "STOP"],
            "max_tokens": 100,
            "temperature": 0.5,
        }),
        Messages => json!({
            "system": "Be brief.",
            "messages": [{"role": "user", "content": [
                {"type": "text", "text": "What is in the picture?"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
            ]}],
            "tools": [{"name": "get_weather", "description": "Weather of a city", "input_schema": schema()}],
            "tool_choice": {"type": "tool", "name": "get_weather", "disable_parallel_tool_use": true},
            "stop_sequences": ["END", "STOP"],
            "max_tokens": 100,
            // The SDK has no argument for it any more; the API does.
            "extra_body": {"temperature": 0.5},
        }),
    }
}

/// Text, whether it stands alone or in a list of one block.
fn text_of(value: &Value) -> &str {
    value.as_str().or(value[0]["text"].as_str()).unwrap_or_default()
}

fn check_rich_chat(body: &Value) {
    let messages = body["messages"].as_array().expect("messages");
    assert_eq!(messages.len(), 2, "{body}");
    assert!(["system", "developer"].contains(&messages[0]["role"].as_str().expect("a role")));
    assert_eq!(text_of(&messages[0]["content"]), "Be brief.");
    let content = &messages[1]["content"];
    assert_eq!(
        (&content[0]["type"], &content[0]["text"]),
        (&json!("text"), &json!("What is in the picture?"))
    );
    assert_eq!(content[1]["image_url"]["url"], format!("data:image/png;base64,{PNG}"));
    let function = &body["tools"][0]["function"];
    assert_eq!((&body["tools"][0]["type"], &function["name"]), (&json!("function"), &json!("get_weather")));
    assert_eq!((&function["description"], &function["parameters"]), (&json!("Weather of a city"), &schema()));
    assert_eq!(body["tool_choice"], json!({"type": "function", "function": {"name": "get_weather"}}));
    assert_eq!(body["parallel_tool_calls"], false);
    assert_eq!(body["stop"], json!(["END", "STOP"]));
    assert_eq!(body["temperature"], 0.5);
    let limits = [&body["max_tokens"], &body["max_completion_tokens"]];
    assert!(limits.contains(&&json!(100)), "{body}");
    for name in ["system", "stop_sequences", "metadata", "thinking"] {
        assert!(body.get(name).is_none(), "{name} is not OpenAI's: {body}");
    }
}

fn check_rich_messages(body: &Value) {
    let messages = body["messages"].as_array().expect("messages");
    assert_eq!((messages.len(), &messages[0]["role"]), (1, &json!("user")), "{body}");
    assert_eq!(text_of(&body["system"]), "Be brief.");
    let content = &messages[0]["content"];
    assert_eq!(
        (&content[0]["type"], &content[0]["text"]),
        (&json!("text"), &json!("What is in the picture?"))
    );
    assert_eq!(
        content[1],
        json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}})
    );
    let tool = &body["tools"][0];
    assert_eq!(
        (&tool["name"], &tool["description"], &tool["input_schema"]),
        (&json!("get_weather"), &json!("Weather of a city"), &schema())
    );
    assert!(tool.get("function").is_none() && tool.get("parameters").is_none());
    assert_eq!(
        body["tool_choice"],
        json!({"type": "tool", "name": "get_weather", "disable_parallel_tool_use": true})
    );
    assert_eq!(body["stop_sequences"], json!(["END", "STOP"]));
    assert_eq!((&body["max_tokens"], &body["temperature"]), (&json!(100), &json!(0.5)));
    for name in ["stop", "parallel_tool_calls", "stream_options", "n", "max_completion_tokens"] {
        assert!(body.get(name).is_none(), "{name} is not Anthropic's: {body}");
    }
}

fn cases() -> Vec<(&'static str, Said)> {
    let tool =
        |id, city: &str| (id, "get_weather", json!({"city": city, "days": [1, 2.5], "note": "\"é\"\n"}));
    vec![
        ("text", Said { text: "Grüße aus dem Süden 🌞, in two lines.\nYes.", ..Said::default() }),
        ("cut", Said { text: "It was a dark and", cut: true, ..Said::default() }),
        ("tool", Said { tools: vec![tool("call_a1", "Wien")], ..Said::default() }),
        (
            "talk-and-tool",
            Said { text: "Let me look. ", tools: vec![tool("call_b1", "Graz")], ..Said::default() },
        ),
        (
            "parallel",
            Said {
                tools: vec![
                    tool("call_c1", "Linz"),
                    tool("call_c2", "Bern"),
                    ("call_c3", "get_time", json!({})),
                ],
                ..Said::default()
            },
        ),
        (
            "thinking",
            Said {
                thinking: Some(("First I think, then I speak.", "c2lnbmF0dXJl/+==")),
                text: "Done thinking.",
                ..Said::default()
            },
        ),
        (
            "thinking-tool",
            Said {
                thinking: Some(("I need the weather.", "c2lnMg==")),
                tools: vec![tool("call_d1", "Ulm")],
                ..Said::default()
            },
        ),
    ]
}

struct Call {
    case: usize,
    provider: Wire,
    stream: bool,
}

fn matrix(client: Wire, asynchronous: bool) {
    let cases = cases();
    let played: HashMap<_, _> = cases.iter().cloned().collect();
    let replays = WIRES.map(|wire| {
        let played = played.clone();
        Replay::start(Script::by(move |request, _| {
            played[&*place(request)].plays(wire, request.wants_stream())
        }))
    });
    let mut world = World::new();
    let mut calls = Vec::new();
    for (case, (name, _)) in cases.iter().enumerate() {
        for (wire, replay) in WIRES.iter().zip(&replays) {
            let id = format!("{name}-{}", wire.short());
            world.pool_of(&id, provider(*wire, &wire.endpoint(&replay.url(), name)));
            world.route(&id, &[&id], json!({}));
            calls.extend([false, true].map(|stream| Call { case, provider: *wire, stream }));
        }
    }
    let gateway = Gateway::start(&world);
    let requests = calls.iter().map(|call| {
        let mut request = rich(client);
        request["model"] = json!(format!("{}-{}", cases[call.case].0, call.provider.short()));
        if call.stream {
            request["stream"] = json!(true);
            if client == Chat {
                request["stream_options"] = json!({"include_usage": true});
            }
        }
        request
    });
    let requests: Vec<_> = requests.collect();
    let job = json!({"calls": requests, "async": asynchronous, "concurrency": 4});
    let results = run("sdk.py", &gateway.url, client, job);
    assert_eq!(results.len(), calls.len());
    for (call, result) in calls.iter().zip(&results) {
        let (name, said) = &cases[call.case];
        let what = format!("{name} of {:?} to {client:?}, stream={}", call.provider, call.stream);
        if said.cut && client == Chat && call.stream {
            // How the SDK's own gathering reports an answer that reached its limit.
            assert_eq!(
                (&result["error"], &result["text"]),
                (&json!("LengthFinishReasonError"), &json!(said.text)),
                "{what}: {result}"
            );
            continue;
        }
        assert_eq!(result["ok"], true, "{what}: {result}");
        assert_eq!(result["text"], said.text, "{what}");
        assert_eq!(result["thinking"], said.thinking.map_or("", |(text, _)| text), "{what}: {result}");
        let tools: Value = said
            .tools
            .iter()
            .map(|(id, name, input)| json!({"id": id, "name": name, "input": input}))
            .collect();
        assert_eq!(crate::sdk_recorded::without_riders(&result["tools"]), tools, "{what}");
        assert_eq!(result["finish"], said.finish(client), "{what}");
        let (input, output) = match client {
            Chat => (&result["usage"]["prompt_tokens"], &result["usage"]["completion_tokens"]),
            Messages => (&result["usage"]["input_tokens"], &result["usage"]["output_tokens"]),
        };
        assert_eq!((input, output), (&json!(USAGE.0), &json!(USAGE.1)), "{what}");
        assert!(result["id"].as_str().is_some_and(|id| !id.is_empty()), "{what}");
        assert_eq!(result["headers"]["x-penstock-attempts"], "1", "{what}");
        if let (Messages, Messages, Some((_, signature))) = (client, call.provider, said.thinking) {
            assert_eq!(result["raw"]["content"][0]["signature"], signature, "{what}");
        }
        if let (Chat, Messages, Some((thinking, signature))) = (client, call.provider, said.thinking) {
            let carried = &result["raw"]["choices"][0]["message"]["reasoning_details"][0];
            assert_eq!(
                (&carried["thinking"], &carried["signature"]),
                (&json!(thinking), &json!(signature)),
                "{what}: {result}"
            );
        }
    }
    for (wire, replay) in WIRES.iter().zip(&replays) {
        let seen: Vec<SeenRequest> = replay.requests();
        assert_eq!(seen.len(), cases.len() * 2);
        for request in seen {
            let body = request.json();
            assert_eq!(body["model"], if *wire == Chat { CHAT_MODEL } else { MESSAGES_MODEL });
            match wire {
                Chat => check_rich_chat(&body),
                Messages => check_rich_messages(&body),
            }
        }
    }
    eprintln!("{} calls of the {client:?} SDK, async={asynchronous}", calls.len());
}

#[test]
fn openai_sync() {
    matrix(Chat, false);
}

#[test]
fn openai_async() {
    matrix(Chat, true);
}

#[test]
fn anthropic_sync() {
    matrix(Messages, false);
}

#[test]
fn anthropic_async() {
    matrix(Messages, true);
}

#[test]
fn a_request_without_a_limit_gets_one_for_anthropic_and_says_so() {
    let replay = Replay::start(Messages.answer("an answer"));
    let mut world = World::new();
    world.pool("p", Messages, &replay.url());
    world.route("bot", &["p"], json!({}));
    let gateway = Gateway::start(&world);
    let request = json!({
        "model": "bot", "seed": 7, "n": 1,
        "messages": [{"role": "system", "content": "One."}, {"role": "developer", "content": "Two."}, {"role": "user", "content": "Go."}],
    });
    let answer = gateway.call(Chat, &request).send().expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.text());
    let body = replay.take_requests().pop().expect("a request").json();
    assert!(body["max_tokens"].as_u64().is_some_and(|limit| limit >= 1024), "{body}");
    let disclosed = answer.header("x-penstock-translation");
    assert!(disclosed.contains("max_tokens=") && disclosed.contains("seed=dropped"), "{disclosed}");
    let system = body["system"].to_string();
    assert!(
        system.find("One.").is_some_and(|one| system.find("Two.").is_some_and(|two| one < two)),
        "{system}"
    );
    let dropped = [("field", "seed"), ("fate", "dropped"), ("route", "default/bot")];
    assert_eq!(gateway.settled().sum("penstock_translation_total", &dropped), 1.0);
}
