//! Together AI.

use super::vendor::{Base, Vendor};
use super::{Quirks, ReasoningControl};
use crate::Format;

pub static TOGETHER: Vendor = Vendor {
    name: "Together",
    otel_name: "together_ai",
    docs: "https://docs.together.ai/reference/chat-completions-1",
    base: Base::Public("https://api.together.ai/v1"),
    formats: |_| &[Format::Chat, Format::Completions],
    embeddings: true,
    quirks: |_| &QUIRKS,
    ..Vendor::CHAT
};

static QUIRKS: Quirks = Quirks {
    // <https://docs.together.ai/docs/openai-api-compatibility>
    refuses: &["parallel_tool_calls", "service_tier", "verbosity", "metadata", "store", "prediction"],
    reasoning: ReasoningControl::Effort(&["low", "medium", "high"]),
    takes_files: false,
    ..Quirks::COMPATIBLE
};
