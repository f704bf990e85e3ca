//! DeepSeek.
//!
//! Thinking is on unless turned off; in a tool loop the model wants its `reasoning_content` back, and takes no forced
//! tool choice: <https://api-docs.deepseek.com/guides/thinking_mode>. A Claude name in Anthropic's format is mapped to a
//! model of its own: <https://api-docs.deepseek.com/guides/anthropic_api>.

use super::vendor::{Base, Vendor};
use super::{Json, Quirks, ReasoningControl};
use crate::Format;
use crate::message::Issuer;

pub static DEEPSEEK: Vendor = Vendor {
    name: "DeepSeek",
    otel_name: "deepseek",
    docs: "https://api-docs.deepseek.com/api/create-chat-completion",
    base: Base::Public("https://api.deepseek.com"),
    formats: |_| &[Format::Chat, Format::Responses, Format::Messages],
    messages: "/anthropic/v1/messages",
    passed_headers: &["anthropic-version", "anthropic-beta"],
    own_models: &["deepseek-"],
    quirks: |_| &QUIRKS,
    issuer: |_| Some(Issuer::DeepSeek),
    ..Vendor::CHAT
};

static QUIRKS: Quirks = Quirks {
    // Not in its reference, and without effect.
    refuses: &[
        "n",
        "seed",
        "logit_bias",
        "parallel_tool_calls",
        "service_tier",
        "verbosity",
        "metadata",
        "store",
        "prediction",
    ],
    takes_top_k: false,
    max_stops: 16,
    // "This response_format type is unavailable now" for a schema.
    json: Json::Object,
    reasoning: ReasoningControl::ThinkingType,
    thinking_efforts: &["low", "high", "max"],
    needs_reasoning_history: true,
    forced_choice_with_reasoning: false,
    text_lists: false,
    takes_audio: false,
    takes_video: false,
    takes_files: false,
    ..Quirks::COMPATIBLE
};
