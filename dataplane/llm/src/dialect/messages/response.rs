//! Complete answers.

use serde_json::{Map, Value, json};

use crate::dialect::failure::{Report, bounded};
use crate::dialect::fields::{Fields, add_missing};
use crate::dialect::{Format, Reply, carrier, extras, json_answer};
use crate::error::{Broken, UpstreamError};
use crate::field::Field;
use crate::ledger::{Fate, Ledger};
use crate::message::{Issuer, Part, PartBody, ReasoningBlock, Response, Signature, ToolCall};

use super::{Seen, answer_id, citations, decode_block, read_finish, tier, usage, write_finish};

pub(super) fn decode(body: &[u8], issuer: Option<Issuer>) -> Result<Result<Response, UpstreamError>, Broken> {
    let malformed = |what: String| Broken::Malformed(what);
    let body: Value = serde_json::from_slice(body).map_err(|error| malformed(error.to_string()))?;
    if body.get("error").is_some_and(|error| !error.is_null()) {
        return Ok(Err(Report::read(&body).unwrap_or_default().in_band()));
    }
    let text = |name: &str| body.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let Some(blocks) = body.get("content").and_then(Value::as_array) else {
        return Err(malformed(format!("no `content` in {}", bounded(&body.to_string(), 200))));
    };
    let mut parts = Vec::with_capacity(blocks.len());
    let mut characters = 0;
    for (i, block) in blocks.iter().enumerate() {
        let fields = Fields::of(block.clone(), format!("content[{i}]"));
        let part = fields.and_then(decode_block::block).map_err(|error| malformed(error.message))?;
        add_part(part, issuer, &mut characters, &mut parts);
    }
    // What rides there stands in blocks of its own too.
    carrier::dismount_calls(&mut parts);
    let usage = body.get("usage");
    let tier_word = usage.and_then(|usage| usage.get("service_tier")).and_then(Value::as_str);
    let mut response = Response {
        id: text("id").map(str::to_owned),
        model: text("model").map(str::to_owned),
        parts,
        finish: text("stop_reason").map(|word| read_finish(word, text("stop_sequence"))),
        usage: usage.map(usage::read).unwrap_or_default(),
        service_tier: tier_word.map(|word| tier::read_answer(word).to_owned()),
        ..Response::default()
    };
    json_answer::restore(&mut response);
    if response.is_empty() { Err(Broken::Empty) } else { Ok(Ok(response)) }
}

/// A part, signed by its provider, and behind a text the sources that it rests on.
fn add_part(mut part: Part, issuer: Option<Issuer>, characters: &mut u64, out: &mut Vec<Part>) {
    sign(&mut part.body, issuer);
    let PartBody::Text(text) = &part.body else { return out.push(part) };
    let from = *characters;
    *characters = from.saturating_add(length(text));
    let sources = match part.extra.get("citations") {
        Some(Value::Array(list)) => list.iter().map(|it| citations::read(it, from, *characters)).collect(),
        _ => Vec::new(),
    };
    if !sources.is_empty() {
        part.extra.shift_remove("citations");
    }
    out.push(part);
    out.extend(sources.into_iter().map(|source| PartBody::Citation(source).into()));
}

/// In characters.
pub(super) fn length(text: &str) -> u64 {
    u64::try_from(text.chars().count()).unwrap_or(u64::MAX)
}

/// What stands in a provider's answer without a name is the provider's own.
fn sign(body: &mut PartBody, issuer: Option<Issuer>) {
    match body {
        PartBody::Reasoning(ReasoningBlock::Thinking { signature, .. }) => {
            *signature = signature.take().and_then(|signature| signed_by(signature, issuer));
        }
        PartBody::Reasoning(ReasoningBlock::Redacted { data }) => match signed_by(data.clone(), issuer) {
            Some(signature) => *data = signature,
            None => {
                let nothing = ReasoningBlock::Thinking { text: String::new(), signature: None };
                *body = PartBody::Reasoning(nothing);
            }
        },
        _ => {}
    }
}

/// `None` for what a server signed that has no name for its signatures: they could not find back to it, and Anthropic
/// would refuse them.
pub(super) fn signed_by(signature: Signature, issuer: Option<Issuer>) -> Option<Signature> {
    let issuer = match signature.issuer {
        Issuer::Anthropic => issuer?,
        tagged => tagged,
    };
    Some(Signature { issuer, ..signature })
}

pub(super) fn encode(response: &Response, reply: &Reply, ledger: &mut Ledger) -> Vec<u8> {
    let Response { id, model, created: _, parts, finish, logprobs, more, usage, service_tier } = response;
    if logprobs.is_some() {
        ledger.note(Field::AnswerLogprobs, Fate::Dropped);
    }
    if !more.is_empty() {
        ledger.note(Field::AnswerChoices, Fate::Dropped);
    }
    let mut seen = Seen::default();
    let mut content: Vec<Value> = Vec::with_capacity(parts.len());
    for part in parts {
        match &part.body {
            PartBody::ToolCall(_) => seen.tool_call = true,
            PartBody::Refusal(_) => seen.refusal = true,
            PartBody::Citation(source) => {
                if !cite(content.last_mut(), citations::write(source)) {
                    ledger.note(Field::AnswerCitations, Fate::Dropped);
                }
                continue;
            }
            _ => {}
        }
        content.extend(write_block(part, ledger));
    }
    let finish = finish.as_ref().map(|reason| write_finish(reason, seen));
    let out = json!({
        "id": answer_id(id.as_deref(), reply),
        "type": "message",
        "role": "assistant",
        "model": model.as_deref().unwrap_or(&reply.model),
        "content": content,
        "stop_reason": finish.map(|(reason, _)| reason),
        "stop_sequence": finish.and_then(|(_, sequence)| sequence),
        "usage": usage::write(usage, service_tier.as_deref()),
    });
    out.to_string().into_bytes()
}

/// Adds a source to the text before it; false where there is no such text or no word for the source.
fn cite(block: Option<&mut Value>, source: Option<Value>) -> bool {
    let block = block.filter(|block| block.get("type").is_some_and(|kind| kind == "text"));
    let (Some(Value::Object(block)), Some(source)) = (block, source) else { return false };
    match block.get_mut("citations") {
        Some(Value::Array(list)) => list.push(source),
        _ => drop(block.insert("citations".into(), vec![source].into())),
    }
    true
}

fn write_block(part: &Part, ledger: &mut Ledger) -> Option<Value> {
    let mut out = match &part.body {
        PartBody::Text(text) | PartBody::Refusal(text) => json!({"type": "text", "text": text}),
        PartBody::Reasoning(ReasoningBlock::Thinking { text, signature }) => {
            let signature = signature.as_ref().map(|signature| carrier::tag(signature, Issuer::Anthropic));
            json!({"type": "thinking", "thinking": text, "signature": signature.unwrap_or_default()})
        }
        PartBody::Reasoning(ReasoningBlock::Redacted { data }) => {
            json!({"type": "redacted_thinking", "data": carrier::tag(data, Issuer::Anthropic)})
        }
        PartBody::ToolCall(ToolCall { id, name, arguments, signature }) => {
            let id = call_id(id, signature.as_ref());
            let input = input(arguments, ledger);
            json!({"type": "tool_use", "id": id, "name": name, "input": input})
        }
        PartBody::Opaque { format: Format::Messages, value } => value.clone(),
        PartBody::Citation(_)
        | PartBody::Opaque { .. }
        | PartBody::Audio(_)
        | PartBody::Video(_)
        | PartBody::Image(_)
        | PartBody::Document { .. }
        | PartBody::ToolResult { .. } => {
            ledger.note(Field::AnswerPart, Fate::Dropped);
            return None;
        }
    };
    if let Value::Object(out) = &mut out {
        // Only this format's decoder puts anything but `citations` there.
        if part.extra.contains_key("citations") || matches!(part.body, PartBody::ToolCall(_)) {
            add_missing(out, &part.extra);
        } else {
            extras::note_dropped(&part.extra, ledger);
        }
    }
    Some(out)
}

/// A signed call carries its signature on its id: blocks of thinking hold what stands before the calls.
pub(super) fn call_id(id: &str, signature: Option<&Signature>) -> String {
    carrier::mount(id, &carrier::Rider { blocks: Vec::new(), call: signature.cloned() })
}

/// An answer cut at its token limit may end in half a call.
fn input(arguments: &str, ledger: &mut Ledger) -> Value {
    match serde_json::from_str(arguments) {
        Ok(input @ Value::Object(_)) => input,
        _ if arguments.trim().is_empty() => Map::new().into(),
        _ => {
            ledger.note(Field::AnswerArguments, Fate::Emulated);
            json!({"arguments": arguments})
        }
    }
}
