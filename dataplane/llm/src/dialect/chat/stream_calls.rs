//! Tool calls of a stream, put together from their pieces.

use serde_json::Value;

use crate::dialect::carrier::dismount;
use crate::dialect::ids::made_call_id;
use crate::message::{Event, Issuer};

use super::decode_response;

/// The calls of one choice; a call's place in the list is its index towards the client.
#[derive(Debug, Default)]
pub(super) struct Calls(Vec<Call>);

#[derive(Debug)]
struct Call {
    /// The provider's own index, which may be missing, or the same for all.
    theirs: Option<u64>,
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
        self.0.is_empty()
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
            self.0.push(Call { theirs, id, is_open: false, held: String::new(), has_arguments: false });
            self.0.len() - 1
        });
        let Some(known) = self.0.get_mut(index) else { return };
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
            && let Some(index) = self.0.iter().position(|call| call.id.as_deref() == Some(id))
        {
            return Some(index);
        }
        let is_another = |call: &Call| {
            // Another id, or another name without any id or index.
            let other_id = id.is_some() && call.id.is_some();
            other_id || (theirs.is_none() && name.is_some() && call.is_open)
        };
        let same = match theirs {
            Some(theirs) => self.0.iter().rposition(|call| call.theirs == Some(theirs)),
            None => self.0.len().checked_sub(1),
        }?;
        self.0.get(same).filter(|call| !is_another(call)).map(|_| same)
    }

    /// A call without a word of arguments has none.
    pub fn complete(&mut self, out: &mut Vec<Event>) {
        for (index, call) in self.0.iter_mut().enumerate().filter(|(_, call)| call.is_open) {
            if !call.has_arguments {
                call.has_arguments = true;
                out.push(Event::ToolCallArguments { index, fragment: "{}".into() });
            }
        }
    }
}
