//! What becomes of every field of OpenAI's chat request at each kind of provider, found out by sending it.
//!
//! `parameters/chat.json` has a sample for each field: a request `without` it (or the plainest one) and one `with` it.
//! Both are written for a provider. Where the ledger says something new, that is the field's fate; where the two bodies
//! differ, the field was mapped; where neither is so, it was lost in silence, and the test fails.
//!
//! The result is `docs/parameters.md`; `UPDATE_GENERATED=1 cargo test -p penstock-llm --test parameters` writes it anew.
//! Where OpenAI's schema is at hand, the samples must cover it: `PENSTOCK_SPECS` names its folder, `shared/specs` beside
//! the checkout is the default.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use penstock_llm::{Fate, Format, Ledger, Upstream, catalogue, provider, translate};
use serde_json::{Value, json};

/// Column, provider type, model.
const COLUMNS: &[(&str, &str, &str)] = &[
    ("OpenAI", "OpenAI", "gpt-4o"),
    ("OpenAI, reasoning", "OpenAI", "gpt-5"),
    ("OpenAI, Responses", "OpenAI", "gpt-4.1"),
    ("OpenAI, completions", "OpenAI", "gpt-3.5-turbo-instruct"),
    ("Anthropic", "Anthropic", "claude-sonnet-4-5"),
    ("Gemini 2.5", "Gemini", "gemini-2.5-flash"),
    ("Gemini 3", "Gemini", "gemini-3-pro-preview"),
    ("VertexAI", "VertexAI", "gemini-2.5-pro"),
    ("Bedrock, Claude", "Bedrock", "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"),
    ("Bedrock, Nova", "Bedrock", "amazon.nova-pro-v1:0"),
    ("Cohere", "Cohere", "command-a-03-2025"),
    ("Mistral", "Mistral", "mistral-large-latest"),
    ("DeepSeek", "DeepSeek", "deepseek-chat"),
    ("Qwen", "Qwen", "qwen-plus"),
    ("XAI", "XAI", "grok-4"),
    ("Groq", "Groq", "llama-3.3-70b-versatile"),
    ("OpenRouter", "OpenRouter", "openai/gpt-4o"),
    ("Perplexity", "Perplexity", "sonar"),
    ("Ollama", "Ollama", "llama3.3"),
    ("OpenAICompatible", "OpenAICompatible", "llama-3.3-70b-instruct"),
];

/// Fields that shape the others: without them there is no request to compare with.
const SHAPE: &[&str] =
    &["model", "messages", "messages[].role", "messages[].content[].type", "messages[].tool_calls[].type"];

/// Fields that change nothing that is sent, and why that is no loss.
const OWN: &[(&str, &str)] = &[
    ("stream_options", "the gateway always asks for usage, and tells the client when it wants to hear it"),
    (
        "stream_options.include_usage",
        "the gateway always asks for usage, and tells the client when it wants to hear it",
    ),
    (
        "response_format.json_schema.strict",
        "providers whose native schemas always hold strictly have no such switch",
    ),
    ("stream", "where the provider says it in the URL, the gateway calls that URL"),
];

#[derive(serde::Deserialize)]
struct Sample {
    path: String,
    #[serde(default)]
    without: Value,
    with: Value,
}

fn samples() -> Vec<Sample> {
    serde_json::from_str(include_str!("parameters/chat.json")).unwrap()
}

/// The plainest request, with members replaced.
fn request(members: &Value) -> Value {
    let mut base = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
    for (name, value) in members.as_object().into_iter().flatten() {
        base[name] = value.clone();
    }
    base
}

struct Sent {
    body: Result<Value, String>,
    entries: Vec<(&'static str, Fate)>,
}

fn send(body: &Value, (column, provider, model): (&str, &str, &str)) -> Sent {
    let provider = provider::by_name(provider).unwrap();
    let facts = catalogue::find(&provider.key(), model).unwrap_or_default();
    let upstream = Upstream { facts: &facts, ..Upstream::new(model, provider) };
    let format = match column {
        "OpenAI, Responses" => Format::Responses,
        "OpenAI, completions" => Format::Completions,
        _ => provider.formats(model)[0],
    };
    let request = Format::Chat.dialect().decode_request(body.to_string().as_bytes()).unwrap();
    let mut ledger = Ledger::new(Format::Chat);
    let body = translate::encode_request(&request, format, &upstream, &mut ledger);
    Sent {
        body: body.map(|body| serde_json::from_slice(&body).unwrap()).map_err(|refused| refused.to_string()),
        entries: ledger.entries().iter().map(|entry| (entry.field, entry.fate)).collect(),
    }
}

/// `None`: nothing became of it, and nobody said so.
fn fate(sample: &Sample, column: (&str, &str, &str)) -> Option<&'static str> {
    let without = send(&request(&sample.without), column);
    let with = send(&request(&sample.with), column);
    if with.body.is_err() {
        return Some("refused");
    }
    let news: Vec<Fate> =
        with.entries.iter().filter(|entry| !without.entries.contains(entry)).map(|(_, fate)| *fate).collect();
    for fate in [Fate::Dropped, Fate::Emulated, Fate::Clamped] {
        if news.contains(&fate) {
            return Some(fate.as_str());
        }
    }
    if with.body != without.body {
        return Some("mapped");
    }
    // A field below one that is lost or emulated shares its fate.
    let outer = |field: &str| {
        sample.path == field
            || sample.path.starts_with(&format!("{field}."))
            || sample.path.starts_with(&format!("{field}[]"))
    };
    with.entries.iter().find(|(field, _)| outer(field)).map(|(_, fate)| fate.as_str())
}

#[test]
fn every_field_has_a_fate_and_the_page_shows_it() {
    let mut lost = Vec::new();
    let mut page = String::from(HEAD);
    let names: Vec<&str> = COLUMNS.iter().map(|(name, ..)| *name).collect();
    writeln!(page, "| field | {} |", names.join(" | ")).unwrap();
    writeln!(page, "|---|{}", "---|".repeat(names.len())).unwrap();
    for sample in samples() {
        let own = OWN.iter().find(|(path, _)| *path == sample.path);
        let cells: Vec<&str> = COLUMNS
            .iter()
            .map(|column| {
                fate(&sample, *column).unwrap_or_else(|| {
                    if own.is_none() {
                        lost.push(format!("{} at {}", sample.path, column.0));
                    }
                    "gateway"
                })
            })
            .collect();
        writeln!(page, "| `{}` | {} |", sample.path, cells.join(" | ")).unwrap();
    }
    page.push_str("\n`gateway`: the gateway serves the field itself.\n");
    for (path, why) in OWN {
        writeln!(page, "- `{path}`: {why}.").unwrap();
    }
    assert!(lost.is_empty(), "{} lost in silence:\n{}", lost.len(), lost.join("\n"));
    assert_page("parameters.md", &page);
}

const HEAD: &str = "# What becomes of each request field\n
<!-- Generated: UPDATE_GENERATED=1 cargo test -p penstock-llm --test parameters -->\n
Rows are the fields of OpenAI's chat completions request, and those that Penstock adds. A cell says what becomes of the
field on its way to a model of that provider type, found out by sending it:\n
- **mapped**: it reaches the provider, in the provider's own words;
- **emulated**: the provider has no such field; the same effect is reached by other means;
- **clamped**: the value was moved into what the provider takes;
- **dropped**: the provider has nothing like it; it is left out;
- **refused**: it cannot be left out without changing what the request means, so that the target is passed over.\n
What is emulated, clamped or dropped is named in the header `x-penstock-translation` and counted in
`penstock_translation_total`; of a streamed answer, what it loses itself is in the counter alone. A refusal is counted in
`penstock_targets_skipped_total` and explained in the 400. A route with `parameterPolicy: Strict` passes over a target
that would drop a field, and answers 400 when none is left.\n
Mistral refuses a conversation that ends with the assistant, unless its last message is to be continued, and a user behind
a tool's result. It gets `prefix` and an \"OK\" of the assistant's there, disclosed as `messages=emulated`; its answer then
begins with the message that it continues, other than Claude's, which begins behind it.\n
";

/// Compares a generated page with the committed one.
fn assert_page(name: &str, page: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name);
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        fs::write(&path, page).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == page,
        "docs/{name} has drifted: UPDATE_GENERATED=1 cargo test -p penstock-llm --test parameters"
    );
}

#[test]
fn the_samples_cover_openais_schema() {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/specs");
    let folder = std::env::var_os("PENSTOCK_SPECS").map_or_else(beside, PathBuf::from);
    let Ok(text) = fs::read_to_string(folder.join("openai-openapi.yaml")) else {
        println!("SKIPPED: no OpenAPI document in {} (PENSTOCK_SPECS names its folder)", folder.display());
        return;
    };
    let document: Value = serde_saphyr::from_str(&text).unwrap();
    let schemas = &document["components"]["schemas"];
    let mut paths = BTreeSet::new();
    walk(&schemas["CreateChatCompletionRequest"], schemas, "", &mut Vec::new(), &mut paths);
    assert!(paths.len() > 100, "{} fields found", paths.len());
    let sampled: BTreeSet<String> = samples().into_iter().map(|sample| sample.path).collect();
    let missing: Vec<&String> =
        paths.iter().filter(|path| !sampled.contains(*path) && !SHAPE.contains(&path.as_str())).collect();
    assert!(missing.is_empty(), "no sample of {missing:?}");
    println!(
        "{} fields of OpenAI's schema, {} samples, {} columns",
        paths.len(),
        sampled.len(),
        COLUMNS.len()
    );
}

/// Every member that the schema names, with `[]` for the items of lists.
fn walk<'a>(
    schema: &'a Value,
    schemas: &'a Value,
    path: &str,
    inside: &mut Vec<&'a str>,
    paths: &mut BTreeSet<String>,
) {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap_or_default();
        if !inside.contains(&name) {
            inside.push(name);
            walk(&schemas[name], schemas, path, inside, paths);
            inside.pop();
        }
        return;
    }
    for group in ["allOf", "anyOf", "oneOf"] {
        for one in schema[group].as_array().into_iter().flatten() {
            walk(one, schemas, path, inside, paths);
        }
    }
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        paths.insert(path.clone());
        walk(inner, schemas, &path, inside, paths);
    }
    if schema["items"].is_object() {
        walk(&schema["items"], schemas, &format!("{path}[]"), inside, paths);
    }
}
