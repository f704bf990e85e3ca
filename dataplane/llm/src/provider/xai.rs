//! xAI's Grok.

use super::vendor::{Base, Rule, Vendor};
use super::{Quirks, ReasoningControl};
use crate::message::Issuer;
use crate::{ErrorKind, Format};

pub static XAI: Vendor = Vendor {
    name: "XAI",
    otel_name: "x_ai",
    docs: "https://docs.x.ai/docs/api-reference",
    base: Base::Public("https://api.x.ai/v1"),
    formats: |_| &[Format::Chat, Format::Responses],
    own_models: &["grok-"],
    quirks,
    issuer: |_| Some(Issuer::Xai),
    errors: &[
        Rule::Says("maximum prompt length", ErrorKind::ContextLength),
        // It says 400.
        Rule::Says("incorrect api key", ErrorKind::Credentials),
    ],
    ..Vendor::CHAT
};

/// Families that take `low`, `medium` and `high`, and cannot stop thinking:
/// <https://docs.x.ai/docs/guides/reasoning>.
const STEERED: &[&str] = &["grok-4.5", "grok-4.6", "grok-4.7", "grok-build"];

fn quirks(model: &str) -> &'static Quirks {
    if model.contains("non-reasoning") || model.starts_with("grok-2") {
        &TALKS
    } else if model.starts_with("grok-3-mini") {
        &MINI
    } else if model.starts_with("grok-4.3") {
        &MAY_REASON
    } else if STEERED.iter().any(|family| model.starts_with(family)) {
        &STEERABLE
    } else {
        &REASONS
    }
}

static TALKS: Quirks = Quirks {
    // "Unsupported" or "only maintained for compatibility" in its reference.
    refuses: &["logit_bias", "metadata", "store", "verbosity", "prediction", "web_search_options"],
    limit: "max_completion_tokens",
    max_stops: 4,
    takes_top_k: false,
    takes_audio: false,
    takes_video: false,
    takes_files: false,
    ..Quirks::COMPATIBLE
};

/// "presencePenalty, frequencyPenalty and stop parameters are not supported by reasoning models"
static REASONS: Quirks = Quirks {
    refuses: &[
        "logit_bias",
        "metadata",
        "store",
        "verbosity",
        "prediction",
        "web_search_options",
        "presence_penalty",
        "frequency_penalty",
    ],
    max_stops: 0,
    ..TALKS
};

static MINI: Quirks = Quirks { reasoning: ReasoningControl::Effort(&["low", "high"]), ..REASONS };
static STEERABLE: Quirks =
    Quirks { reasoning: ReasoningControl::Effort(&["low", "medium", "high"]), ..REASONS };
static MAY_REASON: Quirks =
    Quirks { reasoning: ReasoningControl::Effort(&["none", "low", "medium", "high"]), ..REASONS };
