//! Neutral events to this format's, for a client.

mod message;

use serde_json::{Value, json};

use crate::dialect::openai_shared::read_custom_call;
use crate::dialect::{Format, Reply, StreamEncoder, carrier};
use crate::error::ClientError;
use crate::field::Field;
use crate::ledger::{Fate, Ledger};
use crate::message::{Event, FinishReason, Media, ReasoningBlock, Signature, Usage};
use crate::sse;

use super::events::Delta;
use super::output::{self, Frame, State, answer_id, item_id};
use super::read_output::list;
use super::{ids, state};

/// One answer: `response.created`, items with their pieces, `response.completed` or `response.incomplete`, which holds
/// the whole answer once more: each event is numbered, and an item is named by its place and its id.
#[derive(Debug)]
pub(super) struct Encoder {
    reply: Reply,
    id: String,
    model: String,
    created: u64,
    tier: Option<String>,
    is_started: bool,
    /// Number of the next event.
    sequence: u64,
    /// Items by their place; null for one that is not complete.
    items: Vec<Value>,
    open: Open,
    /// Calls stay open to the end: the chat format may mix the pieces of parallel calls.
    calls: Vec<Call>,
    /// Which of several answers the events belong to: there is one here.
    choice: usize,
    /// Characters of the answer's text before the part that is open.
    chars: u64,
    /// Probabilities of tokens that no text has taken yet.
    logprobs: Vec<Value>,
    finish: Option<FinishReason>,
    usage: Usage,
    ledger: Ledger,
}

#[derive(Debug)]
enum Open {
    Nothing,
    Message { at: usize, id: String, content: Vec<Value>, part: Option<OpenPart> },
    Reasoning { at: usize, id: String, text: String },
}

#[derive(Debug)]
enum OpenPart {
    Text { text: String, length: u64, annotations: Vec<Value>, logprobs: Vec<Value> },
    Refusal(String),
}

#[derive(Debug)]
struct Call {
    index: usize,
    at: usize,
    id: String,
    call_id: String,
    name: String,
    arguments: String,
}

impl Encoder {
    pub fn new(reply: Reply) -> Self {
        Self {
            id: answer_id(None, &reply),
            model: reply.model.clone(),
            created: reply.created,
            tier: None,
            reply,
            is_started: false,
            sequence: 0,
            items: Vec::new(),
            open: Open::Nothing,
            calls: Vec::new(),
            choice: 0,
            chars: 0,
            logprobs: Vec::new(),
            finish: None,
            usage: Usage::default(),
            ledger: Ledger::new(Format::Responses),
        }
    }

    fn next_number(&mut self) -> u64 {
        let number = self.sequence;
        self.sequence += 1;
        number
    }

    /// `members` join the event's type and number.
    fn emit(&mut self, name: &'static str, members: Value, out: &mut Vec<u8>) {
        let mut event = json!({"type": name, "sequence_number": self.next_number()});
        if let (Value::Object(event), Value::Object(mut members)) = (&mut event, members) {
            event.append(&mut members);
        }
        sse::write_json(out, Some(name), &event);
    }

    fn answer(&self, state: &State<'_>, output: &[Value]) -> Value {
        let tier = self.tier.as_deref();
        let frame = Frame { id: &self.id, model: &self.model, created: self.created, tier };
        json!({"response": frame.write(state, output, &self.usage)})
    }

    fn start(&mut self, out: &mut Vec<u8>) {
        if self.is_started {
            return;
        }
        self.is_started = true;
        let answer = self.answer(&State::IN_PROGRESS, &[]);
        self.emit("response.created", answer.clone(), out);
        self.emit("response.in_progress", answer, out);
    }

    /// The place of a new item.
    fn add_item(&mut self, item: &Value, out: &mut Vec<u8>) -> usize {
        self.start(out);
        let at = self.items.len();
        self.items.push(Value::Null);
        self.emit("response.output_item.added", json!({"output_index": at, "item": item}), out);
        at
    }

    fn close_item(&mut self, at: usize, item: Value, out: &mut Vec<u8>) {
        self.emit("response.output_item.done", json!({"output_index": at, "item": item}), out);
        if let Some(place) = self.items.get_mut(at) {
            *place = item;
        }
    }

    /// An item without pieces.
    fn whole_item(&mut self, item: Value, out: &mut Vec<u8>) {
        self.close(out);
        let at = self.add_item(&item, out);
        self.close_item(at, item, out);
    }

    fn next_id(&self, prefix: &str) -> String {
        item_id(prefix, &self.reply, self.items.len())
    }

    /// Closes what is open but calls.
    fn close(&mut self, out: &mut Vec<u8>) {
        self.close_as("completed", out);
    }

    fn close_as(&mut self, status: &str, out: &mut Vec<u8>) {
        self.close_part(out);
        match std::mem::replace(&mut self.open, Open::Nothing) {
            Open::Nothing => {}
            Open::Message { at, id, content, part: _ } => {
                self.close_item(at, output::message(&id, status, &content), out);
            }
            Open::Reasoning { at, id, text } => self.close_reasoning(at, &id, &text, None, out),
        }
    }

    fn think(&mut self, piece: &str, out: &mut Vec<u8>) {
        if !matches!(self.open, Open::Reasoning { .. }) {
            self.close(out);
            let id = self.next_id(ids::MADE_REASONING);
            let at = self.add_item(&output::reasoning(&id, "", None), out);
            let part = json!({
                "item_id": id, "output_index": at, "summary_index": 0, "part": output::summary(""),
            });
            self.emit("response.reasoning_summary_part.added", part, out);
            self.open = Open::Reasoning { at, id, text: String::new() };
        }
        let number = self.next_number();
        if let Open::Reasoning { at, id, text } = &mut self.open {
            text.push_str(piece);
            let delta = Delta::new("response.reasoning_summary_text.delta", number, (id, *at), piece);
            Delta { summary_index: Some(0), ..delta }.write(out);
        }
    }

    fn close_reasoning(
        &mut self,
        at: usize,
        id: &str,
        text: &str,
        encrypted: Option<&str>,
        out: &mut Vec<u8>,
    ) {
        let place = json!({"item_id": id, "output_index": at, "summary_index": 0});
        self.emit("response.reasoning_summary_text.done", joined(place.clone(), json!({"text": text})), out);
        let part = json!({"part": output::summary(text)});
        self.emit("response.reasoning_summary_part.done", joined(place, part), out);
        self.close_item(at, output::reasoning(id, text, encrypted), out);
    }

    /// The signature closes its item. The id of an item that is open is ours already, so that OpenAI's own state, which
    /// belongs to an id of OpenAI's, is tagged too.
    fn sign(&mut self, signature: &Signature, out: &mut Vec<u8>) {
        match std::mem::replace(&mut self.open, Open::Nothing) {
            Open::Reasoning { at, id, text } => {
                self.close_reasoning(at, &id, &text, Some(&state::tag(signature)), out);
            }
            open => {
                self.open = open;
                let signature = Some(signature.clone());
                self.sealed(&ReasoningBlock::Thinking { text: String::new(), signature }, out);
            }
        }
    }

    /// A block without a text.
    fn sealed(&mut self, block: &ReasoningBlock, out: &mut Vec<u8>) {
        self.close(out);
        let Some((id, encrypted)) = state::seal(block) else { return };
        let id = id.unwrap_or_else(|| self.next_id(ids::MADE_REASONING));
        self.whole_item(output::reasoning(&id, "", Some(&encrypted)), out);
    }

    fn call_start(
        &mut self,
        index: usize,
        call_id: &str,
        name: &str,
        signature: Option<&Signature>,
        out: &mut Vec<u8>,
    ) {
        self.close(out);
        let rider = carrier::Rider { blocks: Vec::new(), call: signature.cloned() };
        let (id, call_id) = (self.next_id("fc_"), carrier::mount(call_id, &rider));
        let at = self.add_item(&output::call(&id, &call_id, name, "", "in_progress"), out);
        let name = name.to_owned();
        self.calls.push(Call { index, at, id, call_id, name, arguments: String::new() });
    }

    fn call_arguments(&mut self, index: usize, fragment: &str, out: &mut Vec<u8>) {
        let Some(place) = self.calls.iter().rposition(|call| call.index == index) else { return };
        let number = self.next_number();
        if let Some(call) = self.calls.get_mut(place) {
            call.arguments.push_str(fragment);
            let name = "response.function_call_arguments.delta";
            Delta::new(name, number, (&call.id, call.at), fragment).write(out);
        }
    }

    fn close_calls(&mut self, status: &str, out: &mut Vec<u8>) {
        for call in std::mem::take(&mut self.calls) {
            let Call { index: _, at, id, call_id, name, mut arguments } = call;
            if arguments.is_empty() {
                arguments.push_str("{}");
            }
            let done = json!({"item_id": id, "output_index": at, "name": name, "arguments": arguments});
            self.emit("response.function_call_arguments.done", done, out);
            self.close_item(at, output::call(&id, &call_id, &name, &arguments, status), out);
        }
    }

    fn custom_call(&mut self, call: &Value, out: &mut Vec<u8>) {
        let Some((call_id, name, input)) = read_custom_call(call) else {
            return self.ledger.note(Field::AnswerPart, Fate::Dropped);
        };
        self.close(out);
        let id = self.next_id("ctc_");
        let at = self.add_item(&output::custom_call(&id, call_id, name, ""), out);
        let place = json!({"item_id": id, "output_index": at});
        self.emit(
            "response.custom_tool_call_input.delta",
            joined(place.clone(), json!({"delta": input})),
            out,
        );
        self.emit("response.custom_tool_call_input.done", joined(place, json!({"input": input})), out);
        self.close_item(at, output::custom_call(&id, call_id, name, input), out);
    }

    fn image(&mut self, media: &Media, out: &mut Vec<u8>) {
        self.close(out);
        match output::image(&self.next_id("ig_"), media) {
            Some(item) => self.whole_item(item, out),
            None => self.ledger.note(Field::AnswerPart, Fate::Dropped),
        }
    }

    fn opaque(&mut self, format: Format, value: &Value, out: &mut Vec<u8>) {
        match format {
            Format::Responses => self.whole_item(value.clone(), out),
            Format::Chat if value.get("tool_calls").is_some() => {
                list(value, "tool_calls").for_each(|call| self.custom_call(call, out));
            }
            _ => self.ledger.note(Field::AnswerPart, Fate::Dropped),
        }
    }

    /// What belongs to one of several answers.
    fn part(&mut self, event: &Event, out: &mut Vec<u8>) {
        match event {
            Event::Text(text) => self.text(text, out),
            Event::Refusal(text) => self.refuse(text, out),
            Event::Reasoning(text) => self.think(text, out),
            Event::ReasoningSignature(signature) => self.sign(signature, out),
            Event::ReasoningRedacted(data) => {
                self.sealed(&ReasoningBlock::Redacted { data: data.clone() }, out);
            }
            Event::ToolCallStart { index, id, name, signature } => {
                self.call_start(*index, id, name, signature.as_ref(), out);
            }
            Event::ToolCallArguments { index, fragment } => self.call_arguments(*index, fragment, out),
            Event::Citation(citation) => self.cite(citation, out),
            Event::Image(media) => self.image(media, out),
            Event::Audio(_) => self.ledger.note(Field::AnswerPart, Fate::Dropped),
            Event::Opaque { format, value } => self.opaque(*format, value, out),
            Event::Logprobs(piece) => self.logprobs.extend(output::logprobs(piece)),
            Event::Finish(reason) => self.finish = Some(reason.clone()),
            Event::Start { .. }
            | Event::Choice(_)
            | Event::ServiceTier(_)
            | Event::Usage(_)
            | Event::Error(_) => {}
        }
    }
}

fn joined(mut place: Value, more: Value) -> Value {
    if let (Value::Object(place), Value::Object(mut more)) = (&mut place, more) {
        place.append(&mut more);
    }
    place
}

impl StreamEncoder for Encoder {
    fn push(&mut self, event: &Event, out: &mut Vec<u8>) {
        match event {
            Event::Start { id, model, created } => {
                self.id = answer_id(id.as_deref(), &self.reply);
                if let Some(model) = model {
                    self.model.clone_from(model);
                }
                self.created = created.unwrap_or(self.created);
                self.start(out);
            }
            Event::Choice(index) => self.choice = *index,
            Event::ServiceTier(tier) if output::knows_tier(tier) => self.tier = Some(tier.clone()),
            Event::ServiceTier(_) => self.ledger.note(Field::ServiceTier, Fate::Dropped),
            Event::Usage(usage) => self.usage.merge(usage),
            // Who drives the stream turns it into `error`.
            Event::Error(_) => {}
            event if self.choice == 0 => self.part(event, out),
            _ => self.ledger.note(Field::AnswerChoices, Fate::Dropped),
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        self.start(out);
        let finish = self.finish.take();
        let state = State::of(finish.as_ref());
        self.close_as(state.of_last_item(), out);
        self.close_calls(state.of_last_item(), out);
        if !self.logprobs.is_empty() {
            self.ledger.note(Field::AnswerLogprobs, Fate::Dropped);
        }
        let items = std::mem::take(&mut self.items);
        let answer = self.answer(&state, &items);
        let is_cut = state.status == Some("incomplete");
        self.emit(if is_cut { "response.incomplete" } else { "response.completed" }, answer, out);
    }

    fn error(&mut self, error: &ClientError, out: &mut Vec<u8>) {
        let ClientError { status, code, param, message } = error;
        self.emit("error", json!({"code": code, "message": message, "param": param}), out);
        // The codes of a failed answer are few.
        let code = match status {
            429 => "rate_limit_exceeded",
            400..500 => "invalid_prompt",
            _ => "server_error",
        };
        let state = State {
            status: Some("failed"),
            incomplete: None,
            error: Some(json!({"code": code, "message": message})),
        };
        let items: Vec<Value> =
            std::mem::take(&mut self.items).into_iter().filter(|item| !item.is_null()).collect();
        let answer = self.answer(&state, &items);
        self.emit("response.failed", answer, out);
    }

    fn ledger(&self) -> &Ledger {
        &self.ledger
    }
}
