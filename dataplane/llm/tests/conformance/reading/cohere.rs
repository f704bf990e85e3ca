//! Cohere's chat, version 2.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Call, Finish, Outcome, Reading, Tokens, arguments, id, list, text};

pub(super) fn whole(body: &Value) -> Outcome {
    let message = &body["message"];
    let mut reading = Reading { thoughts: text(&message["tool_plan"]), ..Reading::default() };
    reading.text = text(&message["content"]);
    for block in list(&message["content"]) {
        reading.text.push_str(&text(&block["text"]));
        reading.thoughts.push_str(&text(&block["thinking"]));
    }
    for call in list(&message["tool_calls"]) {
        reading.calls.push(Call {
            id: id(&call["id"]),
            name: text(&call["function"]["name"]),
            arguments: arguments(&text(&call["function"]["arguments"])),
        });
    }
    reading.tokens = tokens(&body["usage"]);
    match finish(&body["finish_reason"]) {
        Ok(finish) => reading.finish = finish,
        Err(()) => return Outcome::Failure,
    }
    Outcome::Answer(reading)
}

pub(super) fn stream(events: &[Value]) -> Outcome {
    let mut reading = Reading::default();
    let mut calls: BTreeMap<u64, (Call, String)> = BTreeMap::new();
    for event in events {
        let message = &event["delta"]["message"];
        let place = event["index"].as_u64().unwrap_or(0);
        let call = &message["tool_calls"];
        match event["type"].as_str().unwrap_or_default() {
            "content-start" | "content-delta" => {
                reading.text.push_str(&text(&message["content"]["text"]));
                reading.thoughts.push_str(&text(&message["content"]["thinking"]));
            }
            // The plan is the model's reasoning about its tools.
            "tool-plan-delta" => reading.thoughts.push_str(&text(&message["tool_plan"])),
            "tool-call-start" => {
                let (id, name) = (id(&call["id"]), text(&call["function"]["name"]));
                let json = text(&call["function"]["arguments"]);
                calls.insert(place, (Call { id, name, arguments: Value::Null }, json));
            }
            "tool-call-delta" => {
                let (_, json) = calls.get_mut(&place).expect("a call begins with its name");
                json.push_str(&text(&call["function"]["arguments"]));
            }
            "message-end" => {
                reading.tokens = tokens(&event["delta"]["usage"]);
                match finish(&event["delta"]["finish_reason"]) {
                    Ok(finish) => reading.finish = finish,
                    Err(()) => return Outcome::Failure,
                }
            }
            _ => {}
        }
    }
    reading.calls =
        calls.into_values().map(|(call, json)| Call { arguments: arguments(&json), ..call }).collect();
    Outcome::Answer(reading)
}

/// The class, or an error where the reason is a failure.
fn finish(reason: &Value) -> Result<Option<Finish>, ()> {
    let Some(word) = reason.as_str() else { return Ok(None) };
    Ok(Some(match word {
        "COMPLETE" | "STOP_SEQUENCE" => Finish::Stop,
        "MAX_TOKENS" => Finish::Length,
        "TOOL_CALL" => Finish::ToolCalls,
        "ERROR" | "ERROR_TOXIC" | "TIMEOUT" => return Err(()),
        word => Finish::Other(word.to_owned()),
    }))
}

/// `tokens` is what the model saw; `billed_units` leaves out what Cohere adds. Images stand beside the input.
fn tokens(usage: &Value) -> Tokens {
    let count = |name: &str| usage["tokens"][name].as_u64();
    let images = count("image_tokens").unwrap_or(0);
    Tokens {
        prompt: count("input_tokens").map(|input| input + images),
        cached: usage["cached_tokens"].as_u64().unwrap_or(0),
        written: 0,
        output: count("output_tokens"),
        reasoning: count("reasoning_tokens").unwrap_or(0),
    }
}
