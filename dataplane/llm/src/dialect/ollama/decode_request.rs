//! A client's Ollama request to the neutral one.
//!
//! No client speaks this format to Penstock. Tests do, to see that what is written reads back; a member without a meaning of
//! its own may be lost here.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Map, Value};

use crate::dialect::Format;
use crate::dialect::fields::{Fields, take_own, wrong};
use crate::dialect::ids::made_call_id;
use crate::error::BadRequest;
use crate::message::{
    Message, Part, PartBody, Reasoning, ReasoningBlock, Request, ResponseFormat, Role, Tool, ToolCall,
};

use super::image;

type Decoded<T> = Result<T, BadRequest>;

pub(super) fn decode(body: &[u8]) -> Decoded<Request> {
    let mut fields = Fields::of_body(body)?;
    let mut request = Request {
        model: fields.required_string("model")?,
        // Unlike everywhere else.
        stream: fields.bool("stream")?.unwrap_or(true),
        include_usage: true,
        origin: Some(Format::Ollama),
        ..Request::default()
    };
    let mut calls = Calls::default();
    for (path, value) in fields.list("messages")?.ok_or_else(|| fields.missing("messages"))? {
        message(Fields::of(value, path)?, &mut calls, &mut request)?;
    }
    for (path, value) in fields.list("tools")?.unwrap_or_default() {
        request.tools.push(tool(Fields::of(value, path)?)?);
    }
    request.response_format = response_format(&mut fields)?;
    request.reasoning = reasoning(&mut fields)?;
    request.logprobs = fields.bool("logprobs")?;
    request.top_logprobs = fields.count("top_logprobs")?;
    if let Some(options) = fields.object("options")? {
        let rest = read_options(options, &mut request)?;
        if !rest.is_empty() {
            fields.keep("options", rest.into());
        }
    }
    take_own(&mut fields, &mut request)?;
    request.extra = fields.rest();
    Ok(request)
}

/// What has no neutral meaning stays.
fn read_options(mut options: Fields, request: &mut Request) -> Decoded<Map<String, Value>> {
    // Below 0 it means "until the end" or "until the window is full".
    let is_limit = |limit: &Value| limit.as_i64().is_none_or(|limit| limit >= 0);
    if options.get("num_predict").is_some_and(is_limit) {
        request.max_tokens = options.count("num_predict")?;
    }
    request.temperature = options.number("temperature")?;
    request.top_p = options.number("top_p")?;
    request.top_k = options.count("top_k")?;
    request.presence_penalty = options.number("presence_penalty")?;
    request.frequency_penalty = options.number("frequency_penalty")?;
    if let Some(seed) = options.take("seed") {
        request.seed = Some(seed.as_i64().ok_or_else(|| options.wrong("seed", "a whole number"))?);
    }
    request.stop = stop(&mut options)?;
    Ok(options.rest())
}

fn stop(options: &mut Fields) -> Decoded<Vec<String>> {
    if let Some(Value::String(_)) = options.get("stop") {
        return Ok(options.string("stop")?.into_iter().collect());
    }
    let items = options.list("stop")?.unwrap_or_default();
    let text = |(path, item)| match item {
        Value::String(text) => Ok(text),
        _ => Err(wrong(path, "a string")),
    };
    items.into_iter().map(text).collect()
}

/// The calls of the last assistant message. A result tells its tool's name, or newer servers' id.
#[derive(Default)]
struct Calls {
    /// Ids in order, and whether a result came.
    calls: Vec<(String, bool)>,
    by_name: BTreeMap<String, VecDeque<usize>>,
    by_id: BTreeMap<String, usize>,
    /// No call before it is open.
    first_open: usize,
    /// Ids that we made, over all messages.
    made: usize,
}

impl Calls {
    /// Another assistant message: whatever waited is over.
    fn begin(&mut self) {
        *self = Self { made: self.made, ..Self::default() };
    }

    fn open(&mut self, name: &str, own: Option<String>) -> String {
        let id = own.unwrap_or_else(|| {
            self.made += 1;
            made_call_id("", self.made - 1)
        });
        let place = self.calls.len();
        self.calls.push((id.clone(), false));
        self.by_name.entry(name.to_owned()).or_default().push_back(place);
        self.by_id.insert(id.clone(), place);
        id
    }

    /// The id of the call that a result answers: its own, or that of the first open call of this name, or of the first
    /// open call at all where there is no name.
    fn close(&mut self, id: Option<String>, name: Option<&str>) -> Option<String> {
        let place = match (&id, name) {
            (Some(id), _) => self.by_id.get(id).copied(),
            (None, Some(name)) => self.first_named(name),
            (None, None) => self.first(),
        };
        let found = place.and_then(|place| self.calls.get_mut(place)).map(|(id, is_closed)| {
            *is_closed = true;
            id.clone()
        });
        id.or(found)
    }

    fn is_open(&self, place: usize) -> bool {
        self.calls.get(place).is_some_and(|(_, is_closed)| !is_closed)
    }

    fn first_named(&mut self, name: &str) -> Option<usize> {
        loop {
            let place = self.by_name.get_mut(name)?.pop_front()?;
            if self.is_open(place) {
                return Some(place);
            }
        }
    }

    fn first(&mut self) -> Option<usize> {
        while self.first_open < self.calls.len() && !self.is_open(self.first_open) {
            self.first_open += 1;
        }
        self.is_open(self.first_open).then_some(self.first_open)
    }
}

fn message(mut fields: Fields, calls: &mut Calls, request: &mut Request) -> Decoded<()> {
    let role = fields.required_string("role")?;
    let mut parts = Vec::new();
    if let Some(text) = fields.string("thinking")?.filter(|text| !text.is_empty()) {
        parts.push(PartBody::Reasoning(ReasoningBlock::Thinking { text, signature: None }).into());
    }
    if let Some(text) = fields.string("content")?.filter(|text| !text.is_empty()) {
        parts.push(Part::text(text));
    }
    for (path, item) in fields.list("images")?.unwrap_or_default() {
        match item {
            Value::String(data) => parts.push(PartBody::Image(image::read(&data)).into()),
            _ => return Err(wrong(path, "base64 text")),
        }
    }
    let role = match role.as_str() {
        "system" | "developer" => {
            request.instruct(parts);
            return Ok(());
        }
        "user" => Role::User,
        "assistant" => {
            calls.begin();
            for (path, value) in fields.list("tool_calls")?.unwrap_or_default() {
                parts.push(tool_call(Fields::of(value, path)?, calls)?);
            }
            Role::Assistant
        }
        "tool" => {
            // `name` is what some clients send.
            let older = fields.string("name")?;
            let name = fields.string("tool_name")?.or(older);
            let id = fields.string("tool_call_id")?;
            let id = calls.close(id, name.as_deref()).or(name).unwrap_or_default();
            let result = PartBody::ToolResult { id, parts: std::mem::take(&mut parts), is_error: false };
            parts.push(result.into());
            Role::User
        }
        _ => return Err(fields.wrong("role", "one of system, user, assistant, tool")),
    };
    request.messages.push(Message { extra: fields.rest(), ..Message::new(role, parts) });
    Ok(())
}

fn tool_call(mut fields: Fields, calls: &mut Calls) -> Decoded<Part> {
    let mut function = fields.object("function")?.ok_or_else(|| fields.missing("function"))?;
    let name = function.required_string("name")?;
    let arguments = match function.take("arguments") {
        None => "{}".to_owned(),
        Some(Value::String(text)) => text,
        Some(arguments @ Value::Object(_)) => arguments.to_string(),
        Some(_) => return Err(function.wrong("arguments", "an object")),
    };
    let own = fields.string("id")?.filter(|id| !id.is_empty());
    let id = calls.open(&name, own);
    fields.take("type");
    let part = Part::from(PartBody::ToolCall(ToolCall { id, name, arguments, signature: None }));
    Ok(Part { extra: fields.rest(), ..part })
}

fn tool(mut fields: Fields) -> Decoded<Tool> {
    let kind = fields.string("type")?;
    if kind.as_deref().is_some_and(|kind| kind != "function") {
        fields.keep("type", kind.into());
        return Ok(Tool { opaque: Some(fields.rest().into()), ..Tool::default() });
    }
    let mut function = fields.object("function")?.ok_or_else(|| fields.missing("function"))?;
    Ok(Tool {
        name: function.required_string("name")?,
        description: function.string("description")?,
        parameters: function.object("parameters")?.map(|parameters| parameters.rest().into()),
        extra: function.rest(),
        ..Tool::default()
    })
}

/// `"json"`, a schema, or an empty text, which the official clients send for nothing.
fn response_format(fields: &mut Fields) -> Decoded<Option<ResponseFormat>> {
    match fields.take("format") {
        None => Ok(None),
        Some(Value::String(word)) => match word.as_str() {
            "" => Ok(None),
            "json" => Ok(Some(ResponseFormat::JsonObject)),
            _ => Err(fields.wrong("format", "\"json\" or a JSON Schema")),
        },
        Some(schema @ Value::Object(_)) => {
            let name = "answer".to_owned();
            Ok(Some(ResponseFormat::JsonSchema { name, schema, strict: None, description: None }))
        }
        Some(_) => Err(fields.wrong("format", "\"json\" or a JSON Schema")),
    }
}

fn reasoning(fields: &mut Fields) -> Decoded<Option<Reasoning>> {
    match fields.take("think") {
        None => Ok(None),
        Some(Value::Bool(true)) => Ok(Some(Reasoning::On)),
        Some(Value::Bool(false)) => Ok(Some(Reasoning::Off)),
        Some(Value::String(level)) if !level.is_empty() => Ok(Some(Reasoning::Effort(level))),
        Some(_) => Err(fields.wrong("think", "true, false, or a level such as \"high\"")),
    }
}
