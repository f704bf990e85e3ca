//! Ollama's own chat, `POST /api/chat`.
//!
//! Sources: <https://docs.ollama.com/api/chat>, Ollama's OpenAPI document, the types of the official Python client,
//! recorded answers.

mod decode_request;
mod encode_request;
mod error;
mod image;
mod logprobs;
mod response;
mod stream_decoder;
mod stream_encoder;
mod turns;
mod usage;
mod window;

#[cfg(test)]
mod tests;

use serde_json::{Map, Value, json};

use crate::dialect::{Dialect, Reply, StreamDecoder, StreamEncoder, Upstream};
use crate::error::{BadRequest, Broken, ClientError, Refused, UpstreamError};
use crate::framing::Framing;
use crate::ledger::Ledger;
use crate::message::{FinishReason, Request, Response};

/// The format's code.
#[derive(Debug)]
pub struct Ollama;

impl Dialect for Ollama {
    fn decode_request(&self, body: &[u8]) -> Result<Request, BadRequest> {
        decode_request::decode(body)
    }

    fn encode_request(
        &self,
        request: &Request,
        upstream: &Upstream<'_>,
        ledger: &mut Ledger,
    ) -> Result<Vec<u8>, Refused> {
        encode_request::encode(request, upstream, ledger)
    }

    fn decode_response(
        &self,
        body: &[u8],
        _upstream: &Upstream<'_>,
    ) -> Result<Result<Response, UpstreamError>, Broken> {
        response::decode(body)
    }

    fn encode_response(&self, response: &Response, reply: &Reply, ledger: &mut Ledger) -> Vec<u8> {
        response::encode(response, reply, ledger)
    }

    fn framing(&self) -> Framing {
        Framing::Ndjson
    }

    fn stream_decoder(&self, _upstream: &Upstream<'_>) -> Box<dyn StreamDecoder> {
        Box::new(stream_decoder::Decoder::default())
    }

    fn stream_encoder(&self, reply: Reply) -> Box<dyn StreamEncoder> {
        Box::new(stream_encoder::Encoder::new(reply))
    }

    fn encode_error(&self, error: &ClientError, _request_id: &str) -> Vec<u8> {
        error::write(error).to_string().into_bytes()
    }

    fn encode_models(&self, ids: &[&str], created: u64) -> Vec<u8> {
        error::write_models(ids, created).to_string().into_bytes()
    }
}

/// The reason is `stop` after tool calls too.
fn read_finish(word: &str, has_call: bool) -> FinishReason {
    match word {
        "stop" if has_call => FinishReason::ToolCalls,
        "stop" => FinishReason::Stop,
        "length" => FinishReason::Length,
        // Our own word, see below.
        "content_filter" => FinishReason::ContentFilter,
        // `load` and `unload` answer a request without messages.
        _ => FinishReason::Other(word.to_owned()),
    }
}

fn write_finish(reason: &FinishReason) -> &str {
    match reason {
        FinishReason::Stop | FinishReason::StopSequence(_) | FinishReason::ToolCalls => "stop",
        FinishReason::Length => "length",
        // Ollama filters nothing, and has no word for it.
        FinishReason::ContentFilter => "content_filter",
        FinishReason::Other(word) => word,
    }
}

/// A call's arguments are an object here. `None` for text that is none: a model's broken JSON, or half of it.
fn arguments(text: &str) -> Option<Map<String, Value>> {
    match serde_json::from_str(text) {
        Ok(Value::Object(arguments)) => Some(arguments),
        _ if text.trim().is_empty() => Some(Map::new()),
        _ => None,
    }
}

/// What stands for arguments that are no object: the reader still sees what the model wrote.
fn unreadable_arguments(text: &str) -> Map<String, Value> {
    match json!({"arguments": text}) {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
