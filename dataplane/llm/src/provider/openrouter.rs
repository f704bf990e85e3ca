//! OpenRouter: one API in front of other vendors, which quotes their errors, also inside an answer of status 200.

use super::vendor::{Base, Rule, Vendor};
use super::{Quirks, ReasoningControl};
use crate::message::Issuer;
use crate::{ErrorKind, Format};

pub static OPENROUTER: Vendor = Vendor {
    name: "OpenRouter",
    otel_name: "openrouter",
    docs: "https://openrouter.ai/docs/api-reference/overview",
    base: Base::Public("https://openrouter.ai/api/v1"),
    formats: |_| &[Format::Chat, Format::Responses, Format::Messages],
    // <https://openrouter.ai/docs/guides/community/anthropic-agent-sdk>
    messages: "/api/v1/messages",
    embeddings: true,
    // Who the application is, for its place in OpenRouter's rankings.
    passed_headers: &["http-referer", "x-title", "x-openrouter-title", "anthropic-version", "anthropic-beta"],
    quirks: |_| &QUIRKS,
    issuer: |_| Some(Issuer::OpenRouter),
    // <https://openrouter.ai/docs/api-reference/errors>: 403 is the verdict of a moderator.
    errors: &[Rule::Says("input was flagged", ErrorKind::ContentFiltered)],
    ..Vendor::CHAT
};

static QUIRKS: Quirks = Quirks {
    // Not in its reference: <https://openrouter.ai/docs/api-reference/parameters>.
    refuses: &["n", "store"],
    reasoning: ReasoningControl::ReasoningObject,
    reasoning_member: "reasoning",
    opaque_history: true,
    // <https://openrouter.ai/docs/features/prompt-caching>
    cache_control: true,
    // <https://openrouter.ai/docs/features/multimodal/pdfs>
    file_urls: true,
    ..Quirks::COMPATIBLE
};
