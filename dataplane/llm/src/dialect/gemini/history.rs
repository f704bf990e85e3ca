//! What Google wants of a history with tool calls: results name the function, stand together behind the calls, one for
//! each and in their order; calls of the current turn are signed.

use std::collections::{HashMap, VecDeque};

use crate::message::{Message, Part, PartBody, Role};

/// The calls so far.
#[derive(Debug, Default)]
pub(super) struct Calls<'a> {
    /// The function behind each id; the latest, where ids come again.
    names: HashMap<&'a str, &'a str>,
    /// Ids of the last message's calls, in order, which wait for results.
    open: Vec<&'a str>,
}

/// What answers a call.
#[derive(Debug)]
pub(super) enum Answer<'a> {
    /// The result, and the name that its message has.
    Given(&'a Part, Option<&'a str>),
    /// Nobody gave one. A history without it is a 400.
    Missing(&'a str),
}

impl<'a> Calls<'a> {
    /// An assistant's message.
    pub fn open(&mut self, message: &'a Message) {
        self.open.clear();
        for part in &message.parts {
            if let PartBody::ToolCall(call) = &part.body {
                self.names.insert(&call.id, &call.name);
                self.open.push(&call.id);
            }
        }
    }

    pub fn name_of(&self, id: &str) -> Option<&'a str> {
        self.names.get(id).copied()
    }

    /// The results in these messages in the order of the calls, one for each; what answers none of them comes last.
    pub fn settle(&mut self, run: &'a [Message]) -> Vec<Answer<'a>> {
        let mut by_id: HashMap<&str, VecDeque<usize>> = HashMap::new();
        let mut left = Vec::new();
        for message in run {
            for part in &message.parts {
                if let PartBody::ToolResult { id, .. } = &part.body {
                    by_id.entry(id).or_default().push_back(left.len());
                    left.push(Some(Answer::Given(part, message.name.as_deref())));
                }
            }
        }
        let mut out = Vec::with_capacity(left.len());
        for id in std::mem::take(&mut self.open) {
            let place = by_id.get_mut(id).and_then(VecDeque::pop_front);
            let given = place.and_then(|place| left.get_mut(place)?.take());
            out.push(given.unwrap_or(Answer::Missing(id)));
        }
        out.extend(left.into_iter().flatten());
        out
    }
}

/// Where the current turn begins: behind the last thing that the user said, results of tools aside. Calls before it
/// need no signature.
pub(super) fn turn_start(messages: &[Message]) -> usize {
    let is_result = |part: &Part| matches!(part.body, PartBody::ToolResult { .. });
    let says = |message: &Message| message.role == Role::User && !message.parts.iter().any(is_result);
    messages.iter().rposition(says).map_or(0, |at| at + 1)
}
