//! Reads what Prometheus would read.

use crate::client::Call;
use std::collections::BTreeMap;

/// One scrape of `/metrics`.
#[derive(Clone, Debug, Default)]
pub struct Metrics(Vec<Sample>);

#[derive(Clone, Debug)]
pub struct Sample {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub value: f64,
}

impl Metrics {
    /// # Panics
    /// When it is not answered, or the answer is not the text format.
    pub fn scrape(url: &str) -> Self {
        let answer = Call::get(url).send().unwrap_or_else(|error| panic!("{url}: {error}"));
        assert!(answer.status.is_success(), "{url}: {}", answer.status);
        Self::parse(&answer.text())
    }

    pub fn parse(text: &str) -> Self {
        let samples = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        Self(samples.map(|line| sample(line).unwrap_or_else(|| panic!("no sample: {line:?}"))).collect())
    }

    /// The samples of this name that have all these labels.
    pub fn of(&self, name: &str, labels: &[(&str, &str)]) -> Vec<&Sample> {
        let wanted = |sample: &&Sample| {
            let has =
                |&(label, value): &(&str, &str)| sample.labels.get(label).is_some_and(|have| have == value);
            sample.name == name && labels.iter().all(has)
        };
        self.0.iter().filter(wanted).collect()
    }

    /// Their sum: 0 where there are none.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.of(name, labels).iter().map(|sample| sample.value).sum()
    }

    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.0.iter().map(|sample| sample.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// `name{label="value",...} 1.5`
fn sample(line: &str) -> Option<Sample> {
    let end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(end);
    let mut labels = BTreeMap::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        while !rest.starts_with('}') {
            let (label, after) = rest.split_once("=\"")?;
            let (value, after) = quoted(after)?;
            labels.insert(label.to_owned(), value);
            rest = after.strip_prefix(',').unwrap_or(after);
        }
        rest = &rest[1..];
    }
    let value = rest.split_ascii_whitespace().next()?.parse().ok()?;
    Some(Sample { name: name.to_owned(), labels, value })
}

/// A label's value up to its closing quote, and what follows.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((index, char)) = chars.next() {
        match char {
            '"' => return Some((value, &text[index + 1..])),
            '\\' => match chars.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::Metrics;

    #[test]
    fn samples_are_found_by_name_and_labels() {
        let metrics = Metrics::parse(
            "# TYPE a counter\na{x=\"1\",y=\"q\\\"}\"} 2\na{x=\"1\",y=\"\"} 3 1700000000\nb 1e-3\nc{le=\"+Inf\"} +Inf\n",
        );
        assert_eq!(metrics.sum("a", &[("x", "1")]), 5.0);
        assert_eq!(metrics.sum("a", &[("y", "q\"}")]), 2.0);
        assert_eq!(metrics.sum("b", &[]), 0.001);
        assert_eq!(metrics.sum("c", &[]), f64::INFINITY);
        assert_eq!(metrics.names(), ["a", "b", "c"]);
    }
}
