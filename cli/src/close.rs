//! Which known name somebody may have meant.

/// The known name nearest to `name`, when it is near enough to be a slip.
pub fn closest<'a>(name: &str, known: impl IntoIterator<Item = &'a String>) -> Option<&'a str> {
    let lower = name.to_lowercase();
    let limit = (name.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|k| (strsim::osa_distance(&lower, &k.to_lowercase()), k.as_str()))
        .filter(|(d, _)| *d <= limit)
        .min()
        .map(|(_, k)| k)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_slips_and_nothing_else() {
        let known = ["maxAttempts".to_owned(), "timeouts".to_owned(), "reasons".to_owned()];
        assert_eq!(closest("maxattempt", &known), Some("maxAttempts"));
        assert_eq!(closest("timeout", &known), Some("timeouts"));
        assert_eq!(closest("timeotus", &known), Some("timeouts"));
        assert_eq!(closest("retries", &known), None);
    }
}
