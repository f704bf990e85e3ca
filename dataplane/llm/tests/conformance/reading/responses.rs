//! OpenAI's Responses.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Call, Finish, Outcome, Reading, Tokens, arguments, id, list, text};

pub(super) fn whole(body: &Value) -> Outcome {
    if !body["error"].is_null() || body["status"] == "failed" {
        return Outcome::Failure;
    }
    let mut reading = Reading { tokens: tokens(&body["usage"]), ..Reading::default() };
    for item in list(&body["output"]) {
        add(&mut reading, item);
    }
    reading.finish = finish(body);
    Outcome::Answer(reading.with_calls())
}

fn add(reading: &mut Reading, item: &Value) {
    match item["type"].as_str().unwrap_or_default() {
        "message" => {
            for part in list(&item["content"]) {
                reading.text.push_str(&text(&part["text"]));
                reading.refusal.push_str(&text(&part["refusal"]));
            }
        }
        "reasoning" => {
            for part in list(&item["summary"]).iter().chain(list(&item["content"])) {
                reading.thoughts.push_str(&text(&part["text"]));
            }
        }
        "function_call" => reading.calls.push(Call {
            id: id(&item["call_id"]),
            name: text(&item["name"]),
            arguments: arguments(&text(&item["arguments"])),
        }),
        // Tools that the provider runs, and what only this format has.
        _ => {}
    }
}

/// What the pieces tell; the last event must tell the same as a whole.
pub(super) fn stream(events: &[Value]) -> Outcome {
    let mut reading = Reading::default();
    let mut calls: BTreeMap<u64, (Call, String)> = BTreeMap::new();
    let mut last = None;
    for event in events {
        let place = event["output_index"].as_u64().unwrap_or(0);
        let delta = || text(&event["delta"]);
        match event["type"].as_str().unwrap_or_default() {
            "response.output_text.delta" => reading.text.push_str(&delta()),
            "response.refusal.delta" => reading.refusal.push_str(&delta()),
            "response.reasoning_summary_text.delta" | "response.reasoning_text.delta" => {
                reading.thoughts.push_str(&delta());
            }
            "response.output_item.added" if event["item"]["type"] == "function_call" => {
                let item = &event["item"];
                let (id, name) = (id(&item["call_id"]), text(&item["name"]));
                calls.insert(place, (Call { id, name, arguments: Value::Null }, text(&item["arguments"])));
            }
            "response.function_call_arguments.delta" => {
                calls.get_mut(&place).expect("a call begins with its item").1.push_str(&delta());
            }
            "response.completed" | "response.incomplete" => last = Some(&event["response"]),
            "response.failed" | "error" => return Outcome::Failure,
            _ => {}
        }
    }
    let last = last.expect("a stream of responses ends with the response");
    reading.calls =
        calls.into_values().map(|(call, text)| Call { arguments: arguments(&text), ..call }).collect();
    reading.tokens = tokens(&last["usage"]);
    reading.finish = finish(last);
    let reading = reading.with_calls();
    if let Outcome::Answer(end) = whole(last) {
        let differences = reading.differences(&end);
        assert!(differences.is_empty(), "the pieces tell another answer than the end: {differences:?}");
    }
    Outcome::Answer(reading)
}

fn finish(body: &Value) -> Option<Finish> {
    // A custom tool takes text in place of arguments; the client is to act all the same.
    let has_custom = list(&body["output"]).iter().any(|item| item["type"] == "custom_tool_call");
    Some(match (body["status"].as_str()?, body["incomplete_details"]["reason"].as_str()) {
        ("completed", _) if has_custom => Finish::ToolCalls,
        ("completed", _) => Finish::Stop,
        ("incomplete", Some("max_output_tokens")) => Finish::Length,
        ("incomplete", Some("content_filter")) => Finish::ContentFilter,
        ("incomplete", Some(reason)) => Finish::Other(reason.to_owned()),
        // Queued, in progress, cancelled: no end that others know.
        (status, _) => Finish::Other(status.to_owned()),
    })
}

fn tokens(usage: &Value) -> Tokens {
    let detail = |group: &str, name: &str| usage[group][name].as_u64().unwrap_or(0);
    Tokens {
        prompt: usage["input_tokens"].as_u64(),
        cached: detail("input_tokens_details", "cached_tokens"),
        written: detail("input_tokens_details", "cache_write_tokens"),
        output: usage["output_tokens"].as_u64(),
        reasoning: detail("output_tokens_details", "reasoning_tokens"),
    }
}
