//! `penstock explain` from manifests: the support desk of the examples, and what goes wrong.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn explain(args: &[&str], request: Option<&str>) -> Output {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut command = Command::new(env!("CARGO_BIN_EXE_penstock"));
    command.arg("explain").args(args).current_dir(root).stdin(Stdio::piped());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(request.unwrap_or_default().as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn desk(args: &[&str]) -> Value {
    let files = ["-f", "examples/support/pools.yaml", "-f", "examples/support/route.yaml", "--json"];
    let output = explain(&[&files, args].concat(), None);
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn who(decision: &Value) -> (&str, &str) {
    (decision["rule"].as_str().unwrap(), decision["targets"][0]["target"].as_str().unwrap())
}

#[test]
fn the_support_desk() {
    let request = |name: &str| format!("examples/support/requests/{name}.json");
    let faq = desk(&[&request("faq")]);
    assert_eq!(who(&faq), ("faq", "economy/qwen/qwen-flash"), "the cheapest");
    assert_eq!(faq["strategy"], "LeastCost");
    let cost = |n: usize| faq["targets"][n]["estimatedCost"].as_str().unwrap().parse::<f64>().unwrap();
    assert!(cost(0) < cost(1) && cost(1) < cost(2), "{faq}");
    assert_eq!(who(&desk(&[&request("dispute")])), ("disputes", "frontier/openai/gpt-4o"));
    let receipt = desk(&[&request("receipt")]);
    assert_eq!(who(&receipt), ("receipts", "frontier/anthropic/claude-sonnet-4-5"));
    assert_eq!(receipt["uses"], serde_json::json!(["pdf"]));
    let gold = desk(&["-H", "x-tier: gold", &request("gold")]);
    assert_eq!(who(&gold), ("gold", "frontier/anthropic/claude-sonnet-4-5"));
    // Behind what is written down stand models of its class.
    let last = gold["targets"].as_array().unwrap().last().unwrap();
    assert_eq!(last["equivalent"], true, "{gold}");
}

/// What a stated mix of traffic is expected to cost by the rules of the support desk, beside all of it at the strongest
/// model; at the catalogue's prices and 300 tokens an answer. `--nocapture` prints it.
#[test]
fn the_support_desk_costs_a_part_of_what_the_strongest_model_would() {
    let folder = tempfile::tempdir().unwrap();
    let strongest = folder.path().join("strongest.yaml");
    std::fs::write(
        &strongest,
        "apiVersion: penstock.dev/v1alpha1
kind: ModelRoute
metadata: {name: strongest}
spec:
  models: [{name: support-bot}]
  rules: [{name: all, targets: [{pool: frontier, model: claude-sonnet-4-5}]}]
",
    )
    .unwrap();
    let cost = |decision: &Value| -> f64 {
        decision["targets"][0]["estimatedCost"].as_str().unwrap().parse().unwrap()
    };
    let gold: &[&str] = &["-H", "x-tier: gold"];
    let mix = [
        ("faq", 700.0, &[] as &[&str]),
        ("dispute", 150.0, &[]),
        ("receipt", 100.0, &[]),
        ("gold", 50.0, gold),
    ];
    let (mut by_rules, mut by_strongest) = (0.0, 0.0);
    for (name, requests, headers) in mix {
        let file = format!("examples/support/requests/{name}.json");
        let routed = desk(&[headers, &[file.as_str()]].concat());
        let files = ["-f", "examples/support/pools.yaml", "-f", strongest.to_str().unwrap(), "--json", &file];
        let alone: Value = serde_json::from_slice(&explain(&files, None).stdout).unwrap();
        println!(
            "{requests} of {name}: {} ${:.6}, strongest ${:.6} each",
            who(&routed).1,
            cost(&routed),
            cost(&alone)
        );
        by_rules += requests * cost(&routed);
        by_strongest += requests * cost(&alone);
    }
    println!("1,000 requests: ${by_rules:.2} by rules, ${by_strongest:.2} all at claude-sonnet-4-5");
    assert!(by_rules < by_strongest / 2.0, "{by_rules} {by_strongest}");
}

#[test]
fn what_lacks_an_ability_is_skipped_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("m.yaml");
    std::fs::write(
        &file,
        "apiVersion: penstock.dev/v1alpha1
kind: ProviderPool
metadata: {name: p}
spec:
  providers:
  - {name: sim, type: Simulated, models: [{name: mute, capabilities: {tools: false}}, {name: able}]}
---
apiVersion: penstock.dev/v1alpha1
kind: ModelRoute
metadata: {name: r}
spec:
  models: [{name: bot}]
  rules:
  - {name: all, targets: [{pool: p, model: mute}, {pool: p, model: able, priority: 1}]}
",
    )
    .unwrap();
    let file = file.to_str().unwrap();
    let request = r#"{"model": "bot", "messages": [{"role": "user", "content": "hi"}],
        "tools": [{"type": "function", "function": {"name": "f"}}]}"#;
    let output = explain(&["-f", file], Some(request));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    assert!(text.contains("uses tools"), "{text}");
    let skipped = "skipped (lacks_ability): not tried, another target fits better: the model calls no tools";
    assert!(text.contains(skipped), "{text}");

    // Refused: the message is the client's, and the exit code tells.
    for (request, says) in [
        (r#"{"model": "bto", "messages": []}"#, "404 model_not_found"),
        (r#"{"model": 1}"#, "answer    400"),
        ("{", "answer    400"),
    ] {
        let output = explain(&["-f", file], Some(request));
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains(says), "{text}");
    }
    let elsewhere = explain(&["-f", file, "--endpoint", "/v1/nowhere"], Some("{}"));
    assert!(String::from_utf8(elsewhere.stdout).unwrap().contains("no such endpoint: POST /v1/nowhere"));
}

#[test]
fn wrong_usage_is_told() {
    for (args, says) in [
        (vec!["-f", "no-such-folder"], "no-such-folder: cannot be read"),
        (vec!["-f", "examples/quickstart", "no-such-request.json"], "no-such-request.json: cannot be read"),
        (vec!["-f", "examples/quickstart", "-H", "x-tier"], "write `name: value`"),
        (vec!["--proxy", "http://127.0.0.1:1"], "cannot be reached"),
        (vec!["--proxy", "ftp://x"], "is not http://HOST:PORT"),
        (vec![], "--filename"),
    ] {
        let output = explain(&args, Some("{}"));
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains(says), "{args:?}: {text}");
    }
}

/// What the request was taken for, and how surely: what a threshold is set by.
#[test]
fn an_intent_is_shown_with_its_score() {
    let files = ["-f", "examples/intents/pools.yaml", "-f", "examples/intents/route.yaml"];
    let ask = |text: &str, more: &[&str]| {
        let body = serde_json::json!({"model": "service", "messages": [{"role": "user", "content": text}]});
        let output = explain(&[&files, more].concat(), Some(&body.to_string()));
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let decision = |text: &str| serde_json::from_str::<Value>(&ask(text, &["--json"])).unwrap();
    for (text, rule, target) in [
        ("how can I reset a forgotten password", "faq", "desks/small/sim-small"),
        ("Wie finde ich die Rechnung?", "billing", "desks/books/sim-books"),
        ("パスワードを忘れた", "faq", "desks/small/sim-small"),
    ] {
        let decision = decision(text);
        assert_eq!(who(&decision), (rule, target), "{text}: {decision}");
        assert_eq!(decision["intent"]["name"], rule);
        assert!(decision["intent"]["score"].as_f64().unwrap() >= 0.6, "{decision}");
        assert!(decision["intent"].get("belowThreshold").is_none());
    }
    let unsure = decision("Where is the town?");
    assert_eq!(unsure["rule"], "default", "{unsure}");
    assert_eq!(unsure["intent"]["belowThreshold"], true, "{unsure}");
    assert!(decision("42").get("intent").is_none());
    let text = ask("how can I reset a forgotten password", &[]);
    assert!(text.contains("\nintent    faq, score 0.") && !text.contains("too little"), "{text}");
    assert!(ask("Where is the town?", &[]).contains(", too little for the route\n"));
}
