//! Requests and answers of OpenAI's format that pass as they are, and the little that must still be looked at.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::dialect::Upstream;
use crate::envelope::Envelope;
use crate::error::{Broken, UpstreamError};
use crate::message::Usage;

use super::openai::count;
use super::vector::{Vector, to_base64};
use super::{InputTypes, read};

/// Whether a request can go to this server of OpenAI's format as it is, but for the model's name: nothing in it needs
/// another word. A look at names only.
pub fn keeps_bytes(envelope: &Envelope, body: &[u8], upstream: &Upstream<'_>) -> bool {
    let quirks = upstream.provider.embed_quirks(upstream.model);
    let fits = |name: &str| match name {
        "provider_options" | "thinking_mode" => false,
        "dimensions" | "output_dimension" => name == quirks.dimensions,
        "input_type" => quirks.input_type == InputTypes::AsItIs,
        "user" => quirks.user,
        "input" => quirks.tokens,
        _ => true,
    };
    !envelope.has_escaped_member() && envelope.members(body).all(fits)
}

/// What a look at an answer gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Passed {
    pub usage: Usage,
    /// The answer with its vectors as base64, where the client asked for that and the server wrote numbers: OpenAI's
    /// own client for Node then reads each number as a byte, and makes vectors of a quarter of the size.
    pub rewritten: Option<Vec<u8>>,
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    data: Vec<Item<'a>>,
    #[serde(default)]
    usage: Value,
}

#[derive(Deserialize)]
struct Item<'a> {
    #[serde(borrow, default)]
    embedding: Option<&'a RawValue>,
}

/// Looks at an answer (status 200) on its way to the client that asked with `request`, without building the vectors.
pub fn pass(answer: &[u8], request: &[u8]) -> Result<Result<Passed, UpstreamError>, Broken> {
    let Answer { data, usage } = match read::answer::<Answer<'_>>(answer)? {
        Ok(answer) => answer,
        Err(error) => return Ok(Err(error)),
    };
    if data.is_empty() {
        return Err(Broken::Empty);
    }
    let lists = data.iter().filter_map(|item| Some(item.embedding?.get())).filter(|raw| raw.starts_with('['));
    let rewritten = if lists.clone().next().is_some() && asks_for_base64(request) {
        Some(rewrite(answer, lists)?)
    } else {
        None
    };
    Ok(Ok(Passed { usage: count(&usage), rewritten }))
}

fn asks_for_base64(request: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Asked<'a> {
        #[serde(borrow, default)]
        encoding_format: Option<&'a RawValue>,
    }
    let asked = serde_json::from_slice::<Asked<'_>>(request).ok();
    asked.and_then(|asked| asked.encoding_format).is_some_and(|format| format.get() == "\"base64\"")
}

/// The same bytes with these parts of it, which are lists of numbers, as base64 text.
fn rewrite<'a>(answer: &'a [u8], lists: impl Iterator<Item = &'a str>) -> Result<Vec<u8>, Broken> {
    let mut out = Vec::with_capacity(answer.len() / 2);
    let mut from = 0;
    for list in lists {
        let Vector(values) =
            serde_json::from_str(list).map_err(|error| Broken::Malformed(error.to_string()))?;
        let start = list.as_ptr() as usize - answer.as_ptr() as usize;
        out.extend_from_slice(answer.get(from..start).unwrap_or_default());
        out.push(b'"');
        out.extend_from_slice(to_base64(&values).as_bytes());
        out.push(b'"');
        from = start + list.len();
    }
    out.extend_from_slice(answer.get(from..).unwrap_or_default());
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider;

    const BASE64: &[u8] = br#"{"model":"m","input":"x","encoding_format":"base64"}"#;

    fn passed(answer: &str, request: &[u8]) -> Passed {
        pass(answer.as_bytes(), request).unwrap().unwrap()
    }

    #[test]
    fn numbers_become_base64_where_that_was_asked_for() {
        let answer = r#"{"object":"list", "data":[{"embedding":[1, -2.5],"index":0,"x":[1]},{"index":1,"embedding":"AAAAAA=="},{"embedding" : [0.1]}],"usage":{"prompt_tokens":3},"new":1}"#;
        let Passed { usage, rewritten } = passed(answer, BASE64);
        assert_eq!(usage.prompt(), Some(3));
        assert_eq!(
            String::from_utf8(rewritten.unwrap()).unwrap(),
            r#"{"object":"list", "data":[{"embedding":"AACAPwAAIMA=","index":0,"x":[1]},{"index":1,"embedding":"AAAAAA=="},{"embedding" : "zczMPQ=="}],"usage":{"prompt_tokens":3},"new":1}"#
        );
        for other in [br#"{"input":"x"}"#.as_slice(), br#"{"encoding_format":"float"}"#, b"{"] {
            assert_eq!(passed(answer, other).rewritten, None);
        }
    }

    #[test]
    fn base64_passes() {
        let answer = r#"{"data":[{"embedding":"not looked at"}],"usage":{"total_tokens":7.0}}"#;
        let Passed { usage, rewritten } = passed(answer, BASE64);
        assert_eq!((usage.prompt(), usage.output, rewritten), (Some(7), Some(0), None));
    }

    #[test]
    fn failures_in_a_200_are_found() {
        let error = pass(br#"{"error":{"message":"No provider","code":502}}"#, BASE64).unwrap().unwrap_err();
        assert_eq!((error.status, error.message.as_str()), (502, "No provider"));
        assert_eq!(pass(br#"{"data":[]}"#, BASE64), Err(Broken::Empty));
        for bad in ["{}", "<html>", r#"{"data":[{"embedding":[null]}]}"#] {
            assert!(matches!(pass(bad.as_bytes(), BASE64), Err(Broken::Malformed(_))), "{bad}");
        }
    }

    #[test]
    fn a_request_keeps_its_bytes_where_no_word_changes() {
        for (provider, body, keeps) in [
            (
                "OpenAI",
                r#"{"model":"m","input":"x","dimensions":5,"user":"u","encoding_format":"base64"}"#,
                true,
            ),
            ("OpenAI", r#"{"model":"m","input":"x","new":1}"#, true),
            ("OpenAI", r#"{"model":"m","input":"x","input_type":"query"}"#, false),
            ("OpenAI", r#"{"model":"m","input":"x","output_dimension":5}"#, false),
            ("OpenAI", r#"{"model":"m","input":"x","provider_options":{}}"#, false),
            ("OpenAI", r#"{"model":"m","input":"x","thinking_mode":true}"#, false),
            ("OpenAI", r#"{"model":"m","input":"x","input\u005ftype":"query"}"#, false),
            ("OpenAICompatible", r#"{"model":"m","input":"x","input_type":"query"}"#, true),
        ] {
            let upstream = Upstream::new("m", provider::by_name(provider).unwrap());
            let envelope = Envelope::parse(body.as_bytes()).unwrap();
            assert_eq!(keeps_bytes(&envelope, body.as_bytes(), &upstream), keeps, "{provider} {body}");
        }
    }
}
