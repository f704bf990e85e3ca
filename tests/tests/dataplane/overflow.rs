//! `maxConcurrent`: who finds no place goes to the next target in the same request, behind a queue where there is one.

use crate::gateway::{Gateway, SOON, World, pool_of};
use crate::wire::{Chat, Told, WIRES, Wire, is_error_body};
use penstock_e2e::client::Streaming;
use penstock_e2e::{Behaviour, End, Replay, wait_until};
use serde_json::{Value, json};
use std::time::Duration;

const TEXT: &str = "a place for everybody";

struct Setup {
    gateway: Gateway,
    small: Replay,
    large: Replay,
}

/// Provider `small` has two places, and holds whoever streams.
fn start(queue: Option<Value>) -> Setup {
    let small = Replay::start(Behaviour::sse(Chat.events("one two three")).end(End::HangAfter(3)));
    let large = Replay::start(Chat.answer(TEXT));
    let mut world = World::new();
    let mut provider = World::provider(Chat, &small.url());
    provider["maxConcurrent"] = json!(2);
    if let Some(queue) = queue {
        provider["queue"] = queue;
    }
    world.pool_of("small", provider);
    world.pool("large", Chat, &large.url());
    world.route("bot", &["small", "large"], json!({}));
    world.route("alone", &["small"], json!({}));
    Setup { gateway: Gateway::start(&world), small, large }
}

impl Setup {
    fn holds(&self) -> Streaming {
        let stream = self.gateway.ask(Chat, "bot", true).open().expect("an answer");
        assert_eq!(stream.headers["x-penstock-target"], "small/up/m");
        stream
    }

    fn spills(&self, wire: Wire, stream: bool) {
        let answer = self.gateway.ask(wire, "bot", stream).send().expect("an answer");
        assert_eq!((&*pool_of(&answer), answer.header("x-penstock-attempts")), ("large", "1"));
        assert_eq!(Told::by(wire, &answer).is_whole(wire, TEXT), Ok(()));
    }

    fn saturated(&self) -> u64 {
        self.gateway.count("penstock_targets_skipped_total", &[("reason", "saturated")])
    }

    fn leaves(&self, stream: Streaming, gone: usize) {
        drop(stream);
        wait_until(SOON, "the provider sees the client go", || self.small.cancelled() == gone);
    }
}

#[test]
fn who_finds_no_place_goes_to_the_next_target() {
    let setup = start(None);
    let held = [setup.holds(), setup.holds()];
    for (n, (wire, stream)) in WIRES.into_iter().flat_map(|wire| [(wire, true), (wire, false)]).enumerate() {
        setup.spills(wire, stream);
        assert_eq!(setup.saturated(), n as u64 + 1);
    }
    assert_eq!((setup.small.requests().len(), setup.large.requests().len()), (2, 4));
    // Nobody else to ask: the client is told to come back.
    for wire in WIRES {
        let answer = setup.gateway.ask(wire, "alone", false).send().expect("an answer");
        assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, "1"));
        assert!(is_error_body(wire, &answer.json()), "{}", answer.text());
        assert!(answer.text().contains("maxConcurrent"), "{}", answer.text());
    }
    // A place that is left can be taken again.
    let [one, _two] = held;
    setup.leaves(one, 1);
    wait_until(SOON, "the place is free", || setup.gateway.count("penstock_requests_in_flight", &[]) == 1);
    let _three = setup.holds();
    setup.spills(Chat, false);
}

#[test]
fn who_finds_no_place_waits_for_one_in_the_queue() {
    let setup = start(Some(json!({"size": 1, "timeout": "40s"})));
    let held = [setup.holds(), setup.holds()];
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| setup.holds());
        wait_until(SOON, "it waits", || setup.gateway.count("penstock_requests_in_flight", &[]) == 3);
        // It is counted a moment before it stands in the queue.
        std::thread::sleep(Duration::from_millis(300));
        // The queue is full: the next one does not wait.
        setup.spills(Chat, false);
        assert_eq!(setup.small.requests().len(), 2);
        assert!(!waits.is_finished());
        let [one, two] = held;
        setup.leaves(one, 1);
        let third = waits.join().expect("it got the place");
        assert_eq!(setup.small.requests().len(), 3);
        drop((two, third));
    });
    assert_eq!(setup.saturated(), 1, "whoever waited was not passed over");
}

#[test]
fn who_waited_too_long_goes_to_the_next_target() {
    let setup = start(Some(json!({"size": 5, "timeout": "300ms"})));
    let _held = [setup.holds(), setup.holds()];
    for (wire, stream) in WIRES.into_iter().flat_map(|wire| [(wire, true), (wire, false)]) {
        setup.spills(wire, stream);
    }
    assert_eq!(setup.saturated(), 4);
    assert_eq!(setup.small.requests().len(), 2);
}

#[test]
fn a_waiting_client_that_leaves_frees_its_place_in_the_queue() {
    let setup = start(Some(json!({"size": 1, "timeout": "40s"})));
    let held = [setup.holds(), setup.holds()];
    {
        use std::io::Write;
        let body = Chat.request("bot", true).to_string();
        let address = setup.gateway.url.strip_prefix("http://").expect("a URL");
        let mut client = std::net::TcpStream::connect(address).expect("a connection");
        let path = Chat.path();
        let length = body.len();
        write!(client, "POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}").expect("a request");
        wait_until(SOON, "it waits", || setup.gateway.count("penstock_requests_in_flight", &[]) == 3);
        client.shutdown(std::net::Shutdown::Both).expect("a connection");
    }
    wait_until(SOON, "it has left", || setup.gateway.count("penstock_requests_in_flight", &[]) == 2);
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| setup.holds());
        wait_until(SOON, "another one waits", || {
            setup.gateway.count("penstock_requests_in_flight", &[]) == 3
        });
        let [one, two] = held;
        setup.leaves(one, 1);
        drop((waits.join().expect("it got the place"), two));
    });
    assert!(setup.large.requests().is_empty());
}
