//! Manifests that change under traffic: nobody notices.

use crate::gateway::{Gateway, KEY_ONE, SOON, World};
use crate::wire::{Chat, Messages, Told, WIRES, Wire, each};
use penstock_e2e::{Behaviour, Replay, Script, wait_until};
use serde_json::json;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

const NEW_KEY: &str = "sk-provider-rotated-77";
const OLD: &str = "an answer of the old provider";
const NEW: &str = "an answer of the new provider";

fn provider(wire: Wire, text: &'static str) -> Replay {
    Replay::start(Script::by(move |request, n| match request.wants_stream() {
        true => Behaviour::sse(wire.events(text)).chunk_delay(Duration::from_millis(5 + (n as u64 % 4) * 10)),
        false => wire.plays(text, false).delayed(Duration::from_millis(n as u64 % 5 * 10)),
    }))
}

fn world(wire: Wire, replay: &Replay, note: usize) -> World {
    let mut world = World::new();
    world.pool("main", wire, &replay.url());
    world.pool(&format!("unused-{note}"), wire, &replay.url());
    world.route("bot", &["main"], json!({}));
    world
}

#[test]
fn two_hundred_requests_and_no_failure() {
    let old = provider(Chat, OLD);
    let new = provider(Messages, NEW);
    let gateway = Gateway::start(&world(Chat, &old, 0));

    // Streams that began before the change end with what they began with.
    let slow = Behaviour::sse(Chat.events(&"word ".repeat(60))).chunk_delay(Duration::from_millis(50));
    let long = Replay::start(slow);
    let mut with_long = world(Chat, &old, 0);
    with_long.pool("long", Chat, &long.url());
    with_long.route("long", &["long"], json!({}));
    gateway.reload(&with_long);
    let streams: Vec<_> =
        WIRES.map(|wire| (wire, gateway.ask(wire, "long", true).open().expect("an answer"))).into();

    let done = AtomicBool::new(false);
    let reloads = AtomicUsize::new(0);
    let asked = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // There and back until the traffic is over; the route `long` is gone from now on.
            while !done.load(SeqCst) || reloads.load(SeqCst) < 3 {
                let n = reloads.fetch_add(1, SeqCst) + 1;
                match n % 2 {
                    1 => gateway.reload(&world(Messages, &new, n)),
                    _ => gateway.reload(&world(Chat, &old, n)),
                }
            }
        });
        scope.spawn(|| {
            // 200, and as many more as it takes for three changes to fall between them.
            let mut round = 0;
            while round < 10 || reloads.load(SeqCst) < 4 {
                let requests: Vec<_> = (0..20).map(|n| (WIRES[n % 2], n % 4 < 2)).collect();
                each(&requests, 10, |&(wire, stream)| {
                    asked.fetch_add(1, SeqCst);
                    let answer =
                        gateway.ask(wire, "bot", stream).send().map_err(|error| error.to_string())?;
                    let told = Told::by(wire, &answer);
                    told.is_whole(wire, OLD)
                        .or_else(|_| told.is_whole(wire, NEW))
                        .map_err(|wrong| format!("{wrong} {}", answer.text()))
                });
                round += 1;
            }
            done.store(true, SeqCst);
        });
    });
    for (wire, stream) in streams {
        let (bytes, cut) = stream.rest();
        let told = Told::by_stream(wire, &String::from_utf8_lossy(&bytes));
        assert!(cut.is_none());
        assert_eq!(told.is_whole(wire, &"word ".repeat(60)), Ok(()), "a stream in flight is not touched");
    }
    assert!(!old.requests().is_empty() && !new.requests().is_empty(), "both were in force");
    assert_eq!(gateway.ask(Chat, "long", false).send().expect("an answer").status, 404, "the route is gone");
    // Counters of a target that is gone go with it: what is left has no failure in it.
    let metrics = gateway.settled();
    for outcome in ["upstream_error", "stream_error", "client_disconnect", "panic"] {
        assert_eq!(metrics.sum("penstock_requests_total", &[("outcome", outcome)]), 0.0, "{outcome}");
    }
    assert_eq!(metrics.of("penstock_config_revision_info", &[]).len(), 1);
    eprintln!("{} requests over {} reloads, none failed", asked.into_inner(), reloads.into_inner());
}

#[test]
fn a_rotated_key_is_used_and_the_old_one_is_not() {
    let replay = provider(Chat, NEW);
    let mut before = world(Chat, &replay, 0);
    let gateway = Gateway::start(&before);
    gateway.ask(Chat, "bot", false).send().expect("an answer");
    assert_eq!(replay.take_requests()[0].header("authorization"), format!("Bearer {KEY_ONE}"));
    before = World::with_key(NEW_KEY);
    before.pool("main", Chat, &replay.url());
    before.route("bot", &["main"], json!({}));
    gateway.reload(&before);
    gateway.ask(Chat, "bot", false).send().expect("an answer");
    assert_eq!(replay.take_requests()[0].header("authorization"), format!("Bearer {NEW_KEY}"));
    let logs = gateway.process.logs();
    assert!(!logs.contains(KEY_ONE) && !logs.contains(NEW_KEY), "a key is in the log");
}

#[test]
fn a_broken_manifest_changes_nothing_and_says_why() {
    let replay = provider(Chat, OLD);
    let good = world(Chat, &replay, 0);
    let gateway = Gateway::start(&good);
    for (broken, says) in [
        (good.text().replace("\"pool\":\"main\"", "\"pool\":\"mian\""), "mian"),
        (good.text().replace("\"targets\"", "\"tragets\""), "tragets"),
        ("{ not yaml".to_owned(), "manifest.yaml"),
    ] {
        let mark = gateway.process.mark();
        std::fs::write(&gateway.manifest, broken).expect("a manifest");
        gateway.process.wait_for_line_after(mark, says, SOON);
        gateway.process.wait_for_line_after(mark, "goes on as it last was", SOON);
        for wire in WIRES {
            let answer = gateway.ask(wire, "bot", true).send().expect("an answer");
            assert_eq!(Told::by(wire, &answer).is_whole(wire, OLD), Ok(()));
        }
    }
    gateway.reload(&world(Chat, &replay, 1));
}

#[test]
fn it_stops_when_the_last_answer_is_whole() {
    let slow = Behaviour::sse(Chat.events(&"word ".repeat(20))).chunk_delay(Duration::from_millis(50));
    let replay = Replay::start(slow);
    let mut gateway = Gateway::start(&world(Chat, &replay, 0));
    let stream = gateway.ask(Messages, "bot", true).open().expect("an answer");
    gateway.process.signal("TERM");
    wait_until(SOON, "new connections are refused", || gateway.ask(Chat, "bot", false).send().is_err());
    let (bytes, cut) = stream.rest();
    let told = Told::by_stream(Messages, &String::from_utf8_lossy(&bytes));
    assert!(cut.is_none());
    assert_eq!(told.is_whole(Messages, &"word ".repeat(20)), Ok(()));
    assert!(gateway.process.wait(SOON).success());
}
