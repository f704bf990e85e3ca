//! Cerebras Inference.

use super::vendor::{Base, Rule, Vendor};
use super::{Quirks, ReasoningControl};
use crate::{ErrorKind, Format};

pub static CEREBRAS: Vendor = Vendor {
    name: "Cerebras",
    otel_name: "cerebras",
    docs: "https://inference-docs.cerebras.ai/api-reference/chat-completions",
    base: Base::Public("https://api.cerebras.ai/v1"),
    formats: |_| &[Format::Chat, Format::Completions],
    quirks: |_| &QUIRKS,
    errors: &[
        // A 429 that is no limit of the customer's: <https://inference-docs.cerebras.ai/support/error>.
        Rule::Code("queue_exceeded", ErrorKind::Overloaded),
        Rule::Code("wrong_api_key", ErrorKind::Credentials),
    ],
    ..Vendor::CHAT
};

static QUIRKS: Quirks = Quirks {
    // `logit_bias` is checked and never applied.
    refuses: &["logit_bias", "verbosity", "metadata", "store"],
    limit: "max_completion_tokens",
    max_stops: 4,
    // <https://inference-docs.cerebras.ai/capabilities/reasoning>
    reasoning: ReasoningControl::Effort(&["none", "low", "medium", "high"]),
    reasoning_member: "reasoning",
    takes_top_k: false,
    takes_audio: false,
    takes_video: false,
    takes_files: false,
    ..Quirks::COMPATIBLE
};
