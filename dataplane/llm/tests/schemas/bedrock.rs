//! Requests to Bedrock against the service model of `bedrock-runtime`, and against the rules of Converse that stand in
//! its documentation and its errors alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use penstock_llm::{Format, Ledger, Upstream, catalogue, provider, translate};
use regex::Regex;
use serde_json::{Map, Value, json};

use crate::requests::{folder, of_fixtures, of_recordings};

/// Of each kind that requests differ by.
const MODELS: &[&str] = &[
    "eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "global.anthropic.claude-opus-4-8",
    "anthropic.claude-3-haiku-20240307-v1:0",
    "us.amazon.nova-2-lite-v1:0",
    "amazon.nova-micro-v1:0",
    "openai.gpt-oss-120b-1:0",
    "qwen.qwen3-32b-v1:0",
    "mistral.mistral-large-3-675b-instruct",
    "us.meta.llama4-scout-17b-instruct-v1:0",
    "cohere.command-r-plus-v1:0",
    "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123",
];

#[test]
fn requests_are_what_the_service_model_says() {
    let Some(model) = service_model() else { return };
    let mut checker = Checker::new(&model);
    let mut requests = of_fixtures(&[Format::Chat, Format::Messages, Format::Converse]);
    let of_ours = requests.len();
    requests.extend(of_recordings(&[Format::Chat, Format::Messages]));
    let (mut sent, mut refused) = (0, BTreeMap::new());
    let bedrock = provider::by_name("Bedrock").unwrap();
    for named in &requests {
        for model in MODELS {
            let facts = catalogue::find(&bedrock.key(), model).unwrap_or_default();
            let upstream = Upstream { facts: &facts, ..Upstream::new(model, bedrock) };
            let mut ledger = Ledger::new(named.request.origin.unwrap());
            match translate::encode_request(&named.request, Format::Converse, &upstream, &mut ledger) {
                Ok(body) => {
                    sent += 1;
                    let body: Value = serde_json::from_slice(&body).unwrap();
                    checker.problems.clear();
                    checker.request(&body);
                    // A client of Bedrock's own format is taken at its word.
                    if named.request.origin != Some(Format::Converse) {
                        rules(&body, &mut checker.problems);
                    }
                    let problems = &checker.problems;
                    assert!(problems.is_empty(), "{} for {model}:\n{problems:#?}\n{body:#}", named.name);
                }
                Err(error) => {
                    let words: String = error.message.chars().take(60).collect();
                    *refused.entry(words).or_insert(0) += 1;
                }
            }
        }
    }
    let recorded = requests.len() - of_ours;
    println!(
        "{of_ours} requests of fixtures, {recorded} recorded, {sent} bodies checked, refused {refused:#?}"
    );
}

#[test]
fn wrong_requests_are_found() {
    let Some(model) = service_model() else { return };
    let user = |content: Value| json!({"messages": [{"role": "user", "content": content}]});
    let config = |name: &str| json!({"tools": [{"toolSpec": {"name": name, "inputSchema": {"json": {}}}}]});
    for (body, what) in [
        (json!({"messages": [], "toolChoice": {}}), ".toolChoice: unknown"),
        (json!({"messages": [{"role": "user"}]}), ".messages[0]: \"content\" is missing"),
        (user(json!([{"text": "a", "image": {}}])), "a union of 2 members"),
        (user(json!([{"image": {"format": "bmp", "source": {"bytes": "AA=="}}}])), "`bmp` is none of"),
        (user(json!([{"image": {"format": "png", "source": {"bytes": "https://"}}}])), "not base64"),
        (json!({"messages": [], "inferenceConfig": {"temperature": 1.5}}), "1.5 is not within"),
        (json!({"messages": [], "toolConfig": {"tools": []}}), "0 is not within"),
        (json!({"messages": [], "toolConfig": config("a.b")}), "`a.b` does not match"),
        (json!({"messages": [], "requestMetadata": {"a!": "b"}}), "`a!` does not match"),
        (json!({"messages": [{"role": "assistant", "content": [{"text": "a"}]}]}), "a user begins"),
        (user(json!([{"text": " "}])), "a blank text"),
        (
            user(json!([{"text": "a"}, {"toolResult": {"toolUseId": "a", "content": []}}])),
            "results come first",
        ),
        (
            user(json!([{"document": {"name": "a.pdf", "source": {"text": "a"}}}])),
            "a document without a text",
        ),
    ] {
        let mut checker = Checker::new(&model);
        checker.request(&body);
        rules(&body, &mut checker.problems);
        let problems = checker.problems;
        assert!(problems.iter().any(|problem| problem.contains(what)), "{what}: {problems:?}");
    }
}

fn service_model() -> Option<Value> {
    let path = folder("PENSTOCK_SPECS", "specs").join("bedrock-runtime.service-2.json");
    match fs::read_to_string(&path) {
        Ok(text) => Some(serde_json::from_str(&text).unwrap()),
        Err(_) => {
            println!("SKIPPED: no service model at {} (PENSTOCK_SPECS names its folder)", path.display());
            None
        }
    }
}

struct Checker<'a> {
    shapes: &'a Value,
    patterns: BTreeMap<String, Regex>,
    problems: Vec<String>,
}

impl<'a> Checker<'a> {
    fn new(model: &'a Value) -> Self {
        Self { shapes: &model["shapes"], patterns: BTreeMap::new(), problems: Vec::new() }
    }

    /// The body: what `ConverseRequest` has, but for the model in the URL.
    fn request(&mut self, body: &Value) {
        let mut shape = self.shapes["ConverseRequest"].clone();
        shape["members"].as_object_mut().unwrap().remove("modelId");
        shape["required"] = Value::Null;
        self.structure(&shape, body, "");
    }

    fn problem(&mut self, path: &str, what: impl std::fmt::Display) {
        self.problems.push(format!("{path}: {what}"));
    }

    fn check(&mut self, name: &str, value: &Value, path: &str) {
        let shape = &self.shapes[name];
        match shape["type"].as_str().unwrap() {
            "structure" if shape["document"] == true => {}
            "structure" => self.structure(shape, value, path),
            "list" => match value.as_array() {
                Some(items) => {
                    self.bounds(shape, items.len() as f64, path);
                    for (i, item) in items.iter().enumerate() {
                        self.check(shape["member"]["shape"].as_str().unwrap(), item, &format!("{path}[{i}]"));
                    }
                }
                None => self.problem(path, "not a list"),
            },
            "map" => match value.as_object() {
                Some(members) => {
                    self.bounds(shape, members.len() as f64, path);
                    for (key, value) in members {
                        self.check(shape["key"]["shape"].as_str().unwrap(), &key.as_str().into(), path);
                        self.check(
                            shape["value"]["shape"].as_str().unwrap(),
                            value,
                            &format!("{path}.{key}"),
                        );
                    }
                }
                None => self.problem(path, "not a map"),
            },
            "string" => match value.as_str() {
                Some(text) => self.string(shape, text, path),
                None => self.problem(path, "not a string"),
            },
            "blob" => match value.as_str().map(|text| STANDARD.decode(text)) {
                Some(Ok(bytes)) => self.bounds(shape, bytes.len() as f64, path),
                _ => self.problem(path, "not base64"),
            },
            "integer" | "long" => match value.as_i64() {
                Some(number) => self.bounds(shape, number as f64, path),
                None => self.problem(path, "not an integer"),
            },
            "float" | "double" => match value.as_f64() {
                Some(number) => self.bounds(shape, number, path),
                None => self.problem(path, "not a number"),
            },
            "boolean" if !value.is_boolean() => self.problem(path, "not a boolean"),
            "boolean" => {}
            other => panic!("{name} is a {other}"),
        }
    }

    fn structure(&mut self, shape: &Value, value: &Value, path: &str) {
        let Some(members) = value.as_object() else { return self.problem(path, "not an object") };
        if shape["union"] == true && members.len() != 1 {
            self.problem(path, format!("a union of {} members", members.len()));
        }
        for required in shape["required"].as_array().into_iter().flatten() {
            if !members.contains_key(required.as_str().unwrap()) {
                self.problem(path, format!("{required} is missing"));
            }
        }
        for (name, value) in members {
            let path = format!("{path}.{name}");
            match shape["members"][name.as_str()]["shape"].as_str() {
                Some(shape) => self.check(shape, value, &path),
                None => self.problem(&path, "unknown"),
            }
        }
    }

    fn string(&mut self, shape: &Value, text: &str, path: &str) {
        self.bounds(shape, text.chars().count() as f64, path);
        if let Some(words) = shape["enum"].as_array()
            && !words.iter().any(|word| word == text)
        {
            self.problem(path, format!("`{text}` is none of {words:?}"));
        }
        if let Some(pattern) = shape["pattern"].as_str() {
            let whole = || Regex::new(&format!("^(?:{pattern})$")).unwrap();
            let is_match = self.patterns.entry(pattern.to_owned()).or_insert_with(whole).is_match(text);
            if !is_match {
                self.problem(path, format!("`{text}` does not match {pattern}"));
            }
        }
    }

    fn bounds(&mut self, shape: &Value, size: f64, path: &str) {
        let is_below = shape["min"].as_f64().is_some_and(|least| size < least);
        let is_above = shape["max"].as_f64().is_some_and(|most| size > most);
        if is_below || is_above {
            self.problem(path, format!("{size} is not within {} and {}", shape["min"], shape["max"]));
        }
    }
}

/// What Converse refuses though its service model allows it.
fn rules(body: &Value, problems: &mut Vec<String>) {
    let mut problem = |is_broken: bool, what: &str| {
        if is_broken {
            problems.push(what.to_owned());
        }
    };
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let has = |block: &Value, kind: &str| !block[kind].is_null();
    let messages = list(&body["messages"]);
    let roles: Vec<&str> = messages.iter().map(|message| message["role"].as_str().unwrap()).collect();
    problem(roles.first().is_some_and(|role| *role != "user"), "a user begins");
    problem(roles.windows(2).any(|pair| pair[0] == pair[1]), "roles alternate");

    let mut names = BTreeSet::new();
    let mut has_calls = false;
    for message in &messages {
        let is_user = message["role"] == "user";
        let content = list(&message["content"]);
        problem(content.is_empty(), "content is empty");
        problem(content.first().is_some_and(|block| has(block, "cachePoint")), "a cache point is first");
        let results = content.iter().rposition(|block| has(block, "toolResult"));
        let others = content.iter().position(|block| !has(block, "toolResult") && !has(block, "cachePoint"));
        if let (Some(results), Some(others)) = (results, others) {
            problem(results > others, "results come first");
        }
        let is_only_users = ["image", "document", "video", "audio", "toolResult"];
        let is_only_models = ["toolUse", "reasoningContent"];
        for block in &content {
            has_calls |= has(block, "toolUse") || has(block, "toolResult");
            let kind = block.as_object().unwrap().keys().next().unwrap().as_str();
            problem(!is_user && is_only_users.contains(&kind), "a user's block in a model's message");
            problem(is_user && is_only_models.contains(&kind), "a model's block in a user's message");
            problem(has(block, "toolUse") && !block["toolUse"]["input"].is_object(), "input is an object");
        }
        let has_text = content.iter().any(|block| has(block, "text"));
        let has_document = content.iter().any(|block| has(block, "document"));
        problem(has_document && !has_text, "a document without a text");
        let inner = content.iter().flat_map(|block| list(&block["toolResult"]["content"]));
        for block in content.iter().cloned().chain(inner) {
            problem(block["text"].as_str().is_some_and(|text| text.trim().is_empty()), "a blank text");
            if let Some(name) = block["document"]["name"].as_str() {
                let is_fit = |c: char| c.is_ascii_alphanumeric() || " -()[]".contains(c);
                problem(!name.chars().all(is_fit) || name.contains("  "), "the name of a document");
                problem(!names.insert(name.to_lowercase()), "documents of the same name");
            }
        }
    }
    let config = &body["toolConfig"];
    problem(has_calls && config.is_null(), "calls in the history and no tools");
    let choice = config["toolChoice"].as_object().cloned().unwrap_or_else(Map::new);
    let thinks = matches!(
        body["additionalModelRequestFields"]["thinking"]["type"].as_str(),
        Some("enabled" | "adaptive")
    );
    problem(thinks && !choice.is_empty(), "thinking with a forced call");
}
