//! The neutral conversation as items.

mod content;

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use crate::dialect::call_ids::{Ids, Rule};
use crate::dialect::openai_shared::{self, beside_custom_call, read_custom_call};
use crate::dialect::{Format, Upstream, extras, fields};
use crate::error::Refused;
use crate::field::Field;
use crate::ledger::{Fate, Ledger};
use crate::message::{Issuer, Message, Part, PartBody, ReasoningBlock, Request, Role, ToolCall};

use super::{ids, image_call, state};

/// Items of a request, written one after the other.
pub(super) struct Items<'a> {
    pub out: Vec<Value>,
    /// The history holds reasoning state that this provider gets back.
    pub holds_state: bool,
    upstream: &'a Upstream<'a>,
    origin: Option<Format>,
    /// Does the model reason?
    thinks: Option<bool>,
    ledger: &'a mut Ledger,
    /// Ids of calls as OpenAI takes them.
    calls: Ids,
    /// Ids of calls to custom tools: their results are items of another type.
    custom: HashSet<String>,
}

impl<'a> Items<'a> {
    pub fn new(
        upstream: &'a Upstream<'a>,
        request: &Request,
        thinks: Option<bool>,
        ledger: &'a mut Ledger,
    ) -> Self {
        Self {
            out: Vec::new(),
            holds_state: false,
            upstream,
            origin: request.origin,
            thinks,
            ledger,
            calls: Ids::new(Rule::AtMost(ids::LONGEST_CALL_ID), request),
            custom: HashSet::new(),
        }
    }

    fn is_same_format(&self) -> bool {
        self.origin == Some(Format::Responses)
    }

    fn note(&mut self, field: Field, fate: Fate) {
        self.ledger.note(field, fate);
    }

    /// Adds what only the client's format knows, or notes that it is lost.
    fn join_extra(&mut self, target: &mut Map<String, Value>, extra: &Map<String, Value>) {
        if self.is_same_format() {
            fields::add_missing(target, extra);
        } else {
            openai_shared::join_part(target, extra, self.origin, self.ledger);
        }
    }

    pub fn messages(&mut self, messages: &[Message]) -> Result<(), Refused> {
        for message in messages {
            let Message { role, parts, name, extra } = message;
            if name.is_some() {
                self.note(Field::MessageName, Fate::Dropped);
            }
            match role {
                Role::User => self.user(parts, extra)?,
                Role::Assistant => self.assistant(parts, extra)?,
            }
        }
        Ok(())
    }

    /// Results and items stand for themselves; the content between them is a message.
    fn user(&mut self, parts: &[Part], extra: &Map<String, Value>) -> Result<(), Refused> {
        let mut content: Vec<Value> = Vec::new();
        let mut has_item = false;
        for part in parts {
            match &part.body {
                PartBody::ToolResult { id, parts, is_error } => {
                    self.close_user(&mut content, extra);
                    has_item = true;
                    if *is_error {
                        self.note(Field::ResultIsError, Fate::Dropped);
                    }
                    let item = self.result(id, parts, part)?;
                    self.out.push(item);
                }
                PartBody::Opaque { format: Format::Responses, value } if is_item(value) => {
                    self.close_user(&mut content, extra);
                    has_item = true;
                    self.opaque(value)?;
                }
                _ => content.push(self.content_part(part)?),
            }
        }
        if content.is_empty() && !has_item {
            // An empty message is one: the model is to go on.
            content.push(json!({"type": "input_text", "text": ""}));
        }
        self.close_user(&mut content, extra);
        Ok(())
    }

    fn close_user(&mut self, content: &mut Vec<Value>, extra: &Map<String, Value>) {
        if content.is_empty() {
            return;
        }
        let content = single_text(std::mem::take(content), "input_text");
        let mut item = object(json!({"type": "message", "role": "user", "content": content}));
        self.join_extra(&mut item, extra);
        self.out.push(item.into());
    }

    fn result(&mut self, id: &str, parts: &[Part], part: &Part) -> Result<Value, Refused> {
        let mut output = Vec::new();
        for inner in parts {
            match &inner.body {
                // What another format's client got of its tool, as text.
                PartBody::Opaque { format, value } if *format != Format::Responses => {
                    self.note(Field::ResultPart, Fate::Emulated);
                    output.push(json!({"type": "input_text", "text": value.to_string()}));
                }
                _ => output.push(self.content_part(inner)?),
            }
        }
        let output = if output.is_empty() { "".into() } else { single_text(output, "input_text") };
        let is_custom = self.custom.contains(id);
        let kind = if is_custom { "custom_tool_call_output" } else { "function_call_output" };
        let call_id = self.call_id(id);
        let mut item = object(json!({"type": kind, "call_id": call_id, "output": output}));
        self.cache_control(part, &mut item);
        self.join_extra(&mut item, &part.extra);
        Ok(item.into())
    }

    /// A call and its result change alike.
    fn call_id(&mut self, id: &str) -> String {
        let fit = self.calls.of(id);
        if fit != id {
            self.note(Field::CallId, Fate::Emulated);
        }
        fit
    }

    fn cache_control(&mut self, part: &Part, out: &mut Map<String, Value>) {
        match &part.cache_control {
            Some(marker) if self.is_same_format() => drop(out.insert("cache_control".into(), marker.clone())),
            Some(_) => self.note(Field::CacheControl, Fate::Dropped),
            None => {}
        }
    }

    /// Items in their order; the texts between them are messages.
    fn assistant(&mut self, parts: &[Part], extra: &Map<String, Value>) -> Result<(), Refused> {
        if !self.is_same_format() {
            extras::note_dropped(extra, self.ledger);
        }
        let mut spoken = Spoken::default();
        for part in parts {
            match &part.body {
                PartBody::Text(text) => {
                    // The stage of an answer that a message belongs to begins another message.
                    if self.is_same_format() && part.extra.contains_key(PHASE) {
                        self.close_assistant(&mut spoken);
                    }
                    self.speak(part, json!({"type": "output_text", "text": text}), &mut spoken);
                }
                PartBody::Refusal(text) => {
                    self.speak(part, json!({"type": "refusal", "refusal": text}), &mut spoken);
                }
                // The model never saw it.
                PartBody::Citation(_) => {}
                PartBody::Reasoning(block) => {
                    self.close_assistant(&mut spoken);
                    self.reasoning(block, part);
                }
                PartBody::ToolCall(call) => {
                    self.close_assistant(&mut spoken);
                    let item = self.call(call, part);
                    self.out.push(item);
                }
                PartBody::Opaque { format: Format::Responses, value } => {
                    self.close_assistant(&mut spoken);
                    self.opaque(value)?;
                }
                PartBody::Opaque { format: Format::Chat, value } => match read_custom_call(value) {
                    Some((id, name, input)) => {
                        self.close_assistant(&mut spoken);
                        self.custom.insert(id.to_owned());
                        let call_id = self.call_id(id);
                        let mut item = object(json!({
                            "type": "custom_tool_call", "call_id": call_id, "name": name, "input": input,
                        }));
                        self.join_extra(&mut item, &part.extra);
                        extras::note_dropped(&beside_custom_call(value), self.ledger);
                        self.out.push(item.into());
                    }
                    None => self.note(Field::Part, Fate::Dropped),
                },
                PartBody::Image(image) if self.is_same_format() => {
                    match image_call::write(image, &part.extra) {
                        Some(item) => {
                            self.close_assistant(&mut spoken);
                            self.out.push(item);
                        }
                        None => self.note(Field::Part, Fate::Dropped),
                    }
                }
                // What a server tool did is the provider's own history; the text that came of it stays.
                PartBody::Opaque { .. }
                | PartBody::Image(_)
                | PartBody::Audio(_)
                | PartBody::Video(_)
                | PartBody::Document { .. }
                | PartBody::ToolResult { .. } => self.note(Field::Part, Fate::Dropped),
            }
        }
        self.close_assistant(&mut spoken);
        Ok(())
    }

    fn speak(&mut self, part: &Part, said: Value, spoken: &mut Spoken) {
        let mut said = object(said);
        let mut extra = part.extra.clone();
        // Written as OpenAI writes its own answers: sources are a member of the text.
        let phase = extra.shift_remove(PHASE).filter(|_| self.is_same_format());
        spoken.phase = phase.or(spoken.phase.take());
        self.cache_control(part, &mut said);
        self.join_extra(&mut said, &extra);
        spoken.content.push(said.into());
    }

    /// Most servers take the string; the list is OpenAI's own form of what it answered.
    fn close_assistant(&mut self, spoken: &mut Spoken) {
        let Spoken { content, phase } = std::mem::take(spoken);
        if content.is_empty() {
            return;
        }
        let mut item = object(json!({"type": "message", "role": "assistant"}));
        item.insert("content".into(), joined_texts(content));
        if let Some(phase) = phase {
            item.insert(PHASE.into(), phase);
        }
        self.out.push(item.into());
    }

    fn call(&mut self, call: &ToolCall, part: &Part) -> Value {
        let ToolCall { id, name, arguments, signature } = call;
        if signature.is_some() {
            // Calls are signed by Gemini alone.
            self.note(Field::ReasoningSignature, Fate::Dropped);
        }
        let arguments = if arguments.is_empty() { "{}" } else { arguments };
        let call_id = self.call_id(id);
        let mut item = object(
            json!({"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments}),
        );
        self.cache_control(part, &mut item);
        self.join_extra(&mut item, &part.extra);
        item.into()
    }

    fn reasoning(&mut self, block: &ReasoningBlock, part: &Part) {
        let issuer = self.upstream.issuer();
        let (text, signature) = match block {
            ReasoningBlock::Thinking { text, signature } => (text.as_str(), signature.as_ref()),
            ReasoningBlock::Redacted { data } => ("", Some(data)),
        };
        // Without its state, they take an item only by the id under which they stored it; they never show more than a
        // summary. Others show what the model thought, and read it back.
        let wants_state = matches!(issuer, Some(Issuer::OpenAI | Issuer::Azure | Issuer::Xai));
        let own = signature.filter(|it| Some(it.issuer) == issuer && self.thinks != Some(false));
        if let Some((id, encrypted)) = own.and_then(|it| state::split(&it.value)) {
            self.holds_state = true;
            let mut item = object(json!({"type": "reasoning"}));
            if let Some(id) = id {
                item.insert("id".into(), id.into());
            }
            if wants_state || text.is_empty() {
                item.insert("summary".into(), summary(text));
            } else {
                item.insert("summary".into(), json!([]));
                item.insert("content".into(), thought(text));
            }
            item.insert("encrypted_content".into(), encrypted.into());
            return self.out.push(item.into());
        }
        let id = part.extra.get("id").and_then(Value::as_str).filter(|_| self.is_same_format());
        let stored = id.filter(|id| signature.is_none() && !ids::is_made(id));
        let takes_text =
            self.is_same_format() || self.upstream.provider.quirks(self.upstream.model).reasoning_history;
        if !wants_state && takes_text && !text.is_empty() {
            if signature.is_some() {
                self.note(Field::ReasoningSignature, Fate::Dropped);
            }
            let id = id.map_or_else(|| format!("{}{}", ids::MADE_REASONING, self.out.len()), str::to_owned);
            let content = thought(text);
            self.out.push(json!({"type": "reasoning", "id": id, "summary": [], "content": content}));
        } else if let (true, Some(id)) = (wants_state, stored) {
            self.out.push(json!({"type": "reasoning", "id": id, "summary": summary(text)}));
        } else {
            self.note(Field::ReasoningHistory, Fate::Dropped);
        }
    }

    fn opaque(&mut self, value: &Value) -> Result<(), Refused> {
        let mut value = value.clone();
        state::unstamp(&mut value, self.upstream.issuer())?;
        self.out.push(value);
        Ok(())
    }
}

/// OpenAI's newer models say whether a message comments on the work or answers, and want that back.
const PHASE: &str = "phase";

/// A message of the assistant in the making.
#[derive(Default)]
struct Spoken {
    content: Vec<Value>,
    phase: Option<Value>,
}

fn summary(text: &str) -> Value {
    if text.is_empty() { json!([]) } else { json!([{"type": "summary_text", "text": text}]) }
}

fn thought(text: &str) -> Value {
    json!([{"type": "reasoning_text", "text": text}])
}

/// Parts of a message's content have types of their own.
fn is_item(value: &Value) -> bool {
    let kind = value.get("type").and_then(Value::as_str).unwrap_or_default();
    !kind.starts_with("input_")
        && !matches!(kind, "computer_screenshot" | "encrypted_content" | "output_audio")
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn is_plain(part: &Value, kind: &str) -> bool {
    part.as_object().is_some_and(|part| part.len() == 2) && part.get("type").is_some_and(|it| it == kind)
}

/// One plain text is written as a string, as most clients do and every server takes.
fn single_text(mut parts: Vec<Value>, kind: &str) -> Value {
    match parts.as_mut_slice() {
        [only] if is_plain(only, kind) => only.get_mut("text").map(Value::take).unwrap_or_default(),
        _ => parts.into(),
    }
}

/// The same for what the assistant said: other formats cut one text into several where sources stand.
fn joined_texts(parts: Vec<Value>) -> Value {
    if parts.iter().all(|part| is_plain(part, "output_text")) {
        parts.iter().filter_map(|part| part.get("text")?.as_str()).collect::<String>().into()
    } else {
        parts.into()
    }
}
