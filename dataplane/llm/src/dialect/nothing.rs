//! Conversations in which nobody says anything.

use super::Format;
use crate::error::Refused;
use crate::field::Field;
use crate::message::Request;

/// For providers that refuse a conversation without messages, or do something else with it: in the client's words.
pub(super) fn to_answer(request: &Request) -> Refused {
    let client = request.origin.unwrap_or(Format::Chat);
    let field = if client == Format::Completions { Field::Prompt } else { Field::Messages };
    let field = field.name(client).to_owned();
    let message = format!("there is nothing to answer: `{field}` has no content that this provider takes");
    Refused { field, message }
}
