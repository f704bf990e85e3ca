//! What a provider's error means. Providers agree on statuses only roughly, so codes and known wordings decide first.

use std::time::Duration;

use serde_json::Value;

use super::wait;
use crate::error::{ErrorKind, UpstreamError};

/// An error as a provider words it.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// Status that the report itself names, for errors inside a 200.
    pub status: Option<u16>,
    pub code: Option<String>,
    /// OpenAI's and Anthropic's `type`.
    pub class: Option<String>,
    pub param: Option<String>,
    pub message: String,
    /// More text to look for known wordings in: what a gateway quotes of the provider behind it.
    pub detail: String,
    /// Codes and types in what is quoted.
    pub quoted: Vec<String>,
    pub wait: Option<Duration>,
}

/// Codes and types that mean the same everywhere, with the status each stands for where none came with it.
const CODES: &[(&str, ErrorKind, u16)] = &[
    // OpenAI and most that copy it; Azure; llama.cpp; LiteLLM.
    ("context_length_exceeded", ErrorKind::ContextLength, 400),
    ("exceed_context_size_error", ErrorKind::ContextLength, 400),
    ("content_filter", ErrorKind::ContentFiltered, 400),
    ("content_policy_violation", ErrorKind::ContentFiltered, 400),
    ("moderation_blocked", ErrorKind::ContentFiltered, 400),
    ("ResponsibleAIPolicyViolation", ErrorKind::ContentFiltered, 400),
    // GitHub's models, of a prompt.
    ("tokens_limit_reached", ErrorKind::ContextLength, 413),
    // LiteLLM's class.
    ("ContextWindowExceededError", ErrorKind::ContextLength, 400),
    ("invalid_api_key", ErrorKind::Credentials, 401),
    ("authentication_error", ErrorKind::Credentials, 401),
    ("invalid_authentication_error", ErrorKind::Credentials, 401),
    ("account_deactivated", ErrorKind::Credentials, 401),
    ("billing_error", ErrorKind::Credentials, 402),
    ("billing_hard_limit_reached", ErrorKind::Credentials, 402),
    ("billing_not_active", ErrorKind::Credentials, 402),
    ("permission_error", ErrorKind::Credentials, 403),
    // Cerebras; Azure; Databricks.
    ("wrong_api_key", ErrorKind::Credentials, 401),
    ("PermissionDenied", ErrorKind::Credentials, 403),
    ("PERMISSION_DENIED", ErrorKind::Credentials, 403),
    // No credit is no reason to try the same key again soon, but another key may have some.
    ("insufficient_quota", ErrorKind::RateLimited, 429),
    ("rate_limit_error", ErrorKind::RateLimited, 429),
    ("rate_limit_exceeded", ErrorKind::RateLimited, 429),
    // Databricks.
    ("REQUEST_LIMIT_EXCEEDED", ErrorKind::RateLimited, 429),
    ("overloaded_error", ErrorKind::Overloaded, 529),
    // OpenAI, of traffic that grows too fast; Text Generation Inference; llama.cpp, while it loads the model; Cerebras;
    // Databricks.
    ("slow_down", ErrorKind::Overloaded, 503),
    ("overloaded", ErrorKind::Overloaded, 503),
    ("unavailable_error", ErrorKind::Overloaded, 503),
    ("queue_exceeded", ErrorKind::Overloaded, 503),
    ("TEMPORARILY_UNAVAILABLE", ErrorKind::Overloaded, 503),
    ("engine_overloaded", ErrorKind::Overloaded, 503),
    ("engine_overloaded_error", ErrorKind::Overloaded, 503),
    // DeepSeek's finish reason.
    ("insufficient_system_resource", ErrorKind::Overloaded, 503),
    ("timeout_error", ErrorKind::Timeout, 408),
    ("request_timeout", ErrorKind::Timeout, 408),
    ("model_not_found", ErrorKind::NotFound, 404),
    ("not_found_error", ErrorKind::NotFound, 404),
    // Groq; Mistral and Perplexity, with a 400; Together, with a 400; Azure; Databricks.
    ("model_decommissioned", ErrorKind::NotFound, 404),
    ("invalid_model", ErrorKind::NotFound, 404),
    ("model_not_available", ErrorKind::NotFound, 404),
    ("DeploymentNotFound", ErrorKind::NotFound, 404),
    ("RESOURCE_DOES_NOT_EXIST", ErrorKind::NotFound, 404),
    ("request_too_large", ErrorKind::InvalidRequest, 413),
    ("api_error", ErrorKind::ServerError, 500),
    ("server_error", ErrorKind::ServerError, 500),
    ("internal_server_error", ErrorKind::ServerError, 500),
];

/// Types that say little: they count only where neither code, wording nor status do.
const VAGUE: &[(&str, ErrorKind, u16)] = &[("invalid_request_error", ErrorKind::InvalidRequest, 400)];

/// Codes of a model that failed at what it was asked, with a status that blames the client. Another try, or another
/// model, may do better.
const MODEL_FAILED: &[&str] = &[
    // Groq: its calls did not fit the tools, or its JSON was none.
    "tool_use_failed",
    "json_validate_failed",
];

/// Wordings, lower case, of errors that come with a vague code; each with its source.
const WORDINGS: &[(&str, ErrorKind)] = &[
    // SGLang: "The input (9000 tokens) is longer than the model's context length (8192 tokens)."
    ("longer than the model's context length", ErrorKind::ContextLength),
    // Claude and others on Amazon Bedrock and Databricks: "Input is too long for requested model."
    ("input is too long", ErrorKind::ContextLength),
    // xAI: "This model's maximum prompt length is 131072 but the request contains 200000 tokens."
    ("maximum prompt length", ErrorKind::ContextLength),
    // LM Studio: "Trying to keep the first 9000 tokens when context the overflows."
    ("tokens when context the overflows", ErrorKind::ContextLength),
    // LiteLLM, which puts the name of its class before what it quotes.
    ("contextwindowexceedederror", ErrorKind::ContextLength),
    // DeepSeek: "Content Exists Risk"
    ("content exists risk", ErrorKind::ContentFiltered),
    // Google's API for OpenAI's clients, with a 400.
    ("api key not valid", ErrorKind::Credentials),
    // OpenAI, vLLM, DeepSeek, OpenRouter: "This model's maximum context length is 8192 tokens. However, ..."
    ("maximum context length", ErrorKind::ContextLength),
    // Anthropic: "prompt is too long: 210000 tokens > 200000 maximum"
    ("prompt is too long", ErrorKind::ContextLength),
    // Anthropic: "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000"
    ("exceed context limit", ErrorKind::ContextLength),
    // vLLM: "The decoder prompt (length 9000) is longer than the maximum model length of 8192"
    ("longer than the maximum model length", ErrorKind::ContextLength),
    // llama.cpp: "the request exceeds the available context size"
    ("exceeds the available context size", ErrorKind::ContextLength),
    // Text Generation Inference: "`inputs` tokens + `max_new_tokens` must be <= 4096"
    ("tokens + `max_new_tokens` must be", ErrorKind::ContextLength),
    // Groq: "Please reduce the length of the messages or completion."
    ("reduce the length of the messages", ErrorKind::ContextLength),
    // OpenAI, newer: "Your input exceeds the context window of this model."
    ("exceeds the context window", ErrorKind::ContextLength),
    // Mistral: "Prompt contains 40000 tokens ... too large for model with 32768 maximum context length"
    ("too large for model with", ErrorKind::ContextLength),
    // Cohere: "too many tokens: max tokens must be less than or equal to 4096, the maximum output for this model"
    ("too many tokens: max tokens must be", ErrorKind::InvalidRequest),
    // Cohere: "too many tokens: size limit exceeded by 11326 tokens. ..."; without the colon it is Bedrock's throttling.
    ("too many tokens:", ErrorKind::ContextLength),
    // Ollama: "prompt too long; exceeded max context length by 4021 tokens"
    ("exceeded max context length", ErrorKind::ContextLength),
    // Ollama, of embeddings: "the input length exceeds the context length"
    ("exceeds the context length", ErrorKind::ContextLength),
    // Google, and OpenRouter where it quotes it: "The input token count (1250074) exceeds the maximum number of tokens
    // allowed (1048576)."
    ("exceeds the maximum number of tokens", ErrorKind::ContextLength),
    // xAI, in 403 answers.
    ("content violates usage guidelines", ErrorKind::ContentFiltered),
    // Azure OpenAI: "The response was filtered due to the prompt triggering ... content management policy"
    ("content management policy", ErrorKind::ContentFiltered),
    // Anthropic: "Output blocked by content filtering policy"
    ("content filtering policy", ErrorKind::ContentFiltered),
    // Anthropic, in 400 answers.
    ("credit balance is too low", ErrorKind::Credentials),
];

/// Wordings of a 503 that speaks of load.
const BUSY: &[&str] = &[
    "overloaded",
    "at capacity",
    "over capacity",
    "too busy",
    "server busy",
    "no capacity",
    "throttled",
    "loading",
];

const QUOTE: usize = 300;
const MESSAGE: usize = 2000;

impl Report {
    /// Reads an error object: OpenAI's `{error:{..}}`, Anthropic's of the same shape, and the variants of servers
    /// that speak OpenAI's format: `error` as text, `message` or `detail` at the top, a list `errors` (watsonx,
    /// Cloudflare), a list as a whole (Google).
    pub fn read(body: &Value) -> Option<Self> {
        if let Value::Array(list) = body {
            return list.first().filter(|first| first.is_object()).and_then(Self::read);
        }
        let top = body.as_object()?;
        if let Some(first) = top.get("errors").and_then(|list| list.get(0)) {
            return Self::read(first);
        }
        let mut report = match top.get("error") {
            Some(Value::Object(error)) => {
                let text = |name: &str| error.get(name).and_then(Value::as_str).map(str::to_owned);
                let metadata = error.get("metadata");
                let raw = metadata.and_then(|it| it.get("raw"));
                let kind = metadata.and_then(|it| it.get("error_type")).and_then(word);
                Self {
                    quoted: kind.into_iter().chain(raw.map(quoted).unwrap_or_default()).collect(),
                    code: error.get("code").and_then(word),
                    class: text("type"),
                    param: text("param"),
                    message: text("message").or_else(|| text("msg")).unwrap_or_default(),
                    // OpenRouter quotes the provider's own error.
                    detail: raw.and_then(word).unwrap_or_default(),
                    ..Self::default()
                }
            }
            Some(Value::String(message)) => Self {
                code: top.get("code").or_else(|| top.get("error_type")).and_then(word),
                message: message.clone(),
                ..Self::default()
            },
            _ => Self {
                code: top.get("code").or_else(|| top.get("error_code")).and_then(word),
                class: top.get("type").and_then(word),
                param: top.get("param").and_then(word),
                message: top.get("message").or_else(|| top.get("detail")).map(describe)?,
                ..Self::default()
            },
        };
        let is_status = |number: u16| (400..600).contains(&number).then_some(number);
        let holder = top.get("error").filter(|error| error.is_object()).unwrap_or(body);
        report.wait = wait::in_members(holder);
        report.status = report.code.as_deref().and_then(|code| code.parse().ok()).and_then(is_status);
        Some(report)
    }

    /// An error that came inside an answer of status 200.
    pub fn in_band(self) -> UpstreamError {
        let by_word = self.words().find_map(|word| lookup(CODES, word).or_else(|| lookup(VAGUE, word)));
        // Of an error that tells nothing else, a known wording is the request's fault.
        let by_wording = self.wording().map(|_| 400);
        let status = self.status.or(by_word.map(|(_, status)| status)).or(by_wording).unwrap_or(500);
        self.into_error(status)
    }

    pub fn into_error(self, status: u16) -> UpstreamError {
        let kind = self.kind(status);
        let is_passing = matches!(kind, ErrorKind::RateLimited | ErrorKind::Overloaded);
        let words = || wait::in_words(&self.text());
        let retry_after = self.wait.or_else(words).filter(|_| is_passing);
        let mut message = if self.message.is_empty() {
            format!("the provider answered with status {status}")
        } else {
            bounded(&self.message, MESSAGE)
        };
        if !self.detail.is_empty() {
            message = format!("{message}: {}", bounded(&self.detail, QUOTE));
        }
        UpstreamError {
            kind,
            status,
            code: self.code.or(self.class),
            param: self.param,
            message,
            retry_after,
        }
    }

    fn words(&self) -> impl Iterator<Item = &str> {
        let own = self.code.as_deref().into_iter().chain(self.class.as_deref());
        own.chain(self.quoted.iter().map(String::as_str))
    }

    fn text(&self) -> String {
        format!("{}\n{}", self.message, self.detail).to_lowercase()
    }

    fn wording(&self) -> Option<ErrorKind> {
        let text = self.text();
        WORDINGS.iter().find(|(wording, _)| text.contains(wording)).map(|(_, kind)| *kind)
    }

    fn kind(&self, status: u16) -> ErrorKind {
        if self.words().any(|word| MODEL_FAILED.contains(&word)) {
            return ErrorKind::ServerError;
        }
        if let Some((kind, _)) = self.words().find_map(|word| lookup(CODES, word))
            && !matches!(kind, ErrorKind::ServerError | ErrorKind::InvalidRequest)
        {
            return kind;
        }
        if let Some(kind) = self.wording().filter(|_| status < 500) {
            return kind;
        }
        match status {
            401..=403 => ErrorKind::Credentials,
            404 => ErrorKind::NotFound,
            408 | 504 | 524 => ErrorKind::Timeout,
            409 | 425 => ErrorKind::ServerError,
            429 => ErrorKind::RateLimited,
            400..500 => ErrorKind::InvalidRequest,
            529 => ErrorKind::Overloaded,
            503 if BUSY.iter().any(|busy| self.text().contains(busy)) => ErrorKind::Overloaded,
            _ => ErrorKind::ServerError,
        }
    }
}

/// Reads an answer with an error status.
pub(super) fn read_body(status: u16, body: &[u8]) -> UpstreamError {
    let report = serde_json::from_slice::<Value>(body).ok().as_ref().and_then(Report::read);
    let report = report.unwrap_or_else(|| {
        let text = String::from_utf8_lossy(body);
        let message = match text.trim() {
            "" => String::new(),
            text => bounded(text, QUOTE),
        };
        Report { message, ..Report::default() }
    });
    report.into_error(status)
}

fn lookup(table: &[(&str, ErrorKind, u16)], word: &str) -> Option<(ErrorKind, u16)> {
    table.iter().find(|(known, ..)| *known == word).map(|(_, kind, status)| (*kind, *status))
}

/// Codes and types of an error that is quoted as JSON text.
fn quoted(raw: &Value) -> Vec<String> {
    let inner = match raw {
        Value::String(text) => serde_json::from_str(text).ok(),
        other => Some(other.clone()),
    };
    let report = inner.as_ref().filter(|inner| inner.is_object()).and_then(Report::read);
    report.map(|report| report.words().map(str::to_owned).collect()).unwrap_or_default()
}

/// Codes are text with most providers, numbers with some.
fn word(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// FastAPI's `detail` may be a list of findings.
fn describe(value: &Value) -> String {
    value.as_str().map_or_else(|| bounded(&value.to_string(), QUOTE), str::to_owned)
}

/// At most this many characters.
pub(super) fn bounded(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((at, _)) => format!("{}...", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
