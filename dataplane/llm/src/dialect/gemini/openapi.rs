//! Google's `Schema`, a subset of OpenAPI 3.0, as clients of this format may write it, to JSON Schema.
//!
//! Source: <https://ai.google.dev/api/caching#Schema>.

use serde_json::{Map, Value, json};

use super::case::camel;

/// The same schema in JSON Schema's words.
pub(super) fn to_json_schema(schema: Value) -> Value {
    let Value::Object(members) = schema else { return schema };
    let mut out = Map::new();
    let mut is_nullable = false;
    for (name, value) in camel(members) {
        let value = match (name.as_str(), value) {
            ("type", Value::String(kind)) => kind.to_ascii_lowercase().into(),
            ("nullable", value) => {
                is_nullable = value == Value::Bool(true);
                continue;
            }
            // The order of `properties` says the same; `format: enum` is Google's mark of an `enum`.
            ("propertyOrdering", _) => continue,
            ("format", Value::String(format)) if format == "enum" => continue,
            ("example", value) => {
                out.insert("examples".into(), vec![value].into());
                continue;
            }
            ("properties", Value::Object(named)) => {
                named.into_iter().map(|(name, inner)| (name, to_json_schema(inner))).collect()
            }
            ("anyOf", Value::Array(list)) => list.into_iter().map(to_json_schema).collect(),
            ("items", inner) => to_json_schema(inner),
            // 64-bit counts are text in Google's JSON.
            (
                "minItems" | "maxItems" | "minLength" | "maxLength" | "minProperties" | "maxProperties",
                Value::String(count),
            ) => count.parse::<u64>().map_or(Value::String(count), Value::from),
            (_, value) => value,
        };
        out.insert(name, value);
    }
    if is_nullable {
        allow_null(&mut out);
    }
    out.into()
}

fn allow_null(schema: &mut Map<String, Value>) {
    if let Some(kind @ Value::String(_)) = schema.get_mut("type") {
        *kind = json!([kind.take(), "null"]);
    } else if let Some(Value::Array(list)) = schema.get_mut("anyOf") {
        list.push(json!({"type": "null"}));
    }
    if let Some(Value::Array(values)) = schema.get_mut("enum") {
        values.push(Value::Null);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_change() {
        let schema = json!({
            "type": "OBJECT",
            "property_ordering": ["b", "any_of"],
            "properties": {
                "any_of": {"type": "STRING", "format": "enum", "enum": ["x"], "nullable": true},
                "b": {"type": "ARRAY", "min_items": "1", "items": {"anyOf": [{"type": "NUMBER"}], "nullable": true}},
            },
            "required": ["b"],
        });
        let want = json!({
            "type": "object",
            "properties": {
                "any_of": {"type": ["string", "null"], "enum": ["x", null]},
                "b": {"type": "array", "minItems": 1, "items": {"anyOf": [{"type": "number"}, {"type": "null"}]}},
            },
            "required": ["b"],
        });
        assert_eq!(to_json_schema(schema), want);
    }
}
