//! Mistral AI. It answers 422 to a member that it does not know: <https://docs.mistral.ai/api/>.

use super::vendor::{Base, Vendor};
use super::{CallIds, Quirks, ReasoningControl};
use crate::embed::EmbedQuirks;

pub static MISTRAL: Vendor = Vendor {
    name: "Mistral",
    otel_name: "mistral_ai",
    docs: "https://docs.mistral.ai/api/",
    base: Base::Public("https://api.mistral.ai/v1"),
    embeddings: true,
    embed_quirks: &EmbedQuirks::MISTRAL,
    own_models: &[
        "mistral-",
        "ministral-",
        "magistral-",
        "codestral-",
        "devstral-",
        "pixtral-",
        "voxtral-",
        "open-mistral-",
        "open-mixtral-",
    ],
    quirks: |_| &QUIRKS,
    ..Vendor::CHAT
};

static QUIRKS: Quirks = Quirks {
    odd_answers: true,
    refuses: &[
        "audio",
        "function_call",
        "functions",
        "logit_bias",
        "modalities",
        "moderation",
        "prompt_cache_options",
        "prompt_cache_retention",
        "safety_identifier",
        "store",
        "verbosity",
        "web_search_options",
    ],
    refuses_inside: &["annotations", "audio", "function_call", "prompt_cache_breakpoint", "refusal"],
    renames: &[("seed", "random_seed")],
    required_choice: "any",
    // The chat template of its models: other ids are a 400 with those that check.
    call_ids: CallIds::NineAlphanumeric,
    // "we recommend between 0.0 and 0.7"; above 1.5 is a 422.
    max_temperature: 1.5,
    reasoning: ReasoningControl::Effort(&["none", "minimal", "low", "medium", "high", "xhigh", "max"]),
    // Earlier reasoning would be `thinking` parts, and need not come back.
    reasoning_history: false,
    // Usage is in the last chunk anyway.
    stream_options: false,
    takes_video: false,
    takes_files: false,
    // <https://docs.mistral.ai/capabilities/document_ai/document_qna/>.
    document_urls: true,
    // <https://docs.mistral.ai/inference/priority-tier>.
    capacity_tiers: true,
    custom_tools: false,
    needs_parameters: true,
    max_user: 0,
    // "Unexpected role 'user' after role 'tool'", "Expected last role User or Tool (or Assistant with prefix True)".
    strict_turns: true,
    participant_names: false,
    ..Quirks::COMPATIBLE
};
