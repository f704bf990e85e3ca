//! Anthropic's Messages.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Call, Finish, Outcome, Reading, Tokens, arguments, id, list, object, text};

pub(super) fn whole(body: &Value) -> Outcome {
    if body["type"] == "error" || !body["error"].is_null() {
        return Outcome::Failure;
    }
    let of = |kind: &'static str| list(&body["content"]).iter().filter(move |block| block["type"] == kind);
    Outcome::Answer(Reading {
        text: of("text").map(|block| text(&block["text"])).collect(),
        thoughts: of("thinking").map(|block| text(&block["thinking"])).collect(),
        calls: of("tool_use")
            .map(|block| Call {
                id: id(&block["id"]),
                name: text(&block["name"]),
                arguments: object(&block["input"]),
            })
            .collect(),
        finish: finish(&body["stop_reason"]),
        tokens: tokens(&[&body["usage"]]),
        ..Reading::default()
    })
}

pub(super) fn stream(events: &[Value]) -> Outcome {
    let mut reading = Reading::default();
    let mut usages = Vec::new();
    let mut tools: BTreeMap<u64, (Call, String)> = BTreeMap::new();
    for event in events {
        let index = event["index"].as_u64().unwrap_or(0);
        match event["type"].as_str().unwrap_or_default() {
            "message_start" => usages.push(&event["message"]["usage"]),
            "content_block_start" => {
                let block = &event["content_block"];
                reading.text.push_str(&text(&block["text"]));
                reading.thoughts.push_str(&text(&block["thinking"]));
                if block["type"] == "tool_use" {
                    let call = Call {
                        id: id(&block["id"]),
                        name: text(&block["name"]),
                        arguments: object(&block["input"]),
                    };
                    tools.insert(index, (call, String::new()));
                }
            }
            "content_block_delta" => {
                let delta = &event["delta"];
                reading.text.push_str(&text(&delta["text"]));
                reading.thoughts.push_str(&text(&delta["thinking"]));
                if let Some((_, json)) = tools.get_mut(&index) {
                    json.push_str(&text(&delta["partial_json"]));
                }
            }
            "message_delta" => {
                usages.push(&event["usage"]);
                reading.finish = finish(&event["delta"]["stop_reason"]);
            }
            "error" => return Outcome::Failure,
            _ => {}
        }
    }
    reading.tokens = tokens(&usages);
    reading.calls = tools
        .into_values()
        // Input that was not streamed stands in the start.
        .map(|(call, json)| if json.is_empty() { call } else { Call { arguments: arguments(&json), ..call } })
        .collect();
    Outcome::Answer(reading)
}

fn finish(value: &Value) -> Option<Finish> {
    Some(match value.as_str()? {
        "end_turn" | "stop_sequence" => Finish::Stop,
        "max_tokens" | "model_context_window_exceeded" => Finish::Length,
        "tool_use" => Finish::ToolCalls,
        "refusal" => Finish::ContentFilter,
        word => Finish::Other(word.to_owned()),
    })
}

/// Of each count the last that was said: counts are cumulative. The classes of the prompt stand beside each other.
fn tokens(usages: &[&Value]) -> Tokens {
    let last = |read: &dyn Fn(&Value) -> Option<u64>| usages.iter().rev().find_map(|usage| read(usage));
    let count = |name: &str| last(&|usage| usage[name].as_u64());
    let cached = count("cache_read_input_tokens").unwrap_or(0);
    let written = count("cache_creation_input_tokens").unwrap_or(0);
    Tokens {
        prompt: count("input_tokens").map(|input| input + cached + written),
        cached,
        written,
        output: count("output_tokens"),
        reasoning: last(&|usage| usage["output_tokens_details"]["thinking_tokens"].as_u64()).unwrap_or(0),
    }
}
