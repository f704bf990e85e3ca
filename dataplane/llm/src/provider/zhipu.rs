//! Zhipu's GLM at Z.ai. The mainland's platform is `https://open.bigmodel.cn/api/paas/v4`; subscriptions to the coding
//! plan have `/api/coding/paas/v4` at both.

use super::vendor::{Base, Rule, Vendor};
use super::{Json, Quirks, ReasoningControl};
use crate::message::Issuer;
use crate::{ErrorKind, Format};

pub static ZHIPU: Vendor = Vendor {
    name: "Zhipu",
    otel_name: "zhipu",
    docs: "https://docs.z.ai/api-reference/llm/chat-completion",
    base: Base::Public("https://api.z.ai/api/paas/v4"),
    formats: |_| &[Format::Chat, Format::Messages],
    messages: "/api/anthropic/v1/messages",
    embeddings: true,
    passed_headers: &["anthropic-version", "anthropic-beta"],
    own_models: &["glm-"],
    quirks,
    issuer: |_| Some(Issuer::Zhipu),
    // <https://docs.z.ai/api-reference/api-code>
    errors: &[
        Rule::Code("1211", ErrorKind::NotFound),
        Rule::Code("1261", ErrorKind::ContextLength),
        Rule::Code("1301", ErrorKind::ContentFiltered),
        Rule::Code("1302", ErrorKind::RateLimited),
        Rule::Code("1303", ErrorKind::RateLimited),
        Rule::Code("1305", ErrorKind::Overloaded),
        Rule::Code("1112", ErrorKind::Credentials),
        Rule::Code("1113", ErrorKind::RateLimited),
    ],
    ..Vendor::CHAT
};

fn quirks(model: &str) -> &'static Quirks {
    if model.starts_with("glm-5.3") {
        &GLM_5_3
    } else if model.starts_with("glm-5.2") {
        &GLM_5_2
    } else {
        &QUIRKS
    }
}

static QUIRKS: Quirks = Quirks {
    // Not in its reference, and without effect.
    refuses: &[
        "n",
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
    renames: &[("user", "user_id")],
    max_user: 128,
    max_temperature: 1.0,
    max_stops: 1,
    json: Json::Object,
    reasoning: ReasoningControl::ThinkingType,
    takes_top_k: false,
    takes_audio: false,
    takes_files: false,
    ..Quirks::COMPATIBLE
};

/// <https://docs.z.ai/guides/capabilities/thinking-mode>
static GLM_5_2: Quirks =
    Quirks { thinking_efforts: &["minimal", "low", "medium", "high", "xhigh", "max"], ..QUIRKS };

/// Always thinks: it answers 400 to `disabled`.
static GLM_5_3: Quirks = Quirks { reasoning: ReasoningControl::Effort(&["low", "high", "max"]), ..QUIRKS };
