//! What is no conversation: embeddings, token counts, the list of models; by the official SDKs.

use crate::gateway::{Gateway, KEY_ONE, World};
use penstock_e2e::client::Call;
use penstock_e2e::{Behaviour, Replay, Script, python};
use serde_json::{Value, json};

fn ask(gateway: &Gateway, client: &str, model: &str) -> Value {
    let job = json!({"base_url": gateway.url, "api_key": "none", "calls": [{"client": client, "model": model, "text": "Hello, world.", "stream": false}]});
    let mut answers: Vec<Value> = python::run("clients.py", &[], &[], &job);
    answers.pop().expect("an answer")
}

fn openai_vectors(request: &Value) -> Value {
    let inputs = request["input"].as_array().expect("a list");
    let vector = |text: &Value| if text == "second" { [0.5, -0.25, 1.0] } else { [0.125, 0.0, -1.0] };
    let data: Vec<Value> = inputs
        .iter()
        .enumerate()
        .map(|(index, text)| json!({"object": "embedding", "index": index, "embedding": vector(text)}))
        .collect();
    json!({"object": "list", "model": "embedder", "data": data, "usage": {"prompt_tokens": 9, "total_tokens": 9}})
}

#[test]
fn embeddings_of_every_kind_of_provider() {
    let replay = Replay::start(Script::by(|request, _| {
        let body = request.json();
        let path = request.path.split('?').next().unwrap_or_default().to_owned();
        let vectors = |count: usize, of: &dyn Fn(usize) -> [f64; 3]| {
            (0..count).map(|i| json!(of(i))).collect::<Vec<_>>()
        };
        let of = |i: usize| if i == 1 { [0.5, -0.25, 1.0] } else { [0.125, 0.0, -1.0] };
        Behaviour::json(if path.ends_with(":batchEmbedContents") {
            let count = body["requests"].as_array().expect("requests").len();
            json!({"embeddings": vectors(count, &of).into_iter().map(|values| json!({"values": values})).collect::<Vec<_>>()})
        } else if path.ends_with("/v2/embed") {
            let count = body["texts"].as_array().or(body["inputs"].as_array()).expect("texts").len();
            json!({"id": "e", "embeddings": {"float": vectors(count, &of)}, "texts": [], "meta": {"billed_units": {"input_tokens": 9}}})
        } else if path.ends_with("/api/embed") {
            let count = body["input"].as_array().expect("input").len();
            json!({"model": "embedder", "embeddings": vectors(count, &of), "prompt_eval_count": 9})
        } else {
            // The gateway passes on that the SDK wants base64; this provider sends numbers, which the SDK takes too.
            openai_vectors(&body)
        })
    }));
    let mut world = World::new();
    let key = json!({"apiKeys": [{"secretRef": {"name": "keys", "key": "one"}}]});
    for (r#type, place) in [
        ("OpenAI", "/v1"),
        ("Mistral", "/v1"),
        ("Gemini", "/v1beta"),
        ("Cohere", ""),
        ("Ollama", ""),
        ("OpenAICompatible", "/v1"),
    ] {
        let mut provider = json!({"name": "up", "type": r#type, "endpoint": format!("{}{place}", replay.url()), "models": [{"name": "m", "upstream": "embedder"}]});
        if !matches!(r#type, "Ollama" | "OpenAICompatible") {
            provider["auth"] = key.clone();
        }
        let pool = r#type.to_ascii_lowercase();
        world.pool_of(&pool, provider);
        world.route_named(&pool, r#type, &pool);
    }
    world.pool_of("simulated", json!({"name": "sim", "type": "Simulated", "models": [{"name": "m"}]}));
    world.route_named("simulated", "Simulated", "simulated");
    let gateway = Gateway::start(&world);
    for model in ["OpenAI", "Mistral", "Gemini", "Cohere", "Ollama", "OpenAICompatible"] {
        let answer = ask(&gateway, "embeddings", model);
        assert_eq!(
            (&answer["ok"], &answer["text"], &answer["same"], &answer["first"]),
            (&json!(true), &json!("3 vectors"), &json!(true), &json!([0.125, 0.0, -1.0])),
            "{model}: {answer}"
        );
        let seen = replay.take_requests().pop().expect("a request");
        assert!(!String::from_utf8_lossy(&seen.body).contains("\"none\""), "{model}");
        assert!(!seen.header("authorization").contains("none"));
        if matches!(model, "OpenAI" | "Mistral" | "Cohere") {
            assert_eq!(seen.header("authorization"), format!("Bearer {KEY_ONE}"));
        }
    }
    let answer = ask(&gateway, "embeddings", "Simulated");
    assert!(answer["ok"] == true && answer["same"] == true, "{answer}");
    let tokens = gateway.settled().sum("penstock_tokens_total", &[("provider", "up")]);
    assert!(tokens >= 36.0, "{tokens}");
}

#[test]
fn embeddings_that_cannot_be_made_say_why() {
    let mut world = World::new();
    let key = json!({"apiKeys": [{"secretRef": {"name": "keys", "key": "one"}}]});
    world.pool_of("p", json!({"name": "up", "type": "Anthropic", "endpoint": "http://127.0.0.1:9", "auth": key, "models": [{"name": "m"}]}));
    world.route_named("p", "claude", "p");
    let gateway = Gateway::start(&world);
    for (body, status, text) in [
        (json!({"model": "claude", "input": "x"}), 400, "no embeddings"),
        (json!({"model": "claud", "input": "x"}), 404, "did you mean claude?"),
        (json!({"input": "x"}), 400, "`model` is missing"),
    ] {
        let answer = Call::post(&format!("{}/v1/embeddings", gateway.url), &body).send().expect("an answer");
        assert_eq!(answer.status, status, "{}", answer.text());
        assert!(
            answer.json()["error"]["message"].as_str().is_some_and(|it| it.contains(text)),
            "{}",
            answer.text()
        );
    }
}

#[test]
fn tokens_are_counted_by_the_provider_or_estimated() {
    let replay = Replay::start(Script::by(|request, _| {
        assert!(
            request.path.ends_with("count_tokens") || request.path.contains(":countTokens"),
            "{}",
            request.path
        );
        let body = request.json();
        assert!(body.get("stream").is_none() && body.get("max_tokens").is_none(), "{body}");
        Behaviour::json(json!({"input_tokens": 42, "totalTokens": 43}))
    }));
    let mut world = World::new();
    let key = json!({"apiKeys": [{"secretRef": {"name": "keys", "key": "one"}}]});
    let provider = |r#type: &str, place: &str, upstream: &str| json!({"name": "up", "type": r#type, "endpoint": format!("{}{place}", replay.url()), "auth": key, "models": [{"name": "m", "upstream": upstream}]});
    world.pool_of("a", provider("Anthropic", "", "claude-sonnet-4-5"));
    world.pool_of("g", provider("Gemini", "/v1beta", "gemini-2.5-flash"));
    world.pool_of("o", provider("OpenAI", "/v1", "gpt-4o"));
    world.route_named("a", "a", "a");
    world.route_named("g", "g", "g");
    world.route_named("o", "o", "o");
    let gateway = Gateway::start(&world);
    assert_eq!(ask(&gateway, "count_tokens", "a")["tokens"], 42);
    assert_eq!(ask(&gateway, "count_tokens", "g")["tokens"], 43);
    let estimate = ask(&gateway, "count_tokens", "o");
    assert!(estimate["tokens"].as_u64().is_some_and(|tokens| (5..200).contains(&tokens)), "{estimate}");
    let request = json!({"model": "o", "messages": [{"role": "user", "content": "x"}]});
    let answer =
        Call::post(&format!("{}/v1/messages/count_tokens", gateway.url), &request).send().expect("an answer");
    assert_eq!(answer.header("x-penstock-translation"), "input_tokens=emulated");
    // A count is no use of tokens, and an estimate no word of its target.
    let metrics = gateway.settled();
    assert_eq!(metrics.sum("penstock_unmetered_answers_total", &[]), 0.0);
    assert_eq!(metrics.sum("penstock_attempts_total", &[("pool", "default/o")]), 0.0);
    assert_eq!(metrics.sum("penstock_attempts_total", &[("pool", "default/a")]), 1.0);
}

#[test]
fn models_are_listed_in_the_format_of_the_sdk_that_asks() {
    let mut world = World::new();
    world.pool_of("simulated", json!({"name": "sim", "type": "Simulated", "models": [{"name": "m"}]}));
    world.route_named("a", "model-a", "simulated");
    world.route_named("b", "model-b", "simulated");
    let gateway = Gateway::start(&world);
    let answer = ask(&gateway, "models", "model-a");
    let names = json!(["model-a", "model-b"]);
    assert_eq!((&answer["openai"], &answer["anthropic"]), (&names, &names), "{answer}");
    assert_eq!(answer["google"], json!(["models/model-a", "models/model-b"]), "{answer}");
    assert_eq!(answer["one"], json!(["model-a", "model-a", "models/model-a"]), "{answer}");
    let answer = Call::get(&format!("{}/v1/models/model-c", gateway.url)).send().expect("an answer");
    assert_eq!(answer.status, 404);
}
