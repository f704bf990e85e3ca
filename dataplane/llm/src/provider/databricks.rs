//! Databricks model serving; the endpoint is the workspace's URL. Claude has its own format there, with everything
//! that it can do: <https://docs.databricks.com/aws/en/machine-learning/model-serving/query-anthropic-messages>.

use super::vendor::{Base, Vendor};
use super::{Quirks, ReasoningControl};
use crate::Format;
use crate::message::Issuer;

pub static DATABRICKS: Vendor = Vendor {
    name: "Databricks",
    otel_name: "databricks",
    docs: "https://docs.databricks.com/aws/en/machine-learning/foundation-model-apis/api-reference",
    base: Base::Given { path: "/serving-endpoints" },
    formats: |model| {
        if is_claude(model) {
            &[Format::Messages, Format::Chat]
        } else {
            &[Format::Chat, Format::Completions]
        }
    },
    messages: "/serving-endpoints/anthropic/v1/messages",
    embeddings: true,
    passed_headers: &["anthropic-version", "anthropic-beta"],
    own_models: &["databricks-"],
    quirks: |model| if is_claude(model) { &CLAUDE } else { &QUIRKS },
    issuer: |model| is_claude(model).then_some(Issuer::Anthropic),
    ..Vendor::CHAT
};

fn is_claude(model: &str) -> bool {
    model.contains("claude")
}

static QUIRKS: Quirks = Quirks {
    odd_answers: true,
    // Streams of models that it hosts may end without: <https://github.com/databricks/unity-gateway/issues/215>.
    unsaid_finish: true,
    // Not in its reference.
    refuses: &[
        "seed",
        "logit_bias",
        "presence_penalty",
        "frequency_penalty",
        "parallel_tool_calls",
        "verbosity",
        "metadata",
        "store",
        "prediction",
    ],
    reasoning: ReasoningControl::Effort(&["low", "medium", "high"]),
    reasoning_history: false,
    // Usage is in every chunk anyway.
    stream_options: false,
    max_user: 0,
    participant_names: false,
    takes_audio: false,
    takes_video: false,
    takes_files: false,
    ..Quirks::COMPATIBLE
};

static CLAUDE: Quirks =
    Quirks { reasoning: ReasoningControl::None, max_temperature: 1.0, cache_control: true, ..QUIRKS };
