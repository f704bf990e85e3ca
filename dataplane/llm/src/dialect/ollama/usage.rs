//! Token counts in Ollama's words. It tells nothing of its cache, and thoughts are a part of what was generated.

use serde_json::{Map, Value};

use crate::message::Usage;

/// From an answer, or the last line of a stream. Older servers leave `prompt_eval_count` out where the whole prompt was
/// still in memory: then it is unknown.
pub(super) fn read(body: &Value) -> Option<Usage> {
    let count = |name: &str| body.get(name).and_then(Value::as_u64);
    let usage = Usage { input: count("prompt_eval_count"), output: count("eval_count"), ..Usage::default() };
    usage.is_known().then_some(usage)
}

pub(super) fn write(usage: &Usage, out: &mut Map<String, Value>) {
    for (name, count) in [("prompt_eval_count", usage.prompt()), ("eval_count", usage.output)] {
        if let Some(count) = count {
            out.insert(name.to_owned(), count.into());
        }
    }
}
