//! Azure OpenAI: OpenAI's models as deployments of a customer's own resource.
//!
//! Two URL styles. The newer one is OpenAI's own below `/openai/v1`, with the deployment in `model`; it takes every
//! member that the models take. The older one names deployment and API version in the URL, and each version knows the
//! members of its day: a pool that must have it sets `apiVersion`, for example `2024-10-21`.
//! <https://learn.microsoft.com/en-us/azure/ai-foundry/openai/api-version-lifecycle>

use super::openai::Models;
use super::path::segment;
use super::{Auth, Call, Provider, Quirks, Site};
use crate::Format;
use crate::embed::{EmbedFormat, EmbedQuirks};
use crate::message::Issuer;

#[derive(Debug)]
pub struct AzureOpenAI;

/// Files go through Responses alone: <https://learn.microsoft.com/en-us/azure/ai-foundry/openai/how-to/responses>.
static MODELS: Models = Models::new(
    Quirks { takes_files: false, ..Quirks::OPENAI },
    Quirks { takes_files: false, ..Quirks::OPENAI_REASONING },
);

/// The version whose URLs name neither deployment nor version.
const V1: &str = "v1";

impl Provider for AzureOpenAI {
    fn name(&self) -> &'static str {
        "AzureOpenAI"
    }

    fn otel_name(&self) -> &'static str {
        "azure.ai.openai"
    }

    fn docs(&self) -> &'static str {
        "https://learn.microsoft.com/en-us/azure/ai-foundry/openai/reference"
    }

    fn formats(&self, _model: &str) -> &'static [Format] {
        &[Format::Chat, Format::Responses, Format::Completions]
    }

    fn embed_format(&self, _model: &str) -> Option<EmbedFormat> {
        Some(EmbedFormat::OpenAI)
    }

    fn embed_quirks(&self, _model: &str) -> &'static EmbedQuirks {
        &EmbedQuirks::OPENAI
    }

    /// Deployments have names of their own.
    fn serves(&self, _model: &str) -> bool {
        false
    }

    /// The endpoint is the resource's; one that a person copied with `/openai` or `/openai/v1` is tolerated.
    fn url(&self, site: &Site<'_>, model: &str, format: Format, call: Call) -> Option<String> {
        let base = site.endpoint.trim_end_matches('/');
        let base = base.strip_suffix("/v1").unwrap_or(base);
        let base = base.strip_suffix("/openai").unwrap_or(base);
        let path = match (call, format) {
            (Call::Embed, _) => "embeddings",
            (Call::Generate { .. }, Format::Chat) => "chat/completions",
            (Call::Generate { .. }, Format::Responses) => "responses",
            (Call::Generate { .. }, Format::Completions) => "completions",
            _ => return None,
        };
        Some(match site.api_version.unwrap_or(V1) {
            V1 => format!("{base}/openai/v1/{path}"),
            // Responses never had a deployment in their URL.
            version if format == Format::Responses && call != Call::Embed => {
                format!("{base}/openai/responses?api-version={version}")
            }
            version => {
                let deployment = segment(model)?;
                format!("{base}/openai/deployments/{deployment}/{path}?api-version={version}")
            }
        })
    }

    fn auth(&self) -> Auth {
        Auth::Azure
    }

    /// A deployment's name is the customer's; where it is the model's, it tells whether the model reasons.
    fn quirks(&self, model: &str) -> &'static Quirks {
        MODELS.of(model)
    }

    fn issuer(&self, _model: &str) -> Option<Issuer> {
        Some(Issuer::Azure)
    }
}
