//! Ollama's chat.

use serde_json::Value;

use super::{Call, Finish, Outcome, Reading, list, object, text};

pub(super) fn whole(body: &Value) -> Outcome {
    stream(std::slice::from_ref(body))
}

pub(super) fn stream(lines: &[Value]) -> Outcome {
    let mut reading = Reading::default();
    for line in lines {
        if !line["error"].is_null() {
            return Outcome::Failure;
        }
        let message = &line["message"];
        reading.text.push_str(&text(&message["content"]));
        reading.thoughts.push_str(&text(&message["thinking"]));
        for call in list(&message["tool_calls"]) {
            let function = &call["function"];
            let arguments = object(&function["arguments"]);
            reading.calls.push(Call { id: None, name: text(&function["name"]), arguments });
        }
        if line["done"] == true {
            reading.finish = line["done_reason"].as_str().map(|reason| match reason {
                "stop" => Finish::Stop,
                "length" => Finish::Length,
                word => Finish::Other(word.to_owned()),
            });
            reading.tokens.prompt = line["prompt_eval_count"].as_u64();
            reading.tokens.output = line["eval_count"].as_u64();
        }
    }
    Outcome::Answer(reading.with_calls())
}
