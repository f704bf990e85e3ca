//! Anthropic Messages, `POST /v1/messages`.
//!
//! Sources: <https://docs.claude.com/en/api/messages>, the official SDKs, recorded answers.

mod abilities;
mod blocks;
mod citations;
mod decode_block;
mod decode_request;
mod encode_request;
mod error;
mod response;
pub(super) mod schema;
mod stream_decoder;
mod stream_encoder;
pub(super) mod tier;
mod usage;

use crate::dialect::{Dialect, Reply, StreamDecoder, StreamEncoder, Upstream, json_answer};
use crate::error::{BadRequest, Broken, ClientError, Refused, UpstreamError};
use crate::ledger::Ledger;
use crate::message::{FinishReason, Request, Response};

/// The format's code.
#[derive(Debug)]
pub struct Messages;

impl Dialect for Messages {
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
        json_answer::restoring(Box::new(stream_decoder::Decoder::new(upstream.issuer())))
    }

    fn stream_encoder(&self, reply: Reply) -> Box<dyn StreamEncoder> {
        Box::new(stream_encoder::Encoder::new(reply))
    }

    fn encode_error(&self, error: &ClientError, request_id: &str) -> Vec<u8> {
        error::write(error, Some(request_id)).to_string().into_bytes()
    }

    fn encode_models(&self, ids: &[&str], created: u64) -> Vec<u8> {
        error::write_models(ids, created).to_string().into_bytes()
    }
}

fn read_finish(word: &str, stop_sequence: Option<&str>) -> FinishReason {
    match word {
        "end_turn" => FinishReason::Stop,
        "stop_sequence" => FinishReason::StopSequence(stop_sequence.map(str::to_owned)),
        "max_tokens" | "model_context_window_exceeded" => FinishReason::Length,
        "tool_use" => FinishReason::ToolCalls,
        "refusal" => FinishReason::ContentFilter,
        // `pause_turn` has no equal elsewhere.
        _ => FinishReason::Other(word.to_owned()),
    }
}

/// What an answer held, as far as it decides the stop reason.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    tool_call: bool,
    refusal: bool,
}

/// The stop reason, and the sequence that stopped it.
fn write_finish(reason: &FinishReason, seen: Seen) -> (&str, Option<&str>) {
    match reason {
        // OpenAI says `stop` after a forced call and in a refusal; Anthropic's clients go by the reason.
        FinishReason::Stop if seen.tool_call => ("tool_use", None),
        FinishReason::Stop if seen.refusal => ("refusal", None),
        FinishReason::Stop => ("end_turn", None),
        FinishReason::StopSequence(sequence) => ("stop_sequence", sequence.as_deref()),
        FinishReason::Length => ("max_tokens", None),
        FinishReason::ToolCalls if seen.tool_call => ("tool_use", None),
        // Calls that this format has no block for: a client would look for one, and go on without a result.
        FinishReason::ToolCalls => ("end_turn", None),
        FinishReason::ContentFilter => ("refusal", None),
        FinishReason::Other(word) => (word, None),
    }
}

/// The id of an answer for a client.
fn answer_id(own: Option<&str>, reply: &Reply) -> String {
    own.map_or_else(|| format!("msg_{}", reply.request_id), str::to_owned)
}
