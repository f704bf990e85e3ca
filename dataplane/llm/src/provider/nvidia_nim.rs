//! NVIDIA NIM, at NVIDIA's own site or, with an `endpoint`, anywhere.

use super::vendor::{Base, Vendor};
use super::{Quirks, ReasoningControl};
use crate::Format;
use crate::embed::EmbedQuirks;

pub static NVIDIA_NIM: Vendor = Vendor {
    name: "NvidiaNim",
    otel_name: "nvidia_nim",
    docs: "https://docs.nvidia.com/nim/large-language-models/latest/api-reference.html",
    base: Base::Public("https://integrate.api.nvidia.com/v1"),
    formats: |_| &[Format::Chat, Format::Completions],
    embeddings: true,
    embed_quirks: &EmbedQuirks::NVIDIA,
    quirks: |_| &QUIRKS,
    ..Vendor::CHAT
};

static QUIRKS: Quirks = Quirks {
    refuses: &["service_tier", "verbosity", "metadata", "store", "prediction"],
    // <https://docs.nvidia.com/nim/large-language-models/latest/thinking-budget-control.html>
    reasoning: ReasoningControl::TemplateArguments,
    takes_files: false,
    ..Quirks::COMPATIBLE
};
