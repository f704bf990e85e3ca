//! The page of provider types is what the code has, and the guide's example is real.
//!
//! `UPDATE_GENERATED=1 cargo test -p penstock-llm --test docs` writes it anew.

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use penstock_llm::Format;
use penstock_llm::provider::{Auth, Call, Provider, REGISTRY, Site};

const HEAD: &str = "\
# Provider types

Generated from the code; `UPDATE_GENERATED=1 cargo test -p penstock-llm --test docs` writes it anew.

`type` is what a ProviderPool writes. The endpoint is the default; `{region}` and `{project}` in it are the pool's, and *yours* means that the pool must give one. A client whose format the vendor has natively keeps it; any other client is translated to the first. In `provider_options` a type stands in lower case.

| `type` | endpoint | credentials | formats | embeddings | vendor's page |
|---|---|---|---|---|---|
";

fn credentials(auth: Auth) -> String {
    match auth {
        Auth::Header { name, prefix } => format!("API key, `{name}: {prefix}…`"),
        Auth::Aws { service } => format!("AWS (`{service}`), or a Bedrock API key"),
        Auth::Google => "Google Cloud: service account, or the pod's own identity".into(),
        Auth::Ibm => "IBM Cloud API key".into(),
        Auth::Azure => "API key, `api-key: …`, or Microsoft Entra ID".into(),
        Auth::None => "none".into(),
    }
}

fn name(format: Format) -> &'static str {
    match format {
        Format::Chat => "Chat Completions",
        Format::Responses => "Responses",
        Format::Completions => "Completions",
        Format::Messages => "Messages",
        Format::Gemini => "Gemini",
        Format::Converse => "Converse",
        Format::Cohere => "Cohere Chat",
        Format::Ollama => "Ollama Chat",
    }
}

/// The formats of most models; those of Claude and of OpenAI's open models beside them where they differ.
fn formats(provider: &dyn Provider) -> String {
    let list = |model| provider.formats(model).iter().map(|it| name(*it)).collect::<Vec<_>>().join(", ");
    let usual = list("m");
    let mut out = usual.clone();
    for (who, model) in [("Claude", "claude-sonnet-4-5"), ("gpt-oss", "@cf/openai/gpt-oss-120b")] {
        let special = list(model);
        if special != usual {
            let _ = write!(out, "; {who}: {special}");
        }
    }
    if out.is_empty() { "any".into() } else { out }
}

fn embeds(provider: &dyn Provider) -> bool {
    let site = Site { endpoint: "https://h", region: Some("r"), project: Some("p"), ..Site::default() };
    ["m", "text-embedding-3-small", "amazon.titan-embed-text-v2:0", "cohere.embed-v4:0"].iter().any(|model| {
        let format = provider.formats(model).first().copied().unwrap_or(Format::Chat);
        provider.embed_format(model).is_some() && provider.url(&site, model, format, Call::Embed).is_some()
    })
}

#[test]
fn the_page_of_provider_types_matches_the_code() {
    let mut page = HEAD.to_owned();
    for provider in REGISTRY {
        let has_network = provider.auth() != Auth::None || !provider.formats("m").is_empty();
        let endpoint = match provider.default_endpoint() {
            Some(url) => format!("`{url}`"),
            None if has_network => "*yours*".into(),
            None => "none".into(),
        };
        let docs = match provider.docs() {
            "" => String::new(),
            url => format!("[reference]({url})"),
        };
        let _ = writeln!(
            page,
            "| `{}` | {endpoint} | {} | {} | {} | {docs} |",
            provider.name(),
            credentials(provider.auth()),
            formats(*provider),
            if embeds(*provider) { "yes" } else { "" },
        );
    }

    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/providers.md");
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == page,
        "docs/providers.md has drifted: run UPDATE_GENERATED=1 cargo test -p penstock-llm --test docs"
    );
}

/// The example in the guide for contributors is the real one.
#[test]
fn the_guide_shows_the_files_as_they_are() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let guide = fs::read_to_string(root.join("../../CONTRIBUTING.md")).unwrap();
    for file in ["src/provider/cerebras.rs", "tests/golden/providers/cerebras.json"] {
        let text = fs::read_to_string(root.join(file)).unwrap();
        assert!(guide.contains(&text), "CONTRIBUTING.md shows another {file}");
    }
}
