//! The tokens of a whole request, estimated.

use serde_json::Value;

use crate::message::{Media, Message, Part, PartBody, ReasoningBlock, Request, ResponseFormat, Tool};

use super::image;
use super::weigh::Scale;

/// What a chat template puts around a message, and in front of the answer: three to five tokens with OpenAI, Llama,
/// Qwen and DeepSeek.
const MESSAGE: u64 = 4;
const ANSWER: u64 = 3;
/// What a template says about tools where there are any: nothing with OpenAI, 100 to 250 tokens with Llama, Qwen,
/// DeepSeek and GLM, 500 with Claude.
const TOOLS: u64 = 100;
/// What stands around a tool, a call of one, and its result.
const TOOL: u64 = 8;

/// An image that does not say its size: about 1000 x 750 pixels.
const IMAGE: u64 = 1_000;
/// OpenAI's `detail: low`: <https://platform.openai.com/docs/guides/images-vision>.
const SMALL_IMAGE: u64 = 85;
/// No text in ASCII goes on for so many bytes without a space.
const LONGEST_WORD: usize = 2_000;
/// A page of a PDF has 1,500 to 3,000 tokens: <https://docs.claude.com/en/docs/build-with-claude/pdf-support>.
const PAGE: u64 = 2_000;
/// Bytes of a page, where there is nothing to tell them apart.
const PAGE_BYTES: u64 = 40_000;
/// Pages of a document that is somewhere else.
const PAGES_AWAY: u64 = 5;
/// 32 tokens a second of sound: <https://ai.google.dev/gemini-api/docs/audio>; bytes a second of each kind.
const SECOND_OF_SOUND: u64 = 32;
const WAV_SECOND: u64 = 32_000;
const MP3_SECOND: u64 = 16_000;
/// 300 tokens a second of video: <https://ai.google.dev/gemini-api/docs/video-understanding>; bytes at 1 Mbit/s.
const SECOND_OF_VIDEO: u64 = 300;
const VIDEO_SECOND: u64 = 125_000;
/// Seconds of sound and video that are somewhere else.
const SECONDS_AWAY: u64 = 60;

#[derive(Default)]
struct Estimate {
    /// What people wrote.
    text: Scale,
    /// What programs wrote: it tells nothing of the text's language.
    json: Scale,
    /// Tokens that are no text.
    rest: u64,
}

pub(super) fn request(request: &Request) -> u64 {
    let Request { system, messages, tools, response_format, .. } = request;
    let mut estimate = Estimate { rest: ANSWER, ..Estimate::default() };
    if !system.is_empty() {
        estimate.add(MESSAGE);
        estimate.parts(system);
    }
    for Message { role: _, parts, name, extra: _ } in messages {
        estimate.add(MESSAGE);
        estimate.parts(parts);
        if let Some(name) = name {
            estimate.text(name);
        }
    }
    if !tools.is_empty() {
        estimate.add(TOOLS);
    }
    for tool in tools {
        estimate.tool(tool);
    }
    if let Some(ResponseFormat::JsonSchema { schema, .. }) = response_format {
        estimate.json(schema);
    }
    let Estimate { mut text, mut json, rest } = estimate;
    text.tokens().saturating_add(json.tokens()).saturating_add(rest)
}

impl Estimate {
    fn add(&mut self, tokens: u64) {
        self.rest = self.rest.saturating_add(tokens);
    }

    fn text(&mut self, text: &str) {
        self.text.push(text);
        self.text.cut();
    }

    fn json(&mut self, value: &Value) {
        self.write(value);
        self.json.cut();
    }

    /// Weighs JSON as it would be written, but for what is no text in it.
    fn write(&mut self, value: &Value) {
        match value {
            Value::String(text) if is_blob(text) => self.add(IMAGE),
            Value::Array(items) => {
                self.json.push("[");
                for (i, item) in items.iter().enumerate() {
                    self.json.push(if i == 0 { "" } else { "," });
                    self.write(item);
                }
                self.json.push("]");
            }
            Value::Object(members) => {
                self.json.push("{");
                for (i, (name, member)) in members.iter().enumerate() {
                    self.json.push(if i == 0 { "\"" } else { ",\"" });
                    self.json.push(name);
                    self.json.push("\":");
                    self.write(member);
                }
                self.json.push("}");
            }
            // Weighing cannot fail.
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                let _ = serde_json::to_writer(&mut self.json, value);
            }
        }
    }

    fn tool(&mut self, tool: &Tool) {
        let Tool { name, description, parameters, strict: _, cache_control: _, opaque, extra: _ } = tool;
        self.add(TOOL);
        self.json.push(name);
        self.json.cut();
        if let Some(description) = description {
            self.text(description);
        }
        for value in parameters.iter().chain(opaque) {
            self.json(value);
        }
    }

    fn parts(&mut self, parts: &[Part]) {
        for part in parts {
            self.part(&part.body);
        }
    }

    fn part(&mut self, body: &PartBody) {
        match body {
            PartBody::Text(text) | PartBody::Refusal(text) => self.text(text),
            PartBody::Image(media) => self.add(image_tokens(media)),
            PartBody::Audio(media) => self.add(audio_tokens(media)),
            PartBody::Video(media) => self.add(video_tokens(media)),
            PartBody::Document { media, name } => {
                self.document(media);
                if let Some(name) = name {
                    self.text(name);
                }
            }
            // A signature is no part of the prompt, and what is encrypted in it nobody can count.
            PartBody::Reasoning(ReasoningBlock::Thinking { text, .. }) => self.text(text),
            PartBody::Reasoning(ReasoningBlock::Redacted { .. }) => {}
            PartBody::ToolCall(call) => {
                self.add(TOOL);
                self.json.push(&call.name);
                self.json.cut();
                self.json.push(&call.arguments);
                self.json.cut();
            }
            PartBody::ToolResult { parts, .. } => {
                self.add(TOOL);
                self.parts(parts);
            }
            // It points at text that stands in the answer already.
            PartBody::Citation(_) => {}
            PartBody::Opaque { value, .. } => self.json(value),
        }
    }

    fn document(&mut self, media: &Media) {
        match media {
            Media::PlainText(text) => self.text(text),
            Media::Url { .. } => self.add(PAGES_AWAY * PAGE),
            // Four bytes a token.
            Media::Base64 { media_type, data, .. } if media_type.starts_with("text/") => {
                self.add(bytes_of(data).div_ceil(4));
            }
            Media::Base64 { data, .. } => {
                self.add(PAGE.saturating_mul(bytes_of(data).div_ceil(PAGE_BYTES).max(1)))
            }
        }
    }
}

/// Media in a block that only its own format knows.
fn is_blob(text: &str) -> bool {
    let is_part = |byte: &u8| byte.is_ascii() && *byte != b' ';
    text.as_bytes().first_chunk::<LONGEST_WORD>().is_some_and(|head| head.iter().all(is_part))
}

fn bytes_of(base64: &str) -> u64 {
    base64.len() as u64 / 4 * 3
}

fn image_tokens(media: &Media) -> u64 {
    let detail = match media {
        Media::Url { detail, .. } | Media::Base64 { detail, .. } => detail.as_deref(),
        Media::PlainText(_) => None,
    };
    match media {
        _ if detail == Some("low") => SMALL_IMAGE,
        Media::Base64 { data, .. } => {
            image::size(data).map_or(IMAGE, |(width, height)| image::tokens(width, height))
        }
        Media::Url { .. } | Media::PlainText(_) => IMAGE,
    }
}

fn audio_tokens(media: &Media) -> u64 {
    let seconds = match media {
        Media::Base64 { media_type, data, .. } => {
            bytes_of(data).div_ceil(if media_type.ends_with("wav") { WAV_SECOND } else { MP3_SECOND })
        }
        Media::Url { .. } | Media::PlainText(_) => SECONDS_AWAY,
    };
    seconds.saturating_mul(SECOND_OF_SOUND)
}

fn video_tokens(media: &Media) -> u64 {
    let seconds = match media {
        Media::Base64 { data, .. } => bytes_of(data).div_ceil(VIDEO_SECOND),
        Media::Url { .. } | Media::PlainText(_) => SECONDS_AWAY,
    };
    seconds.saturating_mul(SECOND_OF_VIDEO)
}
