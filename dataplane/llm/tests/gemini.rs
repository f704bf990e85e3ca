//! Google's format, there and back: what it can carry comes back as it was, however a stream is cut.

use penstock_llm::message::{
    Issuer, Media, Message, Part, PartBody, Reasoning, ReasoningBlock, ResponseFormat, Role, Signature, Tool,
    ToolCall, ToolChoice,
};
use penstock_llm::{
    Dialect, Event, FinishReason, Format, Ledger, Reply, Request, Response, Upstream, Usage, collect,
    provider,
};
use proptest::prelude::*;
use serde_json::{Value, json};

fn dialect() -> &'static dyn Dialect {
    Format::Gemini.dialect()
}

fn upstream() -> Upstream<'static> {
    Upstream::new("gemini-2.5-flash", provider::by_name("Gemini").unwrap())
}

fn reply() -> Reply {
    Reply { request_id: "r".into(), model: "m".into(), created: 5, include_usage: true }
}

fn text() -> impl Strategy<Value = String> {
    "[a-c é€😀{}\"\\\\\n]{1,12}"
}

/// JSON text of an object, as it is written.
fn arguments() -> impl Strategy<Value = String> {
    prop::collection::vec(("[a-z_]{1,6}", text()), 0..3).prop_map(|members| {
        let members: serde_json::Map<String, Value> =
            members.into_iter().map(|(name, value)| (name, value.into())).collect();
        Value::from(members).to_string()
    })
}

fn signature(issuers: &'static [Issuer]) -> impl Strategy<Value = Signature> {
    (prop::sample::select(issuers), "[A-Za-z0-9+/:]{1,20}={0,2}")
        .prop_map(|(issuer, value)| Signature { issuer, value })
}

fn media() -> impl Strategy<Value = Part> {
    ("[a-z]{3}", "[A-Za-z0-9]{4}").prop_map(|(kind, data)| {
        let media_type = format!("image/{kind}");
        PartBody::Image(Media::Base64 { media_type, data, detail: None }).into()
    })
}

fn thinking(text: String, signature: Option<Signature>) -> Part {
    PartBody::Reasoning(ReasoningBlock::Thinking { text, signature }).into()
}

/// What a model says.
fn model_part(issuers: &'static [Issuer]) -> impl Strategy<Value = Part> {
    prop_oneof![
        text().prop_map(Part::text),
        (text(), prop::option::of(signature(issuers))).prop_map(|(text, signed)| thinking(text, signed)),
        signature(issuers).prop_map(|signed| thinking(String::new(), Some(signed))),
        media(),
        ("[a-z]{1,5}", arguments(), prop::option::of(signature(issuers))).prop_map(
            |(name, arguments, signature)| {
                let call = ToolCall { id: String::new(), name, arguments, signature };
                PartBody::ToolCall(call).into()
            }
        ),
    ]
}

/// Pieces of one text are one, and a signature behind a thought is the thought's.
fn is_apart(before: &Part, after: &Part) -> bool {
    let is_text = |part: &Part| matches!(part.body, PartBody::Text(_));
    let is_open = |part: &Part| {
        matches!(part.body, PartBody::Reasoning(ReasoningBlock::Thinking { signature: None, .. }))
    };
    let is_reasoning = |part: &Part| matches!(part.body, PartBody::Reasoning(_));
    !(is_text(before) && is_text(after) || is_open(before) && is_reasoning(after))
}

fn model_parts(issuers: &'static [Issuer]) -> impl Strategy<Value = Vec<Part>> {
    prop::collection::vec(model_part(issuers), 1..6).prop_map(|parts| {
        let mut out: Vec<Part> = Vec::new();
        for mut part in parts {
            if out.last().is_none_or(|last| is_apart(last, &part)) {
                if let PartBody::ToolCall(call) = &mut part.body {
                    call.id = format!("id{}", out.len());
                }
                out.push(part);
            }
        }
        out
    })
}

/// A turn: what the user says, what the model says, and the results that its calls get.
fn turn() -> impl Strategy<Value = Vec<Message>> {
    let user = prop::collection::vec(prop_oneof![text().prop_map(Part::text), media()], 1..3);
    (user, model_parts(&[Issuer::Gemini]), text(), any::<bool>()).prop_map(|(user, said, result, fails)| {
        let results: Vec<Part> = said
            .iter()
            .filter_map(|part| match &part.body {
                PartBody::ToolCall(call) => {
                    // An object is a result by itself, any other text is wrapped; both come back.
                    let text = if fails { result.clone() } else { json!({"r": result}).to_string() };
                    let parts = vec![Part::text(text)];
                    Some(PartBody::ToolResult { id: call.id.clone(), parts, is_error: fails }.into())
                }
                _ => None,
            })
            .collect();
        let mut out = vec![Message::new(Role::User, user), Message::new(Role::Assistant, said)];
        if !results.is_empty() {
            out.push(Message::new(Role::User, results));
        }
        out
    })
}

fn request() -> impl Strategy<Value = Request> {
    let schema = json!({"type": "object", "properties": {"a": {"type": ["string", "null"]}}});
    let tool = Tool {
        name: "f".into(),
        description: Some("F".into()),
        parameters: Some(schema.clone()),
        ..Tool::default()
    };
    let own = Tool { opaque: Some(json!({"googleSearch": {}})), ..Tool::default() };
    let formats = [
        None,
        Some(ResponseFormat::JsonObject),
        Some(ResponseFormat::JsonSchema { name: "answer".into(), schema, strict: None, description: None }),
    ];
    let reasonings = [
        None,
        Some(Reasoning::Off),
        Some(Reasoning::On),
        Some(Reasoning::Adaptive(None)),
        Some(Reasoning::Budget(77)),
        Some(Reasoning::Effort("low".into())),
    ];
    let choices =
        [None, Some(ToolChoice::Auto), Some(ToolChoice::Required), Some(ToolChoice::Named("f".into()))];
    let extras =
        [json!({}), json!({"safetySettings": [{"category": "X"}], "generationConfig": {"imageConfig": {}}})];
    (
        prop::collection::vec(turn(), 1..4),
        prop::collection::vec(text().prop_map(Part::text), 0..3),
        prop::sample::select(vec![vec![], vec![tool.clone()], vec![own.clone(), tool], vec![own]]),
        prop::sample::select(choices.to_vec()),
        prop::sample::select(formats.to_vec()),
        prop::sample::select(reasonings.to_vec()),
        prop::sample::select(extras.to_vec()),
        (
            prop::option::of(0u64..9),
            prop::option::of(-9i64..9),
            prop::option::of((0u8..8).prop_map(|eighths| f64::from(eighths) / 8.0)),
            any::<bool>(),
        ),
    )
        .prop_map(
            |(turns, system, tools, choice, format, reasoning, extra, (count, seed, number, stream))| {
                let mut ids = 0;
                let mut messages: Vec<Message> = turns.into_iter().flatten().collect();
                // Ids differ from turn to turn.
                for message in &mut messages {
                    ids += usize::from(message.role == Role::Assistant);
                    for part in &mut message.parts {
                        match &mut part.body {
                            PartBody::ToolCall(call) => call.id.push_str(&format!("t{ids}")),
                            PartBody::ToolResult { id, .. } => id.push_str(&format!("t{ids}")),
                            _ => {}
                        }
                    }
                }
                Request {
                    model: "m".into(),
                    stream,
                    include_usage: true,
                    system,
                    messages,
                    tool_choice: choice.filter(|_| !tools.is_empty()),
                    tools,
                    response_format: format,
                    reasoning,
                    max_tokens: count,
                    top_k: count,
                    n: count,
                    seed,
                    temperature: number,
                    presence_penalty: number,
                    stop: vec!["x".into()],
                    logprobs: Some(stream),
                    extra: extra.as_object().unwrap().clone(),
                    origin: Some(Format::Gemini),
                    ..Request::default()
                }
            },
        )
}

fn response() -> impl Strategy<Value = Response> {
    (model_parts(&Issuer::ALL), 0u64..99, prop::option::of(0u64..9), prop::option::of(0u64..9), 0usize..4)
        .prop_map(|(parts, input, cache_read, reasoning, finish)| {
            let has_calls = parts.iter().any(|part| matches!(part.body, PartBody::ToolCall(_)));
            let reasons = [
                FinishReason::Stop,
                FinishReason::Length,
                FinishReason::ContentFilter,
                FinishReason::Other("OTHER".into()),
            ];
            let usage =
                Usage { input: Some(input), cache_read, output: Some(9), reasoning, ..Usage::default() };
            let finish = match &reasons[finish] {
                FinishReason::Stop if has_calls => FinishReason::ToolCalls,
                reason => reason.clone(),
            };
            Response {
                id: Some("id1".into()),
                model: Some("gemini-x".into()),
                parts,
                finish: Some(finish),
                usage,
                ..Response::default()
            }
        })
}

/// The answer as a stream tells it.
fn events(response: &Response) -> Vec<Event> {
    let mut out =
        vec![Event::Start { id: response.id.clone(), model: response.model.clone(), created: None }];
    let mut calls = 0;
    for part in &response.parts {
        match part.body.clone() {
            PartBody::Text(text) => out.extend(text.chars().map(|c| Event::Text(c.into()))),
            PartBody::Reasoning(ReasoningBlock::Thinking { text, signature }) => {
                out.extend(text.chars().map(|c| Event::Reasoning(c.into())));
                out.extend(signature.map(Event::ReasoningSignature));
            }
            PartBody::Image(media) => out.push(Event::Image(media)),
            PartBody::ToolCall(ToolCall { id, name, arguments, signature }) => {
                out.push(Event::ToolCallStart { index: calls, id, name, signature });
                let pieces =
                    arguments.chars().map(|c| Event::ToolCallArguments { index: calls, fragment: c.into() });
                out.extend(pieces);
                calls += 1;
            }
            other => unreachable!("{other:?}"),
        }
    }
    out.push(Event::Usage(response.usage));
    out.extend(response.finish.clone().map(Event::Finish));
    out
}

fn decode(bytes: &[u8], cuts: &[usize]) -> Vec<Event> {
    let mut at: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    at.extend([0, bytes.len()]);
    at.sort_unstable();
    let mut frames = dialect().framing().frames(1 << 20);
    let mut decoder = dialect().stream_decoder(&upstream());
    let mut out = Vec::new();
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_request_comes_back(request in request()) {
        let mut ledger = Ledger::new(Format::Gemini);
        let body = dialect().encode_request(&request, &upstream(), &mut ledger).unwrap();
        let mut body: Value = serde_json::from_slice(&body).unwrap();
        prop_assert!(body.get("model").is_none() && body.get("stream").is_none());
        prop_assert!(ledger.is_empty(), "{}", ledger);
        // What the URL says.
        body["model"] = "m".into();
        body["stream"] = request.stream.into();
        let again = dialect().decode_request(body.to_string().as_bytes()).unwrap();
        prop_assert_eq!(again, request);
    }

    #[test]
    fn an_answer_comes_back(response in response()) {
        let mut ledger = Ledger::new(Format::Gemini);
        let body = dialect().encode_response(&response, &reply(), &mut ledger);
        let again = dialect().decode_response(&body, &upstream()).unwrap().unwrap();
        prop_assert_eq!(again, response);
        prop_assert!(ledger.is_empty());
    }

    #[test]
    fn a_stream_comes_back_however_it_is_cut(
        response in response(),
        cuts in prop::collection::vec(0usize..5000, 0..12),
    ) {
        let mut encoder = dialect().stream_encoder(reply());
        let mut bytes = Vec::new();
        for event in events(&response) {
            encoder.push(&event, &mut bytes);
        }
        encoder.finish(&mut bytes);
        let whole = decode(&bytes, &[]);
        prop_assert_eq!(&decode(&bytes, &cuts), &whole);
        prop_assert_eq!(whole.iter().filter(|event| matches!(event, Event::Finish(_))).count(), 1);
        prop_assert_eq!(collect(whole), response);
        prop_assert!(encoder.ledger().is_empty());
    }
}

/// The listing that Google's own client reads.
#[test]
fn models_are_listed() {
    let body: Value = serde_json::from_slice(&dialect().encode_models(&["a", "b/c"], 5)).unwrap();
    assert_eq!(body["models"][1]["name"], "models/b/c");
    assert_eq!(body["models"][0]["displayName"], "a");
}
