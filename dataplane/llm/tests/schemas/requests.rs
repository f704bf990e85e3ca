//! Requests of clients: every golden fixture's, and those that were recorded.

use std::fs;
use std::path::PathBuf;

use penstock_llm::{Format, Request};
use serde_json::Value;

/// A request, with a name for messages.
pub struct Named {
    pub name: String,
    /// As the client wrote it.
    pub body: Value,
    pub request: Request,
    /// The provider that got it when it was recorded, as the recordings call it.
    pub recorded_at: Option<String>,
}

/// The folder of a variable, or this one beside the checkout.
pub fn folder(variable: &str, beside: &str) -> PathBuf {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared").join(beside);
    std::env::var_os(variable).map_or_else(beside, PathBuf::from)
}

/// Those of the fixtures.
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
            let mut fixture: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
            // Those of counts and embeddings have no client's format.
            let Some(client) = fixture.get("client") else { continue };
            let client: Format = serde_json::from_value(client.clone()).unwrap();
            if clients.contains(&client) {
                let body = fixture["request"].take();
                let request = client.dialect().decode_request(body.to_string().as_bytes()).unwrap();
                out.push(Named { name: path.display().to_string(), body, request, recorded_at: None });
            }
        }
    }
    assert!(out.len() > 50, "{} fixtures", out.len());
    out.sort_by(|a, b| a.name.cmp(&b.name));
    out
}

/// Those of the recordings that can be read.
pub fn of_recordings(clients: &[Format]) -> Vec<Named> {
    let folder = folder("PENSTOCK_CONFORMANCE", "conformance");
    let Ok(entries) = fs::read_dir(&folder) else {
        println!("SKIPPED: no recordings in {} (PENSTOCK_CONFORMANCE names their folder)", folder.display());
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let mut out = Vec::new();
    for path in paths {
        if path.extension().is_none_or(|it| it != "jsonl") {
            continue;
        }
        for line in fs::read_to_string(&path).unwrap().lines() {
            let mut exchange: Value = serde_json::from_str(line).unwrap();
            let client = exchange["endpoint"].as_str().and_then(client_of);
            let Some(client) = client.filter(|client| clients.contains(client)) else { continue };
            let body = exchange["request_json"].take();
            if let Ok(request) = client.dialect().decode_request(body.to_string().as_bytes()) {
                out.push(Named {
                    name: exchange["id"].as_str().unwrap().to_owned(),
                    body,
                    request,
                    recorded_at: exchange["provider"].as_str().map(str::to_owned),
                });
            }
        }
    }
    out
}

/// The format of a recorded endpoint whose requests name their model.
fn client_of(endpoint: &str) -> Option<Format> {
    match endpoint {
        "chat.completions" => Some(Format::Chat),
        "messages" => Some(Format::Messages),
        "responses" => Some(Format::Responses),
        "completions" => Some(Format::Completions),
        "cohere:v2/chat" => Some(Format::Cohere),
        "ollama:chat" => Some(Format::Ollama),
        _ => None,
    }
}
