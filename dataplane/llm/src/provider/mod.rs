//! Provider types: one small file each, and the registry.
//!
//! A provider says where its API is, how it authenticates, which dialect it speaks, which of the client's headers
//! it may see, and which models it is known to serve. It performs nothing.

mod anthropic;
mod openai;
mod openai_compatible;
mod simulated;

use std::fmt::Debug;

use crate::{Format, UpstreamError};

/// A provider type.
pub trait Provider: Debug + Send + Sync {
    /// As ProviderPool's `type` spells it.
    fn name(&self) -> &'static str;

    /// OpenTelemetry's `gen_ai.provider.name`.
    fn otel_name(&self) -> &'static str;

    /// The dialect it speaks; `None` for one that needs no wire.
    fn format(&self) -> Option<Format>;

    /// Base URL when the pool gives none.
    fn default_endpoint(&self) -> Option<&'static str> {
        None
    }

    /// URL of a generation request below this base URL (which may end in a slash).
    fn url(&self, endpoint: &str) -> String;

    /// Name and value of the header that carries the key.
    fn auth_header(&self, key: &str) -> (&'static str, String) {
        ("authorization", format!("Bearer {key}"))
    }

    /// Headers that every request carries, unless the client sent an allowed one of the same name.
    fn fixed_headers(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    /// Names (lower case) of client headers that pass through when the client speaks the provider's format.
    fn passed_headers(&self) -> &'static [&'static str] {
        &[]
    }

    /// Is this a model of the provider's own? Used where a pool lists no models.
    fn serves(&self, _model: &str) -> bool {
        false
    }

    /// What an answer with an error status means. The default asks the dialect.
    fn classify(&self, status: u16, body: &[u8]) -> UpstreamError {
        self.format().unwrap_or(Format::Chat).dialect().decode_error(status, body)
    }

    /// Does this model refuse `max_tokens` and the sampling parameters, as OpenAI's reasoning models do?
    fn is_reasoning_model(&self, _model: &str) -> bool {
        false
    }

    /// May an assistant message carry `reasoning_content`? DeepSeek and its like need it back in tool loops,
    /// OpenAI answers 400 to it.
    fn takes_reasoning_content(&self) -> bool {
        false
    }
}

/// Joins a base URL, which may end in a slash, and a path that begins with one.
fn join(endpoint: &str, path: &str) -> String {
    format!("{}{path}", endpoint.trim_end_matches('/'))
}

/// The same for APIs below `/v1`: a base URL without any path gets it, any other keeps its own.
fn join_versioned(endpoint: &str, path: &str) -> String {
    let base = endpoint.trim_end_matches('/');
    let authority = base.split_once("://").map_or(base, |(_, rest)| rest);
    if authority.contains('/') { join(base, path) } else { join(base, &format!("/v1{path}")) }
}

#[cfg(test)]
mod tests;

/// Every provider type.
pub static REGISTRY: &[&dyn Provider] =
    &[&anthropic::Anthropic, &openai::OpenAI, &openai_compatible::OpenAICompatible, &simulated::Simulated];

/// The provider type of this name.
pub fn by_name(name: &str) -> Option<&'static dyn Provider> {
    REGISTRY.iter().copied().find(|provider| provider.name() == name)
}
