//! A request on its way to one provider: the format's encoder, then what the pool's provider adds to every body.

use serde_json::{Map, Value};

use crate::dialect::{Format, Upstream, check_tool_names};
use crate::error::Refused;
use crate::field::Field;
use crate::ledger::{Fate, Ledger};
use crate::message::{Part, PartBody, Request};

/// How deep the JSON of a body may be nested, which is as deep as `serde_json` reads.
const DEEPEST: usize = 127;

/// The request's body as this provider wants it.
pub fn encode_request(
    request: &Request,
    format: Format,
    upstream: &Upstream<'_>,
    ledger: &mut Ledger,
) -> Result<Vec<u8>, Refused> {
    if let Some(origin) = request.origin.filter(|origin| *origin != format) {
        origin.dialect().leave(request, format, ledger)?;
    }
    check_tool_names(request, format, upstream)?;
    note_moves(request, format, ledger);
    let body = format.dialect().encode_request(request, upstream, ledger)?;
    let options = request.provider_options.get(&upstream.provider.key());
    if options.is_none() && !upstream.provider.amends(format) {
        return Ok(body);
    }
    // We wrote it: it cannot be read again only where it is deeper than our reader goes.
    let mut members: Map<String, Value> = serde_json::from_slice(&body).map_err(|_| Refused {
        field: "body".into(),
        message: format!(
            "in the words of {} the request's JSON is nested deeper than {DEEPEST} levels",
            upstream.provider.name()
        ),
    })?;
    upstream.provider.amend(format, &mut members, upstream);
    if let Some(Value::Object(options)) = options {
        merge(&mut members, options);
    }
    // Writing into memory cannot fail.
    Ok(serde_json::to_vec(&members).unwrap_or(body))
}

/// What every encoder of the format does alike: instructions stand in front, and only OpenAI's formats tell a refusal
/// from a text.
fn note_moves(request: &Request, format: Format, ledger: &mut Ledger) {
    if request.late_system {
        ledger.note(Field::Messages, Fate::Emulated);
    }
    let is_refusal = |part: &Part| matches!(&part.body, PartBody::Refusal(text) if !text.is_empty());
    if !matches!(format, Format::Chat | Format::Responses)
        && request.messages.iter().any(|message| message.parts.iter().any(is_refusal))
    {
        ledger.note(Field::Refusal, Fate::Emulated);
    }
}

/// Adds the client's own members for this provider; objects join member by member, anything else replaces what we
/// wrote: the client asked for exactly this.
pub fn merge(target: &mut Map<String, Value>, options: &Map<String, Value>) {
    for (name, value) in options {
        match (target.get_mut(name), value) {
            (Some(Value::Object(target)), Value::Object(value)) => merge(target, value),
            _ => drop(target.insert(name.clone(), value.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::message::{Message, Role};
    use crate::provider;

    fn encode(request: &Request, provider: &str, format: Format) -> (Result<Vec<u8>, Refused>, String) {
        let upstream = Upstream::new("m", provider::by_name(provider).unwrap());
        let mut ledger = Ledger::new(Format::Chat);
        let body = encode_request(request, format, &upstream, &mut ledger);
        (body, ledger.to_string())
    }

    #[test]
    fn what_is_too_deep_to_be_amended_is_refused() {
        let mut deep = json!(1);
        for _ in 0..DEEPEST {
            deep = json!([deep]);
        }
        let extra = json!({"new": deep}).as_object().unwrap().clone();
        let mut request = Request { origin: Some(Format::Chat), extra, ..Request::default() };
        assert!(encode(&request, "OpenAICompatible", Format::Chat).0.is_ok());
        request.provider_options = json!({"openaicompatible": {"x": 1}}).as_object().unwrap().clone();
        for provider in ["OpenAICompatible", "MiniMax"] {
            let refused = encode(&request, provider, Format::Chat).0.unwrap_err();
            assert!(refused.message.contains("nested deeper than 127 levels"), "{refused}");
        }
    }

    #[test]
    fn what_moves_is_noted() {
        let body = |messages: Value| json!({"model": "m", "messages": messages}).to_string();
        let decode =
            |messages: Value| Format::Chat.dialect().decode_request(body(messages).as_bytes()).unwrap();
        let (user, system) =
            (json!({"role": "user", "content": "a"}), json!({"role": "system", "content": "b"}));
        let late = decode(json!([user, system, user]));
        let early = decode(json!([system, system, user]));
        for (provider, format) in [
            ("OpenAICompatible", Format::Chat),
            ("OpenAI", Format::Responses),
            ("Gemini", Format::Gemini),
            ("Cohere", Format::Cohere),
        ] {
            assert!(encode(&late, provider, format).1.contains("messages=emulated"), "{provider}");
            assert!(!encode(&early, provider, format).1.contains("messages=emulated"), "{provider}");
        }
    }

    #[test]
    fn a_refusal_that_becomes_a_text_is_noted() {
        let mut request = Request { origin: Some(Format::Chat), ..Request::default() };
        request.messages.push(Message::new(Role::User, vec![Part::text("a")]));
        request.messages.push(Message::new(Role::Assistant, vec![PartBody::Refusal("no".into()).into()]));
        request.messages.push(Message::new(Role::User, vec![Part::text("b")]));
        for (provider, format, is_noted) in [
            ("OpenAICompatible", Format::Chat, false),
            ("Mistral", Format::Chat, true),
            ("OpenAI", Format::Responses, false),
            ("Gemini", Format::Gemini, true),
            ("Cohere", Format::Cohere, true),
            ("Ollama", Format::Ollama, true),
        ] {
            let noted = encode(&request, provider, format).1.contains("messages[].refusal=emulated");
            assert_eq!(noted, is_noted, "{provider}");
        }
    }

    #[test]
    fn options_join_untouched() {
        let mut target = json!({"a": {"x": 1, "y": [1]}, "b": 1}).as_object().unwrap().clone();
        merge(&mut target, json!({"a": {"y": [2], "z": null}, "c": "new"}).as_object().unwrap());
        assert_eq!(Value::from(target), json!({"a": {"x": 1, "y": [2], "z": null}, "b": 1, "c": "new"}));
    }
}
