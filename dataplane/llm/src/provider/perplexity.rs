//! Perplexity's Sonar: answers from a search of the web. No function tools:
//! <https://docs.perplexity.ai/api-reference/chat-completions-post>.

use super::vendor::{Base, Vendor};
use super::{Quirks, ReasoningControl};

pub static PERPLEXITY: Vendor = Vendor {
    name: "Perplexity",
    otel_name: "perplexity",
    docs: "https://docs.perplexity.ai/api-reference/chat-completions-post",
    base: Base::Public("https://api.perplexity.ai"),
    own_models: &["sonar"],
    quirks: |_| &QUIRKS,
    ..Vendor::CHAT
};

static QUIRKS: Quirks = Quirks {
    refuses: &[
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "n",
        "seed",
        "logit_bias",
        "logprobs",
        "top_logprobs",
        "service_tier",
        "verbosity",
        "metadata",
        "store",
        "prediction",
    ],
    // 0 <= x < 2
    max_temperature: 1.99,
    // A schema or a regular expression.
    json_object: false,
    reasoning: ReasoningControl::Effort(&["minimal", "low", "medium", "high"]),
    reasoning_history: false,
    // Usage is in every chunk anyway.
    stream_options: false,
    forced_choice: false,
    named_choice: false,
    participant_names: false,
    max_user: 0,
    takes_audio: false,
    takes_video: false,
    takes_files: false,
    ..Quirks::COMPATIBLE
};
