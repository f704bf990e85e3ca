//! A dialect is one wire format, in both directions.

mod annotate;
mod call_ids;
mod carrier;
pub mod chat;
mod cohere;
mod completions;
mod converse;
mod effort;
mod extras;
mod failure;
mod fields;
pub mod gemini;
mod ids;
mod instructions;
mod json_answer;
mod media;
mod messages;
mod nothing;
mod ollama;
mod openai_shared;
pub(crate) mod responses;
mod thoughts;
mod tool_names;
mod wait;

use serde::{Deserialize, Serialize};

pub(crate) use self::extras::note_dropped;
pub(crate) use self::failure::Report;
pub(crate) use self::fields::{Fields, wrong};
pub(crate) use self::tool_names::check as check_tool_names;

use crate::catalogue::Facts;
use crate::error::{BadRequest, Broken, ClientError, Refused, UpstreamError};
use crate::framing::{Frame, Framing};
use crate::ledger::Ledger;
use crate::message::{Event, Issuer, Request, Response};
use crate::provider::{Provider, Site};

/// A wire format that clients or providers speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Format {
    /// OpenAI `POST /v1/chat/completions`.
    Chat,
    /// OpenAI `POST /v1/responses`.
    Responses,
    /// OpenAI's legacy `POST /v1/completions`.
    Completions,
    /// Anthropic `POST /v1/messages`.
    Messages,
    /// Google `generateContent` and `streamGenerateContent`.
    Gemini,
    /// Amazon Bedrock `Converse` and `ConverseStream`.
    Converse,
    /// Cohere `POST /v2/chat`.
    Cohere,
    /// Ollama `POST /api/chat`.
    Ollama,
}

impl Format {
    pub const ALL: [Self; 8] = [
        Self::Chat,
        Self::Responses,
        Self::Completions,
        Self::Messages,
        Self::Gemini,
        Self::Converse,
        Self::Cohere,
        Self::Ollama,
    ];

    /// The format's code.
    pub fn dialect(self) -> &'static dyn Dialect {
        match self {
            Self::Chat => &chat::Chat,
            Self::Responses => &responses::Responses,
            Self::Completions => &completions::Completions,
            Self::Messages => &messages::Messages,
            Self::Gemini => &gemini::Gemini,
            Self::Converse => &converse::Converse,
            Self::Cohere => &cohere::Cohere,
            Self::Ollama => &ollama::Ollama,
        }
    }

    /// OpenTelemetry's `gen_ai.operation.name` is `chat` for most; this tells the wire formats apart in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Chat => "chat_completions",
            Self::Responses => "responses",
            Self::Completions => "completions",
            Self::Messages => "messages",
            Self::Gemini => "gemini",
            Self::Converse => "converse",
            Self::Cohere => "cohere_chat",
            Self::Ollama => "ollama_chat",
        }
    }
}

/// What a dialect must know of the provider that it writes to and reads from.
#[derive(Clone, Copy, Debug)]
pub struct Upstream<'a> {
    /// The provider's own id for the model.
    pub model: &'a str,
    /// The provider type, see [`crate::provider`].
    pub provider: &'static dyn Provider,
    /// What is known of the model; unknown is `None`.
    pub facts: &'a Facts,
    /// Where the provider is; some write it into the body.
    pub site: Site<'a>,
}

impl<'a> Upstream<'a> {
    /// A model of which nothing more is known, at the provider's own address.
    pub fn new(model: &'a str, provider: &'static dyn Provider) -> Self {
        const NOTHING: &Facts = &Facts::UNKNOWN;
        Self { model, provider, facts: NOTHING, site: Site::default() }
    }

    /// Whose signatures this model writes and reads.
    pub fn issuer(&self) -> Option<Issuer> {
        self.provider.issuer(self.model)
    }
}

/// What an encoder must know of the client that an answer goes to.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Used as id where the provider gave none; has no prefix.
    pub request_id: String,
    /// The model name that the client asked for; used where the provider named none.
    pub model: String,
    /// Unix seconds.
    pub created: u64,
    /// The client asked for usage at the end of a stream.
    pub include_usage: bool,
}

/// One wire format: request, response, stream and error, each decoded and encoded.
pub trait Dialect: Send + Sync {
    /// Reads a client's request. Unknown fields go to [`Request::extra`].
    fn decode_request(&self, body: &[u8]) -> Result<Request, BadRequest>;

    /// May a request that this format's decoder read go to a provider of another format? Refuses what no other format can
    /// take, and notes what the change of format does by itself.
    fn leave(&self, request: &Request, to: Format, ledger: &mut Ledger) -> Result<(), Refused> {
        let _ = (request, to, ledger);
        Ok(())
    }

    /// Writes a request for a provider; every loss goes to the ledger.
    fn encode_request(
        &self,
        request: &Request,
        upstream: &Upstream<'_>,
        ledger: &mut Ledger,
    ) -> Result<Vec<u8>, Refused>;

    /// Reads a provider's complete answer (status 200). An answer without any content and without a reason for
    /// it is [`Broken::Empty`]. A body that is an error object in spite of its status is returned as
    /// `Ok(Err(..))`.
    fn decode_response(
        &self,
        body: &[u8],
        upstream: &Upstream<'_>,
    ) -> Result<Result<Response, UpstreamError>, Broken>;

    /// Writes a complete answer for a client; what the format has no place for goes to the ledger.
    fn encode_response(&self, response: &Response, reply: &Reply, ledger: &mut Ledger) -> Vec<u8>;

    /// How a stream of this format is cut into frames.
    fn framing(&self) -> Framing {
        Framing::Sse
    }

    fn stream_decoder(&self, upstream: &Upstream<'_>) -> Box<dyn StreamDecoder>;

    fn stream_encoder(&self, reply: Reply) -> Box<dyn StreamEncoder>;

    /// Reads a provider's answer with an error status. Never fails: an unreadable body is quoted, bounded.
    fn decode_error(&self, status: u16, body: &[u8]) -> UpstreamError {
        failure::read_body(status, body)
    }

    /// Body of an error answer, JSON.
    fn encode_error(&self, error: &ClientError, request_id: &str) -> Vec<u8>;

    /// Body of the format's listing of models, for these ids, in this order.
    fn encode_models(&self, ids: &[&str], created: u64) -> Vec<u8>;
}

/// Turns a provider's frames into events. Depends on frames only, never on how bytes were cut.
pub trait StreamDecoder: Send {
    /// One frame in, any number of events out.
    fn push(&mut self, frame: &Frame, out: &mut Vec<Event>) -> Result<(), Broken>;

    /// The frame that this decoder saw last ended the answer (`[DONE]`, `message_stop`): nothing follows.
    fn is_done(&self) -> bool;

    /// The bytes ended. [`Broken::Cut`] unless the answer was complete: a finish reason was seen, or the end marker of a
    /// server that may leave the reason out.
    fn finish(&mut self, out: &mut Vec<Event>) -> Result<(), Broken>;
}

/// Turns events into a client's bytes. Belongs to one attempt: one start per answer.
pub trait StreamEncoder: Send {
    fn push(&mut self, event: &Event, out: &mut Vec<u8>);

    /// Closes the answer: finish reason, usage where asked for, end marker. Not called after [`Self::error`].
    fn finish(&mut self, out: &mut Vec<u8>);

    /// Closes the answer with an error event in the client's format; never looks like a normal end.
    fn error(&mut self, error: &ClientError, out: &mut Vec<u8>);

    /// What the client's format had no place for so far.
    fn ledger(&self) -> &Ledger;
}
