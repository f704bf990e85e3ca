//! Complete answers.

use serde_json::{Map, Value, json};

use crate::collect::collect;
use crate::dialect::Reply;
use crate::dialect::failure::bounded;
use crate::error::{Broken, UpstreamError};
use crate::field::Field;
use crate::ledger::{Fate, Ledger};
use crate::message::{Choice, Event, FinishReason, Issuer, Part, Response};

use super::citations::Writer;
use super::decoder::Decoder;
use super::{logprobs, parts, usage, write_finish};

/// A complete answer is a stream of one chunk, so that both are read alike.
pub(super) fn decode(body: &[u8], issuer: Option<Issuer>) -> Result<Result<Response, UpstreamError>, Broken> {
    let body: Value = serde_json::from_slice(body).map_err(|error| Broken::Malformed(error.to_string()))?;
    let mut decoder = Decoder::new(issuer);
    let mut events = Vec::new();
    decoder.chunks(&body, &mut events);
    if !decoder.has_answer() {
        let is_known = ["candidates", "usageMetadata", "modelVersion", "responseId", "promptFeedback"];
        let is_answer = is_known.iter().any(|name| body.get(*name).is_some());
        return Err(if is_answer {
            Broken::Empty
        } else {
            Broken::Malformed(format!("no `candidates` in {}", bounded(&body.to_string(), 200)))
        });
    }
    // One without a reason is as whole as it will get.
    decoder.end(&mut events);
    let error = |event: &Event| match event {
        Event::Error(error) => Some(error.clone()),
        _ => None,
    };
    if let Some(error) = events.iter().find_map(error) {
        return Ok(Err(error));
    }
    let response = collect(events);
    if response.is_empty() { Err(Broken::Empty) } else { Ok(Ok(response)) }
}

pub(super) fn encode(response: &Response, reply: &Reply, ledger: &mut Ledger) -> Vec<u8> {
    let Response { id, model, created: _, parts, finish, logprobs, more, usage, service_tier } = response;
    let first = (parts.as_slice(), finish.as_ref(), logprobs.as_ref());
    let more = more.iter().map(|choice| {
        let Choice { parts, finish, logprobs } = choice;
        (parts.as_slice(), finish.as_ref(), logprobs.as_ref())
    });
    let choices = std::iter::once(first).chain(more).enumerate();
    let candidates: Vec<Value> = choices.map(|(index, choice)| candidate(index, choice, ledger)).collect();
    let out = json!({
        "candidates": candidates,
        "usageMetadata": usage::write(usage, service_tier.as_deref()),
        "modelVersion": model.as_deref().unwrap_or(&reply.model),
        "responseId": id.as_deref().unwrap_or(&reply.request_id),
    });
    out.to_string().into_bytes()
}

fn candidate(
    index: usize,
    (parts, finish, probabilities): (&[Part], Option<&FinishReason>, Option<&Value>),
    ledger: &mut Ledger,
) -> Value {
    let mut sources = Writer::default();
    let mut out = Map::new();
    let written = parts::write(parts, &mut sources, ledger);
    out.insert("content".into(), json!({"parts": written, "role": "model"}));
    if let Some(reason) = finish {
        out.insert("finishReason".into(), write_finish(reason).into());
    }
    out.insert("index".into(), index.into());
    sources.write(&mut out);
    match probabilities.map(logprobs::write) {
        Some(Some(result)) => drop(out.insert("logprobsResult".into(), result)),
        Some(None) => ledger.note(Field::AnswerLogprobs, Fate::Dropped),
        None => {}
    }
    out.into()
}
