//! Cohere chat, version 2, `POST /v2/chat`.
//!
//! Sources: <https://docs.cohere.com/reference/chat>, <https://docs.cohere.com/reference/errors>, the types of the
//! official Python SDK, recorded answers.

mod citation;
mod decode_request;
mod encode_request;
mod error;
mod logprobs;
mod response;
mod schema;
mod stream_decoder;
mod stream_encoder;
mod tools;
mod turns;
mod usage;

#[cfg(test)]
mod tests;

use crate::dialect::failure::Report;
use crate::dialect::{Dialect, Reply, StreamDecoder, StreamEncoder, Upstream};
use crate::error::{BadRequest, Broken, ClientError, ErrorKind, Refused, UpstreamError};
use crate::ledger::Ledger;
use crate::message::{FinishReason, Request, Response};

/// The format's code.
#[derive(Debug)]
pub struct Cohere;

impl Dialect for Cohere {
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

    fn stream_decoder(&self, _upstream: &Upstream<'_>) -> Box<dyn StreamDecoder> {
        Box::new(stream_decoder::Decoder::default())
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

/// `ERROR` and `TIMEOUT` are no ends but failures; `message` is what the provider says about one.
fn read_finish(word: &str, message: Option<&str>) -> Result<FinishReason, UpstreamError> {
    let fail = |kind: ErrorKind, status: u16| {
        let message = message.unwrap_or("the provider ended its answer with a failure").to_owned();
        let report = Report { code: Some(word.to_owned()), message, ..Report::default() };
        UpstreamError { kind, ..report.into_error(status) }
    };
    Ok(match word {
        "COMPLETE" => FinishReason::Stop,
        "STOP_SEQUENCE" => FinishReason::StopSequence(None),
        "MAX_TOKENS" => FinishReason::Length,
        "TOOL_CALL" => FinishReason::ToolCalls,
        // Of version 1: the answer was found toxic.
        "ERROR_TOXIC" => FinishReason::ContentFilter,
        "ERROR" => return Err(fail(ErrorKind::ServerError, 500)),
        "TIMEOUT" => return Err(fail(ErrorKind::Timeout, 504)),
        _ => FinishReason::Other(word.to_owned()),
    })
}

fn write_finish(reason: &FinishReason, has_tool_call: bool) -> &str {
    match reason {
        // OpenAI says `stop` after a forced call.
        FinishReason::Stop if has_tool_call => "TOOL_CALL",
        FinishReason::Stop => "COMPLETE",
        FinishReason::StopSequence(_) => "STOP_SEQUENCE",
        FinishReason::Length => "MAX_TOKENS",
        FinishReason::ToolCalls => "TOOL_CALL",
        FinishReason::ContentFilter => "ERROR_TOXIC",
        FinishReason::Other(word) => word,
    }
}

/// The id of an answer for a client.
fn answer_id(own: Option<&str>, reply: &Reply) -> String {
    own.map_or_else(|| reply.request_id.clone(), str::to_owned)
}
