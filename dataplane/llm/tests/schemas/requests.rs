//! Requests of clients: every golden fixture's, and those of recorded chat completions and messages.

use std::fs;
use std::path::PathBuf;

use penstock_llm::{Format, Request};
use serde_json::Value;

/// A request, with a name for messages.
pub struct Named {
    pub name: String,
    pub request: Request,
}

/// The folder of a variable, or this one beside the checkout.
pub fn folder(variable: &str, beside: &str) -> PathBuf {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared").join(beside);
    std::env::var_os(variable).map_or_else(beside, PathBuf::from)
}

/// Those of the fixtures; a client's format without a decoder has none.
pub fn of_fixtures(clients: &[Format]) -> Vec<Named> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut out = Vec::new();
    for format in fs::read_dir(root).unwrap() {
        let Ok(entries) = fs::read_dir(format.unwrap().path().join("requests")) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|it| it != "json") {
                continue;
            }
            let fixture: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
            // Those of counts and embeddings have no client's format.
            let Some(client) = fixture.get("client") else { continue };
            let client: Format = serde_json::from_value(client.clone()).unwrap();
            if clients.contains(&client) {
                let request = client.dialect().decode_request(fixture["request"].to_string().as_bytes());
                out.push(Named { name: path.display().to_string(), request: request.unwrap() });
            }
        }
    }
    assert!(out.len() > 50, "{} fixtures", out.len());
    out
}

/// Those of the recordings that can be read.
pub fn of_recordings() -> Vec<Named> {
    let folder = folder("PENSTOCK_CONFORMANCE", "conformance");
    let Ok(entries) = fs::read_dir(&folder) else {
        println!("SKIPPED: no recordings in {} (PENSTOCK_CONFORMANCE names their folder)", folder.display());
        return Vec::new();
    };
    let mut out = Vec::new();
    for entry in entries {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|it| it != "jsonl") {
            continue;
        }
        for line in fs::read_to_string(&path).unwrap().lines() {
            let exchange: Value = serde_json::from_str(line).unwrap();
            let client = match exchange["endpoint"].as_str() {
                Some("chat.completions") => Format::Chat,
                Some("messages") => Format::Messages,
                _ => continue,
            };
            let body = exchange["request_json"].to_string();
            if let Ok(request) = client.dialect().decode_request(body.as_bytes()) {
                out.push(Named { name: exchange["id"].as_str().unwrap().to_owned(), request });
            }
        }
    }
    out
}
