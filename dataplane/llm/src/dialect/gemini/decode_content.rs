//! Contents and parts of a client's request.

use std::collections::{HashMap, HashSet, VecDeque};

use serde_json::{Map, Value};

use crate::dialect::Format;
use crate::dialect::fields::Fields;
use crate::error::BadRequest;
use crate::message::{Media, Message, Part, PartBody, ReasoningBlock, Role, ToolCall};

use super::case;
use super::media::{self, Kind};
use super::signature;

type Decoded<T> = Result<T, BadRequest>;

/// The messages of a conversation. Contents of the model that stand behind each other are one message: the SDKs keep
/// a streamed answer chunk by chunk.
pub(super) fn messages(contents: Vec<(String, Value)>) -> Decoded<Vec<Message>> {
    let mut reader = Reader::new(&contents);
    let mut out = Vec::new();
    let mut open: Option<Model> = None;
    for (path, value) in contents {
        let mut fields = case::fields(value, path)?;
        let role = match fields.string("role")?.as_deref() {
            // `function` is what results had before they were the user's.
            None | Some("" | "user" | "function") => Role::User,
            Some("model") => Role::Assistant,
            Some(_) => return Err(fields.wrong("role", "user or model")),
        };
        let parts = case::list(&mut fields, "parts")?.unwrap_or_default();
        let extra = fields.rest();
        match role {
            Role::Assistant => open.get_or_insert_default().push(parts, extra),
            Role::User => {
                out.extend(open.take().map(|model| model.read(&mut reader)).transpose()?);
                let parts = reader.parts(parts)?;
                out.push(Message { extra, ..Message::new(Role::User, parts) });
            }
        }
    }
    out.extend(open.take().map(|model| model.read(&mut reader)).transpose()?);
    Ok(out)
}

/// Parts of instructions.
pub(super) fn system(parts: Vec<(String, Value)>) -> Decoded<Vec<Part>> {
    Reader::new(&[]).parts(parts)
}

/// What the model said, of one content or of several.
#[derive(Default)]
struct Model {
    parts: Vec<(String, Value)>,
    extra: Map<String, Value>,
}

impl Model {
    fn push(&mut self, parts: Vec<(String, Value)>, extra: Map<String, Value>) {
        let mut parts = parts.into_iter();
        if let (Some((_, last)), Some((_, first))) = (self.parts.last_mut(), parts.as_slice().first())
            && continues(last, first)
        {
            join(last, first);
            parts.next();
        }
        self.parts.extend(parts);
        for (name, value) in extra {
            self.extra.entry(name).or_insert(value);
        }
    }

    fn read(self, reader: &mut Reader) -> Decoded<Message> {
        let parts = reader.parts(self.parts)?;
        Ok(Message { extra: self.extra, ..Message::new(Role::Assistant, parts) })
    }
}

/// Are these two pieces of one streamed text?
fn continues(last: &Value, next: &Value) -> bool {
    let is_thought = |part: &Value| part.get("thought") == Some(&Value::Bool(true));
    let is_text = |part: &Value, more: &str| {
        part.get("text").is_some_and(Value::is_string)
            && part.as_object().is_some_and(|part| {
                part.keys().all(|name| {
                    matches!(name.as_str(), "text" | "thought") || (!more.is_empty() && camel_is(name, more))
                })
            })
    };
    is_text(last, "") && is_text(next, "thoughtSignature") && is_thought(last) == is_thought(next)
}

fn camel_is(name: &str, wanted: &str) -> bool {
    name == wanted || (wanted == "thoughtSignature" && name == "thought_signature")
}

fn join(last: &mut Value, next: &Value) {
    let (Value::Object(last), Value::Object(next)) = (last, next) else { return };
    for (name, value) in next {
        match (last.get_mut(name), value) {
            (Some(Value::String(text)), Value::String(more)) => text.push_str(more),
            _ => drop(last.insert(name.clone(), value.clone())),
        }
    }
}

/// Reads parts, and remembers the calls: results may name their function alone.
struct Reader {
    /// Ids that the client gave.
    taken: HashSet<String>,
    made: usize,
    /// Calls by the function's name, oldest first; those of `answered` have their result.
    calls: HashMap<String, VecDeque<String>>,
    called: HashSet<String>,
    answered: HashSet<String>,
}

impl Reader {
    fn new(contents: &[(String, Value)]) -> Self {
        let mut taken = HashSet::new();
        for (_, content) in contents {
            let parts = content.get("parts").and_then(Value::as_array);
            for part in parts.map(Vec::as_slice).unwrap_or_default() {
                let call = part.get("functionCall").or_else(|| part.get("function_call"));
                taken.extend(call.and_then(|it| it.get("id")?.as_str()).map(str::to_owned));
            }
        }
        Self { taken, made: 0, calls: HashMap::new(), called: HashSet::new(), answered: HashSet::new() }
    }

    fn parts(&mut self, parts: Vec<(String, Value)>) -> Decoded<Vec<Part>> {
        let mut out = Vec::with_capacity(parts.len());
        for (path, value) in parts {
            self.part(case::fields(value, path)?, &mut out)?;
        }
        Ok(out)
    }

    /// The call of this function that waits longest for its result.
    fn oldest_open(&mut self, name: &str) -> Option<String> {
        let calls = self.calls.get_mut(name)?;
        while let Some(id) = calls.pop_front() {
            if !self.answered.contains(&id) {
                return Some(id);
            }
        }
        None
    }

    fn make_id(&mut self) -> String {
        loop {
            let id = format!("call_{}", self.made);
            self.made += 1;
            if !self.taken.contains(&id) {
                return id;
            }
        }
    }

    fn part(&mut self, mut fields: Fields, out: &mut Vec<Part>) -> Decoded<()> {
        if !is_known(&fields) {
            return opaque(fields, out);
        }
        let signed = fields.string("thoughtSignature")?.filter(|text| !text.is_empty());
        let is_thought = fields.bool("thought")?.unwrap_or(false);
        if let Some(text) = fields.string("text")? {
            return text_part(text, is_thought, signed, fields.rest(), out);
        }
        if let Some(call) = case::object(&mut fields, "functionCall")? {
            let call = self.call(call, signed.as_deref(), &mut fields)?;
            out.push(Part { extra: fields.rest(), ..PartBody::ToolCall(call).into() });
            return Ok(());
        }
        let body = if let Some(result) = case::object(&mut fields, "functionResponse")? {
            self.result(result, &mut fields)?
        } else if let Some(blob) = case::object(&mut fields, "inlineData")? {
            inline(blob, &mut fields)?
        } else if let Some(file) = case::object(&mut fields, "fileData")? {
            file_data(file, &mut fields)?
        } else {
            return opaque(fields, out);
        };
        out.push(Part { extra: fields.rest(), ..body.into() });
        let block = signed.and_then(|signed| signature::read_block(&signed, String::new()));
        out.extend(block.map(|block| PartBody::Reasoning(block).into()));
        Ok(())
    }

    fn call(&mut self, mut call: Fields, signed: Option<&str>, part: &mut Fields) -> Decoded<ToolCall> {
        let name = call.required_string("name")?;
        let id = match call.string("id")?.filter(|id| !id.is_empty()) {
            Some(id) => id,
            None => self.make_id(),
        };
        let arguments = call.object("args")?.map(|args| Value::from(args.rest()).to_string());
        keep(part, "functionCall", call);
        self.calls.entry(name.clone()).or_default().push_back(id.clone());
        self.called.insert(id.clone());
        let arguments = arguments.unwrap_or_else(|| "{}".to_owned());
        Ok(ToolCall { id, name, arguments, signature: signed.and_then(signature::read) })
    }

    fn result(&mut self, mut result: Fields, part: &mut Fields) -> Decoded<PartBody> {
        let name = result.required_string("name")?;
        let given = result.string("id")?.filter(|id| !id.is_empty());
        let id = given.or_else(|| self.oldest_open(&name)).unwrap_or_else(|| self.make_id());
        if !self.called.contains(&id) {
            // Nobody called it: what the call would tell stands here.
            result.keep("name", name.into());
        }
        self.answered.insert(id.clone());
        let (mut parts, is_error) = match result.object("response")? {
            Some(response) => output(response.rest()),
            None => (Vec::new(), false),
        };
        for (path, value) in case::list(&mut result, "parts")?.unwrap_or_default() {
            self.part(case::fields(value, path)?, &mut parts)?;
        }
        keep(part, "functionResponse", result);
        Ok(PartBody::ToolResult { id, parts, is_error })
    }
}

/// `{"output": text}` and `{"error": text}` are Google's own words around a text; anything else is the result itself.
fn output(response: Map<String, Value>) -> (Vec<Part>, bool) {
    let only = |name: &str| match response.get(name) {
        Some(Value::String(text)) if response.len() == 1 => Some(text.clone()),
        _ => None,
    };
    // Text that is an object would be written back as one.
    let is_plain = |text: &String| !text.trim_start().starts_with('{');
    match (only("output").filter(is_plain), only("error")) {
        (Some(text), _) => (vec![Part::text(text)], false),
        (_, Some(text)) => (vec![Part::text(text)], true),
        _ => (vec![Part::text(Value::from(response).to_string())], false),
    }
}

/// Puts what is left of a member back.
fn keep(part: &mut Fields, name: &str, inner: Fields) {
    if !inner.is_empty() {
        part.keep(name, inner.rest().into());
    }
}

fn text_part(
    text: String,
    is_thought: bool,
    signed: Option<String>,
    extra: Map<String, Value>,
    out: &mut Vec<Part>,
) -> Decoded<()> {
    if is_thought {
        let block = match &signed {
            Some(signed) => signature::read_block(signed, text),
            None => Some(ReasoningBlock::Thinking { text, signature: None }),
        };
        out.extend(block.map(|block| Part { extra, ..PartBody::Reasoning(block).into() }));
        return Ok(());
    }
    // An empty text is there for its signature alone.
    if !text.is_empty() || signed.is_none() || !extra.is_empty() {
        out.push(Part { extra, ..Part::text(text) });
    }
    let block = signed.and_then(|signed| signature::read_block(&signed, String::new()));
    out.extend(block.map(|block| PartBody::Reasoning(block).into()));
    Ok(())
}

/// Has it a neutral meaning? A piece of a streamed call has none, nor a file of which nobody can tell what it is.
fn is_known(part: &Fields) -> bool {
    let member = |name: &str| part.get(name).filter(|value| !value.is_null());
    let either = |of: &Value, camel: &str, snake: &str| of.get(camel).or_else(|| of.get(snake)).cloned();
    if let Some(call) = member("functionCall") {
        return either(call, "partialArgs", "partial_args").is_none()
            && either(call, "willContinue", "will_continue").is_none();
    }
    if let Some(file) = member("fileData") {
        let url = either(file, "fileUri", "file_uri");
        return either(file, "mimeType", "mime_type").is_some()
            || url.is_none_or(|url| media::type_of_url(url.as_str().unwrap_or_default(), None).is_some());
    }
    ["text", "functionResponse", "inlineData"].iter().any(|name| member(name).is_some())
}

/// A part that only this format has; nothing but a signature is one of the answer as a whole.
fn opaque(mut fields: Fields, out: &mut Vec<Part>) -> Decoded<()> {
    let signed = fields.string("thoughtSignature")?.filter(|text| !text.is_empty());
    let mut rest = fields.rest();
    if let (Some(signed), true) = (&signed, rest.keys().all(|name| name == "thought")) {
        let block = signature::read_block(signed, String::new());
        out.extend(block.map(|block| PartBody::Reasoning(block).into()));
        return Ok(());
    }
    if let Some(signed) = signed {
        rest.insert("thoughtSignature".into(), signed.into());
    }
    if !rest.is_empty() {
        out.push(PartBody::Opaque { format: Format::Gemini, value: rest.into() }.into());
    }
    Ok(())
}

fn inline(mut blob: Fields, part: &mut Fields) -> Decoded<PartBody> {
    let media_type = blob.required_string("mimeType")?;
    let data = blob.required_string("data")?;
    let kind = Kind::of(&media_type);
    let name = if kind == Kind::Document { blob.string("displayName")? } else { None };
    keep(part, "inlineData", blob);
    Ok(kind.part(Media::Base64 { media_type, data, detail: None }, name).body)
}

fn file_data(mut file: Fields, part: &mut Fields) -> Decoded<PartBody> {
    let url = file.required_string("fileUri")?;
    let media_type = file.string("mimeType")?;
    let by_url = media::type_of_url(&url, None);
    let kind = Kind::of(media_type.as_deref().or(by_url).unwrap_or_default());
    let name = if kind == Kind::Document { file.string("displayName")? } else { None };
    // What the URL tells as well would be written anyway.
    if let Some(given) = media_type.filter(|given| Some(given.as_str()) != by_url) {
        file.keep("mimeType", given.into());
    }
    keep(part, "fileData", file);
    Ok(kind.part(Media::Url { url, detail: None }, name).body)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(contents: Value) -> Vec<Message> {
        let Value::Array(contents) = contents else { unreachable!() };
        messages(crate::dialect::fields::with_paths("contents", contents)).unwrap()
    }

    #[test]
    fn chunks_of_a_streamed_answer_are_one_message() {
        let whole = read(json!([
            {"role": "user", "parts": [{"text": "hi"}]},
            {"role": "model", "parts": [
                {"text": "hmm.", "thought": true},
                {"text": "Hello", "thoughtSignature": "S"},
                {"functionCall": {"name": "f", "args": {}}},
            ]},
        ]));
        let chunks = read(json!([
            {"role": "user", "parts": [{"text": "hi"}]},
            {"role": "model", "parts": [{"text": "hm", "thought": true}]},
            {"role": "model", "parts": [{"text": "m.", "thought": true}]},
            {"role": "model", "parts": [{"text": "Hel"}]},
            {"role": "model", "parts": [{"text": "lo"}]},
            {"role": "model", "parts": [{"text": "", "thought_signature": "S"}]},
            {"role": "model", "parts": [{"function_call": {"name": "f"}}]},
        ]));
        assert_eq!(whole, chunks);
    }
}
