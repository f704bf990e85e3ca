//! What an error answer must be taken for, by its provider's documentation.

use penstock_llm::ErrorKind::{self, *};

use crate::exchange::Exchange;

/// Parts of ids, and what the status alone does not tell.
const KNOWN: &[(&str, &[ErrorKind])] = &[
    ("handles_context_length_exceeded_errors", &[ContextLength]),
    // "Your credit balance is too low".
    ("test_sync_messages_create_basic.yaml#2", &[Credentials]),
    // Google answers 400 to a key that it does not know.
    ("test_authentication_error/google", &[Credentials]),
    ("google/gemini_1_5_flash/basic.json", &[Credentials]),
    ("google/gemini_1_5_flash/multi_tool.json", &[Credentials]),
    ("google/gemini_1_5_pro/streaming.json", &[Credentials]),
    // Bedrock answers 400 to a model that it does not know.
    ("invalid_model", &[NotFound]),
    ("test_model_name_suggestion[bedrock]", &[NotFound]),
    // Groq answers 400 to a model that it no longer has, Hyperbolic to one that the plan does not include.
    ("groq/llama3_70b_8192", &[NotFound]),
    ("hyperbolic", &[NotFound, InvalidRequest]),
    ("openai/o1_mini/no_tool.json", &[NotFound, InvalidRequest]),
    // The model wrote a call that does not fit its schema: another attempt or model may do better.
    ("test_tool_use_failed_error", &[ServerError]),
    // "You exceeded your current quota, please check your plan and billing details", with status 200.
    ("openai/src/responses/__fixtures__/openai-error.1", &[Credentials, RateLimited]),
    // "Content violates usage guidelines".
    ("openrouter/x_ai_grok_3_mini", &[ContentFiltered]),
    // "Model is getting throttled".
    ("amazon_bedrock_basic_tool_call", &[Overloaded, RateLimited]),
];

/// The kinds that are right for this error.
pub fn expected(exchange: &Exchange) -> &'static [ErrorKind] {
    let known = KNOWN.iter().find(|(part, _)| exchange.id.contains(part));
    known.map_or_else(|| by_status(exchange.status), |(_, kinds)| kinds)
}

fn by_status(status: u16) -> &'static [ErrorKind] {
    match status {
        401..=403 => &[Credentials],
        404 => &[NotFound],
        408 => &[Timeout],
        429 => &[RateLimited],
        400..500 => &[InvalidRequest],
        503 | 529 => &[Overloaded],
        _ => &[ServerError],
    }
}
