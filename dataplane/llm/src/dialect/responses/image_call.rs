//! An image that an earlier turn made, which a client sends back: an item here, a part of the assistant's message elsewhere.
//! Without it nobody but OpenAI could go on with such a conversation, not even the provider that painted it.

use serde_json::{Map, Value, json};

use crate::dialect::fields;
use crate::message::{Media, Part, PartBody};

use super::read_output::read_image;

/// `None` for an item without the image's bytes: only its provider knows that image.
pub(super) fn read(item: &Map<String, Value>) -> Option<Part> {
    let body = PartBody::Image(read_image(item)?);
    let mut extra = item.clone();
    extra.retain(|name, value| {
        !value.is_null() && !matches!(name.as_str(), "type" | "status" | "result" | "output_format")
    });
    Some(Part { extra, ..body.into() })
}

/// The item again, for a provider of this format; `None` for an image that is elsewhere.
pub(super) fn write(image: &Media, extra: &Map<String, Value>) -> Option<Value> {
    let Media::Base64 { media_type, data, .. } = image else { return None };
    let format = media_type.strip_prefix("image/").unwrap_or("png");
    let mut item = Map::new();
    item.insert("type".into(), "image_generation_call".into());
    item.insert("status".into(), "completed".into());
    item.insert("output_format".into(), format.into());
    item.insert("result".into(), json!(data));
    fields::add_missing(&mut item, extra);
    Some(item.into())
}
