//! OpenAI's `POST /v1/embeddings`, as its servers take and answer it.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::dialect::Upstream;
use crate::error::{Broken, Refused, UpstreamError};
use crate::field::Field;
use crate::ledger::{Fate, Ledger};
use crate::message::Usage;

use super::read::{self, tokens};
use super::vector::Vector;
use super::{EmbedInput, EmbedQuirks, EmbedRequest, EmbedResponse, InputTypes, MOST_INPUTS, Purpose, texts};

pub(super) fn encode(
    request: &EmbedRequest,
    upstream: &Upstream<'_>,
    ledger: &mut Ledger,
) -> Result<Map<String, Value>, Refused> {
    let EmbedRequest { model: _, inputs, dimensions, base64, user, input_type, provider_options: _, extra } =
        request;
    let EmbedQuirks { dimensions: dimensions_name, input_type: input_types, user: takes_user, tokens } =
        upstream.provider.embed_quirks(upstream.model);
    if !tokens {
        texts(request, MOST_INPUTS, upstream)?;
    }
    let mut out = Map::new();
    out.insert("model".into(), upstream.model.into());
    out.insert("input".into(), input(inputs));
    if let Some(size) = dimensions {
        out.insert((*dimensions_name).into(), (*size).into());
    }
    if *base64 {
        out.insert("encoding_format".into(), "base64".into());
    }
    if let Some(user) = user {
        if *takes_user {
            out.insert("user".into(), user.as_str().into());
        } else {
            ledger.note(Field::User, Fate::Dropped);
        }
    }
    if let Some(word) = input_type {
        match their_word(*input_types, word) {
            Some(word) => drop(out.insert("input_type".into(), word.into())),
            None => ledger.note(Field::InputType, Fate::Dropped),
        }
    }
    for (name, value) in extra {
        // Penstock's own switch has no meaning here, and none to a provider.
        if name == "thinking_mode" {
            ledger.note(Field::ThinkingMode, Fate::Dropped);
        } else {
            out.entry(name).or_insert_with(|| value.clone());
        }
    }
    Ok(out)
}

fn input(inputs: &[EmbedInput]) -> Value {
    match inputs {
        [EmbedInput::Tokens(tokens)] => tokens.as_slice().into(),
        inputs => inputs
            .iter()
            .map(|input| match input {
                EmbedInput::Text(text) => Value::from(text.as_str()),
                EmbedInput::Tokens(tokens) => tokens.as_slice().into(),
            })
            .collect(),
    }
}

fn their_word(input_types: InputTypes, word: &str) -> Option<&str> {
    match input_types {
        InputTypes::None => None,
        InputTypes::AsItIs => Some(word),
        InputTypes::Words(words) => {
            let purpose = Purpose::read(word)?.plain()?;
            words.iter().find(|(known, _)| *known == purpose).map(|(_, word)| *word)
        }
    }
}

#[derive(Deserialize)]
struct Answer {
    data: Vec<Item>,
    #[serde(default)]
    model: Value,
    #[serde(default)]
    usage: Value,
}

#[derive(Deserialize)]
struct Item {
    #[serde(default)]
    index: Value,
    embedding: Vector,
}

/// OpenAI's `usage` of an embedding. Voyage says the total alone, and embedding generates nothing.
pub(super) fn count(usage: &Value) -> Usage {
    read::usage(tokens(usage, "/prompt_tokens").or_else(|| tokens(usage, "/total_tokens")))
}

pub(super) fn decode(body: &[u8]) -> Result<Result<EmbedResponse, UpstreamError>, Broken> {
    Ok(read::answer::<Answer>(body)?.map(|Answer { mut data, model, usage }| {
        // Stable: servers that write no index, or 0 always, answer in order.
        data.sort_by_key(|item| item.index.as_u64());
        EmbedResponse {
            model: read::text(model),
            vectors: data.into_iter().map(|item| item.embedding.0).collect(),
            usage: count(&usage),
        }
    }))
}

/// Skips the vectors without building them.
pub(super) fn read_usage(body: &[u8]) -> Usage {
    #[derive(Deserialize)]
    struct Tail {
        usage: Value,
    }
    serde_json::from_slice::<Tail>(body).map(|tail| count(&tail.usage)).unwrap_or_default()
}
