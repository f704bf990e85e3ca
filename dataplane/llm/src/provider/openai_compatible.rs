//! Any server that speaks OpenAI's chat completions: vLLM, SGLang, llama.cpp, TGI, ...

use super::Quirks;
use super::vendor::{Base, Vendor};
use crate::Format;

pub static OPENAI_COMPATIBLE: Vendor = Vendor {
    name: "OpenAICompatible",
    // OpenTelemetry has no name for "some server"; its own convention for such is a custom value.
    otel_name: "openai_compatible",
    docs: "https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html",
    base: Base::Given { path: "/v1" },
    formats: |_| &[Format::Chat, Format::Completions],
    embeddings: true,
    quirks: |_| &QUIRKS,
    ..Vendor::CHAT
};

/// It may be a gateway, which fetches files, and hands markers of the cache and reasoning state on; other servers pass
/// them over. Small servers end without a `finish_reason`.
static QUIRKS: Quirks = Quirks {
    cache_control: true,
    file_urls: true,
    opaque_history: true,
    unsaid_finish: true,
    ..Quirks::COMPATIBLE
};
