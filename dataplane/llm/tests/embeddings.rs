//! Embeddings: fixtures of `golden/embeddings`, recorded provider traffic, and what holds for every request.
//!
//! - `requests/<name>.json`: `{"provider", "format", "model", "request"}`, the request as a client of OpenAI's format
//!   writes it. Snapshot: the ledger and the provider's body.
//! - `answers/<name>.json`: `{"format", "request", "answer"}`. Snapshot: the neutral answer and the client's.
//!
//! The recordings stay outside the repository: `PENSTOCK_CONFORMANCE` names their folder, `shared/conformance` beside
//! the checkout is the default, and where neither is there the test says so and passes. `PENSTOCK_EMBEDDINGS_OUT`
//! names a file for every answer, encoded again, one JSON a line, for a check with the official SDK.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use penstock_llm::embed::{
    self, EmbedFormat, EmbedInput, EmbedQuirks, EmbedRequest, EmbedResponse, decode_request, decode_response,
    encode_request, encode_response,
};
use penstock_llm::message::Usage;
use penstock_llm::provider::{Call, Provider, Site};
use penstock_llm::{Broken, Format, Ledger, Reply, Upstream};
use proptest::prelude::*;
use serde_json::{Value, json};

/// A provider type that is a name and quirks: which types there are is tested elsewhere.
#[derive(Debug)]
struct Named {
    name: String,
    quirks: &'static EmbedQuirks,
}

impl Provider for Named {
    fn name(&self) -> &'static str {
        self.name.clone().leak()
    }

    fn otel_name(&self) -> &'static str {
        "named"
    }

    fn docs(&self) -> &'static str {
        ""
    }

    fn formats(&self, _model: &str) -> &'static [Format] {
        &[]
    }

    fn embed_quirks(&self, _model: &str) -> &'static EmbedQuirks {
        self.quirks
    }

    fn url(&self, _site: &Site<'_>, _model: &str, _format: Format, _call: Call) -> Option<String> {
        None
    }
}

fn provider(name: &str) -> &'static dyn Provider {
    let quirks = match name {
        "OpenAI" => &EmbedQuirks::OPENAI,
        "Mistral" => &EmbedQuirks::MISTRAL,
        "NvidiaNim" => &EmbedQuirks::NVIDIA,
        _ => &EmbedQuirks::COMPATIBLE,
    };
    Box::leak(Box::new(Named { name: name.to_owned(), quirks }))
}

fn format_named(name: &str) -> EmbedFormat {
    let format = EmbedFormat::ALL.into_iter().find(|format| format!("{format:?}") == name);
    format.unwrap_or_else(|| panic!("no format {name}"))
}

fn read(request: &Value) -> EmbedRequest {
    decode_request(request.to_string().as_bytes()).unwrap()
}

fn reply() -> Reply {
    Reply { request_id: "r".into(), model: "asked".into(), created: 5, include_usage: false }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/embeddings")
}

fn fixtures(kind: &str) -> BTreeMap<String, Value> {
    let paths = fs::read_dir(root().join(kind)).unwrap().map(|entry| entry.unwrap().path());
    let name = |path: &Path| path.file_stem().unwrap().to_str().unwrap().to_owned();
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        (
            name(&path),
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display())),
        )
    };
    paths.filter(|path| path.is_file()).map(read).collect()
}

fn assert_golden(kind: &str, name: &str, text: &str) {
    insta::with_settings!({
        snapshot_path => format!("golden/embeddings/{kind}/expected"),
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, { insta::assert_snapshot!(name, text) });
}

#[test]
fn requests() {
    for (name, fixture) in fixtures("requests") {
        let text = |member: &str| fixture[member].as_str().unwrap();
        let upstream = Upstream::new(text("model"), provider(text("provider")));
        let mut ledger = Ledger::new(Format::Chat);
        let body = match encode_request(
            &read(&fixture["request"]),
            format_named(text("format")),
            &upstream,
            &mut ledger,
        ) {
            Ok(body) => {
                serde_json::to_string_pretty(&serde_json::from_slice::<Value>(&body).unwrap()).unwrap()
            }
            Err(refused) => format!("refused: {refused}"),
        };
        assert_golden("requests", &name, &format!("ledger: {ledger}\n{body}"));
    }
}

#[test]
fn answers() {
    for (name, fixture) in fixtures("answers") {
        let request = read(&fixture["request"]);
        let body = fixture["answer"].to_string();
        let mut out = String::new();
        match decode_response(body.as_bytes(), format_named(fixture["format"].as_str().unwrap()), &request) {
            Ok(Ok(response)) => {
                let mut ledger = Ledger::new(Format::Chat);
                embed::note_answer(&response, &mut ledger);
                let client = String::from_utf8(encode_response(&response, &request, &reply())).unwrap();
                // What is billed apart from usage is shown where it is told.
                let shown = format!("{response:?}").replace(", billed: None", "");
                writeln!(out, "{shown}\n\n--- to the client, ledger: {ledger}\n{client}").unwrap();
            }
            Ok(Err(error)) => writeln!(out, "error: {error:#?}").unwrap(),
            Err(broken) => writeln!(out, "broken: {broken}").unwrap(),
        }
        assert_golden("answers", &name, &out);
    }
}

#[test]
fn bad_requests_name_the_field() {
    for (body, param) in [
        (json!([]), ""),
        (json!({"input": "x"}), "model"),
        (json!({"model": "m"}), "input"),
        (json!({"model": "m", "input": null}), "input"),
        (json!({"model": "m", "input": {"image": "x"}}), "input"),
        (json!({"model": "m", "input": []}), "input"),
        (json!({"model": "m", "input": ["a", 1]}), "input[1]"),
        (json!({"model": "m", "input": [1, "a"]}), "input[1]"),
        (json!({"model": "m", "input": [1, -1]}), "input[1]"),
        (json!({"model": "m", "input": [[1], []]}), "input[1]"),
        (json!({"model": "m", "input": [[1], [0.5]]}), "input[1][0]"),
        (json!({"model": "m", "input": vec!["x"; 2049]}), "input"),
        (json!({"model": "m", "input": "x", "dimensions": 0}), "dimensions"),
        (json!({"model": "m", "input": "x", "dimensions": "5"}), "dimensions"),
        (json!({"model": "m", "input": "x", "encoding_format": "int8"}), "encoding_format"),
        (json!({"model": "m", "input": "x", "provider_options": {"cohere": 1}}), "provider_options.cohere"),
    ] {
        let error = decode_request(body.to_string().as_bytes()).unwrap_err();
        assert_eq!(error.param, param, "{body}: {error}");
        assert!(error.message.contains(param), "{error}");
    }
    assert!(decode_request(json!({"model": "m", "input": vec!["x"; 2048]}).to_string().as_bytes()).is_ok());
    // The tokens of one text are no list of inputs.
    assert!(decode_request(json!({"model": "m", "input": vec![7; 8000]}).to_string().as_bytes()).is_ok());
}

#[test]
fn more_texts_than_a_provider_takes_are_refused() {
    for (format, model, most) in [
        (EmbedFormat::Gemini, "gemini-embedding-001", 100),
        (EmbedFormat::VertexGemini, "gemini-embedding-001", 100),
        (EmbedFormat::Vertex, "text-embedding-005", 250),
        (EmbedFormat::Cohere, "embed-v4.0", 96),
        (EmbedFormat::BedrockCohere, "cohere.embed-v4:0", 96),
        (EmbedFormat::Titan, "amazon.titan-embed-text-v2:0", 1),
        (EmbedFormat::Nova, "amazon.nova-2-multimodal-embeddings-v1:0", 1),
        (EmbedFormat::Ollama, "nomic-embed-text", 2048),
        (EmbedFormat::OpenAI, "text-embedding-3-small", 2048),
    ] {
        let upstream = Upstream::new(model, provider("X"));
        let encode = |count: usize| {
            let inputs = vec![EmbedInput::Text("x".into()); count];
            let request = EmbedRequest { inputs, ..EmbedRequest::default() };
            encode_request(&request, format, &upstream, &mut Ledger::new(Format::Chat))
        };
        assert!(encode(most).is_ok(), "{format:?}");
        if most < embed::MOST_INPUTS {
            let refused = encode(most + 1).unwrap_err();
            assert_eq!(refused.field, "input");
            assert!(refused.message.contains(&(most + 1).to_string()), "{refused}");
        }
    }
}

/// Each field alone changes what is sent, or is noted, or refused.
#[test]
fn every_field_has_a_fate() {
    let plain = EmbedRequest { inputs: vec![EmbedInput::Text("x".into())], ..EmbedRequest::default() };
    let members = |members: Value| members.as_object().unwrap().clone();
    let with = |change: &dyn Fn(&mut EmbedRequest)| {
        let mut request = plain.clone();
        change(&mut request);
        request
    };
    let changed = [
        with(&|it| it.inputs = vec![EmbedInput::Tokens(vec![5])]),
        with(&|it| it.dimensions = Some(512)),
        with(&|it| it.user = Some("u".into())),
        with(&|it| it.input_type = Some("query".into())),
        with(&|it| it.input_type = Some("nonsense".into())),
        with(&|it| it.provider_options = members(json!({"x": {"new": 1}}))),
        with(&|it| it.extra = members(json!({"truncate": "END"}))),
        with(&|it| it.extra = members(json!({"thinking_mode": true}))),
        with(&|it| it.extra = members(json!({"never seen": 1}))),
    ];
    for format in EmbedFormat::ALL {
        for model in ["text-embedding-3-small", "gemini-embedding-2", "amazon.titan-embed-text-v1"] {
            let upstream = Upstream::new(model, provider("X"));
            let encode = |request: &EmbedRequest| {
                let mut ledger = Ledger::new(Format::Chat);
                encode_request(request, format, &upstream, &mut ledger).map(|body| (body, ledger))
            };
            let usual = encode(&plain).unwrap();
            for request in &changed {
                let fate = encode(request);
                assert!(fate.is_err() || fate.unwrap() != usual, "{format:?} {model} {request:?}");
            }
        }
    }
    // How the client wants its vectors is nothing to a provider whose answer is written anew.
    let base64 = with(&|it| it.base64 = true);
    let response = EmbedResponse { vectors: vec![vec![1.0]], ..EmbedResponse::default() };
    assert_ne!(encode_response(&response, &base64, &reply()), encode_response(&response, &plain, &reply()));
}

/// A number of tokens where the provider says none: an estimate, disclosed, and unknown to whoever counts.
#[test]
fn unknown_usage_is_estimated_for_the_client_alone() {
    let request = read(&json!({"model": "m", "input": ["a few words to count"]}));
    let response = EmbedResponse { vectors: vec![vec![1.0]], ..EmbedResponse::default() };
    let mut ledger = Ledger::new(Format::Chat);
    embed::note_answer(&response, &mut ledger);
    assert_eq!(ledger.to_string(), "usage.prompt_tokens=emulated");
    assert!(!response.usage.is_known());
    let body: Value = serde_json::from_slice(&encode_response(&response, &request, &reply())).unwrap();
    assert_eq!(body["usage"], json!({"prompt_tokens": 5, "total_tokens": 5}));
    let tokens = read(&json!({"model": "m", "input": [[1, 2, 3], [4]]}));
    let body: Value = serde_json::from_slice(&encode_response(&response, &tokens, &reply())).unwrap();
    assert_eq!(body["usage"]["total_tokens"], 4);
}

fn folder() -> Option<PathBuf> {
    let default = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance");
    let folder = std::env::var_os("PENSTOCK_CONFORMANCE").map_or_else(default, PathBuf::from);
    if !folder.is_dir() {
        println!("SKIPPED: no recordings at {}", folder.display());
        return None;
    }
    Some(folder)
}

/// One recorded exchange.
struct Exchange {
    id: String,
    format: EmbedFormat,
    model: String,
    status: u16,
    request: Value,
    answer: Value,
    /// Base64 in it was cut to a stub.
    is_cut: bool,
}

fn exchanges(folder: &Path) -> Vec<Exchange> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
    paths.sort();
    let mut out = Vec::new();
    for path in paths {
        for line in fs::read_to_string(&path).unwrap().lines() {
            let recorded: Value = serde_json::from_str(line).unwrap();
            let model = recorded["model"].as_str().unwrap_or_default().to_owned();
            let format = match recorded["endpoint"].as_str().unwrap_or_default() {
                "embeddings" => EmbedFormat::OpenAI,
                "batchEmbedContents" | "embedContent" => EmbedFormat::Gemini,
                "cohere:v2/embed" => EmbedFormat::Cohere,
                "invoke" if model.contains("titan-embed") => EmbedFormat::Titan,
                "invoke" if model.contains("cohere.embed") => EmbedFormat::BedrockCohere,
                "invoke" if model.contains("nova-2-multimodal-embeddings") => EmbedFormat::Nova,
                _ => continue,
            };
            out.push(Exchange {
                id: recorded["id"].as_str().unwrap().to_owned(),
                format,
                model,
                status: recorded["status"].as_u64().unwrap().try_into().unwrap(),
                request: recorded["request_json"].clone(),
                answer: recorded["response_json"].clone(),
                is_cut: recorded["redactions"]["blobs"].is_u64()
                    && recorded["redactions"]["vectors"].is_null(),
            });
        }
    }
    out
}

/// The vectors and the prompt's tokens, read out of the raw answer by the provider's documentation.
fn raw(exchange: &Exchange) -> (Vec<Value>, Option<u64>) {
    let answer = &exchange.answer;
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let each =
        |value: &Value, member: &str| list(value).iter().map(|it| it[member].clone()).collect::<Vec<_>>();
    match exchange.format {
        EmbedFormat::OpenAI => {
            let usage = &answer["usage"];
            let prompt = usage["prompt_tokens"].as_u64().or_else(|| usage["total_tokens"].as_u64());
            (each(&answer["data"], "embedding"), prompt)
        }
        EmbedFormat::Gemini => {
            (each(&answer["embeddings"], "values"), answer["usageMetadata"]["promptTokenCount"].as_u64())
        }
        EmbedFormat::Cohere => {
            (list(&answer["embeddings"]["float"]), answer["meta"]["billed_units"]["input_tokens"].as_u64())
        }
        EmbedFormat::BedrockCohere if answer["embeddings"].is_array() => (list(&answer["embeddings"]), None),
        EmbedFormat::BedrockCohere => (list(&answer["embeddings"]["float"]), None),
        EmbedFormat::Titan => (vec![answer["embedding"].clone()], answer["inputTextTokenCount"].as_u64()),
        EmbedFormat::Nova => (each(&answer["embeddings"], "embedding"), None),
        format => panic!("{format:?} was not recorded"),
    }
}

/// What a client would have asked for, and the part of the recorded request that has to come out of it again.
fn asked(exchange: &Exchange) -> Option<(Value, Value)> {
    let mut sent = exchange.request.clone();
    let body = sent.as_object_mut()?;
    let mut client = json!({"model": "asked"});
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value.filter(|value| !value.is_null()) {
            client[name] = value;
        }
    };
    match exchange.format {
        EmbedFormat::OpenAI => {
            body.retain(|_, value| !value.is_null() && value != "float");
            if body["input"].is_string() {
                body["input"] = json!([body["input"]]);
            }
            return Some((exchange.request.clone(), sent));
        }
        EmbedFormat::Gemini => {
            let requests = body.get("requests")?.as_array()?.clone();
            let text = |one: &Value| match one["content"]["parts"].as_array()?.as_slice() {
                [part] => part.get("text").cloned(),
                _ => None,
            };
            put("input", requests.iter().map(text).collect::<Option<Value>>());
            put("dimensions", requests[0].get("outputDimensionality").cloned());
            if !exchange.model.starts_with("gemini-embedding-2") {
                put("input_type", requests[0].get("taskType").cloned());
            } else {
                for one in body["requests"].as_array_mut()? {
                    one.as_object_mut()?.remove("taskType");
                }
            }
        }
        EmbedFormat::Cohere | EmbedFormat::BedrockCohere => {
            put("input", body.get("texts").cloned());
            put("dimensions", body.get("output_dimension").cloned());
            put("input_type", body.get("input_type").cloned());
            body.retain(|name, value| {
                !value.is_null() && !["truncate", "max_tokens"].contains(&name.as_str())
            });
        }
        EmbedFormat::Titan => {
            put("input", body.get("inputText").cloned());
            put("dimensions", body.get("dimensions").cloned());
            body.remove("normalize");
        }
        EmbedFormat::Nova => {
            let params = &exchange.request["singleEmbeddingParams"];
            put("input", params["text"].get("value").cloned());
            let is_query = params["embeddingPurpose"] == "GENERIC_RETRIEVAL";
            put("input_type", Some(if is_query { "query" } else { "document" }.into()));
            body.remove("singleEmbeddingParams");
        }
        format => panic!("{format:?} was not recorded"),
    }
    client.get("input").is_some().then_some((client, sent))
}

/// Every member that was sent then is sent now.
fn assert_holds(now: &Value, then: &Value, at: &str) {
    match then {
        Value::Object(members) => {
            members.iter().for_each(|(name, then)| assert_holds(&now[name], then, &format!("{at}.{name}")));
        }
        Value::Array(items) => {
            assert_eq!(now.as_array().map(Vec::len), Some(items.len()), "{at}");
            items.iter().enumerate().for_each(|(i, then)| assert_holds(&now[i], then, &format!("{at}[{i}]")));
        }
        then => assert_eq!(now, then, "{at}"),
    }
}

#[test]
fn recorded_exchanges() {
    let Some(folder) = folder() else { return };
    let mut out = std::env::var_os("PENSTOCK_EMBEDDINGS_OUT").map(|path| fs::File::create(path).unwrap());
    let mut seen: BTreeMap<String, [usize; 4]> = BTreeMap::new();
    for exchange in exchanges(&folder) {
        let id = &exchange.id;
        let [answers, errors, stubs, requests] = seen.entry(format!("{:?}", exchange.format)).or_default();
        let body = exchange.answer.to_string();
        let asked = asked(&exchange);
        if let Some((client, then)) = &asked {
            let request = read(client);
            let upstream = Upstream::new(&exchange.model, provider("X"));
            let mut ledger = Ledger::new(Format::Chat);
            let now = encode_request(&request, exchange.format, &upstream, &mut ledger).unwrap();
            assert_holds(&serde_json::from_slice(&now).unwrap(), then, id);
            *requests += 1;
        }
        if exchange.status != 200 {
            let error = exchange.format.errors().dialect().decode_error(exchange.status, body.as_bytes());
            assert_eq!(error.status, exchange.status, "{id}");
            assert!(!error.message.is_empty(), "{id}");
            *errors += 1;
            continue;
        }
        let (vectors, prompt) = raw(&exchange);
        assert!(!vectors.is_empty(), "{id}");
        if exchange.format == EmbedFormat::OpenAI {
            assert_eq!(embed::read_usage(body.as_bytes()).prompt(), prompt, "{id}");
            let passed = embed::pass(body.as_bytes(), b"{}").unwrap().unwrap();
            assert_eq!((passed.usage.prompt(), passed.rewritten), (prompt, None), "{id}");
        }
        if exchange.is_cut {
            *stubs += 1;
            continue;
        }
        // Vectors of recordings are shortened, so that none has the size that was asked for.
        let inputs = vec![EmbedInput::Text("x".into()); vectors.len()];
        let mut request = EmbedRequest { inputs, ..EmbedRequest::default() };
        let response = decode_response(body.as_bytes(), exchange.format, &request).unwrap().unwrap();
        assert_eq!(response.usage.prompt(), prompt, "{id}");
        let want: Vec<Vec<f32>> = vectors
            .iter()
            .map(|vector| vector.as_array().unwrap().iter().map(|it| it.as_f64().unwrap() as f32).collect())
            .collect();
        assert_eq!(response.vectors, want, "{id}");
        for base64 in [false, true] {
            request.base64 = base64;
            let client = encode_response(&response, &request, &reply());
            let again = decode_response(&client, EmbedFormat::OpenAI, &request).unwrap().unwrap();
            assert_eq!(again.vectors, response.vectors, "{id}");
            if let Some(out) = &mut out {
                let client: Value = serde_json::from_slice(&client).unwrap();
                writeln!(out, "{}", json!({"id": id, "base64": base64, "answer": client, "vectors": want}))
                    .unwrap();
            }
        }
        *answers += 1;
    }
    for (format, [answers, errors, stubs, requests]) in &seen {
        println!(
            "{format}: {answers} answers, {stubs} with base64 cut, {errors} errors, {requests} requests"
        );
    }
    assert!(seen.len() >= 6, "{seen:?}");
}

fn a_request() -> impl Strategy<Value = EmbedRequest> {
    let text = "[ -~é語]{0,12}".prop_map(EmbedInput::Text);
    let tokens = prop::collection::vec(any::<u64>(), 1..5).prop_map(EmbedInput::Tokens);
    (
        prop_oneof![prop::collection::vec(text, 1..5), prop::collection::vec(tokens, 1..5),],
        prop::option::of(1u64..5000),
        any::<bool>(),
        prop::option::of("[a-z]{1,5}"),
        prop::option::of("[a-z_]{1,5}"),
    )
        .prop_map(|(inputs, dimensions, base64, user, input_type)| EmbedRequest {
            model: "m".into(),
            inputs,
            dimensions,
            base64,
            user,
            input_type,
            provider_options: Default::default(),
            extra: json!({"new": [1, null]}).as_object().unwrap().clone(),
        })
}

fn json_like() -> impl Strategy<Value = Value> {
    const KEYS: &[&str] = &[
        "data",
        "embedding",
        "embeddings",
        "values",
        "float",
        "index",
        "usage",
        "prompt_tokens",
        "total_tokens",
        "model",
        "predictions",
        "statistics",
        "token_count",
        "usageMetadata",
        "promptTokenCount",
        "meta",
        "tokens",
        "billed_units",
        "input_tokens",
        "inputTextTokenCount",
        "prompt_eval_count",
        "error",
        "message",
        "code",
        "input",
        "dimensions",
        "encoding_format",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        Just(json!(u64::MAX)),
        Just(json!("AACAPw==")),
        Just(json!("é")),
    ];
    leaf.prop_recursive(6, 60, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((prop::sample::select(KEYS), inner), 0..6).prop_map(|members| members
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value))
                .collect()),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_request_survives_openai_s_format(request in a_request()) {
        let upstream = Upstream::new("m", provider("X"));
        let mut ledger = Ledger::new(Format::Chat);
        let body = encode_request(&request, EmbedFormat::OpenAI, &upstream, &mut ledger).unwrap();
        prop_assert!(ledger.is_empty());
        prop_assert_eq!(decode_request(&body).unwrap(), request);
    }

    #[test]
    fn an_answer_survives_openai_s_format(
        vectors in prop::collection::vec(prop::collection::vec(-1e30f32..1e30, 1..9), 1..5),
        prompt in any::<u64>(),
        base64 in any::<bool>(),
    ) {
        let inputs = vec![EmbedInput::Text("x".into()); vectors.len()];
        let request = EmbedRequest { inputs, base64, ..EmbedRequest::default() };
        let usage = Usage { input: Some(prompt), output: Some(0), ..Usage::default() };
        let response = EmbedResponse { model: Some("m".into()), vectors, usage };
        let body = encode_response(&response, &request, &reply());
        prop_assert_eq!(decode_response(&body, EmbedFormat::OpenAI, &request).unwrap().unwrap(), response);
        // An answer with the wrong number of vectors is none.
        let more = EmbedRequest { inputs: vec![EmbedInput::Text("x".into()); 9], ..request };
        prop_assert!(matches!(decode_response(&body, EmbedFormat::OpenAI, &more), Err(Broken::Malformed(_))));
    }

    #[test]
    fn no_body_panics(body in json_like()) {
        let bytes = body.to_string();
        let request = EmbedRequest { inputs: vec![EmbedInput::Text("x".into())], ..EmbedRequest::default() };
        for format in EmbedFormat::ALL {
            if let Ok(Ok(response)) = decode_response(bytes.as_bytes(), format, &request) {
                encode_response(&response, &request, &reply());
            }
        }
        embed::read_usage(bytes.as_bytes());
        let _ = embed::pass(bytes.as_bytes(), br#"{"encoding_format":"base64"}"#);
        if let Ok(request) = decode_request(bytes.as_bytes()) {
            embed::simulate(&request);
        }
    }
}
