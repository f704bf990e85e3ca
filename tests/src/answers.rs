//! What providers answer when all is well and when it is not, in the shapes their documentation
//! gives: for tests that are about the gateway and not about an answer.

use crate::replay::{Behaviour, Event, Script};
use serde_json::{Value, json};

/// The tokens that the answers here report: input, output.
pub const USAGE: (u64, u64) = (11, 7);

/// A provider of OpenAI's format: JSON or a stream, as the request wants it.
pub fn openai(text: &str) -> Script {
    let text = text.to_owned();
    Script::by(move |request, _| {
        let model = request.json()["model"].as_str().unwrap_or_default().to_owned();
        if !request.wants_stream() {
            return Behaviour::json(openai_chat(&model, &text));
        }
        let usage = request.json()["stream_options"]["include_usage"] == true;
        Behaviour::sse(openai_events(&model, &text, usage))
    })
}

/// A provider of Anthropic's format.
pub fn anthropic(text: &str) -> Script {
    let text = text.to_owned();
    Script::by(move |request, _| {
        let model = request.json()["model"].as_str().unwrap_or_default().to_owned();
        match request.wants_stream() {
            true => Behaviour::sse(anthropic_events(&model, &text)),
            false => Behaviour::json(anthropic_message(&model, &text)),
        }
    })
}

/// `POST /v1/chat/completions`, <https://platform.openai.com/docs/api-reference/chat/object>.
pub fn openai_chat(model: &str, text: &str) -> Value {
    json!({
        "id": "chatcmpl-e2e", "object": "chat.completion", "created": 1_700_000_000, "model": model,
        "choices": [{
            "index": 0,
            "message": {"role": "assistant", "content": text, "refusal": null, "annotations": []},
            "logprobs": null,
            "finish_reason": "stop",
        }],
        "usage": openai_usage(),
        "service_tier": "default",
        "system_fingerprint": null,
    })
}

/// The same as a stream, a chunk for each word; `usage` as with `stream_options.include_usage`.
pub fn openai_events(model: &str, text: &str, usage: bool) -> Vec<Event> {
    let chunk = |choices: Value, usage: Option<Value>| {
        let mut chunk = json!({
            "id": "chatcmpl-e2e", "object": "chat.completion.chunk", "created": 1_700_000_000,
            "model": model, "choices": choices,
        });
        if let Some(usage) = usage {
            chunk["usage"] = usage;
        }
        Event::data(chunk)
    };
    let null = || usage.then_some(Value::Null);
    let choice = |delta: Value, finish: Value| json!([{"index": 0, "delta": delta, "finish_reason": finish}]);
    let start =
        chunk(choice(json!({"role": "assistant", "content": "", "refusal": null}), Value::Null), null());
    let words = words(text).map(|word| chunk(choice(json!({"content": word}), Value::Null), null()));
    let stop = chunk(choice(json!({}), json!("stop")), null());
    let mut events = vec![start];
    events.extend(words);
    events.push(stop);
    events.extend(usage.then(|| chunk(json!([]), Some(openai_usage()))));
    events.push(Event::data("[DONE]"));
    events
}

fn openai_usage() -> Value {
    let (input, output) = USAGE;
    json!({
        "prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    })
}

/// `POST /v1/messages`, <https://docs.anthropic.com/en/api/messages>.
pub fn anthropic_message(model: &str, text: &str) -> Value {
    let (input, output) = USAGE;
    json!({
        "id": "msg_e2e", "type": "message", "role": "assistant", "model": model,
        "content": [{"type": "text", "text": text}],
        "stop_reason": "end_turn", "stop_sequence": null,
        "usage": {
            "input_tokens": input, "output_tokens": output,
            "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
        },
    })
}

/// The same as a stream, <https://docs.anthropic.com/en/docs/build-with-claude/streaming>.
pub fn anthropic_events(model: &str, text: &str) -> Vec<Event> {
    let (_, output) = USAGE;
    let mut message = anthropic_message(model, "");
    message["content"] = json!([]);
    message["stop_reason"] = Value::Null;
    message["usage"]["output_tokens"] = json!(1);
    let delta = |word| json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}});
    let mut events = vec![
        json!({"type": "message_start", "message": message}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        json!({"type": "ping"}),
    ];
    events.extend(words(text).map(delta));
    events.extend([
        json!({"type": "content_block_stop", "index": 0}),
        json!({
            "type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": null},
            "usage": {"output_tokens": output},
        }),
        json!({"type": "message_stop"}),
    ]);
    events.into_iter().map(|event| Event::named(event["type"].as_str().expect("a type"), &event)).collect()
}

/// An error of OpenAI's format.
pub fn openai_error(status: u16, kind: &str, message: &str) -> Behaviour {
    Behaviour::error(
        status,
        json!({"error": {"message": message, "type": kind, "param": null, "code": null}}),
    )
}

/// An error of Anthropic's format.
pub fn anthropic_error(status: u16, kind: &str, message: &str) -> Behaviour {
    let error =
        json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_e2e"});
    Behaviour::error(status, error)
}

/// Cut behind each space, so that joining them gives `text` again.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive(' ')
}
