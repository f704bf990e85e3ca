//! What providers' answers have in common. Vectors are read strictly, all else as far as it goes.

use serde::Deserialize;
use serde_json::Value;

use crate::dialect::Report;
use crate::error::{Broken, UpstreamError};
use crate::message::Usage;

/// Reads an answer; a body that is an error object in spite of its status is `Ok(Err(..))`.
pub(super) fn answer<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<Result<T, UpstreamError>, Broken> {
    serde_json::from_slice(body).map(Ok).or_else(|error| {
        let report = serde_json::from_slice::<Value>(body).ok().as_ref().and_then(Report::read);
        report.map(|report| Err(report.in_band())).ok_or_else(|| Broken::Malformed(error.to_string()))
    })
}

/// Embedding generates nothing, so that the prompt's tokens are all there is to know.
pub(super) fn usage(prompt: Option<u64>) -> Usage {
    Usage { input: prompt, output: prompt.map(|_| 0), ..Usage::default() }
}

/// The number of tokens that stands there, which some providers write as a float; anything else is unknown.
pub(super) fn tokens(value: &Value, pointer: &str) -> Option<u64> {
    let value = value.pointer(pointer)?;
    let whole = |number: f64| (0.0..=u64::MAX as f64).contains(&number).then_some(number.round() as u64);
    value.as_u64().or_else(|| value.as_f64().and_then(whole))
}

/// Text, or unknown.
pub(super) fn text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}
