//! How servers that speak OpenAI's chat format depart from OpenAI, as data. One value a provider type (or model
//! family), in the provider's own file.

/// What one server makes of the chat format.
#[derive(Clone, Copy, Debug)]
pub struct Quirks {
    /// Top-level members that it refuses or ignores: left out, with notice.
    pub refuses: &'static [&'static str],
    /// Members of OpenAI's messages, parts and calls that it answers 4xx to: left out, with notice, and so is every
    /// one that is null. Where there are any, requests are always written anew.
    pub refuses_inside: &'static [&'static str],
    /// OpenAI's member and the server's own name for it.
    pub renames: &'static [(&'static str, &'static str)],
    /// What the answer's limit is called: `max_tokens`, or `max_completion_tokens`.
    pub limit: &'static str,
    /// Role of instructions: `system`, or `developer`.
    pub system_role: &'static str,
    /// Only 1 is taken for `temperature` and `top_p`, as OpenAI's reasoning models do.
    pub fixed_sampling: bool,
    /// Greatest `temperature`.
    pub max_temperature: f64,
    /// Takes `top_k`, which OpenAI does not have.
    pub takes_top_k: bool,
    /// Most stop sequences; 0 where `stop` is refused.
    pub max_stops: usize,
    /// The word for "some tool must be called".
    pub required_choice: &'static str,
    /// Takes a `tool_choice` that forces a call, and one that names a tool.
    pub forced_choice: bool,
    pub named_choice: bool,
    pub call_ids: CallIds,
    pub json: Json,
    pub reasoning: ReasoningControl,
    /// May an assistant message carry `reasoning_content`? DeepSeek and its like need it back in tool loops, OpenAI
    /// answers 400 to it.
    pub reasoning_history: bool,
    /// Answers 400 to a turn of tool calls that comes back without its `reasoning_content` while the model thinks
    /// (DeepSeek, Moonshot): then thinking is turned off.
    pub needs_reasoning_history: bool,
    /// Gets back reasoning state of which nothing says who wrote it (other gateways' `reasoning_details`, Google's
    /// signatures): it may be the server's own.
    pub opaque_history: bool,
    /// Takes Claude's signed thoughts back as entries of `reasoning_details`, as it writes them (Snowflake).
    pub claude_details: bool,
    /// Its answers are not all what OpenAI's SDKs read (content as a list of parts, calls without a name): they are
    /// written anew for clients of the format, too.
    pub odd_answers: bool,
    /// May end a stream with `[DONE]` without ever saying why the answer ended. From any other server such a stream was
    /// cut on its way.
    pub unsaid_finish: bool,
    /// Takes `stream_options.include_usage`; one that does not sends usage anyway or never.
    pub stream_options: bool,
    /// Kinds of content parts beside text and images.
    pub takes_audio: bool,
    /// `video_url` parts.
    pub takes_video: bool,
    /// `file` parts.
    pub takes_files: bool,
    /// Documents are `document_url` parts, by URL or with their bytes in a data URL.
    pub document_urls: bool,
    /// A `file` by its URL, and `audio_url` parts.
    pub file_urls: bool,
    pub takes_images: bool,
    /// Takes Anthropic's `cache_control` in its messages and tools.
    pub cache_control: bool,
    /// Longest `user`, in characters; 0 where it is refused.
    pub max_user: usize,
    /// Takes `metadata` only with what it stores; without `store: true` that is a 400.
    pub metadata_is_stored: bool,
    /// Greatest `top_logprobs`.
    pub max_top_logprobs: u64,
    /// `service_tier` has Anthropic's words, `auto` and `standard_only`.
    pub capacity_tiers: bool,
    /// Takes `parallel_tool_calls`; models that do not call several tools at once or one as they like.
    pub parallel_switch: bool,
    /// Refuses a user's message right behind tool results, an assistant's message that says nothing, and one at the end
    /// that is not to be continued (`prefix: true`): Mistral. Its answer to the last begins with that message again, and
    /// goes to the client so: where it ends would have to be known to who reads the answer.
    pub strict_turns: bool,
    /// Takes `name` in messages.
    pub participant_names: bool,
    /// Takes `strict` in the definition of a tool.
    pub strict_tools: bool,
    /// Takes OpenAI's custom tools, calls of them, and `allowed_tools`.
    pub custom_tools: bool,
    /// A tool without `parameters` is refused.
    pub needs_parameters: bool,
    /// Takes `json_object` where [`Self::json`] is [`Json::Schema`]: some take a schema or nothing.
    pub json_object: bool,
    /// Takes text as a list of parts; where it does not, the texts of a message are joined into one string.
    pub text_lists: bool,
    /// Takes a tool choice that forces a call while the model thinks.
    pub forced_choice_with_reasoning: bool,
    /// Words of `reasoning_effort` that it takes beside [`ReasoningControl::ThinkingType`], weakest first.
    pub thinking_efforts: &'static [&'static str],
    /// What `thinking.type` is called where the model shall think.
    pub thinking_on: &'static str,
    /// The member of an assistant message that carries earlier reasoning, where [`Self::reasoning_history`] is set.
    pub reasoning_member: &'static str,
    /// Answers as a stream alone: whoever wants a whole answer must collect one.
    pub stream_only: bool,
}

/// What a server takes as id of a tool call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallIds {
    Any,
    /// OpenAI: no longer than so many characters.
    AtMost(usize),
    /// Mistral: nine letters and digits.
    NineAlphanumeric,
}

/// What `response_format` can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Json {
    /// `json_schema` and `json_object`.
    Schema,
    /// `json_object` alone: a schema goes into the instructions.
    Object,
    /// Neither.
    None,
}

/// How a server lets its models think.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReasoningControl {
    /// It has no control that is known.
    None,
    /// `reasoning_effort`, with these words, weakest first; `none` among them turns it off.
    Effort(&'static [&'static str]),
    /// `thinking: {"type": "enabled" | "disabled"}`: DeepSeek, Zhipu, Moonshot, ByteDance.
    ThinkingType,
    /// `enable_thinking` and `thinking_budget`: Qwen.
    EnableThinking,
    /// `reasoning: {effort | max_tokens | enabled}`: OpenRouter.
    ReasoningObject,
    /// `chat_template_kwargs: {"enable_thinking": bool}`: vLLM, SGLang, NVIDIA NIM.
    TemplateArguments,
}

impl Quirks {
    /// A server that takes all of OpenAI's format.
    pub const OPENAI: Self = Self {
        refuses: &[],
        refuses_inside: &[],
        renames: &[],
        limit: "max_tokens",
        system_role: "system",
        fixed_sampling: false,
        max_temperature: 2.0,
        takes_top_k: false,
        max_stops: 4,
        required_choice: "required",
        forced_choice: true,
        named_choice: true,
        call_ids: CallIds::AtMost(40),
        json: Json::Schema,
        reasoning: ReasoningControl::None,
        reasoning_history: false,
        needs_reasoning_history: false,
        opaque_history: false,
        claude_details: false,
        odd_answers: false,
        unsaid_finish: false,
        stream_options: true,
        takes_audio: true,
        takes_video: false,
        takes_files: true,
        document_urls: false,
        file_urls: false,
        takes_images: true,
        cache_control: false,
        max_user: 64,
        metadata_is_stored: true,
        max_top_logprobs: 20,
        capacity_tiers: false,
        parallel_switch: true,
        strict_turns: false,
        participant_names: true,
        strict_tools: true,
        custom_tools: true,
        needs_parameters: false,
        json_object: true,
        text_lists: true,
        forced_choice_with_reasoning: true,
        thinking_efforts: &[],
        thinking_on: "enabled",
        reasoning_member: "reasoning_content",
        stream_only: false,
    };

    /// OpenAI's own reasoning models.
    pub const OPENAI_REASONING: Self = Self {
        limit: "max_completion_tokens",
        system_role: "developer",
        fixed_sampling: true,
        max_stops: 0,
        refuses: &["presence_penalty", "frequency_penalty", "logit_bias", "logprobs", "top_logprobs"],
        reasoning: ReasoningControl::Effort(&["minimal", "low", "medium", "high"]),
        takes_audio: false,
        ..Self::OPENAI
    };

    /// A server of which nothing is known but that it speaks the format: nothing is taken from the request.
    pub const COMPATIBLE: Self = Self {
        takes_top_k: true,
        max_stops: usize::MAX,
        call_ids: CallIds::Any,
        reasoning_history: true,
        takes_video: true,
        max_user: usize::MAX,
        metadata_is_stored: false,
        max_top_logprobs: u64::MAX,
        ..Self::OPENAI
    };
}
