//! The same format in and out: bytes stay as they are, credentials on their side.

use crate::gateway::{CHAT_MODEL, Gateway, KEY_ONE, MESSAGES_MODEL, World};
use crate::wire::{Chat, Messages, Told, WIRES, Wire};
use penstock_e2e::client::Call;
use penstock_e2e::replay::{Event, SeenRequest};
use penstock_e2e::{Behaviour, Replay, Script};
use serde_json::json;
use std::io::{Read, Write};
use std::net::TcpStream;

const CALLER: &str = "pk-caller-9876543210";

fn start(provider: Wire, replay: &Replay) -> Gateway {
    let mut world = World::new();
    world.secret("callers", &[("team-a", CALLER)]);
    world.pool("same", provider, &replay.url());
    world.route("bot", &["same"], json!({}));
    Gateway::start_with(&world, &["--client-keys-secret", "default/callers"])
}

fn post(gateway: &Gateway, wire: Wire, body: &str) -> Call {
    Call::post_bytes(&format!("{}{}", gateway.url, wire.path()), body.to_owned()).bearer(CALLER)
}

fn sent(replay: &Replay) -> String {
    let request = replay.take_requests().pop().expect("a request");
    String::from_utf8(request.body.into()).expect("UTF-8")
}

/// Bodies as no serializer writes them.
fn odd_bodies(wire: Wire) -> Vec<String> {
    let rest = match wire {
        Chat => r#" "n" : 1,"x_vendor":{"b":1,"a":[1.0,1e3, -0.0]},"user":"\u00e9\/"#,
        Messages => r#" "max_tokens":64 ,"x_vendor":{"b":1,"a":[1.0,1e3, -0.0]},"service_tier":"\u00e9\/"#,
    };
    let messages = r#""messages":[ {"role":"user","content":[{"type":"text","text":"hi  é\u0041","x":null,"vendor":{"type":"ephemeral"}}]}]"#;
    vec![
        format!("{{{rest}\", \"model\" :  \"bot\",{messages}}}"),
        format!("\n\t{{ \"model\":\"bot\",{rest}\",\r\n{messages} }}\n"),
        format!("{{{messages},{rest}\",\"model\":\"b\\u006ft\"}}"),
    ]
}

#[test]
fn a_request_of_the_same_format_keeps_its_bytes() {
    for (wire, model) in [(Chat, CHAT_MODEL), (Messages, MESSAGES_MODEL)] {
        let replay = Replay::start(wire.answer("an answer"));
        let gateway = start(wire, &replay);
        for body in odd_bodies(wire) {
            let answer = post(&gateway, wire, &body).send().expect("an answer");
            assert_eq!(answer.status, 200, "{}", answer.text());
            let expected = body.replace("\"bot\"", &format!("\"{model}\""));
            let expected = expected.replace("\"b\\u006ft\"", &format!("\"{model}\""));
            assert_eq!(sent(&replay), expected);
            assert_eq!(answer.header("x-penstock-translation"), "", "nothing was translated");

            // Streams: the same, and chat is asked for usage.
            let body = body.trim().replacen('{', "{\"stream\": true,", 1);
            let expected = expected.trim().replacen('{', "{\"stream\": true,", 1);
            post(&gateway, wire, &body).send().expect("an answer");
            let have = sent(&replay);
            let without = have.replacen("\"stream_options\":{\"include_usage\":true},", "", 1);
            assert_eq!(without, expected);
            assert_eq!(have != without, wire == Chat, "{have}");
        }
    }
}

#[test]
fn the_clients_own_stream_options_are_kept() {
    let replay = Replay::start(Chat.answer("an answer"));
    let gateway = start(Chat, &replay);
    for (options, expected) in [
        (r#"{"include_usage": true}"#, r#"{"include_usage": true}"#),
        (r#"{"include_obfuscation":false}"#, r#"{"include_obfuscation":false,"include_usage":true}"#),
        ("null", r#"{"include_usage":true}"#),
    ] {
        let body = |model: &str, options: &str| {
            format!(
                r#"{{"model":"{model}","stream":true,"stream_options":{options},"messages":[{{"role":"user","content":"x"}}]}}"#
            )
        };
        post(&gateway, Chat, &body("bot", options)).send().expect("an answer");
        assert_eq!(sent(&replay), body(CHAT_MODEL, expected));
    }
}

#[test]
fn an_answer_of_the_same_format_keeps_its_bytes() {
    for wire in WIRES {
        let whole = wire.body("an  answer\u{e9}").to_string().replacen('{', "{ \"x_vendor\": 1.50,\n", 1);
        let mut events = wire.events("one two three");
        let vendor = Event::named("ping", json!({"type": "ping", "x_vendor": true}));
        if wire == Messages {
            events.insert(2, vendor);
        }
        let mut text = String::from(": a comment\r\n\r\n");
        for (n, Event { event, data }) in events.iter().enumerate() {
            let (name, end) = (
                event.as_ref().map(|name| format!("event:{name}\n")),
                if n % 2 == 0 { "\r\n" } else { "\n" },
            );
            text += &format!("{}id: {n}\ndata:{data}{end}{end}", name.unwrap_or_default());
        }
        let raw = |kind: &str, body: &str, chunk_size| Behaviour::RawStream {
            status: 200,
            headers: vec![("content-type".into(), kind.into()), ("x-vendor".into(), "secret".into())],
            bytes: body.to_owned().into(),
            chunk_size,
            paced: Default::default(),
        };
        for chunk_size in [1, 100_000] {
            let replay = Replay::start([
                raw("application/json", &whole, chunk_size),
                raw("text/event-stream", &text, chunk_size),
            ]);
            let gateway = start(wire, &replay);
            let answer =
                post(&gateway, wire, &wire.request("bot", false).to_string()).send().expect("an answer");
            assert_eq!(answer.text(), whole);
            assert_eq!(answer.header("x-vendor"), "", "headers of a provider stay here");
            let mut request = wire.request("bot", true);
            if wire == Chat {
                request["stream_options"] = json!({"include_usage": true});
            }
            let answer = post(&gateway, wire, &request.to_string()).send().expect("an answer");
            assert_eq!(answer.text(), text, "in chunks of {chunk_size}");
        }
    }
}

/// What may reach a provider, beside the header of its key.
const EGRESS: [&str; 8] = [
    "host",
    "content-type",
    "content-length",
    "accept",
    "user-agent",
    "anthropic-version",
    "anthropic-beta",
    "openai-beta",
];

fn check_egress(seen: &SeenRequest, provider: Wire) {
    let key = if provider == Chat {
        ("authorization", format!("Bearer {KEY_ONE}"))
    } else {
        ("x-api-key", KEY_ONE.into())
    };
    assert_eq!(seen.header(key.0), key.1);
    for (name, value) in &seen.headers {
        assert!(EGRESS.contains(&name.as_str()) || name == key.0, "{name} reached the provider");
        let value = value.to_str().expect("text");
        assert!(!value.contains(CALLER) && !value.contains("tell-tale"), "{name}: {value}");
    }
    assert!(!String::from_utf8_lossy(&seen.body).contains(CALLER));
}

#[test]
fn only_allowed_headers_reach_a_provider() {
    for (client, provider) in WIRES.into_iter().flat_map(|client| WIRES.map(|provider| (client, provider))) {
        let replay = Replay::start(provider.answer("an answer"));
        let gateway = start(provider, &replay);
        let request = client.request("bot", true);
        let key = if client == Chat {
            ("authorization", format!("Bearer {CALLER}"))
        } else {
            ("x-api-key", CALLER.into())
        };
        let answer = gateway
            .call(client, &request)
            .header(key.0, &key.1)
            .header("cookie", "id=tell-tale")
            .header("x-forwarded-for", "tell-tale")
            .header("forwarded", "for=tell-tale")
            .header("proxy-authorization", "Basic tell-tale")
            .header("openai-organization", "tell-tale")
            .header("openai-project", "tell-tale")
            .header("user-agent", "tell-tale/1.0")
            .header("referer", "http://tell-tale/")
            .header("traceparent", "00-tell-tale")
            .header("x-stainless-lang", "tell-tale")
            .header("accept-encoding", "gzip, br")
            .header("anthropic-beta", "context-1m-2025-08-07,fast-mode")
            .header("anthropic-version", "2023-06-01")
            .header("openai-beta", "assistants=v2")
            .send()
            .expect("an answer");
        assert_eq!(answer.status, 200, "{}", answer.text());
        let seen = replay.take_requests().pop().expect("a request");
        check_egress(&seen, provider);
        let beta =
            if (client, provider) == (Messages, Messages) { "context-1m-2025-08-07,fast-mode" } else { "" };
        assert_eq!(seen.header("anthropic-beta"), beta, "{client:?} to {provider:?}");
        assert_eq!(seen.header("anthropic-version"), if provider == Messages { "2023-06-01" } else { "" });
        let beta = if (client, provider) == (Chat, Chat) { "assistants=v2" } else { "" };
        assert_eq!(seen.header("openai-beta"), beta);
    }
}

/// A header in several lines is one list.
#[test]
fn every_line_of_a_passed_header_passes() {
    let replay = Replay::start(Messages.answer("an answer"));
    let gateway = start(Messages, &replay);
    let body = Messages.request("bot", false).to_string();
    let address = gateway.url.strip_prefix("http://").expect("a URL");
    let mut client = TcpStream::connect(address).expect("a connection");
    write!(
        client,
        "POST /v1/messages HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-api-key: {CALLER}\r\nanthropic-beta: one\r\nanthropic-beta: two\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .expect("a request");
    let mut answer = String::new();
    client.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let seen = replay.take_requests().pop().expect("a request");
    let lines: Vec<_> =
        seen.headers.get_all("anthropic-beta").iter().map(|value| value.to_str().expect("text")).collect();
    assert_eq!(lines.join(","), "one,two");
}

#[test]
fn a_key_that_a_provider_echoes_stays_here() {
    let text = format!("Incorrect key {KEY_ONE}, see https://example.com");
    for provider in WIRES {
        let said = text.clone();
        // The user's message says how to fail.
        let replay = Replay::start(Script::by(move |request, _| {
            let how = crate::wire::first_text(request);
            match how.parse() {
                Ok(status) => provider.error(status, "invalid_request_error", &said),
                Err(_) if how == "inside" && request.wants_stream() => {
                    Behaviour::sse([provider.error_event("api_error", &said)])
                }
                Err(_) if how == "inside" => {
                    let event = provider.error_event("api_error", &said);
                    Behaviour::json(serde_json::from_str(&event.data).expect("JSON"))
                }
                Err(_) => Behaviour::status(500, format!("<html>{said}</html>")),
            }
        }));
        let gateway = start(provider, &replay);
        for (client, stream) in
            WIRES.into_iter().flat_map(|client| [false, true].map(|stream| (client, stream)))
        {
            for how in ["400", "422", "500", "inside", "html", "503"] {
                let mut request = client.request("bot", stream);
                request["messages"][0]["content"] = json!(how);
                let answer = gateway.call(client, &request).bearer(CALLER).send().expect("an answer");
                assert!(!answer.status.is_success(), "{how}: {}", answer.text());
                let all = format!("{:?} {}", answer.headers, answer.text());
                assert!(!all.contains(KEY_ONE), "{client:?} {how}: {all}");
                assert!(
                    all.contains("Incorrect key"),
                    "{client:?} {how}: the rest of the message helps: {all}"
                );
            }
        }
        // Last, because the key rests behind it.
        for client in WIRES {
            let mut request = client.request("bot", false);
            request["messages"][0]["content"] = json!("401");
            let answer = gateway.call(client, &request).bearer(CALLER).send().expect("an answer");
            assert_ne!(answer.status, 401, "the caller's own key is good");
            assert!(!answer.text().contains(KEY_ONE), "{}", answer.text());
        }
        gateway.settled();
        let logs = gateway.process.logs();
        assert!(!logs.contains(KEY_ONE) && !logs.contains(CALLER), "a key is in the log");
    }
}

#[test]
fn the_caller_names_the_model_and_hears_the_providers_answer() {
    // Of another format, so that every member is written by the gateway.
    for client in WIRES {
        let provider = client.other();
        let replay = Replay::start(provider.answer("an answer"));
        let gateway = start(provider, &replay);
        for stream in [false, true] {
            let answer = gateway.ask(client, "bot", stream).bearer(CALLER).send().expect("an answer");
            assert_eq!(Told::by(client, &answer).is_whole(client, "an answer"), Ok(()));
            let id = answer.header("x-request-id");
            assert!(id.starts_with("req_") && id.len() == 36, "{id}");
            let named =
                gateway.ask(client, "bot", stream).bearer(CALLER).header("x-request-id", "my-own.1").send();
            assert_eq!(named.expect("an answer").header("x-request-id"), "my-own.1");
            let odd =
                gateway.ask(client, "bot", stream).bearer(CALLER).header("x-request-id", "<script>").send();
            assert!(odd.expect("an answer").header("x-request-id").starts_with("req_"));
        }
    }
}
