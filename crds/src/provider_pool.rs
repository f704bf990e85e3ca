//! `providerpools.penstock.dev`: who can serve.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Duration;
use crate::status::ProviderPoolStatus;

/// A set of providers that can serve models, with their credentials and health rules.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "penstock.dev",
    version = "v1alpha1",
    kind = "ProviderPool",
    namespaced,
    status = "ProviderPoolStatus",
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
    printcolumn(name = "Healthy", type_ = "string", json_path = ".status.healthy"),
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
#[x_kube(validation = Rule::new("!(self.type in ['OpenAICompatible', 'Ollama', 'AzureOpenAI', 'Databricks']) || has(self.endpoint)").message("this provider type needs `endpoint`, for example http://vllm:8000/v1, http://ollama:11434 or https://my-resource.openai.azure.com").field_path(".endpoint"))]
#[x_kube(validation = Rule::new("self.type != 'Simulated' || !has(self.endpoint)").message("a Simulated provider has no `endpoint`: it answers by itself").field_path(".endpoint"))]
#[x_kube(validation = Rule::new("self.type != 'Simulated' || !has(self.auth)").message("a Simulated provider has no `auth`: it needs no key").field_path(".auth"))]
#[x_kube(validation = Rule::new("self.type == 'Simulated' || !has(self.simulated)").message("`simulated` is only for providers of type Simulated").field_path(".simulated"))]
#[x_kube(validation = Rule::new("self.type in ['OpenAICompatible', 'Ollama', 'Simulated'] || has(self.auth)").message("this provider type needs `auth`").field_path(".auth"))]
#[x_kube(validation = Rule::new("has(self.region) || !(self.type in ['Bedrock', 'VertexAI', 'Watsonx']) || (has(self.endpoint) && !(has(self.auth) && has(self.auth.aws)))").message("this provider type needs `region`, for example eu-central-1 or europe-west1").field_path(".region"))]
#[x_kube(validation = Rule::new("!(self.type in ['VertexAI', 'Watsonx', 'CloudflareWorkersAI', 'Snowflake']) || has(self.project)").message("this provider type needs `project`: the Google Cloud project, watsonx.ai project, Cloudflare account or Snowflake account").field_path(".project"))]
#[x_kube(validation = Rule::new("!has(self.region) || self.type in ['Bedrock', 'VertexAI', 'Watsonx']").message("`region` is only for providers of type Bedrock, VertexAI and Watsonx; others have it in `endpoint`, where they have regions").field_path(".region"))]
#[x_kube(validation = Rule::new("!has(self.project) || self.type in ['VertexAI', 'Watsonx', 'CloudflareWorkersAI', 'Snowflake']").message("`project` is only for providers of type VertexAI, Watsonx, CloudflareWorkersAI and Snowflake").field_path(".project"))]
#[x_kube(validation = Rule::new("!has(self.apiVersion) || self.type in ['AzureOpenAI', 'Watsonx']").message("`apiVersion` is only for providers of type AzureOpenAI and Watsonx").field_path(".apiVersion"))]
#[x_kube(validation = Rule::new("!has(self.auth) || !has(self.auth.aws) || self.type == 'Bedrock'").message("`auth.aws` is only for providers of type Bedrock").field_path(".auth.aws"))]
#[x_kube(validation = Rule::new("!has(self.auth) || !has(self.auth.google) || self.type == 'VertexAI'").message("`auth.google` is only for providers of type VertexAI; Gemini (Google AI Studio) takes `auth.apiKeys`").field_path(".auth.google"))]
#[x_kube(validation = Rule::new("!has(self.auth) || !has(self.auth.azure) || self.type == 'AzureOpenAI'").message("`auth.azure` is only for providers of type AzureOpenAI").field_path(".auth.azure"))]
#[x_kube(validation = Rule::new("self.type != 'VertexAI' || !has(self.auth) || has(self.auth.google)").message("VertexAI takes `auth.google`: a service account's JSON key, or {} for the pod's own identity").field_path(".auth"))]
#[x_kube(validation = Rule::new("!(self.type in ['OpenAICompatible', 'Ollama', 'AzureOpenAI', 'Simulated']) || has(self.models)").message("this provider type needs `models`: nothing else tells which models it serves").field_path(".models"))]
#[x_kube(validation = Rule::new("!has(self.queue) || has(self.maxConcurrent)").message("`queue` needs `maxConcurrent`: nobody waits without a limit").field_path(".queue"))]
pub struct Provider {
    /// Name, unique in the pool; it appears in headers, metrics and messages.
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,

    /// Decides wire format, base URL and authentication.
    pub r#type: ProviderType,

    /// Base URL, as you would give it to that vendor's own SDK: for OpenAI and OpenAICompatible with the version path (`https://api.openai.com/v1`; `/v1` is added when there is no path), for Anthropic without (`https://api.anthropic.com`), for AzureOpenAI the resource (`https://my-resource.openai.azure.com`). Defaults to the vendor's public address, see docs/providers.md.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 8, max = 512), regex(pattern = r"^https?://[^\s?#@]+$"))]
    pub endpoint: Option<String>,

    /// Region or location, where the vendor has them: `eu-central-1` (Bedrock), `europe-west1` or `global` (VertexAI), `eu-de` (Watsonx).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub region: Option<String>,

    /// What the vendor bills and limits by: the Google Cloud project (VertexAI), watsonx.ai project, Cloudflare account id or Snowflake account identifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = "^[-._:a-zA-Z0-9]+$"))]
    pub project: Option<String>,

    /// Version of the vendor's API, where its URLs name one (AzureOpenAI, Watsonx). Defaults to one that this release was written for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32), regex(pattern = "^[-.a-zA-Z0-9]+$"))]
    pub api_version: Option<String>,

    /// Credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,

    /// The models this provider serves; when given, exactly these. Without it, what the provider type is known to serve.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub models: Option<Vec<PoolModel>>,

    /// Requests of one proxy that the provider works on at a time; the next target takes what is above, in the same request. Without it there is no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000))]
    pub max_concurrent: Option<u32>,

    /// Requests that wait for a place among `maxConcurrent` before they go to the next target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<Queue>,

    /// Behaviour of a Simulated provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub simulated: Option<Simulated>,
}

/// Where requests wait for a place at a provider, in each proxy.
#[derive(JsonSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Queue {
    /// Requests that may wait; the ones above go to the next target at once.
    #[schemars(range(min = 1, max = 100_000))]
    pub size: u32,
    /// How long one waits before it goes to the next target.
    #[serde(default = "half_a_second")]
    pub timeout: Duration,
}

fn half_a_second() -> Duration {
    Duration::from_millis(500)
}

/// A built-in provider type. docs/providers.md has a row for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum ProviderType {
    /// OpenAI's own API.
    OpenAI,
    /// Azure OpenAI, by deployment or by the v1 API.
    AzureOpenAI,
    /// Anthropic's Messages API.
    Anthropic,
    /// Google AI Studio.
    Gemini,
    /// Google Cloud's Vertex AI: Gemini, and Claude by rawPredict.
    VertexAI,
    /// Amazon Bedrock, by Converse.
    Bedrock,
    /// Mistral AI.
    Mistral,
    /// Cohere, by its v2 API.
    Cohere,
    /// DeepSeek.
    DeepSeek,
    /// Alibaba Cloud Model Studio (DashScope).
    Qwen,
    /// Moonshot AI (Kimi).
    Moonshot,
    /// Zhipu AI, Z.ai (GLM).
    Zhipu,
    /// MiniMax.
    MiniMax,
    /// Volcengine Ark (Doubao).
    ByteDance,
    /// Meta's Llama API.
    MetaLlama,
    /// xAI (Grok).
    XAI,
    /// Groq.
    Groq,
    /// Together AI.
    Together,
    /// Fireworks AI.
    Fireworks,
    /// OpenRouter.
    OpenRouter,
    /// Perplexity.
    Perplexity,
    /// Cerebras.
    Cerebras,
    /// SambaNova.
    SambaNova,
    /// NVIDIA NIM.
    NvidiaNim,
    /// Hugging Face's inference providers.
    HuggingFace,
    /// DeepInfra.
    DeepInfra,
    /// Nebius AI Studio.
    Nebius,
    /// Novita AI.
    Novita,
    /// Databricks model serving.
    Databricks,
    /// Snowflake Cortex.
    Snowflake,
    /// IBM watsonx.ai.
    Watsonx,
    /// Cloudflare Workers AI.
    CloudflareWorkersAI,
    /// Ollama, by its own API.
    Ollama,
    /// Any server that speaks OpenAI's chat completions: vLLM, SGLang, llama.cpp, TGI.
    OpenAICompatible,
    /// Answers by itself, deterministically, without network or key: for the first minute, for drills, for tests.
    Simulated,
}

/// Credentials of a provider: exactly one kind.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("[has(self.apiKeys), has(self.aws), has(self.google), has(self.azure)].filter(it, it).size() == 1").message("give exactly one of `apiKeys`, `aws`, `google` and `azure`"))]
pub struct Auth {
    /// API keys. Requests spread over them by weight; one that was answered 429 rests for as long as the provider says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16))]
    pub api_keys: Option<Vec<ApiKey>>,

    /// AWS access keys, for Bedrock; `{}` is the pod's own identity (EKS Pod Identity, IAM roles for service accounts, the instance's role). A Bedrock API key goes into `apiKeys`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aws: Option<AwsAuth>,

    /// A Google Cloud identity, for VertexAI; `{}` is the pod's own (GKE Workload Identity, the instance's service account).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub google: Option<GoogleAuth>,

    /// Microsoft Entra ID, for AzureOpenAI; `{}` is the pod's own identity (AKS workload identity). The resource's keys go into `apiKeys`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub azure: Option<AzureAuth>,
}

/// AWS access keys.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AwsAuth {
    /// Secret in the same namespace with the entries `access-key-id`, `secret-access-key` and, for temporary keys, `session-token`. Without it the pod's own identity signs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretRef>,
}

/// A Google Cloud identity.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GoogleAuth {
    /// Secret entry with the JSON of a service account's key or of a workload identity federation. Without it the pod's own identity is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretKeyRef>,
}

/// The pod's own identity in Microsoft Entra ID.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AzureAuth {}

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

/// A Secret in the same namespace.
#[derive(JsonSchema, Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretRef {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253), regex(pattern = "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))]
    pub name: String,
}

/// A model as routes name it, and as the provider does; what is given here overrides the catalogue.
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
    /// Prices in US dollars per million tokens. A class without a price is unknown, never free.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    /// Prompt and answer together, tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000_000))]
    pub context_window: Option<u32>,
    /// Longest answer, tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000_000))]
    pub max_output_tokens: Option<u32>,
    /// What the model can do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<Capabilities>,
    /// How the model is asked to think.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<Reasoning>,
}

/// Prices in US dollars per million tokens, decimal strings such as `"3.00"`.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Price {
    /// Prompt tokens that no cache had.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = PRICE))]
    pub input: Option<String>,
    /// Generated tokens, reasoning included unless it has a price of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = PRICE))]
    pub output: Option<String>,
    /// Prompt tokens read from a cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = PRICE))]
    pub cache_read: Option<String>,
    /// Prompt tokens written to a cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = PRICE))]
    pub cache_write: Option<String>,
    /// The same, to a cache that lives for an hour.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = PRICE))]
    pub cache_write1h: Option<String>,
    /// Reasoning tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = PRICE))]
    pub reasoning: Option<String>,
}

/// Dollars with up to six decimals.
const PRICE: &str = r"^[0-9]{1,9}(\.[0-9]{1,6})?$";

/// What a model can do. What is left out is what the catalogue says.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Capabilities {
    /// Kinds of content that it reads beside text; when given, exactly these.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4))]
    pub input: Option<Vec<Modality>>,
    /// Calls tools.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tools: Option<bool>,
    /// Can be made to call a tool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forced_tools: Option<bool>,
    /// Calls several tools in one answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallel_tools: Option<bool>,
    /// Answers that fit a JSON Schema, natively.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub json_schema: Option<bool>,
    /// Which sampling parameters it takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sampling: Option<Sampling>,
}

/// A kind of content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Modality {
    Image,
    Pdf,
    Audio,
    Video,
}

/// Which sampling parameters a model takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Sampling {
    /// All of them.
    Free,
    /// Not `temperature` and `top_p` together.
    OneOf,
    /// None but the defaults.
    Refused,
}

/// How a model is asked to think.
#[derive(JsonSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Reasoning {
    /// The control that it gives.
    pub style: ReasoningStyle,
    /// Effort words that it takes, weakest first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 8), inner(length(min = 1, max = 16)))]
    pub efforts: Option<Vec<String>>,
    /// Least token budget.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10_000_000))]
    pub min_budget: Option<u32>,
    /// Greatest token budget.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10_000_000))]
    pub max_budget: Option<u32>,
    /// Thinking can be turned off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub can_disable: Option<bool>,
}

/// The control that a model gives over its thinking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ReasoningStyle {
    /// It does not think.
    Never,
    /// It always thinks, and nothing steers it.
    Always,
    /// On or off.
    Toggle,
    /// A number of tokens.
    Budget,
    /// A word such as `low` or `high`.
    Effort,
    /// Anthropic's adaptive thinking, with an effort word.
    Adaptive,
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
    /// After the breaker has closed, the target's share of first attempts grows from a tenth to the whole within this time, where others can take the rest. 0s gives it all at once.
    pub slow_start: Duration,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            consecutive_failures: 5,
            cooldown: Duration::from_secs(30),
            slow_start: Duration::from_secs(10),
        }
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
