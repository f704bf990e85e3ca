//! Weighted arms that requests stay at: by user, by a header, by conversation.

use crate::gateway::{Gateway, World, pool_of};
use crate::wire::{Chat, Messages, WIRES, Wire, each};
use penstock_e2e::{Behaviour, Replay};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Mutex;

const WHO: usize = 150;

struct Arms {
    world: World,
    a: Replay,
    _b: Replay,
}

/// Arm `a` is for 70 of 100.
fn arms(sticky: Value) -> Arms {
    let (a, b) = (Replay::start(Chat.answer("a")), Replay::start(Messages.answer("b")));
    let mut world = World::new();
    world.pool("a", Chat, &a.url());
    world.pool("b", Messages, &b.url());
    let targets =
        json!([{"pool": "a", "model": "m", "weight": 70}, {"pool": "b", "model": "m", "weight": 30}]);
    let mut rule = json!({"strategy": "Weighted", "targets": targets});
    if !sticky.is_null() {
        rule["sticky"] = sticky;
    }
    world.route_by_rule("bot", rule, json!({}));
    Arms { world, a, _b: b }
}

/// The arm of each of them, turn after turn and through a restart of the gateway: always the same one.
fn arm_of_each(arms: &Arms, ask: impl Fn(&Gateway, usize, usize) -> String + Sync) -> HashMap<usize, String> {
    let found: Mutex<HashMap<usize, String>> = Mutex::default();
    for start in 0..2 {
        let gateway = Gateway::start(&arms.world);
        each(&(0..WHO).collect::<Vec<_>>(), 8, |&who| {
            for turn in 0..4 {
                let arm = ask(&gateway, who, turn);
                let mut found = found.lock().expect("unpoisoned");
                let first = found.entry(who).or_insert_with(|| arm.clone());
                if *first != arm {
                    return Err(format!("{who} in turn {turn} of start {start}: {first} became {arm}"));
                }
            }
            Ok(())
        });
    }
    let found = found.into_inner().expect("unpoisoned");
    let at_a = found.values().filter(|arm| *arm == "a").count();
    println!("{at_a} of {WHO} are at the arm with 70 %");
    assert!((WHO * 60 / 100..=WHO * 80 / 100).contains(&at_a), "{at_a} of {WHO}");
    found
}

/// Each turn in another way to ask.
fn way(turn: usize) -> (Wire, bool) {
    (WIRES[turn % 2], turn / 2 == 1)
}

#[test]
fn a_user_stays_at_one_arm_in_every_format() {
    let arms = arms(json!({"by": "User"}));
    let ask = |gateway: &Gateway, who: usize, turn: usize| {
        let (wire, stream) = way(turn);
        let mut request = wire.request("bot", stream);
        match wire {
            Chat => request["user"] = json!(format!("user-{who}")),
            Messages => request["metadata"] = json!({"user_id": format!("user-{who}")}),
        }
        pool_of(&gateway.call(wire, &request).send().expect("an answer"))
    };
    let found = arm_of_each(&arms, ask);

    // Its arm fails: the other one serves the user, and it comes back when the arm does.
    let gateway = Gateway::start(&arms.world);
    let who = *found.iter().find(|(_, arm)| *arm == "a").expect("somebody at a").0;
    arms.a.set(Behaviour::status(500, ""));
    assert_eq!(ask(&gateway, who, 0), "b");
    arms.a.set(Chat.answer("a"));
    assert_eq!(ask(&gateway, who, 0), "a");
    // Whoever has no name draws anew each time.
    let drawn: Vec<_> =
        (0..60).map(|_| pool_of(&gateway.ask(Chat, "bot", false).send().expect("an answer"))).collect();
    assert!(drawn.contains(&"a".to_owned()) && drawn.contains(&"b".to_owned()), "{drawn:?}");
}

#[test]
fn a_header_keeps_requests_at_one_arm() {
    let arms = arms(json!({"by": "Header", "header": "x-session"}));
    let found = arm_of_each(&arms, |gateway, who, turn| {
        let (wire, stream) = way(turn);
        let call = gateway.ask(wire, "bot", stream).header("x-session", &format!("session-{who}"));
        pool_of(&call.send().expect("an answer"))
    });
    assert_eq!(found.len(), WHO);
}

#[test]
fn a_conversation_stays_at_one_arm_while_it_grows() {
    let arms = arms(json!({"by": "Conversation"}));
    let found = arm_of_each(&arms, |gateway, who, turn| {
        let (wire, stream) = way(turn);
        let mut request = wire.request("bot", stream);
        let mut messages = vec![json!({"role": "user", "content": format!("Question {who}")})];
        for n in 0..turn {
            messages.push(json!({"role": "assistant", "content": format!("Answer {n}")}));
            messages.push(json!({"role": "user", "content": format!("And then? {n}")}));
        }
        match wire {
            Chat => messages.insert(0, json!({"role": "system", "content": "Be brief."})),
            Messages => request["system"] = json!("Be brief."),
        }
        request["messages"] = json!(messages);
        pool_of(&gateway.call(wire, &request).send().expect("an answer"))
    });
    assert_eq!(found.len(), WHO);
}

#[test]
fn without_sticky_each_request_draws_anew() {
    let arms = arms(Value::Null);
    let gateway = Gateway::start(&arms.world);
    let found = Mutex::new(Vec::new());
    each(&[(); 300], 8, |()| {
        let mut request = Chat.request("bot", false);
        request["user"] = json!("always the same");
        let answer = gateway.call(Chat, &request).send().map_err(|error| error.to_string())?;
        found.lock().expect("unpoisoned").push(pool_of(&answer));
        Ok(())
    });
    let found = found.into_inner().expect("unpoisoned");
    let at_a = found.iter().filter(|pool| *pool == "a").count();
    println!("{at_a} of 300 drew the arm with 70 %");
    // Five standard deviations.
    assert!((170..=250).contains(&at_a), "{at_a} of 300");
}
