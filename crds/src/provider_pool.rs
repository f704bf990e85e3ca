//! `providerpools.penstock.dev`: who can serve.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Duration;
use crate::status::ObjectStatus;

/// A set of providers that can serve models, with their credentials and health rules.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "penstock.dev",
    version = "v1alpha1",
    kind = "ProviderPool",
    namespaced,
    status = "ObjectStatus",
    derive = "PartialEq",
    shortname = "ppool",
    category = "llm",
    doc = "Who can serve: a set of LLM providers with their credentials and health rules.",
    printcolumn(name = "Providers", type_ = "string", json_path = ".status.summary"),
    printcolumn(
        name = "Accepted",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Accepted\")].status"
    ),
    printcolumn(
        name = "ResolvedRefs",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"ResolvedRefs\")].status"
    ),
    printcolumn(
        name = "Programmed",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Programmed\")].status"
    ),
    printcolumn(name = "Proxies", type_ = "string", json_path = ".status.proxies"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProviderPoolSpec {
    /// The providers, keyed by name. Where several serve the same model, the earlier one is preferred and the later ones take over when it fails.
    #[schemars(length(min = 1, max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub providers: Vec<Provider>,

    /// Circuit breaker, kept for each provider and model.
    #[serde(default)]
    pub health: Health,
}

/// One upstream that serves models.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("self.type != 'OpenAICompatible' || has(self.endpoint)").message("an OpenAICompatible provider needs `endpoint`, for example http://vllm:8000/v1").field_path(".endpoint"))]
#[x_kube(validation = Rule::new("self.type != 'Simulated' || !has(self.endpoint)").message("a Simulated provider has no `endpoint`: it answers by itself").field_path(".endpoint"))]
#[x_kube(validation = Rule::new("self.type != 'Simulated' || !has(self.auth)").message("a Simulated provider has no `auth`: it needs no key").field_path(".auth"))]
#[x_kube(validation = Rule::new("self.type == 'Simulated' || !has(self.simulated)").message("`simulated` is only for providers of type Simulated").field_path(".simulated"))]
#[x_kube(validation = Rule::new("!(self.type in ['OpenAI', 'Anthropic']) || has(self.auth)").message("this provider type needs `auth.apiKeys`").field_path(".auth"))]
#[x_kube(validation = Rule::new("!(self.type in ['OpenAICompatible', 'Simulated']) || has(self.models)").message("this provider type needs `models`: nothing else tells which models it serves").field_path(".models"))]
pub struct Provider {
    /// Name, unique in the pool; it appears in headers, metrics and messages.
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,

    /// Decides wire format, base URL and authentication.
    pub r#type: ProviderType,

    /// Base URL, as you would give it to that vendor's own SDK: for OpenAI and OpenAICompatible with the version path (`https://api.openai.com/v1`; `/v1` is added when there is no path), for Anthropic without (`https://api.anthropic.com`). Defaults to the vendor's public address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 8, max = 512), regex(pattern = r"^https?://[^\s?#@]+$"))]
    pub endpoint: Option<String>,

    /// Credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,

    /// The models this provider serves; when given, exactly these. Without it, what the provider type is known to serve.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub models: Option<Vec<PoolModel>>,

    /// Behaviour of a Simulated provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub simulated: Option<Simulated>,
}

/// A built-in provider type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum ProviderType {
    /// OpenAI's chat completions API.
    OpenAI,
    /// Any server that speaks OpenAI's chat completions: vLLM, SGLang, llama.cpp, TGI.
    OpenAICompatible,
    /// Anthropic's Messages API.
    Anthropic,
    /// Answers by itself, deterministically, without network or key: for the first minute, for drills, for tests.
    Simulated,
}

/// Credentials of a provider.
#[derive(JsonSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Auth {
    /// API keys. Requests spread over them by weight; one that was answered 429 rests for as long as the provider says.
    #[schemars(length(min = 1, max = 16))]
    pub api_keys: Vec<ApiKey>,
}

/// One API key, held in a Secret.
#[derive(JsonSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApiKey {
    /// Where the key is.
    pub secret_ref: SecretKeyRef,

    /// Share of the requests beside the other keys.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 1000))]
    pub weight: u32,
}

/// One entry of a Secret in the same namespace.
#[derive(JsonSchema, Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretKeyRef {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253), regex(pattern = "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))]
    pub name: String,
    /// Entry in the Secret's data.
    #[schemars(length(min = 1, max = 253), regex(pattern = "^[-._a-zA-Z0-9]+$"))]
    pub key: String,
}

/// A model as routes name it, and as the provider does.
#[derive(JsonSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PoolModel {
    /// Name that routes use.
    #[schemars(length(min = 1, max = 256), regex(pattern = r"^[^\s*]+$"))]
    pub name: String,
    /// The provider's own id for it; the name when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), regex(pattern = r"^[^\s]+$"))]
    pub upstream: Option<String>,
}

/// Circuit breaker: after so many failures in a row a provider's model rests, then one request tries it again.
#[derive(JsonSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Health {
    /// Failures in a row that open the breaker.
    #[schemars(range(min = 1, max = 100))]
    pub consecutive_failures: u32,
    /// How long it stays open before one request probes the target.
    pub cooldown: Duration,
}

impl Default for Health {
    fn default() -> Self {
        Self { consecutive_failures: 5, cooldown: Duration::from_secs(30) }
    }
}

/// Behaviour of a Simulated provider.
#[derive(JsonSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Simulated {
    /// Time before the first token (or before a failure).
    pub latency: Duration,
    /// Speed of the answer after its first token; 0 sends it at once.
    #[schemars(range(min = 0, max = 100_000))]
    pub tokens_per_second: u32,
    /// Share of requests that fail, in percent, spread evenly: 20 fails every fifth.
    #[schemars(range(min = 0, max = 100))]
    pub error_rate: u32,
    /// How a failing request fails.
    pub error: SimulatedError,
    /// Text of every answer. Without it the answer echoes the last user message.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16384))]
    pub reply: Option<String>,
}

impl Default for Simulated {
    fn default() -> Self {
        Self {
            latency: Duration::from_millis(0),
            tokens_per_second: 0,
            error_rate: 0,
            error: SimulatedError::ServerError,
            reply: None,
        }
    }
}

/// How a Simulated provider fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SimulatedError {
    /// The connection is refused.
    Connect,
    /// Nothing ever comes back.
    Timeout,
    /// 429 with `Retry-After: 1`.
    RateLimited,
    /// 503.
    ServerError,
    /// 529, as Anthropic sends when it is overloaded.
    Overloaded,
    /// 400: the prompt does not fit the model's context window.
    ContextLength,
    /// 200 without any content.
    EmptyAnswer,
    /// 200, some tokens, then the stream is cut: cannot be failed over.
    CutStream,
}

fn one() -> u32 {
    1
}
