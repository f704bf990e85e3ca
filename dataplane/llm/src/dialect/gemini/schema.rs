//! JSON Schemas for `parametersJsonSchema` and `responseJsonSchema`.
//!
//! Of the two ways to give Google a schema this is the safe one: `parameters` and `responseSchema` are a subset of
//! OpenAPI in which every unknown keyword is a 400 and much cannot be said (unions, `additionalProperties`, enums of
//! numbers), while these two take JSON Schema and pass over what they do not know. Both APIs have them, and every
//! generation from 2.0 on takes them (discovery document, recorded answers).
//!
//! Source for what counts there: the discovery document, `GenerationConfig.responseJsonSchema`.

use serde_json::{Map, Value};

/// Keywords that constrain an answer and are passed over.
const IGNORED: &[&str] = &[
    "allOf",
    "contains",
    "dependentRequired",
    "dependentSchemas",
    "else",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "if",
    "maxLength",
    "maxProperties",
    "minLength",
    "minProperties",
    "multipleOf",
    "not",
    "pattern",
    "patternProperties",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
    "uniqueItems",
];

/// A schema that refers to itself many times can grow without end: this many objects are all that is written.
const MAX_NODES: usize = 10_000;
/// Schemas nest no deeper than this in earnest; the parser allows 128 levels.
const MAX_DEPTH: usize = 64;

/// The schema with every reference replaced by what it refers to, and whether that says less than before: a
/// recursion was cut, or a constraint is one that Google passes over.
pub(super) fn adapt(schema: &Value) -> (Value, bool) {
    let mut walk = Walk { root: schema, open: Vec::new(), nodes: 0, is_changed: false };
    let adapted = walk.schema(schema, 0);
    (adapted, walk.is_changed)
}

struct Walk<'a> {
    root: &'a Value,
    /// References that are being resolved.
    open: Vec<&'a str>,
    nodes: usize,
    is_changed: bool,
}

impl<'a> Walk<'a> {
    fn schema(&mut self, schema: &'a Value, depth: usize) -> Value {
        let Value::Object(members) = schema else { return schema.clone() };
        self.nodes += 1;
        if depth > MAX_DEPTH || self.nodes > MAX_NODES {
            return self.cut(schema);
        }
        if let Some(Value::String(reference)) = members.get("$ref") {
            return self.reference(reference, members, depth);
        }
        // What pydantic wraps around a reference that has a description beside it.
        if let Some([only]) = members.get("allOf").and_then(Value::as_array).map(Vec::as_slice) {
            let inner = self.schema(only, depth + 1);
            return self.beside(inner, members, "allOf", depth);
        }
        self.members(members, "$ref", depth).into()
    }

    fn members(&mut self, members: &'a Map<String, Value>, but: &str, depth: usize) -> Map<String, Value> {
        let mut out = Map::new();
        for (name, value) in members.iter().filter(|(name, _)| *name != but) {
            match (name.as_str(), value) {
                ("$schema" | "$defs" | "definitions", _) => {}
                // The same, and known to Google.
                ("const", value) => drop(out.insert("enum".into(), vec![value.clone()].into())),
                ("properties", Value::Object(named)) => {
                    let named =
                        named.iter().map(|(name, inner)| (name.clone(), self.schema(inner, depth + 1)));
                    out.insert("properties".into(), named.collect());
                }
                ("anyOf" | "oneOf" | "allOf" | "prefixItems", Value::Array(list)) => {
                    let list = list.iter().map(|inner| self.schema(inner, depth + 1)).collect();
                    out.insert(name.clone(), list);
                }
                ("items" | "additionalProperties", inner) => {
                    out.insert(name.clone(), self.schema(inner, depth + 1));
                }
                (name, value) => drop(out.insert(name.to_owned(), value.clone())),
            }
            if IGNORED.contains(&name.as_str()) {
                self.is_changed = true;
            }
        }
        out
    }

    fn reference(&mut self, reference: &'a str, members: &'a Map<String, Value>, depth: usize) -> Value {
        let Some(target) = reference.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer)) else {
            // Another document's, which nobody can read from here.
            self.is_changed = true;
            return self.beside(Map::new().into(), members, "$ref", depth);
        };
        let inner = if self.open.contains(&reference) {
            self.cut(target)
        } else {
            self.open.push(reference);
            let inner = self.schema(target, depth + 1);
            self.open.pop();
            inner
        };
        self.beside(inner, members, "$ref", depth)
    }

    /// Adds what stands beside a reference; it is about this place, and wins.
    fn beside(&mut self, inner: Value, members: &'a Map<String, Value>, but: &str, depth: usize) -> Value {
        let Value::Object(mut inner) = inner else { return inner };
        inner.extend(self.members(members, but, depth));
        inner.into()
    }

    /// The type alone: what a schema inside itself would say again.
    fn cut(&mut self, schema: &Value) -> Value {
        self.is_changed = true;
        let kept = ["type", "description"];
        let kept = kept.iter().filter_map(|name| Some(((*name).to_owned(), schema.get(name)?.clone())));
        kept.collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_plain_schema_stays() {
        let schema = json!({"type": "object", "properties": {
            "not": {"type": ["string", "null"], "enum": ["a", null]},
            "n": {"type": "integer", "minimum": 1, "enum": [1, 2]},
        }, "required": ["n"], "additionalProperties": false});
        assert_eq!(adapt(&schema), (schema.clone(), false));
    }

    #[test]
    fn references_are_inlined() {
        let schema = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": {
                "home": {"$ref": "#/$defs/Place", "description": "where"},
                "work": {"allOf": [{"$ref": "#/definitions/Place~1Work"}], "title": "w"},
                "kind": {"const": "x"},
            },
            "$defs": {"Place": {"type": "object", "description": "a place", "properties": {"city": {"$ref": "#/$defs/City"}}}, "City": {"type": "string"}},
            "definitions": {"Place/Work": {"type": "string"}},
        });
        let want = json!({
            "type": "object",
            "properties": {
                "home": {"type": "object", "description": "where", "properties": {"city": {"type": "string"}}},
                "work": {"type": "string", "title": "w"},
                "kind": {"enum": ["x"]},
            },
        });
        let (adapted, _) = adapt(&schema);
        assert_eq!(adapted, want);
    }

    #[test]
    fn recursion_is_cut() {
        let schema = json!({
            "$ref": "#/$defs/Node",
            "$defs": {"Node": {"type": "object", "properties": {"value": {"type": "string"}, "next": {"$ref": "#/$defs/Node"}}}},
        });
        let want = json!({"type": "object", "properties": {"value": {"type": "string"}, "next": {"type": "object"}}});
        assert_eq!(adapt(&schema), (want, true));
        let itself = json!({"type": "object", "properties": {"child": {"$ref": "#"}}});
        let once = json!({"type": "object", "properties": {"child": {"type": "object", "properties": {"child": {"type": "object"}}}}});
        assert_eq!(adapt(&itself), (once, true));
    }

    #[test]
    fn growth_is_bounded() {
        let mut defs = Map::new();
        for i in 0..40 {
            let next = json!({"$ref": format!("#/$defs/d{}", i + 1)});
            defs.insert(format!("d{i}"), json!({"type": "object", "properties": {"a": next, "b": next}}));
        }
        let schema = json!({"$ref": "#/$defs/d0", "$defs": defs});
        let (adapted, changed) = adapt(&schema);
        assert!(changed);
        assert!(adapted.to_string().len() < 100 * MAX_NODES);
    }

    #[test]
    fn what_google_passes_over_is_told() {
        for (schema, changed) in [
            (json!({"type": "string", "pattern": "x"}), true),
            (json!({"type": "array", "items": {"type": "string", "maxLength": 3}}), true),
            (json!({"type": "array", "maxItems": 3}), false),
            (json!({"properties": {"pattern": {"type": "string"}}}), false),
            (json!({"$ref": "https://example.com/schema"}), true),
        ] {
            assert_eq!(adapt(&schema).1, changed, "{schema}");
        }
    }
}
