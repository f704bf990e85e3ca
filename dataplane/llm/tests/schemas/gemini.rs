//! Requests to Google against the discovery document of the Gemini Developer API, and against the rules of its format
//! that stand in its documentation and its errors alone. Vertex AI has no such document at hand: its requests may differ
//! by what [`VERTEX`] says.

use std::collections::BTreeMap;
use std::fs;

use penstock_llm::{Format, Ledger, Upstream, catalogue, provider, translate};
use serde_json::{Value, json};

use crate::requests::{folder, of_fixtures, of_recordings};

/// Of each kind that requests differ by.
const MODELS: &[(&str, &str)] = &[
    ("Gemini", "gemini-2.0-flash"),
    ("Gemini", "gemini-2.5-flash"),
    ("Gemini", "gemini-2.5-pro"),
    ("Gemini", "gemini-3-pro-preview"),
    ("Gemini", "tunedModels/mine"),
    ("VertexAI", "gemini-2.5-flash"),
    ("VertexAI", "gemini-3-pro-preview"),
];

/// Members that Vertex AI has and the other API has not. Source: its REST reference.
const VERTEX: &[(&str, &str)] =
    &[("GenerateContentRequest", "labels"), ("Blob", "displayName"), ("FileData", "displayName")];

#[test]
fn requests_are_what_the_discovery_document_says() {
    let Some(document) = document() else { return };
    let mut requests = of_fixtures(&[Format::Chat, Format::Messages, Format::Gemini]);
    let of_ours = requests.len();
    requests.extend(of_recordings(&[Format::Chat, Format::Messages]));
    let (mut sent, mut refused) = (0, BTreeMap::new());
    for named in &mut requests {
        // What a client adds for one provider is its own word.
        named.request.provider_options.clear();
        for (provider, model) in MODELS {
            let provider = provider::by_name(provider).unwrap();
            let facts = catalogue::find(&provider.key(), model).unwrap_or_default();
            let upstream = Upstream { facts: &facts, ..Upstream::new(model, provider) };
            let client = named.request.origin.unwrap();
            let mut ledger = Ledger::new(client);
            // A client of Google's own format is taken at its word.
            let is_own = client == Format::Gemini;
            match translate::encode_request(&named.request, Format::Gemini, &upstream, &mut ledger) {
                Ok(body) => {
                    sent += 1;
                    let body: Value = serde_json::from_slice(&body).unwrap();
                    let is_vertex = provider.name() == "VertexAI";
                    let mut checker =
                        Checker { schemas: &document["schemas"], is_vertex, problems: Vec::new() };
                    if !is_own {
                        checker.check("GenerateContentRequest", &body, "");
                        rules(&body, is_vertex, &mut checker.problems);
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
    let Some(document) = document() else { return };
    let contents = |parts: Value| json!({"contents": [{"role": "user", "parts": parts}]});
    let text = json!([{"text": "a"}]);
    let with = |name: &str, value: Value| {
        let mut body = contents(text.clone());
        body[name] = value;
        body
    };
    let turn = |calls: Value, results: Value| json!({"contents": [{"role": "user", "parts": [{"text": "a"}]}, {"role": "model", "parts": calls}, {"role": "user", "parts": results}]});
    let call = |name: &str| json!({"functionCall": {"name": name, "args": {}}});
    let result = |name: &str| json!({"functionResponse": {"name": name, "response": {}}});
    let schema = |schema: Value| {
        with("tools", json!([{"functionDeclarations": [{"name": "f", "parametersJsonSchema": schema}]}]))
    };
    for (body, what) in [
        (with("model", "x".into()), ".model: stands in the URL"),
        (with("labels", json!({"a": "b"})), ".labels: unknown"),
        (with("stream", true.into()), ".stream: unknown"),
        (with("serviceTier", "default".into()), "\"default\" is none of"),
        (with("generationConfig", json!({"seed": 5_000_000_000_u64})), "is no int32"),
        (with("generationConfig", json!({"stopSequences": ["a", "b", "c", "d", "e", "f"]})), "6 stops"),
        (
            with(
                "generationConfig",
                json!({"thinkingConfig": {"thinkingBudget": 1, "thinkingLevel": "LOW"}}),
            ),
            "a budget and a level",
        ),
        (json!({"contents": []}), "nothing to answer"),
        (json!({"contents": [{"role": "model", "parts": [{"text": "a"}]}]}), "a user begins"),
        (contents(json!([])), "no parts"),
        (contents(json!([{"text": "a", "inlineData": {}}])), "2 kinds of data"),
        (
            contents(json!([{"inlineData": {"mimeType": "a/b", "data": "data:a/b;base64,QQ=="}}])),
            "is no base64",
        ),
        (turn(json!([call("f"), call("g")]), json!([result("f")])), "calls [\"f\", \"g\"], results [\"f\"]"),
        (turn(json!([call("f"), call("g")]), json!([result("g"), result("f")])), "calls [\"f\", \"g\"]"),
        (turn(json!([call("f")]), json!([{"text": "b"}])), "results []"),
        (contents(json!([result("f")])), "calls [], results [\"f\"]"),
        (turn(json!([{"functionCall": {"name": "f", "args": "x"}}]), json!([result("f")])), "not an object"),
        (schema(json!({"$ref": "#/$defs/x"})), "a reference"),
    ] {
        let mut checker = Checker { schemas: &document["schemas"], is_vertex: false, problems: Vec::new() };
        checker.check("GenerateContentRequest", &body, "");
        rules(&body, false, &mut checker.problems);
        let problems = checker.problems;
        assert!(problems.iter().any(|problem| problem.contains(what)), "{what}: {problems:?}");
    }
}

fn document() -> Option<Value> {
    let path = folder("PENSTOCK_SPECS", "specs").join("gemini-generativelanguage-discovery.json");
    match fs::read_to_string(&path) {
        Ok(text) => Some(serde_json::from_str(&text).unwrap()),
        Err(_) => {
            println!(
                "SKIPPED: no discovery document at {} (PENSTOCK_SPECS names its folder)",
                path.display()
            );
            None
        }
    }
}

struct Checker<'a> {
    schemas: &'a Value,
    is_vertex: bool,
    problems: Vec<String>,
}

impl Checker<'_> {
    fn problem(&mut self, path: &str, what: impl std::fmt::Display) {
        self.problems.push(format!("{path}: {what}"));
    }

    fn check(&mut self, name: &str, value: &Value, path: &str) {
        let schema = self.schemas[name].clone();
        let Some(members) = value.as_object() else { return self.problem(path, "not an object") };
        for (member, value) in members {
            let path = format!("{path}.{member}");
            let schema = &schema["properties"][member.as_str()];
            if schema.is_null() {
                let is_vertexs = VERTEX.contains(&(name, member.as_str()));
                if !(self.is_vertex && is_vertexs) {
                    self.problem(&path, format!("unknown to {name}"));
                }
                continue;
            }
            self.value(schema, value, &path);
        }
    }

    fn value(&mut self, schema: &Value, value: &Value, path: &str) {
        if let Some(name) = schema["$ref"].as_str() {
            // `MediaResolution` is named and nowhere described.
            if !self.schemas[name].is_null() {
                self.check(name, value, path);
            }
            return;
        }
        match (schema["type"].as_str().unwrap_or("any"), schema["format"].as_str()) {
            ("array", _) => match value.as_array() {
                Some(items) => {
                    for (i, item) in items.iter().enumerate() {
                        self.value(&schema["items"], item, &format!("{path}[{i}]"));
                    }
                }
                None => self.problem(path, "not a list"),
            },
            ("object", _) if !value.is_object() => self.problem(path, "not an object"),
            ("boolean", _) if !value.is_boolean() => self.problem(path, "not a boolean"),
            ("number", _) if !value.is_number() => self.problem(path, "not a number"),
            ("integer", _) if value.as_i64().is_none_or(|number| i32::try_from(number).is_err()) => {
                self.problem(path, format!("{value} is no int32"));
            }
            ("string", format) => self.string(schema, format, value, path),
            _ => {}
        }
    }

    fn string(&mut self, schema: &Value, format: Option<&str>, value: &Value, path: &str) {
        let Some(text) = value.as_str() else { return self.problem(path, "not a string") };
        if let Some(words) = schema["enum"].as_array()
            && !words.contains(value)
        {
            self.problem(path, format!("{value} is none of {words:?}"));
        }
        let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"+/-_=".contains(&byte);
        if format == Some("byte") && !text.bytes().all(is_base64) {
            self.problem(path, format!("{value} is no base64"));
        }
    }
}

/// What stands in no schema. Sources: <https://ai.google.dev/gemini-api/docs/function-calling>,
/// <https://ai.google.dev/gemini-api/docs/thinking>, and the errors of both APIs.
fn rules(body: &Value, is_vertex: bool, problems: &mut Vec<String>) {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut problem = |what: String| problems.push(what);
    if !body["model"].is_null() {
        problem(".model: stands in the URL".into());
    }
    let config = &body["generationConfig"];
    let thinking = &config["thinkingConfig"];
    if !thinking["thinkingBudget"].is_null() && !thinking["thinkingLevel"].is_null() {
        problem("a budget and a level of thinking".into());
    }
    let stops = list(&config["stopSequences"]).len();
    if stops > 5 {
        problem(format!("{stops} stops"));
    }
    for tool in list(&body["tools"]) {
        for function in list(&tool["functionDeclarations"]) {
            if function["parametersJsonSchema"].to_string().contains("\"$ref\":") {
                problem(format!("a reference in {function}"));
            }
        }
    }
    let contents = list(&body["contents"]);
    match contents.first() {
        None => problem("nothing to answer".into()),
        Some(first) if first["role"] != "user" => problem("a user begins".into()),
        Some(_) => {}
    }
    let mut calls: Vec<Value> = Vec::new();
    for (i, content) in contents.iter().enumerate() {
        let parts = list(&content["parts"]);
        if parts.is_empty() {
            problem(format!("contents[{i}] has no parts"));
        }
        for part in &parts {
            let marks = ["thought", "thoughtSignature", "mediaResolution", "videoMetadata", "partMetadata"];
            let kinds =
                part.as_object().into_iter().flatten().filter(|(name, _)| !marks.contains(&name.as_str()));
            match kinds.count() {
                1 => {}
                kinds => problem(format!("contents[{i}] has a part with {kinds} kinds of data")),
            }
            let ids = ["functionCall", "functionResponse"].map(|kind| part[kind]["id"].clone());
            if is_vertex && ids.iter().any(|id| !id.is_null()) {
                problem(format!("contents[{i}] has an id, which Vertex refuses"));
            }
        }
        let names = |kind: &str| -> Vec<Value> {
            parts.iter().filter(|part| !part[kind].is_null()).map(|part| part[kind]["name"].clone()).collect()
        };
        let results = names("functionResponse");
        if results != calls {
            problem(format!("contents[{i}]: calls {}, results {}", debug(&calls), debug(&results)));
        }
        calls = names("functionCall");
    }
}

fn debug(names: &[Value]) -> String {
    format!("{:?}", names.iter().map(|name| name.as_str().unwrap_or_default()).collect::<Vec<_>>())
}
