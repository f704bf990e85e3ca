//! JSON Schemas for Anthropic's structured outputs, which know a part of the keywords.
//!
//! Source: <https://docs.claude.com/en/docs/build-with-claude/structured-outputs>, "JSON Schema limitations".

use serde_json::{Map, Value};

/// Keywords that are a 400 there.
const REFUSED: &[&str] = &[
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "maxItems",
    "uniqueItems",
    "contains",
    "minProperties",
    "maxProperties",
    "patternProperties",
    "propertyNames",
    "unevaluatedProperties",
    "dependentSchemas",
    "dependentRequired",
    "not",
    "if",
    "then",
    "else",
];

/// Schemas nest no deeper than this in earnest; the parser allows 128 levels.
const MAX_DEPTH: usize = 128;

/// The schema as Anthropic takes it, and whether that says something else than before.
pub(in crate::dialect) fn adapt(schema: &Value) -> (Value, bool) {
    let mut changed = false;
    let adapted = walk(schema, &mut changed, 0);
    (adapted, changed)
}

fn walk(schema: &Value, changed: &mut bool, depth: usize) -> Value {
    let Value::Object(members) = schema else { return schema.clone() };
    if depth > MAX_DEPTH {
        return schema.clone();
    }
    let mut out = Map::new();
    for (name, value) in members {
        let name = match name.as_str() {
            word if REFUSED.contains(&word) => {
                *changed = true;
                continue;
            }
            "minItems" if value.as_u64().is_none_or(|least| least > 1) => {
                *changed = true;
                continue;
            }
            "oneOf" => {
                *changed = true;
                "anyOf"
            }
            word => word,
        };
        let value = match (name, value) {
            ("properties" | "$defs" | "definitions", Value::Object(named)) => {
                named.iter().map(|(name, inner)| (name.clone(), walk(inner, changed, depth + 1))).collect()
            }
            ("anyOf" | "allOf" | "prefixItems", Value::Array(list)) => {
                list.iter().map(|inner| walk(inner, changed, depth + 1)).collect()
            }
            ("items", inner) => walk(inner, changed, depth + 1),
            (_, value) => value.clone(),
        };
        out.insert(name.to_owned(), value);
    }
    let is_object = out.get("type").is_some_and(|kind| kind == "object") || out.contains_key("properties");
    if is_object && out.get("additionalProperties") != Some(&Value::Bool(false)) {
        *changed = true;
        out.insert("additionalProperties".into(), false.into());
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_fitting_schema_stays() {
        let schema = json!({"type": "object", "properties": {"minimum": {"type": "string"}}, "required": ["minimum"], "additionalProperties": false});
        assert_eq!(adapt(&schema), (schema.clone(), false));
    }

    #[test]
    fn keywords_go_and_objects_close() {
        let schema = json!({"type": "object", "properties": {
            "n": {"type": "integer", "minimum": 1},
            "list": {"type": "array", "minItems": 1, "maxItems": 3, "items": {"oneOf": [{"type": "object"}]}},
        }});
        let want = json!({"type": "object", "properties": {
            "n": {"type": "integer"},
            "list": {"type": "array", "minItems": 1, "items": {"anyOf": [{"type": "object", "additionalProperties": false}]}},
        }, "additionalProperties": false});
        assert_eq!(adapt(&schema), (want, true));
    }
}
