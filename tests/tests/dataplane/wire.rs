//! The two formats, from a client's side: what it asks, and what it makes of an answer.

use penstock_e2e::client::{Answer, events};
use penstock_e2e::replay::{Event, SeenRequest};
use penstock_e2e::{Behaviour, Script, answers};
use serde_json::{Value, json};
use std::collections::HashMap;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    Chat,
    Messages,
}

pub use Wire::{Chat, Messages};

pub const WIRES: [Wire; 2] = [Chat, Messages];

impl Wire {
    /// For names of objects.
    pub fn short(self) -> &'static str {
        match self {
            Chat => "chat",
            Messages => "msg",
        }
    }

    pub fn other(self) -> Self {
        match self {
            Chat => Messages,
            Messages => Chat,
        }
    }

    pub fn path(self) -> &'static str {
        match self {
            Chat => "/v1/chat/completions",
            Messages => "/v1/messages",
        }
    }

    /// What a pool has as `endpoint` for a provider whose requests are to come to `/<place>/...`.
    pub fn endpoint(self, url: &str, place: &str) -> String {
        match self {
            Chat => format!("{url}/{place}/v1"),
            Messages => format!("{url}/{place}"),
        }
    }

    pub fn request(self, model: &str, stream: bool) -> Value {
        let mut request =
            json!({"model": model, "messages": [{"role": "user", "content": "Say something."}]});
        if self == Messages {
            request["max_tokens"] = json!(64);
        }
        if stream {
            request["stream"] = json!(true);
        }
        request
    }

    /// A provider that answers this, streamed or not as it is asked.
    pub fn answer(self, text: &str) -> Script {
        match self {
            Chat => answers::openai(text),
            Messages => answers::anthropic(text),
        }
    }

    pub fn body(self, text: &str) -> Value {
        match self {
            Chat => answers::openai_chat("upstream-model", text),
            Messages => answers::anthropic_message("upstream-model", text),
        }
    }

    /// Usage is in it, as the gateway always asks for it.
    pub fn events(self, text: &str) -> Vec<Event> {
        match self {
            Chat => answers::openai_events("upstream-model", text, true),
            Messages => answers::anthropic_events("upstream-model", text),
        }
    }

    /// How many events of [`Wire::events`] come before the first text.
    pub fn preamble(self) -> usize {
        match self {
            Chat => 1,
            Messages => 3,
        }
    }

    pub fn plays(self, text: &str, stream: bool) -> Behaviour {
        if stream { Behaviour::sse(self.events(text)) } else { Behaviour::json(self.body(text)) }
    }

    pub fn error(self, status: u16, kind: &str, message: &str) -> Behaviour {
        match self {
            Chat => answers::openai_error(status, kind, message),
            Messages => answers::anthropic_error(status, kind, message),
        }
    }

    /// An error inside a stream.
    pub fn error_event(self, kind: &str, message: &str) -> Event {
        let error = json!({"type": kind, "message": message});
        match self {
            Chat => Event::data(json!({"error": error})),
            Messages => Event::named("error", json!({"type": "error", "error": error})),
        }
    }

    /// How an answer without any trouble ends.
    pub fn good_finish(self) -> &'static str {
        match self {
            Chat => "stop",
            Messages => "end_turn",
        }
    }
}

/// What a client was told, streamed or not.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Told {
    pub text: String,
    pub finish: Vec<String>,
    /// First chunks with a role, or `message_start`.
    pub starts: usize,
    /// `[DONE]`, or `message_stop`.
    pub ends: usize,
    /// Error objects: type and message.
    pub errors: Vec<(String, String)>,
    /// Usage that counts something; null members are none.
    pub usage: Vec<Value>,
}

impl Told {
    pub fn by(wire: Wire, answer: &Answer) -> Self {
        match answer.header("content-type") {
            kind if kind.starts_with("text/event-stream") => Self::by_stream(wire, &answer.text()),
            _ => Self::by_json(wire, &answer.json()),
        }
    }

    pub fn by_stream(wire: Wire, text: &str) -> Self {
        let mut told = Self::default();
        for event in events(text) {
            if wire == Chat && event.data == "[DONE]" {
                told.ends += 1;
                continue;
            }
            let data: Value = serde_json::from_str(&event.data)
                .unwrap_or_else(|error| panic!("{error} in {:?}", event.data));
            if data.get("error").is_some() {
                told.error(&data);
            } else if wire == Chat {
                told.chunk(&data);
            } else {
                assert_eq!(event.event.as_deref(), data["type"].as_str(), "the event's name is its type");
                told.event(&data);
            }
        }
        told
    }

    fn chunk(&mut self, data: &Value) {
        if !data["usage"].is_null() {
            self.usage.push(data["usage"].clone());
        }
        for choice in data["choices"].as_array().expect("choices") {
            self.starts += usize::from(choice["delta"]["role"].is_string());
            self.text += choice["delta"]["content"].as_str().unwrap_or_default();
            self.finish.extend(choice["finish_reason"].as_str().map(str::to_owned));
        }
    }

    fn event(&mut self, data: &Value) {
        match data["type"].as_str().expect("a type") {
            "message_start" => self.starts += 1,
            "content_block_delta" => self.text += data["delta"]["text"].as_str().unwrap_or_default(),
            "message_delta" => {
                self.finish.extend(data["delta"]["stop_reason"].as_str().map(str::to_owned));
                self.usage.push(data["usage"].clone());
            }
            "message_stop" => self.ends += 1,
            _ => {}
        }
    }

    pub fn by_json(wire: Wire, body: &Value) -> Self {
        let mut told = Self { starts: 1, ends: 1, ..Self::default() };
        if body.get("error").is_some() {
            told.error(body);
            return told;
        }
        match wire {
            Chat => {
                let choice = &body["choices"][0];
                told.text = choice["message"]["content"].as_str().unwrap_or_default().to_owned();
                told.finish.extend(choice["finish_reason"].as_str().map(str::to_owned));
            }
            Messages => {
                let blocks = body["content"].as_array().unwrap_or_else(|| panic!("no content in {body}"));
                told.text = blocks.iter().filter_map(|block| block["text"].as_str()).collect();
                told.finish.extend(body["stop_reason"].as_str().map(str::to_owned));
            }
        }
        told.usage.extend(body.get("usage").cloned());
        told
    }

    fn error(&mut self, data: &Value) {
        let text = |name: &str| data["error"][name].as_str().unwrap_or_default().to_owned();
        self.errors.push((text("type"), text("message")));
    }

    /// One answer, whole, with this text, or what is wrong.
    pub fn is_whole(&self, wire: Wire, text: &str) -> Result<(), String> {
        let good = self.text == text
            && self.finish == [wire.good_finish()]
            && (self.starts, self.ends) == (1, 1)
            && self.errors.is_empty();
        if good { Ok(()) } else { Err(format!("not one whole answer {text:?}: {self:?}")) }
    }
}

/// Whether this is an error body of the format, with everything the format asks for.
pub fn is_error_body(wire: Wire, body: &Value) -> bool {
    let error = &body["error"];
    let both = error["type"].is_string() && error["message"].as_str().is_some_and(|text| !text.is_empty());
    match wire {
        Chat => {
            both && error.get("param").is_some() && error.get("code").is_some() && body.get("type").is_none()
        }
        Messages => both && body["type"] == "error",
    }
}

/// The first segment of the path: [`Wire::endpoint`] puts it there.
pub fn place(request: &SeenRequest) -> String {
    request.path.split('/').nth(1).unwrap_or_default().to_owned()
}

/// The text of the first message, which both formats may write in two ways.
pub fn first_text(request: &SeenRequest) -> String {
    let content = &request.json()["messages"][0]["content"];
    content.as_str().or(content[0]["text"].as_str()).unwrap_or_default().to_owned()
}

pub fn count<T: std::hash::Hash + Eq>(items: impl Iterator<Item = T>) -> HashMap<T, usize> {
    let mut counts = HashMap::new();
    items.for_each(|item| *counts.entry(item).or_default() += 1);
    counts
}

/// Runs `job` on each item, `width` at a time, and panics with everything that went wrong.
pub fn each<T: Sync>(items: &[T], width: usize, job: impl Fn(&T) -> Result<(), String> + Sync) {
    let next = std::sync::atomic::AtomicUsize::new(0);
    let wrong = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..width.min(items.len()) {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, std::sync::atomic::Ordering::SeqCst)) {
                    // A panic in one case must not hide the others.
                    let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| job(item)));
                    let done = done.unwrap_or_else(|_| Err("panicked (see above)".to_owned()));
                    wrong.lock().expect("unpoisoned").extend(done.err());
                }
            });
        }
    });
    let wrong = wrong.into_inner().expect("unpoisoned");
    assert!(wrong.is_empty(), "{} of {} went wrong:\n{}", wrong.len(), items.len(), wrong.join("\n"));
}
