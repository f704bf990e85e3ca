//! What OpenAI's two formats, chat completions and Responses, call by the same name or write almost alike.
//!
//! One list and one conversion for both directions: a member that the other format has too is carried, never dropped.
//! Owns the members that have no neutral field. Refuses to know messages and items.

use serde_json::{Map, Value, json};

use super::{Format, extras};
use crate::error::Refused;
use crate::ledger::Ledger;
use crate::message::{PartBody, Request};

/// Members of the body with the same name and meaning in both, by OpenAI's OpenAPI document (`CreateChatCompletionRequest`
/// and `CreateResponse`).
const BODY: &[&str] = &[
    "moderation",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "safety_identifier",
    "store",
];

/// The same for parts of a message's content.
const PART: &[&str] = &["prompt_cache_breakpoint"];

/// Does a member beside the neutral fields stand in a part of a message's content, and not in the message?
pub(super) fn is_of_part(name: &str) -> bool {
    PART.contains(&name)
}

/// What a client of `from` wrote beside the neutral fields, in two parts: members that a body in format `to` has too, in
/// its words, and the rest. `tool_choice` among them says more than the neutral choice, and replaces it.
pub(super) fn carry(
    extra: &Map<String, Value>,
    from: Option<Format>,
    to: Format,
) -> (Map<String, Value>, Map<String, Value>) {
    let (mut taken, mut rest) = (Map::new(), Map::new());
    for (name, value) in extra {
        match carried(name, value, from, to) {
            Some(value) => drop(taken.insert(name.clone(), value)),
            None => drop(rest.insert(name.clone(), value.clone())),
        }
    }
    (taken, rest)
}

fn carried(name: &str, value: &Value, from: Option<Format>, to: Format) -> Option<Value> {
    if !matches!(from, Some(Format::Chat | Format::Responses)) {
        return None;
    }
    match name {
        "tool_choice" => choice(value, to),
        // The chat format's other option asks for usage, which Responses always has.
        "stream_options" => {
            let options = value.as_object()?;
            (options.len() == 1 && options.contains_key("include_obfuscation")).then(|| value.clone())
        }
        // The chat format's default, which servers that copy it need not know.
        "store" if to == Format::Chat && *value == Value::Bool(false) => None,
        name => BODY.contains(&name).then(|| value.clone()),
    }
}

/// The same for a part of a message: adds what is shared, notes the rest.
pub(super) fn join_part(
    out: &mut Map<String, Value>,
    extra: &Map<String, Value>,
    from: Option<Format>,
    ledger: &mut Ledger,
) {
    let is_openai = matches!(from, Some(Format::Chat | Format::Responses));
    let (carried, rest): (Map<_, _>, Map<_, _>) = extra
        .iter()
        .map(|(name, value)| (name.clone(), value.clone()))
        .partition(|(name, _)| is_openai && is_of_part(name));
    super::fields::add_missing(out, &carried);
    extras::note_dropped(&rest, ledger);
}

/// Is it a custom tool, in either spelling?
pub(super) fn is_custom(tool: &Value) -> bool {
    tool.get("type").is_some_and(|kind| kind == "custom")
}

/// Is it a choice of tools that only OpenAI knows?
pub(super) fn is_own_choice(name: &str, value: &Value) -> bool {
    let kind = value.get("type").and_then(Value::as_str);
    name == "tool_choice" && matches!(kind, Some("allowed_tools" | "custom"))
}

/// A custom tool of the other format, written for `to`. `None` for any other tool that only one of them has.
pub(super) fn tool(tool: &Value, from: Option<Format>, to: Format) -> Option<Value> {
    if !matches!(from, Some(Format::Chat | Format::Responses)) || !is_custom(tool) {
        return None;
    }
    let inner = tool.get("custom").unwrap_or(tool);
    let mut members = Map::new();
    for name in ["name", "description"] {
        if let Some(value) = inner.get(name) {
            members.insert(name.into(), value.clone());
        }
    }
    if let Some(format) = inner.get("format") {
        members.insert("format".into(), grammar(format, to));
    }
    Some(match to {
        Format::Chat => json!({"type": "custom", "custom": members}),
        _ => {
            let mut out = Map::new();
            out.insert("type".into(), "custom".into());
            out.append(&mut members);
            out.into()
        }
    })
}

/// Chat puts a grammar into an object of its own.
fn grammar(format: &Value, to: Format) -> Value {
    let inner = format.get("grammar").unwrap_or(format);
    match (inner.get("syntax"), inner.get("definition")) {
        (Some(syntax), Some(definition)) if to == Format::Chat => {
            json!({"type": "grammar", "grammar": {"syntax": syntax, "definition": definition}})
        }
        (Some(syntax), Some(definition)) => {
            json!({"type": "grammar", "syntax": syntax, "definition": definition})
        }
        _ => format.clone(),
    }
}

/// A choice of tools that has no neutral form, written for `to`: `allowed_tools`, and a custom tool by name.
fn choice(choice: &Value, to: Format) -> Option<Value> {
    match choice.get("type")?.as_str()? {
        "allowed_tools" => {
            let inner = choice.get("allowed_tools").unwrap_or(choice);
            let mode = inner.get("mode")?;
            let tools: Vec<Value> =
                inner.get("tools")?.as_array()?.iter().map(|tool| named(tool, to)).collect::<Option<_>>()?;
            Some(match to {
                Format::Chat => {
                    json!({"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": tools}})
                }
                _ => json!({"type": "allowed_tools", "mode": mode, "tools": tools}),
            })
        }
        "custom" => named(choice, to),
        _ => None,
    }
}

/// A function or custom tool, by its name.
fn named(tool: &Value, to: Format) -> Option<Value> {
    let kind = tool.get("type")?.as_str().filter(|kind| matches!(*kind, "function" | "custom"))?;
    let name = tool.get(kind).unwrap_or(tool).get("name")?;
    Some(match to {
        Format::Chat => json!({"type": kind, kind: {"name": name}}),
        _ => json!({"type": kind, "name": name}),
    })
}

/// A call of a custom tool in the neutral conversation: opaque, and of the chat format's shape whoever wrote it, so that
/// both of OpenAI's formats know it.
pub(super) fn custom_call(id: &str, name: &str, input: &str) -> Value {
    json!({"id": id, "type": "custom", "custom": {"name": name, "input": input}})
}

/// The reverse of [`custom_call`]: id, name and input.
pub(super) fn read_custom_call(call: &Value) -> Option<(&str, &str, &str)> {
    let custom = call.get("custom")?;
    let input = custom.get("input").and_then(Value::as_str).unwrap_or_default();
    Some((call.get("id")?.as_str()?, custom.get("name")?.as_str()?, input))
}

/// What such a call says beside them, which Responses has no place for.
pub(super) fn beside_custom_call(call: &Value) -> Map<String, Value> {
    let members = |value: Option<&Value>, known: &[&str]| -> Map<String, Value> {
        let members = value.and_then(Value::as_object).into_iter().flatten();
        let rest = members.filter(|(name, _)| !known.contains(&name.as_str()));
        rest.map(|(name, value)| (name.clone(), value.clone())).collect()
    };
    // The place in the list says the index.
    let mut out = members(Some(call), &["id", "type", "custom", "index"]);
    out.append(&mut members(call.get("custom"), &["name", "input"]));
    out
}

/// A history with calls of custom tools is nothing for other formats: a call that is left out leaves its result behind,
/// which they refuse.
pub(super) fn refuse_custom_calls(request: &Request) -> Result<(), Refused> {
    let parts = request.messages.iter().flat_map(|message| &message.parts);
    let mut opaque = parts.filter_map(|part| match &part.body {
        PartBody::Opaque { format: Format::Chat, value } => Some(value),
        _ => None,
    });
    if !opaque.any(|value| is_custom(value) && read_custom_call(value).is_some()) {
        return Ok(());
    }
    let field = match request.origin {
        Some(Format::Responses) => "input[].type",
        _ => "messages[].tool_calls[].type",
    };
    let message = "calls of custom tools can be sent only to a provider of OpenAI's formats; define the tool as a \
                   function, or route the conversation to one";
    Err(Refused { field: field.into(), message: message.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::Field;
    use crate::ledger::Fate;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn every_shared_member_is_carried() {
        let extra = object(json!({
            "moderation": {"model": "m"},
            "prompt_cache_key": "k",
            "prompt_cache_options": {"mode": "explicit"},
            "prompt_cache_retention": "24h",
            "safety_identifier": "s",
            "store": true,
            "stream_options": {"include_obfuscation": false},
        }));
        for (from, to) in [(Format::Chat, Format::Responses), (Format::Responses, Format::Chat)] {
            assert_eq!(carry(&extra, Some(from), to), (extra.clone(), Map::new()));
        }
    }

    #[test]
    fn nothing_else_is() {
        for (from, extra) in [
            (Some(Format::Messages), json!({"store": true})),
            (None, json!({"store": true})),
            (Some(Format::Chat), json!({"prediction": {}, "tool_choice": {"type": "web_search"}})),
            (Some(Format::Responses), json!({"stream_options": {"new": 1}})),
            (Some(Format::Responses), json!({"store": false})),
        ] {
            let extra = object(extra);
            assert_eq!(carry(&extra, from, Format::Chat), (Map::new(), extra.clone()));
        }
    }

    #[test]
    fn parts_share_their_cache_breakpoint() {
        let extra =
            object(json!({"prompt_cache_breakpoint": {"mode": "explicit"}, "citations": {"enabled": true}}));
        for (from, has) in [(Format::Chat, true), (Format::Messages, false)] {
            let (mut out, mut ledger) = (Map::new(), Ledger::new(from));
            join_part(&mut out, &extra, Some(from), &mut ledger);
            assert_eq!(out.contains_key("prompt_cache_breakpoint"), has);
            assert!(ledger.has(Field::Extra("citations"), Fate::Dropped));
        }
    }

    #[test]
    fn choices_and_custom_tools_convert_both_ways() {
        let pairs = [
            (
                json!({"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": "a"}}]}}),
                json!({"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "a"}]}),
            ),
            (json!({"type": "custom", "custom": {"name": "c"}}), json!({"type": "custom", "name": "c"})),
        ];
        for (chat, responses) in pairs {
            assert_eq!(choice(&chat, Format::Responses).as_ref(), Some(&responses));
            assert_eq!(choice(&responses, Format::Chat).as_ref(), Some(&chat));
        }
        let chat = json!({"type": "custom", "custom": {"name": "c", "description": "d",
            "format": {"type": "grammar", "grammar": {"syntax": "lark", "definition": "x"}}}});
        let responses = json!({"type": "custom", "name": "c", "description": "d",
            "format": {"type": "grammar", "syntax": "lark", "definition": "x"}});
        assert_eq!(tool(&chat, Some(Format::Chat), Format::Responses).as_ref(), Some(&responses));
        assert_eq!(tool(&responses, Some(Format::Responses), Format::Chat).as_ref(), Some(&chat));
        assert_eq!(tool(&responses, Some(Format::Messages), Format::Chat), None);
        assert_eq!(tool(&json!({"type": "web_search"}), Some(Format::Responses), Format::Chat), None);
        assert_eq!(choice(&json!({"type": "web_search"}), Format::Chat), None);
    }
}
