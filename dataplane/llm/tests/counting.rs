//! Counting of tokens: fixtures of `golden/count`, recorded counters, and what holds for every prompt.
//!
//! - `requests/<name>.json`: `{"provider", "format", "model", "request"}`, a client's question in Anthropic's format
//!   (without `provider`: for Anthropic). Snapshot: the ledger and the question to the provider.
//! - `estimates/<name>.json`: `{"client", "request"}`. Snapshot: the estimate.
//!
//! The recordings stay outside the repository, see `embeddings.rs`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use penstock_llm::message::{Media, Message, PartBody, Role};
use penstock_llm::{Broken, Format, Ledger, Request, Upstream, count, provider};
use proptest::prelude::*;
use serde_json::{Value, json};

fn read(format: Format, request: &Value) -> Request {
    format.dialect().decode_request(request.to_string().as_bytes()).unwrap()
}

fn fixtures(kind: &str) -> BTreeMap<String, Value> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/count").join(kind);
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let name = |path: &Path| path.file_stem().unwrap().to_str().unwrap().to_owned();
    paths
        .filter(|path| path.is_file())
        .map(|path| (name(&path), serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap()))
        .collect()
}

fn assert_golden(kind: &str, name: &str, text: &str) {
    insta::with_settings!({
        snapshot_path => format!("golden/count/{kind}/expected"),
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, { insta::assert_snapshot!(name, text) });
}

/// The question to a provider's counter.
fn ask_provider(name: &str, format: Format, request: &Request, model: &str) -> (Value, Ledger) {
    let upstream = Upstream::new(model, provider::by_name(name).unwrap());
    let mut ledger = Ledger::new(Format::Messages);
    let body = count::encode_request(request, format, &upstream, &mut ledger).unwrap();
    (serde_json::from_slice(&body).unwrap(), ledger)
}

/// The question to Anthropic's counter.
fn ask(request: &Request, model: &str) -> (Value, Ledger) {
    ask_provider("Anthropic", Format::Messages, request, model)
}

#[test]
fn requests() {
    for (name, fixture) in fixtures("requests") {
        let request = read(Format::Messages, &fixture["request"]);
        let name_of_provider = fixture["provider"].as_str().unwrap_or("Anthropic");
        let format = fixture["format"].as_str().unwrap_or("Messages");
        let format: Format = serde_json::from_value(format.into()).unwrap();
        let (body, ledger) =
            ask_provider(name_of_provider, format, &request, fixture["model"].as_str().unwrap());
        let body = serde_json::to_string_pretty(&body).unwrap();
        assert_golden("requests", &name, &format!("ledger: {ledger}\n{body}"));
    }
}

#[test]
fn estimates() {
    for (name, fixture) in fixtures("estimates") {
        let client: Format = serde_json::from_value(fixture["client"].clone()).unwrap();
        let estimate = count::estimate(&read(client, &fixture["request"]));
        assert_golden("estimates", &name, &format!("{estimate} tokens"));
    }
}

#[test]
fn answers() {
    for (format, body, tokens) in [
        (Format::Messages, json!({"input_tokens": 14}), 14),
        (Format::Messages, json!({"input_tokens": 0, "context_management": {"original_input_tokens": 3}}), 0),
        (Format::Responses, json!({"object": "response.input_tokens", "input_tokens": 16}), 16),
        (Format::Gemini, json!({"totalTokens": 8, "promptTokensDetails": [{"modality": "TEXT"}]}), 8),
        (Format::Converse, json!({"inputTokens": 11}), 11),
    ] {
        assert_eq!(count::decode_response(body.to_string().as_bytes(), format), Ok(Ok(tokens)), "{body}");
        for bad in ["{}", "[]", "<html>", r#"{"input_tokens":"many","totalTokens":-1,"inputTokens":null}"#] {
            let answer = count::decode_response(bad.as_bytes(), format);
            assert!(matches!(answer, Err(Broken::Malformed(_))), "{bad}");
        }
        let error = br#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#;
        assert_eq!(count::decode_response(error, format).unwrap().unwrap_err().status, 529);
    }
    assert_eq!(count::encode_response(17), br#"{"input_tokens":17}"#);
}

/// What shapes the prompt is asked about; what steers the answer alone is not, and nobody is told about it.
#[test]
fn a_question_has_the_prompt_and_nothing_else() {
    let prompt = json!({
        "model": "claude-sonnet-4-5",
        "system": [{"type": "text", "text": "be brief", "cache_control": {"type": "ephemeral"}}],
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
        "tools": [{"name": "f", "description": "d", "input_schema": {"type": "object"}}],
        "tool_choice": {"type": "tool", "name": "f"},
        "thinking": {"type": "enabled", "budget_tokens": 2048},
        "output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}},
        "mcp_servers": [{"type": "url", "url": "https://x.example", "name": "x"}],
        "context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]},
        "cache_control": {"type": "ephemeral"},
    });
    let mut request = prompt.clone();
    for (name, value) in [
        ("max_tokens", json!(100)),
        ("stream", json!(true)),
        ("temperature", json!(0.1)),
        ("top_p", json!(0.9)),
        ("top_k", json!(5)),
        ("stop_sequences", json!(["x"])),
        ("metadata", json!({"user_id": "u", "more": 1})),
        ("service_tier", json!("auto")),
    ] {
        request[name] = value;
    }
    let (body, ledger) = ask(&read(Format::Messages, &request), "claude-sonnet-4-5");
    assert_eq!(body, prompt);
    assert!(ledger.is_empty(), "{ledger}");
}

/// A chat client's prompt, for rules that ask how long it is.
#[test]
fn a_longer_prompt_has_a_higher_estimate() {
    let base = json!({"model": "m", "messages": [{"role": "user", "content": "Tell me about rivers."}]});
    let of = |change: &dyn Fn(&mut Value)| {
        let mut request = base.clone();
        change(&mut request);
        count::estimate(&read(Format::Chat, &request))
    };
    let least = of(&|_| {});
    let tool = json!({"type": "function", "function": {"name": "f", "description": "Finds a river", "parameters": {"type": "object"}}});
    let image = |detail: &str| json!({"type": "image_url", "image_url": {"url": "https://x.example/a.png", "detail": detail}});
    for (what, estimate) in [
        (
            "system",
            of(&|it| {
                it["messages"].as_array_mut().unwrap().insert(0, json!({"role": "system", "content": "x"}))
            }),
        ),
        ("tools", of(&|it| it["tools"] = json!([tool]))),
        (
            "low image",
            of(&|it| {
                it["messages"][0]["content"] =
                    json!([{"type": "text", "text": "Tell me about rivers."}, image("low")])
            }),
        ),
        (
            "result",
            of(&|it| {
                it["messages"].as_array_mut().unwrap().extend([
            json!({"role": "assistant", "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{\"x\":1}"}}]}),
            json!({"role": "tool", "tool_call_id": "a", "content": "the Rhine"}),
        ])
            }),
        ),
        (
            "schema",
            of(&|it| {
                it["response_format"] =
                    json!({"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}})
            }),
        ),
        ("name", of(&|it| it["messages"][0]["name"] = "Ada".into())),
    ] {
        assert!(estimate > least, "{what}: {estimate} against {least}");
    }
    let high = of(&|it| it["messages"][0]["content"] = json!([image("high")]));
    let low = of(&|it| it["messages"][0]["content"] = json!([image("low")]));
    assert_eq!(high - low, 915);
}

#[test]
fn media_weigh_by_their_size() {
    let base64 = |media_type: &str, bytes: usize| Media::Base64 {
        media_type: media_type.into(),
        data: "A".repeat(bytes / 3 * 4),
        detail: None,
    };
    let away = || Media::Url { url: "https://x.example/a".into(), detail: None };
    let document = |media| PartBody::Document { media, name: None };
    for (body, tokens) in [
        (PartBody::Image(base64("image/png", 3_000)), 1_000),
        (PartBody::Image(away()), 1_000),
        (document(base64("application/pdf", 30_000)), 2_000),
        (document(base64("application/pdf", 300_000)), 16_000),
        (document(base64("text/csv", 3_000)), 750),
        (document(away()), 10_000),
        (PartBody::Audio(base64("audio/wav", 96_000)), 3 * 32),
        (PartBody::Audio(base64("audio/mpeg", 48_000)), 3 * 32),
        (PartBody::Audio(away()), 60 * 32),
        (PartBody::Video(base64("video/mp4", 250_500)), 3 * 300),
        (PartBody::Video(away()), 60 * 300),
    ] {
        let messages = vec![Message::new(Role::User, vec![body.clone().into()])];
        let request = Request { messages, ..Request::default() };
        // A message and the answer's beginning stand around it.
        assert_eq!(count::estimate(&request), tokens + 7, "{body:?}");
    }
}

#[test]
fn recorded_counters() {
    let default = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance");
    let folder = std::env::var_os("PENSTOCK_CONFORMANCE").map_or_else(default, PathBuf::from);
    if !folder.is_dir() {
        println!("SKIPPED: no recordings at {}", folder.display());
        return;
    }
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for file in ["anthropic", "aws-bedrock", "google-ai-studio", "google-vertex", "openai"] {
        for line in fs::read_to_string(folder.join(format!("{file}.jsonl"))).unwrap().lines() {
            let recorded: Value = serde_json::from_str(line).unwrap();
            let (format, member) = match recorded["endpoint"].as_str().unwrap() {
                "messages.count_tokens" => (Format::Messages, "input_tokens"),
                "count-tokens" => (Format::Converse, "inputTokens"),
                "countTokens" => (Format::Gemini, "totalTokens"),
                "responses.input_tokens" => (Format::Responses, "input_tokens"),
                _ => continue,
            };
            let id = recorded["id"].as_str().unwrap();
            let answer = recorded["response_json"].to_string();
            let got = count::decode_response(answer.as_bytes(), format);
            if recorded["status"] != 200 {
                assert!(got.unwrap().is_err(), "{id}");
                continue;
            }
            assert_eq!(got.unwrap().unwrap(), recorded["response_json"][member].as_u64().unwrap(), "{id}");
            *seen.entry(file).or_default() += 1;
            if format == Format::Messages {
                let then = &recorded["request_json"];
                let (now, ledger) = ask(&read(format, then), then["model"].as_str().unwrap());
                for (name, then) in then.as_object().unwrap() {
                    // No tools are written as none, and one text as a text.
                    let is_same = now[name] == *then
                        || (now[name].is_null() && *then == json!([]))
                        || then[0]["text"] == now[name];
                    assert!(is_same, "{id} {name}: {}", now[name]);
                }
                assert!(ledger.is_empty(), "{id} {ledger}");
            }
        }
    }
    println!("{seen:?}");
    assert_eq!(seen.len(), 5);
}

proptest! {
    /// Text is some tokens and no more than its bytes, and two texts weigh about what they do together.
    #[test]
    fn estimates_are_sane(a in any::<String>(), b in any::<String>()) {
        let (left, right, both) = (count::text(&a), count::text(&b), count::text(&format!("{a}{b}")));
        prop_assert_eq!(left == 0, a.is_empty());
        prop_assert!(left <= 3 * a.len() as u64);
        prop_assert!(both <= left + right + 8);
    }
}
