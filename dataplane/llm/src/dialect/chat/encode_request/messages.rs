//! The conversation.

use serde_json::{Map, Value, json};

use super::{Encoder, object};
use crate::dialect::chat::{reasoning, signatures};
use crate::dialect::{Format, extras, openai_shared};
use crate::error::Refused;
use crate::field::Field;
use crate::ledger::Fate;
use crate::message::{Message, Part, PartBody, ReasoningBlock, Role, Signature, ToolCall};

/// What an assistant says between tool results and its user.
const BETWEEN: &str = "OK";

/// What an assistant message is made of.
#[derive(Default)]
struct Assistant {
    content: Vec<Value>,
    refusal: Option<String>,
    /// Readable reasoning that nobody signed.
    thought: String,
    /// Entries of OpenRouter, or of Claude's thoughts.
    details: Vec<Value>,
    /// Google's signature of the message.
    signature: Option<Signature>,
    calls: Vec<Value>,
}

impl Encoder<'_> {
    /// `instruction` is ours, and stands behind the client's.
    pub(super) fn messages(&mut self, instruction: Option<String>) -> Result<(), Refused> {
        let request = self.request;
        if !self.quirks.custom_tools {
            openai_shared::refuse_custom_calls(request)?;
        }
        let mut out = Vec::new();
        self.system(&mut out);
        if let Some(instruction) = instruction {
            self.instruct(instruction, &mut out);
        }
        for message in &request.messages {
            match message.role {
                Role::User => self.user_message(message, &mut out)?,
                Role::Assistant => out.push(self.assistant_message(message)),
            }
        }
        if self.quirks.strict_turns {
            out = self.repair_turns(out);
        }
        self.out.insert("messages".into(), out.into());
        Ok(())
    }

    fn repair_turns(&mut self, turns: Vec<Value>) -> Vec<Value> {
        let is_of = |turn: &Value, role: &str| turn.get("role").is_some_and(|it| it == role);
        let mut out: Vec<Value> = Vec::with_capacity(turns.len());
        for turn in turns {
            let says_nothing = turn.get("content").is_none_or(|it| it.is_null() || it == "");
            if is_of(&turn, "assistant") && says_nothing && turn.get("tool_calls").is_none() {
                self.note(Field::Content, Fate::Dropped);
                continue;
            }
            if is_of(&turn, "user") && out.last().is_some_and(|last| is_of(last, "tool")) {
                self.note(Field::Messages, Fate::Emulated);
                out.push(json!({"role": "assistant", "content": BETWEEN}));
            }
            out.push(turn);
        }
        if let Some(Value::Object(last)) = out.last_mut().filter(|last| is_of(last, "assistant"))
            && !last.contains_key("prefix")
            && !last.contains_key("tool_calls")
        {
            self.note(Field::Messages, Fate::Emulated);
            last.insert("prefix".into(), true.into());
        }
        out
    }

    /// The client's own messages where it speaks this format; else one, as templates of many models want it.
    fn system(&mut self, out: &mut Vec<Value>) {
        let role = self.quirks.system_role;
        let mut blocks: Vec<Value> = Vec::new();
        for part in &self.request.system {
            let PartBody::Text(text) = &part.body else {
                self.note(Field::System, Fate::Dropped);
                continue;
            };
            let mut block = object(json!({"type": "text", "text": text}));
            self.cache_control(part.cache_control.as_ref(), &mut block);
            if self.is_same_format() {
                let (inside, beside): (Map<_, _>, Map<_, _>) =
                    part.extra.clone().into_iter().partition(|(name, _)| openai_shared::is_of_part(name));
                self.join_extra(&mut block, &inside);
                let content = self.text_or_list(vec![block.into()]);
                let mut message = object(json!({"role": role, "content": content}));
                self.join_extra(&mut message, &beside);
                out.push(message.into());
            } else {
                extras::note_dropped(&part.extra, self.ledger);
                blocks.push(block.into());
            }
        }
        if blocks.is_empty() {
            return;
        }
        let is_marked = blocks.iter().any(|block| block.get("cache_control").is_some());
        let content = if is_marked {
            blocks.into()
        } else {
            let texts: Vec<&str> = blocks.iter().filter_map(|block| block.get("text")?.as_str()).collect();
            Value::from(texts.join("\n\n"))
        };
        out.push(json!({"role": role, "content": content}));
    }

    fn instruct(&self, instruction: String, out: &mut Vec<Value>) {
        match out.last_mut().and_then(|last| last.get_mut("content")) {
            Some(Value::String(text)) => {
                text.push_str("\n\n");
                text.push_str(&instruction);
            }
            Some(Value::Array(parts)) => parts.push(json!({"type": "text", "text": instruction})),
            _ => out.push(json!({"role": self.quirks.system_role, "content": instruction})),
        }
    }

    /// Tool results first, each a message: they must follow the calls that they answer.
    fn user_message(&mut self, message: &Message, out: &mut Vec<Value>) -> Result<(), Refused> {
        let mut content = Vec::new();
        let mut has_results = false;
        for part in &message.parts {
            if let PartBody::ToolResult { id, parts, is_error } = &part.body {
                has_results = true;
                let result = self.tool_result(id, parts, *is_error, part, &mut content)?;
                out.push(result);
            }
        }
        for part in &message.parts {
            if !matches!(part.body, PartBody::ToolResult { .. }) {
                content.push(self.content_part(part)?);
            }
        }
        if content.is_empty() && has_results {
            // A tool message of the client's own: what else it held belongs to its one result.
            if let Some(Value::Object(result)) = out.last_mut() {
                self.complete(message, result);
            }
            return Ok(());
        }
        let mut written = object(json!({"role": "user", "content": self.text_or_list(content)}));
        self.complete(message, &mut written);
        out.push(written.into());
        Ok(())
    }

    /// What stands beside a message's content.
    fn complete(&mut self, message: &Message, target: &mut Map<String, Value>) {
        match &message.name {
            Some(name) if self.quirks.participant_names => {
                drop(target.insert("name".into(), name.clone().into()))
            }
            Some(_) => self.note(Field::MessageName, Fate::Dropped),
            None => {}
        }
        self.join_history(target, &message.extra);
    }

    /// Members of a message or a call, among which may be reasoning state of nobody knows whom.
    fn join_history(&mut self, target: &mut Map<String, Value>, extra: &Map<String, Value>) {
        if !self.is_same_format() || self.quirks.opaque_history {
            return self.join_extra(target, extra);
        }
        for (name, value) in extra {
            match name.as_str() {
                _ if target.contains_key(name) => {}
                "reasoning_details" | "extra_content" | "thought_signature" if is_nothing(value) => {}
                "reasoning_details" | "extra_content" | "thought_signature" => {
                    self.note(Field::ReasoningSignature, Fate::Dropped);
                }
                _ if self.takes_inside(name, value) => drop(target.insert(name.clone(), value.clone())),
                _ => {}
            }
        }
    }

    fn tool_result(
        &mut self,
        id: &str,
        parts: &[Part],
        is_error: bool,
        part: &Part,
        moved: &mut Vec<Value>,
    ) -> Result<Value, Refused> {
        if is_error {
            self.note(Field::ResultIsError, Fate::Dropped);
        }
        let id = self.ids.of(id);
        let mut out = object(json!({"role": "tool", "tool_call_id": id, "content": Value::Null}));
        self.cache_control(part.cache_control.as_ref(), &mut out);
        self.join_extra(&mut out, &part.extra);
        let content = self.result_content(parts, moved)?;
        out.insert("content".into(), content);
        Ok(out.into())
    }

    /// A tool message takes text alone: images and files move to the user message behind it.
    fn result_content(&mut self, parts: &[Part], moved: &mut Vec<Value>) -> Result<Value, Refused> {
        let mut texts: Vec<Value> = Vec::new();
        for part in parts {
            match &part.body {
                PartBody::Text(_) => texts.push(self.content_part(part)?),
                PartBody::Image(_) | PartBody::Audio(_) | PartBody::Video(_) | PartBody::Document { .. } => {
                    self.note(Field::ResultPart, Fate::Emulated);
                    moved.push(self.content_part(part)?);
                }
                PartBody::Opaque { format: Format::Chat, value } => texts.push(value.clone()),
                PartBody::Opaque { value, .. } => {
                    self.note(Field::ResultPart, Fate::Emulated);
                    texts.push(json!({"type": "text", "text": value.to_string()}));
                }
                PartBody::Refusal(_)
                | PartBody::Citation(_)
                | PartBody::Reasoning(_)
                | PartBody::ToolCall(_)
                | PartBody::ToolResult { .. } => {
                    self.note(Field::ResultPart, Fate::Dropped);
                }
            }
        }
        Ok(if texts.is_empty() { "".into() } else { self.text_or_list(texts) })
    }

    fn assistant_message(&mut self, message: &Message) -> Value {
        let mut parts = Assistant::default();
        for part in &message.parts {
            self.assistant_part(part, &message.extra, &mut parts);
        }
        let Assistant { content, refusal, thought, details, signature, calls } = parts;
        let mut out = object(json!({"role": "assistant"}));
        let content = match self.is_same_format() {
            true => self.text_or_list(content),
            false => self.one_text(content),
        };
        let has_content =
            content.as_str() != Some("") && content.as_array().is_none_or(|list| !list.is_empty());
        // Only beside calls or a refusal may the content be null.
        let may_be_null = !calls.is_empty() || refusal.is_some();
        out.insert("content".into(), if !has_content && may_be_null { Value::Null } else { content });
        if !details.is_empty() {
            // They hold the readable text too.
            out.insert("reasoning_details".into(), details.into());
        } else if !thought.is_empty() {
            out.insert(self.quirks.reasoning_member.into(), thought.into());
        }
        if let Some(signature) = signature {
            out.insert("extra_content".into(), signatures::extra_content(&signature));
        }
        if let Some(refusal) = refusal {
            out.insert("refusal".into(), refusal.into());
        }
        if !calls.is_empty() {
            out.insert("tool_calls".into(), calls.into());
        }
        self.complete(message, &mut out);
        out.into()
    }

    /// Anthropic cuts one text into blocks where citations stand; many servers take only a string. A block that says
    /// more than its text stays one, where the server takes a list.
    fn one_text(&mut self, parts: Vec<Value>) -> Value {
        let says_more = |part: &Value| part.as_object().is_some_and(|part| part.len() > 2);
        if self.quirks.text_lists && parts.iter().any(says_more) {
            return parts.into();
        }
        self.note_beside_text(&parts);
        parts.iter().filter_map(|part| part.get("text")?.as_str()).collect::<String>().into()
    }

    fn assistant_part(&mut self, part: &Part, extra: &Map<String, Value>, out: &mut Assistant) {
        match &part.body {
            PartBody::Text(text) => {
                let mut block = object(json!({"type": "text", "text": text}));
                self.cache_control(part.cache_control.as_ref(), &mut block);
                self.join_extra(&mut block, &part.extra);
                out.content.push(block.into());
            }
            PartBody::Refusal(text) if self.quirks.refuses_inside.contains(&"refusal") => {
                self.note(Field::Refusal, Fate::Emulated);
                let mut block = object(json!({"type": "text", "text": text}));
                self.cache_control(part.cache_control.as_ref(), &mut block);
                self.join_extra(&mut block, &part.extra);
                out.content.push(block.into());
            }
            PartBody::Refusal(text) => {
                // A member of the message, beside which nothing stands.
                if part.cache_control.is_some() {
                    self.note(Field::CacheControl, Fate::Dropped);
                }
                extras::note_dropped(&part.extra, self.ledger);
                out.refusal.get_or_insert_default().push_str(text);
            }
            PartBody::Reasoning(block) => self.thought(block, extra, out),
            PartBody::ToolCall(call) => {
                let call = self.tool_call(call, part);
                out.calls.push(call);
            }
            PartBody::Opaque { format: Format::Chat, value } => match value.get("type") {
                Some(kind) if kind == "custom" => {
                    let mut call = object(value.clone());
                    self.join_extra(&mut call, &part.extra);
                    out.calls.push(call.into());
                }
                _ => out.content.push(value.clone()),
            },
            // What a server tool did is the provider's own history; the text that came of it stays.
            PartBody::Citation(_) => {}
            PartBody::Opaque { .. }
            | PartBody::Audio(_)
            | PartBody::Video(_)
            | PartBody::Image(_)
            | PartBody::Document { .. }
            | PartBody::ToolResult { .. } => {
                self.note(Field::Part, Fate::Dropped);
            }
        }
    }

    /// A signature goes to its issuer alone, and takes its text with it.
    fn thought(&mut self, block: &ReasoningBlock, extra: &Map<String, Value>, out: &mut Assistant) {
        let issuer = self.upstream.issuer();
        match block {
            ReasoningBlock::Thinking { text, signature: None } if self.quirks.reasoning_history => {
                out.thought.push_str(text);
            }
            ReasoningBlock::Thinking { signature: None, .. } => {
                self.note(Field::ReasoningHistory, Fate::Dropped);
            }
            ReasoningBlock::Thinking { signature: Some(signature), .. }
                if signatures::google(issuer) == Some(signature.issuer) =>
            {
                out.signature = Some(signature.clone());
            }
            ReasoningBlock::Thinking { text, signature: Some(signature) }
                if self.quirks.claude_details && issuer == Some(signature.issuer) =>
            {
                out.details.push(reasoning::write_claude(text, signature, out.details.len()));
            }
            ReasoningBlock::Thinking { text, signature: Some(signature) }
                if text.is_empty() && is_google(signature) && self.is_unclaimed(extra) => {}
            ReasoningBlock::Redacted { data } if issuer == Some(data.issuer) => {
                match reasoning::own_entries(data) {
                    Some(entries) => out.details.extend(entries),
                    None => self.note(Field::ReasoningSignature, Fate::Dropped),
                }
            }
            ReasoningBlock::Thinking { .. } | ReasoningBlock::Redacted { .. } => {
                self.note(Field::ReasoningSignature, Fate::Dropped);
            }
        }
    }

    fn tool_call(&mut self, call: &ToolCall, part: &Part) -> Value {
        let ToolCall { id, name, arguments, signature } = call;
        let arguments = if arguments.is_empty() { "{}" } else { arguments };
        let mut out = object(json!({
            "id": self.ids.of(id),
            "type": "function",
            "function": {"name": name, "arguments": arguments},
        }));
        match signature {
            Some(signature) if signatures::google(self.upstream.issuer()) == Some(signature.issuer) => {
                out.insert("extra_content".into(), signatures::extra_content(signature));
            }
            Some(_) if !self.is_unclaimed(&part.extra) => self.note(Field::ReasoningSignature, Fate::Dropped),
            Some(_) | None => {}
        }
        self.cache_control(part.cache_control.as_ref(), &mut out);
        self.join_history(&mut out, &part.extra);
        out.into()
    }

    /// Does Google's signature go on in the member that it came in, because nothing says whose it is?
    fn is_unclaimed(&self, extra: &Map<String, Value>) -> bool {
        self.is_same_format() && self.quirks.opaque_history && extra.contains_key("extra_content")
    }

    pub(super) fn cache_control(&mut self, marker: Option<&Value>, target: &mut Map<String, Value>) {
        match marker {
            Some(marker) if self.quirks.cache_control => {
                target.insert("cache_control".into(), marker.clone());
            }
            Some(_) => self.note(Field::CacheControl, Fate::Dropped),
            None => {}
        }
    }

    /// Does the history hold a turn of tool calls without the reasoning that led to them?
    pub(super) fn lacks_thoughts(&self) -> bool {
        let is_call = |part: &Part| matches!(part.body, PartBody::ToolCall(_));
        let is_thought = |part: &Part| {
            matches!(part.body, PartBody::Reasoning(ReasoningBlock::Thinking { signature: None, .. }))
        };
        let mut turns = self.request.messages.iter().filter(|message| message.role == Role::Assistant);
        turns.any(|turn| turn.parts.iter().any(is_call) && !turn.parts.iter().any(is_thought))
    }
}

fn is_google(signature: &Signature) -> bool {
    signatures::google(Some(signature.issuer)).is_some()
}

/// Is the member there without saying anything?
fn is_nothing(value: &Value) -> bool {
    value.is_null() || value.as_array().is_some_and(Vec::is_empty)
}
