//! OpenAI's chat completions, and what servers make of them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Call, Finish, Outcome, Reading, Tokens, answers, arguments, id, list, text};

pub(super) fn whole(body: &Value) -> Outcome {
    let choices = list(&body["choices"]);
    if failed(body) || choices.iter().any(choice_failed) {
        return Outcome::Failure;
    }
    let readings = choices.iter().map(|choice| {
        let message = &choice["message"];
        let functions = list(&message["tool_calls"]).iter().map(|call| (&call["id"], &call["function"]));
        let legacy = Some((&Value::Null, &message["function_call"]));
        Reading {
            text: content(&message["content"]).0,
            refusal: text(&message["refusal"]),
            thoughts: {
                let (named, details) = thoughts(message);
                if named.is_empty() { details } else { named }
            },
            calls: functions
                .chain(legacy)
                // Snowflake writes a call without a name where there is none.
                .filter(|(_, function)| !text(&function["name"]).is_empty())
                .map(|(call, function)| Call {
                    id: id(call),
                    name: text(&function["name"]),
                    arguments: arguments(&argument_text(&function["arguments"])),
                })
                .collect(),
            finish: finish(&choice["finish_reason"]),
            ..Reading::default()
        }
    });
    answers(readings, tokens(body))
}

#[derive(Default)]
struct Draft {
    reading: Reading,
    /// Reasoning in its second place.
    details: String,
    /// Index, id, name, and text of the arguments of each call.
    calls: Vec<(Value, Option<String>, String, String)>,
}

pub(super) fn stream(chunks: &[Value]) -> Outcome {
    let mut drafts: BTreeMap<u64, Draft> = BTreeMap::new();
    let mut counted = Tokens::default();
    for chunk in chunks {
        if failed(chunk) {
            return Outcome::Failure;
        }
        let reported = tokens(chunk);
        if reported.prompt.is_some() {
            counted = reported;
        }
        for choice in list(&chunk["choices"]) {
            if choice_failed(choice) {
                return Outcome::Failure;
            }
            let Draft { reading, details, calls } =
                drafts.entry(choice["index"].as_u64().unwrap_or(0)).or_default();
            let delta = &choice["delta"];
            reading.text.push_str(&content(&delta["content"]).0);
            reading.refusal.push_str(&text(&delta["refusal"]));
            let (named, detailed) = thoughts(delta);
            reading.thoughts.push_str(&named);
            details.push_str(&detailed);
            reading.finish = reading.finish.take().or(finish(&choice["finish_reason"]));
            let functions = list(&delta["tool_calls"]).iter().filter(|call| call["custom"].is_null());
            functions.for_each(|call| add_call(calls, call));
        }
    }
    let readings = drafts.into_values().map(|Draft { mut reading, details, calls }| {
        if reading.thoughts.is_empty() {
            reading.thoughts = details;
        }
        let calls =
            calls.into_iter().map(|(_, id, name, text)| Call { id, name, arguments: arguments(&text) });
        Reading { calls: calls.collect(), ..reading }
    });
    answers(readings, counted)
}

/// A piece of a call. One index may stand for several calls: a new id with a name begins another.
fn add_call(calls: &mut Vec<(Value, Option<String>, String, String)>, call: &Value) {
    let (index, id, name) = (&call["index"], id(&call["id"]), text(&call["function"]["name"]));
    let is_known = calls.iter().any(|known| known.0 == *index && (id.is_none() || known.1 == id));
    if !name.is_empty() && !is_known {
        calls.push((index.clone(), id, name, String::new()));
    }
    let mine = calls.iter_mut().rev().find(|known| known.0 == *index).expect("a call begins with its name");
    mine.3.push_str(&argument_text(&call["function"]["arguments"]));
}

/// An error in place of an answer.
fn failed(body: &Value) -> bool {
    !body["error"].is_null() || body["object"] == "error"
}

/// OpenRouter reports failures in the choice; DeepSeek has a finish reason for its own.
fn choice_failed(choice: &Value) -> bool {
    let word = choice["finish_reason"].as_str().unwrap_or_default();
    !choice["error"].is_null() || matches!(word, "error" | "insufficient_system_resource")
}

/// Text and reasoning. Mistral writes a list where the model thinks, Cloudflare parses the JSON that was asked for.
fn content(content: &Value) -> (String, String) {
    match content {
        Value::Array(pieces) => {
            let of = |kind: &'static str| pieces.iter().filter(move |piece| piece["type"] == kind);
            let thinking = of("thinking").flat_map(|piece| list(&piece["thinking"]));
            (
                of("text").map(|piece| text(&piece["text"])).collect(),
                thinking.map(|piece| text(&piece["text"])).collect(),
            )
        }
        object @ Value::Object(_) => (object.to_string(), String::new()),
        other => (text(other), String::new()),
    }
}

/// Under its own name, and in the list of details. Servers differ in the name, and some use two for the same text;
/// Snowflake has the details alone.
fn thoughts(message: &Value) -> (String, String) {
    let named = [&message["reasoning_content"], &message["reasoning"]].map(text);
    let named = named.into_iter().find(|text| !text.is_empty()).unwrap_or_default();
    let details = list(&message["reasoning_details"]).iter();
    let details = details.map(|detail| text(&detail["text"]) + &text(&detail["summary"])).collect();
    (named + &content(&message["content"]).1, details)
}

/// JSON text, or the object itself.
fn argument_text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

pub(super) fn finish(value: &Value) -> Option<Finish> {
    let word = value.as_str().filter(|word| !word.is_empty())?;
    Some(match word {
        // Text Generation Inference and Together name the token that the model stops with.
        "stop" | "eos" | "eos_token" | "stop_sequence" => Finish::Stop,
        "length" | "model_length" => Finish::Length,
        "tool_calls" | "function_call" => Finish::ToolCalls,
        "content_filter" => Finish::ContentFilter,
        word => Finish::Other(word.to_owned()),
    })
}

/// Counts of a whole answer or a chunk. Groq puts those of a stream in a member of its own.
pub(super) fn tokens(body: &Value) -> Tokens {
    let own = &body["usage"];
    let usage = if own["prompt_tokens"].is_u64() { own } else { &body["x_groq"]["usage"] };
    let count = |name: &str| usage[name].as_u64();
    let detail = |group: &str, name: &str| usage[group][name].as_u64();
    let Some(mut prompt) = count("prompt_tokens") else { return Tokens::default() };
    let reasoning = detail("completion_tokens_details", "reasoning_tokens").or(count("reasoning_tokens"));
    let reasoning = reasoning.unwrap_or(0);
    let mut output = count("completion_tokens");
    // What the total has beyond the two.
    let beside = count("total_tokens").unwrap_or(0).saturating_sub(prompt + output.unwrap_or(0));
    let audio = detail("prompt_tokens_details", "audio_tokens").unwrap_or(0);
    if beside > 0 && beside == audio {
        // Mistral's sound is not in its prompt.
        prompt += audio;
    } else if reasoning > output.unwrap_or(0) {
        // Vercel's gateway leaves Gemini's thoughts out of the completion and of the total.
        output = output.map(|output| output + reasoning);
    } else {
        // xAI's reasoning stands beside the completion, Google's thoughts are in the total alone.
        output = output.map(|output| output + beside);
    }
    let cached = detail("prompt_tokens_details", "cached_tokens").or_else(|| {
        let names =
            ["prompt_cache_hit_tokens", "cached_tokens", "num_cached_tokens", "cache_read_input_tokens"];
        names.into_iter().find_map(count)
    });
    let written = detail("prompt_tokens_details", "cache_write_tokens");
    Tokens {
        prompt: Some(prompt),
        // xAI's models on Azure report more from the cache than the prompt has.
        cached: cached.unwrap_or(0).min(prompt),
        written: written.or(count("cache_creation_input_tokens")).unwrap_or(0),
        output,
        reasoning,
    }
}
