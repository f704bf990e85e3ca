//! DeepInfra.

use super::vendor::{Base, Rule, Vendor};
use super::{Quirks, ReasoningControl};
use crate::{ErrorKind, Format};

pub static DEEPINFRA: Vendor = Vendor {
    name: "DeepInfra",
    otel_name: "deepinfra",
    docs: "https://deepinfra.com/docs/advanced/openai_api",
    base: Base::Public("https://api.deepinfra.com/v1/openai"),
    formats: |_| &[Format::Chat, Format::Completions],
    embeddings: true,
    quirks: |_| &QUIRKS,
    // A 429 that is no limit of the customer's.
    errors: &[Rule::Says("model busy", ErrorKind::Overloaded)],
    ..Vendor::CHAT
};

static QUIRKS: Quirks = Quirks {
    refuses: &["parallel_tool_calls", "service_tier", "verbosity", "metadata", "store", "prediction"],
    // `auto` and `none`: <https://deepinfra.com/docs/advanced/function_calling>
    forced_choice: false,
    named_choice: false,
    reasoning: ReasoningControl::Effort(&["none", "low", "medium", "high"]),
    // A tool's result must be a string.
    text_lists: false,
    takes_files: false,
    ..Quirks::COMPATIBLE
};
