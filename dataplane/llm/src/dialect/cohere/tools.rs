//! Tools and the choice among them, written.

use serde_json::{Map, Value, json};

use crate::catalogue::Facts;
use crate::dialect::fields::{self, object};
use crate::dialect::{Format, extras};
use crate::field::Field;
use crate::ledger::{Fate, Ledger};
use crate::message::{Request, Tool, ToolChoice};

/// Adds `tools`, `tool_choice` and `strict_tools` to the body.
pub(super) fn write(request: &Request, facts: &Facts, out: &mut Map<String, Value>, ledger: &mut Ledger) {
    let is_same_format = request.origin == Some(Format::Cohere);
    let named = match &request.tool_choice {
        Some(ToolChoice::Named(name)) => request.tools.iter().find(|tool| tool.name == *name),
        _ => None,
    };
    let mut taken: Vec<&Tool> = Vec::new();
    let mut written = Vec::new();
    for tool in &request.tools {
        match &tool.opaque {
            // No tool can be named, but it can be the only one.
            None if named.is_none_or(|named| named.name == tool.name) => {
                taken.push(tool);
                written.push(write_tool(tool, is_same_format, ledger));
            }
            None => {}
            Some(opaque) if is_same_format => written.push(opaque.clone()),
            Some(_) => ledger.note(Field::Tool, Fate::Dropped),
        }
    }
    // "Only compatible with models Command-r7b and newer", of which the catalogue knows.
    let knows_choice = facts.forced_tools != Some(false);
    let (word, fate) = match &request.tool_choice {
        None | Some(ToolChoice::Auto) => (None, None),
        Some(ToolChoice::None) if written.is_empty() => (None, None),
        Some(ToolChoice::None) if knows_choice => (Some("NONE"), None),
        Some(ToolChoice::None) => {
            // Without tools none is called.
            return ledger.note(Field::ToolChoice, Fate::Emulated);
        }
        Some(_) if written.is_empty() || !knows_choice => (None, Some(Fate::Dropped)),
        Some(ToolChoice::Required) => (Some("REQUIRED"), None),
        Some(ToolChoice::Named(_)) if named.is_some() => (Some("REQUIRED"), Some(Fate::Emulated)),
        Some(ToolChoice::Named(_)) => (None, Some(Fate::Dropped)),
    };
    if let Some(fate) = fate {
        ledger.note(Field::ToolChoice, fate);
    }
    if let Some(word) = word {
        out.insert("tool_choice".into(), word.into());
    }
    if written.is_empty() {
        return;
    }
    out.insert("tools".into(), written.into());
    if let Some(strict) = strict(&taken, is_same_format, ledger) {
        out.insert("strict_tools".into(), strict.into());
    }
}

fn write_tool(tool: &Tool, is_same_format: bool, ledger: &mut Ledger) -> Value {
    let Tool { name, description, parameters, strict: _, cache_control, opaque: _, extra } = tool;
    if cache_control.is_some() {
        ledger.note(Field::CacheControl, Fate::Dropped);
    }
    let mut function = object(json!({"name": name}));
    if let Some(description) = description {
        function.insert("description".into(), description.clone().into());
    }
    let mut parameters = match parameters {
        Some(Value::Object(schema)) => schema.clone(),
        _ => object(json!({"type": "object", "properties": {}})),
    };
    if !parameters.contains_key("type") && !is_same_format {
        parameters.insert("type".into(), "object".into());
    }
    function.insert("parameters".into(), parameters.into());
    if is_same_format {
        fields::add_missing(&mut function, extra);
    } else {
        extras::note_dropped(extra, ledger);
    }
    json!({"type": "function", "function": function})
}

/// One switch for all tools, which takes no tool whose parameters are all optional.
fn strict(tools: &[&Tool], is_same_format: bool, ledger: &mut Ledger) -> Option<bool> {
    if is_same_format {
        return tools.iter().find_map(|tool| tool.strict);
    }
    if tools.iter().all(|tool| tool.strict != Some(true)) {
        return None;
    }
    if tools.iter().all(|tool| tool.strict == Some(true) && fits_strict(tool)) {
        return Some(true);
    }
    ledger.note(Field::ToolStrict, Fate::Dropped);
    None
}

/// "You must specify at least one `required` parameter. Tools with only optional parameters are not supported in this
/// mode": <https://docs.cohere.com/docs/structured-outputs>.
fn fits_strict(tool: &Tool) -> bool {
    let member = |name: &str| tool.parameters.as_ref().and_then(|schema| schema.get(name));
    let has_properties =
        member("properties").and_then(Value::as_object).is_some_and(|properties| !properties.is_empty());
    let has_required = member("required").and_then(Value::as_array).is_some_and(|list| !list.is_empty());
    !has_properties || has_required
}
