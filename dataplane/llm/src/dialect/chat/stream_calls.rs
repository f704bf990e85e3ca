//! Tool calls of a stream, put together from their pieces.

use std::collections::HashMap;

use serde_json::Value;

use crate::dialect::carrier::dismount;
use crate::dialect::ids::made_call_id;
use crate::message::{Event, Issuer};

use super::decode_response;

/// The calls of one choice; a call's place in the list is its index towards the client.
#[derive(Debug, Default)]
pub(super) struct Calls {
    list: Vec<Call>,
    /// Places of calls by the id that the provider wrote, the first of each, and by its index, the last of each: an
    /// answer may hold so many that looking through the list for every piece takes too long.
    by_id: HashMap<String, usize>,
    by_theirs: HashMap<u64, usize>,
}

#[derive(Debug)]
struct Call {
    /// As the provider wrote it, by which its later pieces are found.
    id: Option<String>,
    /// Its start has been told: that takes a name, which some servers send late.
    is_open: bool,
    /// Arguments that came before the name.
    held: String,
    has_arguments: bool,
}

impl Calls {
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// `answer` is the answer's id, of which the ids of calls are made that have none.
    pub fn piece(
        &mut self,
        call: &Value,
        function: &Value,
        answer: Option<&str>,
        issuer: Option<Issuer>,
        out: &mut Vec<Event>,
    ) {
        let text = |of: &Value, name: &str| {
            of.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let (theirs, id, name) =
            (call.get("index").and_then(Value::as_u64), text(call, "id"), text(function, "name"));
        let index = self.find(theirs, id.as_deref(), name.as_deref()).unwrap_or_else(|| {
            let place = self.list.len();
            if let Some(id) = &id {
                self.by_id.entry(id.clone()).or_insert(place);
            }
            if let Some(theirs) = theirs {
                self.by_theirs.insert(theirs, place);
            }
            self.list.push(Call { id, is_open: false, held: String::new(), has_arguments: false });
            place
        });
        let Some(known) = self.list.get_mut(index) else { return };
        let mut fragment = function.get("arguments").map(decode_response::arguments).unwrap_or_default();
        if let (false, Some(name)) = (known.is_open, name) {
            known.is_open = true;
            let id = known.id.get_or_insert_with(|| made_call_id(answer.unwrap_or_default(), index));
            // Blocks that ride there have come as `reasoning_details` already.
            let (id, rider) = dismount(id);
            let rider = rider.and_then(|rider| rider.call);
            let signature = decode_response::call_signature(call, issuer).or(rider);
            out.push(Event::ToolCallStart { index, id: id.to_owned(), name, signature });
            fragment.insert_str(0, &std::mem::take(&mut known.held));
        }
        if !known.is_open {
            known.held.push_str(&fragment);
        } else if !fragment.is_empty() {
            known.has_arguments = true;
            out.push(Event::ToolCallArguments { index, fragment });
        }
    }

    /// Which call a piece belongs to. Ids come first: some servers number every call 0.
    fn find(&self, theirs: Option<u64>, id: Option<&str>, name: Option<&str>) -> Option<usize> {
        if let Some(id) = id
            && let Some(index) = self.by_id.get(id)
        {
            return Some(*index);
        }
        let is_another = |call: &Call| {
            // Another id, or another name without any id or index.
            let other_id = id.is_some() && call.id.is_some();
            other_id || (theirs.is_none() && name.is_some() && call.is_open)
        };
        let same = match theirs {
            Some(theirs) => self.by_theirs.get(&theirs).copied(),
            None => self.list.len().checked_sub(1),
        }?;
        self.list.get(same).filter(|call| !is_another(call)).map(|_| same)
    }

    /// A call without a word of arguments has none.
    pub fn complete(&mut self, out: &mut Vec<Event>) {
        for (index, call) in self.list.iter_mut().enumerate().filter(|(_, call)| call.is_open) {
            if !call.has_arguments {
                call.has_arguments = true;
                out.push(Event::ToolCallArguments { index, fragment: "{}".into() });
            }
        }
    }
}
