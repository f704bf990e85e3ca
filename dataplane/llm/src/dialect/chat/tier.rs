//! What served an answer, in OpenAI's words.

/// `ServiceTier` of OpenAI's SDKs; the strict ones refuse an answer with any other.
const WORDS: &[&str] = &["auto", "default", "flex", "scale", "priority", "fast"];

/// `None` for a vendor's own word that OpenAI has none for.
pub(super) fn read(word: &str) -> Option<&str> {
    match word {
        // Groq's usual tier. Source: <https://console.groq.com/docs/service-tiers>.
        "on_demand" => Some("default"),
        _ => WORDS.contains(&word).then_some(word),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_vendors() {
        assert_eq!(read("on_demand"), Some("default"));
        assert_eq!(read("flex"), Some("flex"));
        // Anthropic's.
        assert_eq!(read("batch"), None);
    }
}
