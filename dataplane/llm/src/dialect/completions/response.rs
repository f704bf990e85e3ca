//! Complete answers.

use serde_json::{Value, json};

use crate::dialect::chat::usage;
use crate::dialect::failure::{Report, bounded};
use crate::dialect::{Reply, extras};
use crate::error::{Broken, UpstreamError};
use crate::field::Field;
use crate::ledger::{Fate, Ledger};
use crate::message::{Choice, FinishReason, Part, PartBody, Response};

use super::{answer_id, logprobs, read_finish, write_finish};

pub(super) fn decode(body: &[u8]) -> Result<Result<Response, UpstreamError>, Broken> {
    let body: Value = serde_json::from_slice(body).map_err(|error| Broken::Malformed(error.to_string()))?;
    if let Some(error) = error_in(&body) {
        return Ok(Err(error));
    }
    let Some(choices) = body.get("choices").and_then(Value::as_array) else {
        return match Report::read(&body) {
            Some(report) => Ok(Err(report.in_band())),
            None => Err(Broken::Malformed(format!("no `choices` in {}", bounded(&body.to_string(), 200)))),
        };
    };
    let text = |name: &str| body.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let mut choices = choices.iter().map(choice);
    let Choice { parts, finish, logprobs } = choices.next().ok_or(Broken::Empty)?;
    let response = Response {
        id: text("id").map(str::to_owned),
        model: text("model").map(str::to_owned),
        created: body.get("created").and_then(Value::as_u64).filter(|&seconds| seconds > 0),
        parts,
        finish,
        logprobs,
        more: choices.collect(),
        usage: usage::find(&body, None).unwrap_or_default(),
        service_tier: text("service_tier").map(str::to_owned),
    };
    if response.is_empty() { Err(Broken::Empty) } else { Ok(Ok(response)) }
}

/// An error object in spite of status 200.
pub(super) fn error_in(body: &Value) -> Option<UpstreamError> {
    let is_error = body.get("error").is_some_and(|error| !error.is_null())
        || body.get("object").is_some_and(|object| object == "error");
    is_error.then(|| Report::read(body).unwrap_or_default().in_band())
}

fn choice(choice: &Value) -> Choice {
    let text = |name: &str| choice.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    Choice {
        parts: text("text").map(Part::text).into_iter().collect(),
        finish: text("finish_reason").map(read_finish),
        logprobs: choice.get("logprobs").and_then(logprobs::read),
    }
}

pub(super) fn encode(response: &Response, reply: &Reply, ledger: &mut Ledger) -> Vec<u8> {
    let Response { id, model, created, parts, finish, logprobs, more, usage, service_tier: _ } = response;
    let mut choices = vec![write_choice(0, parts, finish.as_ref(), logprobs.as_ref(), ledger)];
    for (index, choice) in (1..).zip(more) {
        let Choice { parts, finish, logprobs } = choice;
        choices.push(write_choice(index, parts, finish.as_ref(), logprobs.as_ref(), ledger));
    }
    let mut out = json!({
        "id": answer_id(id.as_deref(), reply),
        "object": "text_completion",
        "created": created.unwrap_or(reply.created),
        "model": model.as_deref().unwrap_or(&reply.model),
        "choices": choices,
    });
    if let (true, Value::Object(out)) = (usage.is_known(), &mut out) {
        out.insert("usage".into(), usage::write(usage));
    }
    out.to_string().into_bytes()
}

fn write_choice(
    index: usize,
    parts: &[Part],
    finish: Option<&FinishReason>,
    logprobs: Option<&Value>,
    ledger: &mut Ledger,
) -> Value {
    let mut text = String::new();
    for part in parts {
        extras::note_dropped(&part.extra, ledger);
        match &part.body {
            PartBody::Text(piece) | PartBody::Refusal(piece) => text.push_str(piece),
            PartBody::Citation(_) => ledger.note(Field::AnswerCitations, Fate::Dropped),
            PartBody::Reasoning(_)
            | PartBody::ToolCall(_)
            | PartBody::Image(_)
            | PartBody::Audio(_)
            | PartBody::Video(_)
            | PartBody::Document { .. }
            | PartBody::ToolResult { .. }
            | PartBody::Opaque { .. } => ledger.note(Field::AnswerPart, Fate::Dropped),
        }
    }
    json!({
        "text": text,
        "index": index,
        "logprobs": logprobs.map(|it| logprobs::write(it, 0)),
        "finish_reason": finish.map(write_finish),
    })
}
