//! The count: a provider's, and the client's.

use serde_json::{Value, json};

use crate::dialect::{Format, Report};
use crate::error::{Broken, UpstreamError};

pub(super) fn decode(body: &[u8], format: Format) -> Result<Result<u64, UpstreamError>, Broken> {
    let answer: Value = serde_json::from_slice(body).map_err(|error| Broken::Malformed(error.to_string()))?;
    let name = match format {
        Format::Gemini => "totalTokens",
        Format::Converse => "inputTokens",
        _ => "input_tokens",
    };
    match answer.get(name).and_then(Value::as_u64) {
        Some(tokens) => Ok(Ok(tokens)),
        None => match Report::read(&answer) {
            // The status it stands for, with all that the vendor's own format says of it.
            Some(report) => Ok(Err(format.dialect().decode_error(report.in_band().status, body))),
            None => Err(Broken::Malformed(format!("no `{name}`"))),
        },
    }
}

pub(super) fn encode(tokens: u64) -> Vec<u8> {
    json!({"input_tokens": tokens}).to_string().into_bytes()
}
