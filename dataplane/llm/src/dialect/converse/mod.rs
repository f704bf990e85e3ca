//! Amazon Bedrock's Converse and ConverseStream, `POST /model/{id}/converse` and `/converse-stream`.
//!
//! One format for models of many vendors. What only one vendor's models take stands in `additionalModelRequestFields`;
//! who made a model is read from its id, and what it can do from the catalogue.
//!
//! Sources: the service model of `bedrock-runtime`,
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html>, recorded answers.

mod attachments;
mod blob;
mod blocks;
mod cache;
mod citations;
mod conversation;
mod decode_block;
mod decode_request;
mod encode_request;
mod error;
mod finish;
mod ids;
mod metadata;
mod reasoning;
mod response;
mod stream_decoder;
mod stream_encoder;
#[cfg(test)]
mod tests;
mod tools;
mod usage;

use serde_json::{Value, json};

use crate::dialect::{Dialect, Reply, StreamDecoder, StreamEncoder, Upstream, json_answer};
use crate::error::{BadRequest, Broken, ClientError, Refused, UpstreamError};
use crate::framing::Framing;
use crate::ledger::Ledger;
use crate::message::{Request, Response};

/// The format's code.
#[derive(Debug)]
pub struct Converse;

impl Dialect for Converse {
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
        response::decode(body, upstream)
    }

    fn encode_response(&self, response: &Response, reply: &Reply, ledger: &mut Ledger) -> Vec<u8> {
        response::encode(response, reply, ledger)
    }

    fn framing(&self) -> Framing {
        Framing::EventStream
    }

    fn stream_decoder(&self, upstream: &Upstream<'_>) -> Box<dyn StreamDecoder> {
        json_answer::restoring(Box::new(stream_decoder::Decoder::new(upstream.issuer())))
    }

    fn stream_encoder(&self, reply: Reply) -> Box<dyn StreamEncoder> {
        Box::new(stream_encoder::Encoder::new(reply))
    }

    fn decode_error(&self, status: u16, body: &[u8]) -> UpstreamError {
        error::read_body(status, body)
    }

    /// The type of an AWS error travels in a header; the body has its words.
    fn encode_error(&self, error: &ClientError, _request_id: &str) -> Vec<u8> {
        error::write(error).to_string().into_bytes()
    }

    /// As `ListFoundationModels` has it.
    fn encode_models(&self, ids: &[&str], _created: u64) -> Vec<u8> {
        let model = |id: &&str| json!({"modelId": id, "modelName": id});
        let models: Vec<Value> = ids.iter().map(model).collect();
        json!({"modelSummaries": models}).to_string().into_bytes()
    }
}
