//! Complete answers.

use serde_json::{Map, Value, json};

use crate::dialect::failure::{Report, bounded};
use crate::dialect::fields::{Fields, add_missing};
use crate::dialect::{Format, Reply, carrier, extras};
use crate::error::{Broken, UpstreamError};
use crate::field::Field;
use crate::ledger::{Fate, Ledger};
use crate::message::{Issuer, Part, PartBody, ReasoningBlock, Response, ToolCall};

use super::{Seen, answer_id, decode_block, read_finish, usage, write_finish};

pub(super) fn decode(
    body: &[u8],
    _issuer: Option<Issuer>,
) -> Result<Result<Response, UpstreamError>, Broken> {
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
    for (i, block) in blocks.iter().enumerate() {
        let fields = Fields::of(block.clone(), format!("content[{i}]"));
        parts.push(fields.and_then(decode_block::block).map_err(|error| malformed(error.message))?);
    }
    let response = Response {
        id: text("id").map(str::to_owned),
        model: text("model").map(str::to_owned),
        created: None,
        parts,
        finish: text("stop_reason").map(|word| read_finish(word, text("stop_sequence"))),
        usage: body.get("usage").map(usage::read).unwrap_or_default(),
        ..Response::default()
    };
    if response.is_empty() { Err(Broken::Empty) } else { Ok(Ok(response)) }
}

pub(super) fn encode(response: &Response, reply: &Reply, ledger: &mut Ledger) -> Vec<u8> {
    let mut seen = Seen::default();
    let mut content = Vec::with_capacity(response.parts.len());
    for part in &response.parts {
        match &part.body {
            PartBody::ToolCall(_) => seen.tool_call = true,
            PartBody::Refusal(_) => seen.refusal = true,
            _ => {}
        }
        content.extend(write_block(part, ledger));
    }
    let finish = response.finish.as_ref().map(|reason| write_finish(reason, seen));
    let out = json!({
        "id": answer_id(response.id.as_deref(), reply),
        "type": "message",
        "role": "assistant",
        "model": response.model.as_deref().unwrap_or(&reply.model),
        "content": content,
        "stop_reason": finish.map(|(reason, _)| reason),
        "stop_sequence": finish.and_then(|(_, sequence)| sequence),
        "usage": usage::write(&response.usage),
    });
    out.to_string().into_bytes()
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
        PartBody::ToolCall(ToolCall { id, name, arguments, signature: _ }) => {
            let input = input(arguments, ledger);
            json!({"type": "tool_use", "id": id, "name": name, "input": input})
        }
        PartBody::Opaque { format: Format::Messages, value } => value.clone(),
        PartBody::Citation(_) => {
            ledger.note(Field::AnswerCitations, Fate::Dropped);
            return None;
        }
        PartBody::Opaque { .. }
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
        // Only this format's decoder and the fold of its events put anything but `citations` there.
        if part.extra.contains_key("citations") || matches!(part.body, PartBody::ToolCall(_)) {
            add_missing(out, &part.extra);
        } else {
            extras::note_dropped(&part.extra, ledger);
        }
    }
    Some(out)
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
