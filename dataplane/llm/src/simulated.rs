//! What the simulated provider answers: a deterministic function of the request and its ordinal number.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::message::{
    Event, FinishReason, Message, Part, PartBody, Reasoning, Request, ResponseFormat, Role, Tool, ToolChoice,
    Usage,
};

/// Settings of a simulated provider.
#[derive(Clone, Debug, PartialEq)]
pub struct Behaviour {
    pub latency: Duration,
    /// 0: the whole answer at once.
    pub tokens_per_second: u32,
    /// Percent, 0 to 100, spread evenly over the ordinals.
    pub error_rate: u32,
    pub error: Failure,
    pub reply: Option<String>,
}

/// How a failing request fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    Connect,
    Timeout,
    RateLimited,
    ServerError,
    Overloaded,
    ContextLength,
    EmptyAnswer,
    CutStream,
}

/// What the provider will do; the proxy plays it.
#[derive(Clone, Debug, PartialEq)]
pub enum Plan {
    /// Events, each after a pause behind the one before. `complete` is false where the stream is cut at its end.
    Answer { events: Vec<(Duration, Event)>, complete: bool },
    /// After the latency, this failure (never `CutStream`).
    Fail { after: Duration, failure: Failure },
}

/// Characters of the client's text that the answer repeats.
const ECHO: usize = 200;
/// A schema that describes itself would never end.
const MAX_DEPTH: usize = 16;

/// What the `ordinal`th request (from 0) gets.
pub fn plan(request: &Request, behaviour: &Behaviour, ordinal: u64) -> Plan {
    let Behaviour { latency, tokens_per_second, error_rate, error, reply } = behaviour;
    let fails = is_failing(*error_rate, ordinal);
    if fails && *error != Failure::CutStream {
        return Plan::Fail { after: *latency, failure: *error };
    }
    let mut answer =
        Answer { events: Vec::new(), left: request.max_tokens.unwrap_or(u64::MAX), output: 0, reasoning: 0 };
    answer.write(request, reply.as_deref(), ordinal);
    let mut events = answer.events;
    if fails {
        events.truncate(events.len() / 2 + 1);
    }
    let pause = match tokens_per_second {
        0 => Duration::ZERO,
        rate => Duration::from_secs(1) / *rate,
    };
    let mut is_first = true;
    let timed = events.into_iter().map(|event| {
        let wait = match &event {
            _ if std::mem::take(&mut is_first) => *latency,
            event if event.is_meaningful() => pause,
            _ => Duration::ZERO,
        };
        (wait, event)
    });
    Plan::Answer { events: timed.collect(), complete: !fails }
}

/// Spreads the rate evenly: 20 percent is every fifth request.
fn is_failing(rate: u32, ordinal: u64) -> bool {
    let rate = u128::from(rate.min(100));
    let upto = |count: u64| u128::from(count) * rate / 100;
    upto(ordinal.saturating_add(1)) > upto(ordinal)
}

struct Answer {
    events: Vec<Event>,
    /// Tokens that `max_tokens` still allows.
    left: u64,
    output: u64,
    reasoning: u64,
}

impl Answer {
    fn write(&mut self, request: &Request, reply: Option<&str>, ordinal: u64) {
        let last = request.messages.last();
        let asked = last.map(text_of).unwrap_or_default();
        // No id: it would come again after each restart, and the encoders make a unique one.
        self.events.push(Event::Start { id: None, model: Some(request.model.clone()), created: None });
        if matches!(&request.reasoning, Some(reasoning) if *reasoning != Reasoning::Off) {
            self.say("Simulated reasoning about the question.", Event::Reasoning);
            self.reasoning = self.output;
        }
        let calls = called_tools(request, &asked);
        let finish = if calls.is_empty() {
            let text = match (reply, &request.response_format) {
                (Some(reply), _) => reply.to_owned(),
                (None, Some(ResponseFormat::JsonSchema { schema, .. })) => {
                    example(schema, schema, 0).to_string()
                }
                (None, Some(ResponseFormat::JsonObject)) => r#"{"answer": "simulated"}"#.to_owned(),
                (None, _) => {
                    let echo: String = asked.chars().take(ECHO).collect();
                    format!("Simulated answer of {} to: {echo}", request.model)
                }
            };
            self.text(&text, &request.stop)
        } else {
            for (index, tool) in calls.iter().enumerate() {
                self.call(index, tool, ordinal);
            }
            FinishReason::ToolCalls
        };
        self.events.push(Event::Usage(Usage {
            input: Some(prompt_words(request)),
            cache_read: None,
            cache_write: None,
            cache_write_1h: None,
            output: Some(self.output),
            reasoning: (self.reasoning > 0).then_some(self.reasoning),
            billed: None,
        }));
        self.events.push(Event::Finish(finish));
    }

    fn text(&mut self, text: &str, stops: &[String]) -> FinishReason {
        let found =
            stops.iter().filter(|stop| !stop.is_empty()).filter_map(|stop| Some((text.find(stop)?, stop)));
        match found.min_by_key(|(at, _)| *at) {
            Some((at, stop)) if self.say(text.get(..at).unwrap_or_default(), Event::Text) => {
                FinishReason::StopSequence(Some(stop.clone()))
            }
            None if self.say(text, Event::Text) => FinishReason::Stop,
            _ => FinishReason::Length,
        }
    }

    /// Says it word by word; false when the tokens ran out.
    fn say(&mut self, text: &str, event: impl Fn(String) -> Event) -> bool {
        for token in tokens(text) {
            if self.left == 0 {
                return false;
            }
            self.left -= 1;
            self.output += 1;
            self.events.push(event(token.to_owned()));
        }
        true
    }

    fn call(&mut self, index: usize, tool: &Tool, ordinal: u64) {
        let id = format!("call_sim_{ordinal}_{index}");
        self.events.push(Event::ToolCallStart { index, id, name: tool.name.clone(), signature: None });
        let schema = tool.parameters.as_ref().unwrap_or(&Value::Null);
        let fragment = match example(schema, schema, 0) {
            object @ Value::Object(_) => object.to_string(),
            _ => "{}".to_owned(),
        };
        self.output = self.output.saturating_add(1 + count_words(&fragment));
        self.events.push(Event::ToolCallArguments { index, fragment });
    }
}

/// A forced choice is obeyed; else the tools that the question names are called. Behind a tool's result: none.
fn called_tools<'a>(request: &'a Request, asked: &str) -> Vec<&'a Tool> {
    let has_result = request.messages.last().is_some_and(|message| {
        message.parts.iter().any(|part| matches!(part.body, PartBody::ToolResult { .. }))
    });
    let mut tools = request.tools.iter().filter(|tool| tool.opaque.is_none());
    let named = || -> Vec<&Tool> {
        let is_named =
            |tool: &&Tool| tool.opaque.is_none() && !tool.name.is_empty() && asked.contains(&tool.name);
        request.tools.iter().filter(is_named).collect()
    };
    let mut calls = match &request.tool_choice {
        _ if has_result => Vec::new(),
        Some(ToolChoice::None) => Vec::new(),
        Some(ToolChoice::Named(name)) => tools.filter(|tool| tool.name == *name).take(1).collect(),
        Some(ToolChoice::Required) => {
            let named = named();
            if named.is_empty() { tools.next().into_iter().collect() } else { named }
        }
        Some(ToolChoice::Auto) | None => named(),
    };
    if request.parallel_tool_calls == Some(false) {
        calls.truncate(1);
    }
    calls
}

/// The smallest value that fits this schema, as far as its plain keywords go.
fn example(schema: &Value, root: &Value, depth: usize) -> Value {
    if depth > MAX_DEPTH {
        return Value::Null;
    }
    let first = |name: &str| schema.get(name).and_then(Value::as_array).and_then(|list| list.first());
    if let Some(value) = schema.get("const").or_else(|| first("enum")) {
        return value.clone();
    }
    if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
        let target = target.strip_prefix('#').and_then(|path| root.pointer(path));
        return target.map_or(Value::Null, |target| example(target, root, depth + 1));
    }
    if let Some(choice) = first("anyOf").or_else(|| first("oneOf")).or_else(|| first("allOf")) {
        return example(choice, root, depth + 1);
    }
    let kind = schema.get("type").and_then(Value::as_str).or_else(|| first("type").and_then(Value::as_str));
    match kind {
        Some("string") => "example".into(),
        Some("integer" | "number") => schema.get("minimum").cloned().unwrap_or_else(|| 1.into()),
        Some("boolean") => true.into(),
        Some("null") => Value::Null,
        Some("array") => {
            let least = schema.get("minItems").and_then(Value::as_u64).unwrap_or(1);
            match schema.get("items") {
                Some(items) if least > 0 => vec![example(items, root, depth + 1)].into(),
                _ => Value::Array(Vec::new()),
            }
        }
        Some("object") | None => {
            let required =
                schema.get("required").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            let properties = schema.get("properties");
            let named = required.iter().filter_map(Value::as_str).map(|name| {
                let inner = properties.and_then(|it| it.get(name)).unwrap_or(&Value::Null);
                (name.to_owned(), example(inner, root, depth + 1))
            });
            named.collect::<Map<_, _>>().into()
        }
        Some(_) => Value::Null,
    }
}

/// Words with the white space in front of each; together they are the text.
fn tokens(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let word = rest.find(|c: char| !c.is_whitespace()).unwrap_or(rest.len());
        let end = rest.get(word..)?.find(char::is_whitespace).map_or(rest.len(), |length| word + length);
        let (token, left) = rest.split_at_checked(end)?;
        rest = left;
        (!token.is_empty()).then_some(token)
    })
}

/// A word is a token here: a real tokenizer belongs to a real model.
fn count_words(text: &str) -> u64 {
    text.split_whitespace().count().try_into().unwrap_or(u64::MAX)
}

fn prompt_words(request: &Request) -> u64 {
    let system = request.system.iter().map(part_text);
    let messages = request.messages.iter().flat_map(|message| message.parts.iter().map(part_text));
    system.chain(messages).map(|text| count_words(&text)).sum()
}

fn text_of(message: &Message) -> String {
    match message.role {
        Role::User => message.parts.iter().map(part_text).collect::<Vec<_>>().join(" "),
        Role::Assistant => String::new(),
    }
}

fn part_text(part: &Part) -> String {
    match &part.body {
        PartBody::Text(text) | PartBody::Refusal(text) => text.clone(),
        PartBody::ToolResult { parts, .. } => parts.iter().map(part_text).collect::<Vec<_>>().join(" "),
        PartBody::ToolCall(call) => call.arguments.clone(),
        PartBody::Image(_)
        | PartBody::Audio(_)
        | PartBody::Video(_)
        | PartBody::Document { .. }
        | PartBody::Citation(_)
        | PartBody::Reasoning(_)
        | PartBody::Opaque { .. } => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{Format, collect};

    fn behaviour() -> Behaviour {
        Behaviour {
            latency: Duration::from_millis(50),
            tokens_per_second: 100,
            error_rate: 0,
            error: Failure::ServerError,
            reply: None,
        }
    }

    fn request(body: Value) -> Request {
        Format::Chat.dialect().decode_request(body.to_string().as_bytes()).unwrap()
    }

    fn hello() -> Request {
        request(json!({"model": "m", "messages": [{"role": "user", "content": "Say  hello\nworld"}]}))
    }

    fn answer(request: &Request, behaviour: &Behaviour) -> crate::Response {
        match plan(request, behaviour, 0) {
            Plan::Answer { events, complete: true } => collect(events.into_iter().map(|(_, event)| event)),
            other => panic!("{other:?}"),
        }
    }

    fn weather(more: Value) -> Request {
        let tool = |name: &str| {
            json!({"type": "function", "function": {"name": name, "parameters": {
                "type": "object",
                "properties": {
                    "city": {"type": "string"},
                    "unit": {"enum": ["C", "F"]},
                    "days": {"$ref": "#/$defs/days"},
                    "skip": {"type": "string"},
                },
                "required": ["city", "unit", "days"],
                "$defs": {"days": {"type": "array", "items": {"type": "integer"}}},
            }}})
        };
        let mut body = json!({
            "model": "m",
            "tools": [tool("get_weather"), tool("get_time")],
            "messages": [{"role": "user", "content": "call get_weather and get_time"}],
        });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        request(body)
    }

    fn calls(response: &crate::Response) -> Vec<(&str, &str)> {
        let parts = response.parts.iter();
        parts
            .filter_map(|part| match &part.body {
                PartBody::ToolCall(call) => Some((call.name.as_str(), call.arguments.as_str())),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn echoes_word_by_word_with_pauses() {
        let Plan::Answer { events, complete } = plan(&hello(), &behaviour(), 7) else { panic!() };
        assert!(complete);
        assert_eq!(events[0].0, Duration::from_millis(50));
        assert_eq!(events[1], (Duration::from_millis(10), Event::Text("Simulated".into())));
        let response = collect(events.into_iter().map(|(_, event)| event));
        assert_eq!(response.parts, [Part::text("Simulated answer of m to: Say  hello\nworld")]);
        assert_eq!(response.usage.input, Some(3));
        assert_eq!(response.usage.output, Some(8));
        assert_eq!(response.finish, Some(FinishReason::Stop));
    }

    #[test]
    fn fails_evenly() {
        let failing = |rate: u32| -> Vec<u64> {
            let behaviour = Behaviour { error_rate: rate, ..behaviour() };
            (0..10).filter(|n| matches!(plan(&hello(), &behaviour, *n), Plan::Fail { .. })).collect()
        };
        assert!(failing(0).is_empty());
        assert_eq!(failing(20), [4, 9]);
        assert_eq!(failing(100), (0..10).collect::<Vec<_>>());
        assert_eq!(failing(50).len(), 5);
    }

    #[test]
    fn a_cut_stream_has_begun() {
        let behaviour = Behaviour { error_rate: 100, error: Failure::CutStream, ..behaviour() };
        let Plan::Answer { events, complete: false } = plan(&hello(), &behaviour, 0) else { panic!() };
        assert!(events.iter().any(|(_, event)| event.is_meaningful()));
        assert!(!events.iter().any(|(_, event)| matches!(event, Event::Finish(_))));
    }

    #[test]
    fn calls_the_tools_that_are_named() {
        let arguments = r#"{"city":"example","unit":"C","days":[1]}"#;
        let response = answer(&weather(json!({})), &behaviour());
        assert_eq!(calls(&response), [("get_weather", arguments), ("get_time", arguments)]);
        assert_eq!(response.finish, Some(FinishReason::ToolCalls));
        let one = answer(&weather(json!({"parallel_tool_calls": false})), &behaviour());
        assert_eq!(calls(&one), [("get_weather", arguments)]);
        let forced = json!({"tool_choice": {"type": "function", "function": {"name": "get_time"}}});
        assert_eq!(calls(&answer(&weather(forced), &behaviour())), [("get_time", arguments)]);
        assert!(calls(&answer(&weather(json!({"tool_choice": "none"})), &behaviour())).is_empty());
    }

    #[test]
    fn answers_after_a_tool_result() {
        let messages = json!({"tool_choice": "auto", "messages": [
            {"role": "user", "content": "call get_weather"},
            {"role": "assistant", "tool_calls": [{"id": "a", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}]},
            {"role": "tool", "tool_call_id": "a", "content": "get_weather says sun"},
        ]});
        let response = answer(&weather(messages), &behaviour());
        assert_eq!(response.parts, [Part::text("Simulated answer of m to: get_weather says sun")]);
    }

    #[test]
    fn obeys_limits_stops_formats_and_reasoning() {
        let with = |more: Value| {
            let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            answer(&request(body), &behaviour())
        };
        let short = with(json!({"max_tokens": 2}));
        assert_eq!(
            (short.parts, short.finish),
            (vec![Part::text("Simulated answer")], Some(FinishReason::Length))
        );
        let stopped = with(json!({"stop": [" to"]}));
        assert_eq!(stopped.finish, Some(FinishReason::StopSequence(Some(" to".into()))));
        let schema = json!({"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]});
        let format = json!({"type": "json_schema", "json_schema": {"name": "x", "schema": schema}});
        assert_eq!(with(json!({"response_format": format})).parts, [Part::text(r#"{"ok":true}"#)]);
        let thought = with(json!({"reasoning_effort": "low"}));
        assert!(matches!(thought.parts[0].body, PartBody::Reasoning(_)));
        assert_eq!(thought.usage.reasoning, Some(5));
    }
}
