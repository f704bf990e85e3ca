//! The circuit breaker: opens, is skipped, lets one probe through, closes.

use crate::gateway::{Gateway, SOON, World};
use crate::wire::{Chat, Messages, Told, WIRES, each, is_error_body};
use penstock_e2e::{Behaviour, End, Replay, wait_until};
use serde_json::json;
use std::time::{Duration, Instant};

const FALLBACK: &str = "an answer of the fallback";
const TEXT: &str = "an answer of the provider";
const COOLDOWN: Duration = Duration::from_millis(1500);
const MARGIN: Duration = Duration::from_millis(50);

struct Setup {
    gateway: Gateway,
    shaky: Replay,
    solid: Replay,
}

fn start(failing: Behaviour) -> Setup {
    let shaky = Replay::start(failing);
    let solid = Replay::start(Messages.answer(FALLBACK));
    let mut world = World::new();
    world.pool("solid", Messages, &solid.url());
    // At once and whole: a slow start is another test's.
    let cooldown = format!("{}ms", COOLDOWN.as_millis());
    world.health = json!({"consecutiveFailures": 2, "cooldown": cooldown, "slowStart": "0s"});
    world.pool("shaky", Chat, &shaky.url());
    world.route("bot", &["shaky", "solid"], json!({}));
    world.route("alone", &["shaky"], json!({}));
    Setup { gateway: Gateway::start(&world), shaky, solid }
}

impl Setup {
    fn state(&self) -> f64 {
        self.gateway.settled().sum("penstock_breaker_state", &[("pool", "default/shaky"), ("provider", "up")])
    }

    fn skipped(&self) -> u64 {
        self.gateway.count("penstock_targets_skipped_total", &[("reason", "breaker_open")])
    }

    /// Asks the route with a fallback and gives the number of attempts.
    fn ask(&self, stream: bool, text: &str) -> String {
        let answer = self.gateway.ask(Chat, "bot", stream).send().expect("an answer");
        assert_eq!(Told::by(Chat, &answer).is_whole(Chat, text), Ok(()), "{}", answer.text());
        answer.header("x-penstock-attempts").to_owned()
    }
}

#[test]
fn opens_skips_probes_and_closes() {
    let setup = start(Behaviour::status(500, "boom"));
    assert_eq!(setup.state(), 0.0);
    assert_eq!(setup.ask(false, FALLBACK), "2");
    assert_eq!(setup.state(), 0.0);
    assert_eq!(setup.ask(true, FALLBACK), "2");
    let opened = Instant::now();
    assert_eq!(setup.state(), 2.0);
    // Open: the provider is not asked, and the client does not notice.
    let mut skips = 0;
    while skips < 20 && opened.elapsed() < COOLDOWN / 3 {
        let before = setup.shaky.requests().len();
        let attempts = setup.ask(skips % 2 == 0, FALLBACK);
        if opened.elapsed() < COOLDOWN {
            assert_eq!((&*attempts, setup.shaky.requests().len()), ("1", before));
            skips += 1;
        }
    }
    assert!(setup.skipped() >= skips);
    // Alone, the client is told when to come back.
    for wire in WIRES {
        let answer = setup.gateway.ask(wire, "alone", false).send().expect("an answer");
        // On a machine that is too busy to be in time this shows nothing.
        if opened.elapsed() < COOLDOWN {
            assert_eq!(answer.status, 503);
            assert!(is_error_body(wire, &answer.json()), "{}", answer.text());
            assert!(["1", "2"].contains(&answer.header("retry-after")), "{:?}", answer.headers);
            assert_eq!(answer.header("x-penstock-attempts"), "0");
        }
    }

    // The probe fails: open again at once.
    std::thread::sleep(COOLDOWN + MARGIN);
    setup.shaky.take_requests();
    assert_eq!(setup.ask(false, FALLBACK), "2");
    assert_eq!((setup.shaky.requests().len(), setup.state()), (1, 2.0));

    // The next one succeeds: closed.
    setup.shaky.set(Chat.answer(TEXT));
    std::thread::sleep(COOLDOWN + MARGIN);
    assert_eq!(setup.ask(true, TEXT), "1");
    assert_eq!(setup.state(), 0.0);
    let before = setup.solid.requests().len();
    for n in 0..4 {
        assert_eq!(setup.ask(n % 2 == 0, TEXT), "1");
    }
    assert_eq!(setup.solid.requests().len(), before);
}

#[test]
fn one_request_probes_and_the_others_do_not_wait_for_it() {
    let setup = start(Behaviour::status(500, "boom"));
    setup.ask(false, FALLBACK);
    setup.ask(false, FALLBACK);
    assert_eq!(setup.state(), 2.0);
    setup.shaky.take_requests();
    // Slow enough for all to come while it runs.
    setup.shaky.set(Behaviour::json(Chat.body(TEXT)).delayed(Duration::from_secs(1)));
    std::thread::sleep(COOLDOWN + MARGIN);
    let answers = std::sync::Mutex::new(Vec::new());
    each(&[(); 12], 12, |()| {
        let answer = setup.gateway.ask(Chat, "bot", false).send().map_err(|error| error.to_string())?;
        answers.lock().expect("unpoisoned").push(Told::by(Chat, &answer).text);
        Ok(())
    });
    let answers = answers.into_inner().expect("unpoisoned");
    let probes = answers.iter().filter(|text| *text == TEXT).count();
    assert_eq!((probes, setup.shaky.requests().len()), (1, 1), "{answers:?}");
    assert_eq!(setup.state(), 0.0);
}

#[test]
fn a_probe_whose_client_leaves_frees_its_place() {
    let setup = start(Behaviour::status(500, "boom"));
    setup.ask(false, FALLBACK);
    setup.ask(false, FALLBACK);
    setup.shaky.take_requests();
    setup.shaky.set(Behaviour::sse(Chat.events(TEXT)).end(End::HangAfter(2)));
    std::thread::sleep(COOLDOWN + MARGIN);
    let mut probe = setup.gateway.ask(Chat, "bot", true).open().expect("an answer");
    assert!(probe.next(SOON).expect("a chunk").is_ok());
    drop(probe);
    wait_until(SOON, "the provider sees the client go", || setup.shaky.cancelled() == 1);
    setup.gateway.settled();
    setup.shaky.set(Chat.answer(TEXT));
    assert_eq!(setup.ask(false, TEXT), "1");
    assert_eq!(setup.state(), 0.0);
}

#[test]
fn streams_that_break_open_it_too_and_a_bad_request_does_not() {
    let cut = Behaviour::sse(Chat.events(TEXT)).end(End::CutAfter(3));
    let setup = start(cut);
    for _ in 0..2 {
        let answer = setup.gateway.ask(Chat, "alone", true).send().expect("an answer");
        assert_eq!(Told::by(Chat, &answer).errors.len(), 1);
    }
    assert_eq!(setup.state(), 2.0);

    for harmless in [
        Chat.error(400, "invalid_request_error", "no"),
        Chat.error(400, "invalid_request_error", "maximum context length is 10"),
    ] {
        let setup = start(harmless);
        for _ in 0..4 {
            assert_eq!(setup.gateway.ask(Chat, "alone", false).send().expect("an answer").status, 400);
        }
        assert_eq!(setup.state(), 0.0);
    }
}
