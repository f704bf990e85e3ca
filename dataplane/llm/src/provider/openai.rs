//! OpenAI's own API: <https://platform.openai.com/docs/api-reference>.

use super::{Provider, join_versioned};
use crate::Format;

#[derive(Debug)]
pub struct OpenAI;

impl Provider for OpenAI {
    fn name(&self) -> &'static str {
        "OpenAI"
    }

    fn otel_name(&self) -> &'static str {
        "openai"
    }

    fn format(&self) -> Option<Format> {
        Some(Format::Chat)
    }

    fn default_endpoint(&self) -> Option<&'static str> {
        Some("https://api.openai.com/v1")
    }

    fn url(&self, endpoint: &str) -> String {
        join_versioned(endpoint, "/chat/completions")
    }

    /// Not `openai-organization` and `openai-project`: they select an account, and the account is the key's.
    fn passed_headers(&self) -> &'static [&'static str] {
        &["openai-beta"]
    }

    fn serves(&self, model: &str) -> bool {
        const OWN: &[&str] = &["gpt-", "chatgpt-", "codex-", "computer-use-", "o1", "o3", "o4"];
        let base = model.strip_prefix("ft:").unwrap_or(model);
        // gpt-oss are open weights that OpenAI itself does not serve.
        OWN.iter().any(|own| base.starts_with(own)) && !base.starts_with("gpt-oss")
    }

    fn is_reasoning_model(&self, model: &str) -> bool {
        let base = model.strip_prefix("ft:").unwrap_or(model);
        let is_family = |family: &str| {
            base.strip_prefix(family).is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '.', ':']))
        };
        ["o1", "o3", "o4", "gpt-5", "codex"].iter().any(|family| is_family(family))
            && !base.starts_with("gpt-5-chat")
    }
}
