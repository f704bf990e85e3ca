//! Fireworks AI. A model is a resource's name, `accounts/fireworks/models/...`.

use super::vendor::{Base, Vendor};
use super::{Quirks, ReasoningControl};
use crate::Format;
use crate::message::Issuer;

pub static FIREWORKS: Vendor = Vendor {
    name: "Fireworks",
    otel_name: "fireworks_ai",
    docs: "https://docs.fireworks.ai/api-reference/post-chatcompletions",
    base: Base::Public("https://api.fireworks.ai/inference/v1"),
    formats: |_| &[Format::Chat, Format::Completions, Format::Responses, Format::Messages],
    // <https://docs.fireworks.ai/api-reference/anthropic-messages>
    messages: "/inference/v1/messages",
    embeddings: true,
    passed_headers: &["anthropic-version", "anthropic-beta"],
    own_models: &["accounts/fireworks/"],
    quirks: |_| &QUIRKS,
    issuer: |_| Some(Issuer::Fireworks),
    ..Vendor::CHAT
};

static QUIRKS: Quirks = Quirks {
    refuses: &["verbosity", "store", "web_search_options"],
    max_stops: 4,
    reasoning: ReasoningControl::Effort(&["none", "low", "medium", "high"]),
    takes_files: false,
    ..Quirks::COMPATIBLE
};
