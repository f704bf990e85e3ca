//! Every provider type has a fixture, `golden/providers/<type in lower case>.json`:
//!
//! - `model`, and as the type needs them `endpoint`, `region`, `project`, `apiVersion`: what a pool would say;
//! - `errors`: answers with an error status, each with the `kind` that it must be understood as.
//!
//! Its snapshot is what becomes of one request that uses everything, `golden/providers/request/everything.json`: where it
//! goes, with which headers, what is sent, and what the ledger says of the rest.

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use penstock_llm::provider::{Auth, Call, Provider, REGISTRY, Site, fill};
use penstock_llm::{Format, Ledger, Upstream, translate};
use serde_json::Value;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/providers")
}

/// Those that speak over a network.
fn providers() -> impl Iterator<Item = &'static dyn Provider> {
    REGISTRY.iter().copied().filter(|provider| !provider.formats("m").is_empty())
}

fn fixture(provider: &dyn Provider) -> Value {
    let path = folder().join(format!("{}.json", provider.key()));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| {
        panic!("{} needs a fixture, see CONTRIBUTING.md: {}: {error}", provider.name(), path.display())
    });
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn every_provider_sends_what_its_snapshot_shows() {
    let request = fs::read(folder().join("request/everything.json")).unwrap();
    let request = Format::Chat.dialect().decode_request(&request).unwrap();
    for provider in providers() {
        let fixture = fixture(provider);
        let text = |name: &str| fixture[name].as_str();
        let (region, project) = (text("region"), text("project"));
        let endpoint = text("endpoint").map(str::to_owned).unwrap_or_else(|| {
            let default = provider.default_endpoint().expect("an endpoint, the type's or the fixture's");
            fill(default, region, project).expect("the region and project that the endpoint names")
        });
        let site = Site { endpoint: &endpoint, region, project, api_version: text("apiVersion") };
        let model = text("model").expect("a model");
        let upstream = Upstream { site, ..Upstream::new(model, provider) };

        let format = provider.format_for(Format::Chat, model).unwrap();
        let mut out = String::new();
        let url = provider.url(&site, model, format, Call::Generate { stream: true }).expect("a URL");
        writeln!(out, "POST {url}").unwrap();
        match provider.auth() {
            Auth::Header { name, prefix } => writeln!(out, "{name}: {prefix}KEY").unwrap(),
            other => writeln!(out, "({other:?})").unwrap(),
        }
        for (name, value) in provider.fixed_headers() {
            writeln!(out, "{name}: {value}").unwrap();
        }
        let mut ledger = Ledger::new(Format::Chat);
        match translate::encode_request(&request, format, &upstream, &mut ledger) {
            Ok(body) => {
                let body: Value = serde_json::from_slice(&body).unwrap();
                writeln!(out, "\n{}", serde_json::to_string_pretty(&body).unwrap()).unwrap();
            }
            Err(refused) => writeln!(out, "\nrefused: {refused}").unwrap(),
        }
        writeln!(out, "\nledger: {ledger}").unwrap();
        insta::with_settings!({
            snapshot_path => "golden/providers/expected",
            prepend_module_to_snapshot => false,
            omit_expression => true,
        }, { insta::assert_snapshot!(provider.key(), out) });
    }
}

#[test]
fn errors_are_understood() {
    for provider in providers() {
        let fixture = fixture(provider);
        let format = provider.formats(fixture["model"].as_str().unwrap())[0];
        for case in fixture["errors"].as_array().map(Vec::as_slice).unwrap_or_default() {
            let status = case["status"].as_u64().unwrap().try_into().unwrap();
            let error = provider.classify(format, status, case["body"].to_string().as_bytes());
            let name = provider.name();
            assert_eq!(format!("{:?}", error.kind), case["kind"].as_str().unwrap(), "{name} {case}");
            assert_eq!(error.status, status, "{name} {case}");
        }
    }
}

/// A fixture of a type that is gone, or misspelt, tests nothing.
#[test]
fn every_fixture_is_of_a_provider() {
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|it| it == "json") {
            let key = path.file_stem().unwrap().to_str().unwrap();
            assert!(providers().any(|provider| provider.key() == key), "{}", path.display());
        }
    }
}
