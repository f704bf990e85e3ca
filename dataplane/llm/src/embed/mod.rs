//! Embeddings: OpenAI's `POST /v1/embeddings` for clients, and what providers have instead.
//!
//! One file a format of a provider, beside the client's own request and answer. A vector of the wrong size or in the
//! wrong place corrupts an index without a word: what a provider cannot give exactly is refused, and what it answers
//! is counted. Refuses to know: URLs and credentials, which are the provider's; where an answer goes.
//!
//! Sources: OpenAI's OpenAPI description, the vendors' pages and official SDKs named in each file, recorded answers.

mod answer;
mod cohere;
mod gemini;
mod nova;
mod ollama;
mod openai;
mod pass;
mod purpose;
mod quirks;
mod read;
mod request;
mod simulate;
mod titan;
mod vector;
mod vertex;

use serde_json::{Map, Value};

use crate::dialect::{Format, Reply, Upstream, note_dropped};
use crate::error::{BadRequest, Broken, Refused, UpstreamError};
use crate::ledger::{Fate, Ledger};
use crate::message::Usage;
use crate::{Field, translate};

pub use pass::{Passed, keeps_bytes, pass};
pub use purpose::Purpose;
pub use quirks::{EmbedQuirks, InputTypes};

/// How a provider takes embedding requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmbedFormat {
    /// OpenAI `POST /v1/embeddings`.
    OpenAI,
    /// Google AI Studio `batchEmbedContents`.
    Gemini,
    /// Vertex AI `predict`: the models that are older than Gemini's.
    Vertex,
    /// Vertex AI `batchEmbedContents`: Gemini's embedding models.
    VertexGemini,
    /// Cohere `POST /v2/embed`.
    Cohere,
    /// Ollama `POST /api/embed`.
    Ollama,
    /// Amazon Bedrock `InvokeModel` of Titan's embedding models: one text a request.
    Titan,
    /// Amazon Bedrock `InvokeModel` of Nova's embedding models: one text a request.
    Nova,
    /// Amazon Bedrock `InvokeModel` of Cohere's embedding models.
    BedrockCohere,
}

impl EmbedFormat {
    pub const ALL: [Self; 9] = [
        Self::OpenAI,
        Self::Gemini,
        Self::Vertex,
        Self::VertexGemini,
        Self::Cohere,
        Self::Ollama,
        Self::Titan,
        Self::Nova,
        Self::BedrockCohere,
    ];

    /// The format in which this API words its errors.
    pub fn errors(self) -> Format {
        match self {
            Self::OpenAI => Format::Chat,
            Self::Gemini | Self::Vertex | Self::VertexGemini => Format::Gemini,
            Self::Cohere => Format::Cohere,
            Self::Ollama => Format::Ollama,
            Self::Titan | Self::Nova | Self::BedrockCohere => Format::Converse,
        }
    }
}

/// A request for embeddings, decoded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EmbedRequest {
    pub model: String,
    /// At least one, at most [`MOST_INPUTS`].
    pub inputs: Vec<EmbedInput>,
    /// Values a vector, at least 1.
    pub dimensions: Option<u64>,
    /// The client wants base64 of little-endian `f32`, which the official SDKs ask for by themselves.
    pub base64: bool,
    pub user: Option<String>,
    /// What the vectors are for, in the client's word: Cohere's and Google's hint, which some clients send to OpenAI's
    /// endpoint too.
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
    /// As the provider made them: of length 1 or not, which is the model's affair.
    pub vectors: Vec<Vec<f32>>,
    /// Unknown where the provider says nothing.
    pub usage: Usage,
}

/// Inputs of one request, as OpenAI bounds them.
pub const MOST_INPUTS: usize = 2048;

/// Reads a client's request.
pub fn decode_request(body: &[u8]) -> Result<EmbedRequest, BadRequest> {
    request::decode(body)
}

/// Writes a request for a provider; every loss goes to the ledger. Tokens, a size that the provider cannot make and
/// more texts than it takes at once are refused.
pub fn encode_request(
    request: &EmbedRequest,
    format: EmbedFormat,
    upstream: &Upstream<'_>,
    ledger: &mut Ledger,
) -> Result<Vec<u8>, Refused> {
    let mut body = match format {
        EmbedFormat::OpenAI => openai::encode(request, upstream, ledger)?,
        EmbedFormat::Gemini => gemini::encode(request, gemini::Host::AiStudio, upstream, ledger)?,
        EmbedFormat::VertexGemini => gemini::encode(request, gemini::Host::Vertex, upstream, ledger)?,
        EmbedFormat::Vertex => vertex::encode(request, upstream, ledger)?,
        EmbedFormat::Cohere => cohere::encode(request, cohere::Host::Cohere, upstream, ledger)?,
        EmbedFormat::BedrockCohere => cohere::encode(request, cohere::Host::Bedrock, upstream, ledger)?,
        EmbedFormat::Ollama => ollama::encode(request, upstream, ledger)?,
        EmbedFormat::Titan => titan::encode(request, upstream, ledger)?,
        EmbedFormat::Nova => nova::encode(request, upstream, ledger)?,
    };
    if let Some(Value::Object(options)) = request.provider_options.get(&upstream.provider.key()) {
        translate::merge(&mut body, options);
    }
    // Writing into memory cannot fail.
    Ok(serde_json::to_vec(&body).unwrap_or_default())
}

/// Reads a provider's answer (status 200). As many vectors as inputs, each of the size that was asked for, or it is
/// [`Broken`].
pub fn decode_response(
    body: &[u8],
    format: EmbedFormat,
    request: &EmbedRequest,
) -> Result<Result<EmbedResponse, UpstreamError>, Broken> {
    let read = match format {
        EmbedFormat::OpenAI => openai::decode(body),
        EmbedFormat::Gemini | EmbedFormat::VertexGemini => gemini::decode(body),
        EmbedFormat::Vertex => vertex::decode(body),
        EmbedFormat::Cohere | EmbedFormat::BedrockCohere => cohere::decode(body),
        EmbedFormat::Ollama => ollama::decode(body),
        EmbedFormat::Titan => titan::decode(body),
        EmbedFormat::Nova => nova::decode(body),
    };
    match read? {
        Ok(response) => check(&response, request).map(|()| Ok(response)),
        // The status it stands for, with all that the vendor's own format says of it.
        Err(error) => Ok(Err(format.errors().dialect().decode_error(error.status, body))),
    }
}

/// Usage in an answer that goes to the client as it is.
pub fn read_usage(body: &[u8]) -> Usage {
    openai::read_usage(body)
}

/// Writes an answer for a client. Clients must find numbers in `usage`: where the provider said none, an estimate
/// stands there, which [`note_answer`] discloses.
pub fn encode_response(response: &EmbedResponse, request: &EmbedRequest, reply: &Reply) -> Vec<u8> {
    answer::encode(response, request, reply)
}

/// Notes what the client's answer says that the provider did not.
pub fn note_answer(response: &EmbedResponse, ledger: &mut Ledger) {
    if response.usage.prompt().is_none() {
        ledger.note(Field::TokenCount, Fate::Emulated);
    }
}

/// What a simulated provider answers: unit vectors that depend on the text alone, equal for equal texts.
pub fn simulate(request: &EmbedRequest) -> EmbedResponse {
    simulate::answer(request)
}

/// A missing vector would give every later text its neighbour's.
fn check(response: &EmbedResponse, request: &EmbedRequest) -> Result<(), Broken> {
    let (got, want) = (response.vectors.len(), request.inputs.len());
    if got == 0 || response.vectors.iter().any(Vec::is_empty) {
        return Err(Broken::Empty);
    }
    if got != want {
        return Err(Broken::Malformed(format!("{got} vectors for {want} inputs")));
    }
    let of_other_size = |size: &u64| response.vectors.iter().find(|vector| vector.len() as u64 != *size);
    match request.dimensions.and_then(|size| Some((size, of_other_size(&size)?.len()))) {
        Some((want, got)) => {
            Err(Broken::Malformed(format!("a vector of {got} values where {want} were asked for")))
        }
        None => Ok(()),
    }
}

/// The texts to embed, at most `most` of them.
fn texts<'a>(
    request: &'a EmbedRequest,
    most: usize,
    upstream: &Upstream<'_>,
) -> Result<Vec<&'a str>, Refused> {
    let name = upstream.provider.name();
    let refuse = |message| Refused { field: "input".into(), message };
    let count = request.inputs.len();
    if count > most {
        let limit = if most == 1 { "one text".to_owned() } else { format!("at most {most} texts") };
        return Err(refuse(format!(
            "{name} embeds {limit} a request with {}, and this one has {count}; send fewer at a time",
            upstream.model
        )));
    }
    let text = |input: &'a EmbedInput| match input {
        EmbedInput::Text(text) => Ok(text.as_str()),
        EmbedInput::Tokens(_) => Err(refuse(format!(
            "these are tokens of OpenAI's tokenizer, which {name} cannot read; send the text itself"
        ))),
    };
    request.inputs.iter().map(text).collect()
}

/// Members that no provider but those of OpenAI's own format has.
fn leave_out(user: &Option<String>, extra: &Map<String, Value>, ledger: &mut Ledger) {
    if user.is_some() {
        ledger.note(Field::User, Fate::Dropped);
    }
    note_dropped(extra, ledger);
}
