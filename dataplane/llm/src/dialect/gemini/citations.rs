//! Sources of an answer: `groundingMetadata` of Google's own tools and `citationMetadata` of recited text.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use crate::dialect::Format;
use crate::message::{Citation, Event};

use super::offsets::Offsets;

/// No passage rests on more sources than this.
const MAX_SOURCES: usize = 64;

/// Reads the sources of one candidate, chunk by chunk.
#[derive(Debug, Default)]
pub(super) struct Reader {
    /// The answer's text without its thoughts: what positions count in.
    pub text: Offsets,
    /// Sources so far, and whether a passage named them.
    sources: Vec<(Value, bool)>,
}

impl Reader {
    pub fn read(&mut self, candidate: &Value, out: &mut Vec<Event>) {
        if let Some(metadata) = candidate.get("groundingMetadata").and_then(Value::as_object) {
            self.grounding(metadata, out);
        }
        if let Some(metadata) = candidate.get("citationMetadata") {
            // AI Studio's name and Vertex AI's.
            let list = metadata.get("citationSources").or_else(|| metadata.get("citations"));
            for source in list.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default() {
                out.extend(self.recitation(source).map(Event::Citation));
            }
        }
        if let Some(metadata) = candidate.get("urlContextMetadata").filter(|it| says_something(it)) {
            out.push(opaque("urlContextMetadata", metadata.clone()));
        }
    }

    /// Sources that no passage named stand for the whole answer.
    pub fn finish(&mut self, out: &mut Vec<Event>) {
        for (source, _) in std::mem::take(&mut self.sources).into_iter().filter(|(_, is_named)| !is_named) {
            out.push(Event::Citation(of_source(&source, None)));
        }
    }

    fn grounding(&mut self, metadata: &Map<String, Value>, out: &mut Vec<Event>) {
        let list =
            |name: &str| metadata.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        self.sources.extend(list("groundingChunks").iter().map(|source| (source.clone(), false)));
        for support in list("groundingSupports") {
            self.support(support, out);
        }
        let is_read = |name: &str| matches!(name, "groundingChunks" | "groundingSupports");
        let rest = metadata.iter().filter(|(name, value)| !is_read(name) && says_something(value));
        let rest: Map<String, Value> = rest.map(|(name, value)| (name.clone(), value.clone())).collect();
        if !rest.is_empty() {
            out.push(opaque("groundingMetadata", rest.into()));
        }
    }

    fn support(&mut self, support: &Value, out: &mut Vec<Event>) {
        let segment = support.get("segment").unwrap_or(&Value::Null);
        let at = |name: &str| segment.get(name).and_then(Value::as_u64);
        let place = at("endIndex").map(|end| {
            let start = at("startIndex").unwrap_or(0);
            (self.text.chars_before(start), self.text.chars_before(end))
        });
        let indices = support.get("groundingChunkIndices").and_then(Value::as_array);
        let indices = indices.map(Vec::as_slice).unwrap_or_default().iter().take(MAX_SOURCES);
        for index in indices.filter_map(Value::as_u64).filter_map(|index| usize::try_from(index).ok()) {
            let Some((source, is_named)) = self.sources.get_mut(index) else { continue };
            *is_named = true;
            let mut citation = of_source(source, Some(support));
            (citation.start, citation.end) = (place.map(|it| it.0), place.map(|it| it.1));
            out.push(Event::Citation(citation));
        }
    }

    fn recitation(&self, source: &Value) -> Option<Citation> {
        let text = |name: &str| source.get(name).and_then(Value::as_str).map(str::to_owned);
        let at = |name: &str| source.get(name).and_then(Value::as_u64);
        let end = at("endIndex").map(|end| self.text.chars_before(end));
        Some(Citation {
            url: Some(text("uri")?),
            title: text("title"),
            cited_text: None,
            start: end.map(|_| self.text.chars_before(at("startIndex").unwrap_or(0))),
            end,
            own: Some((Format::Gemini, json!({"recitation": source}))),
        })
    }
}

fn of_source(source: &Value, support: Option<&Value>) -> Citation {
    let known = ["web", "retrievedContext", "maps", "image"].iter().find_map(|kind| source.get(*kind));
    let known = known.unwrap_or(&Value::Null);
    let text = |name: &str| known.get(name).and_then(Value::as_str).map(str::to_owned);
    let mut own = json!({"source": source});
    if let (Some(Value::Object(support)), Value::Object(own)) = (support, &mut own) {
        let mut support = support.clone();
        support.shift_remove("groundingChunkIndices");
        own.insert("support".into(), support.into());
    }
    Citation {
        url: text("uri").or_else(|| text("sourceUri")),
        title: text("title"),
        cited_text: text("text"),
        start: None,
        end: None,
        own: Some((Format::Gemini, own)),
    }
}

fn opaque(name: &str, value: Value) -> Event {
    let mut members = Map::new();
    members.insert(name.to_owned(), value);
    Event::Opaque { format: Format::Gemini, value: members.into() }
}

fn says_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
        _ => true,
    }
}

/// Writes the sources of one candidate for a client.
#[derive(Debug, Default)]
pub(super) struct Writer {
    pub text: Offsets,
    sources: Vec<Value>,
    /// Place of each source that is written, by its JSON text.
    known: HashMap<String, usize>,
    supports: Vec<Value>,
    recitations: Vec<Value>,
    /// Members of the candidate beside its content.
    rest: Map<String, Value>,
}

impl Writer {
    pub fn cite(&mut self, citation: &Citation) {
        let Citation { url, title, cited_text, start, end, own } = citation;
        let own = own.as_ref().filter(|(format, _)| *format == Format::Gemini).map(|(_, value)| value);
        if let Some(recitation) = own.and_then(|own| own.get("recitation")) {
            self.recitations.push(recitation.clone());
            return;
        }
        let source = own.and_then(|own| own.get("source")).cloned().unwrap_or_else(|| match url {
            Some(url) => json!({"web": {"uri": url, "title": title}}),
            None => json!({"retrievedContext": {"title": title, "text": cited_text}}),
        });
        let sources = &mut self.sources;
        let index = *self.known.entry(source.to_string()).or_insert_with(|| {
            sources.push(source);
            sources.len() - 1
        });
        let support = own.and_then(|own| own.get("support")).cloned().or_else(|| {
            let end = self.text.bytes_before((*end)?);
            let start = self.text.bytes_before(start.unwrap_or(0));
            Some(json!({"segment": {"startIndex": start, "endIndex": end}}))
        });
        let Some(Value::Object(mut support)) = support else { return };
        // Several sources of one passage stand behind each other.
        if let Some(Value::Object(last)) = self.supports.last_mut()
            && last.get("segment") == support.get("segment")
            && let Some(Value::Array(indices)) = last.get_mut("groundingChunkIndices")
        {
            indices.push(index.into());
            return;
        }
        support.insert("groundingChunkIndices".into(), vec![index].into());
        self.supports.push(support.into());
    }

    /// Takes what stands beside a candidate's content; `false` for a part of the content.
    pub fn keep(&mut self, value: &Value) -> bool {
        let Value::Object(members) = value else { return false };
        let is_beside = |name: &str| matches!(name, "groundingMetadata" | "urlContextMetadata");
        if members.is_empty() || !members.keys().all(|name| is_beside(name)) {
            return false;
        }
        for (name, value) in members {
            match (self.rest.get_mut(name), value) {
                (Some(Value::Object(old)), Value::Object(new)) => old.extend(new.clone()),
                _ => drop(self.rest.insert(name.clone(), value.clone())),
            }
        }
        true
    }

    /// Adds everything to the candidate.
    pub fn write(&mut self, candidate: &mut Map<String, Value>) {
        candidate.extend(std::mem::take(&mut self.rest));
        if !self.sources.is_empty() {
            let grounding = candidate.entry("groundingMetadata").or_insert_with(|| Map::new().into());
            if let Value::Object(grounding) = grounding {
                grounding.insert("groundingChunks".into(), std::mem::take(&mut self.sources).into());
                grounding.insert("groundingSupports".into(), std::mem::take(&mut self.supports).into());
            }
        }
        if !self.recitations.is_empty() {
            let recitations = std::mem::take(&mut self.recitations);
            candidate.insert("citationMetadata".into(), json!({"citationSources": recitations}));
        }
    }
}
