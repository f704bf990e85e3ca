//! Any server that speaks OpenAI's chat completions: vLLM, SGLang, llama.cpp, TGI, ...

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
    ..Vendor::CHAT
};
