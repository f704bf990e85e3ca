//! The neutral conversation that every dialect translates from and to.

use serde_json::{Map, Value};

use crate::Field;

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
    /// Some of them stood behind a message: they go in front of all of them.
    pub late_system: bool,
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
    /// The client asked for reasoning by Penstock's own `thinking_mode`; the ledger names that field then.
    pub thinking_mode: Option<bool>,
    pub response_format: Option<ResponseFormat>,
    /// Answers to write, OpenAI's `n`.
    pub n: Option<u64>,
    pub seed: Option<i64>,
    pub presence_penalty: Option<f64>,
    pub frequency_penalty: Option<f64>,
    /// OpenAI's map of token ids to biases, untouched.
    pub logit_bias: Option<Value>,
    pub logprobs: Option<bool>,
    pub top_logprobs: Option<u64>,
    /// OpenAI's word (`auto`, `default`, `flex`, `priority`, ...).
    pub service_tier: Option<String>,
    /// OpenAI's `verbosity`.
    pub verbosity: Option<String>,
    /// OpenAI's `metadata`, untouched.
    pub metadata: Option<Map<String, Value>>,
    /// Penstock's `provider_options`: for each provider type in lower case, members that join its body untouched.
    pub provider_options: Map<String, Value>,
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
    /// Sound; the media type tells its format (`audio/wav`, `audio/mpeg`, ...).
    Audio(Media),
    Video(Media),
    /// A PDF or other document.
    Document {
        media: Media,
        name: Option<String>,
    },
    /// The model's own refusal text.
    Refusal(String),
    Reasoning(ReasoningBlock),
    ToolCall(ToolCall),
    /// A source that the text before it rests on.
    Citation(Citation),
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

/// Where the bytes of an image, a sound, a video or a document are.
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
    Thinking { text: String, signature: Option<Signature> },
    /// Encrypted by its issuer.
    Redacted { data: Signature },
}

/// Opaque state of a model's reasoning. It goes back to its issuer byte-exact, and to nobody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    pub issuer: Issuer,
    /// The issuer's bytes, as text.
    pub value: String,
}

macro_rules! issuers {
    ($($(#[$doc:meta])* $id:ident = $name:literal,)*) => {
        /// Who can read a [`Signature`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Issuer {
            $($(#[$doc])* $id,)*
        }

        impl Issuer {
            pub const ALL: [Self; [$(Self::$id),*].len()] = [$(Self::$id),*];

            /// As carriers write it.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$id => $name,)*
                }
            }
        }
    };
}

// Every vendor that speaks Anthropic's or OpenAI's newer format is one, whether it is known to sign or not: without a
// name of its own, what it signs would look like Anthropic's or OpenAI's.
issuers! {
    /// Claude, wherever it runs: Anthropic's page "Extended thinking" says that signatures are valid across
    /// Anthropic's API, Amazon Bedrock and Vertex AI.
    Anthropic = "anthropic",
    /// Google AI Studio.
    Gemini = "gemini",
    /// Gemini on Vertex AI, which refuses signatures of AI Studio.
    Vertex = "vertex",
    OpenAI = "openai",
    Azure = "azure",
    Xai = "xai",
    /// Models on Amazon Bedrock other than Claude.
    Bedrock = "bedrock",
    OpenRouter = "openrouter",
    ByteDance = "bytedance",
    Cloudflare = "cloudflare",
    DeepSeek = "deepseek",
    Fireworks = "fireworks",
    Groq = "groq",
    MiniMax = "minimax",
    Moonshot = "moonshot",
    Qwen = "qwen",
    SambaNova = "sambanova",
    Zhipu = "zhipu",
}

impl Issuer {
    /// The issuer that carriers write so.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|issuer| issuer.as_str() == name)
    }
}

/// A source that an answer rests on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Citation {
    pub url: Option<String>,
    pub title: Option<String>,
    /// The words of the source.
    pub cited_text: Option<String>,
    /// Where in the answer's text the cited passage stands, in characters (Unicode scalar values).
    pub start: Option<u64>,
    pub end: Option<u64>,
    /// The citation as its own format wrote it, which that format's encoder writes back.
    pub own: Option<(crate::Format, Value)>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ToolCall {
    pub id: String,
    pub name: String,
    /// JSON text, exactly as the model wrote it; `{}` when there are none.
    pub arguments: String,
    /// Gemini signs the call itself.
    pub signature: Option<Signature>,
}

#[derive(Clone, Debug, Default, PartialEq)]
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
    /// Think, as much as the model does by itself (`thinking_mode: true`).
    On,
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

/// Tokens, by class. Classes do not overlap, except that `reasoning` is a part of `output`, and `cache_write_1h` one of
/// `cache_write`. `None` is unknown, never 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Prompt tokens that were neither read from nor written to a cache.
    pub input: Option<u64>,
    pub cache_read: Option<u64>,
    pub cache_write: Option<u64>,
    /// The part of `cache_write` that lives for an hour and costs more.
    pub cache_write_1h: Option<u64>,
    /// All generated tokens, reasoning included.
    pub output: Option<u64>,
    pub reasoning: Option<u64>,
    /// What is charged for, where the provider counts that apart from what the model read and wrote.
    pub billed: Option<Billed>,
}

/// Tokens that a provider charges for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Billed {
    /// Of the prompt, cached or not.
    pub input: u64,
    /// Generated, reasoning included.
    pub output: u64,
}

impl Usage {
    /// Later reports are cumulative: what they know replaces what was known.
    pub fn merge(&mut self, later: &Usage) {
        let pick = |old: &mut Option<u64>, new: Option<u64>| *old = new.or(*old);
        pick(&mut self.input, later.input);
        pick(&mut self.cache_read, later.cache_read);
        pick(&mut self.cache_write, later.cache_write);
        pick(&mut self.cache_write_1h, later.cache_write_1h);
        pick(&mut self.output, later.output);
        pick(&mut self.reasoning, later.reasoning);
        self.billed = later.billed.or(self.billed);
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
    /// `Text`, `Refusal`, `Reasoning`, `ToolCall`, `Citation`, `Image`, `Audio` and `Opaque` parts.
    pub parts: Vec<Part>,
    pub finish: Option<FinishReason>,
    /// OpenAI's `choices[].logprobs`, untouched.
    pub logprobs: Option<Value>,
    /// The second and further answers, where `n` asked for them.
    pub more: Vec<Choice>,
    pub usage: Usage,
    /// The tier that served the request, in OpenAI's word.
    pub service_tier: Option<String>,
}

/// One answer of several.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Choice {
    pub parts: Vec<Part>,
    pub finish: Option<FinishReason>,
    pub logprobs: Option<Value>,
}

impl Response {
    /// Nothing to read and nothing that explains it: a model that just stopped has said something.
    pub fn is_empty(&self) -> bool {
        let is_explained = !matches!(self.finish, None | Some(FinishReason::Stop));
        !is_explained && !self.says_something()
    }

    /// The provider says that it filtered the content, and nothing else.
    pub fn is_filtered(&self) -> bool {
        self.finish == Some(FinishReason::ContentFilter) && !self.says_something()
    }

    fn says_something(&self) -> bool {
        self.parts.iter().any(|part| match &part.body {
            PartBody::Text(text) | PartBody::Refusal(text) => !text.is_empty(),
            _ => true,
        })
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
    ReasoningSignature(Signature),
    ReasoningRedacted(Signature),
    /// A tool call begins. `index` counts the calls of this answer from 0, by our own counter.
    ToolCallStart {
        index: usize,
        id: String,
        name: String,
        signature: Option<Signature>,
    },
    /// A piece of the arguments' JSON text.
    ToolCallArguments {
        index: usize,
        fragment: String,
    },
    /// A source of the text so far.
    Citation(Citation),
    /// An image or a sound that the model made, complete.
    Image(Media),
    Audio(Media),
    /// A block that only its own format knows, complete.
    Opaque {
        format: crate::Format,
        value: Value,
    },
    /// The events behind it belong to this one of several answers, counted from 0. Without it they belong to the
    /// first. Tool calls are counted in each answer.
    Choice(usize),
    /// A piece of OpenAI's `choices[].logprobs`, untouched.
    Logprobs(Value),
    ServiceTier(String),
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
            | Self::Citation(_)
            | Self::Image(_)
            | Self::Audio(_)
            | Self::Opaque { .. } => true,
            Self::Start { .. }
            | Self::Choice(_)
            | Self::Logprobs(_)
            | Self::ServiceTier(_)
            | Self::Usage(_)
            | Self::Finish(_)
            | Self::Error(_) => false,
        }
    }
}

impl Request {
    /// Adds instructions, which may stand anywhere in a conversation.
    pub fn instruct(&mut self, mut parts: Vec<Part>) {
        self.late_system |= !self.messages.is_empty() && !parts.is_empty();
        self.system.append(&mut parts);
    }

    /// The field by which the client asked for reasoning, for the ledger.
    pub fn reasoning_field(&self) -> Field {
        match (self.thinking_mode, &self.reasoning) {
            // The format's own words win, and tell more than a switch where they say the same.
            (Some(_), Some(Reasoning::On | Reasoning::Off)) => Field::ThinkingMode,
            _ => self.chat_member().unwrap_or(Field::Reasoning),
        }
    }

    /// The same, of how much.
    pub fn effort_field(&self) -> Field {
        match &self.reasoning {
            Some(Reasoning::Effort(_) | Reasoning::Adaptive(Some(_))) => Field::ReasoningEffort,
            Some(Reasoning::Budget(_)) => self.chat_member().unwrap_or(Field::ReasoningBudget),
            Some(Reasoning::On | Reasoning::Off | Reasoning::Adaptive(None)) | None => self.reasoning_field(),
        }
    }

    /// OpenAI's chat format has one word for it, `reasoning_effort`; other servers have members of their own.
    fn chat_member(&self) -> Option<Field> {
        let is_own = self.origin == Some(crate::Format::Chat);
        let is_word = matches!(&self.reasoning, Some(Reasoning::Effort(_) | Reasoning::Adaptive(Some(_))));
        let told = |name: &&'static str| self.extra.get(*name).is_some_and(|value| !value.is_null());
        let names = ["reasoning", "thinking", "thinking_budget", "enable_thinking"];
        names.into_iter().find(told).filter(|_| is_own && !is_word).map(Field::Extra)
    }
}
