//! Takes a JSON object apart, member by member, and knows the path of each for error messages.

use serde_json::{Map, Value};

use crate::error::BadRequest;
use crate::message::{Reasoning, Request};

/// An object, of which known members are taken; what remains are the unknown ones, in order.
#[derive(Debug)]
pub(crate) struct Fields {
    path: String,
    map: Map<String, Value>,
}

impl Fields {
    pub fn of_body(body: &[u8]) -> Result<Self, BadRequest> {
        match serde_json::from_slice(body) {
            Ok(Value::Object(map)) => Ok(Self { path: String::new(), map }),
            Ok(_) => Err(BadRequest::new("", "the body is not a JSON object")),
            Err(error) => Err(BadRequest::new("", format!("the body is not a JSON object: {error}"))),
        }
    }

    pub fn of(value: Value, path: String) -> Result<Self, BadRequest> {
        match value {
            Value::Object(map) => Ok(Self { path, map }),
            _ => Err(wrong(path, "an object")),
        }
    }

    pub fn path(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    pub fn missing(&self, name: &str) -> BadRequest {
        let path = self.path(name);
        let message = format!("`{path}` is missing");
        BadRequest::new(path, message)
    }

    pub fn wrong(&self, name: &str, want: &str) -> BadRequest {
        wrong(self.path(name), want)
    }

    /// Looks without taking.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.map.get(name)
    }

    /// Some of the members, which stay where they are.
    pub fn look(&self, names: &[&str]) -> Self {
        let member = |name: &&str| Some(((*name).to_owned(), self.map.get(*name)?.clone()));
        Self { path: self.path.clone(), map: names.iter().filter_map(member).collect() }
    }

    /// A member that is null counts as absent.
    pub fn take(&mut self, name: &str) -> Option<Value> {
        self.map.shift_remove(name).filter(|value| !value.is_null())
    }

    pub fn string(&mut self, name: &str) -> Result<Option<String>, BadRequest> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.wrong(name, "a string")),
        }
    }

    pub fn required_string(&mut self, name: &str) -> Result<String, BadRequest> {
        self.string(name)?.ok_or_else(|| self.missing(name))
    }

    pub fn bool(&mut self, name: &str) -> Result<Option<bool>, BadRequest> {
        let value = self.take(name);
        value.map(|value| value.as_bool().ok_or_else(|| self.wrong(name, "true or false"))).transpose()
    }

    pub fn number(&mut self, name: &str) -> Result<Option<f64>, BadRequest> {
        let value = self.take(name);
        value.map(|value| value.as_f64().ok_or_else(|| self.wrong(name, "a number"))).transpose()
    }

    /// A whole number from 0 on.
    pub fn count(&mut self, name: &str) -> Result<Option<u64>, BadRequest> {
        let value = self.take(name);
        value.map(|value| value.as_u64().ok_or_else(|| self.wrong(name, "a whole number"))).transpose()
    }

    /// A whole number, negative ones too.
    pub fn integer(&mut self, name: &str) -> Result<Option<i64>, BadRequest> {
        let value = self.take(name);
        value.map(|value| value.as_i64().ok_or_else(|| self.wrong(name, "a whole number"))).transpose()
    }

    /// A list, each item with its path.
    pub fn list(&mut self, name: &str) -> Result<Option<Vec<(String, Value)>>, BadRequest> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Array(items)) => Ok(Some(with_paths(&self.path(name), items))),
            Some(_) => Err(self.wrong(name, "a list")),
        }
    }

    pub fn object(&mut self, name: &str) -> Result<Option<Fields>, BadRequest> {
        let path = self.path(name);
        self.take(name).map(|value| Fields::of(value, path)).transpose()
    }

    /// Penstock's `provider_options`: an object of objects.
    pub fn provider_options(&mut self) -> Result<Map<String, Value>, BadRequest> {
        let options = self.object("provider_options")?.map(Fields::rest).unwrap_or_default();
        match options.iter().find(|(_, options)| !options.is_object()) {
            Some((name, _)) => Err(wrong(format!("provider_options.{name}"), "an object")),
            None => Ok(options),
        }
    }

    /// Puts a member back among the unknown ones.
    pub fn keep(&mut self, name: &str, value: Value) {
        self.map.insert(name.to_owned(), value);
    }

    pub fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    pub fn rest(self) -> Map<String, Value> {
        self.map
    }
}

/// Penstock's own members, which every client's format may have: `thinking_mode` and `provider_options`. Called when
/// the format's own reasoning has been read, which wins.
pub(super) fn take_own(fields: &mut Fields, request: &mut Request) -> Result<(), BadRequest> {
    request.thinking_mode = fields.bool("thinking_mode")?;
    if let (None, Some(on)) = (&request.reasoning, request.thinking_mode) {
        request.reasoning = Some(if on { Reasoning::On } else { Reasoning::Off });
    }
    request.provider_options = fields.provider_options()?;
    Ok(())
}

/// The items of a list with the path of each.
pub(super) fn with_paths(path: &str, items: Vec<Value>) -> Vec<(String, Value)> {
    items.into_iter().enumerate().map(|(i, item)| (format!("{path}[{i}]"), item)).collect()
}

pub(crate) fn wrong(path: String, want: &str) -> BadRequest {
    let message = format!("`{path}` must be {want}");
    BadRequest::new(path, message)
}

/// The members of what `json!` wrote as an object.
pub(super) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// Adds members that an encoder did not write itself; objects join member by member.
pub(super) fn add_missing(target: &mut Map<String, Value>, extra: &Map<String, Value>) {
    for (name, value) in extra {
        match (target.get_mut(name), value) {
            (Some(Value::Object(target)), Value::Object(value)) => add_missing(target, value),
            (Some(_), _) => {}
            (None, _) => drop(target.insert(name.clone(), value.clone())),
        }
    }
}
