//! A target that asks for time gets it, and one that has recovered gets its requests back slowly.

use crate::gateway::{Gateway, World, pool_of};
use crate::wire::{Chat, Messages, WIRES, Wire, is_error_body};
use penstock_e2e::{Behaviour, Replay};
use serde_json::json;
use std::time::{Duration, Instant};

const ASKS: [(Wire, bool); 4] = [(Chat, false), (Chat, true), (Messages, false), (Messages, true)];

struct Setup {
    gateway: Gateway,
    shaky: Replay,
    _solid: Replay,
}

fn start(slow_start: &str) -> Setup {
    let (shaky, solid) = (Replay::start(Chat.answer("shaky")), Replay::start(Messages.answer("solid")));
    let mut world = World::new();
    world.pool("solid", Messages, &solid.url());
    world.health = json!({"consecutiveFailures": 2, "cooldown": "1s", "slowStart": slow_start});
    world.pool("shaky", Chat, &shaky.url());
    world.route("bot", &["shaky", "solid"], json!({}));
    world.route("alone", &["shaky"], json!({}));
    Setup { gateway: Gateway::start(&world), shaky, _solid: solid }
}

impl Setup {
    fn ask(&self, n: usize) -> (String, String) {
        let (wire, stream) = ASKS[n % 4];
        let answer = self.gateway.ask(wire, "bot", stream).send().expect("an answer");
        (pool_of(&answer), answer.header("x-penstock-attempts").to_owned())
    }

    fn at_shaky(&self, asks: usize) -> usize {
        (0..asks).filter(|n| self.ask(*n).0 == "shaky").count()
    }

    /// Two failures, the cooldown, and a probe that succeeds.
    fn recovers(&self) {
        self.shaky.set(Behaviour::status(500, "boom"));
        assert_eq!(self.at_shaky(2), 0);
        self.shaky.set(Chat.answer("shaky"));
        std::thread::sleep(Duration::from_millis(1_100));
        assert_eq!(self.ask(0).0, "shaky", "the probe");
    }
}

#[test]
fn a_503_with_retry_after_lets_the_target_rest() {
    for status in [503, 529] {
        let setup = start("0s");
        let wait = Chat.error(status, "server_error", "in maintenance").header("retry-after", "3");
        setup.shaky.set(wait);
        let asked = Instant::now();
        assert_eq!(setup.ask(0), ("solid".into(), "2".into()));
        // One failure does not open the breaker: it is the provider's own word that counts.
        let mut skipped = 0;
        while skipped < 10 && asked.elapsed() < Duration::from_secs(2) {
            assert_eq!(setup.ask(skipped), ("solid".into(), "1".into()));
            skipped += 1;
        }
        assert!(skipped > 0, "the machine is too slow for this test");
        assert_eq!(setup.shaky.requests().len(), 1);
        let reason = [("reason", "asked_to_wait"), ("route", "default/bot")];
        assert_eq!(setup.gateway.count("penstock_targets_skipped_total", &reason), skipped as u64);
        for wire in WIRES {
            let answer = setup.gateway.ask(wire, "alone", false).send().expect("an answer");
            // On a machine that is too busy to be in time this shows nothing.
            if asked.elapsed() < Duration::from_secs(3) {
                assert_eq!(answer.status, 503);
                assert!(["1", "2", "3"].contains(&answer.header("retry-after")), "{:?}", answer.headers);
                assert!(is_error_body(wire, &answer.json()), "{}", answer.text());
                assert!(answer.text().contains("asked to be left alone"), "{}", answer.text());
            }
        }
        // When its time is over it is asked again.
        setup.shaky.set(Chat.answer("shaky"));
        std::thread::sleep(Duration::from_millis(3_200).saturating_sub(asked.elapsed()));
        assert_eq!(setup.ask(0), ("shaky".into(), "1".into()));
    }
}

#[test]
fn who_has_recovered_gets_its_requests_back_slowly() {
    let setup = start("10m");
    assert_eq!(setup.at_shaky(20), 20, "one that never failed has them all");
    setup.recovers();
    // A tenth at first: 200 requests take no minute, in which it would grow to a fifth.
    let early = setup.at_shaky(200);
    println!("{early} of 200 right after it has recovered");
    assert!((4..=60).contains(&early), "{early} of 200");
}

#[test]
fn slow_start_ends() {
    let setup = start("2s");
    setup.recovers();
    std::thread::sleep(Duration::from_millis(2_100));
    assert_eq!(setup.at_shaky(20), 20);
}

#[test]
fn without_slow_start_everything_comes_back_at_once() {
    let setup = start("0s");
    setup.recovers();
    assert_eq!(setup.at_shaky(20), 20);
}
