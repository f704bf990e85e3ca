//! Fixtures of our own, and what becomes of each: `golden/requests/*.json` for every target, `golden/streams/*.sse`
//! for both kinds of clients. The name of a stream begins with the format that it is in.

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use penstock_llm::{ClientError, Event, Format, Ledger, Reply, Upstream, provider, sse};
use serde_json::Value;

fn fixtures(folder: &str) -> Vec<(String, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(folder);
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut fixtures: Vec<_> = paths
        .filter(|path| path.is_file())
        .map(|path| {
            (path.file_stem().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(path).unwrap())
        })
        .collect();
    fixtures.sort();
    assert!(!fixtures.is_empty());
    fixtures
}

fn assert_golden(folder: &str, name: &str, text: &str) {
    insta::with_settings!({
        snapshot_path => format!("golden/{folder}/expected"),
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, { insta::assert_snapshot!(name, text) });
}

#[test]
fn requests() {
    for (name, text) in fixtures("requests") {
        let fixture: Value = serde_json::from_str(&text).unwrap();
        let client: Format = serde_json::from_value(fixture["client"].clone()).unwrap();
        let provider = provider::by_name(fixture["provider"].as_str().unwrap()).unwrap();
        let request = client.dialect().decode_request(fixture["request"].to_string().as_bytes()).unwrap();
        let upstream = Upstream { model: fixture["model"].as_str().unwrap(), provider };
        let mut ledger = Ledger::default();
        let encoded = provider.format().unwrap().dialect().encode_request(&request, &upstream, &mut ledger);
        let body = match encoded {
            Ok(body) => {
                serde_json::to_string_pretty(&serde_json::from_slice::<Value>(&body).unwrap()).unwrap()
            }
            Err(refused) => format!("refused: {refused}"),
        };
        assert_golden("requests", &name, &format!("ledger: {ledger}\n{body}"));
    }
}

#[test]
fn streams() {
    for (name, text) in fixtures("streams") {
        let format = if name.starts_with("chat_") { Format::Chat } else { Format::Messages };
        let mut out = String::new();
        let (events, end) = decode(text.as_bytes(), format);
        for event in &events {
            writeln!(out, "{event:?}").unwrap();
        }
        writeln!(out, "end: {end}").unwrap();
        for client in Format::ALL {
            let (bytes, ledger) = encode(&events, end == "complete", client);
            writeln!(out, "\n--- to a {} client, ledger: {ledger}\n{bytes}", client.as_str()).unwrap();
        }
        assert_golden("streams", &name, &out);
    }
}

fn decode(bytes: &[u8], format: Format) -> (Vec<Event>, String) {
    let mut parser = sse::Parser::new(sse::Parser::DEFAULT_LIMIT);
    let mut decoder = format.dialect().stream_decoder();
    let mut events = Vec::new();
    parser.push(bytes);
    while let Some(frame) = parser.next().unwrap() {
        decoder.push(&frame, &mut events).unwrap();
    }
    let end = match decoder.finish(&mut events) {
        Ok(()) => "complete".to_owned(),
        Err(broken) => broken.to_string(),
    };
    (events, end)
}

fn encode(events: &[Event], is_complete: bool, client: Format) -> (String, Ledger) {
    let reply = Reply { request_id: "req1".into(), model: "asked".into(), created: 5, include_usage: true };
    let mut encoder = client.dialect().stream_encoder(reply);
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
