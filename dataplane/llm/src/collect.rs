//! Folds a streamed answer into a whole one.

use serde_json::Value;

use crate::message::{Event, Part, PartBody, ReasoningBlock, Response, ToolCall};

/// The answer that these events tell. [`Event::Error`] is not a part of it: who calls has looked for it.
pub fn collect(events: impl IntoIterator<Item = Event>) -> Response {
    let mut answer = Response::default();
    // Places of the tool calls among the parts, by their index.
    let mut calls: Vec<(usize, usize)> = Vec::new();
    for event in events {
        match event {
            Event::Start { id, model, created } => {
                answer.id = id.or(answer.id);
                answer.model = model.or(answer.model);
                answer.created = created.or(answer.created);
            }
            Event::Text(piece) => match answer.parts.last_mut().map(|part| &mut part.body) {
                Some(PartBody::Text(text)) => text.push_str(&piece),
                _ => push(&mut answer, PartBody::Text(piece)),
            },
            Event::Refusal(piece) => match answer.parts.last_mut().map(|part| &mut part.body) {
                Some(PartBody::Refusal(text)) => text.push_str(&piece),
                _ => push(&mut answer, PartBody::Refusal(piece)),
            },
            Event::Reasoning(piece) => match open_thinking(&mut answer) {
                Some((text, _)) => text.push_str(&piece),
                None => push_thinking(&mut answer, piece, None),
            },
            Event::ReasoningSignature(issued) => match open_thinking(&mut answer) {
                Some((_, signature)) => *signature = Some(issued),
                None => push_thinking(&mut answer, String::new(), Some(issued)),
            },
            Event::ReasoningRedacted(data) => {
                push(&mut answer, PartBody::Reasoning(ReasoningBlock::Redacted { data }));
            }
            Event::ToolCallStart { index, id, name } => {
                calls.push((index, answer.parts.len()));
                push(&mut answer, PartBody::ToolCall(ToolCall { id, name, arguments: String::new() }));
            }
            Event::ToolCallArguments { index, fragment } => {
                let place = calls.iter().find(|(call, _)| *call == index).map(|(_, place)| *place);
                let part = place.and_then(|place| answer.parts.get_mut(place));
                if let Some(Part { body: PartBody::ToolCall(call), .. }) = part {
                    call.arguments.push_str(&fragment);
                }
            }
            Event::Opaque { format, value } => match (citation(&value), answer.parts.last_mut()) {
                (Some(citation), Some(part @ Part { body: PartBody::Text(_), .. })) => {
                    cite(part, citation.clone())
                }
                _ => push(&mut answer, PartBody::Opaque { format, value }),
            },
            Event::Usage(usage) => answer.usage.merge(&usage),
            Event::Finish(reason) => answer.finish = Some(reason),
            Event::Error(_) => {}
        }
    }
    for part in &mut answer.parts {
        if let PartBody::ToolCall(call) = &mut part.body
            && call.arguments.is_empty()
        {
            call.arguments.push_str("{}");
        }
    }
    answer
}

fn push(answer: &mut Response, body: PartBody) {
    answer.parts.push(body.into());
}

fn push_thinking(answer: &mut Response, text: String, signature: Option<String>) {
    push(answer, PartBody::Reasoning(ReasoningBlock::Thinking { text, signature }));
}

/// A signature closes its block: the next piece begins another.
fn open_thinking(answer: &mut Response) -> Option<(&mut String, &mut Option<String>)> {
    match &mut answer.parts.last_mut()?.body {
        PartBody::Reasoning(ReasoningBlock::Thinking { text, signature }) if signature.is_none() => {
            Some((text, signature))
        }
        _ => None,
    }
}

/// Anthropic streams the sources of a text behind its pieces.
fn citation(value: &Value) -> Option<&Value> {
    (value.get("type")? == "citations_delta").then(|| value.get("citation")).flatten()
}

fn cite(part: &mut Part, citation: Value) {
    match part.extra.get_mut("citations") {
        Some(Value::Array(all)) => all.push(citation),
        _ => drop(part.extra.insert("citations".into(), vec![citation].into())),
    }
}
