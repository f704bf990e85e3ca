//! A conversation as one text, for a provider that has nothing but prompts.
//!
//! One message of a user is its text. More becomes a transcript with the speakers' names in front, ending where the
//! assistant is to speak. Tools have no text that any model was taught: a conversation with calls is refused.

use crate::dialect::extras;
use crate::error::Refused;
use crate::field::Field;
use crate::ledger::{Fate, Ledger};
use crate::message::{Message, Part, PartBody, Request, Role};

pub(super) fn write(request: &Request, ledger: &mut Ledger) -> Result<String, Refused> {
    let system = texts(&request.system, Role::User, ledger)?;
    match request.messages.as_slice() {
        [Message { role: Role::User, parts, name, extra }] if system.is_empty() => {
            if name.is_some() {
                ledger.note(Field::MessageName, Fate::Dropped);
            }
            extras::note_dropped(extra, ledger);
            texts(parts, Role::User, ledger)
        }
        messages => {
            ledger.note(Field::Messages, Fate::Emulated);
            let mut out = String::new();
            if !system.is_empty() {
                out.push_str(&system);
                out.push_str("\n\n");
            }
            for message in messages {
                let Message { role, parts, name, extra } = message;
                extras::note_dropped(extra, ledger);
                let speaker = match (role, name) {
                    (_, Some(name)) => name,
                    (Role::User, None) => "User",
                    (Role::Assistant, None) => "Assistant",
                };
                let text = texts(parts, *role, ledger)?;
                out.push_str(&format!("{speaker}: {text}\n"));
            }
            out.push_str("Assistant:");
            Ok(out)
        }
    }
}

fn texts(parts: &[Part], role: Role, ledger: &mut Ledger) -> Result<String, Refused> {
    let mut texts: Vec<&str> = Vec::with_capacity(parts.len());
    for part in parts {
        if part.cache_control.is_some() {
            ledger.note(Field::CacheControl, Fate::Dropped);
        }
        extras::note_dropped(&part.extra, ledger);
        match &part.body {
            PartBody::Text(text) | PartBody::Refusal(text) => texts.push(text),
            PartBody::Reasoning(_) => ledger.note(Field::ReasoningHistory, Fate::Dropped),
            PartBody::Citation(_) => {}
            // What the model painted is not what the client asks about.
            PartBody::Image(_) if role == Role::Assistant => ledger.note(Field::Part, Fate::Dropped),
            PartBody::Image(_) | PartBody::Audio(_) | PartBody::Video(_) | PartBody::Document { .. } => {
                return Err(refuse("images, sound and files cannot be sent in OpenAI's completions format"));
            }
            PartBody::ToolCall(_) | PartBody::ToolResult { .. } => {
                return Err(refuse(
                    "tool calls and their results cannot be sent in OpenAI's completions format",
                ));
            }
            PartBody::Opaque { .. } => {
                return Err(refuse("this cannot be sent in OpenAI's completions format"));
            }
        }
    }
    Ok(texts.join("\n\n"))
}

fn refuse(message: &str) -> Refused {
    Refused { field: "messages[].content[].type".into(), message: message.to_owned() }
}
