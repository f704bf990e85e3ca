//! Bad input: every answer is an error that the client's SDK can read, and says what to mend.

use crate::gateway::{Gateway, World};
use crate::wire::{Chat, Messages, WIRES, Wire, is_error_body};
use penstock_e2e::Replay;
use penstock_e2e::client::{Answer, Call};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

const CALLER: &str = "pk-caller-9876543210";

/// Routes `support-bot` and `bot-*` to providers of both formats; callers need a key.
fn start(replays: &[Replay; 2]) -> Gateway {
    let mut world = World::new();
    world.secret("callers", &[("team-a", CALLER)]);
    for (wire, replay) in WIRES.iter().zip(replays) {
        world.pool(wire.short(), *wire, &replay.url());
        world.route(&format!("bot-{}", wire.short()), &[wire.short()], json!({}));
    }
    world.route("support-bot", &["chat"], json!({}));
    world.pool_of("sim", json!({"name": "sim", "type": "Simulated", "models": [{"name": "m"}]}));
    world.route("sim-bot", &["sim"], json!({}));
    Gateway::start_with(&world, &["--client-keys-secret", "default/callers"])
}

fn replays() -> [Replay; 2] {
    WIRES.map(|wire| Replay::start(wire.answer("an answer")))
}

fn post(gateway: &Gateway, path: &str, body: impl Into<Vec<u8>>) -> Answer {
    Call::post_bytes(&format!("{}{path}", gateway.url), body.into()).bearer(CALLER).send().expect("an answer")
}

#[track_caller]
fn refused(wire: Wire, answer: &Answer, status: u16) -> (String, Value) {
    assert_eq!(answer.status, status, "{}", answer.text());
    let body = answer.json();
    assert!(is_error_body(wire, &body), "{wire:?}: {body}");
    assert!(!answer.header("x-request-id").is_empty());
    let kind = match status {
        401 => "authentication_error",
        404 if wire == Messages => "not_found_error",
        413 if wire == Messages => "request_too_large",
        _ => "invalid_request_error",
    };
    assert_eq!(body["error"]["type"], kind, "{body}");
    (body["error"]["message"].as_str().expect("a message").to_owned(), body["error"]["param"].clone())
}

#[test]
fn bodies_that_cannot_be_read_are_400_and_name_the_field() {
    let replays = replays();
    let gateway = start(&replays);
    let table: &[(&str, &str, Value)] = &[
        ("", "JSON object", Value::Null),
        ("hello", "JSON object", Value::Null),
        ("[1, 2]", "JSON object", Value::Null),
        ("{\"model\": \"bot-chat\"", "JSON object", Value::Null),
        ("{\"model\": \"bot-chat\"} trailing", "JSON object", Value::Null),
        ("{\"messages\": []}", "`model` is missing", json!("model")),
        ("{\"model\": null}", "`model`", json!("model")),
        ("{\"model\": 7}", "`model` must be a string", json!("model")),
        ("{\"model\": \"\"}", "`model` is empty", json!("model")),
        ("{\"model\": \"bot-chat\", \"model\": \"bot-msg\"}", "more than once", json!("model")),
        ("{\"model\": \"bot-chat\", \"stream\": \"yes\"}", "`stream`", json!("stream")),
        ("{\"model\": \"bot-chat\", \"stream_options\": 1}", "`stream_options`", json!("stream_options")),
    ];
    for wire in WIRES {
        for (body, says, param) in table {
            let (message, have) = refused(wire, &post(&gateway, wire.path(), *body), 400);
            assert!(message.contains(says), "{body}: {message}");
            if wire == Chat {
                assert_eq!(have, *param, "{body}");
            }
        }
        let (message, _) =
            refused(wire, &post(&gateway, wire.path(), b"{\"model\": \"\xff\"}".to_vec()), 400);
        assert!(message.contains("UTF-8"), "{message}");
        let deep =
            format!("{{\"model\": \"bot-{}\", \"messages\": {}", wire.other().short(), "[".repeat(100_000));
        refused(wire, &post(&gateway, wire.path(), deep), 400);
    }
    assert!(replays.iter().all(|replay| replay.requests().is_empty()), "no provider was asked");
    let metrics = gateway.settled();
    assert_eq!(metrics.sum("penstock_requests_total", &[("outcome", "client_error")]), 28.0);
}

/// Where the gateway must read the whole request, it says which field is wrong.
#[test]
fn wrong_types_are_400_and_name_the_field() {
    let replays = replays();
    let gateway = start(&replays);
    let wrong = |wire: Wire, name: &str, value: Value| {
        let mut request = wire.request("", false);
        request[name] = value;
        request
    };
    let tool_result = json!([{"role": "tool", "content": "x"}]);
    let table = [
        (wrong(Chat, "messages", json!(3)), "messages"),
        (wrong(Chat, "messages", json!([{"content": "x"}])), "messages[0].role"),
        (wrong(Chat, "messages", json!([{"role": "user", "content": 3}])), "messages[0].content"),
        (
            wrong(Chat, "messages", json!([{"role": "user", "content": [{"type": "text"}]}])),
            "messages[0].content[0].text",
        ),
        (wrong(Chat, "messages", tool_result), "messages[0].tool_call_id"),
        (wrong(Chat, "temperature", json!("hot")), "temperature"),
        (wrong(Chat, "max_tokens", json!("many")), "max_tokens"),
        (wrong(Chat, "tools", json!({})), "tools"),
        (wrong(Chat, "tools", json!([{"type": "function"}])), "tools[0].function"),
        (wrong(Chat, "tool_choice", json!("perhaps")), "tool_choice"),
        (wrong(Chat, "stop", json!([1])), "stop[0]"),
        (wrong(Messages, "messages", json!(3)), "messages"),
        (wrong(Messages, "messages", json!([{"content": "x"}])), "messages[0].role"),
        (wrong(Messages, "messages", json!([{"role": "user", "content": 3}])), "messages[0].content"),
        (
            wrong(Messages, "messages", json!([{"role": "user", "content": [{"type": "text"}]}])),
            "messages[0].content[0].text",
        ),
        (wrong(Messages, "system", json!(3)), "system"),
        (wrong(Messages, "temperature", json!("hot")), "temperature"),
        (wrong(Messages, "tools", json!({})), "tools"),
        (wrong(Messages, "stop_sequences", json!("x")), "stop_sequences"),
    ];
    for (n, (request, field)) in table.iter().enumerate() {
        let client = if n < 11 { Chat } else { Messages };
        for model in [format!("bot-{}", client.other().short()), "sim-bot".into()] {
            let mut request = request.clone();
            request["model"] = json!(model);
            let (message, param) = refused(client, &post(&gateway, client.path(), request.to_string()), 400);
            if client == Chat {
                assert_eq!(param, *field, "{model}: {message}");
            } else {
                assert!(message.contains(field), "{model}: {message} does not name {field}");
            }
        }
    }
    assert!(replays.iter().all(|replay| replay.requests().is_empty()));
}

#[test]
fn unknown_models_are_404_with_close_names() {
    let replays = replays();
    let gateway = start(&replays);
    for wire in WIRES {
        for stream in [false, true] {
            let answer = gateway.ask(wire, "suport-bot", stream).bearer(CALLER).send().expect("an answer");
            let (message, param) = refused(wire, &answer, 404);
            assert!(message.contains("suport-bot") && message.contains("support-bot"), "{message}");
            if wire == Chat {
                assert_eq!(
                    (param, &answer.json()["error"]["code"]),
                    (json!("model"), &json!("model_not_found"))
                );
            }
        }
        let answer = gateway.ask(wire, "zzzzzzzzzz", false).bearer(CALLER).send().expect("an answer");
        let (message, _) = refused(wire, &answer, 404);
        assert!(!message.contains("did you mean") && message.contains("/v1/models"), "{message}");
        let long = gateway.ask(wire, &"x".repeat(100_000), false).bearer(CALLER).send().expect("an answer");
        assert!(refused(wire, &long, 404).0.len() < 1000, "the name is not echoed whole");
    }
}

#[test]
fn no_or_a_wrong_key_is_401_and_tells_nothing() {
    let replays = replays();
    let gateway = start(&replays);
    let mut bodies = std::collections::BTreeSet::new();
    for wire in WIRES {
        let ask = || gateway.ask(wire, "bot-chat", true);
        let calls = [
            ask(),
            ask().bearer("pk-caller-987654321"),
            ask().bearer(&format!("{CALLER}0")),
            ask().bearer(""),
            ask().header("authorization", &format!("Basic {CALLER}")),
            ask().header("authorization", CALLER),
            ask().header("x-api-key", "wrong"),
            ask().header("x-api-key", ""),
            ask().header("api-key", CALLER),
            // An unknown model is not told to somebody without a key.
            gateway.ask(wire, "no-such-model", false),
            Call::post_bytes(&format!("{}{}", gateway.url, wire.path()), "not json"),
        ];
        for call in calls {
            let answer = call.send().expect("an answer");
            refused(wire, &answer, 401);
            let mut body = answer.json();
            body.as_object_mut().expect("an object").remove("request_id");
            bodies.insert(body.to_string());
        }
        for good in [ask().bearer(CALLER), ask().header("x-api-key", CALLER)] {
            assert_eq!(good.send().expect("an answer").status, 200);
        }
    }
    assert_eq!(bodies.len(), 2, "one text for each format: {bodies:?}");
    let models = Call::get(&format!("{}/v1/models", gateway.url));
    refused(Chat, &models.clone().send().expect("an answer"), 401);
    refused(
        Messages,
        &models.clone().header("anthropic-version", "2023-06-01").send().expect("an answer"),
        401,
    );
    for open in ["/healthz", "/readyz"] {
        assert_eq!(Call::get(&format!("{}{open}", gateway.url)).send().expect("an answer").status, 200);
    }
}

#[test]
fn models_are_listed_in_the_callers_format() {
    let replays = replays();
    let gateway = start(&replays);
    let models = Call::get(&format!("{}/v1/models", gateway.url)).bearer(CALLER);
    let names = |answer: &Answer| -> Vec<String> {
        let list = answer.json()["data"].as_array().expect("a list").clone();
        list.iter().map(|model| model["id"].as_str().expect("an id").to_owned()).collect()
    };
    let chat = models.clone().send().expect("an answer");
    assert_eq!(names(&chat), ["bot-chat", "bot-msg", "sim-bot", "support-bot"]);
    assert_eq!(
        (&chat.json()["object"], &chat.json()["data"][0]["object"]),
        (&json!("list"), &json!("model"))
    );
    let messages = models.header("anthropic-version", "2023-06-01").send().expect("an answer");
    assert_eq!(names(&messages), names(&chat));
    assert_eq!(
        (&messages.json()["data"][0]["type"], &messages.json()["has_more"]),
        (&json!("model"), &json!(false))
    );
}

#[test]
fn wrong_paths_and_methods() {
    let replays = replays();
    let gateway = start(&replays);
    for path in [
        "/",
        "/v1/chat/completion",
        "/v1/chat/completions/",
        "/v1/rerank",
        "/v1/audio/speech",
        "/chat/completions",
    ] {
        let answer = post(&gateway, path, "{}");
        let body = answer.json();
        assert_eq!(answer.status, 404, "{path}: {body}");
        assert!(
            body["error"]["message"].as_str().expect("a message").contains("/v1/chat/completions"),
            "{body}"
        );
    }
    for (path, wire, allow) in [
        ("/v1/chat/completions", Chat, "POST"),
        ("/v1/messages", Messages, "POST"),
        ("/v1/models", Chat, "GET"),
    ] {
        let url = format!("{}{path}", gateway.url);
        let call = if allow == "POST" { Call::get(&url) } else { Call::post(&url, &json!({})) };
        let answer = call.bearer(CALLER).send().expect("an answer");
        assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, allow));
        assert!(is_error_body(wire, &answer.json()), "{}", answer.text());
    }
}

/// Sends a head and as much of a body as is taken, and reads what comes back.
fn raw(gateway: &Gateway, head: &str, mut body: impl FnMut(&mut TcpStream) -> std::io::Result<()>) -> String {
    let address = gateway.url.strip_prefix("http://").expect("a URL");
    let mut client = TcpStream::connect(address).expect("a connection");
    client.set_read_timeout(Some(Duration::from_secs(60))).expect("a socket");
    // A server that has answered need not read on.
    let _ = client.write_all(head.as_bytes()).and_then(|()| body(&mut client));
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = client.read(&mut buffer) {
        answer.extend_from_slice(&buffer[..count]);
    }
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn bodies_and_headers_beyond_the_limits() {
    let replays = replays();
    let gateway = start(&replays);
    let limit = 32 << 20;
    for wire in WIRES {
        let path = wire.path();
        // Announced: refused without a byte of it.
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nx-api-key: {CALLER}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
            limit + 1
        );
        let answer = raw(&gateway, &head, |_| Ok(()));
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
        let body: Value =
            serde_json::from_str(answer.split_once("\r\n\r\n").expect("a body").1).expect("JSON");
        assert!(
            is_error_body(wire, &body)
                && body["error"]["message"].as_str().is_some_and(|m| m.contains("33554432")),
            "{body}"
        );
    }
    // Not announced: cut off at the limit.
    let head = format!(
        "POST /v1/messages HTTP/1.1\r\nhost: x\r\nx-api-key: {CALLER}\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    let answer = raw(&gateway, &head, |client| {
        let chunk = [b"100000\r\n".as_slice(), &vec![b' '; 1 << 20], b"\r\n"].concat();
        (0..33).try_for_each(|_| client.write_all(&chunk))?;
        client.write_all(b"0\r\n\r\n")
    });
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    // Up to the limit is fine, and the provider has it whole.
    let pad = " ".repeat(8 << 20);
    let body = Chat.request("bot-chat", false).to_string() + &pad;
    assert_eq!(post(&gateway, Chat.path(), body).status, 200);
    assert!(replays[0].take_requests().pop().expect("a request").body.len() > 8 << 20);

    // One huge header, and very many small ones.
    let bomb = |size| format!("x-bomb: {}\r\n", "x".repeat(size));
    let many: String = (0..5000).map(|n| format!("x-{n}: y\r\n")).collect();
    for headers in [bomb(66_000), bomb(2_000_000), many] {
        let head = format!("POST /v1/messages HTTP/1.1\r\nhost: x\r\n{headers}content-length: 0\r\n\r\n");
        let answer = raw(&gateway, &head, |_| Ok(()));
        // A reset may overtake the answer where much was left unread.
        let reset = answer.is_empty() && head.len() > 1_000_000;
        assert!(answer.starts_with("HTTP/1.1 431 ") || reset, "{answer}");
    }
    assert_eq!(gateway.ask(Chat, "bot-chat", false).bearer(CALLER).send().expect("an answer").status, 200);
    gateway.settled();
}

#[test]
fn noise_on_the_port_harms_nobody() {
    let replays = replays();
    let gateway = start(&replays);
    let address = gateway.url.strip_prefix("http://").expect("a URL");
    for noise in [
        b"\x16\x03\x01\x02\x00\x01\x00".as_slice(),
        b"GET\r\n\r\n",
        b"POST /v1/messages HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
        b"POST /v1/messages HTTP/1.1\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello",
        b"POST /v1/messages HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\xff\xff",
        &[0xff; 5000],
    ] {
        let mut client = TcpStream::connect(address).expect("a connection");
        // It may be closed in our face.
        let _ = client.write_all(noise);
    }
    // A request that breaks off in its body.
    let mut client = TcpStream::connect(address).expect("a connection");
    write!(client, "POST /v1/messages HTTP/1.1\r\nx-api-key: {CALLER}\r\ncontent-length: 100\r\n\r\n{{")
        .expect("a request");
    drop(client);
    assert_eq!(gateway.ask(Chat, "bot-chat", true).bearer(CALLER).send().expect("an answer").status, 200);
    assert_eq!(gateway.settled().sum("penstock_requests_total", &[("outcome", "panic")]), 0.0);
}
