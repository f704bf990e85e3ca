//! The turn after an answer: state that a provider signed or encrypted goes back to it through any client's format,
//! byte for byte, and to nobody else.
//!
//! Clients send back the message that they got, as it is.

use penstock_llm::message::Issuer;
use penstock_llm::{Format, Ledger, Reply, Response, Upstream, provider, translate};
use serde_json::{Value, json};

use crate::exchange::Exchange;
use crate::report::Report;

const CLIENTS: [Format; 4] = [Format::Chat, Format::Messages, Format::Responses, Format::Gemini];

/// Provider types of every issuer.
const OTHERS: &[(&str, Format, &str)] = &[
    ("Anthropic", Format::Messages, "claude-sonnet-4-5"),
    ("Gemini", Format::Gemini, "gemini-2.5-flash"),
    ("VertexAI", Format::Gemini, "gemini-2.5-flash"),
    ("OpenAI", Format::Responses, "gpt-5"),
    ("XAI", Format::Responses, "grok-4"),
    ("AzureOpenAI", Format::Responses, "gpt-5"),
    ("OpenRouter", Format::Chat, "openai/gpt-5"),
    ("Bedrock", Format::Converse, "amazon.nova-pro-v1:0"),
    ("Mistral", Format::Chat, "mistral-large-latest"),
];

pub fn check(
    exchange: &Exchange,
    format: Format,
    response: &Response,
    states: &States,
    upstream: &Upstream<'_>,
    report: &mut Report,
) {
    if states.all.is_empty() {
        return;
    }
    for client in CLIENTS {
        report.counts(exchange).turns += 1;
        let body = client.dialect().encode_response(response, &reply(), &mut Ledger::new(client));
        let body: Value = serde_json::from_slice(&body).expect("an encoded answer is JSON");
        let next = next_turn(&body, response, client);
        let request = match client.dialect().decode_request(next.to_string().as_bytes()) {
            Ok(request) => request,
            Err(error) => {
                report.problem(exchange, format!("{client:?} turn: {error}"));
                continue;
            }
        };
        let send = |format, upstream: &Upstream<'_>| {
            let body = translate::encode_request(&request, format, upstream, &mut Ledger::new(client));
            body.map(|body| serde_json::from_slice::<Value>(&body).expect("an encoded request is JSON"))
        };
        match send(format, upstream) {
            // Nobody knows who could read it.
            _ if upstream.issuer().is_none() => {
                report.skip(exchange, "state of an unknown issuer, which need not go back");
            }
            Ok(body) => {
                let (got, wanted) = (gather_all([&body], &|_| false), states.seen_by(client == format));
                if got != *wanted {
                    report
                        .problem(exchange, format!("{client:?} turn: {} of {}", short(&got), short(wanted)));
                }
            }
            Err(refused) => report.problem(exchange, format!("{client:?} turn: {refused}")),
        }
        for &(name, spoken, model) in OTHERS {
            let other = Upstream::new(model, provider::by_name(name).expect("the registry has this type"));
            // A refusal leaks nothing.
            let Ok(body) = send(spoken, &other) else { continue };
            let body = body.to_string();
            let is_told = states.all.iter().any(|state| body.contains(state.as_str()));
            if other.issuer() == upstream.issuer() || !is_told {
                continue;
            }
            // Between chat and chat the bytes pass as they are, so nobody marked these entries; and a client that
            // spoke to OpenRouter itself has just such ones.
            let is_unmarked = upstream.issuer().is_none() && (client, format) == (Format::Chat, Format::Chat);
            if is_unmarked && other.issuer() == Some(Issuer::OpenRouter) {
                report.skip(exchange, "known gap: state that nobody marked goes on to OpenRouter");
            } else {
                report.problem(exchange, format!("{client:?} turn: {name} gets the state of another"));
            }
        }
    }
}

fn short(states: &[String]) -> String {
    let short: Vec<String> = states.iter().map(|state| state.chars().take(12).collect()).collect();
    format!("{short:?}")
}

/// Signatures and encrypted blocks, in order.
pub struct States {
    all: Vec<String>,
    /// Without those of parts that only the provider's own format has.
    of_others: Vec<String>,
}

impl States {
    /// Wherever they stand in an answer, or in the pieces of a stream.
    pub fn of<'a>(answer: impl IntoIterator<Item = &'a Value> + Clone) -> Self {
        let is_own = |part: &Value| !part["toolCall"].is_null() || !part["toolResponse"].is_null();
        Self { all: gather_all(answer.clone(), &|_| false), of_others: gather_all(answer, &is_own) }
    }

    fn seen_by(&self, is_same_format: bool) -> &Vec<String> {
        if is_same_format { &self.all } else { &self.of_others }
    }
}

fn gather_all<'a>(bodies: impl IntoIterator<Item = &'a Value>, skip: &dyn Fn(&Value) -> bool) -> Vec<String> {
    let mut out = Vec::new();
    for body in bodies {
        gather(body, skip, &mut out);
    }
    out.retain(|state| !state.is_empty());
    out
}

fn gather(value: &Value, skip: &dyn Fn(&Value) -> bool, out: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| gather(item, skip, out)),
        Value::Object(_) if skip(value) => {}
        Value::Object(members) => {
            let kind = value["type"].as_str().unwrap_or_default();
            // Items of Responses are told when they begin, when they end, and once more at the end of all; each time
            // encrypted anew.
            if kind.starts_with("response.") && kind != "response.output_item.done" {
                return;
            }
            for (name, member) in members {
                let is_state = match name.as_str() {
                    "signature" | "thoughtSignature" | "redactedContent" => true,
                    "data" => kind == "redacted_thinking" || kind == "reasoning.encrypted",
                    "encrypted_content" => kind == "reasoning",
                    _ => false,
                };
                match member.as_str() {
                    Some(text) if is_state => out.push(text.to_owned()),
                    _ => gather(member, skip, out),
                }
            }
        }
        _ => {}
    }
}

/// The next request of a client that got this answer: what it got, and the results of the calls in it.
fn next_turn(body: &Value, response: &Response, client: Format) -> Value {
    let tools = crate::reading::Reading::of(response).calls;
    let schema = json!({"type": "object", "properties": {}});
    match client {
        Format::Chat => {
            let message = &body["choices"][0]["message"];
            let mut messages = vec![json!({"role": "user", "content": "Begin."}), message.clone()];
            for call in message["tool_calls"].as_array().into_iter().flatten() {
                messages.push(json!({"role": "tool", "tool_call_id": call["id"], "content": "done"}));
            }
            if message["tool_calls"].is_null() {
                messages.push(json!({"role": "user", "content": "Go on."}));
            }
            let tools = tools.iter().map(
                |tool| json!({"type": "function", "function": {"name": tool.name, "parameters": schema}}),
            );
            json!({"model": "m", "messages": messages, "tools": tools.collect::<Vec<_>>(), "thinking_mode": true})
        }
        Format::Messages => {
            let blocks = body["content"].as_array().cloned().unwrap_or_default();
            let mut results = Vec::new();
            for call in blocks.iter().filter(|block| block["type"] == "tool_use") {
                results.push(json!({"type": "tool_result", "tool_use_id": call["id"], "content": "done"}));
            }
            if results.is_empty() {
                results.push(json!({"type": "text", "text": "Go on."}));
            }
            let tools = tools.iter().map(|tool| json!({"name": tool.name, "input_schema": schema}));
            json!({
                "model": "m", "max_tokens": 4096, "thinking_mode": true, "tools": tools.collect::<Vec<_>>(),
                "messages": [
                    {"role": "user", "content": "Begin."},
                    {"role": "assistant", "content": blocks},
                    {"role": "user", "content": results},
                ],
            })
        }
        Format::Responses => {
            let mut input = vec![json!({"role": "user", "content": "Begin."})];
            let output = body["output"].as_array().cloned().unwrap_or_default();
            input.extend(output.iter().cloned());
            for call in output.iter().filter(|item| item["type"] == "function_call") {
                input.push(
                    json!({"type": "function_call_output", "call_id": call["call_id"], "output": "done"}),
                );
            }
            let tools = tools.iter().map(
                |tool| json!({"type": "function", "name": tool.name, "parameters": schema, "strict": false}),
            );
            json!({"model": "m", "input": input, "tools": tools.collect::<Vec<_>>(), "thinking_mode": true, "store": false})
        }
        Format::Gemini => {
            let content = &body["candidates"][0]["content"];
            let mut results = Vec::new();
            for part in content["parts"].as_array().into_iter().flatten() {
                if let Some(call) = part["functionCall"].as_object() {
                    let mut result = json!({"name": call["name"], "response": {"result": "done"}});
                    if let Some(id) = call.get("id") {
                        result["id"] = id.clone();
                    }
                    results.push(json!({"functionResponse": result}));
                }
            }
            if results.is_empty() {
                results.push(json!({"text": "Go on."}));
            }
            let tools = tools.iter().map(|tool| json!({"name": tool.name, "parameters": schema}));
            json!({
                "model": "m", "thinking_mode": true,
                "contents": [
                    {"role": "user", "parts": [{"text": "Begin."}]},
                    content,
                    {"role": "user", "parts": results},
                ],
                "tools": [{"functionDeclarations": tools.collect::<Vec<_>>()}],
            })
        }
        _ => unreachable!("not among the clients"),
    }
}

fn reply() -> Reply {
    Reply { request_id: "req1".into(), model: "asked".into(), created: 1_700_000_000, include_usage: true }
}
