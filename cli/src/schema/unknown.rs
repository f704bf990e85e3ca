//! Fields that the schema does not know, as kubectl's strict validation finds them.

use serde_json::{Map, Value};

use super::{Finding, field, item};
use crate::close::closest;

/// Fields of every object that the CRD's schema does not describe.
const ROOT: [&str; 3] = ["apiVersion", "kind", "metadata"];

/// Removes what the schema does not know, and reports each field once.
pub fn remove_unknown(schema: &Value, object: &mut Value) -> Vec<Finding> {
    let mut findings = Vec::new();
    walk(schema, object, "", &mut findings);
    findings
}

fn walk(schema: &Value, value: &mut Value, path: &str, findings: &mut Vec<Finding>) {
    match value {
        Value::Object(fields) => walk_object(schema, fields, path, findings),
        Value::Array(items) => {
            for (i, value) in items.iter_mut().enumerate() {
                walk(&schema["items"], value, &item(path, i), findings);
            }
        }
        _ => {}
    }
}

fn walk_object(schema: &Value, fields: &mut Map<String, Value>, path: &str, findings: &mut Vec<Finding>) {
    if let Some(schema) = schema.get("additionalProperties") {
        // The names are the author's own.
        return fields.iter_mut().for_each(|(key, value)| walk(schema, value, &field(path, key), findings));
    }
    // Where a schema lists no properties there is nothing to compare with: another rule speaks of the type.
    let Some(known) = schema["properties"].as_object() else { return };
    fields.retain(|key, value| match known.get(key) {
        Some(schema) => {
            walk(schema, value, &field(path, key), findings);
            true
        }
        None if path.is_empty() && ROOT.contains(&key.as_str()) => true,
        None => {
            findings.push(Finding { path: field(path, key), message: unknown(key, known) });
            false
        }
    });
}

fn unknown(key: &str, known: &Map<String, Value>) -> String {
    match closest(key, known.keys()) {
        Some(name) => format!("unknown field; did you mean `{name}`?"),
        None => "unknown field".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema() -> Value {
        json!({"properties": {"spec": {"properties": {
            "items": {"items": {"properties": {"maxAttempts": {}}}},
            "named": {"additionalProperties": {"properties": {"examples": {}}}},
        }}}})
    }

    fn check(object: &mut Value) -> Vec<String> {
        remove_unknown(&schema(), object).into_iter().map(|f| format!("{}: {}", f.path, f.message)).collect()
    }

    #[test]
    fn names_the_path_and_a_close_name() {
        let mut object = json!({"kind": "X", "spec": {"items": [{"maxAtempts": 1}, {"maxAttempts": 2}], "named": {"mine": {"exmples": 1}}, "zzz": 0}});
        assert_eq!(
            check(&mut object),
            [
                "spec.items[0].maxAtempts: unknown field; did you mean `maxAttempts`?",
                "spec.named.mine.exmples: unknown field; did you mean `examples`?",
                "spec.zzz: unknown field",
            ]
        );
        assert_eq!(
            object,
            json!({"kind": "X", "spec": {"items": [{}, {"maxAttempts": 2}], "named": {"mine": {}}}})
        );
    }
}
