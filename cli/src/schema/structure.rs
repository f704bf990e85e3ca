//! Types, required fields, enums, bounds, patterns and list keys of a structural schema.
//!
//! Written by hand for the part of OpenAPI that our CRDs use: a general JSON Schema crate knows neither
//! `nullable` nor `x-kubernetes-list-type`, and speaks in JSON pointers. A test fails when a CRD starts
//! to use a keyword that is not here.

use std::collections::HashSet;

use regex::Regex;
use serde_json::Value;

use super::{Finding, field, item, schema_of};
use crate::close::closest;

/// What [`check`] found.
#[derive(Debug, Default)]
pub struct Structure {
    pub findings: Vec<Finding>,
    /// The API server leaves CEL out when a type, a required field, an enum or a size is wrong.
    pub cel_can_run: bool,
}

/// Checks `value`, after defaults.
pub fn check(schema: &Value, value: &Value) -> Structure {
    let mut walk = Walk { findings: Vec::new(), blocked: false };
    walk.node(schema, value, "");
    Structure { findings: walk.findings, cel_can_run: !walk.blocked }
}

struct Walk {
    findings: Vec<Finding>,
    blocked: bool,
}

impl Walk {
    fn say(&mut self, path: &str, message: impl Into<String>) {
        self.findings.push(Finding { path: path.to_owned(), message: message.into() });
    }

    /// A finding after which CEL cannot be trusted to run.
    fn block(&mut self, path: &str, message: impl Into<String>) {
        self.blocked = true;
        self.say(path, message);
    }

    fn node(&mut self, schema: &Value, value: &Value, path: &str) {
        if value.is_null() && schema["nullable"] == true {
            return;
        }
        if let Some(want) = schema["type"].as_str()
            && !is_a(value, want)
        {
            return self.block(path, format!("must be {}, not {}", article(want), article(type_of(value))));
        }
        self.allowed(schema, value, path);
        match value {
            Value::Object(fields) => self.object(schema, fields, path),
            Value::Array(items) => self.array(schema, items, path),
            Value::String(text) => self.string(schema, text, path),
            Value::Number(number) => self.number(schema, number.as_f64().unwrap_or(f64::NAN), path),
            Value::Null | Value::Bool(_) => {}
        }
    }

    fn allowed(&mut self, schema: &Value, value: &Value, path: &str) {
        let Some(allowed) = schema["enum"].as_array() else { return };
        if allowed.contains(value) {
            return;
        }
        let names: Vec<String> = allowed.iter().map(plain).collect();
        let close =
            closest(&plain(value), &names).map(|n| format!("; did you mean `{n}`?")).unwrap_or_default();
        self.block(path, format!("{} is not one of {}{close}", shown(value), names.join(", ")));
    }

    fn object(&mut self, schema: &Value, fields: &serde_json::Map<String, Value>, path: &str) {
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !fields.contains_key(name) {
                self.block(&field(path, name), "is required");
            }
        }
        let count = fields.len() as u64;
        if let Some(most) = schema["maxProperties"].as_u64().filter(|most| count > *most) {
            self.block(path, format!("may have at most {}, has {count}", counted(most, "entry")));
        }
        for (name, value) in fields {
            if let Some(schema) = schema_of(schema, name) {
                self.node(schema, value, &field(path, name));
            }
        }
    }

    fn array(&mut self, schema: &Value, items: &[Value], path: &str) {
        let count = items.len() as u64;
        if let Some(least) = schema["minItems"].as_u64().filter(|least| count < *least) {
            self.say(path, format!("needs at least {}", counted(least, "item")));
        }
        if let Some(most) = schema["maxItems"].as_u64().filter(|most| count > *most) {
            self.block(path, format!("may have at most {}, has {count}", counted(most, "item")));
        }
        for (i, value) in items.iter().enumerate() {
            self.node(&schema["items"], value, &item(path, i));
        }
        self.duplicates(schema, items, path);
    }

    fn duplicates(&mut self, schema: &Value, items: &[Value], path: &str) {
        let keys: Vec<&str> = match schema["x-kubernetes-list-type"].as_str() {
            Some("map") => {
                let keys = schema["x-kubernetes-list-map-keys"].as_array().into_iter().flatten();
                keys.filter_map(Value::as_str).collect()
            }
            Some("set") => Vec::new(),
            _ => return,
        };
        let mut seen = HashSet::new();
        for (i, value) in items.iter().enumerate() {
            let (at, identity) = match keys.as_slice() {
                [] => (item(path, i), shown(value)),
                [key] => (field(&item(path, i), key), shown(&value[*key])),
                keys => {
                    let parts: Vec<String> =
                        keys.iter().map(|k| format!("{k}={}", shown(&value[*k]))).collect();
                    (item(path, i), parts.join(", "))
                }
            };
            if !seen.insert(identity.clone()) {
                self.say(&at, format!("{identity} is given twice"));
            }
        }
    }

    fn string(&mut self, schema: &Value, text: &str, path: &str) {
        let length = text.chars().count() as u64;
        if let Some(least) = schema["minLength"].as_u64().filter(|least| length < *least) {
            // A pattern would only say the same once more.
            return self.say(path, format!("needs at least {}", counted(least, "character")));
        }
        if let Some(most) = schema["maxLength"].as_u64().filter(|most| length > *most) {
            self.block(path, format!("may have at most {}, has {length}", counted(most, "character")));
        }
        if let Some(pattern) = schema["pattern"].as_str() {
            // The server's RE2 and this crate read our patterns alike, but for `\s` beyond ASCII.
            // A pattern that does not compile is a fault of the CRD, found by the test below, not of the manifest.
            let matches = Regex::new(pattern).is_ok_and(|regex| regex.is_match(text));
            if !matches {
                self.say(path, format!("{} does not match {pattern}", shown(&Value::from(text))));
            }
        }
    }

    fn number(&mut self, schema: &Value, number: f64, path: &str) {
        if let Some(least) = schema["minimum"].as_f64().filter(|least| number < *least) {
            self.say(path, format!("must be at least {least}, is {number}"));
        }
        if let Some(most) = schema["maximum"].as_f64().filter(|most| number > *most) {
            self.say(path, format!("must be at most {most}, is {number}"));
        }
    }
}

fn is_a(value: &Value, want: &str) -> bool {
    match want {
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        want => type_of(value) == want,
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(n) if n.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// JSON's type names in the words of somebody who writes YAML.
fn article(name: &str) -> &str {
    match name {
        "null" => "empty",
        "boolean" => "true or false",
        "number" => "a number",
        "integer" => "a whole number",
        "string" => "text",
        "array" => "a list",
        "object" => "a mapping",
        other => other,
    }
}

fn counted(n: u64, what: &str) -> String {
    match what.strip_suffix('y') {
        _ if n == 1 => format!("1 {what}"),
        Some(stem) => format!("{n} {stem}ies"),
        None => format!("{n} {what}s"),
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A value in a message: quoted, and cut where it is long.
fn shown(value: &Value) -> String {
    const MOST: usize = 80;
    let text = value.to_string();
    if text.chars().count() <= MOST { text } else { text.chars().take(MOST).chain("…".chars()).collect() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check_one(schema: Value, value: Value) -> Vec<String> {
        check(&schema, &value).findings.into_iter().map(|f| format!("{}: {}", f.path, f.message)).collect()
    }

    #[test]
    fn one_message_for_each_rule() {
        let cases = [
            (json!({"type": "string"}), json!(3), "must be text, not a whole number"),
            (json!({"type": "integer"}), json!(1.5), "must be a whole number, not a number"),
            (json!({"type": "boolean"}), json!("on"), "must be true or false, not text"),
            (json!({"type": "object"}), json!(null), "must be a mapping, not empty"),
            (
                json!({"enum": ["OpenAI", "Anthropic"]}),
                json!("Openai"),
                "\"Openai\" is not one of OpenAI, Anthropic; did you mean `OpenAI`?",
            ),
            (json!({"minItems": 1}), json!([]), "needs at least 1 item"),
            (json!({"maxItems": 1}), json!([1, 2]), "may have at most 1 item, has 2"),
            (json!({"maxProperties": 1}), json!({"a": 1, "b": 2}), "may have at most 1 entry, has 2"),
            (json!({"minLength": 1}), json!(""), "needs at least 1 character"),
            (json!({"maxLength": 2}), json!("åäö"), "may have at most 2 characters, has 3"),
            (json!({"pattern": "^a+$"}), json!("b"), "\"b\" does not match ^a+$"),
            (json!({"minimum": 1.0}), json!(0), "must be at least 1, is 0"),
            (json!({"maximum": 100.0}), json!(101), "must be at most 100, is 101"),
        ];
        for (schema, value, want) in cases {
            let wrapped = json!({"properties": {"f": schema}});
            assert_eq!(check_one(wrapped, json!({"f": value})), [format!("f: {want}")]);
        }
        assert_eq!(check_one(json!({"required": ["a"]}), json!({})), ["a: is required"]);
        assert_eq!(check_one(json!({"type": "string", "nullable": true}), json!(null)), [""; 0]);
    }

    #[test]
    fn lists_know_their_keys() {
        let map = json!({"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]});
        let value = json!([{"name": "a"}, {"name": "b"}, {"name": "a"}]);
        assert_eq!(check_one(map, value), ["[2].name: \"a\" is given twice"]);
        let set = json!({"x-kubernetes-list-type": "set"});
        assert_eq!(check_one(set, json!(["a", "a"])), ["[1]: \"a\" is given twice"]);
    }

    #[test]
    fn the_crds_use_no_keyword_that_is_not_checked() {
        const HANDLED: [&str; 22] = [
            "type",
            "nullable",
            "enum",
            "required",
            "properties",
            "additionalProperties",
            "maxProperties",
            "items",
            "minItems",
            "maxItems",
            "minLength",
            "maxLength",
            "pattern",
            "minimum",
            "maximum",
            "default",
            "x-kubernetes-list-type",
            "x-kubernetes-list-map-keys",
            "x-kubernetes-validations",
            "description",
            "title",
            "format",
        ];
        fn walk(schema: &Value, path: &str) {
            for (key, value) in schema.as_object().unwrap() {
                assert!(HANDLED.contains(&key.as_str()), "{path}: `{key}` is not checked by lint");
                if key == "pattern" {
                    Regex::new(value.as_str().unwrap()).unwrap();
                }
            }
            for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
                walk(schema, &field(path, name));
            }
            for (key, mark) in [("items", "[]"), ("additionalProperties", ".*")] {
                if schema.get(key).is_some() {
                    walk(&schema[key], &format!("{path}{mark}"));
                }
            }
        }
        for crd in penstock_crds::all() {
            let schema = crd.spec.versions[0].schema.clone().unwrap().open_api_v3_schema.unwrap();
            walk(&serde_json::to_value(schema).unwrap(), &crd.spec.names.kind);
        }
    }
}
