//! The neutral request to a provider that speaks Messages.
//!
//! What the model can do is in the catalogue's facts, see [`super::abilities`].

mod conversation;
mod settings;
mod thinking;
mod tools;

use serde_json::{Map, Value};

use super::abilities::{self, Abilities};
use super::blocks::Blocks;
use crate::dialect::call_ids::{Ids, Rule};
use crate::dialect::{Format, Upstream, extras, fields};
use crate::error::Refused;
use crate::field::Field;
use crate::ledger::{Fate, Ledger};
use crate::message::{Issuer, Request, Signature};

pub(super) fn encode(
    request: &Request,
    upstream: &Upstream<'_>,
    ledger: &mut Ledger,
) -> Result<Vec<u8>, Refused> {
    let mut encoder = Encoder {
        request,
        upstream,
        model: abilities::of(upstream),
        ledger,
        ids: Ids::new(Rule::Word, request),
        out: Map::new(),
        system: Vec::new(),
        thinks: false,
        has_json_answer: false,
    };
    encoder.write()?;
    // Writing into memory cannot fail.
    Ok(serde_json::to_vec(&encoder.out).unwrap_or_default())
}

struct Encoder<'a> {
    request: &'a Request,
    upstream: &'a Upstream<'a>,
    model: Abilities<'a>,
    ledger: &'a mut Ledger,
    ids: Ids,
    out: Map<String, Value>,
    /// Blocks of the system prompt; the last are ours.
    system: Vec<Value>,
    /// The request asks the model to think.
    thinks: bool,
    /// A tool stands for the answer's format.
    has_json_answer: bool,
}

impl Encoder<'_> {
    fn write(&mut self) -> Result<(), Refused> {
        // A new field is a compile error here: it needs a place below.
        let Request {
            model: _,
            stream,
            // A stream of this format always tells it.
            include_usage: _,
            system: _,
            // Noted by who calls this.
            late_system: _,
            messages: _,
            tools: _,
            tool_choice: _,
            parallel_tool_calls: _,
            max_tokens: _,
            temperature: _,
            top_p: _,
            top_k: _,
            stop: _,
            user: _,
            reasoning: _,
            thinking_mode: _,
            response_format: _,
            n: _,
            seed: _,
            presence_penalty: _,
            frequency_penalty: _,
            logit_bias: _,
            logprobs: _,
            top_logprobs: _,
            service_tier: _,
            verbosity: _,
            metadata: _,
            // They join the body behind every encoder.
            provider_options: _,
            extra: _,
            origin: _,
        } = self.request;
        self.set("model", self.upstream.model);
        self.max_tokens();
        self.system();
        self.messages()?;
        self.tools()?;
        self.reasoning();
        self.sampling();
        self.stop();
        self.response_format();
        self.instructions();
        self.labels();
        self.without_place();
        if *stream {
            self.set("stream", true);
        }
        self.extra();
        Ok(())
    }

    fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.out.insert(name.to_owned(), value.into());
    }

    /// Adds a member to an object at the top.
    fn set_in(&mut self, group: &str, name: &str, value: impl Into<Value>) {
        let group = self.out.entry(group).or_insert_with(|| Map::new().into());
        if let Value::Object(group) = group {
            group.insert(name.to_owned(), value.into());
        }
    }

    fn is_same_format(&self) -> bool {
        self.request.origin == Some(Format::Messages)
    }

    fn note(&mut self, field: Field, fate: Fate) {
        self.ledger.note(field, fate);
    }

    fn blocks(&mut self) -> Blocks<'_> {
        Blocks {
            is_same_format: self.request.origin == Some(Format::Messages),
            issuer: self.upstream.issuer(),
            ids: &mut self.ids,
            ledger: self.ledger,
        }
    }

    fn extra(&mut self) {
        if self.is_same_format() {
            fields::add_missing(&mut self.out, &self.request.extra);
        } else {
            extras::note_dropped(&self.request.extra, self.ledger);
        }
    }
}

/// A signature goes to its issuer, and to nobody else.
pub(super) fn may_go(signature: &Signature, to: Option<Issuer>) -> bool {
    to == Some(signature.issuer)
}
