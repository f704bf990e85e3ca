//! Messages of a request, written.

use serde_json::{Map, Value, json};

use crate::catalogue::ReasoningStyle;
use crate::dialect::{Format, Upstream, extras};
use crate::error::Refused;
use crate::field::Field;
use crate::ledger::{Fate, Ledger};
use crate::message::{Message, Part, PartBody, ReasoningBlock, Request, Role, Signature, ToolCall};
use crate::provider::GeminiQuirks;

use super::history::{Calls, turn_start};
use super::media::Kind;
use super::{parts, signature, thinking};

pub(super) struct Contents<'a> {
    request: &'a Request,
    pub upstream: &'a Upstream<'a>,
    pub quirks: GeminiQuirks,
    pub ledger: &'a mut Ledger,
    pub is_same_format: bool,
    /// Generation 3 and later: signs its calls, refuses a turn whose calls are not, and reads media in results.
    pub is_strict: bool,
    pub calls: Calls<'a>,
    out: Vec<Value>,
}

impl<'a> Contents<'a> {
    pub fn new(request: &'a Request, upstream: &'a Upstream<'a>, ledger: &'a mut Ledger) -> Self {
        Self {
            request,
            upstream,
            quirks: upstream.provider.gemini_quirks(upstream.model),
            ledger,
            is_same_format: request.origin == Some(Format::Gemini),
            is_strict: thinking::style(upstream) == Some(ReasoningStyle::Effort),
            calls: Calls::default(),
            out: Vec::new(),
        }
    }

    pub fn write(mut self) -> Result<Vec<Value>, Refused> {
        let messages = self.request.messages.as_slice();
        let turn = turn_start(messages);
        let mut at = 0;
        while let Some(message) = messages.get(at) {
            match message.role {
                Role::Assistant => {
                    self.answer_open_calls(&[])?;
                    let written = self.assistant(message, at >= turn)?;
                    self.push("model", written, Some(message));
                    self.calls.open(message);
                    at += 1;
                }
                Role::User if self.is_same_format => {
                    let written = self.own_user(message)?;
                    self.push("user", written, Some(message));
                    at += 1;
                }
                Role::User => {
                    let rest = messages.get(at..).unwrap_or_default();
                    let run = rest.iter().take_while(|message| message.role == Role::User).count();
                    self.user(rest.get(..run).unwrap_or_default())?;
                    at += run;
                }
            }
        }
        Ok(self.out)
    }

    pub(super) fn note(&mut self, field: Field, fate: Fate) {
        self.ledger.note(field, fate);
    }

    pub(super) fn push(&mut self, role: &str, written: Vec<Value>, message: Option<&Message>) {
        if written.is_empty() {
            // A content without parts is a 400.
            return self.note(Field::Content, Fate::Dropped);
        }
        let mut content = Map::new();
        content.insert("role".into(), role.into());
        content.insert("parts".into(), written.into());
        if let Some(message) = message {
            self.join_extra(&mut content, &message.extra);
            if message.name.is_some() {
                self.note(Field::MessageName, Fate::Dropped);
            }
        }
        self.out.push(content.into());
    }

    fn join_extra(&mut self, target: &mut Map<String, Value>, extra: &Map<String, Value>) {
        extras::join(target, extra, self.is_same_format, self.ledger);
    }

    /// Adds what stands beside a part's own members.
    pub(super) fn complete(&mut self, written: Value, part: &Part) -> Value {
        let Value::Object(mut out) = written else { return written };
        if part.cache_control.is_some() {
            // Google caches by itself, or by name.
            self.note(Field::CacheControl, Fate::Dropped);
        }
        self.join_extra(&mut out, &part.extra);
        out.into()
    }

    /// Messages of the user that stand behind each other: results first, as an answer to the calls.
    fn user(&mut self, run: &'a [Message]) -> Result<(), Refused> {
        let strays = self.answer_open_calls(run)?;
        let (mut written, mut moved) = (Vec::new(), Vec::new());
        let mut says_something = false;
        for (i, message) in run.iter().enumerate() {
            let is_result = |part: &Part| matches!(part.body, PartBody::ToolResult { .. });
            let has_results = message.parts.iter().any(is_result);
            extras::note_dropped(&message.extra, self.ledger);
            // The name of a result's message is the function's.
            if message.name.is_some() && !has_results {
                self.note(Field::MessageName, Fate::Dropped);
            }
            says_something |= !has_results;
            for (j, part) in message.parts.iter().enumerate() {
                if !is_result(part) {
                    written.extend(self.user_part(part)?);
                } else if strays.contains(&(i, j)) {
                    let result = self.result(part, message.name.as_deref(), &mut moved)?;
                    written.extend(result.map(|result| self.told(&result)));
                    written.append(&mut moved);
                }
            }
        }
        if !written.is_empty() || says_something {
            self.push("user", written, None);
        }
        Ok(())
    }

    pub(super) fn user_part(&mut self, part: &Part) -> Result<Option<Value>, Refused> {
        let own_type = part.extra.get("fileData").and_then(|file| file.get("mimeType")?.as_str());
        let own_type = own_type.filter(|_| self.is_same_format);
        let written = match &part.body {
            PartBody::Text(text) | PartBody::Refusal(text) if text.is_empty() && !self.is_same_format => {
                return Ok(None);
            }
            PartBody::Text(text) | PartBody::Refusal(text) => {
                self.note_refusal(part);
                json!({"text": text})
            }
            PartBody::Image(media) => self.media(media, Kind::Image, None, own_type)?,
            PartBody::Audio(media) => self.media(media, Kind::Audio, None, own_type)?,
            PartBody::Video(media) => self.media(media, Kind::Video, None, own_type)?,
            PartBody::Document { media, name } => {
                self.media(media, Kind::Document, name.as_deref(), own_type)?
            }
            PartBody::Opaque { format: Format::Gemini, value } => self.own_part(value),
            PartBody::Opaque { value, .. } => {
                let kind = value.get("type").or_else(|| value.get("role")).and_then(Value::as_str);
                let kind = kind.unwrap_or("unknown");
                return Err(self.refuse(format!("`{kind}` cannot be sent in Google's format")));
            }
            PartBody::Reasoning(_) if self.is_same_format => return Ok(self.reasoning(&part.body)),
            PartBody::Citation(_)
            | PartBody::Reasoning(_)
            | PartBody::ToolCall(_)
            | PartBody::ToolResult { .. } => {
                return Err(self.refuse("this cannot stand in a user message of Google's format".into()));
            }
        };
        Ok(Some(self.complete(written, part)))
    }

    /// A refusal is text here.
    pub(super) fn note_refusal(&mut self, part: &Part) {
        if matches!(part.body, PartBody::Refusal(_)) {
            self.note(Field::Refusal, Fate::Emulated);
        }
    }

    pub(super) fn refuse(&self, message: String) -> Refused {
        let client = self.request.origin.unwrap_or(Format::Chat);
        Refused { field: Field::Part.name(client).to_owned(), message }
    }

    /// A part that only this format has.
    fn own_part(&mut self, value: &Value) -> Value {
        let mut value = value.clone();
        if !signature::unstamp(&mut value, self.upstream.issuer()) {
            self.note(Field::ReasoningSignature, Fate::Dropped);
        }
        value
    }

    fn assistant(&mut self, message: &'a Message, is_current: bool) -> Result<Vec<Value>, Refused> {
        let mut out: Vec<Value> = Vec::new();
        // A signature that waits for the text it belongs to: formats without an order of parts bring it first.
        let mut waiting: Option<String> = None;
        let mut takes_signature = false;
        for (i, part) in message.parts.iter().enumerate() {
            if let Some(signed) = signature::of_bare_block(&part.body) {
                let Some(value) = self.own_signature(signed) else { continue };
                match out.last_mut() {
                    Some(Value::Object(last)) if takes_signature => {
                        last.insert("thoughtSignature".into(), value.into());
                        takes_signature = false;
                    }
                    _ => out.extend(waiting.replace(value).map(bare_signature)),
                }
                continue;
            }
            let next = message.parts.get(i + 1).and_then(|next| signature::of_bare_block(&next.body));
            let Some(mut written) = self.assistant_part(part)? else { continue };
            takes_signature = matches!(part.body, PartBody::Text(_) | PartBody::Image(_));
            if let Some(value) = waiting.take() {
                match &mut written {
                    Value::Object(part) if takes_signature && next.is_none() && !self.is_same_format => {
                        part.insert("thoughtSignature".into(), value.into());
                        takes_signature = false;
                    }
                    _ => out.push(bare_signature(value)),
                }
            }
            out.push(written);
        }
        out.extend(waiting.map(bare_signature));
        if is_current && self.is_strict {
            self.sign_first_call(&mut out);
        }
        Ok(out)
    }

    /// Calls that another model made have no signature that this one reads.
    fn sign_first_call(&mut self, written: &mut [Value]) {
        let call = written.iter_mut().find(|part| part.get("functionCall").is_some());
        if let Some(Value::Object(call)) = call
            && !call.contains_key("thoughtSignature")
        {
            call.insert("thoughtSignature".into(), signature::NONE_AT_HAND.into());
            self.note(Field::ReasoningSignature, Fate::Emulated);
        }
    }

    /// `None` for one that this model did not issue.
    fn own_signature(&mut self, signed: &Signature) -> Option<String> {
        if Some(signed.issuer) == self.upstream.issuer() {
            return Some(signed.value.clone());
        }
        self.note(Field::ReasoningSignature, Fate::Dropped);
        None
    }

    fn assistant_part(&mut self, part: &Part) -> Result<Option<Value>, Refused> {
        let written = match &part.body {
            PartBody::ToolCall(call) => self.call(call),
            PartBody::Reasoning(_) => match self.reasoning(&part.body) {
                Some(written) => written,
                None => return Ok(None),
            },
            // What a server tool did is the provider's own history; the text that came of it stays.
            PartBody::Citation(_) => return Ok(None),
            PartBody::Opaque { format, .. } if *format != Format::Gemini => {
                self.note(Field::Part, Fate::Dropped);
                return Ok(None);
            }
            PartBody::ToolResult { .. } => {
                self.note(Field::Part, Fate::Dropped);
                return Ok(None);
            }
            _ => return self.user_part(part),
        };
        Ok(Some(self.complete(written, part)))
    }

    /// Thoughts go back to who thought them.
    fn reasoning(&mut self, body: &PartBody) -> Option<Value> {
        let PartBody::Reasoning(block) = body else { return None };
        let is_own = match block {
            ReasoningBlock::Thinking { signature: Some(signed), .. } => {
                Some(signed.issuer) == self.upstream.issuer()
            }
            ReasoningBlock::Thinking { signature: None, .. } => self.is_same_format,
            ReasoningBlock::Redacted { .. } => false,
        };
        let ReasoningBlock::Thinking { text, signature } = block else {
            self.note(Field::ReasoningHistory, Fate::Dropped);
            return None;
        };
        if !is_own {
            self.note(Field::ReasoningHistory, Fate::Dropped);
            return None;
        }
        let mut out = json!({"text": text, "thought": true});
        if let (Some(signed), Value::Object(out)) = (signature, &mut out) {
            out.insert("thoughtSignature".into(), signed.value.clone().into());
        }
        Some(out)
    }

    fn call(&mut self, call: &ToolCall) -> Value {
        let ToolCall { id, name, arguments, signature } = call;
        let mut inner = Map::new();
        self.write_id(id, &mut inner);
        inner.insert("name".into(), name.clone().into());
        inner.insert("args".into(), parts::arguments_object(arguments, Field::CallArguments, self.ledger));
        let mut out = json!({"functionCall": inner});
        let signed = signature.as_ref().and_then(|signed| self.own_signature(signed));
        if let (Some(signed), Value::Object(out)) = (signed, &mut out) {
            out.insert("thoughtSignature".into(), signed.into());
        }
        out
    }
}

fn bare_signature(value: String) -> Value {
    json!({"text": "", "thoughtSignature": value})
}
