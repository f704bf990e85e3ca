//! The conversation, in the shape that Anthropic takes: users begin, roles alternate, no block is empty.

use serde_json::{Map, Value, json};

use super::Encoder;
use crate::dialect::{Format, extras, fields, nothing};
use crate::error::Refused;
use crate::field::Field;
use crate::ledger::Fate;
use crate::message::{Message, Part, PartBody, Role};

/// What a user says before a conversation that the assistant begins.
const OPENING: &str = "(The conversation begins with the assistant.)";

impl Encoder<'_> {
    pub(super) fn system(&mut self) {
        for part in &self.request.system {
            let block = match &part.body {
                PartBody::Text(_) => self.blocks().text(part),
                PartBody::Opaque { format: Format::Messages, value } => Some(value.clone()),
                _ => {
                    self.note(Field::System, Fate::Dropped);
                    None
                }
            };
            self.system.extend(block);
        }
    }

    pub(super) fn messages(&mut self) -> Result<(), Refused> {
        let mut out: Vec<Value> = Vec::new();
        for message in &self.request.messages {
            self.message(message, &mut out)?;
        }
        if !self.is_same_format() {
            self.repair_beginning(&mut out);
            trim_prefill(&mut out);
        }
        if out.is_empty() && !self.system.is_empty() {
            // Instructions alone are a whole request to OpenAI; Anthropic wants a message to answer.
            self.note(Field::Messages, Fate::Emulated);
            out.push(json!({"role": "user", "content": std::mem::take(&mut self.system)}));
        }
        if out.is_empty() && !self.is_same_format() {
            return Err(nothing::to_answer(self.request));
        }
        self.set("messages", out);
        Ok(())
    }

    fn message(&mut self, message: &Message, out: &mut Vec<Value>) -> Result<(), Refused> {
        if message.name.is_some() {
            self.note(Field::MessageName, Fate::Dropped);
        }
        if !self.is_same_format() {
            extras::note_dropped(&message.extra, self.ledger);
        }
        // What the decoder kept whole, because it is no user's and no assistant's.
        if let [Part { body: PartBody::Opaque { format: Format::Messages, value }, .. }] =
            message.parts.as_slice()
            && value.get("role").is_some()
        {
            out.push(value.clone());
            return Ok(());
        }
        let (role, content) = match message.role {
            Role::User => ("user", self.blocks().user(&message.parts)?),
            Role::Assistant => ("assistant", self.blocks().assistant(&message.parts)),
        };
        if content.is_empty() {
            // An empty text is refused, and a message without blocks too.
            self.note(Field::Content, Fate::Dropped);
            return Ok(());
        }
        match last_of_role(out, role).filter(|_| !self.is_same_format()) {
            // Results of parallel calls must stand together in one message.
            Some(last) => last.extend(content),
            None => {
                let mut message_out = Map::new();
                message_out.insert("role".into(), role.into());
                message_out.insert("content".into(), content.into());
                if self.is_same_format() {
                    fields::add_missing(&mut message_out, &message.extra);
                }
                out.push(message_out.into());
            }
        }
        Ok(())
    }

    /// A conversation that the assistant begins is a 400.
    fn repair_beginning(&mut self, out: &mut Vec<Value>) {
        if out.first().and_then(|first| first.get("role")).is_some_and(|role| role == "assistant") {
            self.note(Field::Messages, Fate::Emulated);
            out.insert(0, json!({"role": "user", "content": [{"type": "text", "text": OPENING}]}));
        }
    }

    /// The system prompt, now that all of it is known.
    pub(super) fn instructions(&mut self) {
        let mut blocks = std::mem::take(&mut self.system);
        let value = match blocks.as_mut_slice() {
            [] => return,
            [Value::Object(only)] if only.len() == 2 && only.contains_key("text") => {
                only.get_mut("text").map(Value::take).unwrap_or_default()
            }
            _ => blocks.into(),
        };
        self.set("system", value);
    }
}

/// The blocks of the last message, where it has this role.
fn last_of_role<'a>(out: &'a mut [Value], role: &str) -> Option<&'a mut Vec<Value>> {
    let last = out.last_mut()?;
    if last.get("role")? != role {
        return None;
    }
    last.get_mut("content")?.as_array_mut()
}

/// White space at the end of an answer that the model is to continue is a 400.
fn trim_prefill(out: &mut [Value]) {
    let block = last_of_role(out, "assistant").and_then(|blocks| blocks.last_mut());
    if let Some(Value::String(text)) = block.and_then(|block| block.get_mut("text")) {
        text.truncate(text.trim_end().len());
    }
}
