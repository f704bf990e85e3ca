//! Ollama, on a machine of one's own or at ollama.com.
//!
//! Only its native API is used: its endpoints in OpenAI's and Anthropic's formats have no place for `num_ctx`, and cut
//! long prompts to a small default without a word.

use super::{Call, Provider, Site, join};
use crate::Format;
use crate::embed::EmbedFormat;

#[derive(Debug)]
pub struct Ollama;

impl Provider for Ollama {
    fn name(&self) -> &'static str {
        "Ollama"
    }

    /// OpenTelemetry has no name for it; its own convention for such is a custom value.
    fn otel_name(&self) -> &'static str {
        "ollama"
    }

    fn docs(&self) -> &'static str {
        "https://docs.ollama.com/api/chat"
    }

    fn formats(&self, _model: &str) -> &'static [Format] {
        &[Format::Ollama]
    }

    fn embed_format(&self, _model: &str) -> Option<EmbedFormat> {
        Some(EmbedFormat::Ollama)
    }

    /// It serves what was pulled.
    fn serves(&self, _model: &str) -> bool {
        false
    }

    /// Base URLs for its other formats end in `/v1`, and some tools write `/api`: both are tolerated.
    fn url(&self, site: &Site<'_>, _model: &str, _format: Format, call: Call) -> Option<String> {
        let base = site.endpoint.trim_end_matches('/');
        let base = base.strip_suffix("/v1").or_else(|| base.strip_suffix("/api")).unwrap_or(base);
        match call {
            Call::Generate { .. } => Some(join(base, "/api/chat")),
            Call::Embed => Some(join(base, "/api/embed")),
            Call::CountTokens => None,
        }
    }
}
