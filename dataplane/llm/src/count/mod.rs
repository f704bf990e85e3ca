//! Counting the tokens of a prompt without running it: Anthropic's `POST /v1/messages/count_tokens` for clients, and
//! what providers have instead.

use crate::dialect::{Format, Upstream};
use crate::error::{Broken, Refused, UpstreamError};
use crate::ledger::Ledger;
use crate::message::Request;

/// Writes a request for the provider's own counter, which stands beside its generation format.
pub fn encode_request(
    _request: &Request,
    _format: Format,
    _upstream: &Upstream<'_>,
    _ledger: &mut Ledger,
) -> Result<Vec<u8>, Refused> {
    todo!()
}

/// Reads a provider's answer (status 200): the prompt's tokens.
pub fn decode_response(_body: &[u8], _format: Format) -> Result<Result<u64, UpstreamError>, Broken> {
    todo!()
}

/// An estimate of the prompt's tokens, for providers without a counter.
pub fn estimate(_request: &Request) -> u64 {
    todo!()
}

/// Tokens of a text, estimated.
pub fn text(_text: &str) -> u64 {
    todo!()
}

/// Writes the count for a client of the Messages format.
pub fn encode_response(_tokens: u64) -> Vec<u8> {
    todo!()
}
