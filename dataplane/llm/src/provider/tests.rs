use super::*;

fn provider(name: &str) -> &'static dyn Provider {
    by_name(name).unwrap()
}

#[test]
fn names_are_unique() {
    for (i, provider) in REGISTRY.iter().enumerate() {
        assert!(REGISTRY.iter().skip(i + 1).all(|other| other.name() != provider.name()));
    }
    assert!(by_name("Nobody").is_none());
}

#[test]
fn urls() {
    for (name, endpoint, url) in [
        ("OpenAI", "https://api.openai.com/v1", "https://api.openai.com/v1/chat/completions"),
        ("OpenAI", "http://localhost:1234", "http://localhost:1234/v1/chat/completions"),
        ("OpenAI", "http://localhost:1234/", "http://localhost:1234/v1/chat/completions"),
        ("OpenAICompatible", "https://x.example/openai/v1/", "https://x.example/openai/v1/chat/completions"),
        ("OpenAICompatible", "https://x.example/beta", "https://x.example/beta/chat/completions"),
        ("Anthropic", "https://api.anthropic.com", "https://api.anthropic.com/v1/messages"),
        ("Anthropic", "https://api.anthropic.com/v1/", "https://api.anthropic.com/v1/messages"),
        ("Anthropic", "https://x.example/anthropic", "https://x.example/anthropic/v1/messages"),
    ] {
        let provider = provider(name);
        let format = provider.formats("x")[0];
        let site = Site { endpoint, ..Site::default() };
        assert_eq!(provider.url(&site, "x", format, Call::Generate { stream: false }).as_deref(), Some(url));
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
        ("gpt-5-chat-latest", false),
        ("gpt-4o", false),
        ("o10x", false),
    ] {
        assert_eq!(provider("OpenAI").quirks(model).fixed_sampling, is, "{model}");
    }
}
