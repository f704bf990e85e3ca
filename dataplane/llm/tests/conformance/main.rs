//! Recorded provider traffic through every decoder and encoder.
//!
//! The recordings stay outside the repository: `PENSTOCK_CONFORMANCE` names their folder, `shared/conformance` beside
//! the checkout is the default, and where neither is there the test says so and passes. With
//! `PENSTOCK_REENCODED_OUT` it writes every answer, encoded again for both kinds of clients, one JSON a line, for a
//! check with the official SDKs.

mod reading;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use penstock_llm::message::{Part, PartBody};
use penstock_llm::{
    Broken, ErrorKind, Event, Fate, Field, Format, Ledger, Reply, Request, Response, Upstream, collect,
    provider, sse,
};
use reading::Reading;
use serde_json::{Value, json};

/// Recordings that no decoder could read, with the reason.
const UNREADABLE: &[&str] = &[
    // The recorder added a quotation mark behind the last chunk.
    "b3cad22ff43c9ca503ba3ec2cf3301e935679652e5512d942d12ae060465d2dd",
    // Text Generation Inference of 2024 put the number of the token where the number of the choice belongs.
    "37613c5925dcb97837331c5f899f63a3e1e94e8f007812df28aca3f4b8e63f2e",
];

/// Formats of the clients that answers are encoded for again.
const CLIENTS: [Format; 2] = [Format::Chat, Format::Messages];

/// Cuts of each stream.
const CUTS: u64 = 5;

#[derive(Default)]
struct Counts {
    exchanges: usize,
    streams: usize,
    cuts: usize,
    requests: usize,
    refused: BTreeMap<String, usize>,
    errors: usize,
    encoded_again: usize,
    with_tools: usize,
}

#[derive(Default)]
struct Run {
    counts: Counts,
    problems: Vec<String>,
    out: Option<fs::File>,
}

#[test]
fn recorded_exchanges() {
    let Some(folder) = folder() else { return };
    let out = std::env::var_os("PENSTOCK_REENCODED_OUT").map(|path| fs::File::create(path).unwrap());
    let mut run = Run { out, ..Run::default() };
    run.file(&folder, "openai", "chat.completions", Format::Chat, &["wire"]);
    run.report("openai chat.completions, wire");
    run.file(&folder, "anthropic", "messages", Format::Messages, &["wire"]);
    run.report("anthropic messages, wire");
    run.file(&folder, "anthropic", "messages", Format::Messages, &["events"]);
    run.report("anthropic messages, events");
}

/// Servers that speak OpenAI's format in their own ways.
#[test]
fn recorded_exchanges_of_compatible_servers() {
    let Some(folder) = folder() else { return };
    let mut run = Run::default();
    let mut files: Vec<String> = fs::read_dir(&folder)
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.strip_suffix(".jsonl").map(str::to_owned))
        .filter(|file| file != "openai")
        .collect();
    files.sort();
    for file in files {
        run.file(&folder, &file, "chat.completions", Format::Chat, &["wire"]);
    }
    run.report("compatible servers chat.completions, wire");
}

/// A provider that speaks it.
fn upstream_of(format: Format) -> Upstream<'static> {
    let name = if format == Format::Messages { "Anthropic" } else { "OpenAICompatible" };
    Upstream::new("model", provider::by_name(name).unwrap())
}

fn folder() -> Option<PathBuf> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance");
    let folder = std::env::var_os("PENSTOCK_CONFORMANCE").map_or_else(beside, PathBuf::from);
    if folder.join("openai.jsonl").exists() {
        return Some(folder);
    }
    println!("SKIPPED: no recordings in {} (PENSTOCK_CONFORMANCE names their folder)", folder.display());
    None
}

impl Run {
    fn file(&mut self, folder: &Path, file: &str, endpoint: &str, format: Format, fidelities: &[&str]) {
        let text = fs::read_to_string(folder.join(format!("{file}.jsonl"))).unwrap();
        for line in text.lines() {
            let exchange: Value = serde_json::from_str(line).unwrap();
            let fidelity = exchange["fidelity"].as_str().unwrap();
            let id = exchange["id"].as_str().unwrap();
            if UNREADABLE.iter().any(|known| id.contains(known)) {
                continue;
            }
            if exchange["endpoint"] == endpoint && fidelities.contains(&fidelity) {
                self.exchange(&exchange, format);
            }
        }
    }

    fn report(&mut self, what: &str) {
        let Counts { exchanges, streams, cuts, requests, refused, errors, encoded_again, with_tools } =
            std::mem::take(&mut self.counts);
        println!(
            "{what}: {exchanges} exchanges, {streams} streams, {cuts} random cuts, {requests} requests decoded, \
             {errors} recorded errors, {with_tools} answers with tool calls, {encoded_again} answers encoded again \
             and read back, refused {refused:?}"
        );
        assert!(exchanges > 0);
        assert!(self.problems.is_empty(), "{} problems:\n{}", self.problems.len(), self.problems.join("\n"));
    }

    fn problem(&mut self, id: &str, what: impl AsRef<str>) {
        let what: String = what.as_ref().chars().take(1500).collect();
        self.problems.push(format!("{id}: {what}"));
    }

    fn exchange(&mut self, exchange: &Value, format: Format) {
        self.counts.exchanges += 1;
        let id = exchange["id"].as_str().unwrap();
        let status = exchange["status"].as_u64().unwrap_or(200).try_into().unwrap();
        // Requests without a model went to an endpoint that serves only one; no route could take them.
        if exchange["request_json"]["model"].is_string() && status != 422 {
            self.request(id, &exchange["request_json"], format);
        }
        if status >= 400 {
            return self.error(id, status, exchange, format);
        }
        let stream = match (&exchange["response_text"], &exchange["response_events"]) {
            (Value::String(text), _) => Some(text.clone()),
            (_, Value::Array(events)) => Some(as_stream(events)),
            _ => None,
        };
        let (answer, wanted) = match stream {
            Some(text) => match self.stream(id, &text, format) {
                Some(answer) => (answer, reading::stream(&text, format)),
                None => return,
            },
            None => match self.whole(id, &exchange["response_json"], format) {
                Some(answer) => (answer, reading::whole(&exchange["response_json"], format)),
                None => return,
            },
        };
        let got = Reading::of(&answer);
        if got != wanted {
            self.problem(id, format!("read {got:?}\nwant {wanted:?}"));
        }
        if !got.calls.is_empty() {
            self.counts.with_tools += 1;
        }
        for client in CLIENTS {
            self.whole_again(id, &answer, client);
        }
    }

    fn request(&mut self, id: &str, body: &Value, format: Format) {
        let request = match format.dialect().decode_request(body.to_string().as_bytes()) {
            Ok(request) => request,
            Err(error) => return self.problem(id, format!("request: {error} ({})", error.param)),
        };
        self.counts.requests += 1;
        for name in ["OpenAI", "OpenAICompatible", "Anthropic"] {
            let provider = provider::by_name(name).unwrap();
            let target = *provider.formats("x").first().unwrap();
            let upstream = Upstream::new(&request.model, provider);
            let mut ledger = Ledger::new(format);
            match target.dialect().encode_request(&request, &upstream, &mut ledger) {
                Ok(bytes) => match target.dialect().decode_request(&bytes) {
                    Ok(again) => self.same_request(id, &request, again, name, target, &ledger),
                    Err(error) => self.problem(id, format!("request again as {target:?}: {error}")),
                },
                // OpenAI itself takes less than other servers of its format do.
                Err(refused) if target != format || name == "OpenAI" => {
                    *self.counts.refused.entry(refused.message).or_default() += 1;
                }
                Err(refused) => self.problem(id, format!("its own format refused it: {refused}")),
            }
        }
    }

    fn same_request(
        &mut self,
        id: &str,
        request: &Request,
        mut again: Request,
        provider: &str,
        target: Format,
        ledger: &Ledger,
    ) {
        // OpenAI's own reasoning models refuse fields; every other target of the same format gets all of them.
        if request.origin == Some(target) && provider != "OpenAI" && ledger.is_empty() {
            again.include_usage = request.include_usage;
            let (before, after) = (without_empty_texts(request.clone()), without_empty_texts(again.clone()));
            if before != after {
                self.problem(id, format!("request changed: {}", difference(&before, &after)));
            }
        }
        let (before, mut after) = (shape(request), shape(&again));
        if request.tools.is_empty() && ledger.has(Field::Tool, Fate::Emulated) {
            // Tools that only the history knows.
            after.2.clear();
        }
        if ledger.has(Field::ResponseFormat, Fate::Emulated) {
            // A tool of ours that stands for the answer.
            after.2.retain(|name| *name != "penstock_json_answer");
        }
        if before != after {
            self.problem(id, format!("calls, results, tools: {before:?}, {after:?}"));
        }
    }

    fn error(&mut self, id: &str, status: u16, exchange: &Value, format: Format) {
        self.counts.errors += 1;
        let body = match &exchange["response_json"] {
            Value::Null => exchange["response_text"].as_str().unwrap_or_default().to_owned(),
            body => body.to_string(),
        };
        let error = format.dialect().decode_error(status, body.as_bytes());
        // Groq blames the client where its model failed.
        let is_models_fault = error.code.as_deref() == Some("tool_use_failed");
        let is_servers_fault = error.kind == ErrorKind::ServerError && !is_models_fault;
        if error.message.is_empty() || (status < 500 && is_servers_fault) {
            self.problem(id, format!("{error:?}"));
        }
    }

    fn whole(&mut self, id: &str, body: &Value, format: Format) -> Option<Response> {
        match format.dialect().decode_response(body.to_string().as_bytes(), &upstream_of(format)) {
            Ok(Ok(response)) => return Some(response),
            Ok(Err(_)) if has_error(body) => self.counts.errors += 1,
            other => self.problem(id, format!("answer: {other:?}: {body}")),
        }
        None
    }

    /// The answer of a stream, the same however it is cut.
    fn stream(&mut self, id: &str, text: &str, format: Format) -> Option<Response> {
        self.counts.streams += 1;
        let events = match decode(&[text.as_bytes()], format) {
            Ok(events) => events,
            Err(error) => {
                self.problem(id, format!("stream: {error}\n{text}"));
                return None;
            }
        };
        for seed in 0..CUTS {
            self.counts.cuts += 1;
            if decode(&cut(text.as_bytes(), seed), format).as_ref() != Ok(&events) {
                self.problem(id, format!("cut {seed} gives other events"));
            }
        }
        if let Some(Event::Error(error)) = events.iter().find(|event| matches!(event, Event::Error(_))) {
            self.counts.errors += 1;
            if !reading::chunks(text).iter().any(has_error) {
                self.problem(id, format!("an error that is not recorded: {error:?}"));
            }
            return None;
        }
        for client in CLIENTS {
            self.stream_again(id, &events, client);
        }
        Some(collect(events))
    }

    fn stream_again(&mut self, id: &str, events: &[Event], client: Format) {
        let mut encoder = client.dialect().stream_encoder(reply());
        let mut out = Vec::new();
        for event in events {
            encoder.push(event, &mut out);
        }
        encoder.finish(&mut out);
        let text = String::from_utf8(out).unwrap();
        self.write(id, client, json!({"stream": true, "sse": text}));
        match decode(&[text.as_bytes()], client) {
            Ok(again) => self.same_answer(id, &collect(events.to_vec()), &collect(again), client),
            Err(error) => self.problem(id, format!("our own {client:?} stream: {error}\n{text}")),
        }
    }

    fn whole_again(&mut self, id: &str, answer: &Response, client: Format) {
        let body = client.dialect().encode_response(answer, &reply(), &mut Ledger::new(client));
        let value: Value = serde_json::from_slice(&body).unwrap();
        self.write(id, client, json!({"stream": false, "body": value}));
        match client.dialect().decode_response(&body, &upstream_of(client)) {
            Ok(Ok(again)) => self.same_answer(id, answer, &again, client),
            other => self.problem(id, format!("our own {client:?} answer: {other:?}")),
        }
    }

    fn same_answer(&mut self, id: &str, answer: &Response, again: &Response, client: Format) {
        self.counts.encoded_again += 1;
        let wanted = Reading::of(answer).seen_by(client);
        let got = Reading::of(again).seen_by(client);
        if got != wanted {
            self.problem(id, format!("to a {client:?} client\nread {got:?}\nwant {wanted:?}"));
        }
        let (before, after) = (thoughts(answer), thoughts(again));
        let is_signed = format!("{before:?}").contains("signature: Some");
        if is_signed && before != after {
            self.problem(id, format!("reasoning changed for a {client:?} client\n{before:?}\n{after:?}"));
        }
    }

    fn write(&mut self, id: &str, client: Format, more: Value) {
        let Some(out) = &mut self.out else { return };
        let name = if client == Format::Chat { "chat" } else { "messages" };
        let mut line = json!({"id": id, "client_format": name});
        line.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        writeln!(out, "{line}").unwrap();
    }
}

/// Beside tool calls, null and an empty text are the same.
fn without_empty_texts(mut request: Request) -> Request {
    for message in &mut request.messages {
        message.parts.retain(|part| !matches!(&part.body, PartBody::Text(text) if text.is_empty()));
    }
    request
}

/// Where two values begin to differ.
fn difference(before: &Request, after: &Request) -> String {
    let (before, after) = (format!("{before:?}"), format!("{after:?}"));
    let same = before.chars().zip(after.chars()).take_while(|(a, b)| a == b).count().saturating_sub(100);
    let around = |text: &str| text.chars().skip(same).take(300).collect::<String>();
    format!("\n  {}\n  {}", around(&before), around(&after))
}

/// Tool calls, tool results, names of tools: what no translation may lose.
fn shape(request: &Request) -> (usize, usize, Vec<&str>) {
    let count = |is: fn(&PartBody) -> bool| {
        let parts = request.messages.iter().flat_map(|message| &message.parts);
        parts.filter(|part| is(&part.body)).count()
    };
    let tools = request.tools.iter().filter(|tool| tool.opaque.is_none());
    (
        count(|body| matches!(body, PartBody::ToolCall(_))),
        count(|body| matches!(body, PartBody::ToolResult { .. })),
        tools.map(|tool| tool.name.as_str()).collect(),
    )
}

fn thoughts(response: &Response) -> Vec<&Part> {
    response.parts.iter().filter(|part| matches!(part.body, PartBody::Reasoning(_))).collect()
}

fn has_error(body: &Value) -> bool {
    !body["error"].is_null() || !body["choices"][0]["error"].is_null() || body["type"] == "error"
}

fn reply() -> Reply {
    Reply { request_id: "req1".into(), model: "asked".into(), created: 1_700_000_000, include_usage: true }
}

fn decode(pieces: &[&[u8]], format: Format) -> Result<Vec<Event>, Broken> {
    let mut parser = sse::Parser::new(sse::Parser::DEFAULT_LIMIT);
    let mut decoder = format.dialect().stream_decoder(&upstream_of(format));
    let mut events = Vec::new();
    for piece in pieces {
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

/// Pieces of random size, most of them small; seed 0 cuts behind every byte.
fn cut(bytes: &[u8], seed: u64) -> Vec<&[u8]> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut pieces = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let most = 1 << (2 * seed + 2);
        let size = if seed == 0 { 1 } else { 1 + usize::try_from((state >> 33) % most).unwrap() };
        let (piece, left) = rest.split_at(size.min(rest.len()));
        pieces.push(piece);
        rest = left;
    }
    pieces
}

/// Some recordings hold several answers, one behind the other: the first counts.
fn as_stream(events: &[Value]) -> String {
    let end =
        events.iter().position(|event| event["type"] == "message_stop").map_or(events.len(), |at| at + 1);
    events[..end].iter().map(|event| format!("data: {event}\n\n")).collect()
}
