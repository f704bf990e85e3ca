use crate::dialect::{Dialect, Reply, StreamDecoder, StreamEncoder, Upstream};
use crate::error::{BadRequest, Broken, ClientError, Refused, UpstreamError};
use crate::ledger::Ledger;
use crate::message::{Request, Response};

#[derive(Debug)]
pub struct Ollama;

impl Dialect for Ollama {
    fn decode_request(&self, _body: &[u8]) -> Result<Request, BadRequest> {
        todo!()
    }

    fn encode_request(
        &self,
        _request: &Request,
        _upstream: &Upstream<'_>,
        _ledger: &mut Ledger,
    ) -> Result<Vec<u8>, Refused> {
        todo!()
    }

    fn decode_response(
        &self,
        _body: &[u8],
        _upstream: &Upstream<'_>,
    ) -> Result<Result<Response, UpstreamError>, Broken> {
        todo!()
    }

    fn encode_response(&self, _response: &Response, _reply: &Reply, _ledger: &mut Ledger) -> Vec<u8> {
        todo!()
    }

    fn stream_decoder(&self, _upstream: &Upstream<'_>) -> Box<dyn StreamDecoder> {
        todo!()
    }

    fn stream_encoder(&self, _reply: Reply) -> Box<dyn StreamEncoder> {
        todo!()
    }

    fn encode_error(&self, _error: &ClientError, _request_id: &str) -> Vec<u8> {
        todo!()
    }

    fn encode_models(&self, _ids: &[&str], _created: u64) -> Vec<u8> {
        todo!()
    }
}
