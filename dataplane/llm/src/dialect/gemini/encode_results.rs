//! Results of tools, written.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use crate::dialect::{Format, extras};
use crate::error::Refused;
use crate::field::Field;
use crate::ledger::Fate;
use crate::message::{Media, Message, Part, PartBody};

use super::encode_content::Contents;
use super::history::{Answer, Settled};

impl<'a> Contents<'a> {
    /// Writes the results that the last calls wait for; returns those that nobody waits for.
    pub(super) fn answer_open_calls(
        &mut self,
        run: &'a [Message],
    ) -> Result<HashSet<(usize, usize)>, Refused> {
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

    /// A result without its call, as words.
    pub(super) fn told(&mut self, result: &Value) -> Value {
        self.note(Field::ResultPart, Fate::Emulated);
        let of = |name: &str| result.get("functionResponse").and_then(|it| it.get(name));
        let name = of("name").and_then(Value::as_str).unwrap_or_default();
        let response = of("response").unwrap_or(&Value::Null);
        let text = response.get("output").and_then(Value::as_str).map(str::to_owned);
        json!({"text": format!("Result of `{name}`: {}", text.unwrap_or_else(|| response.to_string()))})
    }

    /// A message of this format's own: the client knows the rules.
    pub(super) fn own_user(&mut self, message: &'a Message) -> Result<Vec<Value>, Refused> {
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

    pub(super) fn write_id(&mut self, id: &str, out: &mut Map<String, Value>) {
        if self.quirks.call_ids {
            out.insert("id".into(), id.into());
        } else if !self.is_same_format {
            // The order tells which result is whose.
            self.note(Field::CallId, Fate::Emulated);
        }
    }

    /// A tool's result: an object, and media beside it where the model reads them there.
    pub(super) fn result(
        &mut self,
        part: &Part,
        told_name: Option<&str>,
        moved: &mut Vec<Value>,
    ) -> Result<Option<Value>, Refused> {
        let PartBody::ToolResult { id, parts, is_error } = &part.body else { return Ok(None) };
        let (mut texts, mut media): (Vec<String>, Vec<Value>) = (Vec::new(), Vec::new());
        for inner in parts {
            if matches!(inner.body, PartBody::Text(_) | PartBody::Refusal(_) | PartBody::Opaque { .. })
                && !self.is_same_format
            {
                // All of it becomes one object.
                extras::note_dropped(&inner.extra, self.ledger);
                if inner.cache_control.is_some() {
                    self.note(Field::CacheControl, Fate::Dropped);
                }
            }
            match &inner.body {
                PartBody::Text(text) | PartBody::Refusal(text) => {
                    self.note_refusal(inner);
                    texts.push(text.clone());
                }
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
