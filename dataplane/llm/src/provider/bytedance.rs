//! ByteDance's Doubao at Volcengine Ark. A model is a model's id, or the id of an endpoint (`ep-...`). BytePlus, its
//! international site, is `https://ark.ap-southeast.bytepluses.com/api/v3`.

use super::vendor::{Base, Rule, Vendor};
use super::{Quirks, ReasoningControl};
use crate::message::Issuer;
use crate::{ErrorKind, Format};

pub static BYTEDANCE: Vendor = Vendor {
    name: "ByteDance",
    otel_name: "bytedance",
    docs: "https://www.volcengine.com/docs/82379/1494384",
    base: Base::Public("https://ark.cn-beijing.volces.com/api/v3"),
    formats: |_| &[Format::Chat, Format::Responses],
    embeddings: true,
    own_models: &["doubao-"],
    quirks: |_| &QUIRKS,
    issuer: |_| Some(Issuer::ByteDance),
    // <https://www.volcengine.com/docs/82379/1299023>; codes may end in more (`.SevereViolation`).
    errors: &[
        Rule::Says("serveroverloaded", ErrorKind::Overloaded),
        Rule::Says("sensitivecontentdetected", ErrorKind::ContentFiltered),
        Rule::Says("exceed max message tokens", ErrorKind::ContextLength),
        Rule::Says("accountoverdue", ErrorKind::Credentials),
        Rule::Says("modelnotopen", ErrorKind::NotFound),
        Rule::Says("invalidendpointormodel", ErrorKind::NotFound),
    ],
    ..Vendor::CHAT
};

static QUIRKS: Quirks = Quirks {
    refuses: &["verbosity", "metadata", "store", "prediction"],
    max_stops: 4,
    reasoning: ReasoningControl::ThinkingType,
    thinking_efforts: &["minimal", "low", "medium", "high"],
    takes_top_k: false,
    takes_audio: false,
    takes_files: false,
    ..Quirks::COMPATIBLE
};
