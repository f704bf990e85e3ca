//! The instructions and messages of a request, in the order that Bedrock insists on: a user begins, roles alternate,
//! the results of calls come first in their message.

use serde_json::{Map, Value, json};

use crate::dialect::{Format, Upstream, extras, fields, nothing};
use crate::error::Refused;
use crate::field::Field;
use crate::ledger::{Fate, Ledger};
use crate::message::{Message, Part, PartBody, Request, Role};

use super::attachments::Names;
use super::blocks::Blocks;

/// Instructions and messages.
pub(super) struct Conversation {
    pub system: Vec<Value>,
    turns: Vec<Turn>,
}

/// A message in the making.
pub(super) struct Turn {
    role: Role,
    /// Results of calls, which go first.
    pub results: Vec<Value>,
    pub rest: Vec<Value>,
    /// Members that only this format has.
    extra: Map<String, Value>,
    /// A message that only this format has.
    own: Option<Value>,
}

impl Turn {
    fn new(role: Role) -> Self {
        Self { role, results: Vec::new(), rest: Vec::new(), extra: Map::new(), own: None }
    }

    fn len(&self) -> usize {
        self.results.len() + self.rest.len()
    }

    fn write(self) -> Value {
        let Self { role, mut results, rest, extra, own } = self;
        if let Some(own) = own {
            return own;
        }
        results.extend(rest);
        let role = match role {
            Role::User => "user",
            Role::Assistant => "assistant",
        };
        let mut out = Map::new();
        out.insert("role".into(), role.into());
        out.insert("content".into(), results.into());
        fields::add_missing(&mut out, &extra);
        out.into()
    }
}

pub(super) fn read(
    request: &Request,
    upstream: &Upstream<'_>,
    ledger: &mut Ledger,
) -> Result<Conversation, Refused> {
    let mut blocks = Blocks { upstream, origin: request.origin, ledger, names: Names::default() };
    let mut conversation = Conversation { system: Vec::new(), turns: Vec::new() };
    for part in &request.system {
        match &part.body {
            PartBody::Text(_) => blocks.text(part, &mut conversation.system),
            PartBody::Opaque { format: Format::Converse, value } => conversation.system.push(value.clone()),
            _ => blocks.note(Field::System, Fate::Dropped),
        }
    }
    for message in &request.messages {
        conversation.add(message, &mut blocks)?;
    }
    Ok(conversation)
}

impl Conversation {
    fn add(&mut self, message: &Message, blocks: &mut Blocks<'_>) -> Result<(), Refused> {
        let Message { role, parts, name, extra } = message;
        if name.is_some() {
            blocks.note(Field::MessageName, Fate::Dropped);
        }
        let is_same = blocks.is_same_format();
        // What the decoder kept whole, because it is no user's and no assistant's.
        if let ([Part { body: PartBody::Opaque { format: Format::Converse, value }, .. }], true) =
            (parts.as_slice(), is_same)
            && value.get("role").is_some()
        {
            self.turns.push(Turn { own: Some(value.clone()), ..Turn::new(*role) });
            return Ok(());
        }
        let mut turn = match self.turns.pop_if(|last| last.role == *role && !is_same) {
            Some(last) => last,
            None => Turn::new(*role),
        };
        let before = turn.len();
        match role {
            Role::User => {
                for part in parts {
                    blocks.user(part, &mut turn)?;
                }
            }
            Role::Assistant => blocks.assistant(parts, &mut turn),
        }
        if is_same {
            turn.extra.clone_from(extra);
        } else {
            extras::note_dropped(extra, blocks.ledger);
        }
        if turn.len() == before && !is_same {
            // An empty message is a 400.
            blocks.note(Field::Content, Fate::Dropped);
        }
        if turn.len() > 0 || is_same {
            self.turns.push(turn);
        }
        Ok(())
    }

    /// The messages of a request of another format.
    pub fn settle(&mut self, request: &Request, ledger: &mut Ledger) -> Result<(), Refused> {
        if self.turns.is_empty() && self.system.is_empty() {
            return Err(nothing::to_answer(request));
        }
        if self.turns.is_empty() && !self.system.is_empty() {
            // Instructions alone are a whole request to OpenAI; Bedrock wants a message to answer.
            ledger.note(Field::Messages, Fate::Emulated);
            let rest = std::mem::take(&mut self.system);
            self.turns.push(Turn { rest, ..Turn::new(Role::User) });
        }
        if self.turns.first().is_some_and(|first| first.role == Role::Assistant) {
            ledger.note(Field::Messages, Fate::Emulated);
            let rest = vec![json!({"text": "(start of the conversation)"})];
            self.turns.insert(0, Turn { rest, ..Turn::new(Role::User) });
        }
        for turn in &mut self.turns {
            let has = |kind: &str| turn.rest.iter().any(|block| block.get(kind).is_some());
            if has("document") && !has("text") {
                // "A text block must be included when using documents."
                ledger.note(Field::Document, Fate::Emulated);
                turn.rest.push(json!({"text": "(see the document)"}));
            }
        }
        if let Some(Turn { role: Role::Assistant, rest, .. }) = self.turns.last_mut()
            && let Some(Value::String(text)) = rest.last_mut().and_then(|block| block.get_mut("text"))
        {
            // White space at the end of an answer that the model is to continue is a 400.
            text.truncate(text.trim_end().len());
        }
        Ok(())
    }

    pub fn messages(self) -> (Vec<Value>, Vec<Value>) {
        (self.system, self.turns.into_iter().map(Turn::write).collect())
    }
}
