//! OpenAI's legacy completions.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Outcome, Reading, Tokens, answers, chat, list, text};

pub(super) fn whole(body: &Value) -> Outcome {
    if !body["error"].is_null() {
        return Outcome::Failure;
    }
    let readings = list(&body["choices"]).iter().map(|choice| Reading {
        text: text(&choice["text"]),
        finish: chat::finish(&choice["finish_reason"]),
        ..Reading::default()
    });
    answers(readings, chat::tokens(body))
}

pub(super) fn stream(chunks: &[Value]) -> Outcome {
    let mut readings: BTreeMap<u64, Reading> = BTreeMap::new();
    let mut tokens = Tokens::default();
    for chunk in chunks {
        if !chunk["error"].is_null() {
            return Outcome::Failure;
        }
        if chunk["usage"].is_object() {
            tokens = chat::tokens(chunk);
        }
        for choice in list(&chunk["choices"]) {
            let reading = readings.entry(choice["index"].as_u64().unwrap_or(0)).or_default();
            reading.text.push_str(&text(&choice["text"]));
            reading.finish = reading.finish.take().or(chat::finish(&choice["finish_reason"]));
        }
    }
    answers(readings.into_values(), tokens)
}
