//! Snowflake Cortex; the project is the account's identifier, and the key a programmatic access token or an OAuth
//! token. Tools and answers by schema work with models of OpenAI's and Anthropic's alone, and Claude has its own format
//! too: <https://docs.snowflake.com/en/user-guide/snowflake-cortex/cortex-rest-api>.

use super::vendor::{Base, Vendor};
use super::{Json, Quirks, ReasoningControl};
use crate::Format;
use crate::message::Issuer;

pub static SNOWFLAKE: Vendor = Vendor {
    name: "Snowflake",
    otel_name: "snowflake",
    docs: "https://docs.snowflake.com/en/user-guide/snowflake-cortex/cortex-rest-api",
    base: Base::Public("https://{project}.snowflakecomputing.com/api/v2/cortex/v1"),
    formats: |model| if is_claude(model) { &[Format::Messages, Format::Chat] } else { &[Format::Chat] },
    messages: "/api/v2/cortex/v1/messages",
    passed_headers: &["anthropic-version", "anthropic-beta"],
    own_models: &["snowflake-"],
    quirks,
    issuer: |model| is_claude(model).then_some(Issuer::Anthropic),
    ..Vendor::CHAT
};

fn is_claude(model: &str) -> bool {
    model.starts_with("claude")
}

fn quirks(model: &str) -> &'static Quirks {
    if is_claude(model) {
        &CLAUDE
    } else if model.starts_with("openai-") {
        &OPENAI
    } else {
        &OTHERS
    }
}

static OPENAI: Quirks = Quirks {
    odd_answers: true,
    // Its streams have no `finish_reason`.
    unsaid_finish: true,
    limit: "max_completion_tokens",
    strict_tools: false,
    reasoning: ReasoningControl::Effort(&["none", "minimal", "low", "medium", "high"]),
    reasoning_history: false,
    takes_top_k: false,
    takes_audio: false,
    takes_video: false,
    takes_files: false,
    ..Quirks::COMPATIBLE
};

static CLAUDE: Quirks = Quirks {
    odd_answers: true,
    refuses: IGNORED,
    json_object: false,
    max_temperature: 1.0,
    reasoning: ReasoningControl::ReasoningObject,
    claude_details: true,
    cache_control: true,
    ..OPENAI
};

static OTHERS: Quirks = Quirks {
    odd_answers: true,
    refuses: &[
        "tools",
        "tool_choice",
        "n",
        "seed",
        "logit_bias",
        "logprobs",
        "top_logprobs",
        "presence_penalty",
        "frequency_penalty",
        "parallel_tool_calls",
        "service_tier",
        "verbosity",
        "metadata",
        "store",
    ],
    json: Json::None,
    reasoning: ReasoningControl::None,
    forced_choice: false,
    named_choice: false,
    takes_images: false,
    ..OPENAI
};

/// What only OpenAI's models take.
const IGNORED: &[&str] = &[
    "n",
    "seed",
    "logit_bias",
    "logprobs",
    "top_logprobs",
    "presence_penalty",
    "frequency_penalty",
    "service_tier",
    "verbosity",
    "metadata",
    "store",
];
