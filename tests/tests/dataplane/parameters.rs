//! What a client may ask for beyond a format: `thinking_mode`, `provider_options`; and strict routes.

use crate::gateway::{Gateway, World};
use crate::wire::{Chat, Messages, Wire};
use penstock_e2e::Replay;
use penstock_e2e::client::Answer;
use serde_json::{Value, json};

struct Setting {
    gateway: Gateway,
    claude: Replay,
    openai: Replay,
}

/// Routes `claude` and `gpt`, and `strict-claude`, `strict-gpt` and `strict-both` beside them.
fn setting() -> Setting {
    let claude = Replay::start(Messages.answer("from Claude"));
    let openai = Replay::start(Chat.answer("from GPT"));
    let mut world = World::new();
    world.pool("claude", Messages, &claude.url());
    world.pool("gpt", Chat, &openai.url());
    for (name, pools, policy) in [
        ("claude", &["claude"][..], "Disclose"),
        ("gpt", &["gpt"], "Disclose"),
        ("strict-claude", &["claude"], "Strict"),
        ("strict-gpt", &["gpt"], "Strict"),
        ("strict-both", &["claude", "gpt"], "Strict"),
    ] {
        world.route_with_policy(name, pools, policy);
    }
    Setting { gateway: Gateway::start(&world), claude, openai }
}

impl Setting {
    fn ask(&self, client: Wire, model: &str, more: Value) -> Answer {
        let mut request = client.request(model, false);
        for (name, value) in more.as_object().expect("an object") {
            request[name] = value.clone();
        }
        self.gateway.call(client, &request).send().expect("an answer")
    }
}

fn sent(replay: &Replay) -> Value {
    replay.take_requests().pop().expect("a request").json()
}

#[test]
fn thinking_mode_reaches_claude_and_is_told_where_there_is_none() {
    let it = setting();
    for client in [Chat, Messages] {
        let more = || json!({"thinking_mode": true, "max_tokens": 4000});
        let answer = it.ask(client, "claude", more());
        assert_eq!(answer.status, 200, "{}", answer.text());
        let body = sent(&it.claude);
        assert!(body["thinking"]["type"] == "enabled" && body.get("thinking_mode").is_none(), "{body}");

        let answer = it.ask(client, "gpt", more());
        assert_eq!(answer.status, 200, "{}", answer.text());
        let body = sent(&it.openai);
        assert!(body.get("thinking_mode").is_none() && body.get("reasoning_effort").is_none(), "{body}");
        assert!(
            answer.header("x-penstock-translation").contains("thinking_mode=dropped"),
            "{:?}",
            answer.headers
        );

        let answer = it.ask(client, "strict-gpt", more());
        assert_eq!(answer.status, 400, "{}", answer.text());
        let text = answer.text();
        assert!(text.contains("thinking_mode") && text.contains("OpenAI"), "{text}");
        assert!(it.openai.take_requests().is_empty());
    }
}

#[test]
fn strict_routes_pass_over_and_refuse_what_would_be_dropped() {
    let it = setting();
    // Anthropic has no seed; the next target has.
    let answer = it.ask(Chat, "strict-both", json!({"seed": 7, "max_tokens": 10}));
    assert_eq!((answer.status.as_u16(), answer.header("x-penstock-target")), (200, "gpt/up/m"));
    let answer = it.ask(Chat, "strict-claude", json!({"seed": 7, "max_tokens": 10}));
    assert_eq!(answer.status, 400);
    let error = &answer.json()["error"];
    assert_eq!(error["param"], "seed", "{error}");
    assert!(
        error["message"].as_str().is_some_and(|text| text.contains("Anthropic") && text.contains("Strict")),
        "{error}"
    );
    // What is emulated or clamped is no loss.
    let answer = it.ask(Chat, "strict-claude", json!({}));
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.header("x-penstock-translation").contains("max_tokens=clamped"));
}

#[test]
fn provider_options_reach_their_provider_alone_and_untouched() {
    let it = setting();
    let options = json!({"provider_options": {
        "anthropic": {"container": {"skills": [1, 2]}, "metadata": {"trace": "t"}},
        "openai": {"prediction": {"type": "content", "content": "x"}},
    }});
    for client in [Chat, Messages] {
        assert_eq!(it.ask(client, "claude", options.clone()).status, 200);
        let body = sent(&it.claude);
        assert_eq!(body["container"], json!({"skills": [1, 2]}), "{body}");
        assert_eq!(body["metadata"]["trace"], "t");
        assert!(body.get("prediction").is_none() && body.get("provider_options").is_none(), "{body}");

        assert_eq!(it.ask(client, "gpt", options.clone()).status, 200);
        let body = sent(&it.openai);
        assert_eq!(body["prediction"]["content"], "x", "{body}");
        assert!(body.get("container").is_none() && body.get("provider_options").is_none(), "{body}");
    }
    let answer = it.ask(Chat, "gpt", json!({"provider_options": {"openai": 3}}));
    assert_eq!(answer.status, 400);
    assert_eq!(answer.json()["error"]["param"], "provider_options.openai");
}
