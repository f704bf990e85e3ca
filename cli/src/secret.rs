//! A Kubernetes Secret from a file. Its values go into [`Secret`] and into no message.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use penstock_config::Secret;
use serde_json::{Map, Value};

use crate::close::closest;
use crate::schema::{Finding, field};

/// Entries of a Secret.
pub type Entries = BTreeMap<String, Secret<Vec<u8>>>;

const FIELDS: [&str; 7] = ["apiVersion", "kind", "metadata", "data", "stringData", "immutable", "type"];

/// Reads `data` and `stringData`, which wins; an entry that cannot be read is left out and reported.
pub fn read(object: &Map<String, Value>) -> (Entries, Vec<Finding>) {
    let mut findings = Vec::new();
    let known: Vec<String> = FIELDS.iter().map(|f| (*f).to_owned()).collect();
    for key in object.keys().filter(|key| !FIELDS.contains(&key.as_str())) {
        let close = closest(key, &known).map(|n| format!("; did you mean `{n}`?")).unwrap_or_default();
        findings.push(Finding { path: key.clone(), message: format!("unknown field{close}") });
    }
    let mut entries = Entries::new();
    read_map(object, "data", decode, &mut entries, &mut findings);
    read_map(object, "stringData", |text| Ok(text.as_bytes().to_vec()), &mut entries, &mut findings);
    (entries, findings)
}

fn read_map(
    object: &Map<String, Value>,
    name: &str,
    decode: impl Fn(&str) -> Result<Vec<u8>, &'static str>,
    entries: &mut Entries,
    findings: &mut Vec<Finding>,
) {
    let mut say = |path: String, message: &str| findings.push(Finding { path, message: message.to_owned() });
    let map = match object.get(name) {
        None | Some(Value::Null) => return,
        Some(Value::Object(map)) => map,
        Some(_) => return say(name.to_owned(), "must be a mapping"),
    };
    for (key, value) in map {
        if !is_key(key) {
            say(field(name, key), "is not a key: letters, digits, `-`, `_` and `.`, at most 253");
            continue;
        }
        match value.as_str().ok_or("must be text: put it in quotes").and_then(&decode) {
            Ok(bytes) => drop(entries.insert(key.clone(), Secret::new(bytes))),
            Err(message) => say(field(name, key), message),
        }
    }
}

fn decode(text: &str) -> Result<Vec<u8>, &'static str> {
    let packed: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
    STANDARD.decode(packed).map_err(|_| "is not base64; plain text belongs under `stringData`")
}

fn is_key(key: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    (1..=253).contains(&key.len()) && key.bytes().all(allowed) && key != "." && !key.starts_with("..")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn string_data_wins_over_data() {
        let object = json!({"data": {"a": "aGVsbG8=", "b": "aGVs\nbG8="}, "stringData": {"a": "plain"}});
        let (entries, findings) = read(object.as_object().unwrap());
        assert_eq!(findings, []);
        assert_eq!(entries["a"].expose(), b"plain");
        assert_eq!(entries["b"].expose(), b"hello");
    }

    #[test]
    fn no_message_holds_a_value() {
        let object = json!({"data": {"a": "sk-plain-key", "n": 3, "b b": "aGVsbG8="}, "strngData": {}});
        let (entries, findings) = read(object.as_object().unwrap());
        assert!(entries.is_empty());
        let text = format!("{findings:?}");
        assert!(!text.contains("sk-plain"), "{text}");
        assert!(text.contains("did you mean `stringData`?") && text.contains("not base64"), "{text}");
    }
}
