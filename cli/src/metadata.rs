//! The rules for `metadata` that the API server applies to every kind.

use serde_json::Value;

use crate::close::closest;
use crate::schema::{Finding, field};

const FIELDS: [&str; 15] = [
    "annotations",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "labels",
    "managedFields",
    "name",
    "namespace",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// Name and namespace of an object, as far as they are there. The namespace is `default` when absent.
pub fn identity(object: &Value) -> Option<(String, String)> {
    let metadata = &object["metadata"];
    let namespace = metadata["namespace"].as_str().filter(|n| !n.is_empty()).unwrap_or("default");
    Some((namespace.to_owned(), metadata["name"].as_str().filter(|n| !n.is_empty())?.to_owned()))
}

/// Checks `metadata` of `object`.
pub fn check(object: &Value) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut say = |path: &str, message: String| {
        findings.push(Finding { path: field("metadata", path), message });
    };
    let Some(metadata) = object["metadata"].as_object() else {
        say("name", "is required".to_owned());
        return findings;
    };
    let known: Vec<String> = FIELDS.iter().map(|f| (*f).to_owned()).collect();
    for key in metadata.keys().filter(|key| !FIELDS.contains(&key.as_str())) {
        let close = closest(key, &known).map(|n| format!("; did you mean `{n}`?")).unwrap_or_default();
        say(key, format!("unknown field{close}"));
    }
    match &metadata.get("name") {
        None | Some(Value::Null) => say("name", "is required".to_owned()),
        Some(Value::String(name)) if !is_subdomain(name) => say("name", format!("{name:?} {SUBDOMAIN}")),
        Some(Value::String(_)) => {}
        Some(_) => say("name", "must be text: put it in quotes".to_owned()),
    }
    match &metadata.get("namespace") {
        None | Some(Value::Null) => {}
        Some(Value::String(name)) if !name.is_empty() && !is_label(name) => {
            say("namespace", format!("{name:?} {LABEL}"))
        }
        Some(Value::String(_)) => {}
        Some(_) => say("namespace", "must be text: put it in quotes".to_owned()),
    }
    for map in ["labels", "annotations"] {
        for (key, value) in metadata.get(map).and_then(Value::as_object).into_iter().flatten() {
            if !value.is_string() {
                say(&format!("{map}.{key}"), "must be text: put it in quotes".to_owned());
            }
        }
    }
    findings
}

const SUBDOMAIN: &str = "is not a name: lower-case letters, digits, `-` and `.`, at most 253, with a letter or digit at both ends";
const LABEL: &str =
    "is not a namespace: lower-case letters, digits and `-`, at most 63, with a letter or digit at both ends";

/// RFC 1123 subdomain, the rule for object names.
fn is_subdomain(name: &str) -> bool {
    name.len() <= 253 && name.split('.').all(is_part)
}

/// RFC 1123 label, the rule for namespaces.
fn is_label(name: &str) -> bool {
    name.len() <= 63 && is_part(name)
}

fn is_part(part: &str) -> bool {
    let bytes = part.as_bytes();
    let alphanumeric = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    bytes.iter().all(|b| alphanumeric(b) || *b == b'-')
        && bytes.first().is_some_and(alphanumeric)
        && bytes.last().is_some_and(alphanumeric)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_follow_rfc_1123() {
        for good in ["a", "a-b", "a.b", "0", "a--b"] {
            assert!(is_subdomain(good), "{good}");
        }
        for bad in ["", "A", "a_b", "-a", "a-", "a..b", "a.-b", &"a".repeat(254)] {
            assert!(!is_subdomain(bad), "{bad}");
        }
    }

    #[test]
    fn says_what_is_wrong() {
        let object = json!({"metadata": {"name": 3, "namespace": "A", "label": {}, "labels": {"a": true}}});
        let found: Vec<_> = check(&object).into_iter().map(|f| f.path).collect();
        assert_eq!(found, ["metadata.label", "metadata.name", "metadata.namespace", "metadata.labels.a"]);
        assert_eq!(check(&json!({}))[0].path, "metadata.name");
    }
}
