//! Qwen in Alibaba Cloud's Model Studio (DashScope), its mode compatible with OpenAI.
//!
//! The default is the international site in Singapore; keys of mainland China need
//! `https://dashscope.aliyuncs.com/compatible-mode/v1`, those of the US
//! `https://dashscope-us.aliyuncs.com/compatible-mode/v1`.

use super::vendor::{Base, Rule, Vendor};
use super::{Quirks, ReasoningControl};
use crate::message::Issuer;
use crate::{ErrorKind, Format};

pub static QWEN: Vendor = Vendor {
    name: "Qwen",
    otel_name: "qwen",
    docs: "https://www.alibabacloud.com/help/en/model-studio/qwen-api-reference",
    base: Base::Public("https://dashscope-intl.aliyuncs.com/compatible-mode/v1"),
    formats: |_| &[Format::Chat, Format::Messages],
    messages: "/apps/anthropic/v1/messages",
    embeddings: true,
    passed_headers: &["anthropic-version", "anthropic-beta"],
    own_models: &["qwen", "qwq", "qvq"],
    quirks: |model| if streams_only(model) { &STREAMS_ONLY } else { &QUIRKS },
    issuer: |_| Some(Issuer::Qwen),
    // <https://www.alibabacloud.com/help/en/model-studio/error-code>
    errors: &[
        Rule::Code("data_inspection_failed", ErrorKind::ContentFiltered),
        Rule::Code("DataInspectionFailed", ErrorKind::ContentFiltered),
        Rule::Says("inappropriate content", ErrorKind::ContentFiltered),
        Rule::Says("range of input length should be", ErrorKind::ContextLength),
        Rule::Code("Arrearage", ErrorKind::Credentials),
        Rule::Says("overdue-payment", ErrorKind::Credentials),
        Rule::Code("InvalidApiKey", ErrorKind::Credentials),
    ],
    ..Vendor::CHAT
};

static QUIRKS: Quirks = Quirks {
    refuses: &["logit_bias", "service_tier", "verbosity", "metadata", "store", "prediction"],
    // [0, 2)
    max_temperature: 1.99,
    reasoning: ReasoningControl::EnableThinking,
    // "tool_choice does not support being set to required or object in thinking mode"
    forced_choice_with_reasoning: false,
    // A `file` part is a 400.
    takes_files: false,
    // <https://www.alibabacloud.com/help/en/model-studio/context-cache>
    cache_control: true,
    ..Quirks::COMPATIBLE
};

static STREAMS_ONLY: Quirks = Quirks { stream_only: true, ..QUIRKS };

/// QwQ and QVQ, the open-weight Qwen3 while they think, which they do by default, and Omni:
/// <https://www.alibabacloud.com/help/en/model-studio/deep-thinking>.
fn streams_only(model: &str) -> bool {
    let is_size = |part: &str| {
        part.strip_suffix('b').is_some_and(|size| size.starts_with(|it: char| it.is_ascii_digit()))
    };
    let is_open_qwen3 =
        || model.strip_prefix("qwen3-").and_then(|rest| rest.split('-').next()).is_some_and(is_size);
    model.starts_with("qwq") || model.starts_with("qvq") || model.contains("-omni") || is_open_qwen3()
}
