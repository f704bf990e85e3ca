//! A provider's output items to neutral parts, whether they came whole or at the end of a streamed one.

use serde_json::{Map, Value, json};

use crate::dialect::failure::Report;
use crate::dialect::openai_shared::custom_call;
use crate::dialect::{Format, carrier};
use crate::error::UpstreamError;
use crate::message::{FinishReason, Issuer, Media, Part, PartBody, ToolCall};

use super::{annotations, state};

/// Reads items one after the other.
#[derive(Debug)]
pub(super) struct Reader {
    pub issuer: Option<Issuer>,
    /// Characters of the answer's text so far.
    pub chars: u64,
    /// Calls so far, of custom tools too.
    pub calls: usize,
    /// Probabilities of the texts' tokens, as the chat format has them.
    pub logprobs: Vec<Value>,
}

impl Reader {
    pub fn new(issuer: Option<Issuer>) -> Self {
        Self { issuer, chars: 0, calls: 0, logprobs: Vec::new() }
    }

    pub fn item(&mut self, item: &Value) -> Vec<Part> {
        match item.get("type").and_then(Value::as_str).unwrap_or_default() {
            "message" => self.message(item),
            "function_call" => {
                self.calls += 1;
                let mut call = read_call(item);
                if call.arguments.is_empty() {
                    call.arguments.push_str("{}");
                }
                vec![PartBody::ToolCall(call).into()]
            }
            "custom_tool_call" => vec![self.custom_call(item)],
            "reasoning" => {
                let block = state::read(item, self.issuer);
                block.into_iter().map(|block| PartBody::Reasoning(block).into()).collect()
            }
            "image_generation_call" => match item.as_object().and_then(read_image) {
                Some(media) => vec![PartBody::Image(media).into()],
                None => vec![self.opaque(item)],
            },
            _ => vec![self.opaque(item)],
        }
    }

    fn message(&mut self, item: &Value) -> Vec<Part> {
        let content = item.get("content").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let mut parts = Vec::with_capacity(content.len());
        for piece in content {
            let text = |name: &str| piece.get(name).and_then(Value::as_str);
            match (text("type"), text("text"), text("refusal")) {
                (Some("refusal"), _, Some(refusal)) => {
                    parts.push(PartBody::Refusal(refusal.to_owned()).into());
                }
                (Some("output_text"), Some(text), _) => {
                    parts.push(Part::text(text));
                    let base = self.chars;
                    parts.extend(
                        list(piece, "annotations")
                            .map(|it| PartBody::Citation(annotations::read(it, base)).into()),
                    );
                    self.chars = self.chars.saturating_add(count_chars(text));
                    self.logprobs.extend(list(piece, "logprobs").cloned());
                }
                _ => {
                    let value = json!({"type": "message", "role": "assistant", "content": [piece]});
                    parts.push(PartBody::Opaque { format: Format::Responses, value }.into());
                }
            }
        }
        parts
    }

    /// Opaque in the shape of the chat format, which has such calls too.
    fn custom_call(&mut self, item: &Value) -> Part {
        let text = |name: &str| item.get(name).and_then(Value::as_str).unwrap_or_default();
        let mut call = custom_call(text("call_id"), text("name"), text("input"));
        if let Value::Object(call) = &mut call {
            // Chat joins the pieces of a stream by it.
            call.insert("index".into(), self.calls.into());
        }
        self.calls += 1;
        PartBody::Opaque { format: Format::Chat, value: json!({"tool_calls": [call]}) }.into()
    }

    fn opaque(&self, item: &Value) -> Part {
        let mut value = item.clone();
        state::stamp(&mut value, self.issuer);
        PartBody::Opaque { format: Format::Responses, value }.into()
    }
}

/// A call; without arguments where the item holds none.
pub(super) fn read_call(item: &Value) -> ToolCall {
    let text = |name: &str| item.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let id = text("call_id").or_else(|| text("id")).unwrap_or_default();
    let (id, rider) = carrier::dismount(id);
    let arguments = match item.get("arguments") {
        Some(object @ Value::Object(_)) => object.to_string(),
        _ => text("arguments").unwrap_or_default().to_owned(),
    };
    ToolCall {
        id: id.to_owned(),
        name: text("name").unwrap_or_default().to_owned(),
        arguments,
        signature: rider.and_then(|rider| rider.call),
    }
}

/// `None` without the bytes.
pub(super) fn read_image(item: &Map<String, Value>) -> Option<Media> {
    let data = item.get("result")?.as_str().filter(|data| !data.is_empty())?;
    let format = item.get("output_format").and_then(Value::as_str).unwrap_or("png");
    Some(Media::Base64 { media_type: format!("image/{format}"), data: data.to_owned(), detail: None })
}

pub(super) fn list<'a>(of: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    of.get(name).and_then(Value::as_array).into_iter().flatten()
}

pub(super) fn count_chars(text: &str) -> u64 {
    text.chars().count().try_into().unwrap_or(u64::MAX)
}

/// How an answer ended; `None` where it does not say.
pub(super) fn finish(answer: &Value, has_calls: bool) -> Option<FinishReason> {
    let status = answer.get("status").and_then(Value::as_str)?;
    let reason = answer.get("incomplete_details").and_then(|it| it.get("reason")).and_then(Value::as_str);
    Some(match (status, reason) {
        ("completed", _) if has_calls => FinishReason::ToolCalls,
        ("completed", _) => FinishReason::Stop,
        ("incomplete", Some("max_output_tokens" | "max_tokens")) => FinishReason::Length,
        ("incomplete", Some("content_filter")) => FinishReason::ContentFilter,
        ("incomplete", Some(reason)) => FinishReason::Other(reason.to_owned()),
        (status, _) => FinishReason::Other(status.to_owned()),
    })
}

/// Codes of a failed answer that blame the request (`ResponseErrorCode` of OpenAI's OpenAPI document), by their beginnings.
const BLAMES_REQUEST: &[&str] =
    &["invalid_", "image_", "unsupported_", "empty_image", "failed_to_download", "bio_policy"];

/// A failure that came inside an answer: `error` is its object, or a whole event.
pub(super) fn failure(error: &Value) -> UpstreamError {
    let text = |name: &str| error.get(name).and_then(Value::as_str).map(str::to_owned);
    let mut report = match error.get("error") {
        Some(Value::Object(_)) => Report::read(error).unwrap_or_default(),
        _ => Report {
            code: text("code"),
            param: text("param"),
            message: text("message").unwrap_or_else(|| "the provider's answer failed".into()),
            ..Report::default()
        },
    };
    let blames = |code: &str| BLAMES_REQUEST.iter().any(|beginning| code.starts_with(beginning));
    if report.status.is_none() && report.code.as_deref().is_some_and(blames) {
        report.status = Some(400);
    }
    report.in_band()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn failures_keep_their_fault() {
        for (error, kind, status) in [
            (json!({"code": "rate_limit_exceeded", "message": "x"}), ErrorKind::RateLimited, 429),
            (json!({"code": "server_error", "message": "x"}), ErrorKind::ServerError, 500),
            (json!({"code": "invalid_prompt", "message": "x"}), ErrorKind::InvalidRequest, 400),
            (
                json!({"type": "error", "code": null, "message": "x", "param": null}),
                ErrorKind::ServerError,
                500,
            ),
            (
                json!({"type": "error", "error": {"type": "invalid_request_error", "code": "context_length_exceeded", "message": "x"}}),
                ErrorKind::ContextLength,
                400,
            ),
            (json!(null), ErrorKind::ServerError, 500),
        ] {
            let found = failure(&error);
            assert_eq!((found.kind, found.status), (kind, status), "{error}");
            assert!(!found.message.is_empty());
        }
    }

    #[test]
    fn ends() {
        let end = |status: &str, reason: Value| {
            finish(&json!({"status": status, "incomplete_details": {"reason": reason}}), false)
        };
        assert_eq!(end("incomplete", "max_output_tokens".into()), Some(FinishReason::Length));
        assert_eq!(end("incomplete", "content_filter".into()), Some(FinishReason::ContentFilter));
        assert_eq!(end("incomplete", "steered".into()), Some(FinishReason::Other("steered".into())));
        assert_eq!(end("queued", Value::Null), Some(FinishReason::Other("queued".into())));
        assert_eq!(finish(&json!({}), true), None);
        assert_eq!(finish(&json!({"status": "completed"}), true), Some(FinishReason::ToolCalls));
    }
}
