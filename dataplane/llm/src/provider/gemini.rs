//! Google AI Studio, the Gemini Developer API.

use super::{Auth, Call, GeminiQuirks, Provider, Site, join, path};
use crate::Format;
use crate::catalogue::{self, ReasoningStyle};
use crate::embed::EmbedFormat;
use crate::message::Issuer;

#[derive(Debug)]
pub struct Gemini;

impl Provider for Gemini {
    fn name(&self) -> &'static str {
        "Gemini"
    }

    fn otel_name(&self) -> &'static str {
        "gcp.gemini"
    }

    fn docs(&self) -> &'static str {
        "https://ai.google.dev/api/generate-content"
    }

    fn formats(&self, _model: &str) -> &'static [Format] {
        &[Format::Gemini]
    }

    fn embed_format(&self, _model: &str) -> Option<EmbedFormat> {
        Some(EmbedFormat::Gemini)
    }

    fn default_endpoint(&self) -> Option<&'static str> {
        Some("https://generativelanguage.googleapis.com/v1beta")
    }

    /// A base URL without a version gets `/v1beta`, which knows fields that `/v1` refuses (tools, thinking). A model
    /// that is named with its collection (`tunedModels/x`) keeps it.
    fn url(&self, site: &Site<'_>, model: &str, _format: Format, call: Call) -> Option<String> {
        let base = site.endpoint.trim_end_matches('/');
        let authority = base.split_once("://").map_or(base, |(_, rest)| rest);
        let version = if authority.contains('/') { "" } else { "/v1beta" };
        let collection = if model.contains('/') { "" } else { "models/" };
        let path = format!("{version}/{collection}{}:{}", path::resource(model)?, method(call));
        Some(join(base, &path))
    }

    fn auth(&self) -> Auth {
        Auth::Header { name: "x-goog-api-key", prefix: "" }
    }

    fn serves(&self, model: &str) -> bool {
        const OWN: &[&str] = &["gemini-", "gemma-", "learnlm-"];
        OWN.iter().any(|own| model.starts_with(own)) || catalogue::serves(&self.key(), model)
    }

    fn issuer(&self, _model: &str) -> Option<Issuer> {
        Some(Issuer::Gemini)
    }

    fn gemini_quirks(&self, model: &str) -> GeminiQuirks {
        GeminiQuirks { thinking: thinking_by_name(model), ..GeminiQuirks::AI_STUDIO }
    }
}

/// Google's word for a call.
fn method(call: Call) -> &'static str {
    match call {
        Call::Generate { stream: false } => "generateContent",
        Call::Generate { stream: true } => "streamGenerateContent?alt=sse",
        Call::Embed => "batchEmbedContents",
        Call::CountTokens => "countTokens",
    }
}

/// How a Gemini model that the catalogue does not know is asked to think, by the generation in its name: budgets
/// came with 2.5, levels replaced them with 3. Source: <https://ai.google.dev/gemini-api/docs/thinking>.
pub(super) fn thinking_by_name(model: &str) -> Option<ReasoningStyle> {
    let name = model.rsplit('/').next().unwrap_or(model);
    let version = name.strip_prefix("gemini-")?;
    let major = version.split(['-', '.']).next()?.parse::<u32>().ok()?;
    Some(match major {
        0 | 1 => ReasoningStyle::Never,
        2 if version.starts_with("2.5") => ReasoningStyle::Budget,
        2 => ReasoningStyle::Never,
        _ => ReasoningStyle::Effort,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        let google = Gemini.default_endpoint().unwrap();
        for (endpoint, model, call, url) in [
            (
                google,
                "gemini-2.5-pro",
                Call::Generate { stream: false },
                "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-pro:generateContent",
            ),
            (
                google,
                "gemini-2.5-pro",
                Call::Generate { stream: true },
                "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse",
            ),
            (
                google,
                "models/gemini-embedding-001",
                Call::Embed,
                "https://generativelanguage.googleapis.com/v1beta/models/gemini-embedding-001:batchEmbedContents",
            ),
            (
                "http://proxy:1/",
                "tunedModels/x",
                Call::CountTokens,
                "http://proxy:1/v1beta/tunedModels/x:countTokens",
            ),
            (
                "https://x.example/google/v1alpha",
                "m",
                Call::CountTokens,
                "https://x.example/google/v1alpha/models/m:countTokens",
            ),
        ] {
            let site = Site { endpoint, ..Site::default() };
            assert_eq!(Gemini.url(&site, model, Format::Gemini, call).as_deref(), Some(url));
        }
    }
}
