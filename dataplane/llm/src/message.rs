//! The neutral conversation that every dialect translates from and to.

use serde_json::{Map, Value};

/// A request, decoded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Request {
    /// What the client asked for.
    pub model: String,
    pub stream: bool,
    /// The client wants a usage chunk at the end of a stream (always true for formats that always send it).
    pub include_usage: bool,
    /// System and developer instructions, in order.
    pub system: Vec<Part>,
    pub messages: Vec<Message>,
    pub tools: Vec<Tool>,
    pub tool_choice: Option<ToolChoice>,
    /// `false`: at most one tool call an answer.
    pub parallel_tool_calls: Option<bool>,
    pub max_tokens: Option<u64>,
    pub temperature: Option<f64>,
    pub top_p: Option<f64>,
    pub top_k: Option<u64>,
    pub stop: Vec<String>,
    /// The client's end user.
    pub user: Option<String>,
    pub reasoning: Option<Reasoning>,
    pub response_format: Option<ResponseFormat>,
    /// Fields of the client's format without a neutral meaning, untouched and in order; an encoder of the same
    /// format writes them back, any other notes each in the ledger.
    pub extra: Map<String, Value>,
    /// Format that `extra` and opaque parts belong to.
    pub origin: Option<crate::Format>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    pub role: Role,
    pub parts: Vec<Part>,
    /// OpenAI's participant name.
    pub name: Option<String>,
    /// Members without a neutral meaning, untouched; they belong to [`Request::origin`].
    pub extra: Map<String, Value>,
}

impl Message {
    pub fn new(role: Role, parts: Vec<Part>) -> Self {
        Self { role, parts, name: None, extra: Map::new() }
    }
}

/// Tool results are parts of a user message; system text is in [`Request::system`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    User,
    Assistant,
}

/// A piece of a message.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    pub body: PartBody,
    /// Anthropic's `cache_control`, untouched.
    pub cache_control: Option<Value>,
    /// Members without a neutral meaning (`citations`, ...), untouched; they belong to the format it came from.
    pub extra: Map<String, Value>,
}

impl From<PartBody> for Part {
    fn from(body: PartBody) -> Self {
        Self { body, cache_control: None, extra: Map::new() }
    }
}

impl Part {
    pub fn text(text: impl Into<String>) -> Self {
        PartBody::Text(text.into()).into()
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum PartBody {
    Text(String),
    Image(Media),
    /// A PDF or other document.
    Document {
        media: Media,
        name: Option<String>,
    },
    /// The model's own refusal text.
    Refusal(String),
    Reasoning(ReasoningBlock),
    ToolCall(ToolCall),
    ToolResult {
        id: String,
        parts: Vec<Part>,
        is_error: bool,
    },
    /// A block that only its own format knows (server tool use, audio, citations, ...), untouched.
    Opaque {
        format: crate::Format,
        value: Value,
    },
}

/// Where the bytes of an image or document are.
#[derive(Clone, Debug, PartialEq)]
pub enum Media {
    Url {
        url: String,
        detail: Option<String>,
    },
    Base64 {
        media_type: String,
        data: String,
        detail: Option<String>,
    },
    /// A document that is plain text.
    PlainText(String),
}

/// Reasoning that a model showed, with what must come back untouched in the next turn.
#[derive(Clone, Debug, PartialEq)]
pub enum ReasoningBlock {
    /// Text, possibly empty, with the issuer's signature.
    Thinking { text: String, signature: Option<String> },
    /// Encrypted by its issuer.
    Redacted { data: String },
}

#[derive(Clone, Debug, PartialEq)]
pub struct ToolCall {
    pub id: String,
    pub name: String,
    /// JSON text, exactly as the model wrote it; `{}` when there are none.
    pub arguments: String,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Tool {
    pub name: String,
    pub description: Option<String>,
    /// JSON Schema of the arguments.
    pub parameters: Option<Value>,
    pub strict: Option<bool>,
    pub cache_control: Option<Value>,
    /// Set when the tool is one that only its own format knows (a server tool, a custom tool); then the rest is empty.
    pub opaque: Option<Value>,
    /// Members without a neutral meaning, untouched; they belong to [`Request::origin`].
    pub extra: Map<String, Value>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum ToolChoice {
    Auto,
    /// No tool may be called.
    None,
    /// Some tool must be called.
    Required,
    /// This tool must be called.
    Named(String),
}

/// How much the model should think before it answers.
#[derive(Clone, Debug, PartialEq)]
pub enum Reasoning {
    Off,
    /// OpenAI's `reasoning_effort` (`minimal`, `low`, `medium`, `high`, ...).
    Effort(String),
    /// Anthropic's `thinking` with a token budget.
    Budget(u64),
    /// Anthropic's adaptive thinking, with an effort where one was given.
    Adaptive(Option<String>),
}

#[derive(Clone, Debug, PartialEq)]
pub enum ResponseFormat {
    Text,
    JsonObject,
    JsonSchema { name: String, schema: Value, strict: Option<bool>, description: Option<String> },
}

/// Tokens, by class. Classes do not overlap, except that `reasoning` is a part of `output`. `None` is unknown, never 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Prompt tokens that were neither read from nor written to a cache.
    pub input: Option<u64>,
    pub cache_read: Option<u64>,
    pub cache_write: Option<u64>,
    /// All generated tokens, reasoning included.
    pub output: Option<u64>,
    pub reasoning: Option<u64>,
}

impl Usage {
    /// Later reports are cumulative: what they know replaces what was known.
    pub fn merge(&mut self, later: &Usage) {
        let pick = |old: &mut Option<u64>, new: Option<u64>| *old = new.or(*old);
        pick(&mut self.input, later.input);
        pick(&mut self.cache_read, later.cache_read);
        pick(&mut self.cache_write, later.cache_write);
        pick(&mut self.output, later.output);
        pick(&mut self.reasoning, later.reasoning);
    }

    /// OpenAI's `prompt_tokens`: the whole prompt, cached or not.
    pub fn prompt(&self) -> Option<u64> {
        let cached = self.cache_read.unwrap_or(0).saturating_add(self.cache_write.unwrap_or(0));
        Some(self.input?.saturating_add(cached))
    }

    pub fn is_known(&self) -> bool {
        self.input.is_some() || self.output.is_some()
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FinishReason {
    Stop,
    /// One of the client's stop sequences; which, where the provider says so.
    StopSequence(Option<String>),
    Length,
    ToolCalls,
    ContentFilter,
    /// Anthropic's `pause_turn`, and any reason without a neutral meaning, in the provider's own word.
    Other(String),
}

/// A complete answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Response {
    pub id: Option<String>,
    /// The provider's name for the model that answered.
    pub model: Option<String>,
    /// Unix seconds, where the provider says.
    pub created: Option<u64>,
    /// `Text`, `Refusal`, `Reasoning`, `ToolCall` and `Opaque` parts.
    pub parts: Vec<Part>,
    pub finish: Option<FinishReason>,
    pub usage: Usage,
}

impl Response {
    /// Nothing to read and nothing that explains it: a model that just stopped has said something.
    pub fn is_empty(&self) -> bool {
        let says = |part: &Part| match &part.body {
            PartBody::Text(text) | PartBody::Refusal(text) => !text.is_empty(),
            _ => true,
        };
        let is_explained = !matches!(self.finish, None | Some(FinishReason::Stop));
        !is_explained && !self.parts.iter().any(says)
    }
}

/// One step of a streamed answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    Start {
        id: Option<String>,
        model: Option<String>,
        created: Option<u64>,
    },
    Text(String),
    Refusal(String),
    /// A piece of reasoning text.
    Reasoning(String),
    /// The signature that closes a reasoning block.
    ReasoningSignature(String),
    ReasoningRedacted(String),
    /// A tool call begins. `index` counts the calls of this answer from 0, by our own counter.
    ToolCallStart {
        index: usize,
        id: String,
        name: String,
    },
    /// A piece of the arguments' JSON text.
    ToolCallArguments {
        index: usize,
        fragment: String,
    },
    /// A block that only its own format knows, complete.
    Opaque {
        format: crate::Format,
        value: Value,
    },
    /// Cumulative so far.
    Usage(Usage),
    Finish(FinishReason),
    /// The provider reported a failure inside the stream.
    Error(crate::UpstreamError),
}

impl Event {
    /// Would a person call this the beginning of an answer? The commit point: from the first one on, failover is over.
    pub fn is_meaningful(&self) -> bool {
        match self {
            Self::Text(text) | Self::Refusal(text) | Self::Reasoning(text) => !text.is_empty(),
            Self::ReasoningSignature(_)
            | Self::ReasoningRedacted(_)
            | Self::ToolCallStart { .. }
            | Self::ToolCallArguments { .. }
            | Self::Opaque { .. } => true,
            Self::Start { .. } | Self::Usage(_) | Self::Finish(_) | Self::Error(_) => false,
        }
    }
}
