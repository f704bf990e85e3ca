//! What Google wants of a history with tool calls: results name the function, stand together behind the calls, one for
//! each and in their order; calls of the current turn are signed.

use std::collections::{HashMap, HashSet, VecDeque};

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

/// What becomes of the results in a run of the user's messages.
#[derive(Debug, Default)]
pub(super) struct Settled<'a> {
    /// One for each call, in their order.
    pub answers: Vec<Answer<'a>>,
    /// Places (message of the run, part) of results that answer none of them. As results they are a 400.
    pub strays: HashSet<(usize, usize)>,
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

    /// Brings the results in these messages to the calls that wait for them.
    pub fn settle(&mut self, run: &'a [Message]) -> Settled<'a> {
        let mut by_id: HashMap<&str, VecDeque<(usize, usize)>> = HashMap::new();
        let mut out = Settled::default();
        for (i, message) in run.iter().enumerate() {
            for (j, part) in message.parts.iter().enumerate() {
                if let PartBody::ToolResult { id, .. } = &part.body {
                    by_id.entry(id).or_default().push_back((i, j));
                    out.strays.insert((i, j));
                }
            }
        }
        for id in std::mem::take(&mut self.open) {
            let place = by_id.get_mut(id).and_then(VecDeque::pop_front);
            let given = place.and_then(|(i, j)| {
                out.strays.remove(&(i, j));
                let message = run.get(i)?;
                Some(Answer::Given(message.parts.get(j)?, message.name.as_deref()))
            });
            out.answers.push(given.unwrap_or(Answer::Missing(id)));
        }
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
