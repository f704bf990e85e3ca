//! A request's body on its way in: read whole and bounded, with what the URL says joined to it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HeaderMap};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use penstock_llm::{BadRequest, ClientError};
use serde_json::value::RawValue;

use crate::proxy::Proxy;

/// What Google's URLs say that other formats say in the body.
pub struct SaidByUrl {
    pub model: String,
    pub stream: bool,
}

impl SaidByUrl {
    /// The body with those members in front, as the other formats have them.
    pub fn join(&self, body: &Bytes) -> Result<Bytes, ClientError> {
        let text = body.trim_ascii_start();
        let Some(rest) = text.strip_prefix(b"{") else {
            return Err(BadRequest::new("", "the body is not a JSON object").into());
        };
        let rest = &*without_own(text, rest);
        let comma = if rest.trim_ascii_start().starts_with(b"}") { "" } else { "," };
        let model = serde_json::Value::from(self.model.as_str());
        let mut out = format!("{{\"model\":{model},\"stream\":{}{comma}", self.stream).into_bytes();
        out.extend_from_slice(rest);
        Ok(out.into())
    }
}

/// Google's schema has `model` in the body as well. The URL's word counts, and any other is left out.
fn without_own<'a>(text: &[u8], rest: &'a [u8]) -> Cow<'a, [u8]> {
    let is_named = |name: &str| std::str::from_utf8(rest).is_ok_and(|rest| rest.contains(name));
    if !is_named("\"model\"") && !is_named("\"stream\"") {
        return rest.into();
    }
    // What is no JSON is for the envelope to refuse.
    let Ok(mut members) = serde_json::from_slice::<BTreeMap<String, &RawValue>>(text) else {
        return rest.into();
    };
    members.remove("model");
    members.remove("stream");
    let written = serde_json::to_vec(&members).unwrap_or_default();
    written.strip_prefix(b"{").map_or(rest.into(), |members| members.to_vec().into())
}

/// Reads the body whole, bounded in size and in the silence between its pieces.
pub async fn read_request(proxy: &Proxy, headers: &HeaderMap, body: Incoming) -> Result<Bytes, ClientError> {
    let limit = proxy.settings.max_request_bytes;
    let too_large = || {
        ClientError::new(413, "request_too_large", format!("the request body is larger than {limit} bytes"))
    };
    let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    let mut body = Limited::new(body, limit);
    let mut pieces: Vec<Bytes> = Vec::new();
    loop {
        match tokio::time::timeout(proxy.settings.client_idle, body.frame()).await {
            Err(_) => {
                let message = "the request body did not arrive in time";
                return Err(ClientError::new(408, "request_timeout", message));
            }
            Ok(None) => break,
            Ok(Some(Ok(frame))) => pieces.extend(frame.into_data().ok()),
            Ok(Some(Err(error))) if error.is::<http_body_util::LengthLimitError>() => return Err(too_large()),
            Ok(Some(Err(error))) => {
                return Err(ClientError::new(
                    400,
                    "request_cut",
                    format!("the request body broke off: {error}"),
                ));
            }
        }
    }
    // Most bodies come in one piece, which is then not copied.
    Ok(if pieces.len() == 1 { pieces.swap_remove(0) } else { pieces.concat().into() })
}

#[cfg(test)]
mod tests {
    use penstock_llm::envelope::Envelope;

    use super::*;

    #[test]
    fn what_the_url_says_counts() {
        let said = SaidByUrl { model: "m".into(), stream: false };
        for (body, joined) in [
            ("{}", r#"{"model":"m","stream":false}"#),
            (r#"{"contents":[]}"#, r#"{"model":"m","stream":false,"contents":[]}"#),
            (
                r#"{ "model": "models/x", "stream": true, "contents": [1.50] }"#,
                r#"{"model":"m","stream":false,"contents":[1.50]}"#,
            ),
            (r#"{"model":"models/x"}"#, r#"{"model":"m","stream":false}"#),
            // Inside something else it is nobody's business here.
            (r#"{"contents":[{"model":1}]}"#, r#"{"model":"m","stream":false,"contents":[{"model":1}]}"#),
        ] {
            assert_eq!(said.join(&Bytes::from_static(body.as_bytes())).unwrap(), joined);
        }
        assert!(said.join(&Bytes::from_static(b"[1]")).is_err());
        // Refused by who parses it.
        let broken = said.join(&Bytes::from_static(br#"{"model":"#)).unwrap();
        assert!(Envelope::parse(&broken).is_err());
    }
}
