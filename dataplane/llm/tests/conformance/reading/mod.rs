//! What a client should see of an answer, read from its JSON by the vendors' documentation: one file a format.
//!
//! Refuses to know the decoders and encoders that it checks.

mod chat;
mod cohere;
mod completions;
mod converse;
pub mod event_stream;
mod gemini;
mod messages;
mod neutral;
mod ollama;
mod partial;
mod responses;

use std::fmt::{self, Debug};

use penstock_llm::Format;
use serde_json::{Map, Value, json};

/// What a client acts on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    pub text: String,
    pub refusal: String,
    /// Reasoning that the model showed.
    pub thoughts: String,
    /// Calls that the client is to execute; never those of tools that the provider runs.
    pub calls: Vec<Call>,
    pub finish: Option<Finish>,
    pub tokens: Tokens,
    /// The second and further answers, where several were asked for.
    pub more: Vec<Reading>,
}

#[derive(Clone, PartialEq)]
pub struct Call {
    /// Where the provider gave one.
    pub id: Option<String>,
    pub name: String,
    /// The JSON that the text is, or the text where it is none.
    pub arguments: Value,
}

impl Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}{}({})",
            self.name,
            self.id.as_deref().map_or(String::new(), |id| format!("#{id}")),
            self.arguments
        )
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finish {
    Stop,
    Length,
    ToolCalls,
    ContentFilter,
    /// A word that belongs to none of the classes.
    Other(String),
}

/// Token counts. Cached and written tokens are part of the prompt, reasoning is part of the output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    pub prompt: Option<u64>,
    pub cached: u64,
    pub written: u64,
    pub output: Option<u64>,
    pub reasoning: u64,
}

/// What an answer with status 200 is.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    Answer(Reading),
    /// The provider says that it failed.
    Failure,
}

/// A complete answer.
pub fn whole(body: &Value, format: Format) -> Outcome {
    match format {
        Format::Chat => chat::whole(body),
        Format::Responses => responses::whole(body),
        Format::Completions => completions::whole(body),
        Format::Messages => messages::whole(body),
        Format::Gemini => gemini::whole(body),
        Format::Converse => converse::whole(body),
        Format::Cohere => cohere::whole(body),
        Format::Ollama => ollama::whole(body),
    }
}

/// A streamed answer.
pub fn stream(bytes: &[u8], format: Format) -> Outcome {
    match format {
        Format::Chat => chat::stream(&data_lines(bytes)),
        Format::Responses => responses::stream(&data_lines(bytes)),
        Format::Completions => completions::stream(&data_lines(bytes)),
        Format::Messages => messages::stream(&data_lines(bytes)),
        Format::Gemini => gemini::stream(&data_lines(bytes)),
        Format::Converse => converse::stream(&event_stream::read(bytes)),
        Format::Cohere => cohere::stream(&data_lines(bytes)),
        Format::Ollama => ollama::stream(&json_lines(bytes)),
    }
}

/// The JSON of every piece of a stream.
pub fn pieces(bytes: &[u8], format: Format) -> Vec<Value> {
    match format {
        Format::Converse => event_stream::read(bytes).into_iter().map(|message| message.payload).collect(),
        Format::Ollama => json_lines(bytes),
        _ => data_lines(bytes),
    }
}

impl Reading {
    /// What differs from the reading that is wanted, in words.
    pub fn differences(&self, wanted: &Self) -> Vec<String> {
        let Self { text, refusal, thoughts, calls, finish, tokens, more } = self;
        let mut out = Vec::new();
        let mut differ = |member: &str, got: &dyn Debug, want: &dyn Debug| {
            out.push(format!("{member}: got {got:?}, want {want:?}"));
        };
        if *text != wanted.text {
            differ("text", text, &wanted.text);
        }
        if *refusal != wanted.refusal {
            differ("refusal", refusal, &wanted.refusal);
        }
        // Between two pieces of reasoning some formats need a line break.
        if letters(thoughts) != letters(&wanted.thoughts) {
            differ("thoughts", thoughts, &wanted.thoughts);
        }
        if calls.len() != wanted.calls.len() || !calls.iter().zip(&wanted.calls).all(|(a, b)| a.agrees(b)) {
            differ("calls", calls, &wanted.calls);
        }
        if *finish != wanted.finish {
            differ("finish", finish, &wanted.finish);
        }
        if *tokens != wanted.tokens {
            differ("tokens", tokens, &wanted.tokens);
        }
        if more.len() != wanted.more.len() {
            differ("further answers", &more.len(), &wanted.more.len());
        }
        for (more, wanted) in more.iter().zip(&wanted.more) {
            out.extend(more.differences(wanted));
        }
        out
    }

    /// The client is to act, whatever word the provider has for it.
    fn with_calls(mut self) -> Self {
        if self.finish == Some(Finish::Stop) && !self.calls.is_empty() {
            self.finish = Some(Finish::ToolCalls);
        }
        self
    }
}

impl Call {
    fn agrees(&self, wanted: &Self) -> bool {
        let is_same_id = self.id.is_none() || wanted.id.is_none() || self.id == wanted.id;
        is_same_id && self.name == wanted.name && self.arguments == wanted.arguments
    }
}

fn letters(text: &str) -> String {
    text.split_whitespace().collect()
}

/// The answers in their order, the first with what belongs to all of them.
fn answers(readings: impl IntoIterator<Item = Reading>, tokens: Tokens) -> Outcome {
    let mut readings = readings.into_iter();
    let first = readings.next().unwrap_or_default();
    Outcome::Answer(Reading { tokens, more: readings.collect(), ..first })
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// An id that names something.
fn id(value: &Value) -> Option<String> {
    value.as_str().filter(|id| !id.is_empty()).map(str::to_owned)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// The JSON that a text of arguments is; no text is no arguments.
fn arguments(text: &str) -> Value {
    if text.trim().is_empty() {
        json!({})
    } else {
        serde_json::from_str(text).unwrap_or_else(|_| text.into())
    }
}

/// Arguments that are JSON themselves.
fn object(value: &Value) -> Value {
    if value.is_null() { Map::new().into() } else { value.clone() }
}

/// The JSON of every `data:` line.
fn data_lines(bytes: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(bytes).expect("a stream is UTF-8");
    let lines = text.lines().filter_map(|line| line.strip_prefix("data:")).map(str::trim);
    lines.filter(|data| *data != "[DONE]" && !data.is_empty()).map(read_json).collect()
}

fn json_lines(bytes: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(bytes).expect("a stream is UTF-8");
    text.lines().filter(|line| !line.trim().is_empty()).map(read_json).collect()
}

fn read_json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("not JSON ({error}): {text}"))
}
