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
    // Snowflake gives most answers no finish reason, which the strict types want; none is invented.
    let is_known = |problem: &str| {
        problem.contains("/test_snowflake/")
            && (problem.contains("finish") || problem.contains("reasons to end"))
    };
    let problems = result["problems"].as_array().expect("a list").iter().filter_map(Value::as_str);
    let problems: Vec<&str> = problems.filter(|problem| !is_known(problem)).collect();
    let shown: Vec<_> = problems.iter().take(20).copied().collect();
    assert!(problems.is_empty(), "{} problems, the first:\n{}", problems.len(), shown.join("\n"));
    for (what, format) in
        [("whole", "chat"), ("whole", "messages"), ("streams", "chat"), ("streams", "messages")]
    {
        assert!(result[what][format].as_u64().is_some_and(|count| count > 100), "{result}");
    }
    // The members by which reasoning, its signatures, sources and images travel through OpenAI's format; any other would
    // be a misspelling.
    const OURS: [&str; 4] = [".reasoning_", ".extra_content", ".annotations", ".images"];
    let extra = result["extra"].as_object().expect("counts").keys();
    let unknown: Vec<_> = extra
        .filter(|name| name.starts_with("Ch") && !OURS.iter().any(|member| name.contains(member)))
        .collect();
    assert!(unknown.is_empty(), "members that the SDK does not know: {unknown:?}");
    eprintln!("parsed with the official SDKs' types: {result}");
}
