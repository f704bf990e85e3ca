//! `requestMetadata`: marks in the account's invocation logs, of a small set of characters.
//!
//! Source: the service model's `RequestMetadata`.

use serde_json::{Map, Value};

const MOST: usize = 16;
const LONGEST: usize = 256;

/// The pairs as Bedrock takes them, and whether that says something else than before.
pub(super) fn fit(metadata: &Map<String, Value>) -> (Map<String, Value>, bool) {
    let mut out = Map::new();
    let mut is_changed = metadata.len() > MOST;
    for (name, value) in metadata.iter().take(MOST) {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let (name_out, text_out) = (clean(name), clean(&text));
        is_changed |= name_out != *name || value.as_str() != Some(&text_out);
        if !name_out.is_empty() {
            out.insert(name_out, text_out.into());
        }
    }
    (out, is_changed)
}

fn clean(text: &str) -> String {
    let is_fit = |c: char| c.is_ascii_alphanumeric() || c.is_ascii_whitespace() || ":_@$#=/+,-.".contains(c);
    text.chars().map(|c| if is_fit(c) { c } else { '_' }).take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(value: Value) -> (Value, bool) {
        let (out, is_changed) = fit(value.as_object().unwrap());
        (out.into(), is_changed)
    }

    #[test]
    fn pairs_fit() {
        assert_eq!(of(json!({"team": "a@b.c/1 x"})), (json!({"team": "a@b.c/1 x"}), false));
        assert_eq!(of(json!({"team!": "é"})), (json!({"team_": "_"}), true));
        assert_eq!(of(json!({"n": 1, "": "x"})), (json!({"n": "1"}), true));
        assert_eq!(of(json!({"x": "y".repeat(300)})), (json!({"x": "y".repeat(256)}), true));
        let many: Map<String, Value> = (0..20).map(|i| (i.to_string(), "x".into())).collect();
        assert_eq!(fit(&many).0.len(), 16);
    }
}
