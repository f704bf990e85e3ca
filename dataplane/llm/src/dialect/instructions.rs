//! What a model is told where its provider has no switch for it.

use serde_json::Value;

/// For "answer with a JSON object".
pub(super) const JSON_OBJECT: &str =
    "Answer with one JSON object and nothing else: no text around it, no code fence.";

/// For "answer with JSON that fits this schema".
pub(super) fn json_schema(schema: &Value) -> String {
    format!(
        "Answer with JSON that fits this JSON Schema and nothing else: no text around it, no code fence.\n{schema}"
    )
}
