//! Tool loops with thinking, through clients that keep as little as OpenAI's format asks of them.
//!
//! Such a client brings back of an assistant message its role, content and calls, and of a call its id, name and
//! arguments. The signed thinking of Claude and the signed calls of Gemini come back byte-exact all the same, and go
//! to nobody else.

use penstock_llm::catalogue::Facts;
use penstock_llm::message::{Issuer, PartBody, ReasoningBlock, Signature};
use penstock_llm::provider::{self, Call, Provider, Quirks, Site};
use penstock_llm::{Event, FinishReason, Format, Ledger, Reply, Request, Upstream, collect, translate};
use serde_json::{Value, json};

/// Gemini behind OpenAI's format, as Google offers it.
#[derive(Debug)]
struct Google;

impl Provider for Google {
    fn name(&self) -> &'static str {
        "Google"
    }

    fn otel_name(&self) -> &'static str {
        "google"
    }

    fn docs(&self) -> &'static str {
        ""
    }

    fn formats(&self, _model: &str) -> &'static [Format] {
        &[Format::Chat]
    }

    fn url(&self, _site: &Site<'_>, _model: &str, _format: Format, _call: Call) -> Option<String> {
        None
    }

    fn quirks(&self, _model: &str) -> &'static Quirks {
        &Quirks::COMPATIBLE
    }

    fn issuer(&self, _model: &str) -> Option<Issuer> {
        Some(Issuer::Gemini)
    }
}

/// What a provider answers in one turn: how it thinks, how it signs, what it calls.
struct Turn {
    thinking: Vec<Event>,
    calls: Vec<(&'static str, Option<Signature>)>,
}

fn signed(issuer: Issuer, value: &str) -> Signature {
    Signature { issuer, value: value.to_owned() }
}

fn events(turn: &Turn) -> Vec<Event> {
    let mut out = vec![Event::Start { id: Some("a".into()), model: Some("m".into()), created: Some(1) }];
    out.extend(turn.thinking.iter().cloned());
    out.push(Event::Text("I look.".into()));
    for (index, (id, signature)) in turn.calls.iter().enumerate() {
        let (id, name) = ((*id).to_owned(), "look_up".to_owned());
        out.push(Event::ToolCallStart { index, id, name, signature: signature.clone() });
        out.push(Event::ToolCallArguments { index, fragment: "{\"city\":\"Oslo\"}".into() });
    }
    out.push(Event::Finish(FinishReason::ToolCalls));
    out
}

fn reply() -> Reply {
    Reply { request_id: "r".into(), model: "m".into(), created: 1, include_usage: false }
}

/// The message that a client puts together of a whole answer.
fn whole(turn: &Turn) -> Value {
    let response = collect(events(turn));
    let bytes = Format::Chat.dialect().encode_response(&response, &reply(), &mut Ledger::new(Format::Chat));
    let answer: Value = serde_json::from_slice(&bytes).unwrap();
    answer["choices"][0]["message"].clone()
}

/// The message that a client puts together of a stream.
fn streamed(turn: &Turn) -> Value {
    let mut encoder = Format::Chat.dialect().stream_encoder(reply());
    let mut bytes = Vec::new();
    for event in events(turn) {
        encoder.push(&event, &mut bytes);
    }
    encoder.finish(&mut bytes);
    let text = String::from_utf8(bytes).unwrap();
    let mut content = String::new();
    let mut calls: Vec<Value> = Vec::new();
    for data in text.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| *data != "[DONE]") {
        let chunk: Value = serde_json::from_str(data).unwrap();
        let delta = &chunk["choices"][0]["delta"];
        content.push_str(delta["content"].as_str().unwrap_or_default());
        for piece in delta["tool_calls"].as_array().into_iter().flatten() {
            let index = usize::try_from(piece["index"].as_u64().unwrap()).unwrap();
            if index == calls.len() {
                calls.push(piece.clone());
                continue;
            }
            let more = piece["function"]["arguments"].as_str().unwrap();
            let arguments = &mut calls[index]["function"]["arguments"];
            *arguments = format!("{}{more}", arguments.as_str().unwrap()).into();
        }
    }
    json!({"role": "assistant", "content": content, "tool_calls": calls})
}

/// What is left of it with a client that knows OpenAI's own members and no other.
fn forget(message: &Value) -> Value {
    let call = |call: &Value| {
        json!({
            "id": call["id"],
            "type": call["type"],
            "function": {"name": call["function"]["name"], "arguments": call["function"]["arguments"]},
        })
    };
    let calls: Vec<Value> = message["tool_calls"].as_array().unwrap().iter().map(call).collect();
    json!({"role": message["role"], "content": message["content"], "tool_calls": calls})
}

/// The request of the next turn, as the client sends it.
fn next_request(turns: &[Turn], message_of: fn(&Turn) -> Value) -> Request {
    let mut messages = vec![json!({"role": "user", "content": "The weather, please."})];
    for turn in turns {
        let message = forget(&message_of(turn));
        let ids: Vec<Value> =
            message["tool_calls"].as_array().unwrap().iter().map(|call| call["id"].clone()).collect();
        messages.push(message);
        for id in ids {
            messages.push(json!({"role": "tool", "tool_call_id": id, "content": "sun"}));
        }
    }
    let tool = json!({"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}});
    let body = json!({
        "model": "m",
        "messages": messages,
        "tools": [tool],
        "reasoning_effort": "medium",
        "max_tokens": 9000,
    });
    Format::Chat.dialect().decode_request(body.to_string().as_bytes()).unwrap()
}

fn send(request: &Request, upstream: &Upstream<'_>, format: Format) -> (Value, String) {
    let mut ledger = Ledger::new(Format::Chat);
    let body = translate::encode_request(request, format, upstream, &mut ledger).unwrap();
    (serde_json::from_slice(&body).unwrap(), ledger.to_string())
}

fn claude() -> Vec<Turn> {
    let sign = |value: &str| Event::ReasoningSignature(signed(Issuer::Anthropic, value));
    vec![
        Turn {
            thinking: vec![
                Event::Reasoning("I th".into()),
                Event::Reasoning("ink. é\n\"".into()),
                sign("c2ln+/=="),
            ],
            calls: vec![("toolu_1", None), ("toolu_2", None)],
        },
        Turn {
            // A block without text, and one that is encrypted as a whole.
            thinking: vec![sign("ZW1wdHk="), Event::ReasoningRedacted(signed(Issuer::Anthropic, "cmVk"))],
            calls: vec![("toolu_3", None)],
        },
        Turn {
            thinking: vec![Event::Reasoning("Last.".into()), sign("bGFzdA==")],
            calls: vec![("toolu_4", None)],
        },
    ]
}

#[test]
fn claudes_thinking_comes_back_in_three_turns() {
    let facts: Facts = serde_json::from_value(json!({
        "maxOutput": 64_000, "reasoning": {"style": "budget"}, "sampling": "oneOf",
    }))
    .unwrap();
    let anthropic = provider::by_name("Anthropic").unwrap();
    let upstream = Upstream { facts: &facts, ..Upstream::new("claude-sonnet-4-5", anthropic) };
    let turns = claude();
    let blocks = [
        json!([{"type": "thinking", "thinking": "I think. é\n\"", "signature": "c2ln+/=="}]),
        json!([
            {"type": "thinking", "thinking": "", "signature": "ZW1wdHk="},
            {"type": "redacted_thinking", "data": "cmVk"},
        ]),
        json!([{"type": "thinking", "thinking": "Last.", "signature": "bGFzdA=="}]),
    ];
    for message_of in [whole as fn(&Turn) -> Value, streamed] {
        for count in 1..=turns.len() {
            let request = next_request(&turns[..count], message_of);
            let (body, ledger) = send(&request, &upstream, Format::Messages);
            assert_eq!(ledger, "reasoning_effort=emulated");
            assert_eq!(body["thinking"]["type"], "enabled", "the loop is signed");
            let assistants: Vec<&Value> = body["messages"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|message| message["role"] == "assistant")
                .collect();
            assert_eq!(assistants.len(), count);
            for (turn, (message, want)) in turns.iter().zip(assistants.iter().zip(&blocks)) {
                let content = message["content"].as_array().unwrap();
                let thoughts = want.as_array().unwrap();
                assert_eq!(&content[..thoughts.len()], thoughts, "first, whole, in order");
                let ids: Vec<&str> = content.iter().filter_map(|block| block["id"].as_str()).collect();
                let bare: Vec<&str> = turn.calls.iter().map(|(id, _)| *id).collect();
                assert_eq!(ids, bare);
            }
            let text = body.to_string();
            assert!(!text.contains("__ps1_"), "results name the bare ids too: {text}");
        }
    }
}

#[test]
fn geminis_signed_calls_come_back_in_three_turns() {
    let gemini = |value: &str| Some(signed(Issuer::Gemini, value));
    let turns = vec![
        // Thoughts that it shows are signed by the call; of parallel calls the first one is.
        Turn {
            thinking: vec![Event::Reasoning("hm".into())],
            calls: vec![("c1", gemini("Zmlyc3Q=")), ("c2", None)],
        },
        Turn { thinking: vec![], calls: vec![("c3", gemini("c2Vjb25k"))] },
        Turn { thinking: vec![], calls: vec![("c4", gemini("dGhpcmQ=")), ("c5", gemini("Zm91cnRo"))] },
    ];
    for message_of in [whole as fn(&Turn) -> Value, streamed] {
        let request = next_request(&turns, message_of);
        let calls: Vec<(&str, Option<&Signature>)> = request
            .messages
            .iter()
            .flat_map(|message| &message.parts)
            .filter_map(|part| match &part.body {
                PartBody::ToolCall(call) => Some((call.id.as_str(), call.signature.as_ref())),
                _ => None,
            })
            .collect();
        let wanted: Vec<(&str, Option<&Signature>)> = turns
            .iter()
            .flat_map(|turn| turn.calls.iter().map(|(id, signature)| (*id, signature.as_ref())))
            .collect();
        assert_eq!(calls, wanted);

        let (body, ledger) = send(&request, &Upstream::new("gemini-3", &Google), Format::Chat);
        let sent: Vec<Value> = body["messages"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|message| message["tool_calls"].as_array().cloned().unwrap_or_default())
            .collect();
        for (call, (id, signature)) in sent.iter().zip(&wanted) {
            assert_eq!(call["id"], *id);
            let value = signature.map(|signature| Value::from(signature.value.as_str()));
            assert_eq!(call["extra_content"]["google"]["thought_signature"], value.unwrap_or_default());
            assert!(call["extra_content"].get("penstock").is_none(), "the issuer needs no name of its own");
        }
        assert!(!body.to_string().contains("__ps1_"));
        assert_eq!(ledger, "", "nothing is lost on the way to who signed it");

        let studio = provider::by_name("Gemini").unwrap();
        let (body, _) = send(&request, &Upstream::new("gemini-3-pro-preview", studio), Format::Gemini);
        let parts =
            body["contents"].as_array().unwrap().iter().flat_map(|it| it["parts"].as_array().unwrap());
        let native: Vec<&Value> = parts.filter(|part| part["functionCall"].is_object()).collect();
        for (part, (_, signature)) in native.iter().zip(&wanted) {
            if let Some(signature) = signature {
                assert_eq!(part["thoughtSignature"], signature.value.as_str());
            }
        }
        assert_eq!(native.len(), wanted.len());
    }
}

#[test]
fn signatures_go_to_nobody_else() {
    let openai = provider::by_name("OpenAI").unwrap();
    let anthropic = provider::by_name("Anthropic").unwrap();
    let vertex = signed(Issuer::Vertex, "dmVydGV4");
    let of_google = vec![Turn { thinking: vec![], calls: vec![("c1", Some(vertex))] }];
    for (turns, upstream, format) in [
        (claude(), Upstream::new("gpt-4o", openai), Format::Chat),
        (claude(), Upstream::new("gemini-3", &Google), Format::Chat),
        (of_google, Upstream::new("gemini-3", &Google), Format::Chat),
        (vec![], Upstream::new("claude-next", anthropic), Format::Messages),
    ] {
        for message_of in [whole as fn(&Turn) -> Value, streamed] {
            let turns: &[Turn] = if turns.is_empty() {
                &[Turn { thinking: vec![], calls: vec![("c1", Some(signed(Issuer::Gemini, "Zw==")))] }]
            } else {
                &turns
            };
            let (body, ledger) = send(&next_request(turns, message_of), &upstream, format);
            let text = body.to_string();
            for secret in
                ["c2ln+/==", "ZW1wdHk=", "cmVk", "bGFzdA==", "dmVydGV4", "Zw==", "__ps1_", "penstock"]
            {
                assert!(!text.contains(secret), "{secret} in {text}");
            }
            assert!(ledger.contains("messages[].reasoning_details=dropped"), "{ledger}");
        }
    }
}

/// A client that keeps whole messages needs no rider, and one that keeps both is not confused.
#[test]
fn whole_messages_come_back_the_same() {
    for message_of in [whole as fn(&Turn) -> Value, streamed] {
        for turn in claude() {
            let message = message_of(&turn);
            let body = json!({"model": "m", "messages": [message]});
            let request = Format::Chat.dialect().decode_request(body.to_string().as_bytes()).unwrap();
            let blocks: Vec<&ReasoningBlock> = request.messages[0]
                .parts
                .iter()
                .filter_map(|part| match &part.body {
                    PartBody::Reasoning(block) => Some(block),
                    _ => None,
                })
                .collect();
            let response = collect(events(&turn));
            let wanted: Vec<&ReasoningBlock> = response
                .parts
                .iter()
                .filter_map(|part| match &part.body {
                    PartBody::Reasoning(block) => Some(block),
                    _ => None,
                })
                .collect();
            assert_eq!(blocks, wanted);
        }
    }
}

/// Messages clients keep whole blocks, ids among them.
#[test]
fn a_messages_client_brings_geminis_signature_back() {
    let signature = signed(Issuer::Gemini, "Zw==");
    let turn = Turn { thinking: vec![], calls: vec![("c1", Some(signature.clone()))] };
    let mut ledger = Ledger::new(Format::Messages);
    let messages = Format::Messages.dialect();
    let bytes = messages.encode_response(&collect(events(&turn)), &reply(), &mut ledger);
    let answer: Value = serde_json::from_slice(&bytes).unwrap();
    let id = &answer["content"][1]["id"];
    let body = json!({"model": "m", "max_tokens": 9, "messages": [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": answer["content"]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": id, "content": "sun"}]},
    ]});
    let request = messages.decode_request(body.to_string().as_bytes()).unwrap();
    let PartBody::ToolCall(call) = &request.messages[1].parts[1].body else { panic!("{request:?}") };
    assert_eq!((call.id.as_str(), call.signature.as_ref()), ("c1", Some(&signature)));
    let PartBody::ToolResult { id, .. } = &request.messages[2].parts[0].body else { panic!("{request:?}") };
    assert_eq!(id, "c1");

    let mut encoder = messages.stream_encoder(reply());
    let mut bytes = Vec::new();
    events(&turn).iter().for_each(|event| encoder.push(event, &mut bytes));
    encoder.finish(&mut bytes);
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.contains(answer["content"][1]["id"].as_str().unwrap()), "{text}");
}

#[test]
fn what_google_signs_is_stamped() {
    let upstream = Upstream::new("gemini-3", &Google);
    let chat = Format::Chat.dialect();
    let call = json!({
        "id": "", "type": "function", "function": {"name": "look_up", "arguments": "{}"},
        "extra_content": {"google": {"thought_signature": "Zw=="}},
    });
    let message = json!({
        "role": "assistant", "content": "I look.", "tool_calls": [call],
        "extra_content": {"google": {"thought": true, "thought_signature": "bQ=="}}, "thought_signature": "bQ==",
    });
    let body = json!({
        "id": "a", "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}],
        "usage": {"prompt_tokens": 35, "completion_tokens": 12, "total_tokens": 109},
    });
    let answer = chat.decode_response(body.to_string().as_bytes(), &upstream).unwrap().unwrap();
    let wanted_block =
        ReasoningBlock::Thinking { text: String::new(), signature: Some(signed(Issuer::Gemini, "bQ==")) };
    assert_eq!(answer.parts[0].body, PartBody::Reasoning(wanted_block));
    let PartBody::ToolCall(read) = &answer.parts[2].body else { panic!("{answer:?}") };
    assert_eq!(read.signature, Some(signed(Issuer::Gemini, "Zw==")));
    assert_eq!((answer.usage.output, answer.usage.reasoning), (Some(74), Some(62)));

    let mut decoder = chat.stream_decoder(&upstream);
    let mut events = Vec::new();
    for (delta, finish) in [
        (json!({"role": "assistant", "tool_calls": [call]}), Value::Null),
        (json!({"content": "", "extra_content": {"google": {"thought_signature": "bQ=="}}}), json!("stop")),
    ] {
        let chunk = json!({"id": "a", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]});
        let frame = penstock_llm::Frame { event: None, data: chunk.to_string(), raw: Default::default() };
        decoder.push(&frame, &mut events).unwrap();
    }
    decoder.finish(&mut events).unwrap();
    assert!(events.contains(&Event::ReasoningSignature(signed(Issuer::Gemini, "bQ=="))));
    let is_signed = |event: &Event| matches!(event, Event::ToolCallStart { signature: Some(it), .. } if *it == signed(Issuer::Gemini, "Zw=="));
    assert!(events.iter().any(is_signed), "{events:?}");

    // Of a server that has no signatures such members are nobody's.
    let other = Upstream::new("x", provider::by_name("OpenAICompatible").unwrap());
    let answer = chat.decode_response(body.to_string().as_bytes(), &other).unwrap().unwrap();
    assert!(!format!("{answer:?}").contains("Signature"), "{answer:?}");
}
