//! What OpenAI's Responses and completions formats can carry comes back as it was, however its bytes were cut.

use penstock_llm::catalogue::{Facts, Reasoning as Thinks, ReasoningStyle, Sampling};
use penstock_llm::message::{
    Issuer, Media, Message, Part, PartBody, Reasoning, ReasoningBlock, ResponseFormat, Role, Signature, Tool,
    ToolCall, ToolChoice,
};
use penstock_llm::{
    Event, FinishReason, Format, Ledger, Reply, Request, Response, Upstream, Usage, collect, provider,
};
use proptest::prelude::*;
use serde_json::{Value, json};

fn text() -> impl Strategy<Value = String> {
    "[a-zé\"\\\\\n ]{1,12}"
}

fn word() -> impl Strategy<Value = String> {
    "[a-z0-9_]{1,10}"
}

/// State as OpenAI's own items hold it.
fn own_state() -> impl Strategy<Value = Signature> {
    (word(), "[A-Za-z0-9+/=:]{1,20}").prop_map(|(id, state)| Signature {
        issuer: Issuer::OpenAI,
        value: json!({"id": id, "encrypted_content": state}).to_string(),
    })
}

fn any_state() -> impl Strategy<Value = Signature> {
    let strange = (prop::sample::select(&Issuer::ALL[..]), "[A-Za-z0-9+/=:]{1,20}")
        .prop_map(|(issuer, value)| Signature { issuer, value });
    prop_oneof![own_state(), strange]
}

fn reasoning(state: impl Strategy<Value = Signature>) -> impl Strategy<Value = ReasoningBlock> {
    ("[a-z ]{0,8}", state)
        .prop_map(|(text, signature)| ReasoningBlock::Thinking { text, signature: Some(signature) })
}

fn call() -> impl Strategy<Value = ToolCall> {
    (word(), word(), prop::sample::select(vec!["{}", "{\"a\":\"é\"}", "{\"cut"])).prop_map(
        |(id, name, arguments)| ToolCall { id, name, arguments: arguments.to_owned(), signature: None },
    )
}

fn media() -> impl Strategy<Value = Media> {
    let detail = || prop::option::of(word());
    prop_oneof![
        detail().prop_map(|detail| Media::Url { url: "https://example.com/a".into(), detail }),
        detail().prop_map(|detail| Media::Base64 {
            media_type: "image/png".into(),
            data: "aW1n".into(),
            detail
        }),
    ]
}

fn document() -> impl Strategy<Value = PartBody> {
    let bytes = Media::Base64 { media_type: "application/pdf".into(), data: "cGRm".into(), detail: None };
    let url = Media::Url { url: "https://example.com/a.pdf".into(), detail: None };
    prop_oneof![
        word().prop_map(move |name| PartBody::Document {
            media: bytes.clone(),
            name: Some(format!("{name}.pdf"))
        }),
        Just(PartBody::Document { media: url, name: None }),
    ]
}

fn said() -> impl Strategy<Value = Vec<Part>> {
    let part = prop_oneof![text().prop_map(PartBody::Text), media().prop_map(PartBody::Image), document(),];
    prop::collection::vec(part.prop_map(Part::from), 1..4)
}

/// A question, what the assistant made of it, and what its tools gave back.
fn turn() -> impl Strategy<Value = Vec<Message>> {
    let thoughts = prop::collection::vec(reasoning(own_state()), 0..3);
    (said(), thoughts, prop::option::of(text()), prop::collection::vec((call(), said()), 0..3)).prop_map(
        |(asked, thoughts, answer, calls)| {
            let mut assistant: Vec<Part> =
                thoughts.into_iter().map(|block| PartBody::Reasoning(block).into()).collect();
            assistant.extend(answer.map(Part::text));
            let mut results = Vec::new();
            for (call, parts) in calls {
                results.push(PartBody::ToolResult { id: call.id.clone(), parts, is_error: false }.into());
                assistant.push(PartBody::ToolCall(call).into());
            }
            let mut out = vec![Message::new(Role::User, asked)];
            for (role, parts) in [(Role::Assistant, assistant), (Role::User, results)] {
                if !parts.is_empty() {
                    out.push(Message::new(role, parts));
                }
            }
            out
        },
    )
}

fn tool() -> impl Strategy<Value = Tool> {
    let parameters = prop::option::of(Just(json!({"type": "object", "properties": {}})));
    (word(), prop::option::of(text()), parameters, prop::option::of(any::<bool>())).prop_map(
        |(name, description, parameters, strict)| Tool {
            name,
            description,
            parameters,
            strict,
            ..Tool::default()
        },
    )
}

fn format() -> impl Strategy<Value = ResponseFormat> {
    prop_oneof![
        Just(ResponseFormat::Text),
        Just(ResponseFormat::JsonObject),
        (word(), prop::option::of(any::<bool>()), prop::option::of(text())).prop_map(
            |(name, strict, description)| ResponseFormat::JsonSchema {
                name,
                schema: json!({"type": "object"}),
                strict,
                description
            }
        ),
    ]
}

prop_compose! {
    fn request()(
        system in prop::option::of(text()),
        turns in prop::collection::vec(turn(), 1..4),
        tools in prop::collection::vec(tool(), 0..3),
        choice in prop::option::of(prop::sample::select(vec![ToolChoice::Auto, ToolChoice::None, ToolChoice::Required, ToolChoice::Named("a".into())])),
        parallel in prop::option::of(any::<bool>()),
        (max_tokens, temperature, user) in (prop::option::of(16u64..9999), prop::option::of((0u8..8).prop_map(|n| f64::from(n) / 4.0)), prop::option::of(word())),
        reasoning in prop::option::of(prop::sample::select(vec![Reasoning::Off, Reasoning::Effort("low".into()), Reasoning::Effort("new".into())])),
        response_format in prop::option::of(format()),
        (logprobs, tier, verbosity) in (prop::option::of((Just(true), prop::option::of(1u64..5))), prop::option::of(word()), prop::option::of(word())),
        stream in any::<bool>(),
    ) -> Request {
        Request {
            model: "m".into(),
            stream,
            include_usage: true,
            system: system.map(Part::text).into_iter().collect(),
            messages: turns.into_iter().flatten().collect(),
            tools,
            tool_choice: choice,
            parallel_tool_calls: parallel,
            max_tokens,
            temperature,
            user,
            reasoning,
            response_format,
            logprobs: logprobs.map(|(on, _)| on),
            top_logprobs: logprobs.and_then(|(_, top)| top),
            service_tier: tier,
            verbosity,
            origin: Some(Format::Responses),
            ..Request::default()
        }
    }
}

/// Of a model that reasons and takes every setting.
fn facts() -> Facts {
    let reasoning = Thinks {
        style: ReasoningStyle::Effort,
        efforts: Vec::new().into(),
        min_budget: None,
        max_budget: None,
        can_disable: None,
    };
    Facts { reasoning: Some(reasoning), sampling: Some(Sampling::Free), ..Facts::default() }
}

fn answer_parts() -> impl Strategy<Value = Vec<Part>> {
    let redacted = any_state().prop_map(|data| ReasoningBlock::Redacted { data });
    let unsigned = text().prop_map(|text| ReasoningBlock::Thinking { text, signature: None });
    let signed_call = (call(), prop::option::of("[A-Za-z0-9]{1,9}")).prop_map(|(call, signature)| ToolCall {
        signature: signature.map(|value| Signature { issuer: Issuer::Gemini, value }),
        ..call
    });
    let image = Media::Base64 { media_type: "image/png".into(), data: "aW1n".into(), detail: None };
    let part = prop_oneof![
        text().prop_map(PartBody::Text),
        text().prop_map(PartBody::Refusal),
        reasoning(any_state()).prop_map(PartBody::Reasoning),
        redacted.prop_map(PartBody::Reasoning),
        unsigned.prop_map(PartBody::Reasoning),
        signed_call.prop_map(PartBody::ToolCall),
        Just(PartBody::Image(image)),
    ];
    prop::collection::vec(part.prop_map(Part::from), 1..7)
}

fn answer() -> impl Strategy<Value = Response> {
    (answer_parts(), any::<bool>(), prop::option::of(Just("flex".to_owned()))).prop_map(
        |(parts, is_cut, tier)| {
            let has_calls = parts.iter().any(|part| matches!(part.body, PartBody::ToolCall(_)));
            let finish = match (is_cut, has_calls) {
                (true, _) => FinishReason::Length,
                (false, true) => FinishReason::ToolCalls,
                (false, false) => FinishReason::Stop,
            };
            Response {
                id: Some("resp_1".into()),
                model: Some("m".into()),
                created: Some(7),
                parts,
                finish: Some(finish),
                usage: Usage {
                    input: Some(5),
                    cache_read: Some(1),
                    cache_write: Some(2),
                    output: Some(3),
                    reasoning: Some(1),
                    ..Usage::default()
                },
                service_tier: tier,
                ..Response::default()
            }
        },
    )
}

/// The answer in pieces of a character.
fn events(answer: &Response) -> Vec<Event> {
    let mut out =
        vec![Event::Start { id: answer.id.clone(), model: answer.model.clone(), created: answer.created }];
    let mut calls = 0;
    for part in &answer.parts {
        let pieces = |text: &str, event: fn(String) -> Event| -> Vec<Event> {
            text.chars().map(|c| event(c.to_string())).collect()
        };
        match &part.body {
            PartBody::Text(text) => out.extend(pieces(text, Event::Text)),
            PartBody::Refusal(text) => out.extend(pieces(text, Event::Refusal)),
            PartBody::Reasoning(ReasoningBlock::Redacted { data }) => {
                out.push(Event::ReasoningRedacted(data.clone()));
            }
            PartBody::Reasoning(ReasoningBlock::Thinking { text, signature }) => {
                out.extend(pieces(text, Event::Reasoning));
                out.extend(signature.clone().map(Event::ReasoningSignature));
            }
            PartBody::ToolCall(ToolCall { id, name, arguments, signature }) => {
                let (id, name, signature) = (id.clone(), name.clone(), signature.clone());
                out.push(Event::ToolCallStart { index: calls, id, name, signature });
                let piece = |c: char| Event::ToolCallArguments { index: calls, fragment: c.to_string() };
                out.extend(arguments.chars().map(piece));
                calls += 1;
            }
            PartBody::Image(media) => out.push(Event::Image(media.clone())),
            other => panic!("{other:?}"),
        }
    }
    out.push(Event::Usage(answer.usage));
    out.extend(answer.service_tier.clone().map(Event::ServiceTier));
    out.extend(answer.finish.clone().map(Event::Finish));
    out
}

fn openai(model: &str) -> Upstream<'_> {
    Upstream::new(model, provider::by_name("OpenAI").unwrap())
}

fn reply() -> Reply {
    Reply { request_id: "r".into(), model: "m".into(), created: 5, include_usage: true }
}

fn encode(events: &[Event], client: Format) -> Vec<u8> {
    let mut encoder = client.dialect().stream_encoder(reply());
    let mut out = Vec::new();
    events.iter().for_each(|event| encoder.push(event, &mut out));
    encoder.finish(&mut out);
    assert!(encoder.ledger().is_empty(), "{}", encoder.ledger());
    out
}

fn decode(pieces: &[&[u8]], format: Format) -> Vec<Event> {
    let mut decoder = format.dialect().stream_decoder(&openai("m"));
    let mut frames = format.dialect().framing().frames(1 << 20);
    let mut out = Vec::new();
    for piece in pieces {
        frames.push(piece);
        while let Some(frame) = frames.next().unwrap() {
            decoder.push(&frame, &mut out).unwrap();
        }
    }
    if let Some(frame) = frames.finish() {
        decoder.push(&frame, &mut out).unwrap();
    }
    decoder.finish(&mut out).unwrap();
    out
}

fn cut<'a>(bytes: &'a [u8], at: &[usize]) -> Vec<&'a [u8]> {
    let mut at: Vec<usize> = at.iter().map(|at| at % (bytes.len() + 1)).collect();
    at.extend([0, bytes.len()]);
    at.sort_unstable();
    at.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
}

/// Reasoning and calls, in order.
fn state_of<'a>(parts: impl Iterator<Item = &'a Part>) -> Vec<PartBody> {
    let bodies = parts.map(|part| part.body.clone());
    bodies.filter(|body| matches!(body, PartBody::Reasoning(_) | PartBody::ToolCall(_))).collect()
}

/// A client keeps the items of an answer and sends them back in the next turn, beside what its tools gave.
fn next_turn(output: &Value) -> Request {
    let mut input = vec![json!({"role": "user", "content": "hi"})];
    input.extend(output.as_array().unwrap().iter().cloned());
    let calls = output.as_array().unwrap().iter().filter(|item| item["type"] == "function_call");
    let result =
        |call: &Value| json!({"type": "function_call_output", "call_id": call["call_id"], "output": "x"});
    input.extend(calls.map(result));
    let body = json!({"model": "m", "input": input}).to_string();
    Format::Responses.dialect().decode_request(body.as_bytes()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(128) })]

    #[test]
    fn responses_requests_come_back(request in request()) {
        let facts = facts();
        let upstream = Upstream { facts: &facts, ..openai("m") };
        let mut ledger = Ledger::new(Format::Responses);
        let bytes = Format::Responses.dialect().encode_request(&request, &upstream, &mut ledger).unwrap();
        prop_assert!(ledger.is_empty(), "{ledger}");
        let again = Format::Responses.dialect().decode_request(&bytes).unwrap();
        prop_assert_eq!(again, request);
    }

    #[test]
    fn responses_answers_come_back(answer in answer()) {
        let dialect = Format::Responses.dialect();
        let mut ledger = Ledger::new(Format::Responses);
        let bytes = dialect.encode_response(&answer, &reply(), &mut ledger);
        prop_assert!(ledger.is_empty(), "{ledger}");
        prop_assert_eq!(dialect.decode_response(&bytes, &openai("m")).unwrap().unwrap(), answer);
    }

    #[test]
    fn responses_streams_come_back(answer in answer(), at in prop::collection::vec(any::<usize>(), 0..20)) {
        let events = events(&answer);
        let bytes = encode(&events, Format::Responses);
        let whole = decode(&[&bytes], Format::Responses);
        prop_assert_eq!(&decode(&cut(&bytes, &at), Format::Responses), &whole);
        let finishes = whole.iter().filter(|event| matches!(event, Event::Finish(_))).count();
        prop_assert_eq!(finishes, 1);
        prop_assert_eq!(collect(whole), collect(events));
    }

    /// Of every issuer, byte-exact, though the client knows nothing of it.
    #[test]
    fn reasoning_state_survives_a_client(answer in answer()) {
        let whole = Format::Responses.dialect().encode_response(&answer, &reply(), &mut Ledger::new(Format::Responses));
        let whole: Value = serde_json::from_slice(&whole).unwrap();
        let stream = String::from_utf8(encode(&events(&answer), Format::Responses)).unwrap();
        let last = stream.lines().rfind(|line| line.starts_with("data: ")).unwrap();
        let last: Value = serde_json::from_str(last.strip_prefix("data: ").unwrap()).unwrap();
        let streamed = collect(events(&answer));
        for (output, answer) in [(&whole["output"], &answer), (&last["response"]["output"], &streamed)] {
            let request = next_turn(output);
            let said = request.messages.iter().filter(|message| message.role == Role::Assistant);
            prop_assert_eq!(state_of(said.flat_map(|message| &message.parts)), state_of(answer.parts.iter()));
            let results = request.messages.iter().flat_map(|message| &message.parts).filter_map(|part| match &part.body {
                PartBody::ToolResult { id, .. } => Some(id.clone()),
                _ => None,
            });
            let calls = answer.parts.iter().filter_map(|part| match &part.body {
                PartBody::ToolCall(call) => Some(call.id.clone()),
                _ => None,
            });
            prop_assert_eq!(results.collect::<Vec<_>>(), calls.collect::<Vec<_>>());
        }
    }

    #[test]
    fn completions_come_back(
        texts in prop::collection::vec((text(), any::<bool>()), 1..4),
        at in prop::collection::vec(any::<usize>(), 0..20),
    ) {
        let mut events = vec![Event::Start { id: Some("cmpl-1".into()), model: Some("m".into()), created: Some(7) }];
        for (index, (text, is_cut)) in texts.into_iter().enumerate() {
            if index > 0 {
                events.push(Event::Choice(index));
            }
            events.extend(text.chars().map(|c| Event::Text(c.to_string())));
            events.push(Event::Finish(if is_cut { FinishReason::Length } else { FinishReason::Stop }));
        }
        events.push(Event::Usage(Usage { input: Some(1), output: Some(2), ..Usage::default() }));
        let bytes = encode(&events, Format::Completions);
        let whole = decode(&[&bytes], Format::Completions);
        prop_assert_eq!(&decode(&cut(&bytes, &at), Format::Completions), &whole);
        let answer = collect(events);
        prop_assert_eq!(&collect(whole), &answer);
        let dialect = Format::Completions.dialect();
        let bytes = dialect.encode_response(&answer, &reply(), &mut Ledger::new(Format::Completions));
        prop_assert_eq!(dialect.decode_response(&bytes, &openai("m")).unwrap().unwrap(), answer);
    }
}
