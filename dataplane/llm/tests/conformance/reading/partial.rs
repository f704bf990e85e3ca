//! Arguments that come in pieces: Vertex AI's `partialArgs`, each with a JSON path.

use serde_json::{Map, Value, json};

/// Sets what the path names; a text joins the one that is there.
pub(super) fn set(arguments: &mut Value, piece: &Value) {
    let path = piece["jsonPath"].as_str().expect("a piece has a path").trim_start_matches('$');
    let place = path.split(['.', '[']).filter(|step| !step.is_empty()).fold(arguments, |at, step| match step
        .strip_suffix(']')
        .map(|number| number.parse::<usize>())
    {
        Some(Ok(number)) => {
            if !at.is_array() {
                *at = json!([]);
            }
            let list = at.as_array_mut().expect("made above");
            list.resize(list.len().max(number + 1), Value::Null);
            &mut list[number]
        }
        _ => {
            if !at.is_object() {
                *at = Map::new().into();
            }
            at.as_object_mut().expect("made above").entry(step).or_insert(Value::Null)
        }
    });
    if let Some(text) = piece["stringValue"].as_str() {
        *place = format!("{}{text}", place.as_str().unwrap_or_default()).into();
    } else if !piece["numberValue"].is_null() {
        *place = piece["numberValue"].clone();
    } else if !piece["boolValue"].is_null() {
        *place = piece["boolValue"].clone();
    }
}
