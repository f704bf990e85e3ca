//! What differs between two catalogues, line by line.

use std::collections::BTreeMap;
use std::fmt;

use penstock_llm::catalogue::line::{Line, name};

/// One model that is not as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    Added(String),
    Removed(String),
    /// The facts that differ: before, after; what is missing is empty.
    Changed(String, Vec<(String, String)>),
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Added(line) => write!(f, "+ {line}"),
            Self::Removed(key) => write!(f, "- {key}"),
            Self::Changed(key, facts) => {
                write!(f, "~ {key}")?;
                for (before, after) in facts {
                    let word =
                        |text: &str| if text.is_empty() { "unknown".to_owned() } else { text.to_owned() };
                    write!(f, "  {} → {}", word(before), word(after))?;
                }
                Ok(())
            }
        }
    }
}

/// What changed from one file to another, in the order of the keys.
pub fn between(before: &str, after: &str) -> Vec<Change> {
    let (before, after) = (by_key(before), by_key(after));
    let mut keys: Vec<&str> = before.keys().chain(after.keys()).copied().collect();
    keys.sort_unstable();
    keys.dedup();
    keys.into_iter()
        .filter_map(|key| match (before.get(key), after.get(key)) {
            (None, Some(line)) => Some(Change::Added((*line).to_owned())),
            (Some(_), None) => Some(Change::Removed(key.to_owned())),
            (Some(before), Some(after)) if before != after => {
                Some(Change::Changed(key.to_owned(), differing(before, after)))
            }
            _ => None,
        })
        .collect()
}

fn by_key(text: &str) -> BTreeMap<&str, &str> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| (Line::new(line).key, line)).collect()
}

fn differing(before: &str, after: &str) -> Vec<(String, String)> {
    let facts = |line: &'_ str| -> BTreeMap<String, String> {
        let words = line.split(' ').skip(1);
        words.map(|word| (name(word.split('@').next().unwrap_or(word)).to_owned(), word.to_owned())).collect()
    };
    let (mut before, after) = (facts(before), facts(after));
    let mut differing = Vec::new();
    for (name, after) in after {
        let before = before.remove(&name).unwrap_or_default();
        if before != after {
            differing.push((before, after));
        }
    }
    differing.extend(before.into_values().map(|before| (before, String::new())));
    differing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_told_fact_by_fact() {
        let before = "# h\na/a chat@l\na/b chat@l out=1@l -tools@m\na/c chat@l\n";
        let after = "# other\na/b chat@l out=2@b $=i1@l\na/c chat@l\na/d chat@l\n";
        let changes: Vec<String> = between(before, after).iter().map(ToString::to_string).collect();
        assert_eq!(
            changes,
            ["- a/a", "~ a/b  unknown → $=i1@l  out=1@l → out=2@b  -tools@m → unknown", "+ a/d chat@l",]
        );
        assert!(between(before, before).is_empty());
    }
}
