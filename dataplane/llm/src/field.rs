//! Fields of a request or an answer, in the neutral vocabulary, and what each client's format calls them.
//!
//! The set is bounded by code and never by clients: names become metric labels.

use crate::Format;

macro_rules! fields {
    ($($(#[$doc:meta])* $id:ident = $chat:literal, $messages:literal, $responses:literal, $gemini:literal;)*) => {
        /// A field that something can happen to on its way, see [`crate::Ledger`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Field {
            $($(#[$doc])* $id,)*
            /// A member that only its own format has. The name is one of a list in code.
            Extra(&'static str),
        }

        impl Field {
            /// Every field that has a name of its own in each format.
            pub const NAMED: &[Self] = &[$(Self::$id),*];

            /// As the client's format calls it; list positions are left out (`messages[].name`).
            pub fn name(self, client: Format) -> &'static str {
                let [chat, messages, responses, gemini] = match self {
                    $(Self::$id => [$chat, $messages, $responses, $gemini],)*
                    Self::Extra(name) => [name; 4],
                };
                match client {
                    Format::Messages => messages,
                    Format::Responses => responses,
                    Format::Gemini => gemini,
                    Format::Chat | Format::Completions | Format::Converse | Format::Cohere | Format::Ollama => chat,
                }
            }
        }
    };
}

// Chat completions, Messages, Responses, Gemini.
fields! {
    MaxTokens = "max_tokens", "max_tokens", "max_output_tokens", "generationConfig.maxOutputTokens";
    Temperature = "temperature", "temperature", "temperature", "generationConfig.temperature";
    TopP = "top_p", "top_p", "top_p", "generationConfig.topP";
    TopK = "top_k", "top_k", "top_k", "generationConfig.topK";
    Stop = "stop", "stop_sequences", "stop", "generationConfig.stopSequences";
    N = "n", "n", "n", "generationConfig.candidateCount";
    Seed = "seed", "seed", "seed", "generationConfig.seed";
    PresencePenalty = "presence_penalty", "presence_penalty", "presence_penalty", "generationConfig.presencePenalty";
    FrequencyPenalty = "frequency_penalty", "frequency_penalty", "frequency_penalty", "generationConfig.frequencyPenalty";
    LogitBias = "logit_bias", "logit_bias", "logit_bias", "logit_bias";
    Logprobs = "logprobs", "logprobs", "include", "generationConfig.responseLogprobs";
    TopLogprobs = "top_logprobs", "top_logprobs", "top_logprobs", "generationConfig.logprobs";
    ServiceTier = "service_tier", "service_tier", "service_tier", "serviceTier";
    Metadata = "metadata", "metadata", "metadata", "labels";
    User = "user", "metadata.user_id", "user", "user";
    Verbosity = "verbosity", "verbosity", "text.verbosity", "verbosity";
    Reasoning = "reasoning_effort", "thinking", "reasoning", "generationConfig.thinkingConfig";
    /// How much to think, where the client said it in another field than whether to.
    ReasoningEffort = "reasoning_effort", "output_config.effort", "reasoning.effort", "generationConfig.thinkingConfig.thinkingLevel";
    ReasoningBudget = "reasoning_effort", "thinking.budget_tokens", "reasoning.effort", "generationConfig.thinkingConfig.thinkingBudget";
    /// Penstock's own switch, in every format.
    ThinkingMode = "thinking_mode", "thinking_mode", "thinking_mode", "thinking_mode";
    ProviderOptions = "provider_options", "provider_options", "provider_options", "provider_options";
    ResponseFormat = "response_format", "output_config.format", "text.format", "generationConfig.responseSchema";
    Tool = "tools[]", "tools[]", "tools[]", "tools[]";
    ToolDescription = "tools[].function.description", "tools[].description", "tools[].description", "tools[].functionDeclarations[].description";
    ToolParameters = "tools[].function.parameters", "tools[].input_schema", "tools[].parameters", "tools[].functionDeclarations[].parameters";
    ToolStrict = "tools[].function.strict", "tools[].strict", "tools[].strict", "tools[].functionDeclarations[].strict";
    ToolChoice = "tool_choice", "tool_choice", "tool_choice", "toolConfig.functionCallingConfig";
    ParallelToolCalls = "parallel_tool_calls", "tool_choice.disable_parallel_tool_use", "parallel_tool_calls", "parallel_tool_calls";
    /// Instructions that are not text.
    System = "messages[].content[]", "system[]", "instructions", "systemInstruction";
    Messages = "messages", "messages", "input", "contents";
    MessageName = "messages[].name", "messages[].name", "input[].name", "contents[].name";
    /// A whole message's content.
    Content = "messages[].content", "messages[].content", "input[].content", "contents[].parts";
    /// One part or block of a message.
    Part = "messages[].content[]", "messages[].content[]", "input[].content[]", "contents[].parts[]";
    ImageDetail = "messages[].content[].image_url.detail", "messages[].content[].detail", "input[].content[].detail", "contents[].parts[].mediaResolution";
    /// A web address that bytes took the place of.
    MediaUrl = "messages[].content[].image_url.url", "messages[].content[].source.url", "input[].content[].image_url", "contents[].parts[].fileData.fileUri";
    Document = "messages[].content[].file", "messages[].content[].source", "input[].content[].file_data", "contents[].parts[].inlineData";
    DocumentName = "messages[].content[].file.filename", "messages[].content[].title", "input[].content[].filename", "contents[].parts[].inlineData.displayName";
    Refusal = "messages[].refusal", "messages[].content[]", "input[].content[]", "contents[].parts[]";
    /// What a tool gave back, beside its text.
    ResultPart = "messages[].content[]", "messages[].content[].content[]", "input[].output[]", "contents[].parts[].functionResponse";
    ResultIsError = "messages[].is_error", "messages[].content[].is_error", "input[].status", "contents[].parts[].functionResponse.response";
    /// Reasoning of earlier turns.
    ReasoningHistory = "messages[].reasoning_content", "messages[].content[].thinking", "input[].summary", "contents[].parts[].thought";
    /// Opaque reasoning state of earlier turns.
    ReasoningSignature = "messages[].reasoning_details", "messages[].content[].signature", "input[].encrypted_content", "contents[].parts[].thoughtSignature";
    CallArguments = "messages[].tool_calls[].function.arguments", "messages[].content[].input", "input[].arguments", "contents[].parts[].functionCall.args";
    CallId = "messages[].tool_calls[].id", "messages[].content[].id", "input[].call_id", "contents[].parts[].functionCall.id";
    CacheControl = "cache_control", "cache_control", "cache_control", "cachedContent";
    StreamOptions = "stream_options", "stream_options", "stream_options", "stream_options";
    Prompt = "prompt", "prompt", "prompt", "prompt";
    /// Embeddings.
    Input = "input", "input", "input", "requests[].content";
    Dimensions = "dimensions", "dimensions", "dimensions", "outputDimensionality";
    EncodingFormat = "encoding_format", "encoding_format", "encoding_format", "encoding_format";
    /// What the vectors are for.
    InputType = "input_type", "input_type", "input_type", "requests[].taskType";
    /// A count that no provider made.
    TokenCount = "usage.prompt_tokens", "input_tokens", "input_tokens", "totalTokens";
    /// A part of an answer.
    AnswerPart = "choices[].message.content", "content[]", "output[]", "candidates[].content.parts[]";
    AnswerCitations = "choices[].message.annotations", "content[].citations", "output[].content[].annotations", "candidates[].citationMetadata";
    AnswerArguments = "choices[].message.tool_calls[].function.arguments", "content[].input", "output[].arguments", "candidates[].content.parts[].functionCall.args";
    AnswerLogprobs = "choices[].logprobs", "content[].logprobs", "output[].content[].logprobs", "candidates[].logprobsResult";
    /// The second and further answers.
    AnswerChoices = "choices[]", "content[]", "output[]", "candidates[]";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_a_header_and_a_label() {
        for field in Field::NAMED {
            for format in Format::ALL {
                let name = field.name(format);
                let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_.[]".contains(&byte);
                assert!(!name.is_empty() && name.bytes().all(fits), "{field:?} {name}");
            }
        }
    }
}
