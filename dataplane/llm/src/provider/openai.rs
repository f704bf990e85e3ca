//! OpenAI's own API.

use super::vendor::{Base, Vendor};
use super::{Quirks, ReasoningControl};
use crate::Format;
use crate::embed::EmbedQuirks;
use crate::message::Issuer;

pub static OPENAI: Vendor = Vendor {
    name: "OpenAI",
    otel_name: "openai",
    docs: "https://platform.openai.com/docs/api-reference",
    base: Base::Public("https://api.openai.com/v1"),
    formats: |_| &[Format::Chat, Format::Responses, Format::Completions],
    embeddings: true,
    embed_quirks: &EmbedQuirks::OPENAI,
    // Not `openai-organization` and `openai-project`: they select an account, and the account is the key's.
    passed_headers: &["openai-beta"],
    own_models: &[
        "gpt-3",
        "gpt-4",
        "gpt-5",
        "gpt-6",
        "ft:gpt-",
        "ft:o4-",
        "chatgpt-",
        "codex-",
        "computer-use-",
        "o1",
        "o3",
        "o4",
        "text-embedding-",
        "davinci-",
        "babbage-",
    ],
    quirks: |model| MODELS.of(model),
    issuer: |_| Some(Issuer::OpenAI),
    ..Vendor::CHAT
};

static MODELS: Models = Models::new(Quirks::OPENAI, Quirks::OPENAI_REASONING);

/// The quirks of OpenAI's models, which Azure has too, by their generation.
#[derive(Debug)]
pub(super) struct Models {
    talk: Quirks,
    o_series: Quirks,
    gpt_5: Quirks,
    gpt_5_1: Quirks,
    later: Quirks,
}

impl Models {
    /// From what the models that reason and those that do not have in common. The words of `reasoning_effort`:
    /// <https://platform.openai.com/docs/guides/reasoning>.
    pub(super) const fn new(talk: Quirks, reason: Quirks) -> Self {
        const fn with(words: &'static [&'static str], reason: Quirks) -> Quirks {
            Quirks { reasoning: ReasoningControl::Effort(words), ..reason }
        }
        Self {
            // No other server's way to ask for reasoning goes to them either.
            talk: with(&[], talk),
            o_series: Quirks { parallel_switch: false, ..with(&["low", "medium", "high"], reason) },
            gpt_5: with(&["minimal", "low", "medium", "high"], reason),
            gpt_5_1: with(&["none", "low", "medium", "high"], reason),
            later: with(&["none", "low", "medium", "high", "xhigh"], reason),
        }
    }

    pub(super) fn of(&self, model: &str) -> &Quirks {
        let base = model.strip_prefix("ft:").unwrap_or(model);
        if !is_reasoning_model(base) {
            return &self.talk;
        }
        match generation(base) {
            None => &self.o_series,
            Some((5, 0)) => &self.gpt_5,
            Some((5, 1)) => &self.gpt_5_1,
            Some(_) => &self.later,
        }
    }
}

/// Does this model of OpenAI's refuse `max_tokens` and the sampling parameters?
fn is_reasoning_model(base: &str) -> bool {
    let is_family = |family: &str| {
        base.strip_prefix(family).is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '.', ':']))
    };
    let is_gpt = generation(base).is_some_and(|(major, _)| major >= 5);
    (is_gpt || ["o1", "o3", "o4", "codex"].into_iter().any(is_family)) && !base.starts_with("gpt-5-chat")
}

/// The numbers in `gpt-5.4-mini`.
fn generation(base: &str) -> Option<(u32, u32)> {
    let name = base.strip_prefix("gpt-")?.split(['-', ':']).next()?;
    let (major, minor) = name.split_once('.').unwrap_or((name, "0"));
    Some((major.parse().ok()?, minor.parse().ok()?))
}
