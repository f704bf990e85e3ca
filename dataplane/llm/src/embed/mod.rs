//! Embeddings: OpenAI's `POST /v1/embeddings` for clients, and what providers have instead.

use serde_json::{Map, Value};

use crate::dialect::{Reply, Upstream};
use crate::error::{BadRequest, Broken, Refused, UpstreamError};
use crate::ledger::Ledger;
use crate::message::Usage;

/// How a provider takes embedding requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmbedFormat {
    /// OpenAI `POST /v1/embeddings`.
    OpenAI,
    /// Google AI Studio `batchEmbedContents`.
    Gemini,
    /// Vertex AI `predict`.
    Vertex,
    /// Cohere `POST /v2/embed`.
    Cohere,
    /// Ollama `POST /api/embed`.
    Ollama,
    /// Amazon Bedrock `InvokeModel` of Titan's embedding models: one text a request.
    Titan,
    /// Amazon Bedrock `InvokeModel` of Cohere's embedding models.
    BedrockCohere,
}

/// A request for embeddings, decoded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EmbedRequest {
    pub model: String,
    pub inputs: Vec<EmbedInput>,
    pub dimensions: Option<u64>,
    /// The client wants base64 of little-endian `f32`, which the official SDKs ask for by themselves.
    pub base64: bool,
    pub user: Option<String>,
    /// Cohere's and Google's hint at what the vectors are for, which some clients send to OpenAI's endpoint too.
    pub input_type: Option<String>,
    pub provider_options: Map<String, Value>,
    /// Members without a neutral meaning, untouched.
    pub extra: Map<String, Value>,
}

/// One thing to embed.
#[derive(Clone, Debug, PartialEq)]
pub enum EmbedInput {
    Text(String),
    /// Tokens of OpenAI's own tokenizers: nobody else can read them.
    Tokens(Vec<u64>),
}

/// Vectors, in the order of the inputs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EmbedResponse {
    pub model: Option<String>,
    pub vectors: Vec<Vec<f32>>,
    pub usage: Usage,
}

/// Reads a client's request.
pub fn decode_request(_body: &[u8]) -> Result<EmbedRequest, BadRequest> {
    todo!()
}

/// Writes a request for a provider; every loss goes to the ledger.
pub fn encode_request(
    _request: &EmbedRequest,
    _format: EmbedFormat,
    _upstream: &Upstream<'_>,
    _ledger: &mut Ledger,
) -> Result<Vec<u8>, Refused> {
    todo!()
}

/// Reads a provider's answer (status 200).
pub fn decode_response(
    _body: &[u8],
    _format: EmbedFormat,
    _request: &EmbedRequest,
) -> Result<Result<EmbedResponse, UpstreamError>, Broken> {
    todo!()
}

/// Usage in an answer that goes to the client as it is.
pub fn read_usage(_body: &[u8]) -> Usage {
    todo!()
}

/// Writes an answer for a client.
pub fn encode_response(_response: &EmbedResponse, _request: &EmbedRequest, _reply: &Reply) -> Vec<u8> {
    todo!()
}

/// What a simulated provider answers: unit vectors that depend on the text alone, equal for equal texts.
pub fn simulate(_request: &EmbedRequest) -> EmbedResponse {
    todo!()
}
