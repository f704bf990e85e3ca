//! A provider's events to neutral ones.
//!
//! `messageStop` tells why the answer ended, `metadata` behind it what it cost. A failure may come at any time, in a
//! stream of status 200.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::dialect::failure::bounded;
use crate::dialect::{Format, StreamDecoder};
use crate::error::{Broken, UpstreamError};
use crate::framing::Frame;
use crate::message::{Event, Issuer, Media};

use super::finish::{self, Finish};
use super::{attachments, blob, citations, decode_block, error, response, usage};

#[derive(Debug)]
pub(super) struct Decoder {
    issuer: Option<Issuer>,
    /// Open blocks by the provider's index, which counts text and reasoning too.
    blocks: BTreeMap<u64, Block>,
    /// Tool calls so far: our own counter.
    calls: usize,
    /// Characters of text so far, and where the last block of it began.
    written: u64,
    text_start: u64,
    /// The answer ended so; it is told when the usage has been.
    failure: Option<UpstreamError>,
    is_finished: bool,
    is_done: bool,
}

#[derive(Debug)]
enum Block {
    Text,
    Reasoning {
        signature: String,
        redacted: Vec<u8>,
    },
    Tool {
        index: usize,
        has_input: bool,
    },
    /// A tool that Bedrock runs itself, with the JSON text of its input.
    ServerTool {
        value: Value,
        input: String,
    },
    /// What such a tool gave back.
    ServerResult {
        value: Value,
        content: Vec<Value>,
    },
    Image {
        format: String,
        bytes: Vec<u8>,
    },
}

impl StreamDecoder for Decoder {
    fn push(&mut self, frame: &Frame, out: &mut Vec<Event>) -> Result<(), Broken> {
        if self.is_done {
            return Ok(());
        }
        let kind = frame.event.as_deref().unwrap_or_default();
        if let Some(error) = error::read_event(kind, &frame.data) {
            self.is_done = true;
            out.push(Event::Error(error));
            return Ok(());
        }
        if frame.data.trim().is_empty() {
            return Ok(());
        }
        let event: Value = serde_json::from_str(&frame.data)
            .map_err(|_| Broken::Malformed(format!("an event is not JSON: {}", bounded(&frame.data, 200))))?;
        match kind {
            "messageStart" => out.push(Event::Start { id: None, model: None, created: None }),
            "contentBlockStart" => self.block_start(&event, out),
            "contentBlockDelta" => self.block_delta(&event, out),
            "contentBlockStop" => {
                if let Some(block) = self.blocks.remove(&index_of(&event)) {
                    self.close(block, out);
                }
            }
            "messageStop" => self.message_stop(&event, out),
            "metadata" => self.metadata(&event, out),
            // What newer versions bring.
            _ => {}
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.is_done
    }

    fn finish(&mut self, out: &mut Vec<Event>) -> Result<(), Broken> {
        if let Some(error) = self.failure.take() {
            out.push(Event::Error(error));
            return Ok(());
        }
        if !self.is_finished && !self.is_done {
            return Err(Broken::Cut);
        }
        self.close_all(out);
        Ok(())
    }
}

impl Decoder {
    pub fn new(issuer: Option<Issuer>) -> Self {
        Self {
            issuer,
            blocks: BTreeMap::new(),
            calls: 0,
            written: 0,
            text_start: 0,
            failure: None,
            is_finished: false,
            is_done: false,
        }
    }

    fn block_start(&mut self, event: &Value, out: &mut Vec<Event>) {
        let Some((kind, start)) =
            event.get("start").and_then(Value::as_object).and_then(|it| it.iter().next())
        else {
            return;
        };
        let text = |name: &str| start.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let is_own_type =
            |name: &str| start.get("type").and_then(Value::as_str).is_none_or(|kind| kind == name);
        let block = match kind.as_str() {
            "toolUse" if is_own_type("tool_use") => {
                let index = self.calls;
                self.calls += 1;
                let (id, name) = (text("toolUseId"), text("name"));
                out.push(Event::ToolCallStart { index, id, name, signature: None });
                Block::Tool { index, has_input: false }
            }
            "toolUse" => Block::ServerTool { value: start.clone(), input: String::new() },
            "toolResult" => Block::ServerResult { value: start.clone(), content: Vec::new() },
            "image" => Block::Image { format: text("format"), bytes: Vec::new() },
            _ => return,
        };
        if let Some(left) = self.blocks.insert(index_of(event), block) {
            self.close(left, out);
        }
    }

    /// Text and reasoning begin without a start.
    fn block_delta(&mut self, event: &Value, out: &mut Vec<Event>) {
        let Some((kind, delta)) =
            event.get("delta").and_then(Value::as_object).and_then(|it| it.iter().next())
        else {
            return;
        };
        let index = index_of(event);
        match kind.as_str() {
            "text" => self.text(index, delta, out),
            "reasoningContent" => self.reasoning(index, delta, out),
            "citation" => {
                let mut citation = citations::read(delta);
                (citation.start, citation.end) = (Some(self.text_start), Some(self.written));
                out.push(Event::Citation(citation));
            }
            _ => self.piece(index, kind, delta, out),
        }
    }

    fn text(&mut self, index: u64, delta: &Value, out: &mut Vec<Event>) {
        let text = delta.as_str().unwrap_or_default();
        if !matches!(self.blocks.get(&index), Some(Block::Text)) {
            if let Some(left) = self.blocks.insert(index, Block::Text) {
                self.close(left, out);
            }
            self.text_start = self.written;
        }
        self.written += text.chars().count() as u64;
        if !text.is_empty() {
            out.push(Event::Text(text.to_owned()));
        }
    }

    fn reasoning(&mut self, index: u64, delta: &Value, out: &mut Vec<Event>) {
        let fresh = || Block::Reasoning { signature: String::new(), redacted: Vec::new() };
        let Block::Reasoning { signature, redacted } = self.blocks.entry(index).or_insert_with(fresh) else {
            return;
        };
        let text = |name: &str| delta.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        if let Some(text) = text("text") {
            out.push(Event::Reasoning(text.to_owned()));
        }
        if let Some(text) = text("signature") {
            signature.push_str(text);
        }
        if let Some(bytes) = text("redactedContent").and_then(|text| STANDARD.decode(text).ok()) {
            redacted.extend(bytes);
        }
    }

    fn piece(&mut self, index: u64, kind: &str, delta: &Value, out: &mut Vec<Event>) {
        match (kind, self.blocks.get_mut(&index)) {
            ("toolUse", Some(Block::Tool { index, has_input })) => {
                let input = delta.get("input").and_then(Value::as_str).unwrap_or_default();
                if !input.is_empty() {
                    *has_input = true;
                    out.push(Event::ToolCallArguments { index: *index, fragment: input.to_owned() });
                }
            }
            ("toolUse", Some(Block::ServerTool { input, .. })) => {
                input.push_str(delta.get("input").and_then(Value::as_str).unwrap_or_default());
            }
            ("toolResult", Some(Block::ServerResult { content, .. })) => {
                content.extend(delta.as_array().cloned().unwrap_or_default());
            }
            ("image", Some(Block::Image { bytes, .. })) => {
                let piece =
                    delta.get("source").and_then(|source| source.get("bytes")).and_then(Value::as_str);
                bytes.extend(piece.and_then(|piece| STANDARD.decode(piece).ok()).unwrap_or_default());
            }
            _ => {}
        }
    }

    fn close(&mut self, block: Block, out: &mut Vec<Event>) {
        match block {
            Block::Text => {}
            Block::Reasoning { signature, redacted } => {
                if !signature.is_empty() {
                    let signature = decode_block::signed(&signature, self.issuer);
                    out.extend(signature.map(Event::ReasoningSignature));
                }
                if !redacted.is_empty() {
                    let data = blob::read(&STANDARD.encode(redacted), self.issuer);
                    out.extend(data.map(Event::ReasoningRedacted));
                }
            }
            // No piece of the input means that there is none.
            Block::Tool { index, has_input: false } => {
                out.push(Event::ToolCallArguments { index, fragment: "{}".into() });
            }
            Block::Tool { .. } => {}
            Block::ServerTool { mut value, input } => {
                if let Value::Object(members) = &mut value {
                    let input = serde_json::from_str(&input).unwrap_or_else(|_| json!({}));
                    members.insert("input".into(), input);
                }
                out.push(Event::Opaque { format: Format::Converse, value: json!({"toolUse": value}) });
            }
            Block::ServerResult { mut value, content } => {
                if let Value::Object(members) = &mut value {
                    members.insert("content".into(), content.into());
                }
                out.push(Event::Opaque { format: Format::Converse, value: json!({"toolResult": value}) });
            }
            Block::Image { format, bytes } => {
                let media_type = attachments::IMAGE.media_type(&format);
                let media_type = media_type.map_or_else(|| format!("image/{format}"), str::to_owned);
                let data = STANDARD.encode(bytes);
                out.push(Event::Image(Media::Base64 { media_type, data, detail: None }));
            }
        }
    }

    fn close_all(&mut self, out: &mut Vec<Event>) {
        for block in std::mem::take(&mut self.blocks).into_values() {
            self.close(block, out);
        }
    }

    fn message_stop(&mut self, event: &Value, out: &mut Vec<Event>) {
        if self.is_finished {
            return;
        }
        self.close_all(out);
        let word = event.get("stopReason").and_then(Value::as_str);
        match finish::read(word, response::stop_sequence(event)) {
            Finish::Missing => {}
            Finish::Reason(reason) => {
                self.is_finished = true;
                out.push(Event::Finish(reason));
            }
            Finish::Failure(error) => self.failure = Some(error),
        }
    }

    fn metadata(&mut self, event: &Value, out: &mut Vec<Event>) {
        if let Some(reported) = event.get("usage").filter(|usage| usage.is_object()) {
            out.push(Event::Usage(usage::read(reported)));
        }
        let tier = event.get("serviceTier").and_then(|tier| tier.get("type")).and_then(Value::as_str);
        out.extend(tier.map(|tier| Event::ServiceTier(tier.to_owned())));
        // Nothing follows an end; usage without one is no end.
        self.is_done = self.is_finished || self.failure.is_some();
        out.extend(self.failure.take().map(Event::Error));
    }
}

fn index_of(event: &Value) -> u64 {
    event.get("contentBlockIndex").and_then(Value::as_u64).unwrap_or(0)
}
