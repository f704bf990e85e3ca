//! The rules of the API server, offline: one kind's CRD schema applied to one object.
//!
//! The order is the server's own: unknown fields, nulls and defaults, structure, then CEL.

mod defaults;
mod structure;
mod unknown;

use kube_cel::{CompiledSchema, Validator};
use serde_json::Value;

/// A rule that an object breaks.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Field path, such as `spec.rules[0].name`.
    pub path: String,
    pub message: String,
}

/// The schema of one custom resource.
pub struct KindSchema {
    pub kind: String,
    schema: Value,
    cel: CompiledSchema,
}

impl KindSchema {
    /// Every kind that this build serves.
    pub fn all() -> Vec<Self> {
        penstock_crds::all()
            .into_iter()
            .filter_map(|crd| {
                let kind = crd.spec.names.kind;
                let version = crd.spec.versions.into_iter().find(|v| v.name == penstock_crds::VERSION)?;
                let schema = serde_json::to_value(version.schema?.open_api_v3_schema?).ok()?;
                let cel = kube_cel::compile_schema(&schema);
                Some(Self { kind, schema, cel })
            })
            .collect()
    }

    /// Checks `object` and leaves it as the API server would store it: without unknown fields, with defaults.
    pub fn check(&self, object: &mut Value) -> Vec<Finding> {
        let mut findings = unknown::remove_unknown(&self.schema, object);
        defaults::apply(&self.schema, object);
        let structure = structure::check(&self.schema, object);
        findings.extend(structure.findings);
        if structure.cel_can_run {
            findings.extend(self.cel_findings(object));
        }
        findings
    }

    fn cel_findings(&self, object: &Value) -> Vec<Finding> {
        match Validator::new().validate_compiled(&self.cel, object, None) {
            Ok(()) => Vec::new(),
            Err(errors) => {
                errors.into_iter().map(|e| Finding { path: e.field_path, message: e.message }).collect()
            }
        }
    }
}

/// `parent.key`, or `key` at the root.
pub fn field(parent: &str, key: &str) -> String {
    if parent.is_empty() { key.to_owned() } else { format!("{parent}.{key}") }
}

/// The schema of the member `name`.
pub fn schema_of<'s>(schema: &'s Value, name: &str) -> Option<&'s Value> {
    schema["properties"].get(name).or_else(|| schema.get("additionalProperties"))
}

/// `parent[index]`.
pub fn item(parent: &str, index: usize) -> String {
    format!("{parent}[{index}]")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(kind: &str, object: &mut Value) -> Vec<String> {
        let schema = KindSchema::all().into_iter().find(|s| s.kind == kind).unwrap();
        schema.check(object).into_iter().map(|f| format!("{}: {}", f.path, f.message)).collect()
    }

    fn pool(provider: Value) -> Value {
        json!({"spec": {"providers": [provider]}})
    }

    #[test]
    fn every_cel_rule_of_the_crds_compiles() {
        fn walk(node: &CompiledSchema, path: &str) -> usize {
            assert!(!node.has_errors(), "{path}: {:?}", node.compilation_errors());
            let fields = node.properties.iter().map(|(name, child)| walk(child, &field(path, name)));
            let items = node.items.iter().map(|child| walk(child, path));
            let named = node.additional_properties.iter().map(|child| walk(child, path));
            node.validations.len() + fields.sum::<usize>() + items.sum::<usize>() + named.sum::<usize>()
        }
        let rules: usize = KindSchema::all().iter().map(|kind| walk(&kind.cel, &kind.kind)).sum();
        assert!(rules > 5, "the rules are there to compile");
    }

    #[test]
    fn a_good_pool_gets_its_defaults() {
        let mut object =
            pool(json!({"name": "a", "type": "Simulated", "models": [{"name": "m"}], "simulated": {}}));
        assert_eq!(check("ProviderPool", &mut object), [""; 0]);
        assert_eq!(
            object["spec"]["health"],
            json!({"consecutiveFailures": 5, "cooldown": "30s", "slowStart": "10s"})
        );
        assert_eq!(object["spec"]["providers"][0]["simulated"]["error"], "ServerError");
    }

    #[test]
    fn cel_messages_carry_the_field_they_speak_of() {
        let mut object = pool(json!({"name": "a", "type": "OpenAI"}));
        assert_eq!(
            check("ProviderPool", &mut object),
            ["spec.providers[0].auth: this provider type needs `auth`"]
        );
    }

    #[test]
    fn cel_waits_until_the_structure_is_right() {
        let mut object = pool(json!({"name": "a"}));
        assert_eq!(check("ProviderPool", &mut object), ["spec.providers[0].type: is required"]);
    }
}
