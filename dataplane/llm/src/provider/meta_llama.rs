//! Meta's Llama API, its endpoint compatible with OpenAI. What it takes is in the reference; the rest has no effect:
//! <https://llama.developer.meta.com/docs/features/compatibility>.

use super::Quirks;
use super::vendor::{Base, Vendor};

pub static META_LLAMA: Vendor = Vendor {
    name: "MetaLlama",
    otel_name: "meta_llama",
    docs: "https://llama.developer.meta.com/docs/features/compatibility",
    base: Base::Public("https://api.llama.com/compat/v1"),
    own_models: &["Llama-", "Cerebras-Llama-", "Groq-Llama-"],
    quirks: |_| &QUIRKS,
    ..Vendor::CHAT
};

static QUIRKS: Quirks = Quirks {
    refuses: &[
        "n",
        "seed",
        "presence_penalty",
        "frequency_penalty",
        "logit_bias",
        "logprobs",
        "top_logprobs",
        "parallel_tool_calls",
        "reasoning_effort",
        "service_tier",
        "verbosity",
        "metadata",
        "store",
    ],
    limit: "max_completion_tokens",
    max_stops: 0,
    // A schema, or text.
    json_object: false,
    reasoning_history: false,
    takes_audio: false,
    takes_video: false,
    takes_files: false,
    ..Quirks::COMPATIBLE
};
