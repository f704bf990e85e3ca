//! A provider's events to neutral ones.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::dialect::failure::{Report, bounded};
use crate::dialect::{Format, StreamDecoder, carrier};
use crate::error::Broken;
use crate::framing::Frame;
use crate::message::{Event, Issuer, Signature, Usage};

use super::response::{length, signed_by};
use super::{citations, read_finish, tier, usage};

#[derive(Debug, Default)]
pub(super) struct Decoder {
    issuer: Option<Issuer>,
    /// Length of the answer's text so far, in characters.
    characters: u64,
    tier: Option<String>,
    /// Open blocks by the provider's index, which counts text and thinking too.
    blocks: BTreeMap<u64, Block>,
    /// Tool calls so far: our own counter.
    calls: usize,
    usage: Usage,
    is_finished: bool,
    is_done: bool,
}

#[derive(Debug)]
enum Block {
    /// With the sources that it rests on, told when it is whole, and where it begins in the answer's text.
    Text {
        sources: Vec<Value>,
        from: u64,
    },
    Thinking,
    Redacted,
    /// `input` stood in the start, as servers that do not stream it write it.
    Tool {
        index: usize,
        input: Option<String>,
        has_input: bool,
    },
    /// A block that only this format has, with the JSON text of its input.
    Opaque {
        value: Value,
        input: String,
    },
}

impl StreamDecoder for Decoder {
    fn push(&mut self, frame: &Frame, out: &mut Vec<Event>) -> Result<(), Broken> {
        let data = frame.data.trim();
        if data.is_empty() || self.is_done {
            return Ok(());
        }
        let event: Value = match serde_json::from_str(data) {
            Ok(event) => event,
            Err(_) if frame.event.as_deref() == Some("error") => {
                Value::from_iter([("message", bounded(data, 300))])
            }
            // Not Anthropic's, but harmless from servers that copy it.
            Err(_) if data == "[DONE]" => return Ok(()),
            Err(_) => return Err(Broken::Malformed(format!("an event is not JSON: {}", bounded(data, 200)))),
        };
        let kind = event.get("type").and_then(Value::as_str).or(frame.event.as_deref()).unwrap_or_default();
        match kind {
            "message_start" => self.start(&event, out),
            "content_block_start" => self.block_start(&event, out),
            "content_block_delta" => self.block_delta(&event, out),
            "content_block_stop" => {
                if let Some(block) = self.blocks.remove(&index_of(&event)) {
                    self.close(block, out);
                }
            }
            "message_delta" => self.message_delta(&event, out),
            "message_stop" => {
                self.close_all(out);
                self.is_done = true;
            }
            "error" => self.fail(&event, out),
            _ if event.get("error").is_some_and(|error| !error.is_null()) => self.fail(&event, out),
            // `ping`, and what newer versions bring.
            _ => {}
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.is_done
    }

    fn finish(&mut self, out: &mut Vec<Event>) -> Result<(), Broken> {
        if !self.is_finished && !self.is_done {
            return Err(Broken::Cut);
        }
        self.close_all(out);
        Ok(())
    }
}

impl Decoder {
    pub fn new(issuer: Option<Issuer>) -> Self {
        Self { issuer, ..Self::default() }
    }

    fn signed(&self, text: String) -> Option<Signature> {
        signed_by(carrier::untag(&text, Issuer::Anthropic)?, self.issuer)
    }

    fn fail(&mut self, event: &Value, out: &mut Vec<Event>) {
        self.is_done = true;
        out.push(Event::Error(Report::read(event).unwrap_or_default().in_band()));
    }

    fn start(&mut self, event: &Value, out: &mut Vec<Event>) {
        let message = event.get("message").unwrap_or(&Value::Null);
        let text = |name: &str| message.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        // Before the start, so that an encoder can say it in its own.
        self.usage(message, out);
        let (id, model) = (text("id").map(str::to_owned), text("model").map(str::to_owned));
        out.push(Event::Start { id, model, created: None });
    }

    /// Counts are cumulative, and later ones correct earlier: what server tools read is added at the end.
    fn usage(&mut self, holder: &Value, out: &mut Vec<Event>) {
        if let Some(reported) = holder.get("usage").filter(|usage| usage.is_object()) {
            self.usage.merge(&usage::read(reported));
            out.push(Event::Usage(self.usage));
            let word = reported.get("service_tier").and_then(Value::as_str);
            if let Some(word) = word.filter(|word| self.tier.as_deref() != Some(word)) {
                self.tier = Some(word.to_owned());
                out.push(Event::ServiceTier(tier::read_answer(word).to_owned()));
            }
        }
    }

    fn block_start(&mut self, event: &Value, out: &mut Vec<Event>) {
        let Some(content) = event.get("content_block") else { return };
        let text = |name: &str| {
            content.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let block = match content.get("type").and_then(Value::as_str).unwrap_or_default() {
            "text" => {
                let from = self.characters;
                self.text(text("text"), out);
                let sources = content.get("citations").and_then(Value::as_array).cloned();
                Block::Text { sources: sources.unwrap_or_default(), from }
            }
            "thinking" => {
                out.extend(text("thinking").map(Event::Reasoning));
                let signature = text("signature").and_then(|text| self.signed(text));
                out.extend(signature.map(Event::ReasoningSignature));
                Block::Thinking
            }
            "redacted_thinking" => {
                let data = text("data").and_then(|text| self.signed(text));
                out.extend(data.map(Event::ReasoningRedacted));
                Block::Redacted
            }
            "tool_use" => {
                let index = self.calls;
                self.calls += 1;
                let (id, name) = (text("id").unwrap_or_default(), text("name").unwrap_or_default());
                let (id, rider) = carrier::dismount(&id);
                let signature = rider.and_then(|rider| rider.call);
                out.push(Event::ToolCallStart { index, id: id.to_owned(), name, signature });
                let input =
                    content.get("input").filter(|input| input.as_object().is_some_and(|it| !it.is_empty()));
                Block::Tool { index, input: input.map(Value::to_string), has_input: false }
            }
            // Tools that the provider runs itself, and their results: never calls for the client.
            _ => Block::Opaque { value: content.clone(), input: String::new() },
        };
        if let Some(left) = self.blocks.insert(index_of(event), block) {
            self.close(left, out);
        }
    }

    fn text(&mut self, text: Option<String>, out: &mut Vec<Event>) {
        if let Some(text) = text {
            self.characters = self.characters.saturating_add(length(&text));
            out.push(Event::Text(text));
        }
    }

    fn block_delta(&mut self, event: &Value, out: &mut Vec<Event>) {
        let Some(delta) = event.get("delta") else { return };
        let text = |name: &str| {
            delta.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let kind = delta.get("type").and_then(Value::as_str).unwrap_or_default();
        match kind {
            "text_delta" => return self.text(text("text"), out),
            "thinking_delta" => return out.extend(text("thinking").map(Event::Reasoning)),
            "signature_delta" => {
                let signature = text("signature").and_then(|text| self.signed(text));
                return out.extend(signature.map(Event::ReasoningSignature));
            }
            _ => {}
        }
        match (kind, self.blocks.get_mut(&index_of(event))) {
            ("citations_delta", Some(Block::Text { sources, .. })) => {
                sources.extend(delta.get("citation").cloned());
            }
            ("input_json_delta", Some(Block::Tool { index, has_input, .. })) => {
                if let Some(fragment) = text("partial_json") {
                    *has_input = true;
                    out.push(Event::ToolCallArguments { index: *index, fragment });
                }
            }
            ("input_json_delta", Some(Block::Opaque { input, .. })) => {
                input.push_str(&text("partial_json").unwrap_or_default());
            }
            _ => {}
        }
    }

    fn message_delta(&mut self, event: &Value, out: &mut Vec<Event>) {
        self.usage(event, out);
        let delta = event.get("delta").unwrap_or(&Value::Null);
        let text = |name: &str| delta.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        if let Some(word) = text("stop_reason") {
            self.close_all(out);
            self.is_finished = true;
            out.push(Event::Finish(read_finish(word, text("stop_sequence"))));
        }
    }

    fn close_all(&mut self, out: &mut Vec<Event>) {
        for block in std::mem::take(&mut self.blocks).into_values() {
            self.close(block, out);
        }
    }

    fn close(&self, block: Block, out: &mut Vec<Event>) {
        match block {
            Block::Text { sources, from } => {
                let sources = sources.iter().map(|source| citations::read(source, from, self.characters));
                out.extend(sources.map(Event::Citation));
            }
            // No delta of the input means that there is none.
            Block::Tool { index, input, has_input: false } => {
                let fragment = input.unwrap_or_else(|| "{}".into());
                out.push(Event::ToolCallArguments { index, fragment });
            }
            Block::Opaque { mut value, input } => {
                if let (Value::Object(block), false) = (&mut value, input.is_empty()) {
                    let input = serde_json::from_str(&input).unwrap_or_else(|_| Map::new().into());
                    block.insert("input".into(), input);
                }
                out.push(Event::Opaque { format: Format::Messages, value });
            }
            Block::Tool { .. } | Block::Thinking | Block::Redacted => {}
        }
    }
}

fn index_of(event: &Value) -> u64 {
    event.get("index").and_then(Value::as_u64).unwrap_or(0)
}
