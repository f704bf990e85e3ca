//! Provider types: one small file each, and the registry.
//!
//! A provider says where its API is, how it authenticates, which dialect it speaks and with which quirks, which of the
//! client's headers it may see, and which models it is known to serve. It performs nothing.

mod anthropic;
mod azure_openai;
pub(crate) mod bedrock;
mod bytedance;
mod cerebras;
mod cloudflare_workers_ai;
mod cohere;
mod databricks;
mod deepinfra;
mod deepseek;
mod fireworks;
mod gemini;
mod groq;
mod huggingface;
mod meta_llama;
mod minimax;
mod mistral;
mod moonshot;
mod nebius;
mod novita;
mod nvidia_nim;
mod ollama;
mod openai;
mod openai_compatible;
mod openrouter;
mod path;
mod perplexity;
mod qwen;
mod sambanova;
mod simulated;
mod snowflake;
mod together;
mod vendor;
mod vertexai;
mod watsonx;
mod xai;
mod zhipu;

use std::fmt::Debug;

use serde_json::{Map, Value};

use crate::dialect::Upstream;
pub use crate::dialect::chat::quirks::{CallIds, Json, Quirks, ReasoningControl};
pub use crate::dialect::gemini::quirks::GeminiQuirks;
use crate::embed::EmbedFormat;
use crate::message::Issuer;
use crate::{Format, UpstreamError, catalogue};

/// Where a provider's API is, as a pool says it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Site<'a> {
    /// Base URL; may end in a slash. Empty for a provider without network.
    pub endpoint: &'a str,
    /// Region or location, for example `eu-central-1` or `europe-west1`.
    pub region: Option<&'a str>,
    /// The vendor's account, project or workspace that the request runs in.
    pub project: Option<&'a str>,
    /// Version of the API where the URL names one.
    pub api_version: Option<&'a str>,
}

/// What is asked of a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Call {
    Generate {
        stream: bool,
    },
    Embed,
    /// Count the tokens of a prompt without running it.
    CountTokens,
}

/// How a request proves that it may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// The key, behind the prefix, in this header.
    Header { name: &'static str, prefix: &'static str },
    /// AWS Signature Version 4 for this service, or a Bedrock API key as bearer token.
    Aws { service: &'static str },
    /// An OAuth token of Google Cloud, from a service account or the pod's own identity.
    Google,
    /// A token of IBM Cloud for an API key.
    Ibm,
    /// A key in `api-key`, or a token of Microsoft Entra ID for the pod's own identity.
    Azure,
    /// Nothing.
    None,
}

impl Auth {
    pub const BEARER: Self = Self::Header { name: "authorization", prefix: "Bearer " };
}

/// A provider type.
pub trait Provider: Debug + Send + Sync {
    /// As ProviderPool's `type` spells it.
    fn name(&self) -> &'static str;

    /// OpenTelemetry's `gen_ai.provider.name`.
    fn otel_name(&self) -> &'static str;

    /// In the catalogue and in `provider_options`: the name in lower case.
    fn key(&self) -> String {
        self.name().to_ascii_lowercase()
    }

    /// The vendor's page about its API.
    fn docs(&self) -> &'static str;

    /// The dialects in which it serves this model, preferred first; none for a provider that needs no wire. A request
    /// in one of them keeps its format.
    fn formats(&self, model: &str) -> &'static [Format];

    /// The dialect for a client of this format.
    fn format_for(&self, client: Format, model: &str) -> Option<Format> {
        let formats = self.formats(model);
        if formats.contains(&client) { Some(client) } else { formats.first().copied() }
    }

    /// How it takes embedding requests for this model; `None` where it has none.
    fn embed_format(&self, model: &str) -> Option<EmbedFormat> {
        let _ = model;
        None
    }

    /// How it departs from OpenAI's embeddings, where it speaks those.
    fn embed_quirks(&self, model: &str) -> &'static crate::embed::EmbedQuirks {
        let _ = model;
        &crate::embed::EmbedQuirks::COMPATIBLE
    }

    /// Base URL when the pool gives none. `{region}` and `{project}` in it are the pool's.
    fn default_endpoint(&self) -> Option<&'static str> {
        None
    }

    /// URL of a call below the site's base URL; `None` where the provider has no such call.
    fn url(&self, site: &Site<'_>, model: &str, format: Format, call: Call) -> Option<String>;

    fn auth(&self) -> Auth {
        Auth::BEARER
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
    fn serves(&self, model: &str) -> bool {
        catalogue::serves(&self.key(), model)
    }

    /// What an answer with an error status means. The default asks the dialect.
    fn classify(&self, format: Format, status: u16, body: &[u8]) -> UpstreamError {
        format.dialect().decode_error(status, body)
    }

    /// How it departs from OpenAI's chat format, where it speaks that.
    fn quirks(&self, _model: &str) -> &'static Quirks {
        &Quirks::OPENAI
    }

    /// How it departs from Google's format, where it speaks that.
    fn gemini_quirks(&self, _model: &str) -> GeminiQuirks {
        GeminiQuirks::AI_STUDIO
    }

    /// Whose signatures this model writes and reads; `None` where it has none. A model that is served in Anthropic's
    /// format, OpenAI's Responses or Google's always has one.
    fn issuer(&self, _model: &str) -> Option<Issuer> {
        None
    }

    /// Does [`Self::amend`] change bodies of this format?
    fn amends(&self, _format: Format) -> bool {
        false
    }

    /// Changes what the format's encoder wrote, where this provider wraps the format (another name for `model`, a
    /// version or project in the body).
    fn amend(&self, _format: Format, _body: &mut Map<String, Value>, _upstream: &Upstream<'_>) {}
}

/// The base URL with the pool's region and project in it; `None` where one is needed and not given.
pub fn fill(endpoint: &str, region: Option<&str>, project: Option<&str>) -> Option<String> {
    let mut out = endpoint.to_owned();
    for (place, value) in [("{region}", region), ("{project}", project)] {
        if out.contains(place) {
            out = out.replace(place, value?);
        }
    }
    Some(out)
}

/// Joins a base URL, which may end in a slash, and a path that begins with one.
pub(crate) fn join(endpoint: &str, path: &str) -> String {
    format!("{}{path}", endpoint.trim_end_matches('/'))
}

#[cfg(test)]
mod tests;

/// Every provider type.
pub static REGISTRY: &[&dyn Provider] = &[
    &anthropic::Anthropic,
    &azure_openai::AzureOpenAI,
    &bedrock::Bedrock,
    &bytedance::BYTEDANCE,
    &cerebras::CEREBRAS,
    &cloudflare_workers_ai::CLOUDFLARE_WORKERS_AI,
    &cohere::Cohere,
    &databricks::DATABRICKS,
    &deepinfra::DEEPINFRA,
    &deepseek::DEEPSEEK,
    &fireworks::FIREWORKS,
    &gemini::Gemini,
    &groq::GROQ,
    &huggingface::HUGGINGFACE,
    &meta_llama::META_LLAMA,
    &minimax::MINIMAX,
    &mistral::MISTRAL,
    &moonshot::MOONSHOT,
    &nebius::NEBIUS,
    &novita::NOVITA,
    &nvidia_nim::NVIDIA_NIM,
    &ollama::Ollama,
    &openai::OPENAI,
    &openai_compatible::OPENAI_COMPATIBLE,
    &openrouter::OPENROUTER,
    &perplexity::PERPLEXITY,
    &qwen::QWEN,
    &sambanova::SAMBANOVA,
    &simulated::Simulated,
    &snowflake::SNOWFLAKE,
    &together::TOGETHER,
    &vertexai::VertexAI,
    &watsonx::Watsonx,
    &xai::XAI,
    &zhipu::ZHIPU,
];

/// The provider type of this name.
pub fn by_name(name: &str) -> Option<&'static dyn Provider> {
    REGISTRY.iter().copied().find(|provider| provider.name() == name)
}
