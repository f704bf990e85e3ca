//! YAML and JSON text to a value, read as kubectl reads it.
//!
//! kubectl reads YAML 1.1: an unquoted `on`, `yes` or `n` is a boolean, also where it is a key, and a
//! key given twice is an error. The API server sees what kubectl made of the text, so the same is done
//! here; otherwise `lint` would call a manifest good that `kubectl apply` cannot send.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// The text could not be read. `line` is counted from 1 inside the text.
#[derive(Debug, PartialEq)]
pub struct SyntaxError {
    pub line: Option<u64>,
    pub message: String,
}

/// Reads one YAML document; `None` when there is nothing in it but comments.
pub fn read_yaml(text: &str) -> Result<Option<Value>, SyntaxError> {
    let options = serde_saphyr::options! { legacy_octal_numbers: true, with_snippet: false };
    match serde_saphyr::from_str_with_options::<Option<Node>>(text, options) {
        Ok(node) => Ok(node.map(|n| n.0)),
        Err(error) => Err(SyntaxError {
            line: error.location().map(|l| l.line()),
            message: plain(&error.without_snippet().to_string()),
        }),
    }
}

/// Reads JSON objects that follow each other, as kubectl does in a file that starts with `{`.
pub fn read_json(text: &str) -> Result<Vec<Value>, SyntaxError> {
    serde_json::Deserializer::from_str(text)
        .into_iter::<Node>()
        .map(|node| node.map(|n| n.0))
        .collect::<Result<_, _>>()
        .map_err(|error| SyntaxError { line: Some(error.line() as u64), message: error.to_string() })
}

/// The sentence without what only the caller knows better: the line is counted from the start of the file there,
/// and the advice is for whoever calls the YAML crate.
fn plain(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let line = line.rsplit_once(" at line ").map_or(line, |(message, _)| message);
    line.split_once(", set DuplicateKeyPolicy").map_or(line, |(message, _)| message).to_owned()
}

/// A value read with kubectl's rules.
struct Node(Value);

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_bool<E>(self, v: bool) -> Result<Node, E> {
        Ok(Node(Value::Bool(v)))
    }

    fn visit_i64<E>(self, v: i64) -> Result<Node, E> {
        Ok(Node(v.into()))
    }

    fn visit_u64<E>(self, v: u64) -> Result<Node, E> {
        Ok(Node(v.into()))
    }

    fn visit_f64<E: Error>(self, v: f64) -> Result<Node, E> {
        Ok(Node(whole(v).map_or_else(|| Number::from_f64(v).map_or(Value::Null, Value::Number), Value::from)))
    }

    fn visit_str<E>(self, v: &str) -> Result<Node, E> {
        Ok(Node(Value::String(v.to_owned())))
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, d: D) -> Result<Node, D::Error> {
        Node::deserialize(d)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(Node(item)) = seq.next_element()? {
            items.push(item);
        }
        Ok(Node(Value::Array(items)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut fields = Map::new();
        while let Some(Node(key)) = map.next_key()? {
            let Node(value) = map.next_value()?;
            let key = key_text(key).ok_or_else(|| A::Error::custom("a key must be text"))?;
            if fields.insert(key.clone(), value).is_some() {
                return Err(A::Error::custom(format_args!("the key {key:?} is given twice")));
            }
        }
        Ok(Node(Value::Object(fields)))
    }
}

/// A key as kubectl sends it to the API server: `on` without quotes is the key `true`.
fn key_text(key: Value) -> Option<String> {
    match key {
        Value::String(text) => Some(text),
        Value::Bool(_) | Value::Number(_) => Some(key.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// `1e3` and `3.0` are the whole numbers that JSON would send.
fn whole(v: f64) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    (v.fract() == 0.0 && v.abs() <= EXACT).then_some(v as i64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_scalars_as_kubectl_does() {
        // The expectation is what `kubectl label --local -o json` printed for the same line.
        let text = "{on: [Connect], off: 1, m: No, z: 0755, t: 2024-01-01, u: 1_000, w: .inf2, x: 0o17, e: 1e3, nul: ~, 12: 3, 1.5: 2, k: yes}";
        let want = json!({"true": ["Connect"], "false": 1, "m": false, "z": 493, "t": "2024-01-01", "u": 1000,
            "w": ".inf2", "x": 15, "e": 1000, "nul": null, "12": 3, "1.5": 2, "k": true});
        assert_eq!(read_yaml(text).unwrap(), Some(want));
    }

    #[test]
    fn quoted_words_stay_text() {
        assert_eq!(read_yaml("{\"on\": 'yes', a: \"12\"}").unwrap(), Some(json!({"on": "yes", "a": "12"})));
    }

    #[test]
    fn a_key_given_twice_is_an_error() {
        let error = read_yaml("a: 1\nb: 2\na: 3\n").unwrap_err();
        assert_eq!(error, SyntaxError { line: Some(3), message: "duplicate mapping key: a".into() });
        assert!(read_json("{\"a\": 1, \"a\": 2}").unwrap_err().message.contains("given twice"));
    }

    #[test]
    fn nothing_but_comments_is_no_document() {
        assert_eq!(read_yaml("# only a comment\n").unwrap(), None);
        assert_eq!(read_yaml("").unwrap(), None);
    }

    #[test]
    fn json_objects_may_follow_each_other() {
        assert_eq!(read_json("{\"a\":1}\n{\"a\":2}").unwrap(), vec![json!({"a": 1}), json!({"a": 2})]);
    }
}
