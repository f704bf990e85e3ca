//! Names that a mistyped one may have meant.

/// Up to three of `names` that are near to `wanted`, nearest first.
pub fn close_names<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let limit = wanted.chars().count() / 3 + 1;
    let mut near: Vec<(usize, &str)> = names
        .into_iter()
        .filter_map(|name| {
            let distance = distance(wanted, name);
            let contained = name.contains(wanted) || wanted.contains(name);
            (distance <= limit || contained).then_some((distance, name))
        })
        .collect();
    near.sort();
    near.dedup();
    near.into_iter().take(3).map(|(_, name)| name).collect()
}

/// Levenshtein distance in characters.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_come_nearest_first() {
        let names = ["gpt-4o-mini", "gpt-4o", "claude-sonnet-4-5", "gpt-4.1"];
        assert_eq!(close_names("gtp-4o", names), ["gpt-4o"]);
        assert_eq!(close_names("mistral", names), [""; 0]);
        assert_eq!(close_names("gpt-4o-2024", names)[0], "gpt-4o-mini");
    }
}
