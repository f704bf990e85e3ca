//! Novita AI. Its API in Anthropic's format serves some models only, so it is not used.

use super::Quirks;
use super::vendor::{Base, Vendor};
use crate::Format;

pub static NOVITA: Vendor = Vendor {
    name: "Novita",
    otel_name: "novita_ai",
    docs: "https://novita.ai/docs/api-reference/model-apis-llm-create-chat-completion",
    base: Base::Public("https://api.novita.ai/openai/v1"),
    formats: |_| &[Format::Chat, Format::Completions],
    embeddings: true,
    quirks: |_| &QUIRKS,
    ..Vendor::CHAT
};

static QUIRKS: Quirks = Quirks { takes_files: false, ..Quirks::COMPATIBLE };
