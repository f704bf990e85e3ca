//! Moonshot AI's Kimi. Keys of mainland China need `https://api.moonshot.cn/v1`.
//!
//! Kimi takes no forced tool choice: <https://platform.moonshot.ai/docs/guide/migrating-from-openai-to-kimi>. Its
//! thinking models want their `reasoning_content` back in tool loops and fix every sampling parameter:
//! <https://platform.moonshot.ai/docs/guide/use-kimi-k2-thinking-model>.

use super::vendor::{Base, Rule, Vendor};
use super::{Json, Quirks, ReasoningControl};
use crate::message::Issuer;
use crate::{ErrorKind, Format};

pub static MOONSHOT: Vendor = Vendor {
    name: "Moonshot",
    otel_name: "moonshot_ai",
    docs: "https://platform.moonshot.ai/docs/api/chat",
    base: Base::Public("https://api.moonshot.ai/v1"),
    formats: |_| &[Format::Chat, Format::Responses, Format::Messages],
    messages: "/anthropic/v1/messages",
    passed_headers: &["anthropic-version", "anthropic-beta"],
    own_models: &["kimi-", "moonshot-"],
    quirks,
    issuer: |_| Some(Issuer::Moonshot),
    errors: &[
        Rule::Code("engine_overloaded_error", ErrorKind::Overloaded),
        Rule::Code("exceeded_current_quota_error", ErrorKind::RateLimited),
        Rule::Says("exceeded model token limit", ErrorKind::ContextLength),
    ],
    ..Vendor::CHAT
};

fn quirks(model: &str) -> &'static Quirks {
    if model.starts_with("moonshot-") {
        &GENERATION
    } else if model.starts_with("kimi-k3") {
        &K3
    } else {
        &THINKING
    }
}

static GENERATION: Quirks = Quirks {
    refuses: &[
        "logit_bias",
        "logprobs",
        "top_logprobs",
        "seed",
        "parallel_tool_calls",
        "service_tier",
        "verbosity",
        "metadata",
        "store",
    ],
    max_temperature: 1.0,
    max_stops: 5,
    json: Json::Object,
    forced_choice: false,
    named_choice: false,
    strict_tools: false,
    text_lists: false,
    takes_top_k: false,
    takes_audio: false,
    takes_files: false,
    ..Quirks::COMPATIBLE
};

static THINKING: Quirks = Quirks {
    refuses: &[
        "logit_bias",
        "logprobs",
        "top_logprobs",
        "seed",
        "parallel_tool_calls",
        "service_tier",
        "verbosity",
        "metadata",
        "store",
        "n",
        "presence_penalty",
        "frequency_penalty",
    ],
    fixed_sampling: true,
    reasoning: ReasoningControl::ThinkingType,
    needs_reasoning_history: true,
    ..GENERATION
};

/// Always thinks.
static K3: Quirks = Quirks { reasoning: ReasoningControl::Effort(&["low", "high", "max"]), ..THINKING };
