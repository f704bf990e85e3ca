//! Complete answers.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::dialect::failure::{Report, bounded};
use crate::dialect::ids::made_call_id;
use crate::dialect::{Format, Reply, extras};
use crate::error::{Broken, UpstreamError};
use crate::field::Field;
use crate::ledger::{Fate, Ledger};
use crate::message::{Part, PartBody, ReasoningBlock, Response, ToolCall};

use super::{answer_id, citation, logprobs, read_finish, usage, write_finish};

pub(super) fn decode(body: &[u8]) -> Result<Result<Response, UpstreamError>, Broken> {
    let body: Value = serde_json::from_slice(body).map_err(|error| Broken::Malformed(error.to_string()))?;
    let Some(message) = body.get("message").filter(|message| message.is_object()) else {
        return match Report::read(&body) {
            Some(report) => Ok(Err(report.in_band())),
            None => Err(Broken::Malformed(format!("no `message` in {}", bounded(&body.to_string(), 200)))),
        };
    };
    let text = |name: &str| body.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let finish = match text("finish_reason").map(|word| read_finish(word, text("error"))).transpose() {
        Ok(finish) => finish,
        Err(error) => return Ok(Err(error)),
    };
    let response = Response {
        id: text("id").map(str::to_owned),
        parts: read_message(message, text("id")),
        finish,
        logprobs: body.get("logprobs").and_then(logprobs::read_all),
        usage: body.get("usage").map(usage::read).unwrap_or_default(),
        ..Response::default()
    };
    if response.is_empty() { Err(Broken::Empty) } else { Ok(Ok(response)) }
}

fn read_message(message: &Value, answer: Option<&str>) -> Vec<Part> {
    let list =
        |name: &str| message.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut parts = Vec::new();
    let plan = message.get("tool_plan").and_then(Value::as_str).filter(|plan| !plan.is_empty());
    parts.extend(plan.map(thought));
    let mut cited = Cited::of(list("citations"));
    if let Some(text) = message.get("content").and_then(Value::as_str).filter(|text| !text.is_empty()) {
        parts.push(Part::text(text));
        cited.behind(0, 0, true, &mut parts);
    }
    let mut chars = 0;
    for (i, block) in list("content").iter().enumerate() {
        let text = |name: &str| block.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        match block.get("type").and_then(Value::as_str).unwrap_or_default() {
            "text" => {
                let said = text("text").unwrap_or_default();
                if !said.is_empty() {
                    parts.push(Part::text(said));
                }
                cited.behind(i as u64, chars, true, &mut parts);
                chars += said.chars().count() as u64;
            }
            "thinking" => {
                parts.extend(text("thinking").map(thought));
                cited.behind(i as u64, 0, false, &mut parts);
            }
            _ => parts.push(PartBody::Opaque { format: Format::Cohere, value: block.clone() }.into()),
        }
    }
    cited.rest(&mut parts);
    parts.extend(list("tool_calls").iter().enumerate().map(|(i, call)| tool_call(call, answer, i)));
    parts
}

/// Citations that wait for the block that they belong to, by its index. Older answers do not say which block: it is the
/// text.
struct Cited<'a>(BTreeMap<Option<u64>, Vec<&'a Value>>);

impl<'a> Cited<'a> {
    fn of(citations: &'a [Value]) -> Self {
        let mut waiting: BTreeMap<Option<u64>, Vec<&Value>> = BTreeMap::new();
        for citation in citations {
            let block = citation.get("content_index").and_then(Value::as_u64);
            waiting.entry(block).or_default().push(citation);
        }
        Self(waiting)
    }

    /// Puts those of a block behind it. `chars` is how much answer text stands before the block.
    fn behind(&mut self, index: u64, chars: u64, is_text: bool, parts: &mut Vec<Part>) {
        let unplaced = if is_text { self.0.remove(&None) } else { None };
        for citations in [unplaced, self.0.remove(&Some(index))].into_iter().flatten() {
            put(citations, chars, parts);
        }
    }

    /// Those of blocks that never came.
    fn rest(self, parts: &mut Vec<Part>) {
        for citations in self.0.into_values() {
            put(citations, 0, parts);
        }
    }
}

fn put(citations: Vec<&Value>, chars: u64, parts: &mut Vec<Part>) {
    let read = citations.into_iter().flat_map(|it| citation::read(it, chars));
    parts.extend(read.map(|it| PartBody::Citation(it).into()));
}

fn thought(text: &str) -> Part {
    PartBody::Reasoning(ReasoningBlock::Thinking { text: text.to_owned(), signature: None }).into()
}

fn tool_call(call: &Value, answer: Option<&str>, index: usize) -> Part {
    let function = call.get("function").unwrap_or(&Value::Null);
    let text = |of: &Value, name: &str| {
        of.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
    };
    PartBody::ToolCall(ToolCall {
        id: text(call, "id").unwrap_or_else(|| made_call_id(answer.unwrap_or_default(), index)),
        name: text(function, "name").unwrap_or_default(),
        arguments: text(function, "arguments").unwrap_or_else(|| "{}".to_owned()),
        signature: None,
    })
    .into()
}

pub(super) fn encode(response: &Response, reply: &Reply, ledger: &mut Ledger) -> Vec<u8> {
    let Response {
        id,
        // There is no place for the model, the moment and the tier.
        model: _,
        created: _,
        parts,
        finish,
        logprobs,
        more,
        usage,
        service_tier: _,
    } = response;
    if !more.is_empty() {
        ledger.note(Field::AnswerChoices, Fate::Dropped);
    }
    let has_call = parts.iter().any(|part| matches!(part.body, PartBody::ToolCall(_)));
    let mut out = Map::new();
    out.insert("id".into(), answer_id(id.as_deref(), reply).into());
    out.insert("finish_reason".into(), finish.as_ref().map(|reason| write_finish(reason, has_call)).into());
    out.insert("message".into(), write_message(parts, has_call, ledger));
    let logprobs = logprobs.as_ref().map(logprobs::write).unwrap_or_default();
    if !logprobs.is_empty() {
        out.insert("logprobs".into(), logprobs.into());
    }
    if usage.is_known() {
        out.insert("usage".into(), usage::write(usage));
    }
    Value::from(out).to_string().into_bytes()
}

fn write_message(parts: &[Part], has_call: bool, ledger: &mut Ledger) -> Value {
    let mut content = Vec::new();
    let mut citations = Vec::new();
    let mut calls = Vec::new();
    for part in parts {
        extras::note_dropped(&part.extra, ledger);
        match &part.body {
            PartBody::Text(text) | PartBody::Refusal(text) => {
                content.push(json!({"type": "text", "text": text}))
            }
            PartBody::Reasoning(ReasoningBlock::Thinking { text, signature }) => {
                if signature.is_some() {
                    ledger.note(Field::ReasoningSignature, Fate::Dropped);
                }
                content.push(json!({"type": "thinking", "thinking": text}));
            }
            PartBody::Reasoning(ReasoningBlock::Redacted { .. }) => {
                ledger.note(Field::ReasoningSignature, Fate::Dropped);
            }
            PartBody::Citation(it) => citations.push(citation::write(it)),
            PartBody::ToolCall(ToolCall { id, name, arguments, signature }) => {
                if signature.is_some() {
                    ledger.note(Field::ReasoningSignature, Fate::Dropped);
                }
                let function = json!({"name": name, "arguments": arguments});
                calls.push(json!({"id": id, "type": "function", "function": function}));
            }
            PartBody::Opaque { format: Format::Cohere, value } => content.push(value.clone()),
            PartBody::Opaque { .. }
            | PartBody::Image(_)
            | PartBody::Audio(_)
            | PartBody::Video(_)
            | PartBody::Document { .. }
            | PartBody::ToolResult { .. } => ledger.note(Field::AnswerPart, Fate::Dropped),
        }
    }
    let mut out = Map::new();
    out.insert("role".into(), "assistant".into());
    if !content.is_empty() || !has_call {
        out.insert("content".into(), content.into());
    }
    if !calls.is_empty() {
        out.insert("tool_calls".into(), calls.into());
    }
    if !citations.is_empty() {
        out.insert("citations".into(), citations.into());
    }
    out.into()
}
