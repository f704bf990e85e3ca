//! Content blocks, which requests and answers share.

use serde_json::Value;

use crate::dialect::fields::{Fields, with_paths, wrong};
use crate::dialect::{Format, carrier, media};
use crate::error::BadRequest;
use crate::message::{Issuer, Media, Part, PartBody, ReasoningBlock, ToolCall};

type Decoded<T> = Result<T, BadRequest>;

/// Text, or a list of blocks.
pub(super) fn content(value: Option<Value>, path: &str) -> Decoded<Vec<Part>> {
    match value {
        None => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(vec![Part::text(text)]),
        Some(Value::Array(items)) => {
            with_paths(path, items).into_iter().map(|(path, item)| block(Fields::of(item, path)?)).collect()
        }
        Some(_) => Err(wrong(path.to_owned(), "a string or a list")),
    }
}

pub(super) fn block(mut fields: Fields) -> Decoded<Part> {
    let kind = fields.required_string("type")?;
    let body = match kind.as_str() {
        "text" => PartBody::Text(fields.required_string("text")?),
        "image" => match source(&mut fields)? {
            Some(media) => PartBody::Image(media),
            None => return Ok(opaque(kind, fields)),
        },
        "document" => match source(&mut fields)? {
            Some(media) => PartBody::Document { media, name: fields.string("title")? },
            None => return Ok(opaque(kind, fields)),
        },
        "tool_use" => {
            let (id, name) = (fields.required_string("id")?, fields.required_string("name")?);
            let arguments = fields.take("input").map_or_else(|| "{}".to_owned(), |input| input.to_string());
            PartBody::ToolCall(ToolCall { id, name, arguments, signature: None })
        }
        "tool_result" => {
            let id = fields.required_string("tool_use_id")?;
            let id = carrier::dismount(&id).0.to_owned();
            let is_error = fields.bool("is_error")?.unwrap_or(false);
            let path = fields.path("content");
            PartBody::ToolResult { id, parts: content(fields.take("content"), &path)?, is_error }
        }
        "thinking" => {
            let text = fields.string("thinking")?.unwrap_or_default();
            // Empty is what we give to a block that nobody signed.
            let signature = fields.string("signature")?.filter(|signature| !signature.is_empty());
            let signature = signature.and_then(|text| carrier::untag(&text, Issuer::Anthropic));
            PartBody::Reasoning(ReasoningBlock::Thinking { text, signature })
        }
        "redacted_thinking" => {
            let data = fields.required_string("data")?;
            match carrier::untag(&data, Issuer::Anthropic) {
                Some(data) => PartBody::Reasoning(ReasoningBlock::Redacted { data }),
                // Signed by nobody known: it goes to nobody.
                None => {
                    PartBody::Reasoning(ReasoningBlock::Thinking { text: String::new(), signature: None })
                }
            }
        }
        _ => return Ok(opaque(kind, fields)),
    };
    let cache_control = fields.take("cache_control");
    Ok(Part { body, cache_control, extra: fields.rest() })
}

fn opaque(kind: String, mut fields: Fields) -> Part {
    fields.keep("type", kind.into());
    PartBody::Opaque { format: Format::Messages, value: fields.rest().into() }.into()
}

/// `None` for a source that only Anthropic knows (an uploaded file, nested content); it stays where it was.
fn source(fields: &mut Fields) -> Decoded<Option<Media>> {
    let kind = fields.get("source").and_then(|source| source.get("type")).and_then(Value::as_str);
    if !matches!(kind, None | Some("base64" | "url" | "text")) {
        return Ok(None);
    }
    let mut source = fields.object("source")?.ok_or_else(|| fields.missing("source"))?;
    Ok(Some(match source.required_string("type")?.as_str() {
        "url" => Media::Url { url: source.required_string("url")?, detail: None },
        "text" => Media::PlainText(source.required_string("data")?),
        _ => media::from_bytes(source.required_string("media_type")?, source.required_string("data")?),
    }))
}
