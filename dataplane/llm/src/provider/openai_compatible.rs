//! Any server that speaks OpenAI's chat completions: vLLM, SGLang, llama.cpp, TGI, ...

use super::{Call, Provider, Quirks, Site, openai_url};
use crate::Format;
use crate::embed::EmbedFormat;

#[derive(Debug)]
pub struct OpenAICompatible;

impl Provider for OpenAICompatible {
    fn name(&self) -> &'static str {
        "OpenAICompatible"
    }

    /// OpenTelemetry has no name for "some server"; its own convention for such is a custom value.
    fn otel_name(&self) -> &'static str {
        "openai_compatible"
    }

    fn docs(&self) -> &'static str {
        "https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html"
    }

    fn formats(&self, _model: &str) -> &'static [Format] {
        &[Format::Chat, Format::Completions]
    }

    fn embed_format(&self, _model: &str) -> Option<EmbedFormat> {
        Some(EmbedFormat::OpenAI)
    }

    fn url(&self, site: &Site<'_>, _model: &str, format: Format, call: Call) -> Option<String> {
        openai_url(site.endpoint, format, call)
    }

    /// It may be a gateway that hands markers of the cache on; servers that know none pass them over.
    fn quirks(&self, _model: &str) -> &'static Quirks {
        const QUIRKS: &Quirks = &Quirks { cache_control: true, ..Quirks::COMPATIBLE };
        QUIRKS
    }
}
