//! Google Cloud's Vertex AI: Gemini, Claude, and open models behind OpenAI's chat format.

use serde_json::{Map, Value};

use super::gemini::thinking_by_name;
use super::{Auth, Call, GeminiQuirks, Provider, Quirks, Site, join, path};
use crate::catalogue;
use crate::dialect::{Upstream, gemini};
use crate::embed::EmbedFormat;
use crate::message::Issuer;
use crate::{Format, UpstreamError};

/// What Vertex wants in the body of Claude's requests in place of the header `anthropic-version`.
/// Source: <https://docs.claude.com/en/api/claude-on-vertex-ai>.
const ANTHROPIC_VERSION: &str = "vertex-2023-10-16";

#[derive(Debug)]
pub struct VertexAI;

impl Provider for VertexAI {
    fn name(&self) -> &'static str {
        "VertexAI"
    }

    fn otel_name(&self) -> &'static str {
        "gcp.vertex_ai"
    }

    fn docs(&self) -> &'static str {
        "https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference"
    }

    fn formats(&self, model: &str) -> &'static [Format] {
        match Family::of(model) {
            Family::Claude => &[Format::Messages],
            Family::Open => &[Format::Chat],
            Family::Google => &[Format::Gemini],
        }
    }

    fn embed_format(&self, model: &str) -> Option<EmbedFormat> {
        match Family::of(model) {
            Family::Google if embeds_contents(model) => Some(EmbedFormat::VertexGemini),
            Family::Google => Some(EmbedFormat::Vertex),
            Family::Claude | Family::Open => None,
        }
    }

    /// `{region}` also stands for `global`, `us` and `eu`, whose hosts are named otherwise: [`Self::url`] knows.
    fn default_endpoint(&self) -> Option<&'static str> {
        Some("https://{region}-aiplatform.googleapis.com/v1/projects/{project}/locations/{region}")
    }

    fn url(&self, site: &Site<'_>, model: &str, _format: Format, call: Call) -> Option<String> {
        let base = base(site);
        let path = match (Family::of(model), call) {
            (Family::Open, Call::Generate { .. }) => "/endpoints/openapi/chat/completions".to_owned(),
            (Family::Open, _) | (Family::Claude, Call::Embed) => return None,
            // Not below the model: <https://docs.claude.com/en/api/claude-on-vertex-ai>.
            (Family::Claude, Call::CountTokens) => {
                "/publishers/anthropic/models/count-tokens:rawPredict".to_owned()
            }
            (Family::Claude, Call::Generate { stream }) => {
                let method = if stream { "streamRawPredict" } else { "rawPredict" };
                format!("/{}:{method}", resource(model, "anthropic")?)
            }
            (Family::Google, call) => {
                let method = match call {
                    Call::Generate { stream: false } => "generateContent",
                    Call::Generate { stream: true } => "streamGenerateContent?alt=sse",
                    Call::Embed if embeds_contents(model) => "batchEmbedContents",
                    Call::Embed => "predict",
                    Call::CountTokens => "countTokens",
                };
                format!("/{}:{method}", resource(model, "google")?)
            }
        };
        Some(join(&base, &path))
    }

    fn auth(&self) -> Auth {
        Auth::Google
    }

    /// The kind of capacity that a request wants, and Anthropic's betas.
    fn passed_headers(&self) -> &'static [&'static str] {
        &["anthropic-beta", "x-vertex-ai-llm-request-type", "x-vertex-ai-llm-shared-request-type"]
    }

    fn serves(&self, model: &str) -> bool {
        let is_own = model.starts_with("gemini-") || model.starts_with("claude-");
        is_own || catalogue::serves(&self.key(), model)
    }

    /// Claude is behind Google's front: a refusal of the front looks like Google's.
    fn classify(&self, format: Format, status: u16, body: &[u8]) -> UpstreamError {
        gemini::read_google_error(status, body).unwrap_or_else(|| format.dialect().decode_error(status, body))
    }

    fn quirks(&self, _model: &str) -> &'static Quirks {
        &Quirks::COMPATIBLE
    }

    fn gemini_quirks(&self, model: &str) -> GeminiQuirks {
        GeminiQuirks { thinking: thinking_by_name(model), ..GeminiQuirks::VERTEX }
    }

    fn issuer(&self, model: &str) -> Option<Issuer> {
        match Family::of(model) {
            Family::Claude => Some(Issuer::Anthropic),
            Family::Google => Some(Issuer::Vertex),
            Family::Open => None,
        }
    }

    fn amends(&self, format: Format) -> bool {
        format == Format::Messages
    }

    fn amend(&self, format: Format, body: &mut Map<String, Value>, _upstream: &Upstream<'_>) {
        if format == Format::Messages {
            // The URL names the model.
            body.shift_remove("model");
            body.insert("anthropic_version".into(), ANTHROPIC_VERSION.into());
        }
    }
}

/// Whose API a model has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Google,
    Claude,
    /// Models that Vertex serves in OpenAI's format under `publisher/model`, such as `meta/llama-4-scout`.
    /// Source: <https://cloud.google.com/vertex-ai/generative-ai/docs/maas/call-open-model-apis>.
    Open,
}

impl Family {
    fn of(model: &str) -> Self {
        if model.starts_with("claude-") || model.contains("anthropic/") {
            return Self::Claude;
        }
        const GOOGLE: &[&str] = &["google/", "models/", "publishers/google/", "endpoints/", "projects/"];
        let is_google = !model.contains('/') || GOOGLE.iter().any(|own| model.starts_with(own));
        if is_google { Self::Google } else { Self::Open }
    }
}

/// Gemini's embedding models, which are asked otherwise than those before them, as the official `google-genai` SDK
/// does.
fn embeds_contents(model: &str) -> bool {
    model.contains("gemini")
}

/// A model's name below the location. One that says more than its id (a tuned model's endpoint, a publisher) is
/// kept.
fn resource(model: &str, publisher: &str) -> Option<String> {
    let own = model.strip_prefix("models/").or_else(|| model.strip_prefix(publisher)?.strip_prefix('/'));
    let model = path::resource(own.unwrap_or(model))?;
    let is_whole = own.is_none() && model.contains('/');
    Some(if is_whole { model } else { format!("publishers/{publisher}/models/{model}") })
}

/// The base URL with the project and location in it. `global`, `us` and `eu` have hosts of their own.
/// Source: <https://cloud.google.com/vertex-ai/generative-ai/docs/learn/locations>.
fn base(site: &Site<'_>) -> String {
    const HOSTS: &[(&str, &str)] = &[
        ("://global-aiplatform.googleapis.com", "://aiplatform.googleapis.com"),
        ("://us-aiplatform.googleapis.com", "://aiplatform.us.rep.googleapis.com"),
        ("://eu-aiplatform.googleapis.com", "://aiplatform.eu.rep.googleapis.com"),
    ];
    let mut base = site.endpoint.trim_end_matches('/').to_owned();
    if let Some((from, to)) = HOSTS.iter().find(|(from, _)| base.contains(from)) {
        base = base.replacen(from, to, 1);
    }
    if base.contains("/projects/") {
        return base;
    }
    let authority = base.split_once("://").map_or(base.as_str(), |(_, rest)| rest);
    if !authority.contains('/') {
        base.push_str("/v1");
    }
    if let (Some(project), Some(region)) = (site.project, site.region) {
        base.push_str(&format!("/projects/{project}/locations/{region}"));
    }
    base
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::provider::{by_name, fill};

    const GENERATE: Call = Call::Generate { stream: false };
    const STREAM: Call = Call::Generate { stream: true };

    #[test]
    fn urls() {
        let at = |region: &str| {
            let endpoint = fill(VertexAI.default_endpoint().unwrap(), Some(region), Some("acme")).unwrap();
            move |model: &str, call| {
                let site = Site {
                    endpoint: &endpoint,
                    region: Some("ignored"),
                    project: Some("ignored"),
                    api_version: None,
                };
                VertexAI.url(&site, model, VertexAI.formats(model)[0], call).unwrap()
            }
        };
        let west = "https://europe-west4-aiplatform.googleapis.com/v1/projects/acme/locations/europe-west4";
        for (model, call, path) in [
            ("gemini-2.5-pro", GENERATE, "publishers/google/models/gemini-2.5-pro:generateContent"),
            (
                "gemini-2.5-pro",
                STREAM,
                "publishers/google/models/gemini-2.5-pro:streamGenerateContent?alt=sse",
            ),
            (
                "google/gemini-2.5-pro",
                Call::CountTokens,
                "publishers/google/models/gemini-2.5-pro:countTokens",
            ),
            ("text-embedding-005", Call::Embed, "publishers/google/models/text-embedding-005:predict"),
            (
                "gemini-embedding-001",
                Call::Embed,
                "publishers/google/models/gemini-embedding-001:batchEmbedContents",
            ),
            ("endpoints/1234", GENERATE, "endpoints/1234:generateContent"),
            ("claude-opus-4-1", GENERATE, "publishers/anthropic/models/claude-opus-4-1:rawPredict"),
            (
                "claude-3-7-sonnet@20250219",
                STREAM,
                "publishers/anthropic/models/claude-3-7-sonnet@20250219:streamRawPredict",
            ),
            ("claude-opus-4-1", Call::CountTokens, "publishers/anthropic/models/count-tokens:rawPredict"),
            ("meta/llama-4-scout", STREAM, "endpoints/openapi/chat/completions"),
        ] {
            assert_eq!(at("europe-west4")(model, call), format!("{west}/{path}"));
        }
        for (region, host) in [
            ("global", "aiplatform.googleapis.com"),
            ("us", "aiplatform.us.rep.googleapis.com"),
            ("eu", "aiplatform.eu.rep.googleapis.com"),
            ("us-east5", "us-east5-aiplatform.googleapis.com"),
        ] {
            let want = format!(
                "https://{host}/v1/projects/acme/locations/{region}/publishers/google/models/x:generateContent"
            );
            assert_eq!(at(region)("x", GENERATE), want);
        }
    }

    #[test]
    fn other_endpoints_get_what_they_lack() {
        let url = |endpoint, project| {
            let site = Site { endpoint, region: Some("global"), project, api_version: None };
            VertexAI.url(&site, "gemini-x", Format::Gemini, GENERATE).unwrap()
        };
        let model = "publishers/google/models/gemini-x:generateContent";
        assert_eq!(
            url("http://proxy.local", Some("acme")),
            format!("http://proxy.local/v1/projects/acme/locations/global/{model}")
        );
        assert_eq!(
            url("http://proxy.local/v1beta1/", Some("acme")),
            format!("http://proxy.local/v1beta1/projects/acme/locations/global/{model}")
        );
        assert_eq!(
            url("http://x/v1/projects/p/locations/l", Some("acme")),
            format!("http://x/v1/projects/p/locations/l/{model}")
        );
        assert_eq!(
            url("https://aiplatform.googleapis.com", None),
            format!("https://aiplatform.googleapis.com/v1/{model}")
        );
    }

    #[test]
    fn claude_is_asked_without_its_name() {
        let mut body =
            json!({"model": "claude-opus-4-1", "max_tokens": 5, "stream": true}).as_object().unwrap().clone();
        let upstream = Upstream::new("claude-opus-4-1", by_name("VertexAI").unwrap());
        VertexAI.amend(Format::Messages, &mut body, &upstream);
        assert_eq!(
            Value::from(body),
            json!({"max_tokens": 5, "stream": true, "anthropic_version": "vertex-2023-10-16"})
        );
    }

    #[test]
    fn generations_by_name() {
        use crate::catalogue::ReasoningStyle::{Budget, Effort, Never};
        for (model, style) in [
            ("gemini-1.5-pro", Some(Never)),
            ("gemini-2.0-flash", Some(Never)),
            ("gemini-2.5-flash-lite", Some(Budget)),
            ("publishers/google/models/gemini-2.5-pro", Some(Budget)),
            ("gemini-3-pro-preview", Some(Effort)),
            ("gemini-10.1-ultra", Some(Effort)),
            ("gemini-flash-latest", None),
            ("gemma-3-27b-it", None),
        ] {
            assert_eq!(thinking_by_name(model), style, "{model}");
        }
    }

    #[test]
    fn googles_front_refuses_claude_in_googles_words() {
        let body = br#"[{"error":{"code":429,"message":"Quota exceeded","status":"RESOURCE_EXHAUSTED"}}]"#;
        let error = VertexAI.classify(Format::Messages, 429, body);
        assert_eq!(error.kind, crate::ErrorKind::RateLimited);
        assert_eq!(error.message, "Quota exceeded");
        let body =
            br#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long"}}"#;
        assert_eq!(VertexAI.classify(Format::Messages, 400, body).kind, crate::ErrorKind::ContextLength);
    }
}
