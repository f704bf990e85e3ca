//! A dialect is one wire format, in both directions.

mod chat;
mod extras;
mod failure;
mod fields;
mod media;
mod messages;

use serde::{Deserialize, Serialize};

use crate::error::{BadRequest, Broken, ClientError, Refused, UpstreamError};
use crate::ledger::Ledger;
use crate::message::{Event, Request, Response};
use crate::sse::Frame;

/// A wire format that clients or providers speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Format {
    /// OpenAI `POST /v1/chat/completions`.
    Chat,
    /// Anthropic `POST /v1/messages`.
    Messages,
}

impl Format {
    pub const ALL: [Self; 2] = [Self::Chat, Self::Messages];

    /// The format's code.
    pub fn dialect(self) -> &'static dyn Dialect {
        match self {
            Self::Chat => &chat::Chat,
            Self::Messages => &messages::Messages,
        }
    }

    /// OpenTelemetry's `gen_ai.operation.name` is `chat` for both; this tells the wire formats apart in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Chat => "chat_completions",
            Self::Messages => "messages",
        }
    }
}

/// What an encoder must know of the provider that a request goes to.
#[derive(Clone, Copy, Debug)]
pub struct Upstream<'a> {
    /// The provider's own id for the model.
    pub model: &'a str,
    /// The provider type, see [`crate::provider`].
    pub provider: &'static dyn crate::provider::Provider,
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
    fn decode_response(&self, body: &[u8]) -> Result<Result<Response, UpstreamError>, Broken>;

    /// Writes a complete answer for a client; what the format has no place for goes to the ledger.
    fn encode_response(&self, response: &Response, reply: &Reply, ledger: &mut Ledger) -> Vec<u8>;

    fn stream_decoder(&self) -> Box<dyn StreamDecoder>;

    fn stream_encoder(&self, reply: Reply) -> Box<dyn StreamEncoder>;

    /// Reads a provider's answer with an error status. Never fails: an unreadable body is quoted, bounded.
    fn decode_error(&self, status: u16, body: &[u8]) -> UpstreamError;

    /// Body of an error answer, JSON.
    fn encode_error(&self, error: &ClientError, request_id: &str) -> Vec<u8>;

    /// Body of `GET /v1/models` for these ids, in this order.
    fn encode_models(&self, ids: &[&str], created: u64) -> Vec<u8>;
}

/// Turns a provider's SSE frames into events. Depends on frames only, never on how bytes were cut.
pub trait StreamDecoder: Send {
    /// One frame in, any number of events out.
    fn push(&mut self, frame: &Frame, out: &mut Vec<Event>) -> Result<(), Broken>;

    /// The frame that this decoder saw last ended the answer (`[DONE]`, `message_stop`): nothing follows.
    fn is_done(&self) -> bool;

    /// The bytes ended. [`Broken::Cut`] unless the answer was complete: a finish reason was seen, or the end marker.
    fn finish(&mut self, out: &mut Vec<Event>) -> Result<(), Broken>;
}

/// Turns events into a client's SSE bytes. Belongs to one attempt: one start per answer.
pub trait StreamEncoder: Send {
    fn push(&mut self, event: &Event, out: &mut Vec<u8>);

    /// Closes the answer: finish reason, usage where asked for, end marker. Not called after [`Self::error`].
    fn finish(&mut self, out: &mut Vec<u8>);

    /// Closes the answer with an error event in the client's format; never looks like a normal end.
    fn error(&mut self, error: &ClientError, out: &mut Vec<u8>);

    /// What the client's format had no place for so far.
    fn ledger(&self) -> &Ledger;
}
