//! OpenAI's own API.

use super::{Call, Provider, Quirks, Site, openai_url};
use crate::Format;
use crate::embed::{EmbedFormat, EmbedQuirks};
use crate::message::Issuer;

#[derive(Debug)]
pub struct OpenAI;

impl Provider for OpenAI {
    fn name(&self) -> &'static str {
        "OpenAI"
    }

    fn otel_name(&self) -> &'static str {
        "openai"
    }

    fn docs(&self) -> &'static str {
        "https://platform.openai.com/docs/api-reference"
    }

    fn formats(&self, _model: &str) -> &'static [Format] {
        &[Format::Chat, Format::Responses, Format::Completions]
    }

    fn default_endpoint(&self) -> Option<&'static str> {
        Some("https://api.openai.com/v1")
    }

    fn embed_format(&self, _model: &str) -> Option<EmbedFormat> {
        Some(EmbedFormat::OpenAI)
    }

    fn embed_quirks(&self, _model: &str) -> &'static EmbedQuirks {
        &EmbedQuirks::OPENAI
    }

    fn url(&self, site: &Site<'_>, _model: &str, format: Format, call: Call) -> Option<String> {
        openai_url(site.endpoint, format, call)
    }

    /// Not `openai-organization` and `openai-project`: they select an account, and the account is the key's.
    fn passed_headers(&self) -> &'static [&'static str] {
        &["openai-beta"]
    }

    fn serves(&self, model: &str) -> bool {
        const OWN: &[&str] =
            &["gpt-", "chatgpt-", "codex-", "computer-use-", "o1", "o3", "o4", "text-embedding-", "davinci-"];
        let base = model.strip_prefix("ft:").unwrap_or(model);
        // gpt-oss are open weights that OpenAI itself does not serve.
        OWN.iter().any(|own| base.starts_with(own)) && !base.starts_with("gpt-oss")
    }

    fn quirks(&self, model: &str) -> &'static Quirks {
        if is_reasoning_model(model) { &Quirks::OPENAI_REASONING } else { &Quirks::OPENAI }
    }

    fn issuer(&self, _model: &str) -> Option<Issuer> {
        Some(Issuer::OpenAI)
    }
}

/// Does this model of OpenAI's refuse `max_tokens` and the sampling parameters?
pub(super) fn is_reasoning_model(model: &str) -> bool {
    let base = model.strip_prefix("ft:").unwrap_or(model);
    let is_family = |family: &str| {
        base.strip_prefix(family).is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '.', ':']))
    };
    ["o1", "o3", "o4", "gpt-5", "codex"].iter().any(|family| is_family(family))
        && !base.starts_with("gpt-5-chat")
}
