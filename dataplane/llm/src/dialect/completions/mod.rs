//! OpenAI's legacy completions, `POST /v1/completions`: a prompt that is one text, and its continuation.
//!
//! Sources: OpenAI's OpenAPI document and official SDKs, recorded answers of OpenAI, vLLM, Together and Ollama.
//!
//! A chat model gets the prompt as a user's message, which is disclosed; a conversation becomes one text where a
//! provider has only this format.

mod decode_request;
mod encode_request;
mod logprobs;
mod response;
mod stream_decoder;
mod stream_encoder;
mod transcript;

use crate::dialect::chat::error;
use crate::dialect::{Dialect, Format, Reply, StreamDecoder, StreamEncoder, Upstream};
use crate::error::{BadRequest, Broken, ClientError, Refused, UpstreamError};
use crate::field::Field;
use crate::ledger::{Fate, Ledger};
use crate::message::{FinishReason, Request, Response};

/// The format's code.
#[derive(Debug)]
pub struct Completions;

/// Prompts that are no single text stand here, untouched.
const PROMPT: &str = "prompt";

impl Dialect for Completions {
    fn decode_request(&self, body: &[u8]) -> Result<Request, BadRequest> {
        decode_request::decode(body)
    }

    fn leave(&self, request: &Request, _to: Format, ledger: &mut Ledger) -> Result<(), Refused> {
        if request.extra.contains_key(PROMPT) {
            let message = "several prompts in one request, and prompts of token ids, can be sent only to a provider of \
                           OpenAI's completions format; send one text";
            return Err(Refused { field: PROMPT.into(), message: message.into() });
        }
        ledger.note(Field::Prompt, Fate::Emulated);
        Ok(())
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

    fn stream_decoder(&self, upstream: &Upstream<'_>) -> Box<dyn StreamDecoder> {
        let quirks = upstream.provider.quirks(upstream.model);
        Box::new(stream_decoder::Decoder::new(quirks.unsaid_finish))
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

fn read_finish(word: &str) -> FinishReason {
    match word {
        "stop" => FinishReason::Stop,
        "length" => FinishReason::Length,
        "content_filter" => FinishReason::ContentFilter,
        _ => FinishReason::Other(word.to_owned()),
    }
}

fn write_finish(reason: &FinishReason) -> &str {
    match reason {
        // A call's text is not here, but the answer is over.
        FinishReason::Stop | FinishReason::StopSequence(_) | FinishReason::ToolCalls => "stop",
        FinishReason::Length => "length",
        FinishReason::ContentFilter => "content_filter",
        FinishReason::Other(word) => word,
    }
}

/// The id of an answer for a client.
fn answer_id(own: Option<&str>, reply: &Reply) -> String {
    own.map_or_else(|| format!("cmpl-{}", reply.request_id), str::to_owned)
}
