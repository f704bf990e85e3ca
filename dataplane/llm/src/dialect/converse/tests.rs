use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::Converse;
use crate::catalogue::{Facts, Modalities, Sampling};
use crate::dialect::{Dialect, Format, Reply, Upstream};
use crate::error::{Broken, ClientError, ErrorKind, Refused};
use crate::framing::Frame;
use crate::ledger::Ledger;
use crate::message::{
    Citation, Event, FinishReason, Issuer, Media, Message, Part, PartBody, Reasoning, ReasoningBlock,
    Request, Response, ResponseFormat, Role, Signature, Tool, ToolCall, ToolChoice, Usage,
};
use crate::{collect, provider};

const CLAUDE: &str = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0";

fn claude() -> Upstream<'static> {
    Upstream::new(CLAUDE, provider::by_name("Bedrock").unwrap())
}

fn reply() -> Reply {
    Reply { request_id: "r".into(), model: "m".into(), created: 1, include_usage: true }
}

fn text() -> impl Strategy<Value = String> {
    "[a-z \"{}é\n]{1,12}"
}

fn signature() -> impl Strategy<Value = Signature> {
    (prop::sample::select(&Issuer::ALL), "[A-Za-z0-9+/]{1,12}={0,2}")
        .prop_map(|(issuer, value)| Signature { issuer, value })
}

/// What Claude itself signed, which is all that an answer or a request for it holds.
fn own_signature() -> impl Strategy<Value = Signature> {
    "[A-Za-z0-9+/]{1,12}={0,2}".prop_map(|value| Signature { issuer: Issuer::Anthropic, value })
}

fn thinking(signature: impl Strategy<Value = Signature>) -> impl Strategy<Value = Part> {
    let block = (prop_oneof![Just(String::new()), text()], signature, any::<bool>());
    block.prop_map(|(text, signature, is_redacted)| {
        let block = if is_redacted {
            ReasoningBlock::Redacted { data: signature }
        } else {
            ReasoningBlock::Thinking { text, signature: Some(signature) }
        };
        PartBody::Reasoning(block).into()
    })
}

fn call() -> impl Strategy<Value = Part> {
    ("[a-zA-Z0-9_-]{1,9}", "[a-z_]{1,9}", text()).prop_map(|(id, name, value)| {
        let arguments = json!({"a": value}).to_string();
        PartBody::ToolCall(ToolCall { id, name, arguments, signature: None }).into()
    })
}

fn server_tool() -> impl Strategy<Value = Part> {
    let opaque = |value| Part::from(PartBody::Opaque { format: Format::Converse, value });
    prop_oneof![
        Just(opaque(json!({"toolUse": {
            "toolUseId": "t", "name": "nova_grounding", "type": "server_tool_use", "input": {"q": 1},
        }}))),
        Just(opaque(json!({"toolResult": {
            "toolUseId": "t", "type": "nova_grounding_result", "status": "success", "content": [{"text": "x"}],
        }}))),
    ]
}

fn citation(url: &str) -> Citation {
    let own = json!({"title": "T", "sourceContent": [{"text": "cited"}], "location": {"web": {"url": url}}});
    Citation {
        url: Some(url.into()),
        title: Some("T".into()),
        cited_text: Some("cited".into()),
        start: None,
        end: None,
        own: Some((Format::Converse, own)),
    }
}

/// Parts of an answer in an order that blocks can have: texts do not follow each other but for a citation between.
fn answer_parts() -> impl Strategy<Value = Vec<Part>> {
    let piece = prop_oneof![
        4 => (text(), 0usize..3).prop_map(|(text, cited)| {
            let citations = (0..cited).map(|n| PartBody::Citation(citation(&format!("https://e.org/{n}"))).into());
            [Part::text(text)].into_iter().chain(citations).collect::<Vec<Part>>()
        }),
        2 => thinking(signature()).prop_map(|part| vec![part]),
        2 => call().prop_map(|part| vec![part]),
        1 => server_tool().prop_map(|part| vec![part]),
        1 => Just(vec![PartBody::Image(Media::Base64 {
            media_type: "image/png".into(),
            data: "iVBORw==".into(),
            detail: None,
        }).into()]),
    ];
    prop::collection::vec(piece, 1..6).prop_map(|pieces| {
        let mut parts: Vec<Part> = Vec::new();
        for part in pieces.into_iter().flatten() {
            match (parts.last_mut().map(|last| &mut last.body), &part.body) {
                (Some(PartBody::Text(last)), PartBody::Text(text)) => last.push_str(text),
                _ => parts.push(part),
            }
        }
        place(&mut parts);
        parts
    })
}

/// Where the cited text stands, counted anew.
fn place(parts: &mut [Part]) {
    let (mut start, mut end) = (0, 0);
    for part in parts {
        match &mut part.body {
            PartBody::Text(text) => (start, end) = (end, end + text.chars().count() as u64),
            PartBody::Citation(citation) => (citation.start, citation.end) = (Some(start), Some(end)),
            _ => {}
        }
    }
}

fn finish() -> impl Strategy<Value = FinishReason> {
    prop_oneof![
        Just(FinishReason::Length),
        Just(FinishReason::ToolCalls),
        Just(FinishReason::ContentFilter),
        Just(FinishReason::StopSequence(None)),
        Just(FinishReason::StopSequence(Some("END".into()))),
        Just(FinishReason::Other("new_reason".into())),
    ]
}

fn usage() -> impl Strategy<Value = Usage> {
    let count = || prop::option::of(0u64..1_000_000);
    (0u64..1_000_000, 0u64..1_000_000, count(), 1u64..1000, any::<bool>()).prop_map(
        |(input, output, cache_read, written, has_writes)| Usage {
            input: Some(input),
            output: Some(output),
            cache_read,
            cache_write: has_writes.then_some(written),
            cache_write_1h: has_writes.then_some(written / 2),
            reasoning: None,
            billed: None,
        },
    )
}

fn answer() -> impl Strategy<Value = Response> {
    let tier = prop::option::of(Just("flex".to_owned()));
    (answer_parts(), finish(), usage(), tier).prop_map(|(parts, finish, usage, service_tier)| Response {
        parts,
        finish: Some(finish),
        usage,
        service_tier,
        ..Response::default()
    })
}

/// The answer as a provider streams it, in small pieces.
fn events(response: &Response) -> Vec<Event> {
    let mut out = vec![Event::Start { id: None, model: None, created: None }];
    let mut calls = 0;
    for part in &response.parts {
        match &part.body {
            PartBody::Text(text) => out.extend(text.chars().map(|c| Event::Text(c.to_string()))),
            PartBody::Reasoning(ReasoningBlock::Thinking { text, signature }) => {
                out.extend(text.chars().map(|c| Event::Reasoning(c.to_string())));
                out.extend(signature.clone().map(Event::ReasoningSignature));
            }
            PartBody::Reasoning(ReasoningBlock::Redacted { data }) => {
                out.push(Event::ReasoningRedacted(data.clone()));
            }
            PartBody::ToolCall(call) => {
                let (id, name) = (call.id.clone(), call.name.clone());
                out.push(Event::ToolCallStart { index: calls, id, name, signature: None });
                let pieces = call.arguments.chars().map(|c| c.to_string());
                out.extend(pieces.map(|fragment| Event::ToolCallArguments { index: calls, fragment }));
                calls += 1;
            }
            PartBody::Citation(citation) => out.push(Event::Citation(citation.clone())),
            PartBody::Image(media) => out.push(Event::Image(media.clone())),
            PartBody::Opaque { format, value } => {
                out.push(Event::Opaque { format: *format, value: value.clone() });
            }
            _ => panic!("{part:?}"),
        }
    }
    out.extend(response.finish.clone().map(Event::Finish));
    out.push(Event::Usage(response.usage));
    out.extend(response.service_tier.clone().map(Event::ServiceTier));
    out
}

fn encoded(events: &[Event]) -> Vec<u8> {
    let mut encoder = Converse.stream_encoder(reply());
    let mut bytes = Vec::new();
    for event in events {
        encoder.push(event, &mut bytes);
    }
    encoder.finish(&mut bytes);
    assert!(encoder.ledger().is_empty(), "{}", encoder.ledger());
    bytes
}

fn decoded(pieces: &[&[u8]]) -> Result<Vec<Event>, Broken> {
    let mut frames = Converse.framing().frames(1 << 20);
    let mut decoder = Converse.stream_decoder(&claude());
    let mut out = Vec::new();
    for piece in pieces {
        frames.push(piece);
        while let Some(frame) = frames.next()? {
            decoder.push(&frame, &mut out)?;
        }
    }
    decoder.finish(&mut out)?;
    assert!(decoder.is_done());
    Ok(out)
}

proptest! {
    #[test]
    fn answers_come_back(response in answer()) {
        let mut ledger = Ledger::new(Format::Converse);
        let bytes = Converse.encode_response(&response, &reply(), &mut ledger);
        prop_assert!(ledger.is_empty());
        prop_assert_eq!(Converse.decode_response(&bytes, &claude()), Ok(Ok(response)));
    }

    #[test]
    fn streams_come_back_however_they_are_cut(
        response in answer(),
        cuts in prop::collection::vec(any::<usize>(), 0..12),
    ) {
        let bytes = encoded(&events(&response));
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
        at.extend([0, bytes.len()]);
        at.sort_unstable();
        let pieces: Vec<&[u8]> = at.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
        let whole = decoded(&[&bytes]).unwrap();
        prop_assert_eq!(&decoded(&pieces).unwrap(), &whole);
        prop_assert_eq!(collect(whole), response);
    }

    #[test]
    fn requests_come_back(request in request()) {
        let mut ledger = Ledger::new(Format::Converse);
        let bytes = Converse.encode_request(&request, &claude(), &mut ledger).unwrap();
        prop_assert!(ledger.is_empty(), "{}", ledger);
        let mut again = Converse.decode_request(&bytes).unwrap();
        again.model.clone_from(&request.model);
        prop_assert_eq!(again, request);
    }
}

fn marker() -> impl Strategy<Value = Option<Value>> {
    prop_oneof![
        3 => Just(None),
        1 => Just(Some(json!({"type": "ephemeral"}))),
        1 => Just(Some(json!({"type": "ephemeral", "ttl": "1h"}))),
    ]
}

fn attachment() -> impl Strategy<Value = PartBody> {
    let bytes =
        |media_type: &str| Media::Base64 { media_type: media_type.into(), data: "AAAA".into(), detail: None };
    prop_oneof![
        Just(PartBody::Image(bytes("image/webp"))),
        Just(PartBody::Image(Media::Url { url: "s3://bucket/a.png".into(), detail: None })),
        Just(PartBody::Audio(bytes("audio/mpeg"))),
        Just(PartBody::Video(bytes("video/3gpp"))),
        Just(PartBody::Document { media: bytes("application/pdf"), name: Some("a b".into()) }),
    ]
}

fn user_part() -> impl Strategy<Value = Part> {
    let result = ("[a-z0-9]{1,9}", text(), attachment(), any::<bool>()).prop_filter_map(
        "no sound in results",
        |(id, text, attachment, is_error)| {
            let is_sound = matches!(attachment, PartBody::Audio(_));
            let parts = vec![Part::text(text), attachment.into()];
            (!is_sound).then_some(PartBody::ToolResult { id, parts, is_error })
        },
    );
    let own = json!({"guardContent": {"text": {"text": "x"}}});
    prop_oneof![
        3 => (text().prop_map(PartBody::Text), marker()),
        2 => (attachment(), marker()),
        2 => (result, marker()),
        1 => (Just(PartBody::Opaque { format: Format::Converse, value: own }), Just(None)),
    ]
    .prop_map(|(body, cache_control)| Part { cache_control, ..body.into() })
}

fn message() -> impl Strategy<Value = Message> {
    let assistant = prop_oneof![text().prop_map(Part::text), thinking(own_signature()), call()];
    prop_oneof![
        prop::collection::vec(user_part(), 1..4).prop_map(|parts| Message::new(Role::User, parts)),
        prop::collection::vec(assistant, 1..4).prop_map(|parts| Message::new(Role::Assistant, parts)),
    ]
}

fn tools() -> impl Strategy<Value = (Vec<Tool>, Option<ToolChoice>)> {
    let tool =
        ("[a-z_]{1,9}", prop::option::of("[a-z ]{0,5}[a-z]"), prop::option::of(any::<bool>()), marker())
            .prop_map(|(name, description, strict, cache_control)| Tool {
                name,
                description,
                parameters: Some(json!({"type": "object", "properties": {"a": {"type": "string"}}})),
                strict,
                cache_control,
                ..Tool::default()
            });
    let own = Tool { opaque: Some(json!({"systemTool": {"name": "nova_grounding"}})), ..Tool::default() };
    let choice = prop_oneof![
        Just(None),
        Just(Some(ToolChoice::Auto)),
        Just(Some(ToolChoice::Required)),
        "[a-z_]{1,9}".prop_map(|name| Some(ToolChoice::Named(name))),
    ];
    prop_oneof![
        Just((Vec::new(), None)),
        (prop::collection::vec(prop_oneof![3 => tool, 1 => Just(own)], 1..4), choice),
    ]
}

fn reasoning() -> impl Strategy<Value = Option<Reasoning>> {
    prop_oneof![
        Just(None),
        Just(Some(Reasoning::Off)),
        (1024u64..9999).prop_map(|budget| Some(Reasoning::Budget(budget))),
        Just(Some(Reasoning::Adaptive(None))),
        Just(Some(Reasoning::Adaptive(Some("max".into())))),
        Just(Some(Reasoning::Effort("low".into()))),
    ]
}

fn request() -> impl Strategy<Value = Request> {
    let format = || {
        let schema = json!({"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}});
        let (name, description) = ("answer".to_owned(), Some("A number.".to_owned()));
        ResponseFormat::JsonSchema { name, schema, strict: None, description }
    };
    let sampling = (
        prop::option::of(0u64..99),
        prop::option::of((0u32..=8).prop_map(|eighths| f64::from(eighths) / 8.0)),
        prop::option::of(0u64..99),
        prop::collection::vec(text(), 0..3),
    );
    let more = (any::<bool>(), prop::option::of(Just("flex".to_owned())), any::<bool>(), any::<bool>());
    let system = prop::collection::vec((text(), marker()), 0..3);
    (system, prop::collection::vec(message(), 0..5), tools(), reasoning(), sampling, more).prop_map(
        move |(system, messages, (tools, tool_choice), reasoning, sampling, more)| {
            let (max_tokens, temperature, top_k, stop) = sampling;
            let (has_format, service_tier, has_metadata, has_extra) = more;
            let text = |(text, cache_control)| Part { cache_control, ..Part::text(text) };
            let metadata = || Map::from_iter([("team".to_owned(), json!("a"))]);
            let guardrail = json!({"guardrailIdentifier": "abc", "guardrailVersion": "1"});
            Request {
                model: CLAUDE.into(),
                include_usage: true,
                system: system.into_iter().map(text).collect(),
                messages,
                tools,
                tool_choice,
                max_tokens,
                temperature,
                top_p: temperature,
                top_k,
                stop,
                reasoning,
                response_format: has_format.then(format),
                service_tier,
                metadata: has_metadata.then(metadata),
                extra: Map::from_iter(has_extra.then(|| ("guardrailConfig".to_owned(), guardrail))),
                origin: Some(Format::Converse),
                ..Request::default()
            }
        },
    )
}

#[test]
fn parallel_calls_in_pieces_do_not_mix() {
    let start =
        |index, id: &str| Event::ToolCallStart { index, id: id.into(), name: "f".into(), signature: None };
    let piece = |index, fragment: &str| Event::ToolCallArguments { index, fragment: fragment.into() };
    let mixed = [
        start(0, "a"),
        start(1, "b"),
        piece(1, "{\"n\":"),
        piece(0, "{}"),
        piece(1, "2}"),
        Event::Text("behind".into()),
        Event::Finish(FinishReason::ToolCalls),
    ];
    let answer = collect(decoded(&[&encoded(&mixed)]).unwrap());
    let calls: Vec<(&str, &str)> = answer
        .parts
        .iter()
        .filter_map(|part| match &part.body {
            PartBody::ToolCall(call) => Some((call.id.as_str(), call.arguments.as_str())),
            _ => None,
        })
        .collect();
    assert_eq!(calls, [("a", "{}"), ("b", "{\"n\":2}")]);
}

#[test]
fn an_error_closes_the_stream() {
    let mut encoder = Converse.stream_encoder(reply());
    let mut bytes = Vec::new();
    encoder.push(&Event::Text("half".into()), &mut bytes);
    encoder.error(&ClientError::new(529, "overloaded", "no capacity"), &mut bytes);
    let events = decoded(&[&bytes]).unwrap();
    let Some(Event::Error(error)) = events.last() else { panic!("{events:?}") };
    assert_eq!(
        (error.kind, error.status, error.message.as_str()),
        (ErrorKind::Overloaded, 503, "no capacity")
    );
}

#[test]
fn a_stream_without_a_reason_is_cut() {
    let frame = |event: &str, data: Value| Frame {
        event: Some(event.into()),
        data: data.to_string(),
        raw: Default::default(),
    };
    let mut decoder = Converse.stream_decoder(&claude());
    let mut out = Vec::new();
    decoder.push(&frame("messageStart", json!({"role": "assistant"})), &mut out).unwrap();
    decoder.push(&frame("metadata", json!({"usage": {"inputTokens": 1}})), &mut out).unwrap();
    assert!(!decoder.is_done());
    assert_eq!(decoder.finish(&mut out), Err(Broken::Cut));
}

/// Ledger and body of a plain request with one more member.
fn sent(model: &str, facts: &Facts, change: impl FnOnce(&mut Request)) -> Result<(String, Value), Refused> {
    let mut request = Request {
        messages: vec![Message::new(Role::User, vec![Part::text("hi")])],
        origin: Some(Format::Chat),
        ..Request::default()
    };
    change(&mut request);
    let upstream = Upstream { facts, ..Upstream::new(model, provider::by_name("Bedrock").unwrap()) };
    let mut ledger = Ledger::new(Format::Chat);
    let body = Converse.encode_request(&request, &upstream, &mut ledger)?;
    Ok((ledger.to_string(), serde_json::from_slice(&body).unwrap()))
}

#[test]
fn every_member_has_its_place_or_a_note() {
    type Change = fn(&mut Request);
    const NOVA: &str = "amazon.nova-lite-v1:0";
    const OTHER: &str = "mistral.mistral-large-3-675b-instruct";
    let table: &[(&str, Change, &str, Value)] = &[
        // Model, member, ledger, what it adds to the body.
        (CLAUDE, |it| it.top_k = Some(5), "", json!({"additionalModelRequestFields": {"top_k": 5}})),
        (
            NOVA,
            |it| it.top_k = Some(5),
            "",
            json!({"additionalModelRequestFields": {"inferenceConfig": {"topK": 5}}}),
        ),
        (
            "cohere.command-r-v1:0",
            |it| it.top_k = Some(5),
            "",
            json!({"additionalModelRequestFields": {"k": 5}}),
        ),
        (OTHER, |it| it.top_k = Some(5), "top_k=dropped", json!({})),
        (
            OTHER,
            |it| it.max_tokens = Some(0),
            "max_tokens=clamped",
            json!({"inferenceConfig": {"maxTokens": 1}}),
        ),
        (
            OTHER,
            |it| it.temperature = Some(2.0),
            "temperature=clamped",
            json!({"inferenceConfig": {"temperature": 1.0}}),
        ),
        (OTHER, |it| it.top_p = Some(0.5), "", json!({"inferenceConfig": {"topP": 0.5}})),
        (
            OTHER,
            |it| it.stop = vec!["\n".into(), "".into()],
            "stop=dropped",
            json!({"inferenceConfig": {"stopSequences": ["\n"]}}),
        ),
        (OTHER, |it| it.user = Some("u".into()), "user=dropped", json!({})),
        (OTHER, |it| it.n = Some(2), "n=dropped", json!({})),
        (OTHER, |it| it.n = Some(1), "", json!({})),
        (OTHER, |it| it.seed = Some(7), "seed=dropped", json!({})),
        (OTHER, |it| it.presence_penalty = Some(0.5), "presence_penalty=dropped", json!({})),
        (OTHER, |it| it.frequency_penalty = Some(0.5), "frequency_penalty=dropped", json!({})),
        (OTHER, |it| it.logit_bias = Some(json!({"1": 2})), "logit_bias=dropped", json!({})),
        (OTHER, |it| it.logprobs = Some(true), "logprobs=dropped", json!({})),
        (OTHER, |it| it.top_logprobs = Some(2), "top_logprobs=dropped", json!({})),
        (OTHER, |it| it.verbosity = Some("low".into()), "verbosity=dropped", json!({})),
        (OTHER, |it| it.parallel_tool_calls = Some(false), "parallel_tool_calls=dropped", json!({})),
        (OTHER, |it| it.service_tier = Some("auto".into()), "", json!({})),
        (OTHER, |it| it.service_tier = Some("flex".into()), "", json!({"serviceTier": {"type": "flex"}})),
        (
            OTHER,
            |it| it.service_tier = Some("standard_only".into()),
            "service_tier=emulated",
            json!({"serviceTier": {"type": "default"}}),
        ),
        (OTHER, |it| it.service_tier = Some("scale".into()), "service_tier=dropped", json!({})),
        (
            OTHER,
            |it| it.metadata = json!({"team": "a", "é": 1}).as_object().cloned(),
            "metadata=clamped",
            json!({"requestMetadata": {"team": "a", "_": "1"}}),
        ),
        (
            OTHER,
            |it| it.extra = json!({"store": true, "x": 1}).as_object().cloned().unwrap(),
            "store=dropped, other=dropped",
            json!({}),
        ),
    ];
    let (_, plain) = sent(OTHER, &Facts::UNKNOWN, |_| {}).unwrap();
    for (i, (model, change, ledger, added)) in table.iter().enumerate() {
        let mut wanted = plain.clone();
        wanted.as_object_mut().unwrap().extend(added.as_object().unwrap().clone());
        assert_eq!(sent(model, &Facts::UNKNOWN, change), Ok(((*ledger).to_owned(), wanted)), "row {i}");
    }
}

#[test]
fn what_a_model_cannot_read_is_refused() {
    let facts = Facts { input: Some(Modalities { text: true, ..Modalities::default() }), ..Facts::UNKNOWN };
    let bytes =
        |media_type: &str| Media::Base64 { media_type: media_type.into(), data: "AA==".into(), detail: None };
    for (body, is_refused) in [
        (PartBody::Image(bytes("image/png")), true),
        (PartBody::Audio(bytes("audio/wav")), true),
        (PartBody::Video(bytes("video/mp4")), true),
        // Bedrock reads documents for every model.
        (PartBody::Document { media: bytes("application/pdf"), name: None }, false),
    ] {
        let add = |request: &mut Request| request.messages[0].parts.push(body.clone().into());
        assert_eq!(sent(CLAUDE, &facts, add).is_err(), is_refused, "{body:?}");
        assert!(sent(CLAUDE, &Facts::UNKNOWN, add).is_ok());
    }
}

#[test]
fn a_limit_of_the_model_bounds_the_answer() {
    let facts = Facts { max_output: Some(100), sampling: Some(Sampling::Refused), ..Facts::UNKNOWN };
    let change = |request: &mut Request| {
        request.max_tokens = Some(200);
        request.temperature = Some(1.0);
        request.top_p = Some(0.99);
    };
    let (ledger, body) = sent(CLAUDE, &facts, change).unwrap();
    assert_eq!(ledger, "max_tokens=clamped, top_p=dropped");
    assert_eq!(body["inferenceConfig"], json!({"maxTokens": 100}));
}

#[test]
fn further_answers_stay_out_of_the_first() {
    let mut encoder = Converse.stream_encoder(reply());
    let mut bytes = Vec::new();
    for event in [
        Event::Text("one".into()),
        Event::Choice(1),
        Event::Text("two".into()),
        Event::Finish(FinishReason::Length),
        Event::Usage(Usage { input: Some(1), output: Some(2), ..Usage::default() }),
        Event::Choice(0),
        Event::Text(" and a half".into()),
        Event::Finish(FinishReason::Stop),
    ] {
        encoder.push(&event, &mut bytes);
    }
    encoder.finish(&mut bytes);
    let answer = collect(decoded(&[&bytes]).unwrap());
    assert_eq!(answer.parts, [Part::text("one and a half")]);
    assert_eq!(answer.finish, Some(FinishReason::Stop));
    assert_eq!(answer.usage.output, Some(2));
    assert_eq!(encoder.ledger().to_string(), "choices[]=dropped");
}

#[test]
fn arguments_that_come_too_late_are_noted() {
    let mut encoder = Converse.stream_encoder(reply());
    let mut bytes = Vec::new();
    let start = Event::ToolCallStart { index: 0, id: "a".into(), name: "f".into(), signature: None };
    for event in [
        start,
        Event::Text("between".into()),
        Event::ToolCallArguments { index: 0, fragment: "{}".into() },
        Event::ToolCallArguments { index: 7, fragment: "{}".into() },
    ] {
        encoder.push(&event, &mut bytes);
    }
    assert_eq!(encoder.ledger().to_string(), "choices[].message.tool_calls[].function.arguments=dropped");
}

#[test]
fn empty_blocks_do_not_spoil_an_answer() {
    let body = json!({
        "output": {"message": {"role": "assistant", "content": [
            {}, {"text": null}, {"text": "hi"}, null, {"toolUse": null},
        ]}},
        "stopReason": "end_turn",
    });
    let answer = Converse.decode_response(body.to_string().as_bytes(), &claude()).unwrap().unwrap();
    assert_eq!(answer.parts, [Part::text("hi")]);
}

#[test]
fn claude_gets_no_thinking_without_a_signature() {
    let thinking = ReasoningBlock::Thinking { text: "hm".into(), signature: None };
    let change = |request: &mut Request| {
        request.origin = Some(Format::Converse);
        let parts = vec![PartBody::Reasoning(thinking.clone()).into(), Part::text("yes")];
        request.messages.push(Message::new(Role::Assistant, parts));
    };
    let (ledger, body) = sent(CLAUDE, &Facts::UNKNOWN, change).unwrap();
    assert_eq!(body["messages"][1]["content"], json!([{"text": "yes"}]));
    assert_eq!(ledger, "messages[].reasoning_content=dropped");
    let (ledger, body) = sent("openai.gpt-oss-120b-1:0", &Facts::UNKNOWN, change).unwrap();
    assert_eq!(body["messages"][1]["content"][0]["reasoningContent"]["reasoningText"]["text"], "hm");
    assert_eq!(ledger, "");
}

#[test]
fn a_text_has_the_citations_behind_it_in_its_own_format_alone() {
    let parts =
        vec![Part::text("a"), PartBody::Citation(citation("https://a.example")).into(), Part::text("b")];
    for (origin, want) in [(Format::Converse, "citationsContent"), (Format::Chat, "text")] {
        let change = |request: &mut Request| {
            request.origin = Some(origin);
            request.messages.push(Message::new(Role::Assistant, parts.clone()));
        };
        let (_, body) = sent(CLAUDE, &Facts::UNKNOWN, change).unwrap();
        let content = &body["messages"][1]["content"];
        assert!(content[0].get(want).is_some(), "{content}");
        assert_eq!(content[1], json!({"text": "b"}));
    }
}
