//! Items of an answer, and the answer around them, as the official SDKs read them.

use serde_json::{Map, Value, json};

use crate::dialect::Reply;
use crate::message::{FinishReason, Media, Usage};

use super::{ids, usage};

/// The answer as a whole: what a client gets at once, and what most events of a stream's frame hold.
///
/// What it says of the request's settings is neutral: an encoder of answers does not know the request, and no SDK acts
/// on it.
pub(super) struct Frame<'a> {
    pub id: &'a str,
    pub model: &'a str,
    /// Unix seconds.
    pub created: u64,
    pub tier: Option<&'a str>,
}

impl Frame<'_> {
    pub fn write(&self, state: &State<'_>, output: &[Value], usage: &Usage) -> Value {
        let State { status, incomplete, error } = state;
        json!({
            "id": self.id,
            "object": "response",
            "created_at": self.created,
            "status": status,
            "background": false,
            "error": error,
            "incomplete_details": incomplete.map(|reason| json!({"reason": reason})),
            "instructions": null,
            "max_output_tokens": null,
            "max_tool_calls": null,
            "model": self.model,
            "output": output,
            "parallel_tool_calls": true,
            "previous_response_id": null,
            "prompt_cache_key": null,
            "reasoning": {"effort": null, "summary": null},
            "safety_identifier": null,
            "service_tier": self.tier,
            "store": false,
            "temperature": null,
            "text": {"format": {"type": "text"}},
            "tool_choice": "auto",
            "tools": [],
            "top_logprobs": 0,
            "top_p": null,
            "truncation": "disabled",
            "usage": usage::write(usage),
            "user": null,
            "metadata": {},
        })
    }
}

/// OpenAI's words for a tier (`ServiceTierResponses` of its OpenAPI document), which its SDKs know.
const TIERS: &[&str] = &["auto", "default", "flex", "scale", "priority", "fast", "ultrafast"];

/// A tier that a vendor calls otherwise has no place here.
pub(super) fn knows_tier(word: &str) -> bool {
    TIERS.contains(&word)
}

/// How far an answer is.
#[derive(Default)]
pub(super) struct State<'a> {
    pub status: Option<&'a str>,
    pub incomplete: Option<&'a str>,
    pub error: Option<Value>,
}

impl<'a> State<'a> {
    pub const IN_PROGRESS: State<'static> =
        State { status: Some("in_progress"), incomplete: None, error: None };

    pub fn of(finish: Option<&'a FinishReason>) -> Self {
        let (status, incomplete) = match finish {
            // The provider ended the answer without a word on why: what is told here is that it ended.
            None | Some(FinishReason::Stop | FinishReason::StopSequence(_) | FinishReason::ToolCalls) => {
                (Some("completed"), None)
            }
            Some(FinishReason::Length) => (Some("incomplete"), Some("max_output_tokens")),
            Some(FinishReason::ContentFilter) => (Some("incomplete"), Some("content_filter")),
            Some(FinishReason::Other(word)) => match word.as_str() {
                "queued" | "in_progress" | "cancelled" => (Some(word.as_str()), None),
                // Anthropic's turn that the client is to go on with, and reasons of this format.
                "pause_turn" | "max_messages" | "steered" => (Some("incomplete"), Some(word.as_str())),
                _ => (Some("completed"), None),
            },
        };
        Self { status, incomplete, error: None }
    }

    /// The status of the item that the answer ended in.
    pub fn of_last_item(&self) -> &'static str {
        if self.status == Some("incomplete") { "incomplete" } else { "completed" }
    }
}

/// The id of an answer for a client.
pub(super) fn answer_id(own: Option<&str>, reply: &Reply) -> String {
    own.map_or_else(|| format!("resp_{}", reply.request_id), str::to_owned)
}

/// Ids of an answer's items: a prefix for the type, the request's id, the item's place.
pub(super) fn item_id(prefix: &str, reply: &Reply, at: usize) -> String {
    let stem = ids::stem(&reply.request_id);
    format!("{prefix}{stem}_{at}")
}

pub(super) fn message(id: &str, status: &str, content: &[Value]) -> Value {
    json!({"id": id, "type": "message", "status": status, "role": "assistant", "content": content})
}

pub(super) fn text(text: &str, annotations: &[Value], logprobs: &[Value]) -> Value {
    json!({"type": "output_text", "text": text, "annotations": annotations, "logprobs": logprobs})
}

pub(super) fn refusal(text: &str) -> Value {
    json!({"type": "refusal", "refusal": text})
}

pub(super) fn reasoning(id: &str, text: &str, encrypted: Option<&str>) -> Value {
    let summary = match text {
        "" => Vec::new(),
        text => vec![summary(text)],
    };
    json!({"id": id, "type": "reasoning", "summary": summary, "encrypted_content": encrypted})
}

pub(super) fn summary(text: &str) -> Value {
    json!({"type": "summary_text", "text": text})
}

pub(super) fn call(id: &str, call_id: &str, name: &str, arguments: &str, status: &str) -> Value {
    json!({
        "id": id, "type": "function_call", "status": status,
        "call_id": call_id, "name": name, "arguments": arguments,
    })
}

pub(super) fn custom_call(id: &str, call_id: &str, name: &str, input: &str) -> Value {
    json!({"id": id, "type": "custom_tool_call", "call_id": call_id, "name": name, "input": input})
}

/// `None` for an image that is elsewhere: an item holds the bytes.
pub(super) fn image(id: &str, media: &Media) -> Option<Value> {
    let Media::Base64 { media_type, data, .. } = media else { return None };
    let format = media_type.strip_prefix("image/").unwrap_or("png");
    Some(json!({
        "id": id, "type": "image_generation_call", "status": "completed",
        "output_format": format, "result": data,
    }))
}

/// Probabilities of tokens are written as in the chat format; here the bytes are required, and the probability too: the
/// first token of an echoed prompt has none.
pub(super) fn logprobs(chat: &Value) -> Vec<Value> {
    let Some(tokens) = chat.get("content").and_then(Value::as_array) else { return Vec::new() };
    let complete = |token: &Value| {
        let mut token = token.as_object().cloned().unwrap_or_default();
        if token.get("bytes").is_none_or(Value::is_null) {
            token.insert("bytes".into(), json!([]));
        }
        token
    };
    let is_known = |token: &&Value| token.get("logprob").is_some_and(Value::is_number);
    let tokens = tokens.iter().filter(is_known).map(|token| {
        let mut token: Map<String, Value> = complete(token);
        let top = token.get("top_logprobs").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let top: Vec<Value> = top.iter().map(|token| complete(token).into()).collect();
        token.insert("top_logprobs".into(), top.into());
        token.into()
    });
    tokens.collect()
}
