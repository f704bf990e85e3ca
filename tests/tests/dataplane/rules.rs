//! Rules with conditions: the first one that holds takes the request, in every format.

use penstock_e2e::Replay;
use penstock_e2e::client::{Answer, Call};
use serde_json::{Value, json};

use crate::gateway::{Gateway, World};
use crate::wire::Wire;

struct Pools {
    gateway: Gateway,
    /// One for each pool, `a` to `d`.
    upstreams: Vec<Replay>,
}

fn start(rules: &[(&str, Option<&str>, &str)]) -> Pools {
    let mut world = World::new();
    let mut upstreams = vec![];
    for pool in ["a", "b", "c", "d"] {
        let upstream = Replay::start(Wire::Chat.answer(pool));
        world.pool(pool, Wire::Chat, &upstream.url());
        upstreams.push(upstream);
    }
    world.route_by_rules("bot", rules);
    Pools { gateway: Gateway::start(&world), upstreams }
}

fn target(answer: &Answer) -> &str {
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.header("x-penstock-target").split('/').next().unwrap_or_default()
}

#[test]
fn the_first_rule_that_holds_takes_the_request() {
    let pools = start(&[
        ("receipts", Some("request.has.pdf"), "a"),
        ("tools", Some("request.tools.exists(t, t.startsWith('mcp_'))"), "b"),
        ("faq", Some("request.promptTokens < 100 && request.headers['x-tier'] != 'gold'"), "c"),
        ("default", None, "d"),
    ]);
    let ask = |wire: Wire, body: Value, tier: &str| {
        pools.gateway.call(wire, &body).header("x-tier", tier).send().expect("an answer")
    };
    let chat = |content: Value| json!({"model": "bot", "messages": [{"role": "user", "content": content}]});
    let pdf = json!([{"type": "file", "file": {"filename": "r.pdf", "file_data": "data:application/pdf;base64,JVBERi0xLjQK"}}]);
    assert_eq!(target(&ask(Wire::Chat, chat(pdf), "gold")), "a");
    let document = json!({"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0xLjQK"}});
    let of_anthropic =
        json!({"model": "bot", "max_tokens": 9, "messages": [{"role": "user", "content": [document]}]});
    assert_eq!(target(&ask(Wire::Messages, of_anthropic, "gold")), "a");

    let mut with_tools = chat(json!("hi"));
    with_tools["tools"] = json!([{"type": "function", "function": {"name": "mcp_search"}}]);
    assert_eq!(target(&ask(Wire::Chat, with_tools, "silver")), "b");
    assert_eq!(target(&ask(Wire::Chat, chat(json!("hi")), "silver")), "c");
    assert_eq!(target(&ask(Wire::Chat, chat(json!("hi")), "gold")), "d");
    assert_eq!(target(&ask(Wire::Chat, chat(json!("word ".repeat(300))), "silver")), "d");

    // Streams are chosen for like any other, and the metrics know the rule.
    let mut streamed = chat(json!("hi"));
    streamed["stream"] = json!(true);
    assert_eq!(target(&ask(Wire::Chat, streamed, "silver")), "c");
    let metrics = pools.gateway.settled();
    for (rule, asked) in [("receipts", 2.0), ("tools", 1.0), ("faq", 2.0), ("default", 2.0)] {
        assert_eq!(
            metrics.sum("penstock_requests_total", &[("rule", rule), ("outcome", "success")]),
            asked,
            "{rule}"
        );
    }
    assert_eq!(pools.upstreams[0].requests().len(), 2);
}

#[test]
fn a_condition_without_a_value_goes_on_to_the_next_rule() {
    let pools = start(&[
        ("level", Some("int(request.headers['x-level']) > 3"), "a"),
        ("last-tool", Some("request.tools[0] == 'search'"), "b"),
        ("default", None, "c"),
    ]);
    let ask = |level: &str| {
        pools.gateway.ask(Wire::Chat, "bot", false).header("x-level", level).send().expect("an answer")
    };
    assert_eq!(target(&ask("7")), "a");
    assert_eq!(target(&ask("high")), "c");
    let metrics = pools.gateway.settled();
    for (rule, failed) in [("level", 1.0), ("last-tool", 1.0)] {
        assert_eq!(
            metrics.sum("penstock_rule_errors_total", &[("route", "default/bot"), ("rule", rule)]),
            failed
        );
    }
}

#[test]
fn a_request_that_no_rule_takes_is_told_why() {
    let pools = start(&[
        ("pdf", Some("request.has.pdf"), "a"),
        ("level", Some("int(request.headers['x-level']) > 3"), "b"),
    ]);
    for wire in [Wire::Chat, Wire::Messages] {
        let answer = pools.gateway.ask(wire, "bot", true).send().expect("an answer");
        assert_eq!(answer.status, 404);
        assert_eq!(answer.header("x-penstock-route"), "default/bot");
        let body: Value = answer.json();
        let message = body["error"]["message"].as_str().unwrap_or_default();
        assert!(
            message.contains("default/bot")
                && message.contains("`pdf` does not hold")
                && message.contains("`` is no number"),
            "{body}"
        );
    }
    let metrics = pools.gateway.settled();
    assert_eq!(metrics.sum("penstock_requests_total", &[("outcome", "client_error"), ("rule", "")]), 2.0);
    assert!(pools.upstreams.iter().all(|upstream| upstream.requests().is_empty()));
}

/// A condition that asks for what stands in the body needs one that can be read; others pass it on as it is.
#[test]
fn a_body_that_cannot_be_read_is_a_400_where_a_rule_looks_into_it() {
    let looks = start(&[("pdf", Some("request.has.pdf"), "a"), ("default", None, "b")]);
    let passes = start(&[("stream", Some("request.stream"), "a"), ("default", None, "b")]);
    let body = json!({"model": "bot", "messages": "not a list"});
    let ask = |pools: &Pools| {
        let url = format!("{}/v1/chat/completions", pools.gateway.url);
        Call::post(&url, &body).send().expect("an answer")
    };
    let answer = ask(&looks);
    assert_eq!(answer.status, 400);
    assert_eq!(answer.json()["error"]["param"], "messages", "{}", answer.text());
    assert_eq!(target(&ask(&passes)), "b");
}

#[test]
fn embeddings_meet_rules_too() {
    let pools = start(&[
        ("long", Some("request.promptTokens > 50"), "a"),
        ("embeddings", Some("request.endpoint == '/v1/embeddings'"), "b"),
        ("default", None, "c"),
    ]);
    let url = format!("{}/v1/embeddings", pools.gateway.url);
    for (input, index) in [("word ".repeat(100), 0), ("word".to_owned(), 1)] {
        let _ = Call::post(&url, &json!({"model": "bot", "input": input})).send();
        assert!(!pools.upstreams[index].requests().is_empty(), "pool {index} was not asked");
    }
    assert!(pools.upstreams[2].requests().is_empty());
}
