use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::catalogue::Facts;
use crate::collect;
use crate::message::{
    Event, Issuer, Media, Message, Part, PartBody, Reasoning, ReasoningBlock, ResponseFormat, Role,
    Signature, Tool, ToolCall, ToolChoice, Usage,
};
use crate::provider;
use crate::{Fate, Field, Format};

fn upstream(facts: &Facts) -> Upstream<'_> {
    Upstream { facts, ..Upstream::new("llama", provider::by_name("Ollama").unwrap()) }
}

/// What is sent for a request of a chat client, and the ledger.
fn sent(request: &Request) -> (Value, String) {
    let mut ledger = Ledger::new(Format::Chat);
    let body = Ollama.encode_request(request, &upstream(&Facts::UNKNOWN), &mut ledger).unwrap();
    (serde_json::from_slice(&body).unwrap(), ledger.to_string())
}

fn hello() -> Request {
    let messages = vec![Message::new(Role::User, vec![Part::text("Hi")])];
    Request { messages, origin: Some(Format::Chat), ..Request::default() }
}

fn reply() -> Reply {
    Reply { request_id: "r1".into(), model: "asked".into(), created: 5, include_usage: true }
}

#[test]
fn every_setting_has_a_fate() {
    for (change, place, value, ledger) in [
        ((|it| it.max_tokens = Some(9)) as fn(&mut Request), "/options/num_predict", json!(9), ""),
        (|it| it.temperature = Some(2.0), "/options/temperature", json!(2.0), ""),
        (|it| it.top_p = Some(1.0), "/options/top_p", json!(1.0), ""),
        (|it| it.top_k = Some(40), "/options/top_k", json!(40), ""),
        (|it| it.seed = Some(-7), "/options/seed", json!(-7), ""),
        (|it| it.stop = vec!["a".into()], "/options/stop", json!(["a"]), ""),
        (|it| it.frequency_penalty = Some(-2.0), "/options/frequency_penalty", json!(-2.0), ""),
        (|it| it.presence_penalty = Some(0.5), "/options/presence_penalty", json!(0.5), ""),
        (|it| it.logprobs = Some(true), "/logprobs", json!(true), ""),
        (|it| it.top_logprobs = Some(21), "/top_logprobs", json!(20), "top_logprobs=clamped"),
        (|it| it.n = Some(2), "/n", Value::Null, "n=dropped"),
        (|it| it.n = Some(1), "/n", Value::Null, ""),
        (|it| it.user = Some("u".into()), "/user", Value::Null, "user=dropped"),
        (|it| it.logit_bias = Some(json!({"1": 2})), "/logit_bias", Value::Null, "logit_bias=dropped"),
        (|it| it.service_tier = Some("flex".into()), "/service_tier", Value::Null, "service_tier=dropped"),
        (|it| it.verbosity = Some("low".into()), "/verbosity", Value::Null, "verbosity=dropped"),
        (
            |it| it.metadata = json!({"a": "b"}).as_object().cloned(),
            "/metadata",
            Value::Null,
            "metadata=dropped",
        ),
        (|it| it.parallel_tool_calls = Some(false), "/x", Value::Null, "parallel_tool_calls=dropped"),
        (|it| it.reasoning = Some(Reasoning::Off), "/think", json!(false), ""),
        (|it| it.reasoning = Some(Reasoning::On), "/think", json!(true), ""),
        (|it| it.reasoning = Some(Reasoning::Budget(9)), "/think", json!(true), "reasoning_effort=dropped"),
        (
            |it| it.reasoning = Some(Reasoning::Effort("low".into())),
            "/think",
            json!(true),
            "reasoning_effort=clamped",
        ),
        (|it| it.response_format = Some(ResponseFormat::JsonObject), "/format", json!("json"), ""),
        (|it| it.tool_choice = Some(ToolChoice::None), "/tools", Value::Null, ""),
        (|it| it.tool_choice = Some(ToolChoice::Required), "/tools", Value::Null, "tool_choice=dropped"),
        (|it| it.stream = true, "/stream", json!(true), ""),
        (|it| it.stream = false, "/stream", json!(false), ""),
        (|_| {}, "/truncate", json!(false), ""),
        (|it| it.max_tokens = Some(5000), "/options/num_ctx", json!(8192), "num_ctx=clamped"),
    ] {
        let mut request = hello();
        change(&mut request);
        let (body, disclosed) = sent(&request);
        let found = body.pointer(place).cloned().unwrap_or_default();
        assert_eq!((&found, disclosed.as_str()), (&value, ledger), "{place} {body}");
    }
}

#[test]
fn without_tools_none_is_called() {
    let tools = vec![Tool { name: "f".into(), ..Tool::default() }];
    let (body, ledger) = sent(&Request { tools, tool_choice: Some(ToolChoice::None), ..hello() });
    assert_eq!((body.get("tools"), ledger.as_str()), (None, "tool_choice=emulated"));
}

#[test]
fn signatures_of_others_stay_here() {
    let signature = Some(Signature { issuer: Issuer::Vertex, value: "c2VjcmV0".into() });
    let call =
        ToolCall { id: "a".into(), name: "f".into(), arguments: "{}".into(), signature: signature.clone() };
    let thinking = ReasoningBlock::Thinking { text: "I look.".into(), signature };
    let parts = vec![PartBody::Reasoning(thinking).into(), PartBody::ToolCall(call).into()];
    let mut request = hello();
    request.messages.push(Message::new(Role::Assistant, parts));
    let (body, ledger) = sent(&request);
    assert_eq!(body["messages"][1]["thinking"], "I look.");
    assert!(!body.to_string().contains("c2VjcmV0"));
    assert_eq!(ledger, "messages[].reasoning_details=dropped");
}

/// Ids of the calls and of their results, as they were read.
fn ids(messages: Value) -> (Vec<String>, Vec<String>) {
    let body = json!({"model": "m", "messages": messages}).to_string();
    let request = Ollama.decode_request(body.as_bytes()).unwrap();
    let (mut calls, mut results) = (Vec::new(), Vec::new());
    for part in request.messages.into_iter().flat_map(|message| message.parts) {
        match part.body {
            PartBody::ToolCall(call) => calls.push(call.id),
            PartBody::ToolResult { id, .. } => results.push(id),
            _ => {}
        }
    }
    (calls, results)
}

#[test]
fn results_find_their_calls() {
    let call = |name: &str| json!({"function": {"name": name, "arguments": {}}});
    let calls = |names: &[&str]| json!({"role": "assistant", "tool_calls": names.iter().map(|it| call(it)).collect::<Vec<_>>()});
    let result = |name: &str| json!({"role": "tool", "tool_name": name, "content": "x"});
    let bare = json!({"role": "tool", "content": "x"});
    // By name, whatever the order; equal names in order.
    let (made, found) = ids(json!([calls(&["a", "b", "a"]), result("b"), result("a"), result("a")]));
    assert_eq!(found, [&made[1], &made[0], &made[2]].map(String::as_str));
    // Without names, in order.
    let (made, found) = ids(json!([calls(&["a", "b"]), bare, bare]));
    assert_eq!(made, found);
    let (made, found) = ids(json!([calls(&["a", "b"]), result("a"), bare]));
    assert_eq!(made, found);
    // Calls of another turn have other ids.
    let (made, found) = ids(json!([calls(&["a"]), bare, calls(&["a"]), result("a")]));
    assert_eq!(made, found);
    assert_ne!(made[0], made[1]);
    // Results of nothing.
    assert_eq!(ids(json!([bare, result("a")])).1, ["", "a"]);
    let own = json!({"role": "assistant", "tool_calls": [{"id": "own", "function": {"name": "a"}}]});
    assert_eq!(
        ids(json!([own, {"role": "tool", "tool_call_id": "own", "content": "x"}, bare])).1,
        ["own", ""]
    );
}

fn decode_stream(bytes: &[u8], cut: usize) -> Result<Vec<Event>, Broken> {
    let mut parser = Ollama.framing().frames(1 << 20);
    let mut decoder = Ollama.stream_decoder(&upstream(&Facts::UNKNOWN));
    let mut events = Vec::new();
    for piece in bytes.chunks(cut) {
        parser.push(piece);
        while let Some(frame) = parser.next()? {
            decoder.push(&frame, &mut events)?;
        }
    }
    if let Some(frame) = parser.finish() {
        decoder.push(&frame, &mut events)?;
    }
    decoder.finish(&mut events)?;
    Ok(events)
}

fn encode_stream(events: &[Event]) -> (Vec<u8>, Ledger) {
    let mut encoder = Ollama.stream_encoder(reply());
    let mut out = Vec::new();
    for event in events {
        encoder.push(event, &mut out);
    }
    encoder.finish(&mut out);
    (out, encoder.ledger().clone())
}

fn call_start(index: usize, id: &str) -> Event {
    Event::ToolCallStart { index, id: id.into(), name: "f".into(), signature: None }
}

fn call_piece(index: usize, fragment: &str) -> Event {
    Event::ToolCallArguments { index, fragment: fragment.into() }
}

#[test]
fn calls_are_whole_in_a_line() {
    let events = [
        call_start(0, "a"),
        call_piece(0, "{\"x\""),
        call_start(1, "b"),
        call_piece(0, ":1}"),
        call_piece(1, "{\"y\":"),
        Event::Finish(FinishReason::Length),
    ];
    let (bytes, ledger) = encode_stream(&events);
    let lines: Vec<Value> =
        String::from_utf8(bytes).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    let calls = &lines[0]["message"]["tool_calls"];
    assert_eq!(calls[0], json!({"id": "a", "function": {"index": 0, "name": "f", "arguments": {"x": 1}}}));
    // Half a call, because the answer was cut.
    assert_eq!(calls[1]["function"]["arguments"], json!({"arguments": "{\"y\":"}));
    assert_eq!(ledger.to_string(), "choices[].message.tool_calls[].function.arguments=emulated");
    assert_eq!((&lines[1]["done"], &lines[1]["done_reason"]), (&json!(true), &json!("length")));
}

#[test]
fn what_has_no_place_in_a_stream_is_disclosed() {
    let sound = Media::Base64 { media_type: "audio/wav".into(), data: "AAAA".into(), detail: None };
    for (event, field) in [
        (Event::Audio(sound), Field::AnswerPart),
        (Event::Opaque { format: Format::Chat, value: json!({"audio": {}}) }, Field::AnswerPart),
        (Event::Citation(Default::default()), Field::AnswerCitations),
        (
            Event::ReasoningRedacted(Signature { issuer: Issuer::Xai, value: "x".into() }),
            Field::ReasoningSignature,
        ),
        (Event::Choice(1), Field::AnswerChoices),
    ] {
        let (_, ledger) = encode_stream(std::slice::from_ref(&event));
        assert!(ledger.has(field, Fate::Dropped), "{event:?} {ledger}");
    }
}

#[test]
fn an_error_ends_a_stream_as_one() {
    let mut encoder = Ollama.stream_encoder(reply());
    let mut out = Vec::new();
    encoder.push(&Event::Text("Hel".into()), &mut out);
    encoder.error(&ClientError::new(502, "upstream_error", "it broke off"), &mut out);
    let events = decode_stream(&out, 5).unwrap();
    let Some(Event::Error(error)) = events.last() else { panic!("{events:?}") };
    assert_eq!(error.message, "it broke off");
    assert!(!events.iter().any(|event| matches!(event, Event::Finish(_))));
}

#[test]
fn a_line_that_is_no_json_is_broken() {
    assert!(matches!(decode_stream(b"<html>\n", 3), Err(Broken::Malformed(_))));
    assert_eq!(decode_stream(b"", 3), Err(Broken::Cut));
}

#[test]
fn bodies_beside_answers() {
    let error = ClientError { param: Some("p".into()), ..ClientError::new(400, "x", "too high") };
    let body: Value = serde_json::from_slice(&Ollama.encode_error(&error, "r1")).unwrap();
    assert_eq!(body, json!({"error": "p: too high"}));
    let models: Value = serde_json::from_slice(&Ollama.encode_models(&["a", "b"], 1)).unwrap();
    assert_eq!(models["models"][1]["name"], "b");
    assert_eq!(models["models"][1]["modified_at"], "1970-01-01T00:00:01Z");
}

fn name() -> impl Strategy<Value = String> {
    "[a-z]{1,3}"
}

fn said() -> impl Strategy<Value = Vec<Part>> {
    let image = |data: &str| PartBody::Image(image::read(data)).into();
    let images = prop::collection::vec(prop::sample::select(vec!["/9j/AAAA", "iVBORw0KGgoA"]), 0..2);
    ("\\PC{1,20}", images).prop_map(move |(text, images)| {
        let mut parts = vec![Part::text(text)];
        parts.extend(images.into_iter().map(image));
        parts
    })
}

/// What a model says in a turn: thoughts, text, and the names and arguments of calls.
fn turn() -> impl Strategy<Value = (Vec<Part>, Vec<(String, u8)>)> {
    let calls = prop::collection::vec((name(), any::<u8>()), 0..4);
    (prop::option::of("\\PC{1,20}"), prop::option::of("\\PC{1,20}"), calls).prop_map(
        |(thinking, text, calls)| {
            let mut parts: Vec<Part> = Vec::new();
            parts.extend(
                thinking.map(|text| {
                    PartBody::Reasoning(ReasoningBlock::Thinking { text, signature: None }).into()
                }),
            );
            let text = text.or_else(|| (calls.is_empty() && parts.is_empty()).then(|| "x".to_owned()));
            parts.extend(text.map(Part::text));
            (parts, calls)
        },
    )
}

fn call_part(id: &str, name: &str, argument: u8) -> Part {
    let arguments = format!("{{\"a\":{argument}}}");
    PartBody::ToolCall(ToolCall { id: id.into(), name: name.into(), arguments, signature: None }).into()
}

fn settings() -> impl Strategy<Value = Request> {
    let reasoning = prop_oneof![
        Just(None),
        Just(Some(Reasoning::On)),
        Just(Some(Reasoning::Off)),
        name().prop_map(|level| Some(Reasoning::Effort(level))),
    ];
    let format = prop_oneof![
        Just(None),
        Just(Some(ResponseFormat::JsonObject)),
        Just(Some(ResponseFormat::JsonSchema {
            name: "answer".into(),
            schema: json!({"type": "object", "minProperties": 1}),
            strict: None,
            description: None,
        })),
    ];
    let number = || prop::option::of(0u64..1000);
    let float = || prop::option::of((0u32..12).prop_map(|quarters| f64::from(quarters) / 4.0));
    (
        (number(), float(), float(), number(), prop::collection::vec("[a-z]{0,3}", 0..7)),
        (prop::option::of(-9i64..9), float(), float(), any::<Option<bool>>(), number()),
        (reasoning, format, any::<bool>()),
    )
        .prop_map(|(a, b, (reasoning, response_format, stream))| {
            let (max_tokens, temperature, top_p, top_k, stop) = a;
            let (seed, frequency_penalty, presence_penalty, logprobs, top_logprobs) = b;
            let parameters = Some(json!({"type": "object", "properties": {"a": {"type": "string"}}}));
            let tools = vec![Tool { name: "f".into(), parameters, ..Tool::default() }];
            let extra: Map<String, Value> =
                json!({"keep_alive": "5m", "options": {"num_ctx": 9}}).as_object().cloned().unwrap();
            Request {
                max_tokens,
                temperature,
                top_p,
                top_k,
                stop,
                seed,
                frequency_penalty,
                presence_penalty,
                logprobs,
                top_logprobs,
                stream,
                reasoning,
                response_format,
                tools,
                extra,
                ..Request::default()
            }
        })
}

proptest! {
    #[test]
    fn a_request_comes_back(
        settings in settings(),
        system in prop::collection::vec("\\PC{1,20}".prop_map(Part::text), 0..3),
        turns in prop::collection::vec((said(), turn()), 0..4),
    ) {
        let mut messages = Vec::new();
        let mut count = 0;
        for (said, (mut parts, calls)) in turns {
            messages.push(Message::new(Role::User, said));
            let first = count;
            for (name, argument) in &calls {
                parts.push(call_part(&format!("id{count}"), name, *argument));
                count += 1;
            }
            messages.push(Message::new(Role::Assistant, parts));
            for id in (first..count).rev() {
                let result = PartBody::ToolResult { id: format!("id{id}"), parts: vec![Part::text("r")], is_error: false };
                messages.push(Message::new(Role::User, vec![result.into()]));
            }
        }
        let origin = Some(Format::Ollama);
        let request = Request { model: "llama".into(), include_usage: true, system, messages, origin, ..settings };
        let mut ledger = Ledger::new(Format::Ollama);
        let body = Ollama.encode_request(&request, &upstream(&Facts::UNKNOWN), &mut ledger).unwrap();
        prop_assert!(ledger.is_empty(), "{}", ledger);
        // Members of `options` come back in another order.
        let mut again = Ollama.decode_request(&body).unwrap();
        again.extra.sort_keys();
        let mut request = request;
        request.extra.sort_keys();
        prop_assert_eq!(again, request);
    }

    #[test]
    fn an_answer_comes_back((mut parts, calls) in turn(), finish in prop::sample::select(vec![
        FinishReason::Stop, FinishReason::Length, FinishReason::ContentFilter, FinishReason::Other("load".into()),
    ]), usage in (0u64..9, 0u64..9)) {
        let calls: Vec<Part> =
            calls.iter().enumerate().map(|(i, (name, it))| call_part(&format!("id{i}"), name, *it)).collect();
        let finish = Some(if calls.is_empty() { finish } else { FinishReason::ToolCalls });
        parts.extend(calls);
        let usage = Usage { input: Some(usage.0), output: Some(usage.1), ..Usage::default() };
        let response = Response { model: Some("m".into()), created: Some(7), parts, finish, usage, ..Response::default() };
        let mut ledger = Ledger::new(Format::Ollama);
        let body = Ollama.encode_response(&response, &reply(), &mut ledger);
        prop_assert!(ledger.is_empty(), "{}", ledger);
        let again = Ollama.decode_response(&body, &upstream(&Facts::UNKNOWN)).unwrap().unwrap();
        prop_assert_eq!(again, response);
    }

    #[test]
    fn a_stream_comes_back_however_it_is_cut((parts, calls) in turn(), cut in 1usize..40) {
        let mut events = vec![Event::Start { id: None, model: Some("m".into()), created: Some(7) }];
        for part in parts {
            events.push(match part.body {
                PartBody::Text(text) => Event::Text(text),
                PartBody::Reasoning(ReasoningBlock::Thinking { text, .. }) => Event::Reasoning(text),
                other => panic!("{other:?}"),
            });
        }
        for (index, (name, argument)) in calls.iter().enumerate() {
            let (id, name) = (format!("id{index}"), name.clone());
            events.push(Event::ToolCallStart { index, id, name, signature: None });
            events.push(call_piece(index, "{\"a\":"));
            events.push(call_piece(index, &format!("{argument}}}")));
        }
        events.push(Event::Usage(Usage { input: Some(3), output: Some(4), ..Usage::default() }));
        events.push(Event::Finish(if calls.is_empty() { FinishReason::Stop } else { FinishReason::ToolCalls }));
        let (bytes, ledger) = encode_stream(&events);
        prop_assert!(ledger.is_empty(), "{}", ledger);
        let again = decode_stream(&bytes, cut).unwrap();
        prop_assert_eq!(&again, &decode_stream(&bytes, usize::MAX).unwrap());
        prop_assert_eq!(collect(again), collect(events));
    }
}
