//! Nulls and defaults, as the API server handles them before it validates.
//!
//! A null where the schema has no `nullable` counts as not given: it becomes the default, or goes away.
//! Source: the Kubernetes documentation of custom resources, "Defaulting and Nullable".

use serde_json::Value;

/// Fills in defaults and drops nulls that mean nothing.
pub fn apply(schema: &Value, value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if let Some(schema) = schema.get("additionalProperties") {
                fields.retain(|_, value| !value.is_null() || schema["nullable"] == true);
                return fields.values_mut().for_each(|value| apply(schema, value));
            }
            let Some(known) = schema["properties"].as_object() else { return };
            for (name, schema) in known {
                let missing = match fields.get(name) {
                    None => true,
                    Some(Value::Null) => schema["nullable"] != true,
                    Some(_) => false,
                };
                if missing {
                    fields.shift_remove(name);
                    if let Some(default) = schema.get("default") {
                        fields.insert(name.clone(), default.clone());
                    }
                }
                if let Some(value) = fields.get_mut(name) {
                    apply(schema, value);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|value| apply(&schema["items"], value)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fills_in_at_every_depth_and_drops_nulls() {
        let schema = json!({"properties": {
            "a": {"default": {"b": 1}, "properties": {"b": {"default": 7}, "c": {"default": 2}}},
            "keep": {"nullable": true, "default": 3},
            "drop": {"type": "string"},
            "list": {"items": {"properties": {"x": {"default": 0}}}},
            "named": {"additionalProperties": {"properties": {"x": {"default": 0}}}},
        }});
        let mut value = json!({"named": {"mine": {}, "gone": null}, "keep": null, "drop": null, "list": [{}, {"x": null}, {"x": 5}]});
        apply(&schema, &mut value);
        assert_eq!(
            value,
            json!({"named": {"mine": {"x": 0}}, "keep": null, "list": [{"x": 0}, {"x": 0}, {"x": 5}], "a": {"b": 1, "c": 2}})
        );
    }
}
