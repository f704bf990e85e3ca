//! What a proxy remembers of a request, and the support desk of the examples with live requests.

use std::path::{Path, PathBuf};
use std::process::Command;

use penstock_e2e::client::Call;
use penstock_e2e::{Behaviour, Proc, Replay, cargo_bins};
use serde_json::{Value, json};

use crate::gateway::{Gateway, KEY_ONE, SOON, World};
use crate::wire::{Chat, Messages};

fn explain(args: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(&cargo_bins().penstock).arg("explain").args(args).output().expect("penstock");
    let said = if output.stdout.is_empty() { &output.stderr } else { &output.stdout };
    (output.status.code(), String::from_utf8_lossy(said).into_owned())
}

#[test]
fn a_request_is_explained_by_its_id_and_without_its_secrets() {
    let (bad, good) =
        (Replay::start(Behaviour::status(503, "out of order")), Replay::start(Messages.answer("yes")));
    let mut world = World::new();
    world.pool("bad", Chat, &bad.url());
    world.pool("good", Messages, &good.url());
    world.route("bot", &["bad", "good"], json!({}));
    world.route("alone", &["bad"], json!({"retries": {"budgetPercent": 0}}));
    let gateway = Gateway::start(&world);
    let admin = gateway.admin();
    let mut request = Chat.request("bot", false);
    request["messages"][0]["content"] = json!("the secret of the body");
    request["seed"] = json!(7);
    let answer = gateway
        .call(Chat, &request)
        .header("x-request-id", "explain-1")
        .header("x-tier", "value-of-a-header")
        .send()
        .expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.text());
    let (code, text) = explain(&["--proxy", &admin, "--request-id", "explain-1"]);
    assert_eq!(code, Some(0), "{text}");
    for says in [
        "route     default/bot",
        "all  holds <- its rule",
        "1. bad/up/m",
        "asked, server_error after",
        "out of order",
        "2. good/up/m, translation: ",
        "seed=dropped",
        "asked, ok after",
        "answer    200",
    ] {
        assert!(text.contains(says), "{says} in {text}");
    }
    let (_, json) = explain(&["--proxy", &admin, "--request-id", "explain-1", "--json"]);
    for hidden in ["the secret of the body", "value-of-a-header", KEY_ONE] {
        assert!(!json.contains(hidden), "{json}");
    }
    let decision: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(decision["targets"][0]["steps"][0]["result"], "server_error");

    // What failed is remembered too, and the last one is found without an id.
    gateway.ask(Chat, "alone", true).send().expect("an answer");
    let (code, text) = explain(&["--proxy", &admin]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("model alone, streamed") && text.contains("answer    503"), "{text}");

    let (code, text) = explain(&["--proxy", &admin, "--request-id", "nobody"]);
    assert_eq!(code, Some(2));
    assert!(text.contains("no decision of that request id"), "{text}");
    // A model that no route has leaves no trail.
    gateway.ask(Chat, "nobody", false).header("x-request-id", "lost").send().expect("an answer");
    let (code, _) = explain(&["--proxy", &admin, "--request-id", "lost"]);
    assert_eq!(code, Some(2));
}

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/support")
}

#[test]
fn the_support_desk_answers_as_it_is_explained() {
    let (pools, route) = (examples().join("laptop/pools.yaml"), examples().join("route.yaml"));
    let files = ["-f", pools.to_str().expect("UTF-8"), "-f", route.to_str().expect("UTF-8")];
    let listen = ["--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"];
    let up: Vec<&str> = ["up"].iter().chain(&files).chain(&listen).copied().collect();
    let process = Proc::spawn("penstock up", &cargo_bins().penstock, up, [] as [(&str, &str); 0]);
    let line = process.wait_for_line("listening on", SOON);
    let url = line.get(line.find("http://").expect("a URL")..).unwrap_or_default().trim().to_owned();
    for (name, header, rule, target) in [
        ("faq", None, "faq", "economy/qwen/qwen-flash"),
        ("dispute", None, "disputes", "frontier/openai/gpt-4o"),
        ("receipt", None, "receipts", "frontier/anthropic/claude-sonnet-4-5"),
        ("gold", Some(("x-tier", "gold")), "gold", "frontier/anthropic/claude-sonnet-4-5"),
    ] {
        let file = examples().join(format!("requests/{name}.json"));
        let request: Value =
            serde_json::from_str(&std::fs::read_to_string(&file).expect("a request")).expect("JSON");
        let mut call = Call::post(&format!("{url}/v1/chat/completions"), &request);
        if let Some((name, value)) = header {
            call = call.header(name, value);
        }
        let answer = call.send().expect("an answer");
        assert_eq!(
            (answer.status.as_u16(), answer.header("x-penstock-target")),
            (200, target),
            "{}",
            answer.text()
        );

        let header = header.map(|(name, value)| format!("{name}: {value}"));
        let mut args = files.to_vec();
        args.extend(header.iter().flat_map(|header| ["-H", header.as_str()]));
        args.extend(["--json", file.to_str().expect("UTF-8")]);
        let (code, json) = explain(&args);
        assert_eq!(code, Some(0), "{json}");
        let decision: Value = serde_json::from_str(&json).expect("JSON");
        assert_eq!((&decision["rule"], &decision["targets"][0]["target"]), (&json!(rule), &json!(target)));
    }
    // A dispute is answered in the form that was asked for.
    let file = std::fs::read_to_string(examples().join("requests/dispute.json")).expect("a request");
    let request: Value = serde_json::from_str(&file).expect("JSON");
    let answer = Call::post(&format!("{url}/v1/chat/completions"), &request).send().expect("an answer");
    let content = answer.json()["choices"][0]["message"]["content"].as_str().unwrap_or_default().to_owned();
    let form: Value = serde_json::from_str(&content).expect("JSON in the answer");
    assert!(form["refund"].is_boolean(), "{form}");
}
