//! Every provider type, and every official SDK: recorded answers of the vendor come back the same, whichever SDK asks.
//!
//! Types without recordings of their own play those of OpenAI, whose format they speak.

use crate::gateway::{Gateway, World};
use penstock_e2e::conformance::{Exchange, load};
use penstock_e2e::{Behaviour, Replay, Script, node, python};
use penstock_llm::{Format, provider};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Streams are cut in pieces of so many bytes.
const CHUNK: usize = 211;
/// Recordings of each kind that are played for a type.
const MOST: usize = 12;

/// A private key made for tests, which no service account has.
const SERVICE_ACCOUNT_KEY: &str = include_str!("../../../dataplane/proxy/src/credentials/tests/rsa-key.pem");

/// Provider type, file and endpoints of its recordings, model, members of its pool entry.
struct Case {
    r#type: &'static str,
    file: &'static str,
    endpoints: &'static [&'static str],
    model: &'static str,
    more: Value,
}

fn cases() -> Vec<Case> {
    const CHAT: &[&str] = &["chat.completions"];
    const GEMINI: &[&str] = &["generateContent", "streamGenerateContent"];
    let chat = |r#type, file, model| Case { r#type, file, endpoints: CHAT, model, more: json!({}) };
    let with = |case: Case, more: Value| Case { more, ..case };
    let google = json!({
        "region": "europe-west1", "project": "acme",
        "auth": {"google": {"secretRef": {"name": "google", "key": "key.json"}}},
    });
    vec![
        chat("OpenAI", "openai", "gpt-4o"),
        Case { endpoints: &["responses"], ..chat("OpenAI", "openai", "gpt-4o") },
        Case { endpoints: &["completions"], ..chat("OpenAI", "openai", "gpt-4o") },
        chat("AzureOpenAI", "azure-openai", "gpt-4o"),
        Case { endpoints: &["messages"], ..chat("Anthropic", "anthropic", "claude-sonnet-4-5") },
        Case { endpoints: GEMINI, ..chat("Gemini", "google-ai-studio", "gemini-2.5-flash") },
        with(Case { endpoints: GEMINI, ..chat("VertexAI", "google-vertex", "gemini-2.5-flash") }, google),
        with(
            Case {
                endpoints: &["converse", "converse-stream"],
                ..chat("Bedrock", "aws-bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0")
            },
            json!({"region": "eu-central-1", "auth": {"aws": {"secretRef": {"name": "aws"}}}}),
        ),
        chat("Mistral", "mistral", "mistral-large-latest"),
        Case { endpoints: &["cohere:v2/chat"], ..chat("Cohere", "cohere", "command-a-03-2025") },
        chat("DeepSeek", "deepseek", "deepseek-chat"),
        chat("Qwen", "dashscope", "qwen-plus"),
        chat("Moonshot", "openai", "kimi-k2-0905-preview"),
        chat("Zhipu", "zai", "glm-4.6"),
        chat("MiniMax", "openai", "MiniMax-M2"),
        chat("ByteDance", "openai", "doubao-seed-1-6-250615"),
        chat("MetaLlama", "openai", "Llama-4-Maverick-17B-128E-Instruct-FP8"),
        chat("XAI", "xai", "grok-4"),
        chat("Groq", "groq", "llama-3.3-70b-versatile"),
        chat("Together", "together", "meta-llama/Llama-3.3-70B-Instruct-Turbo"),
        chat("Fireworks", "openai", "accounts/fireworks/models/llama-v3p3-70b-instruct"),
        chat("OpenRouter", "openrouter", "openai/gpt-4o"),
        chat("Perplexity", "perplexity", "sonar"),
        chat("Cerebras", "cerebras", "llama-3.3-70b"),
        chat("SambaNova", "sambanova", "Meta-Llama-3.3-70B-Instruct"),
        chat("NvidiaNim", "openai", "meta/llama-3.3-70b-instruct"),
        chat("HuggingFace", "huggingface", "meta-llama/Llama-3.3-70B-Instruct"),
        chat("DeepInfra", "openai", "meta-llama/Llama-3.3-70B-Instruct"),
        chat("Nebius", "nebius", "meta-llama/Llama-3.3-70B-Instruct"),
        chat("Novita", "novita", "meta-llama/llama-3.3-70b-instruct"),
        chat("Databricks", "databricks", "databricks-meta-llama-3-3-70b-instruct"),
        with(chat("Snowflake", "snowflake", "llama3.1-70b"), json!({"project": "acme"})),
        with(
            chat("Watsonx", "openai", "ibm/granite-3-3-8b-instruct"),
            json!({"region": "eu-de", "project": "00000000-0000-0000-0000-000000000000"}),
        ),
        with(
            chat("CloudflareWorkersAI", "cloudflare", "@cf/meta/llama-3.3-70b-instruct-fp8-fast"),
            json!({"project": "acme"}),
        ),
        Case { endpoints: &["ollama:chat"], ..chat("Ollama", "ollama", "llama3.3") },
        chat("OpenAICompatible", "vllm", "llama-3.3-70b-instruct"),
    ]
}

/// The format of a recording, and of what a client of this kind speaks.
fn format_of(name: &str) -> Format {
    match name {
        "responses" => Format::Responses,
        "completions" => Format::Completions,
        "messages" => Format::Messages,
        "generateContent" | "streamGenerateContent" | "gemini" => Format::Gemini,
        "converse" | "converse-stream" => Format::Converse,
        "cohere:v2/chat" => Format::Cohere,
        "ollama:chat" => Format::Ollama,
        _ => Format::Chat,
    }
}

/// A provider that speaks the client's own format answers in that: then the recording must be in it.
fn fits(r#type: &str, model: &str, exchange: &Exchange, client: &str) -> bool {
    let provider = provider::by_name(r#type).expect("a provider type");
    provider.format_for(format_of(client), model) == Some(format_of(&exchange.endpoint))
}

fn recorded(case: &Case, test: &str) -> Option<Vec<Exchange>> {
    let is_good = |it: &Exchange| {
        case.endpoints.contains(&it.endpoint.as_str())
            && it.fidelity == "wire"
            && it.status == Some(200)
            && !UNREADABLE.iter().any(|known| it.id.contains(known))
            && it.response_body().is_some()
    };
    let of = |file: &str| Some(load(file, test)?.into_iter().filter(is_good).collect::<Vec<_>>());
    let mut all = of(case.file)?;
    let of_chat = case.endpoints == ["chat.completions"];
    if all.is_empty() && of_chat {
        all = of("openai")?;
    }
    let mut counts = [0, 0];
    all.retain(|exchange| {
        let count = &mut counts[usize::from(exchange.stream)];
        *count += 1;
        *count <= MOST
    });
    Some(all)
}

/// Recordings that the vendor's own SDK cannot read either.
const UNREADABLE: &[&str] = &[
    // The recorder added a quotation mark behind the last chunk.
    "b3cad22ff43c9ca503ba3ec2cf3301e935679652e5512d942d12ae060465d2dd",
    // Text Generation Inference of 2024 put the number of the token where the number of the choice belongs.
    "37613c5925dcb97837331c5f899f63a3e1e94e8f007812df28aca3f4b8e63f2e",
    // No chunk has a role, which OpenAI's SDK for Node wants.
    "test_groq_model_web_search_tool_stream",
    // Ends without a finish reason, which the same SDK wants.
    "test_snowflake_thinking_streaming",
];

/// What stands in the first message, and says which answer to play.
fn marker(index: usize) -> String {
    format!("<<{index}>>")
}

/// Plays the exchange whose marker stands in the request; Google's and IBM's token endpoints beside it.
fn play(exchanges: Vec<Behaviour>) -> Replay {
    Replay::start(Script::by(move |request, _| {
        if request.path.contains("token") {
            return Behaviour::json(
                json!({"access_token": "ya29.test", "token_type": "Bearer", "expires_in": 3600, "expiration": 4102444800u64}),
            );
        }
        let body = String::from_utf8_lossy(&request.body).into_owned();
        let index = body.split_once("<<").and_then(|(_, rest)| rest.split_once(">>")).map(|(index, _)| index);
        let index: usize = index.and_then(|index| index.parse().ok()).expect("a marker in the request");
        exchanges[index].clone()
    }))
}

fn behaviour(exchange: &Exchange) -> Behaviour {
    let behaviour = exchange.behaviour(CHUNK).expect("an answer");
    let has_type = exchange.response_headers.keys().any(|name| name.eq_ignore_ascii_case("content-type"));
    let kind = match (exchange.stream, exchange.endpoint.as_str()) {
        (true, "converse-stream") => "application/vnd.amazon.eventstream",
        (true, "ollama:chat") => "application/x-ndjson",
        (true, _) => "text/event-stream",
        (false, _) => "application/json",
    };
    if has_type { behaviour } else { behaviour.header("content-type", kind) }
}

#[test]
fn every_provider_to_every_sdk() {
    const CLIENTS: [(&str, &str); 7] = [
        ("python", "chat"),
        ("python", "responses"),
        ("python", "messages"),
        ("python", "gemini"),
        ("python", "completions"),
        ("node", "chat"),
        ("node", "responses"),
    ];
    let test = "every_provider_to_every_sdk";
    let cases = cases();
    let mut exchanges: Vec<(&Case, Exchange)> = Vec::new();
    for case in &cases {
        let Some(found) = recorded(case, test) else { return };
        assert!(!found.is_empty(), "no recording for {}", case.r#type);
        exchanges.extend(found.into_iter().map(|exchange| (case, exchange)));
    }
    let replay = play(exchanges.iter().map(|(_, exchange)| behaviour(exchange)).collect());
    let iam = format!("{}/identity/token", replay.url());
    let gateway =
        Gateway::start_with_env(&world(&cases, &replay.url()), &[("PENSTOCK_IBM_IAM_ENDPOINT", &iam)]);

    // Which exchange each call is about, by language.
    let asked = |language: &str| -> Vec<(usize, &'static str)> {
        let pairs = exchanges.iter().enumerate().flat_map(|(index, (case, exchange))| {
            let of_language = CLIENTS.iter().filter(|(of, _)| *of == language);
            let clients = of_language.map(|(_, client)| *client);
            clients
                .filter(|client| fits(case.r#type, case.model, exchange, client))
                .map(move |client| (index, client))
        });
        pairs.collect()
    };
    let job = |calls: &[(usize, &'static str)]| {
        let calls = calls.iter().map(|(index, client)| {
            let (case, exchange) = &exchanges[*index];
            json!({"client": client, "model": case.r#type, "text": marker(*index), "stream": exchange.stream})
        });
        let calls: Vec<Value> = calls.collect();
        json!({"base_url": gateway.url, "api_key": "none", "concurrency": 8, "calls": calls})
    };
    let (python_calls, node_calls) = (asked("python"), asked("node"));
    let of_python: Vec<Value> = python::run("clients.py", &[], &[], &job(&python_calls));
    let of_node: Vec<Value> = node::run(&job(&node_calls)).unwrap_or_else(|| {
        penstock_e2e::skip(test, "the Node part: no node or npm");
        Vec::new()
    });

    // What each SDK made of an exchange.
    let mut got: BTreeMap<usize, Vec<(String, &Value)>> = BTreeMap::new();
    for (language, calls, answers) in [("python", &python_calls, &of_python), ("node", &node_calls, &of_node)]
    {
        for ((index, client), answer) in calls.iter().zip(answers) {
            got.entry(*index).or_default().push((format!("{language} {client}"), answer));
        }
    }
    let mut wrong = Vec::new();
    let mut counts: BTreeMap<&str, [usize; 2]> = BTreeMap::new();
    for (index, answers) in &got {
        let (case, exchange) = &exchanges[*index];
        counts.entry(case.r#type).or_default()[usize::from(exchange.stream)] += 1;
        let mut read = answers.iter().filter(|(_, answer)| !is_limit(answer));
        let Some((first_name, first)) = read.next() else { continue };
        for (name, answer) in std::iter::once(&(first_name.clone(), *first)).chain(read) {
            // Completions know no tools.
            let same_tools = [name, first_name].iter().any(|name| name.ends_with("completions"))
                || plain(&answer["tools"]) == plain(&first["tools"]);
            let same = answer["ok"] == first["ok"] && answer["text"] == first["text"] && same_tools;
            let is_said = answer["ok"] == true || answer["status"].is_number() || is_stream_error(answer);
            if !same || !is_said {
                let (got, first) = (short(answer), short(first));
                wrong.push(format!(
                    "{} {} {name}: {got}\n    {first_name} has {first}",
                    case.r#type, exchange.id
                ));
            }
        }
    }
    let table: Vec<String> =
        counts.iter().map(|(name, [whole, streams])| format!("{name} {whole}+{streams}")).collect();
    eprintln!(
        "{} provider types, {} recorded answers (whole+streamed: {}), {} calls of Python SDKs, {} of the Node SDK",
        counts.len(),
        got.len(),
        table.join(", "),
        of_python.len(),
        of_node.len()
    );
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// The SDK's own way to say that an answer reached its limit or was filtered.
fn is_limit(answer: &Value) -> bool {
    let of_chat = matches!(
        answer["error"].as_str(),
        Some("LengthFinishReasonError" | "ContentFilterFinishReasonError")
    );
    // `response.incomplete` ends a stream for the helper of Responses, which knows completed ones alone.
    let of_responses =
        answer["message"].as_str().is_some_and(|text| text.contains("receive a `response.completed` event"));
    of_chat || of_responses
}

/// An error event inside a stream has no status of HTTP.
fn is_stream_error(answer: &Value) -> bool {
    matches!(answer["error"].as_str(), Some("APIError" | "APIStatusError" | "APIConnectionError"))
}

/// JavaScript writes 7.0 as 7.
fn plain(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(items) => items.iter().map(plain).collect(),
        Value::Object(members) => members.iter().map(|(name, value)| (name.clone(), plain(value))).collect(),
        other => other.clone(),
    }
}

fn short(answer: &Value) -> String {
    answer.to_string().chars().take(300).collect()
}

fn world(cases: &[Case], url: &str) -> World {
    let mut world = World::new();
    world.secret("aws", &[("access-key-id", "AKIDEXAMPLE"), ("secret-access-key", "wJalrXUtnFEMI")]);
    let account = json!({
        "type": "service_account", "client_email": "penstock@acme.iam.gserviceaccount.com", "private_key_id": "1",
        "private_key": SERVICE_ACCOUNT_KEY, "token_uri": format!("{url}/token"),
    });
    world.secret("google", &[("key.json", &account.to_string())]);
    let mut known = Vec::new();
    for case in cases.iter() {
        // A type with recordings in several formats stands more than once.
        if known.contains(&case.r#type) {
            continue;
        }
        known.push(case.r#type);
        let mut provider = json!({
            "name": "up", "type": case.r#type, "endpoint": format!("{url}/{}", case.r#type),
            "models": [{"name": "m", "upstream": case.model}],
        });
        if case.r#type != "Ollama" {
            provider["auth"] = json!({"apiKeys": [{"secretRef": {"name": "keys", "key": "one"}}]});
        }
        for (name, value) in case.more.as_object().expect("an object") {
            provider[name] = value.clone();
        }
        let pool = case.r#type.to_ascii_lowercase();
        world.pool_of(&pool, provider);
        world.route_named(&pool, case.r#type, &pool);
    }
    world
}
