//! Messages of a request, written.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use crate::catalogue::ReasoningStyle;
use crate::dialect::{Format, Upstream, extras, fields};
use crate::error::Refused;
use crate::field::Field;
use crate::ledger::{Fate, Ledger};
use crate::message::{Media, Message, Part, PartBody, ReasoningBlock, Request, Role, Signature, ToolCall};
use crate::provider::GeminiQuirks;

use super::history::{Answer, Calls, Settled, turn_start};
use super::media::{self, Kind};
use super::{parts, signature, thinking};

pub(super) struct Contents<'a> {
    request: &'a Request,
    upstream: &'a Upstream<'a>,
    quirks: GeminiQuirks,
    ledger: &'a mut Ledger,
    is_same_format: bool,
    /// Generation 3 and later: signs its calls, refuses a turn whose calls are not, and reads media in results.
    is_strict: bool,
    calls: Calls<'a>,
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

    fn note(&mut self, field: Field, fate: Fate) {
        self.ledger.note(field, fate);
    }

    fn push(&mut self, role: &str, written: Vec<Value>, message: Option<&Message>) {
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
        if self.is_same_format {
            fields::add_missing(target, extra);
        } else {
            extras::note_dropped(extra, self.ledger);
        }
    }

    /// Adds what stands beside a part's own members.
    fn complete(&mut self, written: Value, part: &Part) -> Value {
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

    /// A result without its call, as words.
    fn told(&mut self, result: &Value) -> Value {
        self.note(Field::ResultPart, Fate::Emulated);
        let of = |name: &str| result.get("functionResponse").and_then(|it| it.get(name));
        let name = of("name").and_then(Value::as_str).unwrap_or_default();
        let response = of("response").unwrap_or(&Value::Null);
        let text = response.get("output").and_then(Value::as_str).map(str::to_owned);
        json!({"text": format!("Result of `{name}`: {}", text.unwrap_or_else(|| response.to_string()))})
    }

    /// Writes the results that the last calls wait for; returns those that nobody waits for.
    fn answer_open_calls(&mut self, run: &'a [Message]) -> Result<HashSet<(usize, usize)>, Refused> {
        if self.is_same_format {
            return Ok(HashSet::new());
        }
        let Settled { answers, strays } = self.calls.settle(run);
        if answers.is_empty() {
            return Ok(strays);
        }
        let (mut written, mut moved) = (Vec::with_capacity(answers.len()), Vec::new());
        for answer in answers {
            match answer {
                Answer::Given(part, name) => written.extend(self.result(part, name, &mut moved)?),
                Answer::Missing(id) => {
                    self.note(Field::Messages, Fate::Emulated);
                    let name = self.calls.name_of(id).unwrap_or(id);
                    let response = json!({"error": "no result was given"});
                    written.push(self.function_response(id, name, response));
                }
            }
        }
        written.append(&mut moved);
        self.push("user", written, None);
        Ok(strays)
    }

    /// A message of this format's own: the client knows the rules.
    fn own_user(&mut self, message: &'a Message) -> Result<Vec<Value>, Refused> {
        let (mut written, mut moved) = (Vec::new(), Vec::new());
        for part in &message.parts {
            match part.body {
                PartBody::ToolResult { .. } => written.extend(self.result(part, None, &mut moved)?),
                _ => written.extend(self.user_part(part)?),
            }
        }
        written.append(&mut moved);
        Ok(written)
    }

    fn function_response(&mut self, id: &str, name: &str, response: Value) -> Value {
        let mut out = Map::new();
        self.write_id(id, &mut out);
        out.insert("name".into(), name.into());
        out.insert("response".into(), response);
        json!({"functionResponse": out})
    }

    fn write_id(&mut self, id: &str, out: &mut Map<String, Value>) {
        if self.quirks.call_ids {
            out.insert("id".into(), id.into());
        } else if !self.is_same_format {
            // The order tells which result is whose.
            self.note(Field::CallId, Fate::Emulated);
        }
    }

    /// A tool's result: an object, and media beside it where the model reads them there.
    fn result(
        &mut self,
        part: &Part,
        told_name: Option<&str>,
        moved: &mut Vec<Value>,
    ) -> Result<Option<Value>, Refused> {
        let PartBody::ToolResult { id, parts, is_error } = &part.body else { return Ok(None) };
        let (mut texts, mut media): (Vec<String>, Vec<Value>) = (Vec::new(), Vec::new());
        for inner in parts {
            match &inner.body {
                PartBody::Text(text) | PartBody::Refusal(text) => texts.push(text.clone()),
                PartBody::Opaque { format: Format::Gemini, value } if self.is_same_format => {
                    media.push(value.clone());
                }
                PartBody::Opaque { value, .. } => {
                    self.note(Field::ResultPart, Fate::Emulated);
                    texts.push(value.to_string());
                }
                PartBody::Image(_) | PartBody::Audio(_) | PartBody::Video(_) | PartBody::Document { .. } => {
                    let Some(written) = self.user_part(inner)? else { continue };
                    if self.reads_in_results(&inner.body) {
                        media.push(written);
                    } else {
                        self.note(Field::ResultPart, Fate::Emulated);
                        moved.push(written);
                    }
                }
                PartBody::Citation(_) => {}
                PartBody::Reasoning(_) | PartBody::ToolCall(_) | PartBody::ToolResult { .. } => {
                    self.note(Field::ResultPart, Fate::Dropped);
                }
            }
        }
        let own_name =
            part.extra.get("functionResponse").and_then(|it| it.get("name")).and_then(Value::as_str);
        let name = self.calls.name_of(id).or(own_name).or(told_name).unwrap_or_else(|| {
            self.ledger.note(Field::ResultPart, Fate::Emulated);
            id
        });
        let response = result_object(&texts.join("\n"), *is_error, self.is_same_format);
        let mut out = self.function_response(id, name, response);
        if let (false, Some(Value::Object(inner))) = (media.is_empty(), out.get_mut("functionResponse")) {
            inner.insert("parts".into(), media.into());
        }
        Ok(Some(self.complete(out, part)))
    }

    /// Sources: <https://ai.google.dev/gemini-api/docs/function-calling>, "Multimodal function responses".
    fn reads_in_results(&self, body: &PartBody) -> bool {
        const TYPES: &[&str] = &["image/png", "image/jpeg", "image/webp", "application/pdf", "text/plain"];
        let media = match body {
            PartBody::Image(media) | PartBody::Document { media, .. } => media,
            _ => return self.is_same_format,
        };
        let is_known =
            matches!(media, Media::Base64 { media_type, .. } if TYPES.contains(&media_type.as_str()));
        self.is_same_format || (self.is_strict && is_known)
    }

    fn user_part(&mut self, part: &Part) -> Result<Option<Value>, Refused> {
        let own_type = part.extra.get("fileData").and_then(|file| file.get("mimeType")?.as_str());
        let own_type = own_type.filter(|_| self.is_same_format);
        let written = match &part.body {
            PartBody::Text(text) | PartBody::Refusal(text) if text.is_empty() && !self.is_same_format => {
                return Ok(None);
            }
            PartBody::Text(text) | PartBody::Refusal(text) => json!({"text": text}),
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

    fn refuse(&self, message: String) -> Refused {
        let client = self.request.origin.unwrap_or(Format::Chat);
        Refused { field: Field::Part.name(client).to_owned(), message }
    }

    /// `own_type`: the media type that a client of this format gave to a URL.
    fn media(
        &mut self,
        media: &Media,
        kind: Kind,
        name: Option<&str>,
        own_type: Option<&str>,
    ) -> Result<Value, Refused> {
        if let Some(reads) = self.upstream.facts.input {
            let (reads, what) = match kind {
                Kind::Image => (reads.image, "images"),
                Kind::Audio => (reads.audio, "sound"),
                Kind::Video => (reads.video, "video"),
                Kind::Document => (reads.pdf || matches!(media, Media::PlainText(_)), "documents"),
            };
            if !reads && !self.is_same_format {
                return Err(self.refuse(format!("{} does not read {what}", self.upstream.model)));
            }
        }
        if let Media::Url { detail: Some(detail), .. } | Media::Base64 { detail: Some(detail), .. } = media
            && detail != "auto"
        {
            self.note(Field::ImageDetail, Fate::Dropped);
        }
        let mut inner = Map::new();
        let member = match media {
            Media::PlainText(text) => {
                self.note(Field::Document, Fate::Emulated);
                if name.is_some() {
                    self.note(Field::DocumentName, Fate::Dropped);
                }
                return Ok(json!({"text": text}));
            }
            Media::Base64 { media_type, data, .. } => {
                inner.insert("mimeType".into(), media_type.clone().into());
                inner.insert("data".into(), data.clone().into());
                "inlineData"
            }
            Media::Url { url, .. } if media::is_fetchable(url) => {
                inner.insert("fileUri".into(), url.clone().into());
                let by_url = || media::sent_type(url, kind, self.quirks.needs_media_type);
                if let Some(media_type) = own_type.or_else(by_url) {
                    inner.insert("mimeType".into(), media_type.into());
                }
                "fileData"
            }
            Media::Url { .. } => {
                return Err(self.refuse(
                    "Google reads media from https:// and gs:// URLs alone; send the bytes as base64".into(),
                ));
            }
        };
        match name {
            Some(name) if self.quirks.media_names || self.is_same_format => {
                drop(inner.insert("displayName".into(), name.into()))
            }
            Some(_) => self.note(Field::DocumentName, Fate::Dropped),
            None => {}
        }
        let mut out = Map::new();
        out.insert(member.to_owned(), inner.into());
        Ok(out.into())
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

/// A result as an object. `output` and `error` are Google's own words for what it gave and why it failed; an object
/// without them is the output as a whole. Source: the discovery document, `FunctionResponse.response`.
fn result_object(text: &str, is_error: bool, is_same_format: bool) -> Value {
    if is_error {
        return json!({"error": text});
    }
    let parsed: Option<Value> =
        text.trim_start().starts_with('{').then(|| serde_json::from_str(text).ok()).flatten();
    match parsed {
        Some(Value::Object(object))
            if is_same_format || !(object.contains_key("output") || object.contains_key("error")) =>
        {
            object.into()
        }
        Some(object @ Value::Object(_)) => json!({"output": object}),
        _ => json!({"output": text}),
    }
}
