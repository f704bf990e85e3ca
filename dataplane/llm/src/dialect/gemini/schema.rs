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

/// A schema that refers to itself many times can grow without end: this many values are all that is written.
const MAX_NODES: usize = 10_000;
/// Schemas nest no deeper than this in earnest; the parser allows 128 levels.
const MAX_DEPTH: usize = 64;
/// Bytes that the references of one request may add to what its schemas have themselves.
pub(super) const SPARE: usize = 1 << 20;

/// The schema with every reference replaced by what it refers to, and whether that says less than before: a
/// recursion was cut, or a constraint is one that Google passes over. `spare` is what is left of [`SPARE`]; where it
/// does not suffice, the rest of the schema is left out.
pub(super) fn adapt(schema: &Value, spare: &mut usize) -> (Value, bool) {
    let left = length(schema).saturating_add(*spare);
    let mut walk = Walk { root: schema, open: Vec::new(), nodes: 0, left, is_changed: false };
    let adapted = walk.schema(schema, 0);
    *spare = walk.left.min(*spare);
    (adapted, walk.is_changed)
}

/// Bytes of the JSON text.
fn length(value: &Value) -> usize {
    struct Counter(usize);
    impl std::io::Write for Counter {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut counter = Counter(0);
    // Counting cannot fail.
    let _ = serde_json::to_writer(&mut counter, value);
    counter.0
}

struct Walk<'a> {
    root: &'a Value,
    /// References that are being resolved.
    open: Vec<&'a str>,
    nodes: usize,
    /// Bytes that may still be written.
    left: usize,
    is_changed: bool,
}

impl<'a> Walk<'a> {
    fn schema(&mut self, schema: &'a Value, depth: usize) -> Value {
        self.nodes += 1;
        if depth > MAX_DEPTH || self.nodes > MAX_NODES {
            return self.cut(schema);
        }
        let Value::Object(members) = schema else {
            return self.copy(schema).unwrap_or_else(|| Map::new().into());
        };
        // A bracket; each member has a comma or the other.
        if !self.spend(1) {
            return Map::new().into();
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
            if matches!(name.as_str(), "$schema" | "$defs" | "definitions") {
                continue;
            }
            if IGNORED.contains(&name.as_str()) {
                self.is_changed = true;
            }
            if !self.spend_name(name) {
                break;
            }
            let (name, value) = match (name.as_str(), value) {
                // The same, and known to Google.
                ("const", value) => ("enum", self.copy(value).map(|value| vec![value].into())),
                ("properties", Value::Object(named)) => ("properties", Some(self.named(named, depth))),
                (name @ ("anyOf" | "oneOf" | "allOf" | "prefixItems"), Value::Array(list)) => {
                    (name, Some(self.list(list, depth)))
                }
                (name @ ("items" | "additionalProperties"), inner) => {
                    (name, Some(self.schema(inner, depth + 1)))
                }
                (name, value) => (name, self.copy(value)),
            };
            if let Some(value) = value {
                out.insert(name.to_owned(), value);
            }
        }
        out
    }

    fn named(&mut self, named: &'a Map<String, Value>, depth: usize) -> Value {
        let mut out = Map::new();
        for (name, inner) in named {
            if !self.spend_name(name) {
                break;
            }
            out.insert(name.clone(), self.schema(inner, depth + 1));
        }
        out.into()
    }

    fn list(&mut self, list: &'a [Value], depth: usize) -> Value {
        let mut out = Vec::with_capacity(list.len().min(self.left));
        for inner in list {
            if self.left == 0 {
                break;
            }
            out.push(self.schema(inner, depth + 1));
        }
        out.into()
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
        let kept = kept.iter().filter_map(|name| Some(((*name).to_owned(), self.copy(schema.get(name)?)?)));
        kept.collect()
    }

    /// The value, where there is room for it.
    fn copy(&mut self, value: &Value) -> Option<Value> {
        (self.left > 0 && self.spend(length(value))).then(|| value.clone())
    }

    fn spend_name(&mut self, name: &str) -> bool {
        // The quotes, the colon, the comma.
        self.spend(name.len() + 4)
    }

    /// What does not fit is left out, and so is everything behind it.
    fn spend(&mut self, bytes: usize) -> bool {
        let left = self.left.checked_sub(bytes);
        self.is_changed |= left.is_none();
        self.left = left.unwrap_or(0);
        left.is_some()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn adapt(schema: &Value) -> (Value, bool) {
        super::adapt(schema, &mut SPARE.clone())
    }

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
    fn bytes_are_bounded_over_all_schemas() {
        let long = "x".repeat(100_000);
        let reference = json!({"$ref": "#/$defs/a"});
        let mut spare = SPARE;
        let mut written = 0;
        for defs in [
            json!({"a": {"type": "string", "description": long}}),
            json!({"a": long}),
            json!({"a": {"enum": [long]}}),
            json!({"a": {"properties": {long.as_str(): {}}}}),
            json!({"a": {"type": "object", "description": long, "properties": {"a": reference}}}),
        ] {
            let schema = json!({"anyOf": vec![reference.clone(); 1000], "$defs": defs});
            let (adapted, changed) = super::adapt(&schema, &mut spare);
            assert!(changed);
            written += adapted.to_string().len() - schema.to_string().len().min(adapted.to_string().len());
        }
        assert_eq!(spare, 0);
        assert!(written <= SPARE, "{written}");
        // What has no references needs none of it.
        let plain = json!({"type": "object", "properties": {"a": {"enum": ["é", 1, null, true]}, "b": {"items": {}}, "c": true}});
        assert_eq!(super::adapt(&plain, &mut spare), (plain.clone(), false));
    }

    #[test]
    fn values_that_are_no_objects_count_too() {
        let schema = json!({"anyOf": vec![json!({"$ref": "#/$defs/a"}); 200], "$defs": {"a": {"anyOf": vec![true; 200]}}});
        let (adapted, changed) = adapt(&schema);
        assert!(changed);
        assert!(adapted.to_string().matches("true").count() <= MAX_NODES);
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
