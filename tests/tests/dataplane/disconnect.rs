//! A client that goes away takes the provider's call with it.

use crate::gateway::{Gateway, SOON, World};
use crate::wire::{Chat, WIRES, Wire};
use penstock_e2e::{Behaviour, End, Replay, wait_until};
use serde_json::json;
use std::io::Write;
use std::net::{Shutdown, TcpStream};

fn start(provider: Wire, replay: &Replay) -> Gateway {
    let mut world = World::new();
    world.pool("slow", provider, &replay.url());
    world.pool("other", provider, &replay.url());
    world.route("bot", &["slow", "other"], json!({}));
    Gateway::start(&world)
}

#[test]
fn in_the_middle_of_a_stream() {
    for (client, provider) in WIRES.into_iter().flat_map(|client| WIRES.map(|provider| (client, provider))) {
        let events = provider.events("one two three");
        let replay = Replay::start(Behaviour::sse(events).end(End::HangAfter(provider.preamble() + 1)));
        let gateway = start(provider, &replay);
        let mut stream = gateway.ask(client, "bot", true).open().expect("an answer");
        assert!(stream.next(SOON).expect("a chunk").is_ok());
        assert_eq!(gateway.count("penstock_requests_in_flight", &[]), 1);
        assert_eq!(replay.cancelled(), 0);
        drop(stream);
        wait_until(SOON, "the provider sees the client go", || replay.cancelled() == 1);
        let metrics = gateway.settled();
        let ended = [("route", "default/bot"), ("outcome", "client_disconnect")];
        assert_eq!(metrics.sum("penstock_requests_total", &ended), 1.0, "{client:?} {provider:?}");
        assert_eq!(metrics.sum("penstock_requests_total", &[]), 1.0);
        assert_eq!(metrics.sum("penstock_attempts_total", &[]), 1.0);
        // Chat counts at the end, which never came; Anthropic counts the prompt at the beginning.
        let prompt = metrics.sum("penstock_tokens_total", &[("gen_ai_token_type", "input")]);
        assert_eq!(prompt, if provider == Chat { 0.0 } else { penstock_e2e::answers::USAGE.0 as f64 });
        assert_eq!(metrics.sum("penstock_breaker_state", &[]), 0.0, "it says nothing about the provider");
        assert_eq!(replay.requests().len(), 1);
    }
}

#[test]
fn before_the_first_byte() {
    for (hang, stream) in [
        (Behaviour::HangBeforeHeaders, false),
        (Behaviour::HangBeforeHeaders, true),
        (Behaviour::HangAfterHeaders, false),
        (Behaviour::HangAfterHeaders, true),
    ] {
        let replay = Replay::start(hang);
        let gateway = start(Chat, &replay);
        let body = Chat.request("bot", stream).to_string();
        let address = gateway.url.strip_prefix("http://").expect("a URL");
        let mut client = TcpStream::connect(address).expect("a connection");
        let length = body.len();
        write!(
            client,
            "POST {} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}",
            Chat.path()
        )
        .expect("a request");
        wait_until(SOON, "the provider has the request", || replay.requests().len() == 1);
        assert_eq!(gateway.count("penstock_requests_in_flight", &[]), 1);
        client.shutdown(Shutdown::Both).expect("a connection");
        drop(client);
        wait_until(SOON, "the provider sees the client go", || replay.cancelled() == 1);
        let metrics = gateway.settled();
        let ended = [("route", "default/bot"), ("outcome", "client_disconnect")];
        assert_eq!(metrics.sum("penstock_requests_total", &ended), 1.0);
        assert_eq!(metrics.sum("penstock_attempts_total", &[("result", "abandoned")]), 1.0);
        assert_eq!(metrics.sum("penstock_attempts_total", &[]), 1.0);
        assert_eq!(replay.requests().len(), 1, "no other target is tried for nobody");
    }
}

#[test]
fn many_at_once() {
    let replay = Replay::start(Behaviour::sse(Chat.events("one two three")).end(End::HangAfter(2)));
    let gateway = start(Chat, &replay);
    let streams: Vec<_> = (0..50)
        .map(|n| {
            let mut stream = gateway.ask(WIRES[n % 2], "bot", true).open().expect("an answer");
            assert!(stream.next(SOON).expect("a chunk").is_ok());
            stream
        })
        .collect();
    assert_eq!(gateway.count("penstock_requests_in_flight", &[]), 50);
    drop(streams);
    wait_until(SOON, "the provider sees them go", || replay.cancelled() == 50);
    let ended = [("outcome", "client_disconnect")];
    assert_eq!(gateway.settled().sum("penstock_requests_total", &ended), 50.0);
}
