//! Every quirk of a server that speaks OpenAI's format, by itself: what is sent with it, and what the ledger says.

use penstock_llm::catalogue::Facts;
use penstock_llm::message::Issuer;
use penstock_llm::provider::{CallIds, Json, Provider, Quirks, ReasoningControl, Site};
use penstock_llm::{Format, Ledger, Upstream, provider::Call, translate};
use serde_json::{Value, json};

/// A server with these quirks.
#[derive(Debug)]
struct Server(Quirks);

impl Provider for Server {
    fn name(&self) -> &'static str {
        "Server"
    }

    fn otel_name(&self) -> &'static str {
        "server"
    }

    fn docs(&self) -> &'static str {
        ""
    }

    fn formats(&self, _model: &str) -> &'static [Format] {
        &[Format::Chat]
    }

    fn url(&self, _site: &Site<'_>, _model: &str, _format: Format, _call: Call) -> Option<String> {
        None
    }

    fn quirks(&self, _model: &str) -> &'static Quirks {
        // Tests are few and short.
        Box::leak(Box::new(self.0))
    }

    fn issuer(&self, _model: &str) -> Option<Issuer> {
        None
    }
}

const PLAIN: Quirks = Quirks { call_ids: CallIds::Any, ..Quirks::OPENAI };

struct Sent {
    body: Value,
    ledger: String,
}

fn send_with(quirks: Quirks, facts: Value, members: Value) -> Result<Sent, String> {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
    for (name, value) in members.as_object().unwrap() {
        body[name] = value.clone();
    }
    let request = Format::Chat.dialect().decode_request(body.to_string().as_bytes()).unwrap();
    let facts: Facts = serde_json::from_value(facts).unwrap();
    let provider: &'static Server = Box::leak(Box::new(Server(quirks)));
    let upstream = Upstream { facts: &facts, ..Upstream::new("model", provider) };
    let mut ledger = Ledger::new(Format::Chat);
    let body = translate::encode_request(&request, Format::Chat, &upstream, &mut ledger)
        .map_err(|refused| refused.to_string())?;
    Ok(Sent { body: serde_json::from_slice(&body).unwrap(), ledger: ledger.to_string() })
}

fn send(quirks: Quirks, members: Value) -> Sent {
    send_with(quirks, json!({}), members).unwrap()
}

/// `want` names members of the body; null: it is not there.
#[track_caller]
fn check(sent: &Sent, want: Value, ledger: &str) {
    for (name, value) in want.as_object().unwrap() {
        assert_eq!(sent.body.get(name).unwrap_or(&Value::Null), value, "{name} in {}", sent.body);
    }
    assert_eq!(sent.ledger, ledger, "{}", sent.body);
}

fn tool(name: &str) -> Value {
    json!({"type": "function", "function": {"name": name, "parameters": {"type": "object"}}})
}

fn named(name: &str) -> Value {
    json!({"type": "function", "function": {"name": name}})
}

#[test]
fn refused_and_renamed_members() {
    let quirks = Quirks {
        refuses: &["logit_bias", "n", "parallel_tool_calls", "vendor", "top_p"],
        renames: &[("seed", "random_seed"), ("user", "user_id"), ("prompt_cache_key", "cache_key")],
        ..PLAIN
    };
    let members = json!({
        "logit_bias": {"1": 2}, "n": 2, "tools": [tool("a")], "parallel_tool_calls": false, "vendor": 1, "top_p": 1,
        "seed": 7, "user": "u", "prompt_cache_key": "k", "stays": true,
    });
    check(
        &send(quirks, members),
        json!({
            "logit_bias": null, "n": null, "parallel_tool_calls": null, "vendor": null, "top_p": null, "seed": null,
            "random_seed": 7, "user": null, "user_id": "u", "cache_key": "k", "stays": true,
        }),
        "parallel_tool_calls=dropped, logit_bias=dropped, n=dropped, other=dropped",
    );
    // Defaults that are left out are no loss.
    let members =
        json!({"logit_bias": {}, "n": 1, "tools": [tool("a")], "parallel_tool_calls": true, "vendor": null});
    check(&send(quirks, members), json!({"n": null, "parallel_tool_calls": null}), "");
}

#[test]
fn limits_and_sampling() {
    let members = json!({"max_completion_tokens": 9, "temperature": 1.8, "top_p": 0.5, "top_k": 3});
    let quirks = Quirks { limit: "max_completion_tokens", max_temperature: 1.5, takes_top_k: true, ..PLAIN };
    check(
        &send(quirks, members.clone()),
        json!({"max_completion_tokens": 9, "max_tokens": null, "temperature": 1.5, "top_p": 0.5, "top_k": 3}),
        "temperature=clamped",
    );
    let quirks = Quirks { fixed_sampling: true, max_temperature: 1.0, ..PLAIN };
    check(
        &send(quirks, members),
        json!({"max_tokens": 9, "temperature": null, "top_p": null, "top_k": null}),
        "temperature=dropped, top_p=dropped, top_k=dropped",
    );
    check(&send(quirks, json!({"temperature": 1, "top_p": 1})), json!({"temperature": null}), "");
    let refused = json!({"sampling": "refused", "maxOutput": 5});
    check(
        &send_with(PLAIN, refused, json!({"temperature": 0.5, "max_tokens": 9})).unwrap(),
        json!({"temperature": null, "max_tokens": 5}),
        "max_tokens=clamped, temperature=dropped",
    );
}

#[test]
fn stop_sequences_and_users() {
    let stops = json!({"stop": ["a", "b", "c"], "user": "abcdef"});
    let quirks = Quirks { max_stops: 2, max_user: 5, ..PLAIN };
    check(
        &send(quirks, stops.clone()),
        json!({"stop": ["a", "b"], "user": null}),
        "stop=clamped, user=dropped",
    );
    let quirks = Quirks { max_stops: 0, ..PLAIN };
    check(&send(quirks, stops), json!({"stop": null, "user": "abcdef"}), "stop=dropped");
}

#[test]
fn roles_names_and_lists() {
    let messages = json!({"messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "name": "ann", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        {"role": "tool", "tool_call_id": "c", "name": "look_up", "content": [{"type": "text", "text": "1"}, {"type": "text", "text": "2"}]},
    ]});
    let quirks = Quirks { system_role: "developer", participant_names: false, text_lists: false, ..PLAIN };
    check(
        &send(quirks, messages),
        json!({"messages": [
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": "a\n\nb"},
            {"role": "tool", "tool_call_id": "c", "content": "1\n\n2"},
        ]}),
        "messages[].name=dropped",
    );
}

#[test]
fn choices_of_tools() {
    let tools = |choice: Value| json!({"tools": [tool("a"), tool("b")], "tool_choice": choice});
    let both = json!([tool("a"), tool("b")]);
    let quirks = Quirks { required_choice: "any", ..PLAIN };
    check(&send(quirks, tools(json!("required"))), json!({"tool_choice": "any"}), "");
    check(&send(quirks, tools(named("b"))), json!({"tool_choice": named("b")}), "");

    // "Some tool" of a list with only that one.
    let quirks = Quirks { named_choice: false, required_choice: "any", ..PLAIN };
    check(
        &send(quirks, tools(named("b"))),
        json!({"tools": [tool("b")], "tool_choice": "any"}),
        "tool_choice=emulated",
    );
    check(&send(quirks, tools(named("c"))), json!({"tools": both, "tool_choice": named("c")}), "");

    let quirks = Quirks { forced_choice: false, ..PLAIN };
    for choice in [json!("required"), named("b")] {
        check(
            &send(quirks, tools(choice)),
            json!({"tools": both, "tool_choice": null}),
            "tool_choice=dropped",
        );
    }
    check(&send(quirks, tools(json!("auto"))), json!({"tool_choice": "auto"}), "");

    let quirks = Quirks { parallel_switch: false, ..PLAIN };
    let members = |parallel: bool| json!({"tools": [tool("a")], "parallel_tool_calls": parallel});
    check(&send(quirks, members(false)), json!({"parallel_tool_calls": null}), "parallel_tool_calls=dropped");
    check(&send(quirks, members(true)), json!({"parallel_tool_calls": null}), "");

    let strict = json!({"tools": [{"type": "function", "function": {"name": "a", "strict": true}}]});
    let quirks = Quirks { strict_tools: false, ..PLAIN };
    check(
        &send(quirks, strict),
        json!({"tools": [{"type": "function", "function": {"name": "a"}}]}),
        "tools[].function.strict=dropped",
    );
}

#[test]
fn a_forced_call_ends_thinking_where_they_exclude_each_other() {
    let forced = json!({"tools": [tool("a")], "tool_choice": "required", "reasoning_effort": "high"});
    let quirks =
        Quirks { forced_choice_with_reasoning: false, reasoning: ReasoningControl::ThinkingType, ..PLAIN };
    check(
        &send(quirks, forced.clone()),
        json!({"tool_choice": "required", "thinking": {"type": "disabled"}}),
        "reasoning_effort=dropped",
    );
    // Nothing keeps this one from thinking: the model may only be asked to call.
    let facts = json!({"reasoning": {"style": "always"}});
    let sent = send_with(quirks, facts, json!({"tools": [tool("a")], "tool_choice": "required"})).unwrap();
    check(&sent, json!({"tool_choice": null, "thinking": null}), "tool_choice=dropped");
    // One that does not think has nothing to end.
    let facts = json!({"reasoning": {"style": "never"}});
    let sent = send_with(quirks, facts, json!({"tools": [tool("a")], "tool_choice": "required"})).unwrap();
    check(&sent, json!({"tool_choice": "required", "thinking": null}), "");
}

#[test]
fn answers_in_json() {
    let object = json!({"type": "json_object"});
    let schema = json!({"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}});
    let says = |sent: &Sent, what: &str| {
        let text = sent.body["messages"][0]["content"].as_str().unwrap_or_default().to_owned();
        assert!(sent.body["messages"][0]["role"] == "system" && text.contains(what), "{}", sent.body);
    };
    let sent = send(Quirks { json: Json::Object, ..PLAIN }, json!({"response_format": schema}));
    check(&sent, json!({"response_format": object}), "response_format=emulated");
    says(&sent, r#"{"type":"object"}"#);
    let sent = send(Quirks { json: Json::Object, ..PLAIN }, json!({"response_format": object}));
    check(&sent, json!({"response_format": object}), "");
    for format in [&schema, &object] {
        let sent = send(Quirks { json: Json::None, ..PLAIN }, json!({"response_format": format}));
        check(&sent, json!({"response_format": null}), "response_format=emulated");
        says(&sent, "JSON");
    }
    let only_schema = Quirks { json_object: false, ..PLAIN };
    check(&send(only_schema, json!({"response_format": schema})), json!({"response_format": schema}), "");
    let sent = send(only_schema, json!({"response_format": object}));
    check(&sent, json!({"response_format": null}), "response_format=emulated");
}

#[test]
fn controls_of_reasoning() {
    const WORDS: ReasoningControl = ReasoningControl::Effort(&["none", "low", "high"]);
    const NO_OFF: ReasoningControl = ReasoningControl::Effort(&["low", "high"]);
    const TYPE: ReasoningControl = ReasoningControl::ThinkingType;
    const OBJECT: ReasoningControl = ReasoningControl::ReasoningObject;
    const SWITCH: ReasoningControl = ReasoningControl::EnableThinking;
    const TEMPLATE: ReasoningControl = ReasoningControl::TemplateArguments;
    let (off, on) = (json!({"thinking_mode": false}), json!({"thinking_mode": true}));
    let effort = |word: &str| json!({"reasoning_effort": word});
    let budget = json!({"thinking": {"type": "enabled", "budget_tokens": 3000}});
    for (control, wish, want, ledger) in [
        (WORDS, &off, json!({"reasoning_effort": "none"}), ""),
        (WORDS, &on, json!({"reasoning_effort": "high"}), ""),
        (WORDS, &effort("low"), json!({"reasoning_effort": "low"}), ""),
        (WORDS, &effort("xhigh"), json!({"reasoning_effort": "high"}), "reasoning_effort=clamped"),
        (WORDS, &budget, json!({"reasoning_effort": "high", "thinking": null}), "thinking=emulated"),
        (NO_OFF, &off, json!({"reasoning_effort": "low"}), "thinking_mode=clamped"),
        (NO_OFF, &effort("none"), json!({"reasoning_effort": "low"}), "reasoning_effort=clamped"),
        (TYPE, &off, json!({"thinking": {"type": "disabled"}}), ""),
        (TYPE, &on, json!({"thinking": {"type": "enabled"}}), ""),
        (
            TYPE,
            &effort("low"),
            json!({"thinking": {"type": "enabled"}, "reasoning_effort": null}),
            "reasoning_effort=clamped",
        ),
        (TYPE, &budget, json!({"thinking": {"type": "enabled"}}), "thinking=clamped"),
        (OBJECT, &off, json!({"reasoning": {"effort": "none"}}), ""),
        (OBJECT, &on, json!({"reasoning": {"enabled": true}}), ""),
        (OBJECT, &effort("xhigh"), json!({"reasoning": {"effort": "xhigh"}, "reasoning_effort": null}), ""),
        (OBJECT, &budget, json!({"reasoning": {"max_tokens": 3000}, "thinking": null}), ""),
        (SWITCH, &off, json!({"enable_thinking": false, "thinking_budget": null}), ""),
        (SWITCH, &on, json!({"enable_thinking": true, "thinking_budget": null}), ""),
        (
            SWITCH,
            &effort("low"),
            json!({"enable_thinking": true, "thinking_budget": 1024}),
            "reasoning_effort=emulated",
        ),
        (SWITCH, &budget, json!({"enable_thinking": true, "thinking_budget": 3000}), ""),
        (TEMPLATE, &off, json!({"chat_template_kwargs": {"enable_thinking": false}}), ""),
        (TEMPLATE, &on, json!({"chat_template_kwargs": {"enable_thinking": true}}), ""),
        (
            TEMPLATE,
            &effort("low"),
            json!({"chat_template_kwargs": {"enable_thinking": true}}),
            "reasoning_effort=clamped",
        ),
    ] {
        check(&send(Quirks { reasoning: control, ..PLAIN }, wish.clone()), want, ledger);
    }
    let quirks =
        Quirks { reasoning: TYPE, thinking_efforts: &["low", "max"], thinking_on: "adaptive", ..PLAIN };
    check(
        &send(quirks, effort("low")),
        json!({"thinking": {"type": "adaptive"}, "reasoning_effort": "low"}),
        "",
    );
}

#[test]
fn facts_of_reasoning_come_first() {
    let quirks = Quirks { reasoning: ReasoningControl::Effort(&["none", "low", "high"]), ..PLAIN };
    let facts =
        json!({"reasoning": {"style": "effort", "efforts": ["minimal", "medium"], "canDisable": true}});
    let sent = send_with(quirks, facts.clone(), json!({"reasoning_effort": "low"})).unwrap();
    check(&sent, json!({"reasoning_effort": "medium"}), "reasoning_effort=clamped");
    let sent = send_with(quirks, facts, json!({"reasoning_effort": "none"})).unwrap();
    check(&sent, json!({"reasoning_effort": "none"}), "");
    let never = json!({"reasoning": {"style": "never"}});
    let sent = send_with(quirks, never.clone(), json!({"reasoning_effort": "low"})).unwrap();
    check(&sent, json!({"reasoning_effort": null}), "reasoning_effort=dropped");
    let sent = send_with(quirks, never, json!({"reasoning_effort": "none"})).unwrap();
    check(&sent, json!({"reasoning_effort": null}), "");
    let always = json!({"reasoning": {"style": "always"}});
    let sent = send_with(quirks, always, json!({"thinking_mode": true})).unwrap();
    check(&sent, json!({"reasoning_effort": null}), "");
    let quirks = Quirks { reasoning: ReasoningControl::EnableThinking, ..PLAIN };
    let bounds =
        json!({"reasoning": {"style": "budget", "minBudget": 500, "maxBudget": 800, "canDisable": false}});
    for (asked, sent_tokens) in [(100, 500), (600, 600), (9000, 800)] {
        let sent = send_with(quirks, bounds.clone(), json!({"thinking_budget": asked})).unwrap();
        let ledger = if asked == sent_tokens { "" } else { "thinking_budget=clamped" };
        check(&sent, json!({"thinking_budget": sent_tokens}), ledger);
    }
    let sent = send_with(quirks, bounds, json!({"thinking_mode": false})).unwrap();
    check(&sent, json!({"enable_thinking": null}), "thinking_mode=dropped");
}

#[test]
fn earlier_reasoning() {
    let history = json!({"messages": [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "x", "reasoning_content": "hm"},
        {"role": "user", "content": "go on"},
    ]});
    let sent = send(PLAIN, history.clone());
    check(&sent, json!({}), "messages[].reasoning_content=dropped");
    assert_eq!(sent.body["messages"][1], json!({"role": "assistant", "content": "x"}));
    let quirks = Quirks { reasoning_history: true, reasoning_member: "reasoning", ..PLAIN };
    let sent = send(quirks, history);
    check(&sent, json!({}), "");
    assert_eq!(sent.body["messages"][1], json!({"role": "assistant", "content": "x", "reasoning": "hm"}));
}

#[test]
fn thinking_ends_where_a_turn_lacks_its_reasoning() {
    let turn = |thought: Value| {
        let call = json!({"id": "c", "type": "function", "function": {"name": "a", "arguments": "{}"}});
        json!({"tools": [tool("a")], "thinking_mode": true, "messages": [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": null, "reasoning_content": thought, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c", "content": "1"},
        ]})
    };
    let quirks = Quirks {
        reasoning_history: true,
        needs_reasoning_history: true,
        reasoning: ReasoningControl::ThinkingType,
        ..PLAIN
    };
    check(&send(quirks, turn(json!("hm"))), json!({"thinking": {"type": "enabled"}}), "");
    check(
        &send(quirks, turn(json!(null))),
        json!({"thinking": {"type": "disabled"}}),
        "thinking_mode=dropped",
    );
}

#[test]
fn state_of_nobody_knows_whom() {
    let details = json!([{"type": "reasoning.encrypted", "data": "x", "index": 0}]);
    let content = json!({"google": {"thought_signature": "s"}});
    let call = json!({"id": "c", "type": "function", "function": {"name": "a", "arguments": "{}"}, "extra_content": content});
    let members = json!({"messages": [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "x", "reasoning_details": details, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "1"},
    ]});
    let sent = send(Quirks { opaque_history: true, ..PLAIN }, members.clone());
    check(&sent, json!({}), "");
    assert_eq!(sent.body["messages"][1]["reasoning_details"], details);
    assert_eq!(sent.body["messages"][1]["tool_calls"][0]["extra_content"], content);
    let sent = send(PLAIN, members);
    check(&sent, json!({}), "messages[].reasoning_details=dropped");
    let text = sent.body.to_string();
    assert!(!text.contains("reasoning_details") && !text.contains("extra_content"), "{text}");
}

#[test]
fn streams() {
    let members = json!({"stream": true, "stream_options": {"include_obfuscation": false}});
    check(
        &send(PLAIN, members.clone()),
        json!({"stream": true, "stream_options": {"include_usage": true, "include_obfuscation": false}}),
        "",
    );
    check(
        &send(Quirks { stream_options: false, ..PLAIN }, members),
        json!({"stream": true, "stream_options": null}),
        "stream_options=dropped",
    );
}

#[test]
fn content_that_is_not_taken_is_refused() {
    let none =
        Quirks { takes_audio: false, takes_video: false, takes_files: false, takes_images: false, ..PLAIN };
    let some = Quirks { takes_video: true, ..PLAIN };
    let all = Quirks { takes_video: true, file_urls: true, ..PLAIN };
    let url = json!({"url": "https://example.com/a"});
    for (part, by) in [
        (json!({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}), 2),
        (json!({"type": "image_url", "image_url": url}), 2),
        (json!({"type": "video_url", "video_url": url}), 2),
        (
            json!({"type": "file", "file": {"filename": "a", "file_data": "data:application/pdf;base64,AA=="}}),
            2,
        ),
        (json!({"type": "file", "file": {"filename": "a", "file_data": "https://example.com/a"}}), 1),
        (json!({"type": "audio_url", "audio_url": url}), 1),
    ] {
        let taken = |quirks: Quirks| {
            let members = json!({"messages": [{"role": "user", "content": [part]}]});
            let sent = send_with(quirks, json!({}), members);
            if let Ok(sent) = &sent {
                assert_eq!(sent.body["messages"][0]["content"], json!([part]));
            }
            sent.is_ok()
        };
        assert!(!taken(none), "{part}");
        assert_eq!(taken(some), by == 2, "{part}");
        assert!(taken(all), "{part}");
    }
}

#[test]
fn markers_of_the_cache() {
    let marker = json!({"type": "ephemeral"});
    let members = json!({
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hi", "cache_control": marker}]}],
        "tools": [{"type": "function", "function": {"name": "a"}, "cache_control": marker}],
    });
    let sent = send(Quirks { cache_control: true, ..PLAIN }, members.clone());
    check(&sent, members.clone(), "");
    let sent = send(PLAIN, members);
    check(
        &sent,
        json!({"messages": [{"role": "user", "content": "hi"}], "tools": [{"type": "function", "function": {"name": "a"}}]}),
        "cache_control=dropped",
    );
}
