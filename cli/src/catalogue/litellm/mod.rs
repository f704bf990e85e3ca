//! LiteLLM's `model_prices_and_context_window.json`: one flat object of models; prices in dollars per token, each tier
//! and threshold a field of its own (`input_cost_per_token_above_200k_tokens_batches`). A flag that is absent is not
//! known.

mod price;

use std::borrow::Cow;

use penstock_llm::catalogue::{Facts, Modalities, Modality, Mode, Reasoning, ReasoningStyle, Sampling, line};
use serde_json::{Map, Value};

use super::listing::{Listed, Listing, add};
use super::providers::of_litellm;

type Entry = Map<String, Value>;

/// Reads the file's text.
///
/// # Errors
/// When it is not a JSON object of objects.
pub fn read(text: &str) -> Result<Listing, serde_json::Error> {
    let file: Map<String, Value> = serde_json::from_str(text)?;
    let mut entries: Vec<(String, usize, &str, Listed)> = Vec::new();
    for (key, entry) in &file {
        let Value::Object(entry) = entry else { continue };
        let Some(mode) = mode(entry) else { continue };
        let Some(name) = entry.get("litellm_provider").and_then(Value::as_str) else { continue };
        let Some((provider, rank, id)) = of_litellm(name, key) else { continue };
        let Some(id) = nameable(provider.key, id, &file) else { continue };
        let names_page =
            entry.get("source").and_then(Value::as_str).is_some_and(|page| page.starts_with("http"));
        let listed = Listed { facts: facts(entry, mode, &id), names_page };
        entries.push((format!("{}/{id}", provider.key), rank, key, listed));
    }
    entries.sort_by(|one, other| (&one.0, one.1, one.2).cmp(&(&other.0, other.1, other.2)));
    let mut listing = Listing::new();
    for (key, _, _, listed) in entries {
        add(&mut listing, key, listed);
    }
    Ok(listing)
}

/// What the model does; `None` for what no request here can use (pictures by the pixel, films, searches).
fn mode(entry: &Entry) -> Option<Mode> {
    Some(match entry.get("mode")?.as_str()? {
        "chat" | "responses" => Mode::Chat,
        "completion" => Mode::Completion,
        "embedding" => Mode::Embedding,
        "rerank"
        | "moderation"
        | "audio_transcription"
        | "audio_speech"
        | "realtime"
        | "image_generation" => Mode::Other,
        _ => return None,
    })
}

/// The id as a request names it; `None` for entries that are lines of a price table: regions, reserved capacity, sizes
/// of pictures, the sandbox of the code interpreter.
fn nameable<'a>(provider: &str, id: &'a str, file: &Map<String, Value>) -> Option<Cow<'a, str>> {
    let (first, rest) = id.split_once('/').unwrap_or(("", id));
    let is_size = |part: &str| part.split_once("-x-").is_some_and(|(wide, _)| wide.parse::<u32>().is_ok());
    if id == "container" || id.contains("month-commitment") || id.contains('*') || id.split('/').any(is_size)
    {
        return None;
    }
    match (provider, first) {
        ("azureopenai", "us" | "eu" | "apac" | "global" | "global-standard") => None,
        ("bedrock", "invoke") => Some(rest.into()),
        // What is left has a region before it; and one id is written as Vertex AI would.
        ("bedrock", first) if !first.is_empty() || id.contains('@') => None,
        // The API takes `accounts/fireworks/models/x`; the short form is LiteLLM's.
        ("fireworks", "") => {
            let twin = |kind: &str| format!("accounts/fireworks/{kind}/{id}");
            let has = |kind: &str| file.contains_key(&format!("fireworks_ai/{}", twin(kind)));
            (!has("models") && !has("routers")).then(|| twin("models").into())
        }
        _ => Some(id.into()),
    }
}

fn facts(entry: &Entry, mode: Mode, id: &str) -> Facts {
    let flag = |name: &str| entry.get(name).and_then(Value::as_bool);
    let tokens = |name: &str| entry.get(name).and_then(whole);
    let is_claude = id.contains("claude");
    Facts {
        mode: Some(mode),
        context_window: tokens("max_input_tokens"),
        max_output: tokens("max_output_tokens").filter(|_| mode != Mode::Embedding),
        input: input(entry),
        output: modalities(entry.get("supported_output_modalities")),
        tools: flag("supports_function_calling"),
        forced_tools: flag("supports_forced_tool_use").or_else(|| flag("supports_tool_choice")),
        parallel_tools: flag("supports_parallel_function_calling"),
        // For Claude the older flag also counts schemas that LiteLLM emulates with a tool.
        json_schema: flag("supports_native_structured_output")
            .or_else(|| flag("supports_response_schema").filter(|_| !is_claude)),
        prompt_caching: flag("supports_prompt_caching"),
        reasoning: reasoning(entry),
        sampling: flag("supports_sampling_params")
            .map(|takes| if takes { Sampling::Free } else { Sampling::Refused }),
        price: price::of(entry, mode),
        deprecated: entry
            .get("deprecation_date")
            .and_then(Value::as_str)
            .filter(|day| line::is_day(day))
            .map(|day| Cow::Owned(day.to_owned())),
        ..Facts::default()
    }
}

/// A whole number above 0; some are written as floats.
fn whole(value: &Value) -> Option<u64> {
    let float = || value.as_f64().filter(|float| float.fract() == 0.0 && (0.0..1e15).contains(float));
    // Exact: a whole number below 2^53.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let number = value.as_u64().or_else(|| float().map(|float| float as u64));
    number.filter(|number| *number > 0)
}

fn modalities(words: Option<&Value>) -> Option<Modalities> {
    let words = words?.as_array()?.iter().filter_map(Value::as_str);
    let set: Modalities = words
        .filter_map(|word| match word {
            "text" => Some(Modality::Text),
            "image" => Some(Modality::Image),
            "pdf" | "document" | "file" => Some(Modality::Pdf),
            "audio" => Some(Modality::Audio),
            "video" => Some(Modality::Video),
            _ => None,
        })
        .collect();
    (set != Modalities::default()).then_some(set)
}

/// A list of kinds, or flags that are set where there is something to say. Without either nothing is known.
fn input(entry: &Entry) -> Option<Modalities> {
    const FLAGS: [(&str, Modality); 6] = [
        ("supports_vision", Modality::Image),
        ("supports_image_input", Modality::Image),
        ("supports_embedding_image_input", Modality::Image),
        ("supports_pdf_input", Modality::Pdf),
        ("supports_audio_input", Modality::Audio),
        ("supports_video_input", Modality::Video),
    ];
    let listed = modalities(entry.get("supported_modalities"));
    let is_flagged = FLAGS.iter().any(|(name, _)| entry.contains_key(*name));
    if listed.is_none() && !is_flagged {
        return None;
    }
    let listed = listed.map_or_else(|| vec![Modality::Text], Vec::from);
    let has = |name: &str| entry.get(name).and_then(Value::as_bool) == Some(true);
    let flagged = FLAGS.iter().filter(|(name, _)| has(name)).map(|(_, kind)| *kind);
    Some(listed.into_iter().chain(flagged).collect())
}

fn reasoning(entry: &Entry) -> Option<Reasoning> {
    let flag = |name: &str| entry.get(name).and_then(Value::as_bool);
    let mut reasoning = Reasoning {
        style: ReasoningStyle::Unknown,
        efforts: Cow::Borrowed(&[]),
        min_budget: None,
        max_budget: None,
        can_disable: None,
    };
    if !flag("supports_reasoning")? {
        reasoning.style = ReasoningStyle::Never;
        return Some(reasoning);
    }
    let effort = |word: &str| flag(&format!("supports_{word}_reasoning_effort"));
    let listed: Option<Vec<&str>> = entry
        .get("reasoning_effort_levels")
        .and_then(Value::as_array)
        .map(|words| words.iter().filter_map(Value::as_str).collect());
    // The words that every model with efforts has are flagged only where it lacks them.
    let words: Vec<&str> = ["none", "minimal", "low", "medium", "high", "xhigh", "max"]
        .into_iter()
        .filter(|word| match &listed {
            Some(listed) => listed.contains(word),
            None => effort(word).unwrap_or(matches!(*word, "low" | "medium" | "high")),
        })
        .collect();
    let has_efforts = match &listed {
        Some(listed) => !listed.is_empty(),
        None => ["none", "minimal", "low", "xhigh", "max"].iter().any(|word| effort(word).is_some()),
    };
    if flag("supports_adaptive_thinking") == Some(true) {
        reasoning.style = ReasoningStyle::Adaptive;
        reasoning.can_disable = flag("thinking_always_on").map(|always| !always);
    } else if has_efforts {
        reasoning.style = ReasoningStyle::Effort;
        reasoning.can_disable = if listed.is_some() { Some(words.contains(&"none")) } else { effort("none") };
    }
    if has_efforts {
        reasoning.efforts = words.into_iter().map(|word| Cow::Owned(word.to_owned())).collect();
    }
    Some(reasoning)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn written(file: &Value) -> Vec<String> {
        let listing = read(&file.to_string()).unwrap();
        listing
            .iter()
            .map(|(key, listed)| format!("{key} {}", line::write(&listed.facts).join(" ")))
            .collect()
    }

    #[test]
    fn fields_become_facts() {
        let file = json!({
            "sample_spec": {"mode": "one of: chat", "litellm_provider": "one of"},
            "gpt-x": {
                "litellm_provider": "openai", "mode": "responses", "source": "https://x",
                "max_input_tokens": 272_000.0, "max_output_tokens": 128_000,
                "input_cost_per_token": 2.5e-06, "output_cost_per_token": 1.5e-05,
                "cache_read_input_token_cost": 2.5e-07, "cache_creation_input_token_cost": 0.0,
                "cache_creation_input_token_cost_above_1hr": 6e-06,
                "cache_creation_input_token_cost_above_12hr": 9e-06,
                "output_cost_per_reasoning_token": 1.5e-05,
                "input_cost_per_token_above_200k_tokens": 5e-06,
                "input_cost_per_token_batches": 1.25e-06,
                "input_cost_per_token_above_200k_tokens_batches": 2.5e-06,
                "input_cost_per_token_decisions": 1e-06,
                "supports_function_calling": true, "supports_tool_choice": true,
                "supports_response_schema": false, "supports_vision": true, "supports_pdf_input": false,
                "supports_reasoning": true, "supports_none_reasoning_effort": true,
                "supports_xhigh_reasoning_effort": false,
                "deprecation_date": "2027-01-31",
            },
        });
        assert_eq!(
            written(&file),
            ["openai/gpt-x chat ctx=272000 out=128000 in=ti +tools +forced -schema \
              think=effort/none,low,medium,high/+off until=2027-01-31 $=i2.5,o15,r0.25,h6 $>200000=i5 \
              $batch=i1.25 $batch>200000=i2.5"]
        );
    }

    #[test]
    fn claude_is_read_by_its_own_flags() {
        let file = json!({
            "claude-x": {
                "litellm_provider": "anthropic", "mode": "chat", "supports_response_schema": true,
                "supports_reasoning": true, "supports_adaptive_thinking": true, "thinking_always_on": true,
                "supports_max_reasoning_effort": true, "supports_sampling_params": false,
                "supports_tool_choice": true, "supports_forced_tool_use": false,
            },
            "claude-y": {
                "litellm_provider": "anthropic", "mode": "chat", "supports_native_structured_output": true,
                "supports_reasoning": true,
            },
        });
        assert_eq!(
            written(&file),
            [
                "anthropic/claude-x chat -forced think=adaptive/low,medium,high,max/-off sample=refused",
                "anthropic/claude-y chat +schema think=unknown",
            ]
        );
    }

    #[test]
    fn steps_become_thresholds() {
        let file = json!({
            "dashscope/qwen-x": {
                "litellm_provider": "dashscope", "mode": "chat",
                "tiered_pricing": [
                    {"range": [0, 32000.0], "input_cost_per_token": 1.2e-06, "output_cost_per_token": 6e-06},
                    {"range": [32000.0, 128_000.0], "input_cost_per_token": 2.4e-06, "output_cost_per_token": 1.2e-05},
                ],
            },
        });
        assert_eq!(written(&file), ["qwen/qwen-x chat $=i1.2,o6 $>32000=i2.4,o12"]);
    }

    #[test]
    fn zeros_are_no_prices() {
        let file = json!({
            "ollama/x": {
                "litellm_provider": "ollama", "mode": "chat",
                "input_cost_per_token": 0.0, "output_cost_per_token": 0.0,
            },
            "text-embedding-x": {
                "litellm_provider": "openai", "mode": "embedding", "max_output_tokens": 1536,
                "input_cost_per_token": 2e-08, "output_cost_per_token": 0.0,
            },
        });
        assert_eq!(written(&file), ["ollama/x chat", "openai/text-embedding-x embedding $=i0.02"]);
    }

    #[test]
    fn only_what_a_request_can_name_is_kept() {
        let chat = |provider: &str| json!({"litellm_provider": provider, "mode": "chat"});
        let file = json!({
            "azure/gpt-x": chat("azure"),
            "azure/container": chat("azure"),
            "azure/eu/gpt-x": chat("azure"),
            "azure_ai/gpt-x": chat("azure_ai"),
            "bedrock/us-east-1/anthropic.claude-x": chat("bedrock"),
            "bedrock/us-east-1/1-month-commitment/anthropic.claude-x": chat("bedrock"),
            "bedrock/invoke/anthropic.claude-x": chat("bedrock"),
            "bedrock/moonshotai.kimi-x": chat("bedrock"),
            "fireworks_ai/accounts/fireworks/models/kimi-x": chat("fireworks_ai"),
            "fireworks_ai/kimi-x": chat("fireworks_ai"),
            "fireworks_ai/kimi-y": chat("fireworks_ai"),
            "fireworks-ai-up-to-4b": chat("fireworks_ai"),
            "low/1024-x-1024/gpt-image": {"litellm_provider": "openai", "mode": "image_generation"},
            "vertex_ai/claude-x@default": chat("vertex_ai-anthropic_models"),
            "sora": {"litellm_provider": "openai", "mode": "video_generation"},
        });
        assert_eq!(
            written(&file),
            [
                "azureopenai/gpt-x chat",
                "bedrock/anthropic.claude-x chat",
                "bedrock/moonshotai.kimi-x chat",
                "fireworks/accounts/fireworks/models/kimi-x chat",
                "fireworks/accounts/fireworks/models/kimi-y chat",
                "vertexai/claude-x@default chat",
            ]
        );
    }
}
