use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::catalogue::Facts;
use crate::collect;
use crate::framing::Frame;
use crate::message::{
    Citation, Event, Issuer, Media, Message, Part, PartBody, Reasoning, ReasoningBlock, ResponseFormat, Role,
    Signature, Tool, ToolCall, ToolChoice, Usage,
};
use crate::provider;
use crate::{Fate, Field, Format};

fn upstream(facts: &Facts) -> Upstream<'_> {
    Upstream { facts, ..Upstream::new("command-a", provider::by_name("Cohere").unwrap()) }
}

/// What is sent for a request of a chat client, and the ledger.
fn sent(request: &Request) -> (Value, String) {
    let mut ledger = Ledger::new(Format::Chat);
    let body = Cohere.encode_request(request, &upstream(&Facts::UNKNOWN), &mut ledger).unwrap();
    (serde_json::from_slice(&body).unwrap(), ledger.to_string())
}

fn hello() -> Request {
    let messages = vec![Message::new(Role::User, vec![Part::text("Hi")])];
    Request { messages, origin: Some(Format::Chat), ..Request::default() }
}

fn reply() -> Reply {
    Reply { request_id: "r1".into(), model: "asked".into(), created: 5, include_usage: true }
}

fn tool(name: &str) -> Tool {
    Tool { name: name.into(), ..Tool::default() }
}

#[test]
fn every_setting_has_a_fate() {
    let with = |change: fn(&mut Request)| {
        let mut request = hello();
        change(&mut request);
        sent(&request)
    };
    for (change, name, value, ledger) in [
        ((|it| it.max_tokens = Some(9)) as fn(&mut Request), "max_tokens", json!(9), ""),
        (|it| it.temperature = Some(0.2), "temperature", json!(0.2), ""),
        (|it| it.temperature = Some(1.0), "temperature", json!(1.0), ""),
        (|it| it.temperature = Some(2.0), "temperature", json!(1.0), "temperature=clamped"),
        (|it| it.top_p = Some(0.5), "p", json!(0.5), ""),
        (|it| it.top_p = Some(1.0), "p", json!(0.99), "top_p=clamped"),
        (|it| it.top_p = Some(0.0), "p", json!(0.01), "top_p=clamped"),
        (|it| it.top_k = Some(40), "k", json!(40), ""),
        (|it| it.top_k = Some(501), "k", json!(500), "top_k=clamped"),
        (|it| it.seed = Some(7), "seed", json!(7), ""),
        (|it| it.seed = Some(i64::MIN), "seed", json!(1_u64 << 63), "seed=clamped"),
        (|it| it.stop = vec!["a".into()], "stop_sequences", json!(["a"]), ""),
        (|it| it.stop = vec![String::new()], "stop_sequences", Value::Null, "stop=clamped"),
        (|it| it.frequency_penalty = Some(0.5), "frequency_penalty", json!(0.5), ""),
        (|it| it.frequency_penalty = Some(2.0), "frequency_penalty", json!(1.0), "frequency_penalty=clamped"),
        (|it| it.presence_penalty = Some(-1.0), "presence_penalty", Value::Null, "presence_penalty=clamped"),
        (|it| it.presence_penalty = Some(0.0), "presence_penalty", Value::Null, ""),
        (|it| it.logprobs = Some(true), "logprobs", json!(true), ""),
        (|it| it.top_logprobs = Some(2), "top_logprobs", Value::Null, "top_logprobs=dropped"),
        (|it| it.n = Some(2), "n", Value::Null, "n=dropped"),
        (|it| it.n = Some(1), "n", Value::Null, ""),
        (|it| it.user = Some("u".into()), "user", Value::Null, "user=dropped"),
        (|it| it.logit_bias = Some(json!({"1": 2})), "logit_bias", Value::Null, "logit_bias=dropped"),
        (|it| it.service_tier = Some("flex".into()), "service_tier", Value::Null, "service_tier=dropped"),
        (|it| it.service_tier = Some("auto".into()), "service_tier", Value::Null, ""),
        (|it| it.verbosity = Some("low".into()), "verbosity", Value::Null, "verbosity=dropped"),
        (
            |it| it.metadata = json!({"a": "b"}).as_object().cloned(),
            "metadata",
            Value::Null,
            "metadata=dropped",
        ),
        (|it| it.parallel_tool_calls = Some(false), "x", Value::Null, "parallel_tool_calls=dropped"),
        (|it| it.parallel_tool_calls = Some(true), "x", Value::Null, ""),
        (|it| it.reasoning = Some(Reasoning::Off), "thinking", json!({"type": "disabled"}), ""),
        (|it| it.reasoning = Some(Reasoning::On), "thinking", json!({"type": "enabled"}), ""),
        (
            |it| it.reasoning = Some(Reasoning::Budget(9)),
            "thinking",
            json!({"type": "enabled", "token_budget": 9}),
            "",
        ),
        (
            |it| it.reasoning = Some(Reasoning::Effort("low".into())),
            "thinking",
            json!({"type": "enabled", "token_budget": 1024}),
            "reasoning_effort=emulated",
        ),
        (|it| it.tool_choice = Some(ToolChoice::None), "tool_choice", Value::Null, ""),
        (|it| it.tool_choice = Some(ToolChoice::Required), "tool_choice", Value::Null, "tool_choice=dropped"),
        (|it| it.stream = true, "stream", json!(true), ""),
    ] {
        let (body, disclosed) = with(change);
        assert_eq!((&body[name], disclosed.as_str()), (&value, ledger), "{name} {body}");
    }
}

#[test]
fn of_two_penalties_one_is_taken() {
    let request = Request { frequency_penalty: Some(0.5), presence_penalty: Some(0.25), ..hello() };
    let (body, ledger) = sent(&request);
    assert_eq!((&body["frequency_penalty"], &body["presence_penalty"]), (&json!(0.5), &Value::Null));
    assert_eq!(ledger, "presence_penalty=dropped");
}

#[test]
fn a_named_tool_is_the_only_one() {
    let request = Request {
        tools: vec![tool("a"), tool("b")],
        tool_choice: Some(ToolChoice::Named("b".into())),
        ..hello()
    };
    let (body, ledger) = sent(&request);
    assert_eq!(body["tools"].as_array().unwrap().len(), 1);
    assert_eq!(body["tools"][0]["function"]["name"], "b");
    assert_eq!((body["tool_choice"].as_str(), ledger.as_str()), (Some("REQUIRED"), "tool_choice=emulated"));
}

#[test]
fn signatures_of_others_stay_here() {
    let signature = Some(Signature { issuer: Issuer::Anthropic, value: "c2VjcmV0".into() });
    let call = |signature| ToolCall { id: "a".into(), name: "f".into(), arguments: "{}".into(), signature };
    let parts = vec![
        PartBody::Reasoning(ReasoningBlock::Thinking {
            text: "I look.".into(),
            signature: signature.clone(),
        })
        .into(),
        PartBody::ToolCall(call(signature)).into(),
    ];
    let mut request = hello();
    request.messages.push(Message::new(Role::Assistant, parts));
    let (body, ledger) = sent(&request);
    assert_eq!(body["messages"][1]["tool_plan"], "I look.");
    assert!(!body.to_string().contains("c2VjcmV0"));
    assert_eq!(ledger, "messages[].reasoning_details=dropped");
}

fn frames(bytes: &[u8], cut: usize) -> Vec<Frame> {
    let mut parser = Cohere.framing().frames(1 << 20);
    let mut out = Vec::new();
    for piece in bytes.chunks(cut) {
        parser.push(piece);
        while let Some(frame) = parser.next().unwrap() {
            out.push(frame);
        }
    }
    out.extend(parser.finish());
    out
}

fn decode_stream(bytes: &[u8], cut: usize) -> Result<Vec<Event>, Broken> {
    let mut decoder = Cohere.stream_decoder(&upstream(&Facts::UNKNOWN));
    let mut events = Vec::new();
    for frame in frames(bytes, cut) {
        decoder.push(&frame, &mut events)?;
    }
    decoder.finish(&mut events)?;
    Ok(events)
}

fn encode_stream(events: &[Event]) -> (Vec<u8>, Ledger) {
    let mut encoder = Cohere.stream_encoder(reply());
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
fn calls_whose_pieces_are_mixed_come_one_after_the_other() {
    let events = [
        Event::Text("Both.".into()),
        call_start(0, "a"),
        call_piece(0, "{\"x\""),
        call_start(1, "b"),
        call_piece(1, "{\"y\""),
        call_piece(0, ":1}"),
        call_piece(1, ":2}"),
        Event::Finish(FinishReason::ToolCalls),
    ];
    let (bytes, ledger) = encode_stream(&events);
    let text = String::from_utf8(bytes.clone()).unwrap();
    let kinds: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("event: ")).collect();
    assert_eq!(
        kinds,
        [
            "message-start",
            "content-start",
            "content-delta",
            "content-end",
            "tool-call-start",
            "tool-call-delta",
            "tool-call-delta",
            "tool-call-end",
            "tool-call-start",
            "tool-call-delta",
            "tool-call-end",
            "message-end"
        ]
    );
    assert!(ledger.is_empty());
    let again = collect(decode_stream(&bytes, 7).unwrap());
    let calls: Vec<&str> = again
        .parts
        .iter()
        .filter_map(|part| match &part.body {
            PartBody::ToolCall(call) => Some(call.arguments.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(calls, ["{\"x\":1}", "{\"y\":2}"]);
}

#[test]
fn what_has_no_place_in_a_stream_is_disclosed() {
    for (event, field) in [
        (
            Event::Image(Media::Base64 { media_type: "image/png".into(), data: "AAAA".into(), detail: None }),
            Field::AnswerPart,
        ),
        (
            Event::Opaque { format: Format::Messages, value: json!({"type": "server_tool_use"}) },
            Field::AnswerPart,
        ),
        (
            Event::Opaque { format: Format::Messages, value: json!({"type": "citations_delta"}) },
            Field::AnswerCitations,
        ),
        (
            Event::ReasoningSignature(Signature { issuer: Issuer::Gemini, value: "x".into() }),
            Field::ReasoningSignature,
        ),
        (Event::Choice(1), Field::AnswerChoices),
        (call_piece(3, "lost"), Field::AnswerArguments),
    ] {
        let (_, ledger) = encode_stream(&[event.clone(), Event::Text("other".into())]);
        assert!(ledger.has(field, Fate::Dropped), "{event:?} {ledger}");
    }
}

#[test]
fn other_answers_are_not_mixed_into_the_first() {
    let events = [
        Event::Text("one".into()),
        Event::Choice(1),
        Event::Text("two".into()),
        Event::Choice(0),
        Event::Finish(FinishReason::Stop),
        Event::Choice(1),
        Event::Finish(FinishReason::Length),
        Event::Usage(Usage { input: Some(1), output: Some(2), ..Usage::default() }),
    ];
    let again = collect(decode_stream(&encode_stream(&events).0, 9).unwrap());
    assert_eq!(again.parts, [Part::text("one")]);
    assert_eq!((again.finish, again.usage.output), (Some(FinishReason::Stop), Some(2)));
}

#[test]
fn an_error_ends_a_stream_as_one() {
    let mut encoder = Cohere.stream_encoder(reply());
    let mut out = Vec::new();
    encoder.push(&Event::Text("Hel".into()), &mut out);
    encoder.error(&ClientError::new(502, "upstream_error", "it broke off"), &mut out);
    let events = decode_stream(&out, 5).unwrap();
    let Some(Event::Error(error)) = events.last() else { panic!("{events:?}") };
    assert_eq!(error.message, "it broke off");
    assert!(!events.iter().any(|event| matches!(event, Event::Finish(_))));
}

#[test]
fn bodies_beside_answers() {
    let error = ClientError { param: Some("p".into()), ..ClientError::new(400, "x", "too high") };
    let body: Value = serde_json::from_slice(&Cohere.encode_error(&error, "r1")).unwrap();
    assert_eq!(body, json!({"id": "r1", "message": "p: too high"}));
    assert_eq!(Cohere.decode_error(400, body.to_string().as_bytes()).message, "p: too high");
    let models: Value = serde_json::from_slice(&Cohere.encode_models(&["a", "b"], 1)).unwrap();
    assert_eq!(models["models"][1]["name"], "b");
}

fn name() -> impl Strategy<Value = String> {
    "[a-z]{1,8}"
}

fn user_part() -> impl Strategy<Value = Part> {
    let url = |detail| Media::Url { url: "https://example.com/a.png".into(), detail };
    let bytes = Media::Base64 { media_type: "image/png".into(), data: "AAAA".into(), detail: None };
    prop_oneof![
        "\\PC{0,20}".prop_map(Part::text),
        prop::option::of(Just("low".to_owned())).prop_map(move |it| PartBody::Image(url(it)).into()),
        Just(PartBody::Image(bytes).into()),
        Just(PartBody::Opaque { format: Format::Cohere, value: json!({"type": "new", "x": 1}) }.into()),
    ]
}

fn result() -> impl Strategy<Value = Message> {
    let part = prop_oneof![
        "\\PC{1,20}".prop_map(Part::text),
        ("\\PC{0,20}", prop::option::of(name()))
            .prop_map(|(text, name)| { PartBody::Document { media: Media::PlainText(text), name }.into() }),
    ];
    (name(), prop::collection::vec(part, 1..3)).prop_map(|(id, parts)| {
        Message::new(Role::User, vec![PartBody::ToolResult { id, parts, is_error: false }.into()])
    })
}

fn call() -> impl Strategy<Value = Part> {
    (name(), name(), "\\PC{1,20}").prop_map(|(id, name, arguments)| {
        PartBody::ToolCall(ToolCall { id, name, arguments, signature: None }).into()
    })
}

fn thought(text: String) -> Part {
    PartBody::Reasoning(ReasoningBlock::Thinking { text, signature: None }).into()
}

fn citation() -> impl Strategy<Value = Part> {
    (0u64..50, 0u64..50, name()).prop_map(|(start, end, title)| {
        let source = json!({"type": "document", "id": "d", "document": {"title": title, "text": "words"}});
        let own =
            json!({"start": start, "end": end, "text": "x", "sources": [source], "type": "TEXT_CONTENT"});
        let citation = Citation {
            url: None,
            title: Some(title),
            cited_text: Some("words".into()),
            start: Some(start),
            end: Some(end),
            own: Some((Format::Cohere, own)),
        };
        PartBody::Citation(citation).into()
    })
}

fn assistant() -> impl Strategy<Value = Message> {
    let said = ("\\PC{1,20}", prop::collection::vec(citation(), 0..3));
    (prop::option::of("\\PC{1,20}"), prop::option::of(said), prop::collection::vec(call(), 0..3)).prop_map(
        |(thinking, said, calls)| {
            let mut parts: Vec<Part> = thinking.map(thought).into_iter().collect();
            match said {
                Some((text, citations)) => {
                    parts.push(Part::text(text));
                    parts.extend(citations);
                }
                None if calls.is_empty() => parts.push(Part::text("x")),
                None => {}
            }
            parts.extend(calls);
            Message::new(Role::Assistant, parts)
        },
    )
}

fn message() -> impl Strategy<Value = Message> {
    let user = prop::collection::vec(user_part(), 1..3).prop_map(|parts| Message::new(Role::User, parts));
    prop_oneof![user, result(), assistant()]
}

fn settings() -> impl Strategy<Value = Request> {
    let reasoning = prop_oneof![
        Just(None),
        Just(Some(Reasoning::On)),
        Just(Some(Reasoning::Off)),
        (1u64..9).prop_map(|budget| Some(Reasoning::Budget(budget))),
    ];
    let format = prop_oneof![
        Just(None),
        Just(Some(ResponseFormat::Text)),
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
        (prop::option::of(0i64..9), float(), float(), any::<Option<bool>>(), any::<bool>()),
        (
            reasoning,
            format,
            prop::option::of(prop_oneof![Just(ToolChoice::Required), Just(ToolChoice::None)]),
        ),
        any::<Option<bool>>(),
    )
        .prop_map(|(a, b, (reasoning, response_format, tool_choice), strict)| {
            let (max_tokens, temperature, top_p, top_k, stop) = a;
            let (seed, frequency_penalty, presence_penalty, logprobs, stream) = b;
            let parameters = Some(json!({"type": "object", "properties": {"a": {"type": "string"}}}));
            let tools = vec![Tool { parameters, strict, ..tool("f") }];
            let extra: Map<String, Value> = json!({"safety_mode": "OFF"}).as_object().cloned().unwrap();
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
                stream,
                reasoning,
                response_format,
                tool_choice,
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
        system in prop::collection::vec("\\PC{0,20}".prop_map(Part::text), 0..3),
        messages in prop::collection::vec(message(), 0..6),
        thinks in any::<bool>(),
    ) {
        let origin = Some(Format::Cohere);
        let request = Request { model: "command-a".into(), include_usage: true, system, messages, origin, ..settings };
        let reasoning = thinks.then(|| serde_json::from_value(json!({"style": "budget"})).unwrap());
        let facts = Facts { reasoning, ..Facts::default() };
        let mut ledger = Ledger::new(Format::Cohere);
        let body = Cohere.encode_request(&request, &upstream(&facts), &mut ledger).unwrap();
        prop_assert!(ledger.is_empty(), "{}", ledger);
        prop_assert_eq!(Cohere.decode_request(&body).unwrap(), request);
    }

    #[test]
    fn an_answer_comes_back(message in assistant(), finish in prop::sample::select(vec![
        FinishReason::Stop, FinishReason::Length, FinishReason::StopSequence(None), FinishReason::ContentFilter,
    ]), input in 0u64..9, output in 0u64..9) {
        let has_call = message.parts.iter().any(|part| matches!(part.body, PartBody::ToolCall(_)));
        let finish = Some(if has_call { FinishReason::ToolCalls } else { finish });
        let usage = Usage { input: Some(input), output: Some(output), ..Usage::default() };
        let response = Response { id: Some("i".into()), parts: message.parts, finish, usage, ..Response::default() };
        let mut ledger = Ledger::new(Format::Cohere);
        let body = Cohere.encode_response(&response, &reply(), &mut ledger);
        prop_assert!(ledger.is_empty(), "{}", ledger);
        let again = Cohere.decode_response(&body, &upstream(&Facts::UNKNOWN)).unwrap().unwrap();
        prop_assert_eq!(again, response);
    }

    #[test]
    fn a_stream_comes_back_however_it_is_cut(message in assistant(), cut in 1usize..40) {
        let mut events = vec![Event::Start { id: Some("i".into()), model: None, created: None }];
        let mut calls = 0;
        for part in &message.parts {
            match &part.body {
                PartBody::Text(text) => events.push(Event::Text(text.clone())),
                PartBody::Reasoning(ReasoningBlock::Thinking { text, .. }) => {
                    events.push(Event::Reasoning(text.clone()));
                }
                PartBody::Citation(citation) => events.push(Event::Citation(citation.clone())),
                PartBody::ToolCall(ToolCall { id, name, arguments, .. }) => {
                    let (id, name) = (id.clone(), name.clone());
                    events.push(Event::ToolCallStart { index: calls, id, name, signature: None });
                    events.push(call_piece(calls, arguments));
                    calls += 1;
                }
                other => panic!("{other:?}"),
            }
        }
        events.push(Event::Usage(Usage { input: Some(3), output: Some(4), ..Usage::default() }));
        events.push(Event::Finish(if calls > 0 { FinishReason::ToolCalls } else { FinishReason::Stop }));
        let (bytes, ledger) = encode_stream(&events);
        prop_assert!(ledger.is_empty(), "{}", ledger);
        let again = decode_stream(&bytes, cut).unwrap();
        prop_assert_eq!(&again, &decode_stream(&bytes, usize::MAX).unwrap());
        prop_assert_eq!(collect(again), collect(events));
    }
}
