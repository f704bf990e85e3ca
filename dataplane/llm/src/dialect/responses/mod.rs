//! OpenAI Responses, `POST /v1/responses`, without state: the whole conversation is in the request, and nothing is kept.
//!
//! Sources: OpenAI's OpenAPI document and official SDKs, recorded answers of OpenAI, Azure, xAI, DeepSeek and Amazon
//! Bedrock.
//!
//! Owns: items in both directions, the events of a stream, where opaque reasoning state stands in them. Refuses to know:
//! what a provider keeps. A request that names stored state passes to a provider of this format as it is.

mod annotations;
mod decode_items;
mod decode_request;
mod effort;
mod elsewhere;
mod encode_items;
mod encode_request;
mod events;
mod ids;
mod image_call;
mod output;
mod read_output;
mod response;
mod state;
mod stream_decoder;
mod stream_encoder;
mod usage;

pub(crate) use state::stamp_answer as stamp;

use crate::dialect::chat::error;
use crate::dialect::{Dialect, Format, Reply, StreamDecoder, StreamEncoder, Upstream, openai_shared};
use crate::error::{BadRequest, Broken, ClientError, Refused, UpstreamError};
use crate::ledger::Ledger;
use crate::message::{Request, Response};

/// The format's code.
#[derive(Debug)]
pub struct Responses;

impl Dialect for Responses {
    fn decode_request(&self, body: &[u8]) -> Result<Request, BadRequest> {
        decode_request::decode(body)
    }

    fn leave(&self, request: &Request, to: Format, _ledger: &mut Ledger) -> Result<(), Refused> {
        if to != Format::Chat {
            openai_shared::refuse_custom_calls(request)?;
        }
        elsewhere::check(request)
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
        Box::new(stream_decoder::Decoder::new(upstream.issuer()))
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
