//! Arguments of a call that come in pieces, each with the path that it belongs to.
//!
//! Vertex AI streams so where `streamFunctionCallArguments` asks for it. Source:
//! <https://cloud.google.com/vertex-ai/generative-ai/docs/multimodal/function-calling>, "Streaming function call
//! arguments"; recorded answers.

use serde_json::{Map, Value};

/// No list grows by more than this at once, and no path has more steps.
const MOST: usize = 1000;

#[derive(Debug)]
pub(super) struct PartialCall {
    pub index: usize,
    arguments: Value,
}

impl PartialCall {
    pub fn new(index: usize) -> Self {
        Self { index, arguments: Map::new().into() }
    }

    /// The arguments so far, as JSON text.
    pub fn into_arguments(self) -> (usize, String) {
        (self.index, self.arguments.to_string())
    }

    /// Whole arguments beside or before the pieces.
    pub fn merge(&mut self, whole: &Map<String, Value>) {
        if let Value::Object(arguments) = &mut self.arguments {
            arguments.extend(whole.clone());
        }
    }

    pub fn push(&mut self, piece: &Value) {
        let Some(path) = piece.get("jsonPath").and_then(Value::as_str).and_then(steps) else { return };
        let value = if let Some(text) = piece.get("stringValue").and_then(Value::as_str) {
            Value::from(text)
        } else if let Some(number) = piece.get("numberValue") {
            number.clone()
        } else if let Some(flag) = piece.get("boolValue") {
            flag.clone()
        } else if piece.get("nullValue").is_some() {
            Value::Null
        } else {
            return;
        };
        let Some(place) = find(&mut self.arguments, &path) else { return };
        match (place, value) {
            // A text comes in pieces of its own.
            (Value::String(text), Value::String(more)) => text.push_str(&more),
            (place, value) => *place = value,
        }
    }
}

#[derive(Debug, PartialEq)]
enum Step {
    Member(String),
    Item(usize),
}

/// `$.recipe.steps[0]` and `$['recipe']`.
fn steps(path: &str) -> Option<Vec<Step>> {
    let mut rest = path.strip_prefix('$')?;
    let mut out = Vec::new();
    while !rest.is_empty() {
        let step;
        if let Some(inner) = rest.strip_prefix('[') {
            if let Some(quote) = inner.chars().next().filter(|c| matches!(c, '\'' | '"')) {
                let (name, after) = inner.get(1..)?.split_once(quote)?;
                step = Step::Member(name.to_owned());
                rest = after.strip_prefix(']')?;
            } else {
                let (number, after) = inner.split_once(']')?;
                step = Step::Item(number.parse().ok()?);
                rest = after;
            }
        } else {
            let name = rest.strip_prefix('.')?;
            let end = name.find(['.', '[']).unwrap_or(name.len());
            step = Step::Member(name.get(..end)?.to_owned());
            rest = name.get(end..)?;
        }
        out.push(step);
        if out.len() > MOST {
            return None;
        }
    }
    (!out.is_empty()).then_some(out)
}

/// The place at the end of a path, made where it is not yet.
fn find<'a>(root: &'a mut Value, path: &[Step]) -> Option<&'a mut Value> {
    let mut at = root;
    for step in path {
        at = match step {
            Step::Member(name) => {
                if !at.is_object() {
                    *at = Map::new().into();
                }
                at.as_object_mut()?.entry(name.clone()).or_insert(Value::Null)
            }
            Step::Item(index) => {
                if !at.is_array() {
                    *at = Vec::<Value>::new().into();
                }
                let list = at.as_array_mut()?;
                if *index >= list.len().checked_add(MOST)? {
                    return None;
                }
                while list.len() <= *index {
                    list.push(Value::Null);
                }
                list.get_mut(*index)?
            }
        };
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn pieces_make_a_whole() {
        let mut call = PartialCall::new(3);
        for (path, value) in [
            ("$.name", json!({"stringValue": "Las"})),
            ("$.name", json!({"stringValue": "agna"})),
            ("$.name", json!({"stringValue": ""})),
            ("$.steps[0].text", json!({"stringValue": "x"})),
            ("$.steps[1].minutes", json!({"numberValue": 5})),
            ("$['odd name']['a.b']", json!({"boolValue": true})),
            ("$.nothing", json!({"nullValue": null})),
            ("$.far[100000]", json!({"numberValue": 1})),
            ("name", json!({"stringValue": "no path"})),
            ("$.", json!({})),
        ] {
            let mut piece = value;
            piece["jsonPath"] = path.into();
            call.push(&piece);
        }
        let want = json!({"name": "Lasagna", "steps": [{"text": "x"}, {"minutes": 5}], "odd name": {"a.b": true}, "nothing": null, "far": []});
        let (index, text) = call.into_arguments();
        assert_eq!((index, serde_json::from_str::<Value>(&text).unwrap()), (3, want));
    }
}
