//! Recorded answers, written again by our encoders, read with the official SDKs' own types.

use penstock_e2e::{python, target_dir, workspace_root};
use serde_json::{Value, json};
use std::process::Command;

#[test]
fn the_sdks_types_accept_every_answer_written_again() {
    // Says itself that it was skipped where there are no recordings.
    if penstock_e2e::conformance::load("openai", "the_sdks_types_accept_every_answer_written_again").is_none()
    {
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("reencoded.jsonl");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args(["test", "--quiet", "-p", "penstock-llm", "--test", "conformance", "--target-dir"])
        .arg(target_dir());
    cargo.args(["--", "--exact", "recorded_exchanges"]).env("PENSTOCK_REENCODED_OUT", &path);
    let output = cargo.current_dir(workspace_root()).output().expect("cargo runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));

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
    // The two members by which reasoning travels through OpenAI's format; any other would be a misspelling.
    let extra = result["extra"].as_object().expect("counts").keys();
    let unknown: Vec<_> =
        extra.filter(|name| name.starts_with("Ch") && !name.contains(".reasoning_")).collect();
    assert!(unknown.is_empty(), "members that the SDK does not know: {unknown:?}");
    eprintln!("parsed with the official SDKs' types: {result}");
}
