//! Anthropic's own API: <https://docs.claude.com/en/api/messages>.

use super::{Provider, join};
use crate::Format;

#[derive(Debug)]
pub struct Anthropic;

impl Provider for Anthropic {
    fn name(&self) -> &'static str {
        "Anthropic"
    }

    fn otel_name(&self) -> &'static str {
        "anthropic"
    }

    fn format(&self) -> Option<Format> {
        Some(Format::Messages)
    }

    fn default_endpoint(&self) -> Option<&'static str> {
        Some("https://api.anthropic.com")
    }

    /// The official SDKs' base URL has no `/v1`; one that has it is tolerated.
    fn url(&self, endpoint: &str) -> String {
        let base = endpoint.trim_end_matches('/');
        join(base.strip_suffix("/v1").unwrap_or(base), "/v1/messages")
    }

    fn auth_header(&self, key: &str) -> (&'static str, String) {
        ("x-api-key", key.to_owned())
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
}
