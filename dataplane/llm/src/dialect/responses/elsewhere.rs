//! What a request of this format may hold that no other format can take: state that its provider keeps, and items of
//! tools that its provider runs. It is refused by name, with what to do; it is never dropped.

use serde_json::Value;

use crate::dialect::Format;
use crate::error::Refused;
use crate::message::{PartBody, Request};

pub(super) fn check(request: &Request) -> Result<(), Refused> {
    let has = |name: &str| request.extra.get(name).is_some_and(|value| !value.is_null());
    for (name, advice) in MEMBERS {
        if has(name) {
            return Err(refuse((*name).to_owned(), format!("`{name}` {advice}")));
        }
    }
    if request.extra.get("background") == Some(&Value::Bool(true)) {
        let advice = "`background` needs a provider of OpenAI's Responses format, which keeps the answer; leave it out";
        return Err(refuse("background".into(), advice.to_owned()));
    }
    for part in request.messages.iter().flat_map(|message| &message.parts) {
        if let PartBody::Opaque { format: Format::Responses, value } = &part.body {
            let kind = value.get("type").and_then(Value::as_str).unwrap_or("unknown");
            return Err(refuse("input[].type".into(), advice_on_item(kind)));
        }
    }
    Ok(())
}

const MEMBERS: &[(&str, &str)] = &[
    (
        "previous_response_id",
        "names an answer that its provider keeps; this target keeps none: send the whole conversation in `input`",
    ),
    (
        "conversation",
        "names a conversation that its provider keeps; this target keeps none: send the whole conversation in `input`",
    ),
    ("prompt", "names a prompt that OpenAI keeps; write it into `instructions` and `input`"),
];

fn advice_on_item(kind: &str) -> String {
    match kind {
        "item_reference" => {
            "an `item_reference` names an item that its provider keeps; send the item itself".to_owned()
        }
        kind => format!(
            "an item of type `{kind}` can be sent only to a provider of OpenAI's Responses format; leave it out, or \
             route the conversation to one"
        ),
    }
}

fn refuse(field: String, message: String) -> Refused {
    Refused { field, message }
}
