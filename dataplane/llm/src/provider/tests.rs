use super::*;

fn provider(name: &str) -> &'static dyn Provider {
    by_name(name).unwrap()
}

#[test]
fn every_type_can_be_told_from_the_others_and_says_where_it_is_described() {
    for (i, provider) in REGISTRY.iter().enumerate() {
        let name = provider.name();
        let key = provider.key();
        for other in REGISTRY.iter().skip(i + 1) {
            assert!(other.name() != name && other.key() != key, "{name}");
        }
        assert_eq!(key, key.to_ascii_lowercase());
        assert!(key.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{key}");
        let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._".contains(&byte);
        assert!(
            !provider.otel_name().is_empty() && provider.otel_name().bytes().all(is_word),
            "{name}: {}",
            provider.otel_name()
        );
        let has_network = !provider.formats("m").is_empty();
        assert!(!has_network || provider.docs().starts_with("https://"), "{name}");
    }
    assert!(by_name("Nobody").is_none());
}

/// What a server without a name for its signatures signs would look like Anthropic's or OpenAI's.
#[test]
fn whoever_may_sign_in_the_words_of_another_has_a_name_of_its_own() {
    for provider in REGISTRY {
        for model in [
            "m",
            "claude-sonnet-4-5",
            "anthropic/claude-sonnet-4-5",
            "@cf/openai/gpt-oss-120b",
            "gemini-2.5-pro",
        ] {
            let formats = provider.formats(model);
            let tagged = [Format::Messages, Format::Responses, Format::Gemini];
            let is_signer = tagged.iter().any(|format| formats.contains(format));
            assert!(!is_signer || provider.issuer(model).is_some(), "{} {model}", provider.name());
        }
    }
}

#[test]
fn the_list_of_types_is_in_order() {
    let names: Vec<String> = REGISTRY.iter().map(|provider| provider.name().to_lowercase()).collect();
    let mut sorted = names.clone();
    sorted.sort();
    assert_eq!(names, sorted);
}

/// The names that OpenTelemetry has for vendors: where it has one, a dashboard expects it.
#[test]
fn names_that_opentelemetry_knows() {
    for (name, otel) in [
        ("OpenAI", "openai"),
        ("Anthropic", "anthropic"),
        ("Cohere", "cohere"),
        ("AzureOpenAI", "azure.ai.openai"),
        ("Watsonx", "ibm.watsonx.ai"),
        ("Perplexity", "perplexity"),
        ("XAI", "x_ai"),
        ("DeepSeek", "deepseek"),
        ("Groq", "groq"),
        ("Mistral", "mistral_ai"),
        ("Gemini", "gcp.gemini"),
        ("VertexAI", "gcp.vertex_ai"),
    ] {
        assert_eq!(provider(name).otel_name(), otel);
    }
}

const CHAT: (Format, Call) = (Format::Chat, Call::Generate { stream: false });
const STREAM: (Format, Call) = (Format::Chat, Call::Generate { stream: true });
const RESPONSES: (Format, Call) = (Format::Responses, Call::Generate { stream: false });
const COMPLETIONS: (Format, Call) = (Format::Completions, Call::Generate { stream: false });
const MESSAGES: (Format, Call) = (Format::Messages, Call::Generate { stream: true });
const COHERE: (Format, Call) = (Format::Cohere, Call::Generate { stream: true });
const OLLAMA: (Format, Call) = (Format::Ollama, Call::Generate { stream: true });
const COUNT: (Format, Call) = (Format::Messages, Call::CountTokens);
const EMBED: (Format, Call) = (Format::Chat, Call::Embed);

/// Without an endpoint: what each type calls by itself, with the region `eu-x` and the project `p1`.
#[test]
#[rustfmt::skip]
fn urls_of_the_vendors() {
    for (name, model, (format, call), url) in [
        ("Anthropic", "m", MESSAGES, "https://api.anthropic.com/v1/messages"),
        ("Anthropic", "m", COUNT, "https://api.anthropic.com/v1/messages/count_tokens"),
        ("ByteDance", "m", CHAT, "https://ark.cn-beijing.volces.com/api/v3/chat/completions"),
        ("ByteDance", "m", RESPONSES, "https://ark.cn-beijing.volces.com/api/v3/responses"),
        ("ByteDance", "m", EMBED, "https://ark.cn-beijing.volces.com/api/v3/embeddings"),
        ("Cerebras", "m", CHAT, "https://api.cerebras.ai/v1/chat/completions"),
        ("Cerebras", "m", COMPLETIONS, "https://api.cerebras.ai/v1/completions"),
        ("CloudflareWorkersAI", "m", CHAT, "https://api.cloudflare.com/client/v4/accounts/p1/ai/v1/chat/completions"),
        ("CloudflareWorkersAI", "@cf/openai/gpt-oss-120b", RESPONSES, "https://api.cloudflare.com/client/v4/accounts/p1/ai/v1/responses"),
        ("CloudflareWorkersAI", "m", EMBED, "https://api.cloudflare.com/client/v4/accounts/p1/ai/v1/embeddings"),
        ("Cohere", "m", COHERE, "https://api.cohere.com/v2/chat"),
        ("Cohere", "m", EMBED, "https://api.cohere.com/v2/embed"),
        ("DeepInfra", "m", CHAT, "https://api.deepinfra.com/v1/openai/chat/completions"),
        ("DeepInfra", "m", COMPLETIONS, "https://api.deepinfra.com/v1/openai/completions"),
        ("DeepInfra", "m", EMBED, "https://api.deepinfra.com/v1/openai/embeddings"),
        ("DeepSeek", "m", CHAT, "https://api.deepseek.com/chat/completions"),
        ("DeepSeek", "m", RESPONSES, "https://api.deepseek.com/responses"),
        ("DeepSeek", "m", MESSAGES, "https://api.deepseek.com/anthropic/v1/messages"),
        ("Fireworks", "m", CHAT, "https://api.fireworks.ai/inference/v1/chat/completions"),
        ("Fireworks", "m", RESPONSES, "https://api.fireworks.ai/inference/v1/responses"),
        ("Fireworks", "m", COMPLETIONS, "https://api.fireworks.ai/inference/v1/completions"),
        ("Fireworks", "m", MESSAGES, "https://api.fireworks.ai/inference/v1/messages"),
        ("Fireworks", "m", EMBED, "https://api.fireworks.ai/inference/v1/embeddings"),
        ("Groq", "m", CHAT, "https://api.groq.com/openai/v1/chat/completions"),
        ("Groq", "m", RESPONSES, "https://api.groq.com/openai/v1/responses"),
        ("HuggingFace", "m", CHAT, "https://router.huggingface.co/v1/chat/completions"),
        ("MetaLlama", "m", CHAT, "https://api.llama.com/compat/v1/chat/completions"),
        ("MiniMax", "m", CHAT, "https://api.minimax.io/v1/chat/completions"),
        ("MiniMax", "m", RESPONSES, "https://api.minimax.io/v1/responses"),
        ("MiniMax", "m", MESSAGES, "https://api.minimax.io/anthropic/v1/messages"),
        ("Mistral", "m", CHAT, "https://api.mistral.ai/v1/chat/completions"),
        ("Mistral", "m", EMBED, "https://api.mistral.ai/v1/embeddings"),
        ("Moonshot", "m", CHAT, "https://api.moonshot.ai/v1/chat/completions"),
        ("Moonshot", "m", RESPONSES, "https://api.moonshot.ai/v1/responses"),
        ("Moonshot", "m", MESSAGES, "https://api.moonshot.ai/anthropic/v1/messages"),
        ("Nebius", "m", CHAT, "https://api.tokenfactory.nebius.com/v1/chat/completions"),
        ("Nebius", "m", EMBED, "https://api.tokenfactory.nebius.com/v1/embeddings"),
        ("Novita", "m", CHAT, "https://api.novita.ai/openai/v1/chat/completions"),
        ("Novita", "m", EMBED, "https://api.novita.ai/openai/v1/embeddings"),
        ("NvidiaNim", "m", CHAT, "https://integrate.api.nvidia.com/v1/chat/completions"),
        ("NvidiaNim", "m", EMBED, "https://integrate.api.nvidia.com/v1/embeddings"),
        ("OpenAI", "m", CHAT, "https://api.openai.com/v1/chat/completions"),
        ("OpenAI", "m", RESPONSES, "https://api.openai.com/v1/responses"),
        ("OpenAI", "m", COMPLETIONS, "https://api.openai.com/v1/completions"),
        ("OpenAI", "m", EMBED, "https://api.openai.com/v1/embeddings"),
        ("OpenRouter", "m", CHAT, "https://openrouter.ai/api/v1/chat/completions"),
        ("OpenRouter", "m", RESPONSES, "https://openrouter.ai/api/v1/responses"),
        ("OpenRouter", "m", MESSAGES, "https://openrouter.ai/api/v1/messages"),
        ("OpenRouter", "m", EMBED, "https://openrouter.ai/api/v1/embeddings"),
        ("Perplexity", "m", CHAT, "https://api.perplexity.ai/chat/completions"),
        ("Qwen", "m", CHAT, "https://dashscope-intl.aliyuncs.com/compatible-mode/v1/chat/completions"),
        ("Qwen", "m", MESSAGES, "https://dashscope-intl.aliyuncs.com/apps/anthropic/v1/messages"),
        ("Qwen", "m", EMBED, "https://dashscope-intl.aliyuncs.com/compatible-mode/v1/embeddings"),
        ("SambaNova", "m", CHAT, "https://api.sambanova.ai/v1/chat/completions"),
        ("SambaNova", "m", RESPONSES, "https://api.sambanova.ai/v1/responses"),
        ("SambaNova", "m", MESSAGES, "https://api.sambanova.ai/v1/messages"),
        ("SambaNova", "m", COUNT, "https://api.sambanova.ai/v1/messages/count_tokens"),
        ("SambaNova", "m", EMBED, "https://api.sambanova.ai/v1/embeddings"),
        ("Snowflake", "m", CHAT, "https://p1.snowflakecomputing.com/api/v2/cortex/v1/chat/completions"),
        ("Snowflake", "claude-sonnet-4-6", MESSAGES, "https://p1.snowflakecomputing.com/api/v2/cortex/v1/messages"),
        ("Together", "m", CHAT, "https://api.together.ai/v1/chat/completions"),
        ("Together", "m", COMPLETIONS, "https://api.together.ai/v1/completions"),
        ("Together", "m", EMBED, "https://api.together.ai/v1/embeddings"),
        ("Watsonx", "m", CHAT, "https://eu-x.ml.cloud.ibm.com/ml/v1/text/chat?version=2024-10-08"),
        ("Watsonx", "m", STREAM, "https://eu-x.ml.cloud.ibm.com/ml/v1/text/chat_stream?version=2024-10-08"),
        ("Watsonx", "deployment/d1", STREAM, "https://eu-x.ml.cloud.ibm.com/ml/v1/deployments/d1/text/chat_stream?version=2024-10-08"),
        ("XAI", "m", CHAT, "https://api.x.ai/v1/chat/completions"),
        ("XAI", "m", RESPONSES, "https://api.x.ai/v1/responses"),
        ("Zhipu", "m", CHAT, "https://api.z.ai/api/paas/v4/chat/completions"),
        ("Zhipu", "m", MESSAGES, "https://api.z.ai/api/anthropic/v1/messages"),
        ("Zhipu", "m", EMBED, "https://api.z.ai/api/paas/v4/embeddings"),
    ] {
        let provider = provider(name);
        let endpoint = fill(provider.default_endpoint().unwrap(), Some("eu-x"), Some("p1")).unwrap();
        let site = Site { endpoint: &endpoint, region: Some("eu-x"), project: Some("p1"), api_version: None };
        assert_eq!(provider.url(&site, model, format, call).as_deref(), Some(url), "{name} {format:?} {call:?}");
    }
}

#[test]
#[rustfmt::skip]
fn urls_of_given_endpoints() {
    for (name, endpoint, model, version, (format, call), url) in [
        ("OpenAI", "http://localhost:1234", "m", None, CHAT, "http://localhost:1234/v1/chat/completions"),
        ("OpenAI", "http://localhost:1234/", "m", None, EMBED, "http://localhost:1234/v1/embeddings"),
        ("OpenAICompatible", "http://vllm:8000", "m", None, CHAT, "http://vllm:8000/v1/chat/completions"),
        ("OpenAICompatible", "https://x.example/openai/v1/", "m", None, CHAT, "https://x.example/openai/v1/chat/completions"),
        ("OpenAICompatible", "https://x.example/beta", "m", None, COMPLETIONS, "https://x.example/beta/completions"),
        ("Anthropic", "https://api.anthropic.com/v1/", "m", None, MESSAGES, "https://api.anthropic.com/v1/messages"),
        ("Anthropic", "https://x.example/anthropic", "m", None, MESSAGES, "https://x.example/anthropic/v1/messages"),
        ("Cohere", "https://proxy.example/cohere/v2/", "m", None, COHERE, "https://proxy.example/cohere/v2/chat"),
        ("Cohere", "https://proxy.example/v1", "m", None, EMBED, "https://proxy.example/v2/embed"),
        ("Ollama", "http://ollama:11434", "m", None, OLLAMA, "http://ollama:11434/api/chat"),
        ("Ollama", "http://ollama:11434/v1/", "m", None, OLLAMA, "http://ollama:11434/api/chat"),
        ("Ollama", "https://ollama.com/api", "m", None, EMBED, "https://ollama.com/api/embed"),
        ("AzureOpenAI", "https://r.openai.azure.com", "d 1", None, CHAT, "https://r.openai.azure.com/openai/v1/chat/completions"),
        ("AzureOpenAI", "https://r.openai.azure.com/openai/v1/", "d", Some("v1"), CHAT, "https://r.openai.azure.com/openai/v1/chat/completions"),
        ("AzureOpenAI", "https://r.openai.azure.com/", "d 1", Some("2024-10-21"), CHAT, "https://r.openai.azure.com/openai/deployments/d%201/chat/completions?api-version=2024-10-21"),
        ("AzureOpenAI", "https://r.openai.azure.com/openai", "d", Some("2024-10-21"), COMPLETIONS, "https://r.openai.azure.com/openai/deployments/d/completions?api-version=2024-10-21"),
        ("AzureOpenAI", "https://r.openai.azure.com", "d", Some("2024-10-21"), EMBED, "https://r.openai.azure.com/openai/deployments/d/embeddings?api-version=2024-10-21"),
        ("AzureOpenAI", "https://r.openai.azure.com", "d", Some("2025-03-01-preview"), RESPONSES, "https://r.openai.azure.com/openai/responses?api-version=2025-03-01-preview"),
        ("AzureOpenAI", "https://r.openai.azure.com", "d", None, RESPONSES, "https://r.openai.azure.com/openai/v1/responses"),
        ("AzureOpenAI", "https://r.openai.azure.com", "d", None, EMBED, "https://r.openai.azure.com/openai/v1/embeddings"),
        ("Databricks", "https://w.cloud.databricks.com", "m", None, CHAT, "https://w.cloud.databricks.com/serving-endpoints/chat/completions"),
        ("Databricks", "https://w.cloud.databricks.com/serving-endpoints/", "m", None, EMBED, "https://w.cloud.databricks.com/serving-endpoints/embeddings"),
        ("Databricks", "https://w.cloud.databricks.com/serving-endpoints", "databricks-claude-sonnet-4-5", None, MESSAGES, "https://w.cloud.databricks.com/serving-endpoints/anthropic/v1/messages"),
        ("Zhipu", "https://open.bigmodel.cn", "m", None, CHAT, "https://open.bigmodel.cn/api/paas/v4/chat/completions"),
        ("Zhipu", "https://api.z.ai/api/coding/paas/v4", "m", None, CHAT, "https://api.z.ai/api/coding/paas/v4/chat/completions"),
        ("Zhipu", "https://api.z.ai/api/coding/paas/v4", "m", None, MESSAGES, "https://api.z.ai/api/anthropic/v1/messages"),
        ("Moonshot", "https://api.moonshot.cn/v1", "m", None, MESSAGES, "https://api.moonshot.cn/anthropic/v1/messages"),
        ("MiniMax", "https://api.minimaxi.com/v1", "m", None, MESSAGES, "https://api.minimaxi.com/anthropic/v1/messages"),
        ("Qwen", "https://dashscope.aliyuncs.com/compatible-mode/v1", "m", None, MESSAGES, "https://dashscope.aliyuncs.com/apps/anthropic/v1/messages"),
        ("Groq", "http://proxy/groq/openai/v1", "m", None, CHAT, "http://proxy/groq/openai/v1/chat/completions"),
        ("Watsonx", "https://wx.example/", "m", Some("2025-01-01"), CHAT, "https://wx.example/ml/v1/text/chat?version=2025-01-01"),
    ] {
        let provider = provider(name);
        let site = Site { endpoint, api_version: version, ..Site::default() };
        assert_eq!(provider.url(&site, model, format, call).as_deref(), Some(url), "{name} {endpoint}");
    }
}

/// A URL for each format that a type says it serves, and for no other.
#[test]
fn formats_and_urls_agree() {
    for provider in REGISTRY {
        for model in ["m", "claude-sonnet-4-6", "@cf/openai/gpt-oss-120b"] {
            let site = Site {
                endpoint: "https://host.example",
                region: Some("r"),
                project: Some("p"),
                ..Site::default()
            };
            let formats = provider.formats(model);
            let name = provider.name();
            if !formats.is_empty() {
                assert!(!formats.iter().any(|it| formats.iter().filter(|other| *other == it).count() > 1));
            }
            for format in formats {
                for stream in [false, true] {
                    let url = provider.url(&site, model, *format, Call::Generate { stream });
                    assert!(
                        url.is_some_and(|url| url.starts_with("https://") && !url.contains(['{', ' '])),
                        "{name} {format:?}"
                    );
                }
            }
            let embeds = formats
                .first()
                .is_some_and(|first| provider.url(&site, model, *first, Call::Embed).is_some());
            assert_eq!(embeds, provider.embed_format(model).is_some(), "{name} embeddings");
        }
    }
}

#[test]
fn clients_keep_their_format_where_the_vendor_has_it() {
    for (name, model, client, format) in [
        ("DeepSeek", "deepseek-chat", Format::Messages, Format::Messages),
        ("DeepSeek", "deepseek-chat", Format::Responses, Format::Responses),
        ("Mistral", "mistral-large-latest", Format::Messages, Format::Chat),
        ("Mistral", "mistral-large-latest", Format::Responses, Format::Chat),
        ("Databricks", "databricks-claude-sonnet-4-5", Format::Chat, Format::Chat),
        ("Databricks", "databricks-claude-sonnet-4-5", Format::Responses, Format::Messages),
        ("Databricks", "databricks-gpt-oss-120b", Format::Messages, Format::Chat),
        ("Snowflake", "claude-sonnet-4-6", Format::Messages, Format::Messages),
        ("CloudflareWorkersAI", "@cf/meta/llama-3.1-8b-instruct", Format::Responses, Format::Chat),
    ] {
        assert_eq!(provider(name).format_for(client, model), Some(format), "{name} {model} {client:?}");
    }
}

#[test]
fn own_models() {
    for (name, model, serves) in [
        ("OpenAI", "gpt-4o", true),
        ("OpenAI", "ft:gpt-4o-mini:acme::id", true),
        ("OpenAI", "o3-mini", true),
        ("OpenAI", "gpt-oss-120b", false),
        ("OpenAI", "claude-opus-4-1", false),
        ("Anthropic", "claude-opus-4-1", true),
        ("Anthropic", "gpt-4o", false),
        ("OpenAICompatible", "gpt-4o", false),
        ("Bedrock", "eu.anthropic.claude-sonnet-4-5-20250929-v1:0", true),
        ("Bedrock", "amazon.nova-lite-v1:0", true),
        ("Bedrock", "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123", true),
        ("Bedrock", "claude-sonnet-4-5", false),
        ("Bedrock", "gpt-4.1", false),
        ("AzureOpenAI", "gpt-4o", false),
        ("Cohere", "command-a-03-2025", true),
        ("Cohere", "embed-v4.0", true),
        ("Cohere", "llama3.1:8b", false),
        ("Ollama", "llama3.1:8b", false),
        ("Mistral", "codestral-latest", true),
        ("Zhipu", "glm-4.6", true),
        ("Gemini", "gemini-2.5-pro", true),
        ("Gemini", "gemini-9.9-pro", true),
        ("Gemini", "gpt-4o", false),
        ("VertexAI", "gemini-3-pro-preview", true),
        ("VertexAI", "gemini-9.9-pro", true),
        ("VertexAI", "claude-opus-4-1", true),
        ("VertexAI", "text-embedding-005", true),
        ("VertexAI", "gpt-4o", false),
        ("Groq", "openai/gpt-oss-120b", true),
        ("CloudflareWorkersAI", "@cf/meta/llama-3.1-8b-instruct", true),
    ] {
        assert_eq!(provider(name).serves(model), serves, "{name} {model}");
    }
}

#[test]
fn reasoning_models() {
    for (model, is) in [
        ("o1", true),
        ("o1-mini", true),
        ("o3-mini-2025-01-31", true),
        ("gpt-5", true),
        ("gpt-5.4-mini", true),
        ("gpt-6", true),
        ("ft:o4-mini:acme::id", true),
        ("gpt-5-chat-latest", false),
        ("gpt-4o", false),
        ("gpt-4.1-mini", false),
        ("o10x", false),
        ("gpt-five", false),
    ] {
        for name in ["OpenAI", "AzureOpenAI"] {
            assert_eq!(provider(name).quirks(model).fixed_sampling, is, "{name} {model}");
        }
    }
}

#[test]
fn how_families_are_asked_to_think() {
    use ReasoningControl::{Effort, EnableThinking, ThinkingType};
    for (name, model, control) in [
        ("OpenAI", "gpt-4o", ReasoningControl::None),
        ("OpenAI", "o3-mini", Effort(&["low", "medium", "high"])),
        ("OpenAI", "gpt-5-mini", Effort(&["minimal", "low", "medium", "high"])),
        ("OpenAI", "gpt-5.1", Effort(&["none", "low", "medium", "high"])),
        ("OpenAI", "gpt-5.4-mini", Effort(&["none", "low", "medium", "high", "xhigh"])),
        ("XAI", "grok-4.20-0309-non-reasoning", ReasoningControl::None),
        ("XAI", "grok-3-mini-fast", Effort(&["low", "high"])),
        ("XAI", "grok-4.3-latest", Effort(&["none", "low", "medium", "high"])),
        ("XAI", "grok-4.5", Effort(&["low", "medium", "high"])),
        ("Groq", "openai/gpt-oss-20b", Effort(&["low", "medium", "high"])),
        ("Groq", "qwen/qwen3-32b", Effort(&["none", "default"])),
        ("Groq", "llama-3.3-70b-versatile", ReasoningControl::None),
        ("Qwen", "qwen-plus", EnableThinking),
        ("DeepSeek", "deepseek-v4-pro", ThinkingType),
        ("Moonshot", "kimi-k2.5", ThinkingType),
        ("Moonshot", "kimi-k3", Effort(&["low", "high", "max"])),
        ("Moonshot", "moonshot-v1-8k", ReasoningControl::None),
        ("Zhipu", "glm-4.6", ThinkingType),
        ("Zhipu", "glm-5.3", Effort(&["low", "high", "max"])),
    ] {
        assert_eq!(provider(name).quirks(model).reasoning, control, "{name} {model}");
    }
}

/// <https://www.alibabacloud.com/help/en/model-studio/deep-thinking>
#[test]
fn models_that_only_stream() {
    for (model, only) in [
        ("qwq-plus", true),
        ("qvq-max", true),
        ("qwen3-32b", true),
        ("qwen3-235b-a22b", true),
        ("qwen3-0.6b", true),
        ("qwen3-omni-flash", true),
        ("qwen2.5-omni-7b", true),
        ("qwen3-max", false),
        ("qwen3-coder-plus", false),
        ("qwen-plus", false),
        ("qwen2.5-72b-instruct", false),
    ] {
        assert_eq!(provider("Qwen").quirks(model).stream_only, only, "{model}");
    }
}
