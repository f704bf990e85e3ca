//! IBM watsonx.ai: OpenAI's chat format under other names. The project is the id of a project; a model
//! `deployment/<id>` is a deployment of the customer's own. <https://cloud.ibm.com/apidocs/watsonx-ai#text-chat>

use serde_json::{Map, Value};

use super::vendor::{Base, Rule, Vendor};
use super::{Auth, Call, Provider, Quirks, ReasoningControl, Site, join, path};
use crate::dialect::Upstream;
use crate::{ErrorKind, Format, UpstreamError};

#[derive(Debug)]
pub struct Watsonx;

/// What it has in common with the others.
static VENDOR: Vendor = Vendor {
    base: Base::Public("https://{region}.ml.cloud.ibm.com"),
    errors: &[
        Rule::Code("model_not_supported", ErrorKind::NotFound),
        // It says 403.
        Rule::Code("token_quota_reached", ErrorKind::RateLimited),
        Rule::Says("maximum sequence length", ErrorKind::ContextLength),
    ],
    ..Vendor::CHAT
};

/// A date, of the day from which on the API must look as this code knows it.
const VERSION: &str = "2024-10-08";

const DEPLOYMENT: &str = "deployment/";

static QUIRKS: Quirks = Quirks {
    refuses: &["parallel_tool_calls", "service_tier", "verbosity", "metadata", "store", "prediction"],
    max_stops: 4,
    reasoning: ReasoningControl::Effort(&["low", "medium", "high"]),
    strict_tools: false,
    reasoning_history: false,
    // Usage is in the last chunk anyway.
    stream_options: false,
    max_user: 0,
    participant_names: false,
    takes_top_k: false,
    takes_audio: false,
    takes_video: false,
    takes_files: false,
    ..Quirks::COMPATIBLE
};

impl Provider for Watsonx {
    fn name(&self) -> &'static str {
        "Watsonx"
    }

    fn otel_name(&self) -> &'static str {
        "ibm.watsonx.ai"
    }

    fn docs(&self) -> &'static str {
        "https://cloud.ibm.com/apidocs/watsonx-ai#text-chat"
    }

    fn formats(&self, _model: &str) -> &'static [Format] {
        &[Format::Chat]
    }

    fn default_endpoint(&self) -> Option<&'static str> {
        VENDOR.default_endpoint()
    }

    /// Whether an answer streams is in the path, not in the body.
    fn url(&self, site: &Site<'_>, model: &str, format: Format, call: Call) -> Option<String> {
        let (Format::Chat, Call::Generate { stream }) = (format, call) else { return None };
        let deployment = match model.strip_prefix(DEPLOYMENT) {
            Some(id) => Some(format!("/deployments/{}", path::segment(id)?)),
            None => None,
        };
        let path = format!(
            "/ml/v1{}/text/{}?version={}",
            deployment.unwrap_or_default(),
            if stream { "chat_stream" } else { "chat" },
            site.api_version.unwrap_or(VERSION)
        );
        Some(join(site.endpoint, &path))
    }

    fn auth(&self) -> Auth {
        Auth::Ibm
    }

    fn classify(&self, format: Format, status: u16, body: &[u8]) -> UpstreamError {
        VENDOR.classify(format, status, body)
    }

    fn quirks(&self, _model: &str) -> &'static Quirks {
        &QUIRKS
    }

    fn amends(&self, format: Format) -> bool {
        format == Format::Chat
    }

    fn amend(&self, _format: Format, body: &mut Map<String, Value>, upstream: &Upstream<'_>) {
        // Not `remove`, which would put the last member in the place of this one.
        body.shift_remove("model");
        body.shift_remove("stream");
        // A deployment knows its project.
        if !upstream.model.starts_with(DEPLOYMENT) {
            body.insert("model_id".into(), upstream.model.into());
            if let Some(project) = upstream.site.project {
                body.insert("project_id".into(), project.into());
            }
        }
        // A word is an option, an object is a choice.
        if body.get("tool_choice").is_some_and(Value::is_string)
            && let Some(option) = body.shift_remove("tool_choice")
        {
            body.insert("tool_choice_option".into(), option);
        }
    }
}
