//! Recorded provider traffic and vendors' schemas, which lie beside the repository and not in it.

use crate::replay::{Behaviour, Paced};
use crate::say_skipped;
use crate::workspace::workspace_root;
use base64::Engine;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;

/// One HTTP exchange, as recorded; the members are described in the recordings' own README.
#[derive(Clone, Debug, Deserialize)]
pub struct Exchange {
    pub id: String,
    pub group: String,
    pub provider: String,
    pub endpoint: String,
    pub method: String,
    pub path: String,
    pub model: Option<String>,
    #[serde(default)]
    pub stream: bool,
    /// `wire`, `events` or `sdk`.
    pub fidelity: String,
    /// `both`, or `response` where no request was recorded.
    pub recorded: String,
    #[serde(default)]
    pub request_headers: BTreeMap<String, String>,
    pub request_json: Option<Value>,
    pub request_text: Option<String>,
    pub status: Option<u16>,
    #[serde(default)]
    pub response_headers: BTreeMap<String, String>,
    pub response_json: Option<Value>,
    pub response_text: Option<String>,
    pub response_base64: Option<String>,
    #[serde(default)]
    pub response_events: Vec<Value>,
    #[serde(default)]
    pub features: Vec<String>,
}

impl Exchange {
    pub fn has(&self, feature: &str) -> bool {
        self.features.iter().any(|have| have == feature)
    }

    /// The body of the answer; `None` where only its events or nothing was recorded.
    pub fn response_body(&self) -> Option<Bytes> {
        if let Some(text) = &self.response_text {
            return Some(Bytes::copy_from_slice(text.as_bytes()));
        }
        if let Some(json) = &self.response_json {
            return Some(serde_json::to_vec(json).expect("JSON").into());
        }
        let binary = self.response_base64.as_ref()?;
        Some(base64::engine::general_purpose::STANDARD.decode(binary).expect("base64").into())
    }

    /// Plays the answer: a stream in pieces of `chunk_size` bytes, anything else in one.
    pub fn behaviour(&self, chunk_size: usize) -> Option<Behaviour> {
        // Those that say how the recorded body was framed or packed do not hold for this one.
        const OF_THE_RECORDING: [&str; 4] =
            ["transfer-encoding", "content-encoding", "content-length", "connection"];
        let bytes = self.response_body()?;
        let headers = self.response_headers.iter();
        let headers = headers.filter(|(name, _)| !OF_THE_RECORDING.contains(&name.as_str()));
        Some(Behaviour::RawStream {
            status: self.status.unwrap_or(200),
            headers: headers.map(|(name, value)| (name.clone(), value.clone())).collect(),
            chunk_size: if self.stream { chunk_size } else { bytes.len().max(1) },
            bytes,
            paced: Paced::default(),
        })
    }
}

/// A vendor's own schema; `None`, after saying that `test` was skipped, where it is absent, as with the recordings.
/// `PENSTOCK_SPECS` names the folder of schemas when it is elsewhere.
pub fn spec(file: &str, test: &str) -> Option<PathBuf> {
    let beside = || workspace_root().join("../shared/specs");
    let path = std::env::var_os("PENSTOCK_SPECS").map_or_else(beside, PathBuf::from).join(file);
    if path.is_file() {
        return Some(path);
    }
    say_skipped(test, &format!("no schema at {}", path.display()));
    None
}

/// All recorded exchanges of a provider; `None`, after saying that `test` was skipped, where there
/// are no recordings. `PENSTOCK_CONFORMANCE` names their folder when it is elsewhere.
///
/// Their absence fails nothing, under CI either: they are no part of the repository.
pub fn load(provider: &str, test: &str) -> Option<Vec<Exchange>> {
    let beside = || workspace_root().join("../shared/conformance");
    let dir = std::env::var_os("PENSTOCK_CONFORMANCE").map_or_else(beside, PathBuf::from);
    let Ok(file) = File::open(dir.join(format!("{provider}.jsonl"))) else {
        say_skipped(test, &format!("no recordings of {provider} in {}", dir.display()));
        return None;
    };
    let exchanges = BufReader::new(file).lines().enumerate().map(|(index, line)| {
        let line = line.unwrap_or_else(|error| panic!("{provider}.jsonl: {error}"));
        serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("{provider}.jsonl line {}: {error}", index + 1))
    });
    Some(exchanges.collect())
}
