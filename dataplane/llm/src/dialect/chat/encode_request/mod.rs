//! The neutral request to a provider that speaks chat completions.
//!
//! What the provider makes of the format is data, see [`Quirks`]; what its model can do is in the catalogue's facts.

mod messages;
mod parts;
mod settings;
mod thinking;
mod tools;

use serde_json::{Map, Value};

use super::quirks::{CallIds, Quirks};
use crate::dialect::call_ids::{Ids, Rule};
use crate::dialect::{Format, Upstream, extras, fields, openai_shared};
use crate::error::Refused;
use crate::field::Field;
use crate::ledger::{Fate, Ledger};
use crate::message::Request;

pub(super) fn encode(
    request: &Request,
    upstream: &Upstream<'_>,
    ledger: &mut Ledger,
) -> Result<Vec<u8>, Refused> {
    let quirks = upstream.provider.quirks(upstream.model);
    let rule = match quirks.call_ids {
        CallIds::Any => Rule::Any,
        CallIds::AtMost(most) => Rule::AtMost(most),
        CallIds::NineAlphanumeric => Rule::NineAlphanumeric,
    };
    let ids = Ids::new(rule, request);
    let mut encoder = Encoder { request, upstream, quirks, ledger, ids, out: Map::new() };
    encoder.write()?;
    // Writing into memory cannot fail.
    Ok(serde_json::to_vec(&encoder.out).unwrap_or_default())
}

struct Encoder<'a> {
    request: &'a Request,
    upstream: &'a Upstream<'a>,
    quirks: &'static Quirks,
    ledger: &'a mut Ledger,
    ids: Ids,
    out: Map<String, Value>,
}

impl Encoder<'_> {
    fn write(&mut self) -> Result<(), Refused> {
        // A new field is a compile error here: it needs a place below.
        let Request {
            model: _,
            stream,
            // Always asked for: the proxy meters by it, and knows whether the client wants to see it.
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
        self.out.insert("model".into(), self.upstream.model.into());
        let (format, instruction) = self.answer_format();
        self.messages(instruction)?;
        self.tools();
        self.limit();
        self.sampling();
        self.stop();
        self.reasoning();
        if let Some(format) = format {
            self.set("response_format", Field::ResponseFormat, format);
        }
        self.labels();
        if *stream {
            self.stream();
        }
        self.extra();
        Ok(())
    }

    /// Writes a member of OpenAI's request, as the provider calls it; one that it refuses is noted as dropped.
    fn set(&mut self, name: &'static str, field: Field, value: impl Into<Value>) {
        if self.refuses(name) {
            return self.note(field, Fate::Dropped);
        }
        self.out.insert(self.renamed(name).to_owned(), value.into());
    }

    /// The same for a value that may be the default, which says nothing: nothing is lost where it is left out.
    fn set_unless_default(
        &mut self,
        name: &'static str,
        field: Field,
        value: impl Into<Value>,
        is_default: bool,
    ) {
        if !(is_default && self.refuses(name)) {
            self.set(name, field, value);
        }
    }

    fn refuses(&self, name: &str) -> bool {
        self.quirks.refuses.contains(&name)
    }

    fn renamed<'b>(&self, name: &'b str) -> &'b str {
        let own = self.quirks.renames.iter().find(|(openai, _)| *openai == name);
        own.map_or(name, |(_, own)| own)
    }

    fn is_same_format(&self) -> bool {
        self.request.origin == Some(Format::Chat)
    }

    fn note(&mut self, field: Field, fate: Fate) {
        self.ledger.note(field, fate);
    }

    /// Adds what only the client's format knows, or notes that it is lost.
    fn join_extra(&mut self, target: &mut Map<String, Value>, extra: &Map<String, Value>) {
        let mut taken = extra.clone();
        taken.retain(|name, value| self.takes_inside(name, value));
        if self.is_same_format() {
            fields::add_missing(target, &taken);
        } else {
            openai_shared::join_part(target, &taken, self.request.origin, self.ledger);
        }
    }

    /// Does the provider take this member of a message, part, tool or call? One that it does not take is noted.
    fn takes_inside(&mut self, name: &str, value: &Value) -> bool {
        // That of a system message; others have a place of their own.
        if name == "name" && !self.quirks.participant_names {
            self.note(Field::MessageName, Fate::Dropped);
            return false;
        }
        let refused = self.quirks.refuses_inside;
        let is_refused = refused.contains(&name) || (value.is_null() && !refused.is_empty());
        if is_refused {
            extras::note_one(name, value, self.ledger);
        }
        !is_refused
    }

    /// Members of the request without a neutral meaning. Those of another format have no place here.
    fn extra(&mut self) {
        if !self.is_same_format() {
            return self.shared();
        }
        for (name, value) in &self.request.extra {
            self.extra_member(name, value);
        }
    }

    /// What a client of OpenAI's other format said that this one has too.
    fn shared(&mut self) {
        let (taken, rest) = openai_shared::carry(&self.request.extra, self.request.origin, Format::Chat);
        extras::note_dropped(&rest, self.ledger);
        for (name, value) in &taken {
            if name == "tool_choice" {
                // It says more than the neutral choice; among no tools it is a 400.
                match self.out.contains_key("tools") && self.quirks.custom_tools {
                    true => drop(self.out.shift_remove(name)),
                    false => {
                        extras::note_one(name, value, self.ledger);
                        continue;
                    }
                }
            }
            self.extra_member(name, value);
        }
    }

    fn extra_member(&mut self, name: &str, value: &Value) {
        let is_options = name == "stream_options";
        let is_custom = !self.quirks.custom_tools && openai_shared::is_own_choice(name, value);
        if is_custom || self.refuses(name) || (is_options && !self.out.contains_key(name)) {
            return extras::note_one(name, value, self.ledger);
        }
        // How the client asked for reasoning has been told in the provider's own way, where that is known.
        if self.knows_reasoning()
            && let Some(rest) = extras::beside_reasoning(name, value)
        {
            match self.out.get_mut(name) {
                Some(Value::Object(own)) => fields::add_missing(own, &rest),
                _ => extras::note_one(name, &rest.into(), self.ledger),
            }
            return;
        }
        let name = self.renamed(name);
        match (self.out.get_mut(name), value) {
            (Some(Value::Object(own)), Value::Object(value)) => fields::add_missing(own, value),
            (Some(_), _) => {}
            (None, _) => drop(self.out.insert(name.to_owned(), value.clone())),
        }
    }
}

/// An object's members.
fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
