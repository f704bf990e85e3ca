//! SambaNova Cloud.

use super::vendor::{Base, Vendor};
use super::{Quirks, ReasoningControl};
use crate::Format;
use crate::message::Issuer;

pub static SAMBANOVA: Vendor = Vendor {
    name: "SambaNova",
    otel_name: "sambanova",
    docs: "https://docs.sambanova.ai/docs/en/features/openai-compatibility",
    base: Base::Public("https://api.sambanova.ai/v1"),
    formats: |_| &[Format::Chat, Format::Completions, Format::Responses, Format::Messages],
    messages: "/v1/messages",
    counts_tokens: true,
    embeddings: true,
    passed_headers: &["anthropic-version", "anthropic-beta"],
    quirks: |_| &QUIRKS,
    issuer: |_| Some(Issuer::SambaNova),
    ..Vendor::CHAT
};

static QUIRKS: Quirks = Quirks {
    // "Not currently implemented; accepted for API compatibility"
    refuses: &["presence_penalty", "frequency_penalty", "service_tier", "verbosity", "metadata", "store"],
    reasoning: ReasoningControl::Effort(&["low", "medium", "high"]),
    text_lists: false,
    takes_video: false,
    takes_files: false,
    ..Quirks::COMPATIBLE
};
