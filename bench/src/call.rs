//! Requests, ready to be written to a socket.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::answer::{TEXT, filler};
use crate::script::Script;

/// The key that the gateway asks of its callers; the fake upstream asks for none.
pub const CLIENT_KEY: &str = "bench-client";

/// Who answers, in which wire format.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Api {
    Chat,
    Messages,
}

impl Api {
    pub const ALL: [Self; 2] = [Self::Chat, Self::Messages];

    /// Name of its pool, and prefix of the model names that lead to it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Messages => "messages",
        }
    }

    pub fn path(self) -> &'static str {
        match self {
            Self::Chat => "/v1/chat/completions",
            Self::Messages => "/v1/messages",
        }
    }

    /// What the last event of a stream contains.
    fn last_event(self) -> &'static [u8] {
        match self {
            Self::Chat => b"[DONE]",
            Self::Messages => b"message_stop",
        }
    }
}

/// One request, sent many times, and how to know a good answer.
pub struct Call {
    pub bytes: Vec<u8>,
    /// Every good answer contains it. In a stream, the event that has it first is the first token.
    pub token: &'static [u8],
    /// A good stream ends with an event that contains it.
    pub end: Option<&'static [u8]>,
}

/// A request that differs in size and streaming only.
#[derive(Clone, Copy)]
pub struct Shape {
    /// Size of the body.
    pub bytes: usize,
    pub stream: bool,
    pub script: Script,
}

impl Shape {
    /// Straight to the fake upstream, in its own format.
    pub fn direct(self, api: Api, upstream: SocketAddr) -> Call {
        self.call(api, &self.script.to_string(), upstream)
    }

    /// From a client that speaks `client`, to a provider that speaks `provider`.
    pub fn through(self, client: Api, provider: Api, gateway: SocketAddr) -> Call {
        self.call(client, &model_name(provider, self.script), gateway)
    }

    fn call(self, api: Api, model: &str, host: SocketAddr) -> Call {
        let body = sized(self.bytes, |prompt| body(api, model, prompt, self.stream));
        let head = format!(
            "POST {} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\naccept: */*\r\n\
             user-agent: penstock-bench\r\nauthorization: Bearer {CLIENT_KEY}\r\n\
             anthropic-version: 2023-06-01\r\ncontent-length: {}\r\n\r\n",
            api.path(),
            body.len()
        );
        Call {
            bytes: [head.as_bytes(), &body].concat(),
            token: TEXT.as_bytes(),
            end: self.stream.then(|| api.last_event()),
        }
    }
}

/// What clients put into `model`.
pub fn model_name(provider: Api, script: Script) -> String {
    format!("{}-{script}", provider.name())
}

fn body(api: Api, model: &str, prompt: &str, stream: bool) -> Value {
    let system = "You answer questions about a water mill, briefly and politely.";
    let user = json!({"role": "user", "content": prompt});
    let mut body = match api {
        Api::Chat => json!({"model": model, "messages": [{"role": "system", "content": system}, user]}),
        Api::Messages => json!({"model": model, "system": system, "messages": [user]}),
    };
    body["max_tokens"] = 256.into();
    body["temperature"] = 0.2.into();
    if stream {
        body["stream"] = true.into();
    }
    body
}

/// The body whose prompt makes it as near to `bytes` as escapes allow.
fn sized(bytes: usize, body: impl Fn(&str) -> Value) -> Vec<u8> {
    let mut prompt = filler(bytes.saturating_sub(body("").to_string().len()));
    while body(&prompt).to_string().len() > bytes && prompt.pop().is_some() {}
    body(&prompt).to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::AT_ONCE;

    #[test]
    fn bodies_have_the_size_asked_for() {
        for api in Api::ALL {
            for bytes in [1 << 10, 32 << 10] {
                let made = sized(bytes, |prompt| body(api, &AT_ONCE.to_string(), prompt, true));
                assert!((bytes - 2..=bytes).contains(&made.len()), "{} of {bytes}", made.len());
            }
        }
    }

    #[test]
    fn the_head_tells_the_length() {
        let shape = Shape { bytes: 1 << 10, stream: false, script: AT_ONCE };
        let call = shape.direct(Api::Chat, "127.0.0.1:1".parse().unwrap());
        let text = String::from_utf8(call.bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.ends_with(&format!("content-length: {}", body.len())), "{head}");
        assert!(serde_json::from_str::<Value>(body).is_ok());
    }
}
