//! The parts of an answer, for a client.

use serde_json::{Map, Value, json};

use crate::dialect::{Format, extras};
use crate::field::Field;
use crate::ledger::{Fate, Ledger};
use crate::message::{Media, Part, PartBody, ReasoningBlock, ToolCall};

use super::citations::Writer;
use super::signature;

/// A signature without text of its own stands on the part before it, as Google's own do.
pub(super) fn write(parts: &[Part], sources: &mut Writer, ledger: &mut Ledger) -> Vec<Value> {
    let mut out: Vec<Value> = Vec::with_capacity(parts.len());
    let mut takes_signature = false;
    for part in parts {
        if let (true, Some(signature)) = (takes_signature, signature::of_bare_block(&part.body))
            && let Some(Value::Object(last)) = out.last_mut()
        {
            last.insert("thoughtSignature".into(), signature::write(signature).into());
            takes_signature = false;
            continue;
        }
        if let PartBody::Text(text) | PartBody::Refusal(text) = &part.body {
            sources.text.push(text);
        }
        if let Some(written) = write_part(part, sources, ledger) {
            takes_signature = matches!(part.body, PartBody::Text(_) | PartBody::Image(_));
            out.push(written);
        }
    }
    out
}

fn write_part(part: &Part, sources: &mut Writer, ledger: &mut Ledger) -> Option<Value> {
    let out = match &part.body {
        PartBody::Text(text) | PartBody::Refusal(text) => json!({"text": text}),
        PartBody::Reasoning(block) => write_block(block),
        PartBody::ToolCall(call) => write_call(call, ledger),
        PartBody::Image(media) | PartBody::Audio(media) | PartBody::Video(media) => write_media(media),
        PartBody::Document { media, name: _ } => write_media(media),
        PartBody::Citation(citation) => {
            sources.cite(citation);
            return None;
        }
        PartBody::Opaque { format: Format::Gemini, value } => {
            return (!sources.keep(value)).then(|| value.clone());
        }
        PartBody::Opaque { .. } | PartBody::ToolResult { .. } => {
            ledger.note(Field::AnswerPart, Fate::Dropped);
            return None;
        }
    };
    // Anthropic keeps the sources of a text beside it.
    if part.extra.contains_key("citations") {
        ledger.note(Field::AnswerCitations, Fate::Dropped);
    } else {
        extras::note_dropped(&part.extra, ledger);
    }
    Some(out)
}

pub(super) fn write_block(block: &ReasoningBlock) -> Value {
    match block {
        // Not a thought's: it belongs to the answer as a whole.
        ReasoningBlock::Thinking { text, signature: Some(signature) } if text.is_empty() => {
            json!({"text": "", "thoughtSignature": signature::write(signature)})
        }
        ReasoningBlock::Thinking { text, signature } => {
            let mut out = json!({"text": text, "thought": true});
            if let (Some(signature), Value::Object(out)) = (signature, &mut out) {
                out.insert("thoughtSignature".into(), signature::write(signature).into());
            }
            out
        }
        ReasoningBlock::Redacted { data } => {
            json!({"text": "", "thoughtSignature": signature::write_redacted(data)})
        }
    }
}

pub(super) fn write_call(call: &ToolCall, ledger: &mut Ledger) -> Value {
    let ToolCall { id, name, arguments, signature } = call;
    let arguments = arguments_object(arguments, Field::AnswerArguments, ledger);
    let mut out = json!({"functionCall": {"id": id, "name": name, "args": arguments}});
    if let (Some(signature), Value::Object(out)) = (signature, &mut out) {
        out.insert("thoughtSignature".into(), signature::write(signature).into());
    }
    out
}

/// Arguments are an object here. Others (a model's broken JSON, half a call of an answer that was cut) still tell what
/// the model wrote.
pub(super) fn arguments_object(arguments: &str, field: Field, ledger: &mut Ledger) -> Value {
    match serde_json::from_str(arguments) {
        Ok(object @ Value::Object(_)) => object,
        _ if arguments.trim().is_empty() => Map::new().into(),
        _ => {
            ledger.note(field, Fate::Emulated);
            json!({"arguments": arguments})
        }
    }
}

pub(super) fn write_media(media: &Media) -> Value {
    match media {
        Media::Base64 { media_type, data, detail: _ } => {
            json!({"inlineData": {"mimeType": media_type, "data": data}})
        }
        Media::Url { url, detail: _ } => json!({"fileData": {"fileUri": url}}),
        Media::PlainText(text) => json!({"text": text}),
    }
}
