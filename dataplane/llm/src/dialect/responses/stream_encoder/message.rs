//! Messages of a streamed answer: texts, refusals, and the sources and probabilities of texts.

use serde_json::json;

use super::{Encoder, Open, OpenPart, joined};
use crate::dialect::responses::events::Delta;
use crate::dialect::responses::read_output::count_chars;
use crate::dialect::responses::{annotations, output};
use crate::field::Field;
use crate::ledger::Fate;
use crate::message::Citation;

impl Encoder {
    /// Opens a message, unless one is open, and a part of this kind in it.
    fn open_part(&mut self, part: OpenPart, out: &mut Vec<u8>) {
        if !matches!(self.open, Open::Message { .. }) {
            self.close(out);
            let id = self.next_id("msg_");
            let at = self.add_item(&output::message(&id, "in_progress", &[]), out);
            self.open = Open::Message { at, id, content: Vec::new(), part: None };
        }
        self.close_part(out);
        let empty = match &part {
            OpenPart::Text { .. } => output::text("", &[], &[]),
            OpenPart::Refusal(_) => output::refusal(""),
        };
        if let Open::Message { at, id, content, part: open } = &mut self.open {
            *open = Some(part);
            let event = json!({
                "item_id": id, "output_index": at, "content_index": content.len(), "part": empty,
            });
            self.emit("response.content_part.added", event, out);
        }
    }

    pub(super) fn close_part(&mut self, out: &mut Vec<u8>) {
        let Open::Message { at, id, content, part } = &mut self.open else { return };
        let Some(part) = part.take() else { return };
        let (at, id, index) = (*at, id.clone(), content.len());
        let place = json!({"item_id": id, "output_index": at, "content_index": index});
        let (name, done, part) = match part {
            OpenPart::Text { text, length, annotations, mut logprobs } => {
                self.chars = self.chars.saturating_add(length);
                logprobs.append(&mut self.logprobs);
                let done = json!({"text": text, "logprobs": logprobs});
                ("response.output_text.done", done, output::text(&text, &annotations, &logprobs))
            }
            OpenPart::Refusal(text) => {
                ("response.refusal.done", json!({"refusal": text}), output::refusal(&text))
            }
        };
        content.push(part.clone());
        self.emit(name, joined(place.clone(), done), out);
        self.emit("response.content_part.done", joined(place, json!({"part": part})), out);
    }

    fn open_text(&mut self, out: &mut Vec<u8>) {
        if !matches!(&self.open, Open::Message { part: Some(OpenPart::Text { .. }), .. }) {
            let part = OpenPart::Text {
                text: String::new(),
                length: 0,
                annotations: Vec::new(),
                logprobs: Vec::new(),
            };
            self.open_part(part, out);
        }
    }

    pub(super) fn text(&mut self, piece: &str, out: &mut Vec<u8>) {
        self.open_text(out);
        let mut own = std::mem::take(&mut self.logprobs);
        let number = self.next_number();
        if let Open::Message { at, id, content, part: Some(OpenPart::Text { text, length, logprobs, .. }) } =
            &mut self.open
        {
            let delta = Delta::new("response.output_text.delta", number, (id, *at), piece);
            Delta { content_index: Some(content.len()), logprobs: Some(&own), ..delta }.write(out);
            text.push_str(piece);
            *length = length.saturating_add(count_chars(piece));
            logprobs.append(&mut own);
        }
    }

    pub(super) fn refuse(&mut self, piece: &str, out: &mut Vec<u8>) {
        if !matches!(&self.open, Open::Message { part: Some(OpenPart::Refusal(_)), .. }) {
            self.open_part(OpenPart::Refusal(String::new()), out);
        }
        let number = self.next_number();
        if let Open::Message { at, id, content, part: Some(OpenPart::Refusal(text)) } = &mut self.open {
            let delta = Delta::new("response.refusal.delta", number, (id, *at), piece);
            Delta { content_index: Some(content.len()), ..delta }.write(out);
            text.push_str(piece);
        }
    }

    /// A source belongs to the text that is open; one that comes before any text opens it.
    pub(super) fn cite(&mut self, citation: &Citation, out: &mut Vec<u8>) {
        if !annotations::can_write(citation) {
            return self.ledger.note(Field::AnswerCitations, Fate::Dropped);
        }
        self.open_text(out);
        let base = self.chars;
        if let Open::Message { at, id, content, part: Some(OpenPart::Text { length, annotations, .. }) } =
            &mut self.open
            && let Some(annotation) = annotations::write(citation, base, *length)
        {
            let event = json!({
                "item_id": id, "output_index": at, "content_index": content.len(),
                "annotation_index": annotations.len(), "annotation": annotation,
            });
            annotations.push(annotation);
            self.emit("response.output_text.annotation.added", event, out);
        }
    }
}
