//! Recorded answers, written again by our encoders, read with the official SDKs' own types.

use penstock_e2e::process::rust_test;
use penstock_e2e::python;
use serde_json::{Value, json};

#[test]
fn the_sdks_types_accept_every_answer_written_again() {
    // Says itself that it was skipped where there are no recordings.
    if penstock_e2e::conformance::load("openai", "the_sdks_types_accept_every_answer_written_again").is_none()
    {
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("reencoded.jsonl");
    rust_test("penstock-llm", "conformance", "recorded_exchanges", "PENSTOCK_REENCODED_OUT", &path);

    let result: Value = python::run("parse.py", &[], &[], &json!({"path": path}));
    let problems = result["problems"].as_array().expect("a list");
    let shown: Vec<_> = problems.iter().take(20).filter_map(Value::as_str).collect();
    assert!(problems.is_empty(), "{} problems, the first:\n{}", problems.len(), shown.join("\n"));
    for (what, format) in
        [("whole", "chat"), ("whole", "messages"), ("streams", "chat"), ("streams", "messages")]
    {
        assert!(result[what][format].as_u64().is_some_and(|count| count > 100), "{result}");
    }
    // The two members by which reasoning travels through OpenAI's format; any other would be a misspelling.
    let extra = result["extra"].as_object().expect("counts").keys();
    let unknown: Vec<_> =
        extra.filter(|name| name.starts_with("Ch") && !name.contains(".reasoning_")).collect();
    assert!(unknown.is_empty(), "members that the SDK does not know: {unknown:?}");
    eprintln!("parsed with the official SDKs' types: {result}");
}
