//! Answers in JSON from a model that has no native way to promise them: it is made to call a tool whose input is the
//! answer, and the call becomes text again.
//!
//! Who reads an answer does not know its request. The tool's name tells: it is Penstock's own, so a call to it is the
//! answer wherever it stands. A dialect offers [`tool`] and forces the call when it writes a request, and reads with
//! [`restore`] and [`restoring`]. Where no call can be forced, [`instruction`] asks for the answer in words.

use std::collections::BTreeMap;

use crate::dialect::{StreamDecoder, instructions};
use crate::error::Broken;
use crate::framing::Frame;
use crate::message::{Event, FinishReason, Part, PartBody, Response, ResponseFormat, Tool};

/// A client's own tool of this name cannot be told from it; an encoder refuses it.
pub(super) const TOOL: &str = "penstock_json_answer";

/// The tool whose input is the answer. `None` for a format that no tool can stand for: a tool's input is an object,
/// and without a schema a model gives an empty one.
pub(super) fn tool(format: &ResponseFormat) -> Option<Tool> {
    let ResponseFormat::JsonSchema { name: _, schema, strict: _, description } = format else { return None };
    let is_object = schema.get("type").is_some_and(|kind| kind == "object");
    is_object.then(|| {
        let purpose = "Gives the final answer to the user. Call it once, with the whole answer as its input.";
        let description = match description.as_deref().filter(|text| !text.trim().is_empty()) {
            Some(about) => format!("{purpose} The answer: {about}"),
            None => purpose.to_owned(),
        };
        Tool {
            name: TOOL.to_owned(),
            description: Some(description),
            parameters: Some(schema.clone()),
            ..Tool::default()
        }
    })
}

/// The same wish in words, for the instructions; `None` where there is nothing to ask for.
pub(super) fn instruction(format: &ResponseFormat) -> Option<String> {
    match format {
        ResponseFormat::Text => None,
        ResponseFormat::JsonObject => Some(instructions::JSON_OBJECT.to_owned()),
        ResponseFormat::JsonSchema { name: _, schema, strict: _, description: _ } => {
            Some(instructions::json_schema(schema))
        }
    }
}

/// Turns calls that give the answer into text. Of several the first counts: two JSON texts in a row are none.
pub(super) fn restore(response: &mut Response) {
    restore_choice(&mut response.parts, &mut response.finish);
    for choice in &mut response.more {
        restore_choice(&mut choice.parts, &mut choice.finish);
    }
}

fn restore_choice(parts: &mut Vec<Part>, finish: &mut Option<FinishReason>) {
    let mut seen = Seen::default();
    parts.retain_mut(|part| {
        let PartBody::ToolCall(call) = &mut part.body else { return true };
        if call.name != TOOL {
            seen.has_others = true;
            return true;
        }
        seen.answers.push(seen.answers.len());
        part.body = PartBody::Text(std::mem::take(&mut call.arguments));
        seen.answers.len() == 1
    });
    if let Some(reason) = finish {
        seen.correct(reason);
    }
}

/// Does the same to the events of this decoder.
pub(super) fn restoring(inner: Box<dyn StreamDecoder>) -> Box<dyn StreamDecoder> {
    Box::new(Restoring { inner, events: Vec::new(), at: 0, choices: BTreeMap::new() })
}

struct Restoring {
    inner: Box<dyn StreamDecoder>,
    /// What the inner decoder made of the last frame.
    events: Vec<Event>,
    /// The choice that events belong to.
    at: usize,
    /// Choices in which a tool was called.
    choices: BTreeMap<usize, Seen>,
}

/// Calls of one choice.
#[derive(Default)]
struct Seen {
    /// Indices of calls that give the answer, ascending.
    answers: Vec<usize>,
    has_others: bool,
}

impl Seen {
    /// A model that gave its answer stopped, whatever way it took.
    fn correct(&self, reason: &mut FinishReason) {
        if *reason == FinishReason::ToolCalls && !self.answers.is_empty() && !self.has_others {
            *reason = FinishReason::Stop;
        }
    }

    /// What a call's index is for the client, who sees only the others.
    fn index(&self, index: usize) -> usize {
        index - self.answers.iter().filter(|answer| **answer < index).count()
    }
}

impl Restoring {
    fn event(&mut self, event: Event, out: &mut Vec<Event>) {
        match event {
            Event::Choice(index) => {
                self.at = index;
                out.push(event);
            }
            Event::ToolCallStart { index, id, name, signature } => {
                let seen = self.choices.entry(self.at).or_default();
                if name == TOOL {
                    seen.answers.push(index);
                } else {
                    seen.has_others = true;
                    let index = seen.index(index);
                    out.push(Event::ToolCallStart { index, id, name, signature });
                }
            }
            Event::ToolCallArguments { index, fragment } => {
                let Some(seen) = self.choices.get(&self.at) else {
                    return out.push(Event::ToolCallArguments { index, fragment });
                };
                match seen.answers.iter().position(|answer| *answer == index) {
                    Some(0) => out.push(Event::Text(fragment)),
                    Some(_) => {}
                    None => out.push(Event::ToolCallArguments { index: seen.index(index), fragment }),
                }
            }
            Event::Finish(mut reason) => {
                if let Some(seen) = self.choices.get(&self.at) {
                    seen.correct(&mut reason);
                }
                out.push(Event::Finish(reason));
            }
            event => out.push(event),
        }
    }

    fn pass_on(&mut self, out: &mut Vec<Event>) {
        let mut events = std::mem::take(&mut self.events);
        for event in events.drain(..) {
            self.event(event, out);
        }
        self.events = events;
    }
}

impl StreamDecoder for Restoring {
    fn push(&mut self, frame: &Frame, out: &mut Vec<Event>) -> Result<(), Broken> {
        let result = self.inner.push(frame, &mut self.events);
        self.pass_on(out);
        result
    }

    fn is_done(&self) -> bool {
        self.inner.is_done()
    }

    fn finish(&mut self, out: &mut Vec<Event>) -> Result<(), Broken> {
        let result = self.inner.finish(&mut self.events);
        self.pass_on(out);
        result
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::collect;
    use crate::message::ToolCall;

    fn call(name: &str, arguments: &str) -> Part {
        let (id, name, arguments) = ("id".to_owned(), name.to_owned(), arguments.to_owned());
        PartBody::ToolCall(ToolCall { id, name, arguments, signature: None }).into()
    }

    fn answer(parts: Vec<Part>, finish: FinishReason) -> Response {
        Response { parts, finish: Some(finish), ..Response::default() }
    }

    /// What an answer looks like, whole and as events.
    const TABLE: &[(&[&str], &[&str], bool)] = &[
        // Calls; what is left of them, where text is `=`; does it stop?
        (&[TOOL], &["="], true),
        (&[TOOL, TOOL], &["="], true),
        (&["a", TOOL, "b", TOOL, "c"], &["a", "=", "b", "c"], false),
        (&["a"], &["a"], false),
    ];

    #[test]
    fn calls_become_text() {
        for (names, left, stops) in TABLE {
            let parts = names.iter().map(|name| call(name, r#"{"n":1}"#)).collect();
            let mut whole = answer(parts, FinishReason::ToolCalls);
            let streamed = collect(streamed(names, FinishReason::ToolCalls));
            restore(&mut whole);
            let expected = left.iter().map(|name| match *name {
                "=" => Part::text(r#"{"n":1}"#),
                name => call(name, r#"{"n":1}"#),
            });
            let finish = if *stops { FinishReason::Stop } else { FinishReason::ToolCalls };
            let expected = answer(expected.collect(), finish);
            assert_eq!(whole, expected, "{names:?}");
            assert_eq!(streamed, expected, "{names:?}");
        }
    }

    #[test]
    fn another_reason_stays() {
        let mut whole = answer(vec![call(TOOL, "{")], FinishReason::Length);
        restore(&mut whole);
        assert_eq!(whole, answer(vec![Part::text("{")], FinishReason::Length));
    }

    #[test]
    fn indices_close_up() {
        let events = streamed(&["a", TOOL, "b"], FinishReason::ToolCalls);
        let indices = events.iter().filter_map(|event| match event {
            Event::ToolCallStart { index, .. } | Event::ToolCallArguments { index, .. } => Some(*index),
            _ => None,
        });
        assert_eq!(indices.collect::<Vec<_>>(), [0, 0, 0, 1, 1, 1]);
    }

    /// Each call in three events, through [`restoring`].
    fn streamed(names: &[&str], finish: FinishReason) -> Vec<Event> {
        let mut events = Vec::new();
        for (index, name) in names.iter().enumerate() {
            let (id, name) = ("id".to_owned(), (*name).to_owned());
            events.push(Event::ToolCallStart { index, id, name, signature: None });
            for fragment in [r#"{"n":"#, "1}"] {
                events.push(Event::ToolCallArguments { index, fragment: fragment.into() });
            }
        }
        events.push(Event::Finish(finish));
        let mut decoder = restoring(Box::new(Told { events }));
        let mut out = Vec::new();
        decoder.push(&Frame { event: None, data: String::new(), raw: Default::default() }, &mut out).unwrap();
        decoder.finish(&mut out).unwrap();
        out
    }

    /// A decoder that knows its events beforehand.
    struct Told {
        events: Vec<Event>,
    }

    impl StreamDecoder for Told {
        fn push(&mut self, _frame: &Frame, out: &mut Vec<Event>) -> Result<(), Broken> {
            out.append(&mut self.events);
            Ok(())
        }

        fn is_done(&self) -> bool {
            true
        }

        fn finish(&mut self, _out: &mut Vec<Event>) -> Result<(), Broken> {
            Ok(())
        }
    }

    #[test]
    fn only_objects_become_a_tool() {
        let format = |schema| ResponseFormat::JsonSchema {
            name: "x".into(),
            schema,
            strict: None,
            description: Some("A city.".into()),
        };
        let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}});
        let tool = tool(&format(schema.clone())).unwrap();
        assert_eq!((tool.name.as_str(), tool.parameters), (TOOL, Some(schema)));
        assert!(tool.description.unwrap().ends_with("The answer: A city."));
        for other in [format(json!({"type": "array"})), format(json!({})), ResponseFormat::JsonObject] {
            assert_eq!(super::tool(&other), None);
            assert!(instruction(&other).is_some());
        }
        assert_eq!(instruction(&ResponseFormat::Text), None);
    }
}
