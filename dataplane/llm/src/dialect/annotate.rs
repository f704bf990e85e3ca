//! What OpenAI says beside the schema of an answer, for formats that take the schema alone.

use serde_json::Value;

/// The schema with the answer's name as its title, and its description, unless it has its own: JSON Schema has both as
/// annotations, which bind nothing, and the model reads them.
pub(super) fn annotate(schema: &Value, name: &str, description: Option<&str>) -> Value {
    let mut out = schema.clone();
    if let Value::Object(members) = &mut out {
        for (member, text) in [("title", Some(name)), ("description", description)] {
            if let Some(text) = text.filter(|text| !text.is_empty()) {
                members.entry(member).or_insert_with(|| text.into());
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_schemas_own_words_stay() {
        let schema = json!({"type": "object", "title": "Own"});
        let want = json!({"type": "object", "title": "Own", "description": "About it."});
        assert_eq!(annotate(&schema, "report", Some("About it.")), want);
        assert_eq!(annotate(&json!({}), "report", None), json!({"title": "report"}));
        assert_eq!(annotate(&json!(true), "report", None), json!(true));
    }
}
