//! Fixtures of our own, and what becomes of each; one folder a dialect, `golden/<format>/`:
//!
//! - `requests/*.json`: a client's request (`client`, `request`), and the `provider` and `model` that it goes to in this
//!   format, with what is known of the model (`facts`); what is sent, and the ledger.
//! - `answers/*.json`: a provider's complete answer in this format (`provider`, `model`, `answer`), read, and written
//!   again for each kind of client.
//! - `streams/*.sse`, `*.ndjson` or `*.events` (an event stream's events, `name: payload` a line): the same for a
//!   streamed answer. A first line `# Provider model` names whose answer it is.
//! - `errors/*.json`: `status` and `body` of an error answer; how it is understood.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use penstock_llm::catalogue::Facts;
use penstock_llm::provider::{self, Provider};
use penstock_llm::{ClientError, Event, Format, Frame, Ledger, Reply, Upstream, translate};
use serde_json::Value;

/// Formats of the clients that answers are written for.
const CLIENTS: [Format; 5] =
    [Format::Chat, Format::Messages, Format::Responses, Format::Gemini, Format::Completions];

fn folder_of(format: Format) -> &'static str {
    match format {
        Format::Chat => "chat",
        Format::Responses => "responses",
        Format::Completions => "completions",
        Format::Messages => "messages",
        Format::Gemini => "gemini",
        Format::Converse => "converse",
        Format::Cohere => "cohere",
        Format::Ollama => "ollama",
    }
}

struct Fixture {
    name: String,
    extension: String,
    text: String,
}

fn fixtures(format: Format, kind: &str) -> Vec<Fixture> {
    let folder = root().join(folder_of(format)).join(kind);
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let part = |path: &Path, part: Option<&std::ffi::OsStr>| {
        part.and_then(|it| it.to_str()).unwrap_or_else(|| panic!("{}", path.display())).to_owned()
    };
    let paths = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    let mut fixtures: Vec<Fixture> = paths
        .map(|path| Fixture {
            name: part(&path, path.file_stem()),
            extension: part(&path, path.extension()),
            text: fs::read_to_string(&path).unwrap(),
        })
        .collect();
    fixtures.sort_by(|a, b| a.name.cmp(&b.name));
    fixtures
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn assert_golden(format: Format, kind: &str, name: &str, text: &str) {
    insta::with_settings!({
        snapshot_path => format!("golden/{}/{kind}/expected", folder_of(format)),
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, { insta::assert_snapshot!(name, text) });
}

fn provider_named(name: &str) -> &'static dyn Provider {
    provider::by_name(name).unwrap_or_else(|| panic!("no provider type {name}"))
}

/// Whose answers a fixture holds that does not say.
fn usual_provider(format: Format) -> &'static dyn Provider {
    match format {
        Format::Chat | Format::Completions => provider_named("OpenAICompatible"),
        _ => provider::REGISTRY
            .iter()
            .copied()
            .find(|provider| provider.formats("x").first() == Some(&format))
            .unwrap_or_else(|| provider_named("OpenAI")),
    }
}

#[test]
fn every_dialect_has_fixtures() {
    for format in Format::ALL {
        for kind in ["requests", "streams"] {
            assert!(!fixtures(format, kind).is_empty(), "golden/{}/{kind}", folder_of(format));
        }
    }
}

#[test]
fn requests() {
    for format in Format::ALL {
        for Fixture { name, text, .. } in fixtures(format, "requests") {
            let fixture: Value = serde_json::from_str(&text).unwrap();
            let client: Format = serde_json::from_value(fixture["client"].clone()).unwrap();
            let provider = provider_named(fixture["provider"].as_str().unwrap());
            let request = client.dialect().decode_request(fixture["request"].to_string().as_bytes()).unwrap();
            let facts: Facts = match &fixture["facts"] {
                Value::Null => Facts::UNKNOWN,
                facts => serde_json::from_value(facts.clone()).unwrap(),
            };
            let model = fixture["model"].as_str().unwrap();
            let upstream = Upstream { facts: &facts, ..Upstream::new(model, provider) };
            let mut ledger = Ledger::new(client);
            let body = match translate::encode_request(&request, format, &upstream, &mut ledger) {
                Ok(body) => {
                    serde_json::to_string_pretty(&serde_json::from_slice::<Value>(&body).unwrap()).unwrap()
                }
                Err(refused) => format!("refused: {refused}"),
            };
            assert_golden(format, "requests", &name, &format!("ledger: {ledger}\n{body}"));
        }
    }
}

/// What is billed apart from usage is shown where it is told: one provider does.
#[test]
fn answers() {
    for format in Format::ALL {
        for Fixture { name, text, .. } in fixtures(format, "answers") {
            let fixture: Value = serde_json::from_str(&text).unwrap();
            let provider =
                fixture["provider"].as_str().map_or_else(|| usual_provider(format), provider_named);
            let upstream = Upstream::new(fixture["model"].as_str().unwrap_or("model"), provider);
            let body = fixture["answer"].to_string();
            let mut out = String::new();
            match format.dialect().decode_response(body.as_bytes(), &upstream) {
                Ok(Ok(response)) => {
                    let shown = format!("{response:#?}").replace("        billed: None,\n", "");
                    writeln!(out, "{shown}").unwrap();
                    for client in CLIENTS {
                        let mut ledger = Ledger::new(client);
                        let bytes = client.dialect().encode_response(&response, &reply(), &mut ledger);
                        let body: Value = serde_json::from_slice(&bytes).unwrap();
                        let body = serde_json::to_string_pretty(&body).unwrap();
                        writeln!(out, "\n--- to a {} client, ledger: {ledger}\n{body}", client.as_str())
                            .unwrap();
                    }
                }
                Ok(Err(error)) => writeln!(out, "error: {error:#?}").unwrap(),
                Err(broken) => writeln!(out, "broken: {broken}").unwrap(),
            }
            assert_golden(format, "answers", &name, &out);
        }
    }
}

#[test]
fn streams() {
    for format in Format::ALL {
        for fixture in fixtures(format, "streams") {
            let (upstream, text) = match fixture.text.strip_prefix("# ").and_then(|it| it.split_once('\n')) {
                Some((head, text)) => {
                    let (provider, model) = head.split_once(' ').unwrap();
                    (Upstream::new(model, provider_named(provider)), text)
                }
                None => (Upstream::new("model", usual_provider(format)), fixture.text.as_str()),
            };
            let mut out = String::new();
            let (events, end) = decode(&frames(format, &fixture.extension, text), format, &upstream);
            for event in &events {
                writeln!(out, "{}", format!("{event:?}").replace(", billed: None", "")).unwrap();
            }
            writeln!(out, "end: {end}").unwrap();
            for client in CLIENTS {
                let (bytes, ledger) = encode(&events, end == "complete", client);
                writeln!(out, "\n--- to a {} client, ledger: {ledger}\n{bytes}", client.as_str()).unwrap();
            }
            assert_golden(format, "streams", &fixture.name, &out);
        }
    }
}

#[test]
fn errors() {
    for format in Format::ALL {
        for Fixture { name, text, .. } in fixtures(format, "errors") {
            let fixture: Value = serde_json::from_str(&text).unwrap();
            let status = fixture["status"].as_u64().unwrap().try_into().unwrap();
            let error = format.dialect().decode_error(status, fixture["body"].to_string().as_bytes());
            assert_golden(format, "errors", &name, &format!("{error:#?}"));
        }
    }
}

fn frames(format: Format, extension: &str, text: &str) -> Vec<Frame> {
    if extension == "events" {
        let lines = text.lines().filter(|line| !line.is_empty());
        return lines
            .map(|line| {
                let (event, data) = line.split_once(": ").unwrap();
                Frame { event: Some(event.to_owned()), data: data.to_owned(), raw: Default::default() }
            })
            .collect();
    }
    let mut frames = format.dialect().framing().frames(16 << 20);
    frames.push(text.as_bytes());
    let mut out = Vec::new();
    while let Some(frame) = frames.next().unwrap() {
        out.push(frame);
    }
    out.extend(frames.finish());
    out
}

fn decode(frames: &[Frame], format: Format, upstream: &Upstream<'_>) -> (Vec<Event>, String) {
    let mut decoder = format.dialect().stream_decoder(upstream);
    let mut events = Vec::new();
    let pushed = frames.iter().try_for_each(|frame| decoder.push(frame, &mut events));
    let end = match pushed.and_then(|()| decoder.finish(&mut events)) {
        Ok(()) => "complete".to_owned(),
        Err(broken) => broken.to_string(),
    };
    (events, end)
}

fn reply() -> Reply {
    Reply { request_id: "req1".into(), model: "asked".into(), created: 5, include_usage: true }
}

fn encode(events: &[Event], is_complete: bool, client: Format) -> (String, Ledger) {
    let mut encoder = client.dialect().stream_encoder(reply());
    let mut bytes = Vec::new();
    let mut error =
        (!is_complete).then(|| ClientError::new(502, "upstream_error", "the provider's answer broke off"));
    for event in events {
        match event {
            Event::Error(upstream) => {
                error = Some(ClientError::new(upstream.status, "upstream_error", &upstream.message))
            }
            event => encoder.push(event, &mut bytes),
        }
    }
    match error {
        Some(error) => encoder.error(&error, &mut bytes),
        None => encoder.finish(&mut bytes),
    }
    (String::from_utf8(bytes).unwrap(), encoder.ledger().clone())
}
