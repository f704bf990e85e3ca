//! Complete answers.

use serde_json::{Map, Value, json};

use crate::dialect::failure::{Report, bounded};
use crate::dialect::fields::with_paths;
use crate::dialect::{Format, Reply, Upstream, carrier, extras, fields, json_answer};
use crate::error::{Broken, UpstreamError};
use crate::field::Field;
use crate::ledger::{Fate, Ledger};
use crate::message::{Issuer, Part, PartBody, ReasoningBlock, Response, ToolCall};

use super::finish::{self, Finish, Seen};
use super::{attachments, blob, citations, decode_block, usage};

pub(super) fn decode(
    body: &[u8],
    upstream: &Upstream<'_>,
) -> Result<Result<Response, UpstreamError>, Broken> {
    let malformed = |what: String| Broken::Malformed(what);
    let mut body: Value = serde_json::from_slice(body).map_err(|error| malformed(error.to_string()))?;
    if body.get("error").is_some_and(|error| !error.is_null()) {
        return Ok(Err(Report::read(&body).unwrap_or_default().in_band()));
    }
    let Some(Value::Array(blocks)) = body.pointer_mut("/output/message/content").map(Value::take) else {
        return Err(malformed(format!("no `output.message.content` in {}", bounded(&body.to_string(), 200))));
    };
    // A block without anything in it says nothing, and is no reason to lose the rest.
    let is_empty = |block: &Value| {
        block.is_null() || block.as_object().is_some_and(|block| block.values().all(Value::is_null))
    };
    let blocks = blocks.into_iter().filter(|block| !is_empty(block)).collect();
    let blocks = with_paths("content", blocks);
    let mut parts =
        decode_block::content(blocks, upstream.issuer()).map_err(|error| malformed(error.message))?;
    place_citations(&mut parts);
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let finish = match finish::read(text(body.get("stopReason")).as_deref(), stop_sequence(&body)) {
        Finish::Reason(reason) => Some(reason),
        Finish::Missing => None,
        Finish::Failure(error) => return Ok(Err(error)),
    };
    // A router names the model that it chose.
    let router = body.get("trace").and_then(|trace| trace.get("promptRouter"));
    let mut response = Response {
        model: text(router.and_then(|router| router.get("invokedModelId"))),
        parts,
        finish,
        usage: body.get("usage").map(usage::read).unwrap_or_default(),
        service_tier: text(body.get("serviceTier").and_then(|tier| tier.get("type"))),
        ..Response::default()
    };
    if response.is_empty() {
        return Err(Broken::Empty);
    }
    json_answer::restore(&mut response);
    Ok(Ok(response))
}

/// Which sequence it was, where the request asked for it: at one of two places, by the model's own answer.
pub(super) fn stop_sequence(holder: &Value) -> Option<String> {
    let own = holder.get("additionalModelResponseFields")?;
    let sequence = own.get("stop_sequence").or_else(|| own.get("delta")?.get("stop_sequence"))?;
    sequence.as_str().map(str::to_owned)
}

/// A citation counts from the beginning of the text before it to its end.
fn place_citations(parts: &mut [Part]) {
    let (mut start, mut end) = (0, 0);
    for part in parts {
        match &mut part.body {
            PartBody::Text(text) => {
                start = end;
                end += text.chars().count() as u64;
            }
            PartBody::Citation(citation) => {
                citation.start = Some(start);
                citation.end = Some(end);
            }
            _ => {}
        }
    }
}

pub(super) fn encode(response: &Response, _reply: &Reply, ledger: &mut Ledger) -> Vec<u8> {
    // Bedrock's answers have no id, no model, no time, and always one choice.
    let Response { id: _, model: _, created: _, parts, finish, logprobs, more, usage, service_tier } =
        response;
    if logprobs.is_some() {
        ledger.note(Field::AnswerLogprobs, Fate::Dropped);
    }
    if !more.is_empty() {
        ledger.note(Field::AnswerChoices, Fate::Dropped);
    }
    let mut seen = Seen::default();
    let mut content = Vec::with_capacity(parts.len());
    for (i, part) in parts.iter().enumerate() {
        match &part.body {
            PartBody::ToolCall(_) => seen.tool_call = true,
            PartBody::Refusal(_) => seen.refusal = true,
            _ => {}
        }
        let behind = parts.get(i + 1..).unwrap_or_default();
        content.extend(write_block(part, behind, ledger));
    }
    let mut out = json!({
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": finish.as_ref().map(|reason| finish::write(reason, seen)),
        "usage": usage::write(usage),
        "metrics": {"latencyMs": 0},
    });
    if let Value::Object(out) = &mut out {
        if let Some(Some(sequence)) = finish.as_ref().map(finish::sequence) {
            out.insert("additionalModelResponseFields".into(), json!({"stop_sequence": sequence}));
        }
        if let Some(tier) = service_tier {
            out.insert("serviceTier".into(), json!({"type": tier}));
        }
    }
    out.to_string().into_bytes()
}

fn write_block(part: &Part, behind: &[Part], ledger: &mut Ledger) -> Option<Value> {
    match &part.body {
        PartBody::Text(text) | PartBody::Refusal(text) => {
            extras::note_dropped(&part.extra, ledger);
            let citations = citations::leading(behind);
            Some(if citations.is_empty() {
                json!({"text": text})
            } else {
                citations::block(text, &citations)
            })
        }
        PartBody::Reasoning(ReasoningBlock::Thinking { text, signature }) => {
            let mut block = json!({"text": text});
            if let (Some(signature), Value::Object(block)) = (signature, &mut block) {
                block.insert("signature".into(), carrier::tag(signature, Issuer::Anthropic).into());
            }
            Some(json!({"reasoningContent": {"reasoningText": block}}))
        }
        PartBody::Reasoning(ReasoningBlock::Redacted { data }) => {
            Some(json!({"reasoningContent": {"redactedContent": blob::write(data)}}))
        }
        PartBody::ToolCall(call) => {
            let mut block = tool_use(call, ledger);
            fields::add_missing(&mut block, &part.extra);
            Some(json!({"toolUse": block}))
        }
        PartBody::Opaque { format: Format::Converse, value } => Some(value.clone()),
        PartBody::Image(media) => match attachments::IMAGE.source(media) {
            Ok((format, source)) => Some(json!({"image": {"format": format, "source": source}})),
            Err(_) => {
                ledger.note(Field::AnswerPart, Fate::Dropped);
                None
            }
        },
        // Written with the text before it.
        PartBody::Citation(_) => None,
        PartBody::Opaque { .. }
        | PartBody::Audio(_)
        | PartBody::Video(_)
        | PartBody::Document { .. }
        | PartBody::ToolResult { .. } => {
            ledger.note(Field::AnswerPart, Fate::Dropped);
            None
        }
    }
}

/// An answer cut at its token limit may end in half a call.
fn tool_use(call: &ToolCall, ledger: &mut Ledger) -> Map<String, Value> {
    let ToolCall { id, name, arguments, signature: _ } = call;
    let input = match serde_json::from_str(arguments) {
        Ok(input @ Value::Object(_)) => input,
        _ if arguments.trim().is_empty() => Map::new().into(),
        _ => {
            ledger.note(Field::AnswerArguments, Fate::Emulated);
            json!({"arguments": arguments})
        }
    };
    let mut out = Map::new();
    out.insert("toolUseId".into(), id.clone().into());
    out.insert("name".into(), name.clone().into());
    out.insert("input".into(), input);
    out
}
