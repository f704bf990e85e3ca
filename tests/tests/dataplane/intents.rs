//! Rules that ask what a request is about: learned from the route's examples, in every format, and learned once.

use penstock_e2e::client::{Answer, Call};
use serde_json::{Value, json};

use crate::gateway::{Gateway, World};
use crate::wire::Wire;

fn world(threshold: Option<u32>, billing: &[&str]) -> World {
    let mut world = World::new();
    let model =
        |name: &str| json!({"name": name, "type": "Simulated", "models": [{"name": name}], "simulated": {}});
    world.pool_of_many("sim", &["faq", "billing", "unsure", "rest"].map(model));
    let rule = |name: &str, when: Option<&str>| {
        let mut rule = json!({"name": name, "targets": [{"pool": "sim", "model": name}]});
        if let Some(when) = when {
            rule["when"] = json!(when);
        }
        rule
    };
    let mut spec = json!({
        "models": [{"name": "bot"}],
        "intents": {
            "faq": {"examples": [
                "How do I reset my password?", "I cannot log in", "What are your opening hours?",
                "Ich habe mein Passwort vergessen", "我忘记了密码", "怎么重置密码?",
            ]},
            "billing": {"examples": billing},
        },
        "rules": [
            rule("faq", Some("request.intent == 'faq'")),
            rule("billing", Some("request.intent == 'billing'")),
            rule("unsure", Some("request.intent == '' && request.intentScore > 0.3")),
            rule("rest", None),
        ],
    });
    if let Some(threshold) = threshold {
        spec["intentThreshold"] = json!(threshold);
    }
    world.route_of("bot", spec);
    world
}

const BILLING: [&str; 4] = [
    "I was charged twice this month",
    "Where is my invoice?",
    "Why is my bill so high?",
    "Mir wurde doppelt abgebucht",
];

/// The rule that took the request.
fn rule(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.header("x-penstock-target").rsplit('/').next().unwrap_or_default().to_owned()
}

fn ask(gateway: &Gateway, wire: Wire, messages: Value) -> String {
    let mut body = json!({"model": "bot", "messages": messages});
    if wire == Wire::Messages {
        body["max_tokens"] = json!(64);
    }
    rule(&gateway.call(wire, &body).send().expect("an answer"))
}

#[test]
fn a_request_goes_where_its_intent_does() {
    let gateway = Gateway::start(&world(None, &BILLING));
    for wire in [Wire::Chat, Wire::Messages] {
        for (text, want) in [
            ("hi, how can I reset the pasword?", "faq"),
            ("Passwort vergessen!", "faq"),
            ("密码忘了", "faq"),
            ("you charged me twice", "billing"),
            ("Translate good morning into Finnish", "rest"),
            ("???", "rest"),
        ] {
            let got = ask(&gateway, wire, json!([{"role": "user", "content": text}]));
            assert_eq!(got, want, "{text}");
        }
    }
    // What the user said last decides: not the instructions, nor what was asked before, nor what a tool says.
    let call = json!({"id": "c1", "type": "function", "function": {"name": "look_up", "arguments": "{}"}});
    let conversation = json!([
        {"role": "system", "content": "You help people who forgot their password."},
        {"role": "user", "content": "How do I reset my password?"},
        {"role": "assistant", "content": "By the link in the mail."},
        {"role": "user", "content": [{"type": "text", "text": "And why is my bill so high?"}]},
        {"role": "assistant", "content": null, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "I cannot log in. I forgot my password."},
    ]);
    assert_eq!(ask(&gateway, Wire::Chat, conversation), "billing");

    // Other endpoints with a text are asked about the same; embeddings are about nothing.
    for (path, body, want) in [
        ("/v1/responses", json!({"model": "bot", "input": "where is my invoice"}), "billing"),
        ("/v1/completions", json!({"model": "bot", "prompt": "I forgot my password"}), "faq"),
        ("/v1/embeddings", json!({"model": "bot", "input": "I forgot my password"}), "rest"),
    ] {
        let answer = Call::post(&format!("{}{path}", gateway.url), &body).send().expect("an answer");
        let rule = answer.header("x-penstock-target").rsplit('/').next().unwrap_or_default();
        assert_eq!(rule, want, "{path}: {}", answer.text());
    }
}

/// Other examples, another threshold: both are in force at the next request.
#[test]
fn what_is_applied_is_learned() {
    let gateway = Gateway::start(&world(None, &BILLING));
    let say = |text: &str| ask(&gateway, Wire::Chat, json!([{"role": "user", "content": text}]));
    assert_ne!(say("What does the premium plan cost?"), "billing");
    assert_eq!(say("why is the invoice so high"), "billing");

    gateway.reload(&world(None, &[&BILLING[..], &["What does the basic plan cost?"]].concat()));
    assert_eq!(say("What does the premium plan cost?"), "billing");

    // The best guess falls short of the threshold, and its score is there all the same.
    gateway.reload(&world(Some(99), &BILLING));
    assert_eq!(say("why is the invoice so high"), "unsure");
}
