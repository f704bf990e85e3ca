//! What the letters behind the facts stand for: the header of the data.

/// A source, as the header describes it: `# source A 2026-11-24 https://...`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source<'a> {
    pub letter: char,
    /// Day of the snapshot, or on which the page was read; `None` for a letter that only refers to others.
    pub day: Option<&'a str>,
    /// What it is, with its licence where it has one.
    pub what: &'a str,
}

/// Reads a header; lines that describe no source are for people only.
pub fn read(header: &str) -> impl Iterator<Item = Source<'_>> {
    header.lines().filter_map(|line| {
        let (letter, rest) = line.strip_prefix("# source ")?.split_once(' ')?;
        let letter = letter.parse().ok()?;
        let day = rest.split_once(' ').filter(|(day, _)| super::line::is_day(day));
        Some(match day {
            Some((day, what)) => Source { letter, day: Some(day), what },
            None => Source { letter, day: None, what: rest },
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read() {
        let header = "# Words.\n# source l 2026-11-24 LiteLLM, MIT\n# source b both\n# source\n#\n";
        let sources: Vec<Source<'_>> = read(header).collect();
        let first = Source { letter: 'l', day: Some("2026-11-24"), what: "LiteLLM, MIT" };
        assert_eq!(sources, [first, Source { letter: 'b', day: None, what: "both" }]);
    }
}
