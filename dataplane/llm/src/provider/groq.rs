//! Groq. What it does not take is a 400: <https://console.groq.com/docs/openai>.

use super::vendor::{Base, Rule, Vendor};
use super::{Quirks, ReasoningControl};
use crate::message::Issuer;
use crate::{ErrorKind, Format};

pub static GROQ: Vendor = Vendor {
    name: "Groq",
    otel_name: "groq",
    docs: "https://console.groq.com/docs/api-reference",
    base: Base::Public("https://api.groq.com/openai/v1"),
    formats: |_| &[Format::Chat, Format::Responses],
    quirks,
    issuer: |_| Some(Issuer::Groq),
    // <https://console.groq.com/docs/errors>
    errors: &[
        // The model, not the client, wrote what does not fit: another try, or another target, may do better.
        Rule::Code("tool_use_failed", ErrorKind::ServerError),
        Rule::Code("json_validate_failed", ErrorKind::ServerError),
        Rule::Code("model_decommissioned", ErrorKind::NotFound),
        // The flex tier is full.
        Rule::Status(498, ErrorKind::Overloaded),
    ],
    ..Vendor::CHAT
};

fn quirks(model: &str) -> &'static Quirks {
    if model.contains("gpt-oss") {
        &GPT_OSS
    } else if model.contains("qwen3") {
        &QWEN3
    } else {
        &QUIRKS
    }
}

static QUIRKS: Quirks = Quirks {
    refuses: &[
        "n",
        "logit_bias",
        "logprobs",
        "top_logprobs",
        "presence_penalty",
        "frequency_penalty",
        "metadata",
        "store",
        "verbosity",
        "prediction",
    ],
    limit: "max_completion_tokens",
    max_stops: 4,
    participant_names: false,
    reasoning_member: "reasoning",
    takes_top_k: false,
    takes_audio: false,
    takes_video: false,
    takes_files: false,
    ..Quirks::COMPATIBLE
};

/// <https://console.groq.com/docs/reasoning>
static GPT_OSS: Quirks = Quirks { reasoning: ReasoningControl::Effort(&["low", "medium", "high"]), ..QUIRKS };
static QWEN3: Quirks = Quirks { reasoning: ReasoningControl::Effort(&["none", "default"]), ..QUIRKS };
