//! Cohere's own API, version 2.
//!
//! Cohere also has an endpoint in OpenAI's format; it knows less (no citations, no thinking budget), so it is not used.

use super::{Call, Provider, Site, join};
use crate::Format;
use crate::embed::EmbedFormat;

#[derive(Debug)]
pub struct Cohere;

impl Provider for Cohere {
    fn name(&self) -> &'static str {
        "Cohere"
    }

    fn otel_name(&self) -> &'static str {
        "cohere"
    }

    fn docs(&self) -> &'static str {
        "https://docs.cohere.com/reference/chat"
    }

    fn formats(&self, _model: &str) -> &'static [Format] {
        &[Format::Cohere]
    }

    fn embed_format(&self, _model: &str) -> Option<EmbedFormat> {
        Some(EmbedFormat::Cohere)
    }

    fn default_endpoint(&self) -> Option<&'static str> {
        Some("https://api.cohere.com")
    }

    /// The official SDKs' base URL has no version; one that has it is tolerated.
    fn url(&self, site: &Site<'_>, _model: &str, _format: Format, call: Call) -> Option<String> {
        let base = site.endpoint.trim_end_matches('/');
        let base = base.strip_suffix("/v2").or_else(|| base.strip_suffix("/v1")).unwrap_or(base);
        match call {
            Call::Generate { .. } => Some(join(base, "/v2/chat")),
            Call::Embed => Some(join(base, "/v2/embed")),
            // Its tokenizer counts the tokens of a text, not of a conversation with tools.
            Call::CountTokens => None,
        }
    }

    fn serves(&self, model: &str) -> bool {
        const OWN: &[&str] =
            &["command", "c4ai-", "tiny-aya", "embed-english", "embed-multilingual", "embed-v"];
        OWN.iter().any(|own| model.starts_with(own))
    }
}
