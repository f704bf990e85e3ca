//! OpenAI chat completions, `POST /v1/chat/completions`.
//!
//! Sources: OpenAI's OpenAPI document and official SDKs; for what other servers make of the format, their
//! documentation and recorded answers.

mod annotations;
mod decode_message;
mod decode_request;
mod decode_response;
mod encode_request;
mod encode_response;
pub(super) mod error;
pub mod quirks;
mod reasoning;
mod signatures;
mod stream_calls;
mod stream_decoder;
mod stream_encoder;
mod tier;
pub(super) mod usage;

use crate::dialect::failure::Report;
use crate::dialect::{Dialect, Format, Reply, StreamDecoder, StreamEncoder, Upstream, openai_shared};
use crate::error::{BadRequest, Broken, ClientError, Refused, UpstreamError};
use crate::ledger::Ledger;
use crate::message::{FinishReason, Request, Response};

/// The format's code.
#[derive(Debug)]
pub struct Chat;

impl Dialect for Chat {
    fn decode_request(&self, body: &[u8]) -> Result<Request, BadRequest> {
        decode_request::decode(body)
    }

    fn leave(&self, request: &Request, to: Format, _ledger: &mut Ledger) -> Result<(), Refused> {
        match to {
            Format::Responses => Ok(()),
            _ => openai_shared::refuse_custom_calls(request),
        }
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
        decode_response::decode(body, upstream.issuer())
    }

    fn encode_response(&self, response: &Response, reply: &Reply, ledger: &mut Ledger) -> Vec<u8> {
        encode_response::encode(response, reply, ledger)
    }

    fn stream_decoder(&self, upstream: &Upstream<'_>) -> Box<dyn StreamDecoder> {
        let quirks = upstream.provider.quirks(upstream.model);
        Box::new(stream_decoder::Decoder::new(upstream.issuer(), quirks.unsaid_finish))
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

/// OpenAI's greatest `n`.
const MAX_CHOICES: usize = 128;

/// Some servers end an answer with a reason that is no end but a failure.
fn read_finish(word: &str) -> Result<FinishReason, UpstreamError> {
    Ok(match word {
        // Text Generation Inference; Together.
        "stop" | "eos_token" | "eos" => FinishReason::Stop,
        // Text Generation Inference.
        "stop_sequence" => FinishReason::StopSequence(None),
        // Mistral's `model_length`: the context window is full.
        "length" | "model_length" => FinishReason::Length,
        "tool_calls" | "function_call" => FinishReason::ToolCalls,
        "content_filter" => FinishReason::ContentFilter,
        // OpenRouter; DeepSeek.
        "error" | "insufficient_system_resource" => {
            let message = format!("the provider ended its answer with `{word}`");
            let code = Some(word.to_owned());
            return Err(Report { code, message, ..Report::default() }.in_band());
        }
        _ => FinishReason::Other(word.to_owned()),
    })
}

fn write_finish(reason: &FinishReason) -> &str {
    match reason {
        FinishReason::Stop | FinishReason::StopSequence(_) => "stop",
        FinishReason::Length => "length",
        FinishReason::ToolCalls => "tool_calls",
        FinishReason::ContentFilter => "content_filter",
        FinishReason::Other(word) => word,
    }
}

/// The id of an answer for a client.
fn answer_id(own: Option<&str>, reply: &Reply) -> String {
    own.map_or_else(|| format!("chatcmpl-{}", reply.request_id), str::to_owned)
}
