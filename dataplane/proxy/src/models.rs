//! `GET /v1/models` and its kin.

use http::{HeaderMap, Response, StatusCode};
use penstock_llm::Format;

use crate::exit::unknown_model;
use crate::pipeline::{authenticate, configured};
use crate::proxy::Proxy;
use crate::reply::{self, Body};
use crate::unix_time::unix_now;

/// The list of models, or one of them, in the format of the SDK that asks: Anthropic's sends its version header,
/// Google's its own header for the key.
pub fn models(
    proxy: &Proxy,
    format: Option<Format>,
    only: Option<&str>,
    headers: &HeaderMap,
    id: &str,
) -> Response<Body> {
    let of_sdk = || match (headers.contains_key("anthropic-version"), headers.contains_key("x-goog-api-key"))
    {
        (true, _) => Format::Messages,
        (false, true) => Format::Gemini,
        (false, false) => Format::Chat,
    };
    let format = format.unwrap_or_else(of_sdk);
    let listing = configured(proxy).and_then(|runtime| {
        authenticate(&runtime, headers)?;
        let names = runtime.model_names();
        let Some(model) = only else { return Ok(format.dialect().encode_models(&names, unix_now())) };
        if !runtime.has_model(model) {
            return Err(unknown_model(&runtime, model));
        }
        let list = format.dialect().encode_models(&[model], unix_now());
        Ok(first_of(&list).unwrap_or(list))
    });
    match listing {
        Ok(body) => reply::json(StatusCode::OK, body),
        Err(exit) => reply::error(format, &exit.error, id, exit.wait),
    }
}

/// The one entry of a listing that has one.
fn first_of(list: &[u8]) -> Option<Vec<u8>> {
    let list: serde_json::Value = serde_json::from_slice(list).ok()?;
    let entries = list.get("data").or_else(|| list.get("models"))?;
    Some(entries.get(0)?.to_string().into_bytes())
}
