//! Any server that speaks OpenAI's chat completions: vLLM, Groq, Together, llama.cpp, DeepSeek, ...

use super::{Provider, join_versioned};
use crate::Format;

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

    fn format(&self) -> Option<Format> {
        Some(Format::Chat)
    }

    fn default_endpoint(&self) -> Option<&'static str> {
        None
    }

    fn url(&self, endpoint: &str) -> String {
        join_versioned(endpoint, "/chat/completions")
    }

    fn auth_header(&self, key: &str) -> (&'static str, String) {
        ("authorization", format!("Bearer {key}"))
    }

    fn fixed_headers(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    fn passed_headers(&self) -> &'static [&'static str] {
        &[]
    }

    fn serves(&self, _model: &str) -> bool {
        false
    }

    fn is_reasoning_model(&self, _model: &str) -> bool {
        false
    }

    fn takes_reasoning_content(&self) -> bool {
        true
    }
}
