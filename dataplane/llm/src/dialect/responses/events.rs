//! The events that come in numbers, written without a tree.

use serde::Serialize;
use serde_json::Value;

use crate::sse;

#[derive(Serialize)]
pub(super) struct Delta<'a> {
    pub r#type: &'static str,
    pub sequence_number: u64,
    pub item_id: &'a str,
    pub output_index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary_index: Option<usize>,
    pub delta: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<&'a [Value]>,
}

impl<'a> Delta<'a> {
    /// `item` is the id and the place of the item that it belongs to.
    pub fn new(name: &'static str, number: u64, item: (&'a str, usize), delta: &'a str) -> Self {
        let (item_id, output_index) = item;
        Self {
            r#type: name,
            sequence_number: number,
            item_id,
            output_index,
            content_index: None,
            summary_index: None,
            delta,
            logprobs: None,
        }
    }

    pub fn write(&self, out: &mut Vec<u8>) {
        sse::write_json(out, Some(self.r#type), self);
    }
}
