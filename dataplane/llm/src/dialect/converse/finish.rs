//! Why an answer ended.

use crate::error::{ErrorKind, UpstreamError};
use crate::message::FinishReason;

/// What a `stopReason` means.
#[derive(Debug, PartialEq)]
pub(super) enum Finish {
    Missing,
    Reason(FinishReason),
    /// The model's output could not be read: no answer, and another try may give one.
    Failure(UpstreamError),
}

pub(super) fn read(word: Option<&str>, sequence: Option<String>) -> Finish {
    Finish::Reason(match word.unwrap_or_default() {
        "" => return Finish::Missing,
        "end_turn" => FinishReason::Stop,
        "stop_sequence" => FinishReason::StopSequence(sequence),
        "max_tokens" | "model_context_window_exceeded" => FinishReason::Length,
        "tool_use" => FinishReason::ToolCalls,
        "guardrail_intervened" | "content_filtered" => FinishReason::ContentFilter,
        word @ ("malformed_model_output" | "malformed_tool_use") => {
            return Finish::Failure(UpstreamError {
                kind: ErrorKind::ServerError,
                // As a model's own failure has it, ModelErrorException.
                status: 424,
                code: Some(word.to_owned()),
                param: None,
                message: "the model's output could not be read".to_owned(),
                retry_after: None,
            });
        }
        word => FinishReason::Other(word.to_owned()),
    })
}

/// What an answer held, as far as it decides the stop reason.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    pub tool_call: bool,
    pub refusal: bool,
}

pub(super) fn write(reason: &FinishReason, seen: Seen) -> &str {
    match reason {
        // OpenAI says `stop` after a forced call and in a refusal; Bedrock's clients go by the reason.
        FinishReason::Stop if seen.tool_call => "tool_use",
        FinishReason::Stop if seen.refusal => "content_filtered",
        FinishReason::Stop => "end_turn",
        FinishReason::StopSequence(_) => "stop_sequence",
        FinishReason::Length => "max_tokens",
        FinishReason::ToolCalls => "tool_use",
        FinishReason::ContentFilter => "content_filtered",
        FinishReason::Other(word) => word,
    }
}

pub(super) fn sequence(reason: &FinishReason) -> Option<&str> {
    match reason {
        FinishReason::StopSequence(sequence) => sequence.as_deref(),
        _ => None,
    }
}
