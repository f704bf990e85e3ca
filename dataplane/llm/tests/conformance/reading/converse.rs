//! Amazon Bedrock's Converse.

use std::collections::BTreeMap;

use serde_json::Value;

use super::event_stream::Message;
use super::{Call, Finish, Outcome, Reading, Tokens, arguments, id, list, object, text};

pub(super) fn whole(body: &Value) -> Outcome {
    let mut reading = Reading::default();
    for block in list(&body["output"]["message"]["content"]) {
        reading.text.push_str(&text(&block["text"]));
        for cited in list(&block["citationsContent"]["content"]) {
            reading.text.push_str(&text(&cited["text"]));
        }
        reading.thoughts.push_str(&text(&block["reasoningContent"]["reasoningText"]["text"]));
        let call = &block["toolUse"];
        if is_for_client(call) {
            reading.calls.push(Call {
                id: id(&call["toolUseId"]),
                name: text(&call["name"]),
                arguments: object(&call["input"]),
            });
        }
    }
    reading.finish = match finish(&body["stopReason"]) {
        Ok(finish) => finish,
        Err(()) => return Outcome::Failure,
    };
    reading.tokens = tokens(&body["usage"]);
    Outcome::Answer(reading)
}

pub(super) fn stream(messages: &[Message]) -> Outcome {
    let mut reading = Reading::default();
    let mut calls: BTreeMap<u64, (Call, String)> = BTreeMap::new();
    for Message { kind, is_exception, payload } in messages {
        if *is_exception {
            return Outcome::Failure;
        }
        let place = payload["contentBlockIndex"].as_u64().unwrap_or(0);
        match kind.as_str() {
            "contentBlockStart" if is_for_client(&payload["start"]["toolUse"]) => {
                let start = &payload["start"]["toolUse"];
                let (id, name) = (id(&start["toolUseId"]), text(&start["name"]));
                calls.insert(place, (Call { id, name, arguments: Value::Null }, String::new()));
            }
            "contentBlockDelta" => {
                let delta = &payload["delta"];
                reading.text.push_str(&text(&delta["text"]));
                reading.thoughts.push_str(&text(&delta["reasoningContent"]["text"]));
                if let Some((_, json)) = calls.get_mut(&place) {
                    json.push_str(&text(&delta["toolUse"]["input"]));
                }
            }
            "messageStop" => match finish(&payload["stopReason"]) {
                Ok(finish) => reading.finish = finish,
                Err(()) => return Outcome::Failure,
            },
            "metadata" => reading.tokens = tokens(&payload["usage"]),
            _ => {}
        }
    }
    reading.calls =
        calls.into_values().map(|(call, json)| Call { arguments: arguments(&json), ..call }).collect();
    Outcome::Answer(reading)
}

/// Amazon runs tools of its own, and says so.
fn is_for_client(call: &Value) -> bool {
    call.is_object() && call["type"] != "server_tool_use"
}

/// The class, or an error where the reason is a failure.
fn finish(reason: &Value) -> Result<Option<Finish>, ()> {
    let Some(word) = reason.as_str() else { return Ok(None) };
    Ok(Some(match word {
        "end_turn" | "stop_sequence" => Finish::Stop,
        "max_tokens" | "model_context_window_exceeded" => Finish::Length,
        "tool_use" => Finish::ToolCalls,
        "guardrail_intervened" | "content_filtered" => Finish::ContentFilter,
        "malformed_model_output" | "malformed_tool_use" => return Err(()),
        word => Finish::Other(word.to_owned()),
    }))
}

/// What was read from and written to the cache stands beside the input.
fn tokens(usage: &Value) -> Tokens {
    let count = |name: &str| usage[name].as_u64().unwrap_or(0);
    let (cached, written) = (count("cacheReadInputTokens"), count("cacheWriteInputTokens"));
    Tokens {
        prompt: usage["inputTokens"].as_u64().map(|input| input + cached + written),
        cached,
        written,
        output: usage["outputTokens"].as_u64(),
        reasoning: 0,
    }
}
