//! What a client's `input` holds: messages, calls, results, reasoning, and items that only a provider of this format
//! knows.
//!
//! A turn of the assistant is a list of items here and one message elsewhere: its items are joined. Ids and states of
//! items are left out: they name what a provider may have stored, and an item whose neighbours are written anew must
//! not name it.

use serde_json::{Map, Value};

use crate::dialect::fields::{Fields, with_paths, wrong};
use crate::dialect::openai_shared::custom_call;
use crate::dialect::{Format, carrier, media};
use crate::error::BadRequest;
use crate::message::{Media, Message, Part, PartBody, ReasoningBlock, Request, Role, ToolCall};

use super::{image_call, state};

type Decoded<T> = Result<T, BadRequest>;

/// A text is a user's message.
pub(super) fn input(input: Value, request: &mut Request) -> Decoded<()> {
    match input {
        Value::String(text) => {
            request.messages.push(Message::new(Role::User, vec![Part::text(text)]));
            Ok(())
        }
        Value::Array(items) => {
            let mut turn = Turns { request };
            for (path, value) in with_paths("input", items) {
                turn.item(Fields::of(value, path)?)?;
            }
            Ok(())
        }
        _ => Err(wrong("input".into(), "a string or a list")),
    }
}

struct Turns<'a> {
    request: &'a mut Request,
}

impl Turns<'_> {
    fn item(&mut self, mut fields: Fields) -> Decoded<()> {
        let kind = match fields.string("type")? {
            Some(kind) => kind,
            None if fields.get("role").is_some() => "message".into(),
            // The schema lets a reference go without its type.
            None if fields.get("id").is_some() => "item_reference".into(),
            None => return Err(fields.missing("type")),
        };
        match kind.as_str() {
            "message" => self.message(fields),
            "function_call" => {
                let (id, name) = (fields.required_string("call_id")?, fields.required_string("name")?);
                let arguments = fields.string("arguments")?.unwrap_or_default();
                self.call(&id, name, arguments, rest_of_item(fields));
                Ok(())
            }
            "custom_tool_call" => {
                let (id, name) = (fields.required_string("call_id")?, fields.required_string("name")?);
                let text = fields.string("input")?.unwrap_or_default();
                let value = custom_call(carrier::dismount(&id).0, &name, &text);
                let body = PartBody::Opaque { format: Format::Chat, value };
                self.assistant(Part { extra: rest_of_item(fields), ..body.into() });
                Ok(())
            }
            "function_call_output" | "custom_tool_call_output" => self.result(fields),
            "reasoning" => self.reasoning(fields),
            _ => {
                fields.keep("type", kind.as_str().into());
                self.other(&kind, fields.rest());
                Ok(())
            }
        }
    }

    fn message(&mut self, mut fields: Fields) -> Decoded<()> {
        let role = fields.required_string("role")?;
        let bad_role = fields.wrong("role", "one of user, assistant, system, developer");
        let path = fields.path("content");
        let mut parts = content(fields.take("content"), &path)?;
        let rest = rest_of_item(fields);
        match role.as_str() {
            "system" | "developer" => {
                if let Some(first) = parts.first_mut() {
                    first.extra.extend(rest);
                }
                self.request.instruct(parts);
            }
            "user" => {
                self.request.messages.push(Message { extra: rest, ..Message::new(Role::User, parts) });
            }
            "assistant" => {
                if let Some(first) = parts.first_mut() {
                    first.extra.extend(rest);
                }
                if self.has_spoken() {
                    self.request.messages.push(Message::new(Role::Assistant, parts));
                } else {
                    parts.into_iter().for_each(|part| self.assistant(part));
                }
            }
            _ => return Err(bad_role),
        }
        Ok(())
    }

    /// Did the assistant say something already, and call nothing? Then its next message is one of its own. Calls
    /// must stand together with their results behind them, so that a text beside them joins.
    fn has_spoken(&self) -> bool {
        let Some(Message { role: Role::Assistant, parts, .. }) = self.request.messages.last() else {
            return false;
        };
        let is_call = |part: &Part| matches!(part.body, PartBody::ToolCall(_) | PartBody::Opaque { .. });
        let is_text = |part: &Part| matches!(part.body, PartBody::Text(_) | PartBody::Refusal(_));
        parts.iter().any(is_text) && !parts.iter().any(is_call)
    }

    /// Joins the assistant's turn, or begins one.
    fn assistant(&mut self, part: Part) {
        match self.request.messages.last_mut() {
            Some(Message { role: Role::Assistant, parts, .. }) => parts.push(part),
            _ => self.request.messages.push(Message::new(Role::Assistant, vec![part])),
        }
    }

    /// What rides on the id comes before the call that it rides on.
    fn call(&mut self, id: &str, name: String, arguments: String, extra: Map<String, Value>) {
        let (id, rider) = carrier::dismount(id);
        let rider = rider.unwrap_or_default();
        let has_reasoning = self.request.messages.last().is_some_and(|last| {
            last.role == Role::Assistant
                && last.parts.iter().any(|part| matches!(part.body, PartBody::Reasoning(_)))
        });
        if !has_reasoning {
            rider.blocks.into_iter().for_each(|block| self.assistant(PartBody::Reasoning(block).into()));
        }
        let arguments = if arguments.is_empty() { "{}".to_owned() } else { arguments };
        let call = ToolCall { id: id.to_owned(), name, arguments, signature: rider.call };
        self.assistant(Part { extra, ..PartBody::ToolCall(call).into() });
    }

    /// Results of one turn's calls stand together.
    fn result(&mut self, mut fields: Fields) -> Decoded<()> {
        let id = fields.required_string("call_id")?;
        let path = fields.path("output");
        let Some(output) = fields.take("output") else { return Err(fields.missing("output")) };
        let parts = content(Some(output), &path)?;
        let id = carrier::dismount(&id).0.to_owned();
        let body = PartBody::ToolResult { id, parts, is_error: false };
        let part = Part { extra: rest_of_item(fields), ..body.into() };
        let is_result = |part: &Part| matches!(part.body, PartBody::ToolResult { .. });
        match self.request.messages.last_mut() {
            Some(last) if last.role == Role::User && last.parts.iter().all(is_result) => {
                last.parts.push(part)
            }
            _ => self.request.messages.push(Message::new(Role::User, vec![part])),
        }
        Ok(())
    }

    fn reasoning(&mut self, fields: Fields) -> Decoded<()> {
        let item = Value::Object(fields.rest());
        let text = |name: &str| item.get(name).and_then(Value::as_str);
        let block = state::unseal(text("id"), text("encrypted_content"), state::text_of(&item));
        let mut part = Part::from(PartBody::Reasoning(block));
        let shows_text = item.get("content").and_then(Value::as_array).is_some_and(|it| !it.is_empty());
        if let PartBody::Reasoning(ReasoningBlock::Thinking { signature: None, .. }) = &part.body
            && let Some(id) = text("id").filter(|id| id.starts_with("rs_") && !shows_text)
        {
            // OpenAI finds an item that it stored by this. What shows more than a summary is not OpenAI's.
            part.extra.insert("id".into(), id.into());
        }
        self.assistant(part);
        Ok(())
    }

    fn other(&mut self, kind: &str, item: Map<String, Value>) {
        if kind == "image_generation_call"
            && let Some(image) = image_call::read(&item)
        {
            return self.assistant(image);
        }
        let part = PartBody::Opaque { format: Format::Responses, value: item.into() }.into();
        if kind.ends_with("_call") {
            self.assistant(part);
        } else {
            self.request.messages.push(Message::new(Role::User, vec![part]));
        }
    }
}

/// What an item says beside its own members, without what only names the item.
fn rest_of_item(mut fields: Fields) -> Map<String, Value> {
    for name in ["id", "status"] {
        fields.take(name);
    }
    let mut rest = fields.rest();
    rest.retain(|_, value| !value.is_null());
    rest
}

fn content(value: Option<Value>, path: &str) -> Decoded<Vec<Part>> {
    match value {
        None => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(vec![Part::text(text)]),
        Some(Value::Array(items)) => {
            with_paths(path, items).into_iter().map(|(path, item)| part(Fields::of(item, path)?)).collect()
        }
        Some(_) => Err(wrong(path.to_owned(), "a string or a list")),
    }
}

fn part(mut fields: Fields) -> Decoded<Part> {
    let kind = fields.required_string("type")?;
    let body = match kind.as_str() {
        "input_text" | "output_text" | "text" => PartBody::Text(fields.required_string("text")?),
        "refusal" => PartBody::Refusal(fields.required_string("refusal")?),
        "input_image" => match fields.string("image_url")? {
            Some(url) => PartBody::Image(media::from_url(url, fields.string("detail")?)),
            None => return Ok(opaque_part(kind, fields)),
        },
        "input_file" => match document(&mut fields)? {
            Some(document) => document,
            None => return Ok(opaque_part(kind, fields)),
        },
        "input_audio" => {
            let mut audio = fields.object("input_audio")?.ok_or_else(|| fields.missing("input_audio"))?;
            let data = audio.required_string("data")?;
            let media_type = match audio.required_string("format")?.as_str() {
                "mp3" => "audio/mpeg".to_owned(),
                format => format!("audio/{format}"),
            };
            PartBody::Audio(Media::Base64 { media_type, data, detail: None })
        }
        _ => return Ok(opaque_part(kind, fields)),
    };
    let cache_control = fields.take("cache_control");
    // Probabilities of an earlier answer's tokens, which no model ever saw.
    fields.take("logprobs");
    let mut extra = fields.rest();
    let is_empty = |value: &Value| value.as_array().is_some_and(Vec::is_empty);
    extra.retain(|_, value| !value.is_null() && !is_empty(value));
    Ok(Part { body, cache_control, extra })
}

fn opaque_part(kind: String, mut fields: Fields) -> Part {
    fields.keep("type", kind.into());
    PartBody::Opaque { format: Format::Responses, value: fields.rest().into() }.into()
}

/// A file whose bytes are here, or at a URL; one by id is only its provider's.
fn document(fields: &mut Fields) -> Decoded<Option<PartBody>> {
    if fields.get("file_id").is_some_and(|id| !id.is_null()) {
        return Ok(None);
    }
    let name = fields.string("filename")?;
    let media = match (fields.string("file_data")?, fields.string("file_url")?) {
        (Some(data), _) => match media::split(&data) {
            Some((media_type, data)) => {
                Media::Base64 { media_type: media_type.to_owned(), data: data.to_owned(), detail: None }
            }
            // Bare base64 text, which OpenAI takes for a PDF.
            None => Media::Base64 { media_type: "application/pdf".into(), data, detail: None },
        },
        (None, Some(url)) => Media::Url { url, detail: None },
        (None, None) => return Err(fields.missing("file_data")),
    };
    Ok(Some(PartBody::Document { media, name }))
}
