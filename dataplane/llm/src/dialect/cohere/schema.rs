//! JSON Schemas for Cohere's structured outputs, which know a part of the keywords.
//!
//! Source: <https://docs.cohere.com/docs/structured-outputs>, "Specifying a schema".

use serde_json::{Map, Value};

/// Keywords that it lists as not supported.
const REFUSED: &[&str] =
    &["minimum", "maximum", "minItems", "maxItems", "uniqueItems", "minLength", "maxLength", "allOf", "not"];
/// Formats that are.
const FORMATS: &[&str] = &["date-time", "uuid", "date", "time"];

/// Schemas nest no deeper than this in earnest; the parser allows 128 levels.
const MAX_DEPTH: usize = 128;

/// The schema as Cohere takes it, and whether that says something else than before. `None` for one that is not of an
/// object, which it does not take at all.
pub(super) fn adapt(schema: &Value) -> Option<(Value, bool)> {
    let mut changed = false;
    let adapted = walk(schema, &mut changed, 0);
    is_of_object(&adapted).then_some((adapted, changed))
}

fn is_of_object(schema: &Value) -> bool {
    schema.get("type").is_some_and(|kind| kind == "object")
}

fn walk(schema: &Value, changed: &mut bool, depth: usize) -> Value {
    let Value::Object(members) = schema else { return schema.clone() };
    if depth > MAX_DEPTH {
        return schema.clone();
    }
    let mut out = Map::new();
    for (name, value) in members {
        let is_refused = match name.as_str() {
            "format" => value.as_str().is_none_or(|format| !FORMATS.contains(&format)),
            "pattern" => value.as_str().is_none_or(is_refused_pattern),
            word => REFUSED.contains(&word),
        };
        if is_refused {
            *changed = true;
            continue;
        }
        let (name, value) = match (name.as_str(), value) {
            ("properties" | "$defs" | "definitions", Value::Object(named)) => {
                let walked =
                    named.iter().map(|(name, inner)| (name.clone(), walk(inner, changed, depth + 1)));
                (name.as_str(), walked.collect())
            }
            ("oneOf", Value::Array(list)) => {
                *changed = true;
                ("anyOf", list.iter().map(|inner| walk(inner, changed, depth + 1)).collect())
            }
            ("anyOf" | "prefixItems", Value::Array(list)) => {
                (name.as_str(), list.iter().map(|inner| walk(inner, changed, depth + 1)).collect())
            }
            ("items", inner) => (name.as_str(), walk(inner, changed, depth + 1)),
            (name, value) => (name, value.clone()),
        };
        out.insert(name.to_owned(), value);
    }
    require_one(&mut out, changed);
    out.into()
}

/// "Every object in the schema must have at least one `required` field": where there is none, all are. What then comes
/// fits the schema that was asked for.
fn require_one(out: &mut Map<String, Value>, changed: &mut bool) {
    let names = |name: &str| out.get(name).and_then(Value::as_array).is_some_and(|list| !list.is_empty());
    let Some(Value::Object(properties)) = out.get("properties") else { return };
    if names("required") || properties.is_empty() {
        return;
    }
    let all: Vec<Value> = properties.keys().map(|name| name.as_str().into()).collect();
    *changed = true;
    out.insert("required".into(), all.into());
}

/// Anchors and look-ahead.
fn is_refused_pattern(pattern: &str) -> bool {
    ["^", "$", "?=", "?!"].iter().any(|piece| pattern.contains(piece))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_fitting_schema_stays() {
        let schema = json!({"type": "object", "properties": {
            "minimum": {"type": "string", "format": "date", "pattern": "[a-z]+"},
            "any": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/x"}]},
        }, "required": ["minimum"], "additionalProperties": false, "$defs": {"x": {"type": "object", "properties": {}}}});
        assert_eq!(adapt(&schema), Some((schema.clone(), false)));
    }

    #[test]
    fn keywords_go() {
        let schema = json!({"type": "object", "properties": {
            "n": {"type": "integer", "minimum": 1},
            "s": {"type": "string", "format": "email", "pattern": "^a"},
            "list": {"type": "array", "maxItems": 3, "items": {"oneOf": [{"type": "object", "properties": {"a": {}}}]}},
        }});
        let want = json!({"type": "object", "properties": {
            "n": {"type": "integer"},
            "s": {"type": "string"},
            "list": {"type": "array", "items": {"anyOf": [{"type": "object", "properties": {"a": {}}, "required": ["a"]}]}},
        }, "required": ["n", "s", "list"]});
        assert_eq!(adapt(&schema), Some((want, true)));
    }

    #[test]
    fn only_objects() {
        assert_eq!(adapt(&json!({"type": "array", "items": {"type": "string"}})), None);
        assert_eq!(adapt(&json!(true)), None);
    }
}
