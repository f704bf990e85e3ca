//! A plain reading of recorded answers, which knows nothing of the decoders that it checks.

use std::collections::BTreeMap;

use penstock_llm::message::PartBody;
use penstock_llm::{FinishReason, Format, Response};
use serde_json::{Value, json};

/// What a client acts on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    pub text: String,
    pub refusal: String,
    /// Name and arguments, as JSON where they are.
    pub calls: Vec<(String, Value)>,
    /// In OpenAI's words.
    pub finish: Option<String>,
    /// Whole prompt, read from the cache, generated.
    pub usage: Option<(u64, u64, u64)>,
}

impl Reading {
    pub fn of(response: &Response) -> Self {
        let mut reading = Self::default();
        for part in &response.parts {
            match &part.body {
                PartBody::Text(text) => reading.text.push_str(text),
                PartBody::Refusal(text) => reading.refusal.push_str(text),
                PartBody::ToolCall(call) => {
                    reading.calls.push((call.name.clone(), arguments(&call.arguments)))
                }
                _ => {}
            }
        }
        reading.finish = response.finish.as_ref().map(|reason| match reason {
            FinishReason::Stop | FinishReason::StopSequence(_) => "stop".to_owned(),
            FinishReason::Length => "length".to_owned(),
            FinishReason::ToolCalls => "tool_calls".to_owned(),
            FinishReason::ContentFilter => "content_filter".to_owned(),
            FinishReason::Other(word) => word.clone(),
        });
        let usage = response.usage;
        let (read, output) = (usage.cache_read.unwrap_or(0), usage.output.unwrap_or(0));
        reading.usage = usage.prompt().map(|prompt| (prompt, read, output));
        reading
    }

    /// Anthropic has no refusal text, and its stop reason follows what the answer holds; it has no unknown counts,
    /// and no arguments that are not an object.
    pub fn seen_by(mut self, client: Format) -> Self {
        if client == Format::Chat {
            return self;
        }
        let refusal = std::mem::take(&mut self.refusal);
        self.text.push_str(&refusal);
        if self.finish.as_deref() == Some("stop") && !self.calls.is_empty() {
            self.finish = Some("tool_calls".into());
        } else if self.finish.as_deref() == Some("stop") && !refusal.is_empty() {
            self.finish = Some("content_filter".into());
        }
        self.usage = Some(self.usage.unwrap_or_default());
        for (_, arguments) in &mut self.calls {
            if arguments.is_string() {
                *arguments = json!({"arguments": arguments});
            }
        }
        self
    }
}

fn arguments(text: &str) -> Value {
    if text.trim().is_empty() {
        json!({})
    } else {
        serde_json::from_str(text).unwrap_or_else(|_| text.into())
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// A complete answer.
pub fn whole(body: &Value, format: Format) -> Reading {
    match format {
        Format::Chat => {
            let message = &body["choices"][0]["message"];
            let functions = list(&message["tool_calls"]).iter().map(|call| &call["function"]);
            let functions = functions.chain(Some(&message["function_call"]).filter(|call| call.is_object()));
            Reading {
                text: chat_content(&message["content"]),
                refusal: text(&message["refusal"]),
                calls: functions.map(|it| (text(&it["name"]), chat_arguments(&it["arguments"]))).collect(),
                finish: chat_finish(&body["choices"][0]["finish_reason"]),
                usage: chat_usage(body),
            }
        }
        Format::Messages => {
            let of =
                |kind: &'static str| list(&body["content"]).iter().filter(move |block| block["type"] == kind);
            Reading {
                text: of("text").map(|block| text(&block["text"])).collect(),
                refusal: String::new(),
                calls: of("tool_use").map(|block| (text(&block["name"]), block["input"].clone())).collect(),
                finish: messages_finish(&body["stop_reason"]),
                usage: messages_usage(&body["usage"], &Value::Null),
            }
        }
        _ => panic!("no reading of {format:?}"),
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn chat_content(content: &Value) -> String {
    match content {
        Value::Array(pieces) => pieces.iter().filter_map(|piece| piece["text"].as_str()).collect(),
        object @ Value::Object(_) => object.to_string(),
        other => text(other),
    }
}

fn chat_arguments(value: &Value) -> Value {
    match value {
        Value::Null => json!({}),
        Value::String(text) => arguments(text),
        other => other.clone(),
    }
}

fn chat_finish(value: &Value) -> Option<String> {
    let word = value.as_str().filter(|word| !word.is_empty())?;
    Some(match word {
        "function_call" => "tool_calls".into(),
        "model_length" => "length".into(),
        word => word.to_owned(),
    })
}

fn chat_usage(body: &Value) -> Option<(u64, u64, u64)> {
    let usage =
        if body["usage"]["prompt_tokens"].is_u64() { &body["usage"] } else { &body["x_groq"]["usage"] };
    let prompt = usage["prompt_tokens"].as_u64()?;
    let cached = usage["prompt_tokens_details"]["cached_tokens"].as_u64();
    let vendors =
        ["prompt_cache_hit_tokens", "cache_read_input_tokens", "cached_tokens", "num_cached_tokens"];
    let cached = cached.or(vendors.iter().find_map(|name| usage[*name].as_u64())).unwrap_or(0);
    let output = usage["completion_tokens"].as_u64().unwrap_or(0);
    let reasoning = usage["completion_tokens_details"]["reasoning_tokens"].as_u64().unwrap_or(0);
    let is_beside = usage["total_tokens"].as_u64() == Some(prompt + output + reasoning);
    let cached = cached.min(prompt);
    Some((prompt, cached, if is_beside { output + reasoning } else { output }))
}

fn messages_finish(value: &Value) -> Option<String> {
    Some(match value.as_str()? {
        "end_turn" | "stop_sequence" => "stop".into(),
        "max_tokens" => "length".into(),
        "tool_use" => "tool_calls".into(),
        "refusal" => "content_filter".into(),
        word => word.to_owned(),
    })
}

/// The last that was said of each count.
fn messages_usage(first: &Value, last: &Value) -> Option<(u64, u64, u64)> {
    let count = |name: &str| last[name].as_u64().or(first[name].as_u64());
    let read = count("cache_read_input_tokens").unwrap_or(0);
    let written = count("cache_creation_input_tokens").unwrap_or(0);
    Some((count("input_tokens")? + read + written, read, count("output_tokens").unwrap_or(0)))
}

/// The JSON of every data line.
pub fn chunks(text: &str) -> Vec<Value> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("data:"));
    lines.filter_map(|data| serde_json::from_str(data.trim()).ok()).collect()
}

/// A streamed answer.
pub fn stream(text: &str, format: Format) -> Reading {
    match format {
        Format::Chat => chat_stream(&chunks(text)),
        Format::Messages => messages_stream(&chunks(text)),
        _ => panic!("no reading of {format:?}"),
    }
}

fn chat_stream(chunks: &[Value]) -> Reading {
    let mut reading = Reading::default();
    // Index, id, name, and text of the arguments of each call.
    let mut calls: Vec<(&Value, &Value, String, String)> = Vec::new();
    for chunk in chunks {
        reading.usage = chat_usage(chunk).or(reading.usage);
        let first = chunks.iter().find_map(|chunk| chunk["choices"][0]["index"].as_u64());
        let choices = list(&chunk["choices"]).iter().filter(|it| it["index"].as_u64() == first);
        for choice in choices {
            let delta = &choice["delta"];
            reading.text.push_str(&chat_content(&delta["content"]));
            reading.refusal.push_str(&text(&delta["refusal"]));
            reading.finish = reading.finish.or(chat_finish(&choice["finish_reason"]));
            for call in list(&delta["tool_calls"]) {
                let (index, id, name) = (&call["index"], &call["id"], text(&call["function"]["name"]));
                let is_known =
                    calls.iter().any(|known| known.0 == index && (known.1 == id || text(id).is_empty()));
                if !name.is_empty() && !is_known {
                    calls.push((index, id, name, String::new()));
                }
                let mine = calls.iter_mut().rev().find(|known| known.0 == index).unwrap();
                match &call["function"]["arguments"] {
                    object @ Value::Object(_) => mine.3.push_str(&object.to_string()),
                    piece => mine.3.push_str(&text(piece)),
                }
            }
        }
    }
    reading.calls = calls.into_iter().map(|(_, _, name, text)| (name, arguments(&text))).collect();
    reading
}

fn messages_stream(events: &[Value]) -> Reading {
    let mut reading = Reading::default();
    let (mut first, mut last) = (&Value::Null, &Value::Null);
    let mut tools: BTreeMap<u64, (String, String)> = BTreeMap::new();
    for event in events {
        let index = event["index"].as_u64().unwrap_or(0);
        match event["type"].as_str().unwrap_or_default() {
            "message_start" => first = &event["message"]["usage"],
            "content_block_start" if event["content_block"]["type"] == "tool_use" => {
                // Input that stands in the start is whole.
                let input = &event["content_block"]["input"];
                let whole = input.as_object().filter(|input| !input.is_empty()).map(|_| input.to_string());
                tools.insert(index, (text(&event["content_block"]["name"]), whole.unwrap_or_default()));
            }
            "content_block_delta" => {
                reading.text.push_str(&text(&event["delta"]["text"]));
                if let Some((_, arguments)) = tools.get_mut(&index) {
                    arguments.push_str(&text(&event["delta"]["partial_json"]));
                }
            }
            "message_delta" => {
                last = &event["usage"];
                reading.finish = messages_finish(&event["delta"]["stop_reason"]);
            }
            _ => {}
        }
    }
    reading.usage = messages_usage(first, last);
    reading.calls = tools.into_values().map(|(name, text)| (name, arguments(&text))).collect();
    reading
}
