//! What Claude models take, where they differ.
//!
//! Sources: Anthropic's pages "Models overview", "Extended thinking", "Adaptive thinking", "Effort" and "Structured
//! outputs", and LiteLLM's model map for output limits. This table moves to the catalogue when there is one.

/// How a model is asked to think.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Thinking {
    Never,
    /// `thinking.budget_tokens`.
    Budget,
    /// `thinking.type: adaptive` with `output_config.effort`.
    Adaptive,
    /// The same, and it cannot be turned off.
    Always,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sampling {
    /// `temperature`, `top_p` and `top_k`.
    Free,
    /// Not `temperature` and `top_p` together.
    OneOf,
    /// Any of them is a 400.
    Refused,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Model {
    /// What the id begins with, up to its end or a dash. The first row that fits counts.
    prefix: &'static str,
    /// Tokens; filled in where the client gives none.
    pub max_output: u64,
    pub thinking: Thinking,
    /// Words of `output_config.effort`.
    pub efforts: &'static [&'static str],
    /// Takes `output_config.format`, and `strict` tools.
    pub structured: bool,
    pub sampling: Sampling,
}

const NONE: &[&str] = &[];
const HIGH: &[&str] = &["low", "medium", "high"];
const MAX: &[&str] = &["low", "medium", "high", "max"];
const XHIGH: &[&str] = &["low", "medium", "high", "xhigh", "max"];

const fn model(
    prefix: &'static str,
    max_output: u64,
    thinking: Thinking,
    efforts: &'static [&'static str],
    structured: bool,
    sampling: Sampling,
) -> Model {
    Model { prefix, max_output, thinking, efforts, structured, sampling }
}

const TABLE: &[Model] = &[
    model("claude-2", 4096, Thinking::Never, NONE, false, Sampling::Free),
    model("claude-instant", 4096, Thinking::Never, NONE, false, Sampling::Free),
    model("claude-3-5", 8192, Thinking::Never, NONE, false, Sampling::Free),
    model("claude-3-7", 64_000, Thinking::Budget, NONE, false, Sampling::Free),
    model("claude-3", 4096, Thinking::Never, NONE, false, Sampling::Free),
    model("claude-haiku-4-5", 64_000, Thinking::Budget, NONE, true, Sampling::OneOf),
    model("claude-sonnet-4-5", 64_000, Thinking::Budget, NONE, true, Sampling::OneOf),
    model("claude-opus-4-5", 64_000, Thinking::Budget, HIGH, true, Sampling::OneOf),
    model("claude-sonnet-4-6", 128_000, Thinking::Adaptive, MAX, true, Sampling::OneOf),
    model("claude-opus-4-6", 128_000, Thinking::Adaptive, MAX, true, Sampling::OneOf),
    model("claude-opus-4-7", 128_000, Thinking::Adaptive, XHIGH, true, Sampling::Refused),
    model("claude-opus-4-8", 128_000, Thinking::Adaptive, XHIGH, true, Sampling::Refused),
    model("claude-opus-4-1", 32_000, Thinking::Budget, NONE, false, Sampling::OneOf),
    model("claude-opus-4", 32_000, Thinking::Budget, NONE, false, Sampling::Free),
    model("claude-sonnet-4", 64_000, Thinking::Budget, NONE, false, Sampling::Free),
    model("claude-opus-5-5", 128_000, Thinking::Always, XHIGH, true, Sampling::Refused),
    model("claude-sonnet-5-5", 128_000, Thinking::Always, XHIGH, true, Sampling::Refused),
    model("claude-fable", 128_000, Thinking::Always, XHIGH, true, Sampling::Refused),
    model("claude-mythos", 128_000, Thinking::Always, XHIGH, true, Sampling::Refused),
    model("claude-opus-5", 128_000, Thinking::Adaptive, XHIGH, true, Sampling::Refused),
    model("claude-sonnet-5", 128_000, Thinking::Adaptive, XHIGH, true, Sampling::Refused),
    model("claude-haiku-5", 128_000, Thinking::Adaptive, XHIGH, true, Sampling::Refused),
    // A Claude that came after this table: like the newest, but for the limit, which is nobody's guess.
    model("claude", 8192, Thinking::Adaptive, XHIGH, true, Sampling::Refused),
];

/// Another vendor's model behind Anthropic's format: they copy what was there first.
const OTHER: Model = model("", 8192, Thinking::Budget, NONE, false, Sampling::Free);

pub(super) fn find(id: &str) -> &'static Model {
    let fits = |model: &&Model| {
        id.strip_prefix(model.prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '@', '.']))
    };
    TABLE.iter().find(fits).unwrap_or(&OTHER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_find_their_row() {
        for (id, prefix) in [
            ("claude-3-opus-20240229", "claude-3"),
            ("claude-3-5-sonnet-latest", "claude-3-5"),
            ("claude-opus-4-20250514", "claude-opus-4"),
            ("claude-opus-4-1-20250805", "claude-opus-4-1"),
            ("claude-opus-4-5", "claude-opus-4-5"),
            ("claude-sonnet-4-0", "claude-sonnet-4"),
            ("claude-sonnet-5", "claude-sonnet-5"),
            ("claude-next-1", "claude"),
            ("kimi-k2", ""),
        ] {
            assert_eq!(find(id).prefix, prefix, "{id}");
        }
    }
}
