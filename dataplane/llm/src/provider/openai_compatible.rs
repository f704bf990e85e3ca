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

    fn url(&self, endpoint: &str) -> String {
        join_versioned(endpoint, "/chat/completions")
    }

    fn takes_reasoning_content(&self) -> bool {
        true
    }
}
