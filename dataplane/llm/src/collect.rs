//! Folds a streamed answer into a whole one.

use serde_json::{Map, Value};

use crate::message::{Choice, Event, Part, PartBody, ReasoningBlock, Response, Signature, ToolCall};

/// The answer that these events tell. [`Event::Error`] is not a part of it: who calls has looked for it.
pub fn collect(events: impl IntoIterator<Item = Event>) -> Response {
    let mut answer = Response::default();
    let mut choices = vec![Draft::default()];
    let mut at = 0;
    for event in events {
        let event = match event {
            Event::Start { id, model, created } => {
                answer.id = id.or(answer.id);
                answer.model = model.or(answer.model);
                answer.created = created.or(answer.created);
                continue;
            }
            Event::Choice(index) => {
                at = index.min(MAX_CHOICES);
                if at >= choices.len() {
                    choices.resize_with(at + 1, Draft::default);
                }
                continue;
            }
            Event::Usage(usage) => {
                answer.usage.merge(&usage);
                continue;
            }
            Event::ServiceTier(tier) => {
                answer.service_tier = Some(tier);
                continue;
            }
            event => event,
        };
        if let Some(draft) = choices.get_mut(at) {
            draft.push(event);
        }
    }
    let mut choices = choices.into_iter().map(Draft::finish);
    let Choice { parts, finish, logprobs } = choices.next().unwrap_or_default();
    answer.parts = parts;
    answer.finish = finish;
    answer.logprobs = logprobs;
    answer.more = choices.collect();
    answer
}

/// OpenAI's greatest `n`.
const MAX_CHOICES: usize = 127;

/// A choice in the making.
#[derive(Default)]
struct Draft {
    choice: Choice,
    /// Places of the tool calls among the parts, by their index.
    calls: Vec<(usize, usize)>,
}

impl Draft {
    fn push(&mut self, event: Event) {
        let parts = &mut self.choice.parts;
        match event {
            Event::Text(piece) => match parts.last_mut().map(|part| &mut part.body) {
                Some(PartBody::Text(text)) => text.push_str(&piece),
                _ => parts.push(Part::text(piece)),
            },
            Event::Refusal(piece) => match parts.last_mut().map(|part| &mut part.body) {
                Some(PartBody::Refusal(text)) => text.push_str(&piece),
                _ => parts.push(PartBody::Refusal(piece).into()),
            },
            Event::Reasoning(piece) => match open_thinking(parts) {
                Some((text, _)) => text.push_str(&piece),
                None => parts.push(thinking(piece, None)),
            },
            Event::ReasoningSignature(issued) => match open_thinking(parts) {
                Some((_, signature)) => *signature = Some(issued),
                None => parts.push(thinking(String::new(), Some(issued))),
            },
            Event::ReasoningRedacted(data) => {
                parts.push(PartBody::Reasoning(ReasoningBlock::Redacted { data }).into());
            }
            Event::ToolCallStart { index, id, name, signature } => {
                self.calls.push((index, parts.len()));
                let call = ToolCall { id, name, arguments: String::new(), signature };
                parts.push(PartBody::ToolCall(call).into());
            }
            Event::ToolCallArguments { index, fragment } => {
                let place = self.calls.iter().find(|(call, _)| *call == index).map(|(_, place)| *place);
                let part = place.and_then(|place| parts.get_mut(place));
                if let Some(Part { body: PartBody::ToolCall(call), .. }) = part {
                    call.arguments.push_str(&fragment);
                }
            }
            Event::Citation(citation) => parts.push(PartBody::Citation(citation).into()),
            Event::Image(media) => parts.push(PartBody::Image(media).into()),
            Event::Audio(media) => parts.push(PartBody::Audio(media).into()),
            Event::Opaque { format, value } => parts.push(PartBody::Opaque { format, value }.into()),
            Event::Logprobs(piece) => join_logprobs(&mut self.choice.logprobs, piece),
            Event::Finish(reason) => self.choice.finish = Some(reason),
            Event::Start { .. }
            | Event::Choice(_)
            | Event::Usage(_)
            | Event::ServiceTier(_)
            | Event::Error(_) => {}
        }
    }

    fn finish(mut self) -> Choice {
        for part in &mut self.choice.parts {
            if let PartBody::ToolCall(call) = &mut part.body
                && call.arguments.is_empty()
            {
                call.arguments.push_str("{}");
            }
        }
        self.choice
    }
}

fn thinking(text: String, signature: Option<Signature>) -> Part {
    PartBody::Reasoning(ReasoningBlock::Thinking { text, signature }).into()
}

/// A signature closes its block: the next piece begins another.
fn open_thinking(parts: &mut [Part]) -> Option<(&mut String, &mut Option<Signature>)> {
    match &mut parts.last_mut()?.body {
        PartBody::Reasoning(ReasoningBlock::Thinking { text, signature }) if signature.is_none() => {
            Some((text, signature))
        }
        _ => None,
    }
}

/// Pieces hold lists (`content`, `refusal`) that grow.
fn join_logprobs(whole: &mut Option<Value>, piece: Value) {
    let Value::Object(piece) = piece else { return };
    let Value::Object(whole) = whole.get_or_insert_with(|| Map::new().into()) else { return };
    for (name, value) in piece {
        match (whole.get_mut(&name), value) {
            (Some(Value::Array(list)), Value::Array(more)) => list.extend(more),
            (Some(_), Value::Null) => {}
            (_, value) => drop(whole.insert(name, value)),
        }
    }
}
