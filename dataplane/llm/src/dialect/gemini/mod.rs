//! Google's `generateContent` and `streamGenerateContent`, on AI Studio and on Vertex AI.
//!
//! The model and whether to stream stand in the URL: the bodies of providers hold neither, and those of clients come
//! with both as members `model` and `stream`, put there by who read the URL.
//!
//! Sources: the discovery document of the Gemini Developer API, <https://ai.google.dev/api/generate-content>, Vertex
//! AI's inference reference, the official `google-genai` SDK, recorded answers.

mod case;
mod citations;
mod decode_content;
mod decode_request;
mod decoder;
mod encode_config;
mod encode_content;
mod encode_media;
mod encode_request;
mod encode_results;
mod error;
mod history;
mod logprobs;
mod media;
mod offsets;
mod openapi;
mod partial;
mod parts;
pub mod quirks;
mod response;
mod schema;
mod signature;
mod stream_encoder;
mod thinking;
mod usage;

use crate::dialect::{Dialect, Reply, StreamDecoder, StreamEncoder, Upstream};
use crate::error::{BadRequest, Broken, ClientError, Refused, UpstreamError};
use crate::ledger::Ledger;
use crate::message::{FinishReason, Request, Response};

/// The format's code.
#[derive(Debug)]
pub struct Gemini;

impl Dialect for Gemini {
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
        upstream: &Upstream<'_>,
    ) -> Result<Result<Response, UpstreamError>, Broken> {
        response::decode(body, upstream.issuer())
    }

    fn encode_response(&self, response: &Response, reply: &Reply, ledger: &mut Ledger) -> Vec<u8> {
        response::encode(response, reply, ledger)
    }

    fn stream_decoder(&self, upstream: &Upstream<'_>) -> Box<dyn StreamDecoder> {
        Box::new(decoder::Decoder::new(upstream.issuer()))
    }

    fn stream_encoder(&self, reply: Reply) -> Box<dyn StreamEncoder> {
        Box::new(stream_encoder::Encoder::new(reply))
    }

    fn decode_error(&self, status: u16, body: &[u8]) -> UpstreamError {
        error::read(status, body)
    }

    fn encode_error(&self, error: &ClientError, request_id: &str) -> Vec<u8> {
        error::write(error, request_id).to_string().into_bytes()
    }

    fn encode_models(&self, ids: &[&str], _created: u64) -> Vec<u8> {
        error::write_models(ids).to_string().into_bytes()
    }
}

/// What a signature begins with that another issuer wrote.
pub(crate) const CARRIER_MARK: &str = signature::MARK;

/// An error in Google's words, where the body is one: Google's front answers for other vendors' models too.
pub(crate) fn read_google_error(status: u16, body: &[u8]) -> Option<UpstreamError> {
    error::read_google(status, body)
}

/// How an answer ended. `Err` for an ending that is a failure. A `STOP` behind tool calls is theirs: see the decoder.
fn read_finish(word: &str, message: Option<&str>) -> Result<FinishReason, UpstreamError> {
    Ok(match word {
        "STOP" => FinishReason::Stop,
        "MAX_TOKENS" => FinishReason::Length,
        "SAFETY"
        | "RECITATION"
        | "BLOCKLIST"
        | "PROHIBITED_CONTENT"
        | "SPII"
        | "IMAGE_SAFETY"
        | "IMAGE_PROHIBITED_CONTENT"
        | "IMAGE_RECITATION"
        | "ESCALATION"
        // Vertex AI's own filter.
        | "MODEL_ARMOR" => FinishReason::ContentFilter,
        "MALFORMED_FUNCTION_CALL"
        | "MALFORMED_RESPONSE"
        | "UNEXPECTED_TOOL_CALL"
        | "TOO_MANY_TOOL_CALLS"
        | "MISSING_THOUGHT_SIGNATURE" => return Err(error::of_finish(word, message)),
        // `OTHER`, `LANGUAGE`, `NO_IMAGE`, and what newer versions bring.
        _ => FinishReason::Other(word.to_owned()),
    })
}

fn write_finish(reason: &FinishReason) -> &str {
    match reason {
        // There is no word of its own for calls.
        FinishReason::Stop | FinishReason::StopSequence(_) | FinishReason::ToolCalls => "STOP",
        FinishReason::Length => "MAX_TOKENS",
        FinishReason::ContentFilter => "SAFETY",
        FinishReason::Other(word) if is_word(word) => word,
        FinishReason::Other(_) => "OTHER",
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')
}
