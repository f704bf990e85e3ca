//! Google's `generateContent`.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{Call, Finish, Outcome, Reading, Tokens, answers, id, list, object, partial, text};

pub(super) fn whole(body: &Value) -> Outcome {
    stream(std::slice::from_ref(body))
}

/// An answer in the making.
#[derive(Default)]
struct Draft {
    reading: Reading,
    /// More of the last call's arguments will come.
    is_open: bool,
}

pub(super) fn stream(chunks: &[Value]) -> Outcome {
    let mut drafts: BTreeMap<u64, Draft> = BTreeMap::new();
    let mut usages = Vec::new();
    for chunk in chunks {
        if !chunk["error"].is_null() {
            return Outcome::Failure;
        }
        usages.push(&chunk["usageMetadata"]);
        if !chunk["promptFeedback"]["blockReason"].is_null() {
            drafts.entry(0).or_default().reading.finish = Some(Finish::ContentFilter);
        }
        for candidate in list(&chunk["candidates"]) {
            let draft = drafts.entry(candidate["index"].as_u64().unwrap_or(0)).or_default();
            list(&candidate["content"]["parts"]).iter().for_each(|part| add(draft, part));
            match finish(&candidate["finishReason"]) {
                Ok(finish) => draft.reading.finish = finish.or(draft.reading.finish.take()),
                Err(()) => return Outcome::Failure,
            }
        }
    }
    answers(drafts.into_values().map(|draft| draft.reading.with_calls()), tokens(&usages))
}

fn add(draft: &mut Draft, part: &Value) {
    let reading = &mut draft.reading;
    let words = text(&part["text"]);
    if part["thought"] == true {
        reading.thoughts.push_str(&words)
    } else {
        reading.text.push_str(&words)
    }
    let call = &part["functionCall"];
    if !call.is_object() {
        return;
    }
    // Vertex AI streams arguments in parts without a name.
    if call["name"].is_string() || !draft.is_open {
        let name = text(&call["name"]);
        reading.calls.push(Call { id: id(&call["id"]), name, arguments: object(&call["args"]) });
    }
    if let Some(last) = reading.calls.last_mut() {
        if last.arguments.is_null() {
            last.arguments = Map::new().into();
        }
        list(&call["partialArgs"]).iter().for_each(|piece| partial::set(&mut last.arguments, piece));
    }
    draft.is_open = call["willContinue"] == true;
}

/// The class; none where the answer goes on; an error where the reason is a failure.
fn finish(reason: &Value) -> Result<Option<Finish>, ()> {
    // Clients may ask for enums as numbers.
    if let Some(number) = reason.as_u64() {
        return Ok(Some(if number == 1 { Finish::Stop } else { Finish::Other(number.to_string()) }));
    }
    let Some(word) = reason.as_str() else { return Ok(None) };
    Ok(Some(match word {
        "STOP" => Finish::Stop,
        "MAX_TOKENS" => Finish::Length,
        "SAFETY" | "RECITATION" | "BLOCKLIST" | "PROHIBITED_CONTENT" | "SPII" | "MODEL_ARMOR" => {
            Finish::ContentFilter
        }
        "IMAGE_SAFETY" | "IMAGE_PROHIBITED_CONTENT" | "IMAGE_RECITATION" => Finish::ContentFilter,
        "MALFORMED_FUNCTION_CALL" | "UNEXPECTED_TOOL_CALL" | "TOO_MANY_TOOL_CALLS" => return Err(()),
        "MISSING_THOUGHT_SIGNATURE" | "MALFORMED_RESPONSE" => return Err(()),
        word => Finish::Other(word.to_owned()),
    }))
}

/// The last report counts, as a whole: zeros are left out. What Google's own tools read stands beside the prompt,
/// thoughts stand beside the candidates.
fn tokens(usages: &[&Value]) -> Tokens {
    let last = usages.iter().rev().find(|usage| usage["promptTokenCount"].is_u64());
    let count = |name: &str| last.and_then(|usage| usage[name].as_u64());
    let thoughts = count("thoughtsTokenCount");
    let written = count("candidatesTokenCount");
    let read_by_tools = count("toolUsePromptTokenCount").unwrap_or(0);
    let prompt = count("promptTokenCount").map(|prompt| prompt + read_by_tools);
    Tokens {
        prompt,
        cached: count("cachedContentTokenCount").unwrap_or(0),
        written: 0,
        output: prompt.map(|_| written.unwrap_or(0) + thoughts.unwrap_or(0)),
        reasoning: thoughts.unwrap_or(0),
    }
}
