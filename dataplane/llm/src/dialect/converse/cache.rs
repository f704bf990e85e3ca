//! `cachePoint` blocks, which stand behind what they cache, and Anthropic's `cache_control`, which is a member of it.

use serde_json::{Value, json};

/// How long a cache lives; the service model's `CacheTTL`.
const LIVES: &[&str] = &["5m", "1h"];

/// The block for a marker.
pub(super) fn point(marker: &Value) -> Value {
    let life = marker.get("ttl").and_then(Value::as_str).filter(|life| LIVES.contains(life));
    match life {
        Some(life) => json!({"cachePoint": {"type": "default", "ttl": life}}),
        None => json!({"cachePoint": {"type": "default"}}),
    }
}

/// The marker for a `cachePoint`; `None` for one that is not this simple.
pub(super) fn marker(point: &Value) -> Option<Value> {
    let point = point.as_object()?;
    match (point.get("type")?.as_str()?, point.get("ttl"), point.len()) {
        ("default", None, 1) => Some(json!({"type": "ephemeral"})),
        ("default", Some(Value::String(life)), 2) if LIVES.contains(&life.as_str()) => {
            Some(json!({"type": "ephemeral", "ttl": life}))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_become_points_and_back() {
        for marker in [json!({"type": "ephemeral"}), json!({"type": "ephemeral", "ttl": "1h"})] {
            assert_eq!(super::marker(&point(&marker)["cachePoint"]), Some(marker));
        }
        assert_eq!(point(&json!({"ttl": "1y"})), json!({"cachePoint": {"type": "default"}}));
        assert_eq!(marker(&json!({"type": "new"})), None);
    }
}
