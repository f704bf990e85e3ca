//! Cloudflare Workers AI; the project is the account's id. Responses serve OpenAI's open models alone.

use super::Quirks;
use super::vendor::{Base, Rule, Vendor};
use crate::message::Issuer;
use crate::{ErrorKind, Format};

pub static CLOUDFLARE_WORKERS_AI: Vendor = Vendor {
    name: "CloudflareWorkersAI",
    otel_name: "cloudflare_workers_ai",
    docs: "https://developers.cloudflare.com/workers-ai/configuration/open-ai-compatibility/",
    base: Base::Public("https://api.cloudflare.com/client/v4/accounts/{project}/ai/v1"),
    formats: |model| {
        if model.contains("/gpt-oss-") { &[Format::Chat, Format::Responses] } else { &[Format::Chat] }
    },
    embeddings: true,
    own_models: &["@cf/", "@hf/"],
    quirks: |_| &QUIRKS,
    issuer: |_| Some(Issuer::Cloudflare),
    // <https://developers.cloudflare.com/workers-ai/platform/errors/>
    errors: &[
        Rule::Code("3040", ErrorKind::Overloaded),
        Rule::Says("capacity temporarily exceeded", ErrorKind::Overloaded),
        Rule::Code("3036", ErrorKind::RateLimited),
        Rule::Code("3007", ErrorKind::Timeout),
        Rule::Code("5007", ErrorKind::NotFound),
        Rule::Says("no such model", ErrorKind::NotFound),
        Rule::Says("context window limit", ErrorKind::ContextLength),
    ],
    ..Vendor::CHAT
};

static QUIRKS: Quirks = Quirks {
    odd_answers: true,
    refuses: &["service_tier", "verbosity", "metadata", "store", "prediction"],
    takes_audio: false,
    takes_video: false,
    takes_files: false,
    ..Quirks::COMPATIBLE
};
