//! A recording: what was called, in which format, and the bytes of its answer.
//!
//! Refuses to know what the answer means.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use penstock_llm::provider::{self, Provider};
use penstock_llm::{Format, Framing};
use serde_json::Value;

use crate::reading::event_stream;

/// A line of a file of recordings.
pub struct Exchange {
    line: Value,
    pub id: String,
    pub provider: String,
    pub endpoint: String,
    pub fidelity: String,
    pub model: String,
    pub status: u16,
}

/// The recorded answer, as bytes that a proxy would see.
pub enum Answer {
    Whole(Value),
    Stream(Vec<u8>),
}

impl Exchange {
    pub fn read(line: &str) -> Self {
        let line: Value = serde_json::from_str(line).expect("a recording is JSON");
        let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
        // Where the recording does not say, the answer may.
        let answered = [&line["response_json"], &line["response_events"][0]["response"]];
        let answered = answered.into_iter().find_map(|answer| answer["model"].as_str());
        Self {
            id: text("id"),
            provider: text("provider"),
            endpoint: text("endpoint"),
            fidelity: text("fidelity"),
            model: line["model"].as_str().or(answered).unwrap_or_default().to_owned(),
            status: line["status"].as_u64().and_then(|status| status.try_into().ok()).unwrap_or(200),
            line,
        }
    }

    /// Its format, or why it is not checked.
    pub fn format(&self) -> Result<Format, &'static str> {
        let endpoint = self.endpoint.as_str();
        let answer = &self.line["response_json"];
        let events = &self.line["response_events"];
        if self.fidelity == "sdk" && answer["usage_metadata"].is_object()
            || events[0]["usage_metadata"].is_object()
        {
            return Err("the client library changed the names of its members");
        }
        if answer["status"] == "queued" {
            return Err("a job in the background, not an answer yet");
        }
        if endpoint.starts_with("stream") && events[0]["type"] == "message" {
            return Err("a whole answer in place of a stream's events");
        }
        Ok(match endpoint {
            "chat.completions" => Format::Chat,
            "responses" => Format::Responses,
            "completions" => Format::Completions,
            "messages" | "rawPredict" | "streamRawPredict" => Format::Messages,
            "generateContent" | "streamGenerateContent" => Format::Gemini,
            "converse" | "converse-stream" => Format::Converse,
            "cohere:v2/chat" => Format::Cohere,
            "ollama:chat" => Format::Ollama,
            // Penstock asks Bedrock by Converse; but what Claude answers to `invoke` is Messages, and may be read.
            "invoke" | "invoke-with-response-stream" => {
                let is_message = answer["type"] == "message"
                    || events[0]["type"] == "message_start"
                    || events[0]["payload"]["type"] == "message_start";
                if !is_message {
                    return Err("Bedrock's invoke in a model's own format, which is not spoken");
                }
                Format::Messages
            }
            "cohere:v1/chat" | "ollama:generate" => return Err("an older API, which is not spoken"),
            _ if endpoint.starts_with("dashscope:aigc") => {
                return Err("DashScope's own format; Qwen is spoken to in OpenAI's");
            }
            "models" => return Err("a list of models"),
            "count-tokens" | "countTokens" | "messages.count_tokens" | "responses.input_tokens" => {
                return Err("a count of tokens");
            }
            "responses.compact" => return Err("a compacted history, not an answer"),
            "moderations" => return Err("a moderation"),
            _ if endpoint.contains("rerank") => return Err("a ranking"),
            _ if endpoint.to_ascii_lowercase().contains("embed") => return Err("embeddings"),
            _ => return Err("an endpoint that nobody thought of"),
        })
    }

    /// The provider type that a pool would have for it: the provider's own where that speaks the format.
    pub fn provider_type(&self, format: Format) -> &'static dyn Provider {
        let own = match self.provider.as_str() {
            "anthropic" => "Anthropic",
            "aws-bedrock" => "Bedrock",
            "azure-openai" => "AzureOpenAI",
            "cerebras" => "Cerebras",
            "cloudflare" => "CloudflareWorkersAI",
            "cohere" => "Cohere",
            "dashscope" => "Qwen",
            "databricks" => "Databricks",
            "deepseek" => "DeepSeek",
            "google-ai-studio" => "Gemini",
            "google-vertex" => "VertexAI",
            "groq" => "Groq",
            "huggingface" => "HuggingFace",
            "mistral" => "Mistral",
            "nebius" => "Nebius",
            "novita" => "Novita",
            "ollama" => "Ollama",
            "openai" => "OpenAI",
            "openrouter" => "OpenRouter",
            "perplexity" => "Perplexity",
            "sambanova" => "SambaNova",
            "snowflake" => "Snowflake",
            "together" => "Together",
            "watsonx" => "Watsonx",
            "xai" => "XAI",
            "zai" => "Zhipu",
            // Has no type of its own.
            _ => "OpenAICompatible",
        };
        let own = provider::by_name(own).expect("the registry has this type");
        if own.formats(&self.model).contains(&format) {
            return own;
        }
        let other = if format == Format::Messages { "Anthropic" } else { "OpenAICompatible" };
        provider::by_name(other).expect("the registry has this type")
    }

    /// The request as a client would send it; none where it was not recorded or named no model.
    pub fn request(&self, format: Format) -> Option<Vec<u8>> {
        let mut body = self.line["request_json"].as_object()?.clone();
        match format {
            // Model and streaming stand in the URL: who reads that puts them into the body.
            Format::Gemini => {
                body.insert("model".into(), self.model.as_str().into());
                body.insert("stream".into(), (self.endpoint == "streamGenerateContent").into());
            }
            Format::Converse => drop(body.insert("modelId".into(), self.model.as_str().into())),
            _ if !body.get("model").is_some_and(Value::is_string) => return None,
            _ => {}
        }
        Some(Value::from(body).to_string().into_bytes())
    }

    pub fn answer(&self, format: Format) -> Option<Answer> {
        if let Some(base64) = self.line["response_base64"].as_str() {
            let bytes = STANDARD.decode(base64).expect("base64");
            return Some(Answer::Stream(if format == Format::Messages { invoked(&bytes) } else { bytes }));
        }
        if let Some(text) = self.line["response_text"].as_str() {
            return Some(Answer::Stream(text.into()));
        }
        if let Some(events) = self.line["response_events"].as_array() {
            return Some(Answer::Stream(as_stream(events, format)));
        }
        let whole = &self.line["response_json"];
        (!whole.is_null()).then(|| Answer::Whole(whole.clone()))
    }

    /// The body of an error answer.
    pub fn error_body(&self) -> Vec<u8> {
        match (&self.line["response_json"], &self.line["response_text"]) {
            (Value::Null, text) => text.as_str().unwrap_or_default().into(),
            (body, _) => body.to_string().into(),
        }
    }
}

/// The framing that was lost, made anew.
fn as_stream(events: &[Value], format: Format) -> Vec<u8> {
    // Some recordings hold several answers, one behind the other: the first counts.
    let is_end = |event: &Value| event["type"] == "message_stop" || event["type"] == "response.completed";
    let end = events.iter().position(is_end).map_or(events.len(), |at| at + 1);
    events[..end].iter().flat_map(|event| as_frame(event, format)).collect()
}

fn as_frame(event: &Value, format: Format) -> Vec<u8> {
    match format.dialect().framing() {
        Framing::Sse => match event["type"].as_str() {
            Some(kind) => format!("event: {kind}\ndata: {event}\n\n").into(),
            None => format!("data: {event}\n\n").into(),
        },
        Framing::Ndjson => format!("{event}\n").into(),
        Framing::EventStream => {
            let members = event.as_object().expect("an event is an object");
            members.iter().flat_map(|(kind, payload)| event_stream::write(kind, payload)).collect()
        }
    }
}

/// Anthropic's events as `invoke` wraps them: a message each, with the event as base64.
fn invoked(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for message in event_stream::read(bytes) {
        let event = STANDARD.decode(message.payload["bytes"].as_str().expect("bytes")).expect("base64");
        out.extend([b"data: ".as_slice(), &event, b"\n\n"].concat());
    }
    out
}
