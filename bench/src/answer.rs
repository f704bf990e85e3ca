//! What the fake upstream says, in both formats.

use serde_json::{Value, json};

use crate::call::Api;
use crate::script::Script;

/// In the text of every answer, and nowhere else.
pub const TEXT: &str = "tok-";

/// About as much text as makes an answer of 1 KiB.
const ANSWER_TEXT: usize = 700;

/// Prose of this many bytes, with quotes and line breaks as prompts have them.
pub fn filler(bytes: usize) -> String {
    const PROSE: &str = "The wheel turns when the sluice is open, and \"stops\" when it is not.\n";
    PROSE.chars().cycle().take(bytes).collect()
}

/// An answer that is not streamed.
pub fn whole(api: Api) -> Value {
    let text = format!("{TEXT}{}", filler(ANSWER_TEXT));
    match api {
        Api::Chat => json!({
            "id": "chatcmpl-bench0123456789", "object": "chat.completion", "created": 1_760_000_000,
            "model": "bench", "system_fingerprint": null,
            "choices": [{
                "index": 0, "logprobs": null, "finish_reason": "stop",
                "message": {"role": "assistant", "content": text, "refusal": null}
            }],
            "usage": {"prompt_tokens": 230, "completion_tokens": 150, "total_tokens": 380}
        }),
        Api::Messages => json!({
            "id": "msg_bench0123456789", "type": "message", "role": "assistant", "model": "bench",
            "content": [{"type": "text", "text": text}],
            "stop_reason": "end_turn", "stop_sequence": null,
            "usage": {"input_tokens": 230, "output_tokens": 150}
        }),
    }
}

/// The events of a stream: first those without content, then the script's chunks of content, then the end.
pub fn events(api: Api, script: Script) -> impl Iterator<Item = Event> {
    let chunks =
        (0..script.chunks).map(move |index| Event { sse: content(api, index), is_delayed: index > 0 });
    let bare = |sse| Event { sse, is_delayed: false };
    let ends = match api {
        Api::Chat => [opening_chat(), closing_chat()],
        Api::Messages => [opening_messages(), closing_messages()],
    };
    let [opening, closing] = ends.map(bare);
    std::iter::once(opening).chain(chunks).chain([closing])
}

pub struct Event {
    pub sse: String,
    /// The script's delay comes before it.
    pub is_delayed: bool,
}

fn content(api: Api, index: u32) -> String {
    let text = format!("{TEXT}{index} ");
    match api {
        Api::Chat => chat_chunk(json!({"content": text}), Value::Null),
        Api::Messages => named(json!({
            "type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}
        })),
    }
}

fn opening_chat() -> String {
    chat_chunk(json!({"role": "assistant", "content": "", "refusal": null}), Value::Null)
}

fn closing_chat() -> String {
    let usage = json!({
        "id": "chatcmpl-bench", "object": "chat.completion.chunk", "created": 1_760_000_000, "model": "bench",
        "choices": [], "usage": {"prompt_tokens": 230, "completion_tokens": 100, "total_tokens": 330}
    });
    format!("{}data: {usage}\n\ndata: [DONE]\n\n", chat_chunk(json!({}), "stop".into()))
}

fn chat_chunk(delta: Value, finish: Value) -> String {
    let chunk = json!({
        "id": "chatcmpl-bench", "object": "chat.completion.chunk", "created": 1_760_000_000, "model": "bench",
        "choices": [{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}]
    });
    format!("data: {chunk}\n\n")
}

fn opening_messages() -> String {
    let message = json!({
        "id": "msg_bench", "type": "message", "role": "assistant", "model": "bench", "content": [],
        "stop_reason": null, "stop_sequence": null, "usage": {"input_tokens": 230, "output_tokens": 1}
    });
    let block = json!({"type": "text", "text": ""});
    named(json!({"type": "message_start", "message": message}))
        + &named(json!({"type": "content_block_start", "index": 0, "content_block": block}))
}

fn closing_messages() -> String {
    let end = json!({"stop_reason": "end_turn", "stop_sequence": null});
    named(json!({"type": "content_block_stop", "index": 0}))
        + &named(json!({"type": "message_delta", "delta": end, "usage": {"output_tokens": 100}}))
        + &named(json!({"type": "message_stop"}))
}

/// An event of the Messages API carries its type twice.
fn named(data: Value) -> String {
    format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::AT_ONCE;

    #[test]
    fn answers_have_about_one_kib() {
        for api in Api::ALL {
            let size = whole(api).to_string().len();
            assert!((900..1200).contains(&size), "{size}");
        }
    }

    #[test]
    fn the_first_token_is_not_the_first_event() {
        for api in Api::ALL {
            let events: Vec<_> = events(api, AT_ONCE).collect();
            assert_eq!(events.len(), 102);
            for (index, event) in events.iter().enumerate() {
                assert_eq!(event.sse.contains(TEXT), (1..=100).contains(&index), "{}", event.sse);
                assert_eq!(event.is_delayed, (2..=100).contains(&index), "{}", event.sse);
                assert!(event.sse.ends_with("\n\n"));
            }
        }
    }
}
