//! A request on its way to one provider: the format's encoder, then what the pool's provider adds to every body.

use serde_json::{Map, Value};

use crate::dialect::{Format, Upstream, check_tool_names};
use crate::error::Refused;
use crate::ledger::Ledger;
use crate::message::Request;

/// The request's body as this provider wants it.
pub fn encode_request(
    request: &Request,
    format: Format,
    upstream: &Upstream<'_>,
    ledger: &mut Ledger,
) -> Result<Vec<u8>, Refused> {
    if let Some(origin) = request.origin.filter(|origin| *origin != format) {
        origin.dialect().leave(request, format, ledger)?;
    }
    check_tool_names(request, format, upstream)?;
    let body = format.dialect().encode_request(request, upstream, ledger)?;
    let options = request.provider_options.get(&upstream.provider.key());
    if options.is_none() && !upstream.provider.amends(format) {
        return Ok(body);
    }
    let Ok(Value::Object(mut members)) = serde_json::from_slice(&body) else { return Ok(body) };
    upstream.provider.amend(format, &mut members, upstream);
    if let Some(Value::Object(options)) = options {
        merge(&mut members, options);
    }
    // Writing into memory cannot fail.
    Ok(serde_json::to_vec(&members).unwrap_or(body))
}

/// Adds the client's own members for this provider; objects join member by member, anything else replaces what we
/// wrote: the client asked for exactly this.
pub fn merge(target: &mut Map<String, Value>, options: &Map<String, Value>) {
    for (name, value) in options {
        match (target.get_mut(name), value) {
            (Some(Value::Object(target)), Value::Object(value)) => merge(target, value),
            _ => drop(target.insert(name.clone(), value.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn options_join_untouched() {
        let mut target = json!({"a": {"x": 1, "y": [1]}, "b": 1}).as_object().unwrap().clone();
        merge(&mut target, json!({"a": {"y": [2], "z": null}, "c": "new"}).as_object().unwrap());
        assert_eq!(Value::from(target), json!({"a": {"x": 1, "y": [2], "z": null}, "b": 1, "c": "new"}));
    }
}
