//! The other names under which a model may stand in the catalogue.
//!
//! People and providers add paths, regions, dates and variants to a name. Each step away from the name as given says
//! whether the price is still the same.

use super::line::Line;
use super::table::{Key, Table};

/// A line that stands for a model, perhaps under another name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hit<'a> {
    pub line: Line<'a>,
    /// Does its price hold for the name that was asked for?
    pub same_price: bool,
}

/// Geographies of Bedrock's inference profiles.
const REGIONS: [&str; 9] = ["us", "eu", "apac", "au", "jp", "ca", "sa", "us-gov", "global"];

/// Tried in this order for a model that stands under none or another region.
const REGION_PREFIXES: [&str; 4] = ["us.", "global.", "eu.", "apac."];

/// The line of a model: under its own name, or the nearest other.
pub(super) fn locate<'a>(table: &Table<'a>, provider: &str, model: &str) -> Option<Hit<'a>> {
    let look = |prefix, model, same_price| {
        by_date(table, Key { provider, prefix, model }).map(|line| Hit { line, same_price })
    };
    let name = without_path(provider, model);
    let own = || look("", model, true).or_else(|| look("", name, true));
    match provider {
        "bedrock" => {
            let name = name.split_once(":0:").map_or(name, |(name, _)| name);
            let own_region = name.split_once('.').filter(|(first, _)| REGIONS.contains(first));
            let base = own_region.map_or(name, |(_, base)| base);
            let others = || REGION_PREFIXES.iter().find_map(|region| look(region, base, false));
            own().or_else(|| look("", name, true)).or_else(|| look("", base, false)).or_else(others)
        }
        "fireworks" if !name.contains('/') => {
            own().or_else(|| look("accounts/fireworks/models/", name, true))
        }
        // The variant decides who serves it, and at which price.
        "openrouter" | "huggingface" => own().or_else(|| look("", name.split_once(':')?.0, false)),
        "ollama" => own().or_else(|| look("", name.split_once(':')?.0, true)),
        // A fine-tune has a price of its own: that of its base model's line with `ft:`.
        "openai" | "azureopenai" => own().or_else(|| {
            let base = name.strip_prefix("ft:")?.split(':').next()?;
            look("ft:", base, true).or_else(|| look("", base, false))
        }),
        _ => own(),
    }
}

/// Resource names end in the model: `models/x`, `projects/p/locations/l/publishers/google/models/x`, ARNs.
pub(super) fn without_path<'a>(provider: &str, model: &'a str) -> &'a str {
    match provider {
        "gemini" | "vertexai" => model.rsplit_once("models/").map_or(model, |(_, name)| name),
        "bedrock" if model.starts_with("arn:") => model.rsplit('/').next().unwrap_or(model),
        _ => model,
    }
}

/// The line itself; or, for a dated snapshot, that of the name without date; or, for a name without date, that of its
/// newest snapshot.
fn by_date<'a>(table: &Table<'a>, key: Key<'_>) -> Option<Line<'a>> {
    let exact = table.find(key);
    let base = Key { model: undated(key.model), ..key };
    if exact.is_some() || base.model.is_empty() {
        return exact;
    }
    let of_base = if base.model == key.model { None } else { table.find(base) };
    of_base.or_else(|| newest(table, base))
}

fn newest<'a>(table: &Table<'a>, base: Key<'_>) -> Option<Line<'a>> {
    let length = base.provider.len() + 1 + base.prefix.len() + base.model.len();
    let behind = |line: &Line<'a>| line.key.get(length..).unwrap_or_default();
    let dated = table.starting_with(base).filter(|line| is_snapshot(behind(line)));
    dated.max_by_key(|line| behind(line))
}

/// Without the date, `-latest` or revision at the end.
pub fn undated(name: &str) -> &str {
    let marks = name.match_indices(['-', '@']).map(|(at, _)| name.split_at(at));
    marks.into_iter().find(|(_, mark)| is_snapshot(mark)).map_or(name, |(base, _)| base)
}

/// Is this what vendors put behind a model's name to tell its snapshots apart? `-20250805`, `-2024-08-06`, `-latest`,
/// `@default`, `-001`, `-v1:0`, or a date and a version.
fn is_snapshot(behind: &str) -> bool {
    let Some(mark) = behind.strip_prefix(['-', '@']) else { return false };
    if matches!(mark, "latest" | "default") || is_version(mark) {
        return true;
    }
    let digits =
        |text: &str, long: usize| text.len() == long && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits(mark, 3) {
        return mark.starts_with('0');
    }
    let date = |text: &str| digits(text, 8) || super::line::is_day(text);
    date(mark) || mark.rsplit_once('-').is_some_and(|(day, version)| date(day) && is_version(version))
}

/// `v1`, `v2:0`.
fn is_version(text: &str) -> bool {
    let Some(numbers) = text.strip_prefix('v') else { return false };
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    numbers.split(':').count() <= 2 && numbers.split(':').all(is_number)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: Table<'static> = Table::new(
        "\
anthropic/claude-opus-4-1 chat@l
anthropic/claude-opus-4-1-20250805 chat@l
anthropic/claude-opus-4-5-20251001 chat@l
anthropic/claude-opus-4-5-20251101 chat@l
bedrock/anthropic.claude-opus-4-1-20250805-v1:0 chat@l
bedrock/eu.anthropic.claude-opus-4-1-20250805-v1:0 chat@l
bedrock/us.meta.llama4-scout-17b-instruct-v1:0 chat@l
fireworks/accounts/fireworks/models/kimi-k3 chat@l
gemini/gemini-2.5-pro chat@l
openai/ft:gpt-4o-2024-08-06 chat@l
openai/gpt-4o chat@l
openai/gpt-4o-mini chat@l
openrouter/openai/gpt-4o chat@l
openrouter/openai/gpt-4o:free chat@l
vertexai/claude-opus-4-5@20251101 chat@l
vertexai/claude-opus-4-6@default chat@l
",
    );

    #[test]
    fn names_find_their_line() {
        for (provider, model, key, same_price) in [
            ("anthropic", "claude-opus-4-1", "claude-opus-4-1", true),
            ("anthropic", "claude-opus-4-1-20250805", "claude-opus-4-1-20250805", true),
            ("anthropic", "claude-opus-4-1-20260101", "claude-opus-4-1", true),
            ("anthropic", "claude-opus-4-1-latest", "claude-opus-4-1", true),
            ("anthropic", "claude-opus-4-5", "claude-opus-4-5-20251101", true),
            ("anthropic", "claude-opus-4-5-latest", "claude-opus-4-5-20251101", true),
            (
                "bedrock",
                "eu.anthropic.claude-opus-4-1-20250805-v1:0",
                "eu.anthropic.claude-opus-4-1-20250805-v1:0",
                true,
            ),
            (
                "bedrock",
                "arn:aws:bedrock:eu-central-1:123456789012:inference-profile/eu.anthropic.claude-opus-4-1-20250805-v1:0",
                "eu.anthropic.claude-opus-4-1-20250805-v1:0",
                true,
            ),
            (
                "bedrock",
                "anthropic.claude-opus-4-1-20250805-v1:0:200k",
                "anthropic.claude-opus-4-1-20250805-v1:0",
                true,
            ),
            (
                "bedrock",
                "jp.anthropic.claude-opus-4-1-20250805-v1:0",
                "anthropic.claude-opus-4-1-20250805-v1:0",
                false,
            ),
            ("bedrock", "anthropic.claude-opus-4-1", "anthropic.claude-opus-4-1-20250805-v1:0", true),
            (
                "bedrock",
                "meta.llama4-scout-17b-instruct-v1:0",
                "us.meta.llama4-scout-17b-instruct-v1:0",
                false,
            ),
            ("fireworks", "kimi-k3", "accounts/fireworks/models/kimi-k3", true),
            ("gemini", "models/gemini-2.5-pro", "gemini-2.5-pro", true),
            ("gemini", "gemini-2.5-pro-001", "gemini-2.5-pro", true),
            ("openai", "gpt-4o-2031-01-01", "gpt-4o", true),
            ("openai", "ft:gpt-4o-2024-08-06:acme::id", "ft:gpt-4o-2024-08-06", true),
            ("openai", "ft:gpt-4o:acme::id", "ft:gpt-4o-2024-08-06", true),
            ("openai", "ft:gpt-4o-mini:acme::id", "gpt-4o-mini", false),
            ("openrouter", "openai/gpt-4o:free", "openai/gpt-4o:free", true),
            ("openrouter", "openai/gpt-4o:nitro", "openai/gpt-4o", false),
            ("vertexai", "claude-opus-4-5", "claude-opus-4-5@20251101", true),
            ("vertexai", "claude-opus-4-6", "claude-opus-4-6@default", true),
            (
                "vertexai",
                "projects/p/locations/l/publishers/anthropic/models/claude-opus-4-6@default",
                "claude-opus-4-6@default",
                true,
            ),
        ] {
            let hit = locate(&TABLE, provider, model).map(|hit| (hit.line.key, hit.same_price));
            assert_eq!(hit, Some((format!("{provider}/{key}").as_str(), same_price)), "{provider}/{model}");
        }
    }

    #[test]
    fn other_models_are_not_found() {
        for (provider, model) in [
            ("anthropic", "claude-opus-4"),
            ("anthropic", "claude"),
            ("anthropic", ""),
            ("anthropic", "-20250805"),
            ("openai", "gpt-4"),
            ("openai", "gpt-4o-mini-audio"),
            ("openai", "ft:"),
            ("bedrock", "eu."),
            ("openrouter", ":free"),
            ("vertexai", "gemini-2.5-pro"),
            ("nobody", "gpt-4o"),
        ] {
            assert!(locate(&TABLE, provider, model).is_none(), "{provider}/{model}");
        }
    }
}
