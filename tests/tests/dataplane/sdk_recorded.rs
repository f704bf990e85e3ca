//! Recorded answers of OpenAI and Anthropic through the gateway: an SDK makes of them what it makes of them without
//! a gateway between.

use crate::gateway::{CHAT_MODEL, Gateway, MESSAGES_MODEL, World};
use crate::sdk::run;
use crate::wire::{Chat, Messages, WIRES, Wire, first_text};
use penstock_e2e::conformance::{Exchange, load};
use penstock_e2e::{Behaviour, Replay, Script};
use serde_json::{Value, json};
use std::collections::HashMap;

/// Streams are cut in pieces of so many bytes.
const CHUNK: usize = 97;

fn recorded(wire: Wire, test: &str) -> Option<Vec<Exchange>> {
    let (provider, endpoint) = match wire {
        Chat => ("openai", "chat.completions"),
        Messages => ("anthropic", "messages"),
    };
    let all = load(provider, test)?;
    let good = |it: &Exchange| it.endpoint == endpoint && it.fidelity == "wire" && it.status == Some(200);
    Some(all.into_iter().filter(|it| good(it) && it.response_body().is_some()).collect())
}

/// Plays the exchange that the first message names.
fn play(exchanges: &[Exchange]) -> Replay {
    let table: HashMap<String, Behaviour> = exchanges
        .iter()
        .map(|exchange| {
            let kind = if exchange.stream { "text/event-stream" } else { "application/json" };
            let behaviour = exchange.behaviour(CHUNK).expect("an answer");
            let has_type =
                exchange.response_headers.keys().any(|name| name.eq_ignore_ascii_case("content-type"));
            (exchange.id.clone(), if has_type { behaviour } else { behaviour.header("content-type", kind) })
        })
        .collect();
    Replay::start(Script::by(move |request, _| table[&first_text(request)].clone()))
}

fn ask(client: Wire, model: &str, exchanges: &[Exchange]) -> Value {
    let calls = exchanges.iter().map(|exchange| {
        let mut request = client.request(model, exchange.stream);
        request["messages"][0]["content"] = json!(exchange.id);
        if client == Chat && exchange.stream {
            request["stream_options"] = json!({"include_usage": true});
        }
        request
    });
    json!({"calls": calls.collect::<Vec<_>>(), "async": true, "concurrency": 8})
}

/// The recorded model name is the provider's, so it is the same with and without a gateway.
const SAME: [&str; 7] = ["ok", "text", "thinking", "tools", "finish", "usage", "raw"];

fn compare(wire: Wire, test: &str) {
    let Some(exchanges) = recorded(wire, test) else { return };
    let replay = play(&exchanges);
    let mut world = World::new();
    world.pool("p", wire, &replay.url());
    world.route("bot", &["p"], json!({}));
    let gateway = Gateway::start(&world);

    // What the SDK of the same format makes of it without us.
    let upstream = if wire == Chat { CHAT_MODEL } else { MESSAGES_MODEL };
    let direct = run("sdk.py", &replay.url(), wire, ask(wire, upstream, &exchanges));
    let through = run("sdk.py", &gateway.url, wire, ask(wire, "bot", &exchanges));
    let other = run("sdk.py", &gateway.url, wire.other(), ask(wire.other(), "bot", &exchanges));
    let mut wrong = Vec::new();
    let (mut same, mut translated, mut with_tools, mut with_thinking) = (0, 0, 0, 0);
    for (exchange, ((direct, through), other)) in
        exchanges.iter().zip(direct.iter().zip(&through).zip(&other))
    {
        let id = &exchange.id;
        if let Some(member) = SAME.iter().find(|name| direct[**name] != through[**name]) {
            let (direct, through) = (&direct[*member], &through[*member]);
            wrong.push(format!("{id}: {member}: {direct} became {through}"));
            continue;
        }
        same += 1;
        if direct["ok"] != true {
            continue;
        }
        // The SDK's own way to say that an answer reached its limit.
        if other["error"] == "LengthFinishReasonError" && direct["finish"] == "max_tokens" {
            continue;
        }
        let mut finish = finish_for(wire.other(), direct["finish"].as_str().unwrap_or_default());
        if wire == Chat && direct["tools"] != json!([]) && direct["finish"] == "stop" {
            // OpenAI says so where it was forced to call. Anthropic's clients act on calls by their reason.
            finish = Some(json!("tool_use"));
        }
        let mut tools = direct["tools"].clone();
        let old = &direct["raw"]["choices"][0]["message"]["function_call"];
        if old.is_object() {
            // A call from before there were tools: it has no id of its own.
            let input: Value = serde_json::from_str(old["arguments"].as_str().expect("text")).expect("JSON");
            tools = json!([{"id": other["tools"][0]["id"], "name": old["name"], "input": input}]);
        }
        let checks = [
            ("ok", &json!(true), &other["ok"]),
            ("text", &direct["text"], &other["text"]),
            ("thinking", &direct["thinking"], &other["thinking"]),
            ("tools", &tools, &without_riders(&other["tools"])),
            ("finish", finish.as_ref().unwrap_or(&other["finish"]), &other["finish"]),
        ];
        match checks.iter().find(|(_, wanted, got)| wanted != got) {
            Some((member, wanted, got)) => {
                wrong.push(format!(
                    "{id} to {:?}: {member}: {wanted} became {got}: {}",
                    wire.other(),
                    other["message"]
                ));
            }
            None => translated += 1,
        }
        with_tools += usize::from(direct["tools"] != json!([]));
        with_thinking += usize::from(direct["thinking"] != "");
    }
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), exchanges.len(), wrong.join("\n"));
    eprintln!(
        "{wire:?}: {} recorded answers, {same} the same through the gateway, {translated} translated for the other SDK \
         ({with_tools} with tools, {with_thinking} with thinking)",
        exchanges.len()
    );
}

/// Calls with their bare ids: reasoning state rides on them for clients that keep nothing else of a message.
pub fn without_riders(calls: &Value) -> Value {
    let bare = |call: &Value| {
        let mut call = call.clone();
        if let Some((id, _)) = call["id"].as_str().and_then(|id| id.split_once("__ps1_")) {
            call["id"] = json!(id);
        }
        call
    };
    calls.as_array().map_or_else(|| calls.clone(), |calls| calls.iter().map(bare).collect())
}

/// `None` where the other format has no equal.
fn finish_for(client: Wire, finish: &str) -> Option<Value> {
    let table = [
        ("stop", "end_turn"),
        ("tool_calls", "tool_use"),
        ("length", "max_tokens"),
        ("content_filter", "refusal"),
    ];
    let found = table.iter().find_map(|&(chat, messages)| match client {
        Chat => (messages == finish).then_some(chat),
        Messages => (chat == finish).then_some(messages),
    });
    found.or((finish == "stop_sequence").then_some("stop")).map(|it| json!(it))
}

#[test]
fn openai_answers() {
    compare(Chat, "openai_answers");
}

#[test]
fn anthropic_answers() {
    compare(Messages, "anthropic_answers");
}

/// Requests as their users sent them, through the gateway to a provider of the other format: what matters arrives.
#[test]
fn recorded_requests_keep_their_shape() {
    let mut counts = [0, 0];
    let mut refused = 0;
    for wire in WIRES {
        let Some(exchanges) = recorded(wire, "recorded_requests_keep_their_shape") else { return };
        let to = wire.other();
        let replay = Replay::start(to.answer("an answer"));
        let same = Replay::start(wire.answer("an answer"));
        let mut world = World::new();
        world.pool("other", to, &replay.url());
        world.pool("same", wire, &same.url());
        world.route("other-bot", &["other"], json!({}));
        world.route("same-bot", &["same"], json!({}));
        let gateway = Gateway::start(&world);
        for exchange in exchanges {
            let Some(mut request) =
                exchange.request_json.clone().filter(|request| request["model"].is_string())
            else {
                continue;
            };
            request["model"] = json!("same-bot");
            let answer = gateway.call(wire, &request).send().expect("an answer");
            assert_eq!(answer.status, 200, "{}: {}", exchange.id, answer.text());
            let mut seen = same.take_requests().pop().expect("a request").json();
            (seen["model"], request["model"]) = (Value::Null, Value::Null);
            if wire == Chat && request["stream"] == true {
                seen["stream_options"]["include_usage"] = Value::Null;
                request["stream_options"]["include_usage"] = Value::Null;
            }
            assert_eq!(seen, request, "{}", exchange.id);

            request["model"] = json!("other-bot");
            if wire == Chat && request["stream"] == true {
                request.as_object_mut().expect("an object").remove("stream_options");
            }
            let answer = gateway.call(wire, &request).send().expect("an answer");
            if answer.status == 400 {
                // Said openly: the other format has no place for it.
                assert_eq!(
                    answer.json()["error"].get("code").unwrap_or(&json!("unsupported_by_every_target")),
                    "unsupported_by_every_target",
                    "{}",
                    answer.text()
                );
                refused += 1;
                continue;
            }
            assert_eq!(answer.status, 200, "{}: {}", exchange.id, answer.text());
            let seen = replay.take_requests().pop().expect("a request").json();
            let tools = |body: &Value| body["tools"].as_array().map_or(0, Vec::len);
            if answer.header("x-penstock-translation").contains("tools[]=dropped") {
                assert!(tools(&seen) <= tools(&request), "{}", exchange.id);
            } else {
                assert!(tools(&seen) >= tools(&request), "{}: {seen}", exchange.id);
            }
            let (text, raw) = (last_text(&request), seen.to_string());
            assert!(raw.contains(text.trim_matches('"').trim()), "{}: {text} is not in {raw}", exchange.id);
            counts[wire as usize] += 1;
        }
    }
    eprintln!(
        "{} requests of OpenAI's and {} of Anthropic's format translated, {refused} refused with a reason",
        counts[0], counts[1]
    );
}

/// The last text that a user wrote, as JSON.
fn last_text(request: &Value) -> String {
    let messages = request["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut texts = messages.iter().filter(|message| message["role"] == "user").filter_map(|message| {
        let content = &message["content"];
        let last = content
            .as_array()
            .and_then(|blocks| blocks.iter().filter_map(|block| block["text"].as_str()).next_back());
        content.as_str().or(last)
    });
    json!(texts.next_back().unwrap_or_default()).to_string()
}
