//! Requests for embeddings: every golden fixture's, and those that were recorded.

use std::fs;
use std::path::PathBuf;

use penstock_llm::embed::{self, EmbedFormat};
use penstock_llm::{Format, Ledger, Upstream, provider};
use serde_json::{Value, json};

use crate::requests::folder;
use crate::sent::{Check, Lines};

const TARGETS: &[(&str, &str, Check)] = &[
    ("OpenAI", "text-embedding-3-small", ("schema", "CreateEmbeddingRequest")),
    ("Mistral", "mistral-embed", ("vendor", "mistralai.embeddings")),
    ("Mistral", "codestral-embed", ("vendor", "mistralai.embeddings")),
    ("Cohere", "embed-v4.0", ("vendor", "cohere.embed")),
    ("Cohere", "embed-english-v3.0", ("vendor", "cohere.embed")),
];

/// How many bodies there are.
pub fn write(lines: &mut Lines) -> usize {
    let mut sent = 0;
    for (name, body) in of_fixtures().into_iter().chain(of_recordings()) {
        let Ok(mut request) = embed::decode_request(body.to_string().as_bytes()) else { continue };
        request.provider_options.clear();
        for (provider, model, check) in TARGETS {
            let upstream = Upstream::new(model, provider::by_name(provider).unwrap());
            let format = upstream.provider.embed_format(model).unwrap();
            let Ok(bytes) =
                embed::encode_request(&request, format, &upstream, &mut Ledger::new(Format::Chat))
            else {
                continue;
            };
            sent += 1;
            let own = if *provider == "OpenAI" { check.1 } else { "openai.embeddings" };
            let asked = (format == EmbedFormat::OpenAI).then(|| json!({"as": own, "body": body}));
            lines.write(*check, &name, &serde_json::from_slice(&bytes).unwrap(), asked);
        }
    }
    assert!(sent > 50, "{sent} embeddings");
    sent
}

fn of_fixtures() -> Vec<(String, Value)> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/embeddings/requests");
    let paths = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path());
    let read = |path: PathBuf| {
        let mut fixture: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        (path.display().to_string(), fixture["request"].take())
    };
    let mut out: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|it| it == "json")).map(read).collect();
    out.sort_by(|a, b| a.0.cmp(&b.0));
    out
}

/// None where there are no recordings: who reads the others says so.
fn of_recordings() -> Vec<(String, Value)> {
    let Ok(entries) = fs::read_dir(folder("PENSTOCK_CONFORMANCE", "conformance")) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let mut out = Vec::new();
    for path in paths.iter().filter(|path| path.extension().is_some_and(|it| it == "jsonl")) {
        for line in fs::read_to_string(path).unwrap().lines() {
            let mut exchange: Value = serde_json::from_str(line).unwrap();
            if exchange["endpoint"] == "embeddings" {
                let body = exchange["request_json"].take();
                out.push((exchange["id"].as_str().unwrap().to_owned(), body));
            }
        }
    }
    out
}
