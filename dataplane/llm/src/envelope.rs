//! The few fields that routing needs, borrowed from the request's bytes, and how to change them in place.
//!
//! A request in the same format as its target keeps its original bytes apart from the fields we change.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::error::BadRequest;

/// What routing reads of a request, with the byte ranges that a splice replaces.
#[derive(Clone, Debug, PartialEq)]
pub struct Envelope {
    pub model: String,
    pub stream: bool,
    model_span: Range<usize>,
    /// Span of the value of `stream_options`, where there is one, and whether it asks for usage.
    stream_options: Option<(Range<usize>, bool)>,
    /// The client wants usage in every chunk, as vLLM gives it.
    wants_running_usage: bool,
    /// Where the names of the members stand, without their quotation marks.
    members: Vec<Range<usize>>,
    /// A name is written with escapes: it may be any.
    has_escaped_member: bool,
    /// Just behind the opening brace of the body.
    body_start: usize,
}

impl Envelope {
    /// Reads the top level of a JSON object once, without building the rest.
    pub fn parse(body: &[u8]) -> Result<Self, BadRequest> {
        let text = std::str::from_utf8(body)
            .map_err(|e| BadRequest::new("", format!("the body is not UTF-8 (byte {})", e.valid_up_to())))?;
        let mut json = serde_json::Deserializer::from_str(text);
        let fields = json.deserialize_map(TopLevel).map_err(explain)?;
        json.end().map_err(explain)?;
        fields.into_envelope(text)
    }

    /// The names of the body's members; `body` is the one that was parsed.
    pub fn members<'b>(&self, body: &'b [u8]) -> impl Iterator<Item = &'b str> {
        self.members.iter().filter_map(|span| std::str::from_utf8(body.get(span.clone())?).ok())
    }

    /// A member's name is written with escapes, so that [`Self::members`] does not tell it.
    pub fn has_escaped_member(&self) -> bool {
        self.has_escaped_member
    }

    /// Did the client ask for a usage chunk?
    pub fn include_usage(&self) -> bool {
        matches!(self.stream_options, Some((_, true)))
    }

    /// Did it ask for usage in every chunk (`continuous_usage_stats`, of vLLM)?
    pub fn wants_running_usage(&self) -> bool {
        self.wants_running_usage
    }

    /// The same bytes with another model; with `force_usage`, `stream_options.include_usage` is turned on too.
    pub fn splice(&self, body: &[u8], model: &str, force_usage: bool) -> Vec<u8> {
        let quoted = serde_json::Value::from(model).to_string();
        let mut edits = vec![(self.model_span.clone(), quoted)];
        if force_usage && !self.include_usage() {
            edits.push(match &self.stream_options {
                Some((span, _)) => (span.clone(), with_usage(&body[span.clone()])),
                None => (
                    self.body_start..self.body_start,
                    r#""stream_options":{"include_usage":true},"#.to_owned(),
                ),
            });
        }
        edits.sort_by_key(|(span, _)| span.start);
        let mut out = Vec::with_capacity(body.len() + 64);
        let mut from = 0;
        for (span, text) in edits {
            out.extend_from_slice(&body[from..span.start]);
            out.extend_from_slice(text.as_bytes());
            from = span.end;
        }
        out.extend_from_slice(&body[from..]);
        out
    }
}

/// Keeps the other members of the client's `stream_options`.
fn with_usage(options: &[u8]) -> String {
    let mut options: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(options).unwrap_or_default();
    options.insert("include_usage".into(), true.into());
    serde_json::Value::Object(options).to_string()
}

fn explain(error: serde_json::Error) -> BadRequest {
    BadRequest::new("", format!("the body is not a JSON object: {error}"))
}

/// Raw values of the members that matter, as they stand in the text.
#[derive(Default)]
struct Fields<'a> {
    model: Option<&'a RawValue>,
    models_seen: usize,
    stream: Option<&'a RawValue>,
    stream_options: Option<&'a RawValue>,
    members: Vec<&'a str>,
    has_escaped_member: bool,
}

impl Fields<'_> {
    fn into_envelope(self, text: &str) -> Result<Envelope, BadRequest> {
        let model = self.model.ok_or_else(|| BadRequest::new("model", "`model` is missing"))?;
        if self.models_seen > 1 {
            return Err(BadRequest::new("model", "`model` stands more than once in the body"));
        }
        let model_span = span(text, model.get());
        let model: String = serde_json::from_str(model.get())
            .map_err(|_| BadRequest::new("model", "`model` must be a string"))?;
        if model.is_empty() {
            return Err(BadRequest::new("model", "`model` is empty"));
        }
        let stream = match self.stream.map(RawValue::get) {
            None | Some("false" | "null") => false,
            Some("true") => true,
            Some(_) => return Err(BadRequest::new("stream", "`stream` must be true or false")),
        };
        let mut wants_running_usage = false;
        let stream_options = match self.stream_options {
            None => None,
            Some(raw) if raw.get() == "null" => Some((span(text, raw.get()), false)),
            Some(raw) => {
                let options: serde_json::Map<String, serde_json::Value> = serde_json::from_str(raw.get())
                    .map_err(|_| BadRequest::new("stream_options", "`stream_options` must be an object"))?;
                let is_on = |name: &str| options.get(name) == Some(&serde_json::Value::Bool(true));
                let asks = is_on("include_usage");
                wants_running_usage = is_on("continuous_usage_stats");
                Some((span(text, raw.get()), asks))
            }
        };
        // The body parsed as an object, so there is a brace.
        let body_start = text.find('{').map_or(0, |at| at + 1);
        let members = self.members.iter().map(|name| span(text, name)).collect();
        let has_escaped_member = self.has_escaped_member;
        Ok(Envelope {
            model,
            stream,
            model_span,
            stream_options,
            wants_running_usage,
            members,
            has_escaped_member,
            body_start,
        })
    }
}

/// Where a borrowed value stands in the text that it borrows from.
fn span(text: &str, part: &str) -> Range<usize> {
    let start = part.as_ptr() as usize - text.as_ptr() as usize;
    start..start + part.len()
}

/// Borrows a name that is written without escapes.
#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

struct TopLevel;

impl<'de> Visitor<'de> for TopLevel {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
        let mut fields = Fields::default();
        while let Some(Key(key)) = map.next_key()? {
            let value: &'de RawValue = map.next_value()?;
            match &key {
                Cow::Borrowed(name) => fields.members.push(name),
                Cow::Owned(_) => fields.has_escaped_member = true,
            }
            match key.as_ref() {
                "model" => {
                    fields.models_seen += 1;
                    fields.model = Some(value);
                }
                "stream" => fields.stream = Some(value),
                "stream_options" => fields.stream_options = Some(value),
                _ => {}
            }
        }
        Ok(fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bad(body: &str) -> String {
        Envelope::parse(body.as_bytes()).unwrap_err().message
    }

    #[test]
    fn splice_keeps_every_other_byte() {
        let body = br#" { "x": [1,  2],"model" : "a\"b", "stream":true , "y":{"model":"inner"}}"#;
        let envelope = Envelope::parse(body).unwrap();
        assert_eq!(envelope.model, "a\"b");
        assert!(envelope.stream);
        assert_eq!(
            String::from_utf8(envelope.splice(body, "gpt-4o", false)).unwrap(),
            r#" { "x": [1,  2],"model" : "gpt-4o", "stream":true , "y":{"model":"inner"}}"#
        );
    }

    #[test]
    fn members_are_named() {
        let body = br#"{"model":"m", "a b":{"inner":1},"stream":true}"#;
        let envelope = Envelope::parse(body).unwrap();
        assert_eq!(envelope.members(body).collect::<Vec<_>>(), ["model", "a b", "stream"]);
        assert!(!envelope.has_escaped_member());
        let escaped = br#"{"model":"m","thinking\u005fmode":true}"#;
        assert!(Envelope::parse(escaped).unwrap().has_escaped_member());
    }

    #[test]
    fn usage_is_asked_for_once() {
        let body = br#"{"model":"m","stream":true}"#;
        let spliced = Envelope::parse(body).unwrap().splice(body, "n", true);
        assert_eq!(
            String::from_utf8(spliced.clone()).unwrap(),
            r#"{"stream_options":{"include_usage":true},"model":"n","stream":true}"#
        );
        let again = Envelope::parse(&spliced).unwrap();
        assert!(again.include_usage());
        assert_eq!(again.splice(&spliced, "n", true), spliced);
    }

    #[test]
    fn usage_joins_the_clients_own_stream_options() {
        let body = br#"{"stream_options":{"include_obfuscation":false},"model":"m"}"#;
        let spliced = Envelope::parse(body).unwrap().splice(body, "m", true);
        assert_eq!(
            String::from_utf8(spliced).unwrap(),
            r#"{"stream_options":{"include_obfuscation":false,"include_usage":true},"model":"m"}"#
        );
    }

    #[test]
    fn wrong_bodies_name_the_field() {
        assert!(bad("[]").contains("not a JSON object"));
        assert!(bad(r#"{"model":"m"} x"#).contains("not a JSON object"));
        assert_eq!(bad("{}"), "`model` is missing");
        assert_eq!(bad(r#"{"model":3}"#), "`model` must be a string");
        assert_eq!(bad(r#"{"model":""}"#), "`model` is empty");
        assert_eq!(bad(r#"{"model":"a","mod\u0065l":"b"}"#), "`model` stands more than once in the body");
        assert_eq!(bad(r#"{"model":"a","stream":"yes"}"#), "`stream` must be true or false");
        assert_eq!(bad(r#"{"model":"a","stream_options":1}"#), "`stream_options` must be an object");
        assert!(Envelope::parse(b"{\"model\":\"\xff\"}").unwrap_err().message.contains("UTF-8"));
    }
}
