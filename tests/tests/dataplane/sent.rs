//! What is sent to vendors, read with their own types: OpenAI's document, and the Python packages of Anthropic, Cohere
//! and Mistral. `dataplane/llm/tests/schemas/sent.rs` writes the bodies; the scripts say what fits and what is allowed.

use penstock_e2e::process::rust_test;
use penstock_e2e::{conformance, python};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

const DOCUMENT: &str = "openai-openapi.yaml";

/// What is checked, and how many bodies the fixtures alone give at least.
const VENDORS: &[(&str, u64)] = &[
    ("anthropic", 800),
    ("anthropic.count", 40),
    ("cohere", 400),
    ("cohere.embed", 20),
    ("mistralai", 400),
    ("mistralai.embeddings", 20),
];
const SCHEMAS: &[(&str, u64)] = &[
    ("CreateChatCompletionRequest", 500),
    ("CreateResponse", 500),
    ("CreateCompletionRequest", 100),
    ("CreateEmbeddingRequest", 20),
];

#[test]
fn vendors_own_types_take_every_request() {
    const TEST: &str = "vendors_own_types_take_every_request";
    let is_recorded = conformance::load("openai", TEST).is_some();
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("sent.jsonl");
    let test = "sent::requests_to_vendors_that_are_checked_in_python";
    let said = rust_test("penstock-llm", "schemas", test, "PENSTOCK_SENT_OUT", &path);
    let counts = said.lines().find(|line| line.contains("different bodies")).expect("counts");
    eprintln!("{counts}");
    fits(&with_types(&path), VENDORS, is_recorded);
    if let Some(document) = conformance::spec(DOCUMENT, TEST) {
        fits(&with_document(&path, &document), SCHEMAS, is_recorded);
    }
}

/// The checks would find something.
#[test]
fn wrong_requests_are_found() {
    let user = |content: Value| json!([{"role": "user", "content": content}]);
    let hi = user("Hi".into());
    let chat = |more: Value| with(json!({"model": "m", "messages": hi}), more);
    let vendors = [
        ("anthropic", chat(json!({})), "max_tokens", "missing"),
        ("anthropic", chat(json!({"max_tokens": 1, "seed": 1})), "seed", "no such member"),
        (
            "anthropic",
            chat(json!({"max_tokens": 1, "tool_choice": {"type": "required"}})),
            "tool_choice.type",
            "none of",
        ),
        ("anthropic.count", chat(json!({"max_tokens": 1})), "max_tokens", "no such member"),
        ("cohere", chat(json!({"stop": ["a"]})), "stop", "no such member"),
        ("cohere", chat(json!({"tool_choice": "AUTO"})), "tool_choice", "none of"),
        (
            "cohere",
            json!({"model": "m", "messages": user(json!([{"type": "file"}]))}),
            "messages[0].content",
            "none of",
        ),
        ("cohere.embed", json!({"model": "m", "texts": ["a"]}), "input_type", "missing"),
        ("mistralai", chat(json!({"seed": 1})), "seed", "no such member"),
        ("mistralai", chat(json!({"max_tokens": "1"})), "max_tokens", "not a number"),
        (
            "mistralai",
            json!({"model": "m", "messages": [{"role": "user", "content": "a", "name": "b"}]}),
            "messages[0].name",
            "no such member",
        ),
        ("mistralai.embeddings", json!({"model": "m", "input": [1]}), "input[0]", "not a text"),
    ];
    finds("vendor", &vendors, with_types);
    let Some(document) = conformance::spec(DOCUMENT, "wrong_requests_are_found") else { return };
    let input = |items: Value| json!({"model": "m", "input": items});
    let schemas = [
        ("CreateChatCompletionRequest", chat(json!({"top_k": 1})), "top_k", "no schema"),
        ("CreateChatCompletionRequest", chat(json!({"temperature": 3})), "temperature", "greater than"),
        (
            "CreateChatCompletionRequest",
            json!({"model": "m", "messages": user(json!([{"type": "text", "text": "a", "cache_control": {}}]))}),
            "messages[0].content[0].cache_control",
            "no schema",
        ),
        ("CreateChatCompletionRequest", json!({"model": "m"}), "", "'messages' is a required"),
        ("CreateResponse", input(json!([{"role": "tool", "content": "a"}])), "input[0]", ""),
        ("CreateResponse", with(input("a".into()), json!({"max_tokens": 1})), "max_tokens", "no schema"),
        (
            "CreateCompletionRequest",
            json!({"model": "m", "prompt": "a", "messages": []}),
            "messages",
            "no schema",
        ),
        (
            "CreateEmbeddingRequest",
            json!({"model": "m", "input": "a", "input_type": "query"}),
            "input_type",
            "no schema",
        ),
    ];
    finds("schema", &schemas, |path| with_document(path, &document));
}

/// What the client wrote itself, and its own format does not know, is nothing of ours; what its format knows is.
#[test]
fn clients_own_words_are_told_from_ours() {
    let body = json!({"model": "m", "messages": [], "seed": 1, "new": 1});
    let result = check(
        &[json!({
            "id": "x", "vendor": "mistralai", "body": body, "asked": {"as": "openai", "body": body},
        })],
        with_types,
    );
    let problems = result["problems"].as_array().expect("a list");
    assert_eq!(
        (problems.len(), &problems[0]["path"], &result["asked"]),
        (1, &"seed".into(), &1.into()),
        "{result}"
    );
}

fn with_types(path: &Path) -> Value {
    python::run("vendor_types.py", &[], &[], &json!({"path": path}))
}

fn with_document(path: &Path, document: &Path) -> Value {
    python::run("openai_schema.py", &[], &[], &json!({"path": path, "document": document}))
}

#[track_caller]
fn fits(result: &Value, of: &[(&str, u64)], is_recorded: bool) {
    let problems = result["problems"].as_array().expect("a list");
    let shown: Vec<String> = problems.iter().take(20).map(Value::to_string).collect();
    assert!(problems.is_empty(), "{} problems, the first:\n{}", problems.len(), shown.join("\n"));
    for (name, least) in of {
        assert!(result["checked"][name].as_u64().is_some_and(|count| count >= *least), "{name}: {result}");
    }
    // An exception that nothing needs is one too many.
    let allowed = result["allowed"].as_object().expect("counts");
    let unused: Vec<_> = allowed.iter().filter(|(_, count)| **count == 0).map(|(why, _)| why).collect();
    assert!(unused.is_empty() || !is_recorded, "allowed and never seen: {unused:?}");
    eprintln!("read with vendors' own types: {result}");
}

/// Each body has a problem at this place, of which these words are said.
#[track_caller]
fn finds(kind: &str, cases: &[(&str, Value, &str, &str)], run: impl Fn(&Path) -> Value) {
    let lines: Vec<Value> = cases
        .iter()
        .enumerate()
        .map(|(id, (name, body, ..))| json!({"id": id, kind: name, "body": body}))
        .collect();
    let result = check(&lines, run);
    let problems = result["problems"].as_array().expect("a list");
    for (id, (name, body, at, words)) in cases.iter().enumerate() {
        let is_it = |problem: &&Value| {
            let says = |member: &str| problem[member].as_str().expect("a text");
            problem["id"] == id && says("path").starts_with(at) && says("what").contains(words)
        };
        assert!(problems.iter().find(is_it).is_some(), "{name} {body}: {problems:#?}");
    }
}

fn check(lines: &[Value], run: impl Fn(&Path) -> Value) -> Value {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("wrong.jsonl");
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    fs::write(&path, text).expect("written");
    run(&path)
}

fn with(mut body: Value, more: Value) -> Value {
    let members = more.as_object().expect("an object").clone();
    body.as_object_mut().expect("an object").extend(members);
    body
}
