//! May a request whose target speaks its own format keep its bytes?
//!
//! It may where nothing in it needs another word for this provider: no member of Penstock's own, none that the
//! provider's quirks touch, no opaque reasoning state of another issuer. A look at names and bytes only, which may say
//! no too often: the request is then decoded and written anew, and unknown members survive that too.

mod usage;

pub use self::usage::UsageChunk;

use crate::dialect::{Format, Upstream, gemini, responses};
use crate::envelope::Envelope;
use crate::message::Issuer;
use crate::provider::{CallIds, Json, Quirks, ReasoningControl};

/// Whether the body can go to this target as it is, but for the model's name and the request for usage.
pub fn keeps_bytes(envelope: &Envelope, body: &[u8], format: Format, upstream: &Upstream<'_>) -> bool {
    if envelope.has_escaped_member() || upstream.provider.amends(format) {
        return false;
    }
    let Ok(text) = std::str::from_utf8(body) else { return false };
    // What our own carriers put into a history.
    if text.contains("__ps1_") || text.contains("\"penstock:") || text.contains(gemini::CARRIER_MARK) {
        return false;
    }
    let is_own = |name: &str| matches!(name, "thinking_mode" | "provider_options");
    if envelope.members(body).any(is_own) {
        return false;
    }
    match format {
        Format::Chat => {
            let quirks = upstream.provider.quirks(upstream.model);
            let mut thinks = false;
            let mut looked_at = envelope.members(body).inspect(|name| thinks |= *name == "thinking");
            let is_touched =
                looked_at.any(|name| touches(quirks, name)) || (thinks && touches_thinking(quirks, text));
            !is_touched
                && (quirks.stream_options || !envelope.stream)
                && !has_foreign_history(quirks, text)
                && !touches_inside(quirks, text)
        }
        // Signed by nobody, or by another than who reads it.
        Format::Messages => match upstream.issuer() {
            Some(Issuer::Anthropic) => !has_empty_signature(text),
            _ => !text.contains("\"signature\"") && !text.contains("\"redacted_thinking\""),
        },
        // Untagged state is OpenAI's own, and an id that we made names nothing that anybody stored.
        Format::Responses => {
            let issuer = upstream.issuer();
            let is_openai = matches!(issuer, Some(Issuer::OpenAI | Issuer::Azure));
            let is_home = issuer == Some(Issuer::OpenAI) || !has_state(text);
            let is_foreign = text.contains("\"rs_ps_") || (is_openai && has_foreign_items(text));
            is_home && !is_foreign
        }
        Format::Completions => upstream.provider.quirks(upstream.model).stream_options || !envelope.stream,
        // Signatures of AI Studio, and ids of calls, are nothing for Vertex.
        Format::Gemini => {
            let quirks = upstream.provider.gemini_quirks(upstream.model);
            let is_home = upstream.issuer() == Some(Issuer::Gemini);
            (is_home || !has_signature(text))
                && (quirks.call_ids || !has_calls(text))
                && (quirks.labels || !envelope.members(body).any(|name| name == "labels"))
        }
        // What was thought may be signed by nobody, which Claude refuses, or by another than who reads it.
        Format::Converse => !text.contains("\"reasoningContent\""),
        Format::Cohere | Format::Ollama => true,
    }
}

/// Does [`stamp`] change anything of this format and provider?
pub fn stamps(format: Format, upstream: &Upstream<'_>) -> bool {
    format == Format::Responses && upstream.issuer() != Some(Issuer::OpenAI)
}

/// The JSON of an answer, or of one event of a stream, that passes to a client of the same format: reasoning state in it
/// that is not the format's own issuer's gets its issuer's name, so that it finds its way back. `None`: it passes as it is.
pub fn stamp(json: &str, format: Format, upstream: &Upstream<'_>) -> Option<String> {
    match format {
        Format::Responses => responses::stamp(json, upstream.issuer()),
        _ => None,
    }
}

/// Members of a chat request that this server wants otherwise.
fn touches(quirks: &Quirks, name: &str) -> bool {
    if quirks.refuses.contains(&name) || quirks.renames.iter().any(|(from, _)| *from == name) {
        return true;
    }
    match name {
        "max_tokens" | "max_completion_tokens" => {
            name != quirks.limit && (quirks.fixed_sampling || is_strict(quirks))
        }
        "temperature" => quirks.fixed_sampling || quirks.max_temperature < 2.0,
        "top_p" => quirks.fixed_sampling,
        "top_k" => !quirks.takes_top_k,
        "stop" => quirks.max_stops < 4,
        "tool_choice" => {
            quirks.required_choice != "required"
                || !quirks.forced_choice
                || !quirks.named_choice
                || !quirks.forced_choice_with_reasoning
        }
        "response_format" => quirks.json != Json::Schema || !quirks.json_object,
        "reasoning_effort" | "thinking" | "reasoning" | "enable_thinking" | "thinking_budget" => !matches!(
            (name, quirks.reasoning),
            (_, ReasoningControl::None)
                | ("reasoning_effort", ReasoningControl::Effort(_))
                | ("thinking", ReasoningControl::ThinkingType)
                | ("enable_thinking" | "thinking_budget", ReasoningControl::EnableThinking)
                | ("reasoning", ReasoningControl::ReasoningObject)
        ),
        "service_tier" => quirks.capacity_tiers,
        "tools" => quirks.needs_parameters || !quirks.custom_tools,
        "user" => quirks.max_user < 64,
        "parallel_tool_calls" => !quirks.parallel_switch,
        _ => false,
    }
}

/// Does `thinking` hold a word of Anthropic's that this server has another for? Such words may stand elsewhere too.
fn touches_thinking(quirks: &Quirks, text: &str) -> bool {
    quirks.reasoning == ReasoningControl::ThinkingType
        && (text.contains("\"budget_tokens\"")
            || ["adaptive", "enabled"]
                .iter()
                .any(|word| *word != quirks.thinking_on && text.contains(&format!("\"{word}\""))))
}

fn has_foreign_history(quirks: &Quirks, text: &str) -> bool {
    text.contains("\"reasoning_details\"")
        || text.contains("\"extra_content\"")
        || (!quirks.reasoning_history && text.contains("\"reasoning_content\""))
        || (!quirks.cache_control && text.contains("\"cache_control\""))
        || touches_ids(quirks.call_ids, text)
        // A turn of calls may have lost its reasoning on the way through the client.
        || (quirks.needs_reasoning_history && text.contains("\"tool_calls\""))
        || (quirks.reasoning_member != "reasoning_content" && text.contains("\"reasoning_content\""))
}

fn touches_ids(kind: CallIds, text: &str) -> bool {
    match kind {
        CallIds::Any => false,
        CallIds::NineAlphanumeric => text.contains("\"tool_call"),
        // Every call that has a result is named by it.
        CallIds::AtMost(most) => text.split("\"tool_call_id\"").skip(1).any(|rest| {
            let value = rest.trim_start().strip_prefix(':').unwrap_or_default().trim_start();
            let id = value.strip_prefix('"').and_then(|value| value.split('"').next());
            id.is_none_or(|id| id.len() > most)
        }),
    }
}

/// Does something inside a message or a tool need another word? The names stand in many places: this asks for any.
fn touches_inside(quirks: &Quirks, text: &str) -> bool {
    (!quirks.participant_names && text.contains("\"name\""))
        || (!quirks.strict_tools && text.contains("\"strict\""))
        || (!quirks.text_lists && text.contains("\"text\""))
        || (is_strict(quirks) && knows_not(quirks, text))
        || (quirks.strict_turns && text.contains("\"assistant\""))
}

/// Does it refuse members inside messages that OpenAI takes?
fn is_strict(quirks: &Quirks) -> bool {
    !quirks.refuses_inside.is_empty()
}

/// Members, and words of OpenAI's, that such a server does not know.
fn knows_not(quirks: &Quirks, text: &str) -> bool {
    const WORDS: &[&str] = &["developer", "file", "audio_url", "video_url"];
    let mut words = WORDS.iter().chain(quirks.refuses_inside);
    text.contains("null") || words.any(|word| text.contains(&format!("\"{word}\"")))
}

/// Items that another server of OpenAI's format answered with: OpenAI tells the type of an item by how its id begins
/// (`msg_`, `fc_`, ...) and refuses others, and it never shows what a model thought but in summary.
fn has_foreign_items(text: &str) -> bool {
    let has_prefix = |id: &str| id.find('_').is_some_and(|at| (1..=5).contains(&at));
    let ids = text.split("\"id\"").skip(1).filter_map(|rest| {
        let value = rest.trim_start().strip_prefix(':')?.trim_start().strip_prefix('"')?;
        value.split('"').next()
    });
    text.contains("\"reasoning_text\"") || ids.into_iter().any(|id| !has_prefix(id))
}

/// Encrypted content that is a text: null is none.
fn has_state(text: &str) -> bool {
    text.split("\"encrypted_content\"").skip(1).any(|rest| {
        let value = rest.trim_start().strip_prefix(':');
        value.is_some_and(|value| value.trim_start().starts_with('"'))
    })
}

/// In both spellings that Google's JSON has.
fn has_signature(text: &str) -> bool {
    text.contains("\"thoughtSignature\"") || text.contains("\"thought_signature\"")
}

fn has_calls(text: &str) -> bool {
    ["\"functionCall\"", "\"function_call\"", "\"functionResponse\"", "\"function_response\""]
        .iter()
        .any(|member| text.contains(member))
}

fn has_empty_signature(text: &str) -> bool {
    text.split("\"signature\"").skip(1).any(|rest| {
        let value = rest.trim_start().strip_prefix(':');
        value.is_some_and(|value| value.trim_start().starts_with("\"\""))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider;

    fn keeps(provider: &str, model: &str, body: &str) -> bool {
        let provider = provider::by_name(provider).unwrap();
        let upstream = Upstream::new(model, provider);
        let format = provider.formats(model)[0];
        keeps_bytes(&Envelope::parse(body.as_bytes()).unwrap(), body.as_bytes(), format, &upstream)
    }

    #[test]
    fn what_a_provider_takes_stays_as_it_is() {
        for (provider, model, body) in [
            (
                "OpenAI",
                "gpt-4o",
                r#"{"model":"m","messages":[],"max_tokens":1,"temperature":0.2,"seed":1,"new":1}"#,
            ),
            ("OpenAI", "gpt-5", r#"{"model":"m","messages":[],"max_completion_tokens":1}"#),
            ("OpenAI", "gpt-4o", r#"{"model":"m","messages":[{"tool_call_id":"call_1"}]}"#),
            (
                "OpenAICompatible",
                "x",
                r#"{"model":"m","messages":[{"role":"assistant","reasoning_content":"x"}]}"#,
            ),
            ("Anthropic", "claude-opus-4-1", r#"{"model":"m","messages":[],"signature":"abc"}"#),
            ("Bedrock", "amazon.nova-lite-v1:0", r#"{"model":"m","messages":[{"content":[{"text":"x"}]}]}"#),
            ("Groq", "llama-3.3-70b-versatile", r#"{"model":"m","messages":[],"seed":7,"stream":true}"#),
            ("Mistral", "mistral-large-latest", r#"{"model":"m","messages":[],"top_p":0.5}"#),
            ("DeepSeek", "deepseek-chat", r#"{"model":"m","messages":[],"thinking":{"type":"enabled"}}"#),
            (
                "Qwen",
                "qwen3-max",
                r#"{"model":"m","messages":[],"enable_thinking":true,"thinking_budget":9}"#,
            ),
            ("OpenAICompatible", "x", r#"{"model":"m","messages":[],"thinking_budget":9}"#),
        ] {
            assert!(keeps(provider, model, body), "{provider} {body}");
        }
    }

    #[test]
    fn what_needs_another_word_is_written_anew() {
        for (provider, model, body) in [
            ("OpenAI", "gpt-4o", r#"{"model":"m","thinking_mode":true}"#),
            ("OpenAI", "gpt-4o", r#"{"model":"m","thinking\u005fmode":true}"#),
            ("OpenAI", "gpt-4o", r#"{"model":"m","provider_options":{}}"#),
            ("OpenAI", "gpt-5", r#"{"model":"m","max_tokens":1}"#),
            ("OpenAI", "gpt-5", r#"{"model":"m","temperature":0.1}"#),
            ("OpenAI", "gpt-4o", r#"{"model":"m","messages":[{"reasoning_details":[]}]}"#),
            ("OpenAI", "gpt-4o", r#"{"model":"m","messages":[{"tool_call_id":"call_1__ps1_e30"}]}"#),
            (
                "OpenAI",
                "gpt-4o",
                r#"{"model":"m","messages":[{"tool_call_id" : "x23456789_123456789_123456789_123456789_1"}]}"#,
            ),
            ("OpenAI", "o3-mini", r#"{"model":"m","parallel_tool_calls":false}"#),
            ("Groq", "llama-3.3-70b-versatile", r#"{"model":"m","messages":[{"name":"ann"}]}"#),
            ("Groq", "llama-3.3-70b-versatile", r#"{"model":"m","logit_bias":{"1":2}}"#),
            ("Mistral", "mistral-large-latest", r#"{"model":"m","seed":7}"#),
            ("Mistral", "mistral-large-latest", r#"{"model":"m","stream":true}"#),
            ("Mistral", "mistral-large-latest", r#"{"model":"m","max_completion_tokens":1}"#),
            ("Mistral", "mistral-large-latest", r#"{"model":"m","service_tier":"default"}"#),
            ("Mistral", "mistral-large-latest", r#"{"model":"m","tools":[]}"#),
            ("Mistral", "mistral-large-latest", r#"{"model":"m","messages":[{"role":"assistant"}]}"#),
            ("Mistral", "mistral-large-latest", r#"{"model":"m","messages":[{"role":"developer"}]}"#),
            ("Mistral", "mistral-large-latest", r#"{"model":"m","messages":[{"annotations":[]}]}"#),
            ("Mistral", "mistral-large-latest", r#"{"model":"m","messages":[{"new":null}]}"#),
            (
                "Mistral",
                "mistral-large-latest",
                r#"{"model":"m","messages":[{"content":[{"type":"file"}]}]}"#,
            ),
            ("DeepSeek", "deepseek-chat", r#"{"model":"m","tool_choice":"required"}"#),
            ("DeepSeek", "deepseek-chat", r#"{"model":"m","thinking":{"type":"enabled","budget_tokens":9}}"#),
            ("DeepSeek", "deepseek-chat", r#"{"model":"m","thinking":{"type":"adaptive"}}"#),
            ("DeepSeek", "deepseek-chat", r#"{"model":"m","thinking_budget":9}"#),
            ("OpenRouter", "x", r#"{"model":"m","thinking_budget":9}"#),
            ("DeepSeek", "deepseek-chat", r#"{"model":"m","messages":[{"tool_calls":[]}]}"#),
            ("DeepSeek", "deepseek-chat", r#"{"model":"m","messages":[{"content":[{"type":"text"}]}]}"#),
            ("Watsonx", "ibm/granite-4-h-small", r#"{"model":"m","messages":[]}"#),
            ("Anthropic", "claude-opus-4-1", r#"{"model":"m","messages":[{"signature": ""}]}"#),
            (
                "Anthropic",
                "claude-opus-4-1",
                r#"{"model":"m","messages":[{"signature": "penstock:gemini:x"}]}"#,
            ),
            (
                "Gemini",
                "gemini-2.5-pro",
                r#"{"model":"m","contents":[{"parts":[{"thoughtSignature":"cGVuc3RvY2s6dmVydGV4Onh4"}]}]}"#,
            ),
            ("Gemini", "gemini-2.5-pro", r#"{"model":"m","contents":[],"labels":{"a":"b"}}"#),
            (
                "Bedrock",
                "anthropic.claude-sonnet-4-5-20250929-v1:0",
                r#"{"model":"m","messages":[{"content":[{"reasoningContent":{"reasoningText":{"text":"x"}}}]}]}"#,
            ),
            (
                "VertexAI",
                "gemini-2.5-pro",
                r#"{"model":"m","contents":[{"parts":[{"thought_signature":"c2ln"}]}]}"#,
            ),
            (
                "VertexAI",
                "gemini-2.5-pro",
                r#"{"model":"m","contents":[{"parts":[{"functionResponse":{"id":"a"}}]}]}"#,
            ),
        ] {
            assert!(!keeps(provider, model, body), "{provider} {body}");
        }
    }

    #[test]
    fn reasoning_state_of_another_issuer_is_looked_at() {
        let keeps = |provider: &str, item: &str| {
            let body = format!(r#"{{"model":"m","input":[{item}]}}"#);
            let upstream = Upstream::new("gpt-5", provider::by_name(provider).unwrap());
            let envelope = Envelope::parse(body.as_bytes()).unwrap();
            keeps_bytes(&envelope, body.as_bytes(), Format::Responses, &upstream)
        };
        let native = r#"{"type":"reasoning","id":"rs_1","encrypted_content":"gAAA"}"#;
        assert!(keeps("OpenAI", native));
        assert!(!keeps("AzureOpenAI", native));
        assert!(!keeps("DeepSeek", native));
        assert!(keeps("DeepSeek", r#"{"type":"reasoning","id":"x","encrypted_content": null}"#));
        let of_another = r#"{"type":"message","id":"305ae5c3-aed7-4986-88b5-4bcbb950ca6b"}"#;
        assert!(keeps("DeepSeek", of_another));
        assert!(!keeps("OpenAI", of_another));
        assert!(!keeps("AzureOpenAI", r#"{"type":"reasoning","content":[{"type":"reasoning_text"}]}"#));
        for ours in [
            r#"{"type":"reasoning","id":"rs_ps_r_0","summary":[]}"#,
            r#"{"type":"reasoning","encrypted_content":"penstock:anthropic:x"}"#,
            r#"{"type":"function_call","call_id":"call_1__ps1_e30"}"#,
        ] {
            assert!(!keeps("OpenAI", ours), "{ours}");
        }
    }

    #[test]
    fn signed_thoughts_are_looked_at_where_another_signed() {
        let keeps = |provider: &str, block: &str| {
            let body = format!(r#"{{"model":"m","messages":[{{"role":"assistant","content":[{block}]}}]}}"#);
            let upstream = Upstream::new("claude-sonnet-4-5", provider::by_name(provider).unwrap());
            let envelope = Envelope::parse(body.as_bytes()).unwrap();
            keeps_bytes(&envelope, body.as_bytes(), Format::Messages, &upstream)
        };
        let signed = r#"{"type":"thinking","thinking":"hm","signature":"c2ln"}"#;
        let redacted = r#"{"type":"redacted_thinking","data":"cmVk"}"#;
        for block in [signed, redacted] {
            assert!(keeps("Anthropic", block));
            for other in
                ["MiniMax", "Moonshot", "DeepSeek", "Fireworks", "SambaNova", "Qwen", "Zhipu", "OpenRouter"]
            {
                assert!(!keeps(other, block), "{other}");
                assert!(keeps(other, r#"{"type":"text","text":"x"}"#), "{other}");
            }
        }
    }

    #[test]
    fn answers_are_stamped_with_their_issuer() {
        let body = r#"{"output":[{"type":"reasoning","id":"rs_1","encrypted_content":"gAAA"}],"x":1}"#;
        let stamp = |provider: &str| {
            let upstream = Upstream::new("gpt-5", provider::by_name(provider).unwrap());
            stamp(body, Format::Responses, &upstream)
        };
        assert_eq!(stamp("OpenAI"), None);
        assert_eq!(
            stamp("AzureOpenAI").unwrap(),
            r#"{"output":[{"type":"reasoning","id":"rs_1","encrypted_content":"penstock:azure:{\"id\":\"rs_1\",\"encrypted_content\":\"gAAA\"}"}],"x":1}"#
        );
    }
}
