//! What a format has a place for comes back as it was: written and read again, whole or streamed, however it is cut.

use penstock_llm::message::{
    Choice, Citation, Issuer, Media, Message, Part, PartBody, Reasoning, ReasoningBlock, ResponseFormat,
    Role, Signature, Tool, ToolCall, ToolChoice,
};
use penstock_llm::{
    Event, FinishReason, Format, Ledger, Reply, Request, Response, Upstream, Usage, collect, provider,
    translate,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// A provider that takes all of the format.
fn upstream_of(format: Format) -> Upstream<'static> {
    let name = if format == Format::Messages { "Anthropic" } else { "OpenAICompatible" };
    Upstream::new("model", provider::by_name(name).unwrap())
}

fn text() -> impl Strategy<Value = String> {
    "[a-zé \n\"{}]{1,12}"
}

fn word() -> impl Strategy<Value = String> {
    "[a-z][a-z0-9_]{0,8}"
}

fn number() -> impl Strategy<Value = f64> {
    prop::sample::select(vec![0.0, 0.25, 0.5, 1.0, 1.5])
}

fn marker() -> impl Strategy<Value = Option<Value>> {
    option::of(Just(json!({"type": "ephemeral"})))
}

fn signature() -> impl Strategy<Value = Signature> {
    (prop::sample::select(Issuer::ALL.to_vec()), "[A-Za-z0-9+/]{1,12}={0,2}")
        .prop_map(|(issuer, value)| Signature { issuer, value })
}

// Requests.

fn image() -> impl Strategy<Value = Media> {
    prop_oneof![
        (word(), option::of(Just("high".to_owned())))
            .prop_map(|(path, detail)| Media::Url { url: format!("https://example.com/{path}"), detail }),
        Just(Media::Base64 { media_type: "image/png".into(), data: "iVBORw0KGgo=".into(), detail: None }),
    ]
}

fn document() -> impl Strategy<Value = PartBody> {
    let media = prop_oneof![
        Just(Media::Base64 { media_type: "application/pdf".into(), data: "JVBERi0=".into(), detail: None }),
        Just(Media::Url { url: "https://example.com/a.pdf".into(), detail: None }),
    ];
    (media, word()).prop_map(|(media, name)| PartBody::Document { media, name: Some(name) })
}

fn user_part() -> impl Strategy<Value = Part> {
    let sound =
        |kind: &str| Media::Base64 { media_type: format!("audio/{kind}"), data: "AAAA".into(), detail: None };
    let body = prop_oneof![
        text().prop_map(PartBody::Text),
        image().prop_map(PartBody::Image),
        document(),
        Just(PartBody::Audio(sound("wav"))),
        Just(PartBody::Audio(sound("mpeg"))),
        Just(PartBody::Video(Media::Url { url: "https://example.com/a.mp4".into(), detail: None })),
    ];
    (body, marker()).prop_map(|(body, cache_control)| Part { cache_control, ..Part::from(body) })
}

fn call(id: String, name: String) -> PartBody {
    PartBody::ToolCall(ToolCall { id, name, arguments: r#"{"a": 1}"#.into(), signature: None })
}

fn message() -> impl Strategy<Value = Message> {
    let user = (vec(user_part(), 1..4), option::of(word()))
        .prop_map(|(parts, name)| Message { name, ..Message::new(Role::User, parts) });
    let assistant = (option::of(text()), vec(text(), 1..3), option::of(text()), vec((word(), word()), 0..3))
        .prop_map(|(thought, texts, refusal, calls)| {
            let thought = thought.map(|text| ReasoningBlock::Thinking { text, signature: None });
            let mut parts: Vec<Part> =
                thought.map(|block| PartBody::Reasoning(block).into()).into_iter().collect();
            parts.extend(texts.into_iter().map(Part::text));
            parts.extend(refusal.map(|text| Part::from(PartBody::Refusal(text))));
            parts.extend(calls.into_iter().map(|(id, name)| Part::from(call(id, name))));
            Message::new(Role::Assistant, parts)
        });
    let result = (word(), vec(text(), 1..3)).prop_map(|(id, texts)| {
        let parts = texts.into_iter().map(Part::text).collect();
        Message::new(Role::User, vec![PartBody::ToolResult { id, parts, is_error: false }.into()])
    });
    prop_oneof![user, assistant, result]
}

fn tool() -> impl Strategy<Value = Tool> {
    (word(), option::of(text()), option::of(any::<bool>()), marker()).prop_map(
        |(name, description, strict, cache_control)| Tool {
            name,
            description,
            strict,
            cache_control,
            parameters: Some(json!({"type": "object", "properties": {}})),
            ..Tool::default()
        },
    )
}

fn response_format() -> impl Strategy<Value = ResponseFormat> {
    prop_oneof![
        Just(ResponseFormat::Text),
        Just(ResponseFormat::JsonObject),
        (word(), option::of(any::<bool>()), option::of(text())).prop_map(|(name, strict, description)| {
            ResponseFormat::JsonSchema { name, schema: json!({"type": "object"}), strict, description }
        }),
    ]
}

fn tool_choice() -> impl Strategy<Value = ToolChoice> {
    prop_oneof![
        Just(ToolChoice::Auto),
        Just(ToolChoice::None),
        Just(ToolChoice::Required),
        word().prop_map(ToolChoice::Named),
    ]
}

fn settings() -> impl Strategy<Value = Request> {
    let sampling = (
        option::of(number()),
        option::of(number()),
        option::of(0u64..100),
        option::of(any::<i64>()),
        option::of(number()),
        option::of(number()),
        option::of(Just(json!({"50256": -100}))),
        option::of(any::<bool>()),
        option::of(0u64..20),
        vec(text(), 0..4),
    );
    let labels = (
        option::of(word()),
        option::of(word()),
        option::of(word()),
        option::of(Just(Map::from_iter([("team".to_owned(), json!("a"))]))),
        option::of(1u64..100_000),
        option::of(1u64..5),
        any::<bool>(),
    );
    let shape = (
        option::of(prop_oneof![Just(Reasoning::Off), word().prop_map(Reasoning::Effort)]),
        option::of(response_format()),
    );
    (sampling, labels, shape).prop_map(|(sampling, labels, (reasoning, response_format))| {
        let (temperature, top_p, top_k, seed, presence, frequency, logit_bias, logprobs, top_logprobs, stop) =
            sampling;
        let (user, service_tier, verbosity, metadata, max_tokens, n, stream) = labels;
        // `none` is how the format turns reasoning off.
        let reasoning = reasoning.filter(|wish| *wish != Reasoning::Effort("none".into()));
        Request {
            model: "model".into(),
            stream,
            include_usage: stream,
            temperature,
            top_p,
            top_k,
            seed,
            presence_penalty: presence,
            frequency_penalty: frequency,
            logit_bias,
            logprobs,
            top_logprobs,
            stop,
            user,
            service_tier,
            verbosity,
            metadata,
            max_tokens,
            n,
            reasoning,
            response_format,
            extra: Map::from_iter([("vendor_option".to_owned(), json!({"x": [1]}))]),
            origin: Some(Format::Chat),
            ..Request::default()
        }
    })
}

fn request() -> impl Strategy<Value = Request> {
    let system = vec((text(), marker()), 0..3);
    let tools = (vec(tool(), 1..3), option::of(tool_choice()), option::of(any::<bool>()));
    (settings(), system, vec(message(), 1..5), option::of(tools)).prop_map(
        |(request, system, messages, tools)| {
            let (tools, tool_choice, parallel_tool_calls) = tools.unwrap_or_default();
            let system = system
                .into_iter()
                .map(|(text, cache_control)| Part { cache_control, ..Part::text(text) })
                .collect();
            Request { system, messages, tools, tool_choice, parallel_tool_calls, ..request }
        },
    )
}

// Answers.

fn block() -> impl Strategy<Value = ReasoningBlock> {
    prop_oneof![
        (option::of(text()), signature()).prop_map(|(text, signature)| ReasoningBlock::Thinking {
            text: text.unwrap_or_default(),
            signature: Some(signature),
        }),
        signature().prop_map(|data| ReasoningBlock::Redacted { data }),
    ]
}

/// All of it signed, or one text that nobody signed: formats without blocks join texts.
fn reasoning() -> impl Strategy<Value = Vec<ReasoningBlock>> {
    prop_oneof![
        vec(block(), 0..3),
        text().prop_map(|text| vec![ReasoningBlock::Thinking { text, signature: None }]),
    ]
}

fn source() -> impl Strategy<Value = Citation> {
    (word(), text(), option::of(text())).prop_map(|(path, title, cited_text)| Citation {
        url: Some(format!("https://example.com/{path}")),
        title: Some(title),
        cited_text: cited_text.filter(|text| !text.is_empty()),
        ..Citation::default()
    })
}

fn logprobs() -> impl Strategy<Value = Option<Value>> {
    option::of(word().prop_map(|token| {
        json!({"content": [{"token": token, "logprob": -0.5, "bytes": null, "top_logprobs": []}], "refusal": null})
    }))
}

fn finish() -> impl Strategy<Value = FinishReason> {
    prop_oneof![
        Just(FinishReason::Stop),
        Just(FinishReason::Length),
        Just(FinishReason::ContentFilter),
        Just(FinishReason::Other("pause_turn".into())),
    ]
}

fn choice() -> impl Strategy<Value = Choice> {
    let calls = vec((word(), word(), option::of(signature())), 0..3);
    let image = Media::Base64 { media_type: "image/png".into(), data: "iVBORw0KGgo=".into(), detail: None };
    (
        reasoning(),
        text(),
        vec(Just(image), 0..3),
        vec(source(), 0..3),
        option::of(text()),
        calls,
        finish(),
        logprobs(),
    )
        .prop_map(|(reasoning, text, images, sources, refusal, calls, finish, logprobs)| {
            let mut parts: Vec<Part> =
                reasoning.into_iter().map(|block| PartBody::Reasoning(block).into()).collect();
            parts.push(Part::text(text));
            parts.extend(images.into_iter().map(|image| Part::from(PartBody::Image(image))));
            parts.extend(sources.into_iter().map(|source| Part::from(PartBody::Citation(source))));
            parts.extend(refusal.map(|text| Part::from(PartBody::Refusal(text))));
            let has_calls = !calls.is_empty();
            for (n, (id, name, signature)) in calls.into_iter().enumerate() {
                let arguments = r#"{"a":1}"#.to_owned();
                // Ids of one answer differ.
                let call = ToolCall { id: format!("{id}_{n}"), name, arguments, signature };
                parts.push(PartBody::ToolCall(call).into());
            }
            let finish = if has_calls { FinishReason::ToolCalls } else { finish };
            Choice { parts, finish: Some(finish), logprobs }
        })
}

fn usage() -> impl Strategy<Value = Usage> {
    (0u64..1000, option::of((0u64..1000, 0u64..1000)), 1u64..1000, option::of(1u64..50)).prop_map(
        |(input, cached, output, reasoning)| Usage {
            input: Some(input),
            cache_read: cached.map(|(read, _)| read),
            cache_write: cached.map(|(_, written)| written),
            cache_write_1h: None,
            output: Some(output + 50),
            reasoning,
            billed: None,
        },
    )
}

fn answer() -> impl Strategy<Value = Response> {
    let tier = option::of(Just("default".to_owned()));
    (vec(choice(), 1..4), usage(), tier).prop_map(|(choices, usage, service_tier)| {
        let mut choices = choices.into_iter();
        let Choice { parts, finish, logprobs } = choices.next().unwrap();
        Response {
            id: Some("answer".into()),
            model: Some("model".into()),
            created: Some(5),
            parts,
            finish,
            logprobs,
            more: choices.collect(),
            usage,
            service_tier,
        }
    })
}

/// The events that tell an answer.
fn events(answer: &Response) -> Vec<Event> {
    let Response { id, model, created, parts, finish, logprobs, more, usage, service_tier } = answer;
    let mut out = vec![Event::Start { id: id.clone(), model: model.clone(), created: *created }];
    out.extend(service_tier.clone().map(Event::ServiceTier));
    let first = Choice { parts: parts.clone(), finish: finish.clone(), logprobs: logprobs.clone() };
    for (index, choice) in [first].iter().chain(more).enumerate() {
        if index > 0 {
            out.push(Event::Choice(index));
        }
        out.extend(choice.logprobs.clone().map(Event::Logprobs));
        let mut calls = 0;
        for part in &choice.parts {
            part_events(&part.body, &mut calls, &mut out);
        }
        out.extend(choice.finish.clone().map(Event::Finish));
    }
    out.push(Event::Usage(*usage));
    out
}

fn part_events(body: &PartBody, calls: &mut usize, out: &mut Vec<Event>) {
    match body {
        PartBody::Text(text) => out.push(Event::Text(text.clone())),
        PartBody::Refusal(text) => out.push(Event::Refusal(text.clone())),
        PartBody::Reasoning(ReasoningBlock::Thinking { text, signature }) => {
            if !text.is_empty() {
                out.push(Event::Reasoning(text.clone()));
            }
            out.extend(signature.clone().map(Event::ReasoningSignature));
        }
        PartBody::Reasoning(ReasoningBlock::Redacted { data }) => {
            out.push(Event::ReasoningRedacted(data.clone()));
        }
        PartBody::Image(image) => out.push(Event::Image(image.clone())),
        PartBody::Citation(source) => out.push(Event::Citation(source.clone())),
        PartBody::ToolCall(ToolCall { id, name, arguments, signature }) => {
            let index = *calls;
            *calls += 1;
            let (id, name, signature) = (id.clone(), name.clone(), signature.clone());
            out.push(Event::ToolCallStart { index, id, name, signature });
            out.push(Event::ToolCallArguments { index, fragment: arguments.clone() });
        }
        other => panic!("{other:?}"),
    }
}

fn reply() -> Reply {
    Reply { request_id: "r".into(), model: "m".into(), created: 1, include_usage: true }
}

/// Without what a format adds to a source: its own words, and where the cited text stands.
fn plain(mut answer: Response) -> Response {
    let choices = answer.more.iter_mut().map(|choice| &mut choice.parts);
    for part in choices.chain([&mut answer.parts]).flatten() {
        if let PartBody::Citation(source) = &mut part.body {
            source.own = None;
            source.start = None;
            source.end = None;
            source.cited_text = source.cited_text.take().filter(|text| !text.is_empty());
        }
    }
    answer
}

/// A stream tells sources and late state where it can: what counts is each kind by itself.
fn by_kind(mut answer: Response) -> Response {
    let rank = |part: &Part| match part.body {
        PartBody::Reasoning(_) => 0,
        PartBody::Text(_) => 1,
        PartBody::Image(_) => 2,
        PartBody::Citation(_) => 3,
        PartBody::Refusal(_) => 4,
        _ => 5,
    };
    answer.parts.sort_by_key(rank);
    answer.more.iter_mut().for_each(|choice| choice.parts.sort_by_key(rank));
    answer
}

fn decode(format: Format, bytes: &[u8], cuts: &[usize]) -> Vec<Event> {
    let mut frames = format.dialect().framing().frames(1 << 20);
    let mut decoder = format.dialect().stream_decoder(&upstream_of(format));
    let mut out = Vec::new();
    let mut at: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    at.extend([0, bytes.len()]);
    at.sort_unstable();
    for pair in at.windows(2) {
        frames.push(&bytes[pair[0]..pair[1]]);
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

fn stream(format: Format, answer: &Response) -> Vec<u8> {
    let mut encoder = format.dialect().stream_encoder(reply());
    let mut bytes = Vec::new();
    for event in events(answer) {
        encoder.push(&event, &mut bytes);
    }
    encoder.finish(&mut bytes);
    bytes
}

/// What Anthropic's format has a place for.
fn for_messages(mut answer: Response) -> Response {
    answer.more.clear();
    answer.created = None;
    answer.logprobs = None;
    answer.parts.retain(|part| !matches!(part.body, PartBody::Image(_) | PartBody::Refusal(_)));
    answer
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn chat_requests(request in request()) {
        let upstream = upstream_of(Format::Chat);
        let mut ledger = Ledger::new(Format::Chat);
        let body = translate::encode_request(&request, Format::Chat, &upstream, &mut ledger).unwrap();
        prop_assert!(ledger.is_empty(), "{ledger}");
        let again = Format::Chat.dialect().decode_request(&body).unwrap();
        prop_assert_eq!(again, request);
    }

    #[test]
    fn chat_answers(answer in answer()) {
        let mut ledger = Ledger::new(Format::Chat);
        let bytes = Format::Chat.dialect().encode_response(&answer, &reply(), &mut ledger);
        prop_assert!(ledger.is_empty(), "{ledger}");
        let again = Format::Chat.dialect().decode_response(&bytes, &upstream_of(Format::Chat)).unwrap().unwrap();
        prop_assert_eq!(plain(again), answer);
    }

    #[test]
    fn chat_streams(answer in answer(), cuts in vec(any::<usize>(), 0..8)) {
        let bytes = stream(Format::Chat, &answer);
        let whole = decode(Format::Chat, &bytes, &[]);
        prop_assert_eq!(&decode(Format::Chat, &bytes, &cuts), &whole);
        prop_assert_eq!(by_kind(plain(collect(whole))), by_kind(answer));
    }

    #[test]
    fn one_usage_chunk_last_and_only_when_asked(answer in answer(), include_usage in any::<bool>()) {
        let mut encoder = Format::Chat.dialect().stream_encoder(Reply { include_usage, ..reply() });
        let mut bytes = Vec::new();
        for event in events(&answer) {
            encoder.push(&event, &mut bytes);
        }
        encoder.finish(&mut bytes);
        let text = String::from_utf8(bytes).unwrap();
        let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
        let chunks: Vec<Value> =
            data.filter(|data| *data != "[DONE]").map(|data| serde_json::from_str(data).unwrap()).collect();
        let with_usage: Vec<usize> =
            (0..chunks.len()).filter(|at| !chunks[*at]["usage"].is_null()).collect();
        let want: &[usize] = if include_usage { &[chunks.len() - 1] } else { &[] };
        prop_assert_eq!(with_usage, want);
        let is_last_empty = chunks.last().unwrap()["choices"] == json!([]);
        prop_assert_eq!(is_last_empty, include_usage);
        let finishes = chunks.iter().filter(|chunk| !chunk["choices"][0]["finish_reason"].is_null()).count();
        prop_assert_eq!(finishes, 1 + answer.more.len());
    }

    #[test]
    fn messages_answers(answer in answer()) {
        let answer = for_messages(answer);
        let mut ledger = Ledger::new(Format::Messages);
        let bytes = Format::Messages.dialect().encode_response(&answer, &reply(), &mut ledger);
        prop_assert!(ledger.is_empty(), "{ledger}");
        let again =
            Format::Messages.dialect().decode_response(&bytes, &upstream_of(Format::Messages)).unwrap().unwrap();
        prop_assert_eq!(plain(again), answer);
    }

    #[test]
    fn messages_streams(answer in answer(), cuts in vec(any::<usize>(), 0..8)) {
        let answer = for_messages(answer);
        let bytes = stream(Format::Messages, &answer);
        let whole = decode(Format::Messages, &bytes, &[]);
        prop_assert_eq!(&decode(Format::Messages, &bytes, &cuts), &whole);
        prop_assert_eq!(plain(collect(whole)), answer);
    }
}
