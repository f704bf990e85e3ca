//! Service tiers: OpenAI's words and Anthropic's.
//!
//! Source: <https://docs.claude.com/en/api/service-tiers>. A request says whether it may use the capacity that was
//! bought ahead; an answer says what served it.

/// A request's word for Anthropic, and whether it says all of what was asked.
pub(in crate::dialect) fn write_request(word: &str, is_same_format: bool) -> (&str, bool) {
    match word {
        "auto" => ("auto", true),
        "default" => ("standard_only", true),
        _ if is_same_format => (word, true),
        // The capacity bought ahead, where there is some.
        "priority" | "scale" => ("auto", false),
        _ => ("standard_only", false),
    }
}

/// A client's word in OpenAI's.
pub(super) fn read_request(word: &str) -> &str {
    if word == "standard_only" { "default" } else { word }
}

/// What served an answer, in OpenAI's word.
pub(super) fn read_answer(word: &str) -> &str {
    if word == "standard" { "default" } else { word }
}

/// The same for a client; `None` for a tier that Anthropic has no word for.
pub(super) fn write_answer(word: &str) -> Option<&str> {
    match word {
        "default" | "standard" => Some("standard"),
        "priority" | "batch" => Some(word),
        _ => None,
    }
}
