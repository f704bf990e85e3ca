//! Counting the tokens of a prompt without running it: Anthropic's `POST /v1/messages/count_tokens` for clients, what
//! providers have instead, and an estimate for those that have nothing.
//!
//! The estimate is no tokenizer: a request is looked at once, character by character, and weighed. How far it is off,
//! by language and by tokenizer, is measured and written down in `docs/token-estimate.md`.
//! Refuses to know: URLs, which are the provider's.

mod answer;
mod ask;
mod estimate;
mod image;
mod weigh;

use crate::dialect::{Format, Upstream};
use crate::error::{Broken, Refused, UpstreamError};
use crate::ledger::Ledger;
use crate::message::Request;

/// Writes a request for the provider's own counter, which stands beside its generation format. Of the request only
/// what shapes the prompt is written; the rest means nothing to a counter, and the ledger is silent about it.
pub fn encode_request(
    request: &Request,
    format: Format,
    upstream: &Upstream<'_>,
    ledger: &mut Ledger,
) -> Result<Vec<u8>, Refused> {
    ask::encode(request, format, upstream, ledger)
}

/// Reads a provider's answer (status 200): the prompt's tokens.
pub fn decode_response(body: &[u8], format: Format) -> Result<Result<u64, UpstreamError>, Broken> {
    answer::decode(body, format)
}

/// An estimate of the prompt's tokens, for providers without a counter and for rules that ask how long a prompt is.
/// Linear, and without memory of its own.
pub fn estimate(request: &Request) -> u64 {
    estimate::request(request)
}

/// An estimate of a text's tokens.
pub fn text(text: &str) -> u64 {
    weigh::text(text)
}

/// Writes the count for a client of the Messages format.
pub fn encode_response(tokens: u64) -> Vec<u8> {
    answer::encode(tokens)
}
