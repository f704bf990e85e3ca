//! MiniMax. Keys of mainland China need `https://api.minimaxi.com/v1`.

use serde_json::{Map, Value};

use super::vendor::{Base, Rule, Vendor};
use super::{Json, Quirks, ReasoningControl};
use crate::message::Issuer;
use crate::{ErrorKind, Format};

pub static MINIMAX: Vendor = Vendor {
    name: "MiniMax",
    otel_name: "minimax",
    docs: "https://platform.minimax.io/docs/api-reference/text-openai-api",
    base: Base::Public("https://api.minimax.io/v1"),
    formats: |_| &[Format::Chat, Format::Messages, Format::Responses],
    messages: "/anthropic/v1/messages",
    passed_headers: &["anthropic-version", "anthropic-beta"],
    own_models: &["MiniMax-"],
    quirks: |_| &QUIRKS,
    issuer: |_| Some(Issuer::MiniMax),
    // The number stands in the message: <https://platform.minimax.io/docs/api-reference/errorcode>.
    errors: &[
        Rule::Says("context window exceeds limit", ErrorKind::ContextLength),
        Rule::Says("(1002)", ErrorKind::RateLimited),
        Rule::Says("(1039)", ErrorKind::RateLimited),
        Rule::Says("(2056)", ErrorKind::RateLimited),
        Rule::Says("(1026)", ErrorKind::ContentFiltered),
        Rule::Says("(1027)", ErrorKind::ContentFiltered),
        Rule::Says("(1004)", ErrorKind::Credentials),
        Rule::Says("(1008)", ErrorKind::Credentials),
        Rule::Says("(2049)", ErrorKind::Credentials),
    ],
    amend_chat: Some(split_reasoning),
    ..Vendor::CHAT
};

static QUIRKS: Quirks = Quirks {
    // "Some OpenAI parameters (such as presence_penalty, frequency_penalty, and logit_bias) will be ignored."
    refuses: &[
        "n",
        "seed",
        "presence_penalty",
        "frequency_penalty",
        "logit_bias",
        "logprobs",
        "top_logprobs",
        "service_tier",
        "verbosity",
        "metadata",
        "store",
    ],
    limit: "max_completion_tokens",
    max_temperature: 1.0,
    json: Json::Object,
    reasoning: ReasoningControl::ThinkingType,
    thinking_on: "adaptive",
    forced_choice: false,
    named_choice: false,
    takes_top_k: false,
    takes_audio: false,
    takes_files: false,
    ..Quirks::COMPATIBLE
};

/// Without it the reasoning stands in the text, between `<think>` tags.
fn split_reasoning(body: &mut Map<String, Value>) {
    body.entry("reasoning_split").or_insert(true.into());
}
