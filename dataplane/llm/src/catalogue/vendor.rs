//! Whose model is it? The same model stands behind many providers, under many names.
//!
//! Only vendors that keep their weights: who hosts such a model, passes requests on to the same one, so that its
//! abilities are its vendor's. Open weights behave as their host sets them up.

/// Facts (by their names in a line) that a hosted model has from its vendor's line where the host's own line does not
/// know them. Never prices, windows, caching or native schemas: those are the host's.
pub const INHERITED: [&str; 9] =
    ["mode", "out", "in", "gen", "tools", "forced", "parallel", "think", "sample"];

/// The provider key of the vendor and the vendor's name for the model; `None` for the vendor itself, and where the
/// vendor is not known from the name.
pub fn of(provider: &str, model: &str) -> Option<(&'static str, String)> {
    let (vendor, name) = named(bare(model))?;
    (vendor != provider).then_some((vendor, name))
}

/// Without what hosts put around a name: paths, regions and vendors before it, versions and variants behind it.
fn bare(model: &str) -> &str {
    let name = model.rsplit('/').next().unwrap_or(model);
    let name = name.split([':', '@']).next().unwrap_or(name);
    let name = name.rsplit_once('.').map_or(name, |(before, after)| {
        // A dot behind a digit is a version's: `gpt-5.4`.
        if before.ends_with(|last: char| last.is_ascii_digit()) { after_vendor(name) } else { after }
    });
    let name =
        ["databricks-", "openai-", "xai-"].iter().find_map(|host| name.strip_prefix(host)).unwrap_or(name);
    let version = name.rsplit_once("-v").filter(|(_, digits)| is_number(digits));
    version.map_or(name, |(name, _)| name)
}

/// `us.openai.gpt-5.4` → `gpt-5.4`: what stands behind the last dot that is not a version's.
fn after_vendor(name: &str) -> &str {
    let mut dots = name.rmatch_indices('.').map(|(at, _)| at);
    let is_version =
        |at: usize| name.get(..at).is_some_and(|before| before.ends_with(|last: char| last.is_ascii_digit()));
    dots.find(|at| !is_version(*at)).and_then(|at| name.get(at + 1..)).unwrap_or(name)
}

fn named(name: &str) -> Option<(&'static str, String)> {
    let begins = |starts: &[&str]| starts.iter().any(|start| name.starts_with(start));
    if begins(&["claude-"]) {
        Some(("anthropic", claude(name)))
    } else if begins(&["gpt-oss"]) {
        None
    } else if begins(&["gpt-", "o1", "o3", "o4", "codex-", "chatgpt-"]) {
        Some(("openai", dotted(name)))
    } else if begins(&["gemini-"]) {
        Some(("gemini", dotted(name)))
    } else if begins(&["grok-"]) {
        Some(("xai", dotted(name)))
    } else if begins(&["command-"]) {
        Some(("cohere", name.to_owned()))
    } else {
        None
    }
}

/// Anthropic writes dashes, and from 4 on the family before the number: `claude-4.5-sonnet` → `claude-sonnet-4-5`.
fn claude(name: &str) -> String {
    let name = name.replace('.', "-");
    let name = name.strip_suffix("-fast").unwrap_or(&name);
    let parts: Vec<&str> = name.split('-').collect();
    match parts.as_slice() {
        ["claude", major, family] if is_new(major) && !is_number(family) => {
            format!("claude-{family}-{major}")
        }
        ["claude", major, minor, family] if is_new(major) && is_number(minor) && !is_number(family) => {
            format!("claude-{family}-{major}-{minor}")
        }
        _ => name.to_owned(),
    }
}

/// A Claude generation that is named family first.
fn is_new(major: &str) -> bool {
    matches!(major.as_bytes(), [b'4'..=b'9'])
}

/// The others write dots: `gpt-5-4-mini` → `gpt-5.4-mini`. Four digits are a date.
fn dotted(name: &str) -> String {
    let parts: Vec<&str> = name.split('-').collect();
    match parts.as_slice() {
        [family, major, minor, rest @ ..] if is_number(major) && is_number(minor) && minor.len() < 3 => {
            let version = format!("{family}-{major}.{minor}");
            rest.iter().fold(version, |name, part| name + "-" + part)
        }
        _ => name.to_owned(),
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosted_names_lead_to_the_vendor() {
        for (provider, model, vendor, name) in [
            (
                "bedrock",
                "eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
                "anthropic",
                "claude-sonnet-4-5-20250929",
            ),
            ("bedrock", "anthropic.claude-opus-4-6-v1", "anthropic", "claude-opus-4-6"),
            ("bedrock", "us.openai.gpt-5.4", "openai", "gpt-5.4"),
            ("bedrock", "us-gov.xai.grok-4.6", "xai", "grok-4.6"),
            ("vertexai", "claude-opus-4-5@20251101", "anthropic", "claude-opus-4-5"),
            ("vertexai", "xai/grok-4.20-reasoning", "xai", "grok-4.20-reasoning"),
            ("vertexai", "gemini-2.5-pro", "gemini", "gemini-2.5-pro"),
            ("openrouter", "anthropic/claude-opus-4.6:thinking", "anthropic", "claude-opus-4-6"),
            ("openrouter", "x-ai/grok-4-fast", "xai", "grok-4-fast"),
            ("databricks", "databricks-claude-opus-4-6", "anthropic", "claude-opus-4-6"),
            ("databricks", "databricks-gpt-5-4-mini", "openai", "gpt-5.4-mini"),
            ("databricks", "databricks-gemini-2-5-pro", "gemini", "gemini-2.5-pro"),
            ("snowflake", "openai-gpt-4.1", "openai", "gpt-4.1"),
            ("snowflake", "claude-4-sonnet", "anthropic", "claude-sonnet-4"),
            ("deepinfra", "anthropic/claude-3-7-sonnet-latest", "anthropic", "claude-3-7-sonnet-latest"),
            ("x", "claude-4.5-haiku", "anthropic", "claude-haiku-4-5"),
            ("azureopenai", "gpt-5-2025-08-07", "openai", "gpt-5-2025-08-07"),
            ("azureopenai", "gpt-4-0613", "openai", "gpt-4-0613"),
            ("azureopenai", "grok-4-20-reasoning", "xai", "grok-4.20-reasoning"),
        ] {
            assert_eq!(of(provider, model), Some((vendor, name.to_owned())), "{provider}/{model}");
        }
    }

    #[test]
    fn vendors_themselves_and_open_weights_have_none() {
        for (provider, model) in [
            ("anthropic", "claude-opus-4-6"),
            ("openai", "gpt-5.4"),
            ("groq", "openai/gpt-oss-120b"),
            ("together", "meta-llama/Llama-3.3-70B-Instruct-Turbo"),
            ("x", ""),
            ("x", "//"),
            ("x", "...:@"),
        ] {
            assert_eq!(of(provider, model), None, "{provider}/{model}");
        }
    }
}
