//! Anthropic's own API.

use super::{Auth, Call, Provider, Site, join};
use crate::Format;
use crate::message::Issuer;

#[derive(Debug)]
pub struct Anthropic;

impl Provider for Anthropic {
    fn name(&self) -> &'static str {
        "Anthropic"
    }

    fn otel_name(&self) -> &'static str {
        "anthropic"
    }

    fn docs(&self) -> &'static str {
        "https://docs.claude.com/en/api/messages"
    }

    fn formats(&self, _model: &str) -> &'static [Format] {
        &[Format::Messages]
    }

    fn default_endpoint(&self) -> Option<&'static str> {
        Some("https://api.anthropic.com")
    }

    /// The official SDKs' base URL has no `/v1`; one that has it is tolerated.
    fn url(&self, site: &Site<'_>, _model: &str, _format: Format, call: Call) -> Option<String> {
        let base = site.endpoint.trim_end_matches('/');
        let base = base.strip_suffix("/v1").unwrap_or(base);
        match call {
            Call::Generate { .. } => Some(join(base, "/v1/messages")),
            Call::CountTokens => Some(join(base, "/v1/messages/count_tokens")),
            Call::Embed => None,
        }
    }

    fn auth(&self) -> Auth {
        Auth::Header { name: "x-api-key", prefix: "" }
    }

    fn fixed_headers(&self) -> &'static [(&'static str, &'static str)] {
        &[("anthropic-version", "2023-06-01")]
    }

    fn passed_headers(&self) -> &'static [&'static str] {
        &["anthropic-version", "anthropic-beta"]
    }

    fn serves(&self, model: &str) -> bool {
        model.starts_with("claude-")
    }

    fn issuer(&self, _model: &str) -> Option<Issuer> {
        Some(Issuer::Anthropic)
    }
}
