//! Names of members: Google's JSON takes `camelCase` and `snake_case` alike.

use serde_json::{Map, Value};

use crate::dialect::fields::Fields;
use crate::error::BadRequest;

/// An object whose own members have `camelCase` names; what is inside them keeps its own.
pub(super) fn fields(value: Value, path: String) -> Result<Fields, BadRequest> {
    match value {
        Value::Object(members) => Fields::of(camel(members).into(), path),
        other => Fields::of(other, path),
    }
}

/// An object member, named so.
pub(super) fn object(fields: &mut Fields, name: &str) -> Result<Option<Fields>, BadRequest> {
    let path = fields.path(name);
    fields.take(name).map(|value| self::fields(value, path)).transpose()
}

/// A list member, each item with its path. One item may stand without the list around it, as in Google's own samples.
pub(super) fn list(fields: &mut Fields, name: &str) -> Result<Option<Vec<(String, Value)>>, BadRequest> {
    match fields.get(name) {
        Some(Value::Object(_)) => {
            let path = format!("{}[0]", fields.path(name));
            Ok(fields.take(name).map(|item| vec![(path, item)]))
        }
        _ => fields.list(name),
    }
}

pub(super) fn camel(members: Map<String, Value>) -> Map<String, Value> {
    if !members.keys().any(|name| name.contains('_')) {
        return members;
    }
    members.into_iter().map(|(name, value)| (camel_name(&name), value)).collect()
}

fn camel_name(name: &str) -> String {
    // Penstock's own members, and the odd `_responseJsonSchema`.
    if matches!(name, "thinking_mode" | "provider_options") || name.starts_with('_') {
        return name.to_owned();
    }
    let mut out = String::with_capacity(name.len());
    let mut upper = false;
    for c in name.chars() {
        match c {
            '_' => upper = true,
            c if upper => {
                out.extend(c.to_uppercase());
                upper = false;
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names() {
        let members = json!({"system_instruction": {"some_inner": 1}, "thinking_mode": true, "topP": 1});
        let Value::Object(members) = members else { unreachable!() };
        assert_eq!(
            Value::from(camel(members)),
            json!({"systemInstruction": {"some_inner": 1}, "thinking_mode": true, "topP": 1})
        );
    }
}
