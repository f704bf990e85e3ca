//! Hugging Face's router to inference providers. A model may name its provider, `org/model:provider`. For a dedicated
//! endpoint use OpenAICompatible.

use super::Quirks;
use super::vendor::{Base, Vendor};

pub static HUGGINGFACE: Vendor = Vendor {
    name: "HuggingFace",
    otel_name: "huggingface",
    docs: "https://huggingface.co/docs/inference-providers/tasks/chat-completion",
    base: Base::Public("https://router.huggingface.co/v1"),
    // Not `x-hf-bill-to`: it selects who pays, and that is the key's.
    quirks: |_| &QUIRKS,
    ..Vendor::CHAT
};

static QUIRKS: Quirks = Quirks { takes_files: false, ..Quirks::COMPATIBLE };
