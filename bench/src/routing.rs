//! What a routing decision costs by itself: from a request's bytes to the first target, without a socket, with a thousand
//! routes of ten rules loaded. A decision reads the envelope, finds the route, evaluates conditions until one holds, and
//! puts the rule's targets in order.

use std::fmt::Write;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use penstock_config::Snapshot;
use penstock_proxy::{Proxy, Question, Settings, first_target};
use serde_json::{Value, json};

use crate::process::own_rss;
use crate::quantiles::{Samples, Sorted};

const ROUTES: usize = 1_000;
const RULES: usize = 10;
const DECISIONS: usize = 100_000;
const WARM_UP: usize = 1_000;
/// What the issue of this figure asks for.
const TARGET: Duration = Duration::from_micros(20);

/// A kind of request, and what its rule looks at.
struct Row {
    name: &'static str,
    strategy: &'static str,
    /// The condition of the n-th rule.
    when: fn(usize) -> String,
    /// What the request's header says.
    says: usize,
}

const ROWS: [Row; 4] = [
    Row { name: "headers, first rule of ten holds", strategy: "Priority", when: by_header, says: 0 },
    Row { name: "headers, last rule of ten holds", strategy: "Priority", when: by_header, says: RULES - 1 },
    Row {
        name: "length and headers, last rule of ten holds",
        strategy: "Priority",
        when: by_length,
        says: RULES - 1,
    },
    Row { name: "length and headers, LeastCost", strategy: "LeastCost", when: by_length, says: RULES - 1 },
];

fn by_header(n: usize) -> String {
    format!("request.headers[\"x-tier\"] == \"t{n}\"")
}

fn by_length(n: usize) -> String {
    format!("request.promptTokens < 4000 && !request.has.image && request.headers[\"x-tier\"] == \"t{n}\"")
}

/// Prints the table. Never fails for a figure.
pub fn run() -> anyhow::Result<()> {
    // The proxy's clients want one, although nothing is sent.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut out = format!(
        "{ROUTES} routes of {RULES} rules, {DECISIONS} decisions each; target: p99 of {} µs\n\n\
         | decision, request of 1 KiB | p50 | p99 | p99.9 | |\n|---|---|---|---|---|\n",
        TARGET.as_micros()
    );
    for row in &ROWS {
        let proxy = Proxy::new(Settings::default());
        let before = own_rss()?;
        let began = Instant::now();
        proxy.apply(&snapshot(row)?).map_err(|error| anyhow!("{error}"))?;
        let applied = began.elapsed();
        let grown = own_rss()?.saturating_sub(before);
        let times = measure(&proxy, row)?;
        let at = |per_mille| times.quantile(per_mille).unwrap_or_default().as_secs_f64() * 1e6;
        let (p50, p99, p999) = (at(500), at(990), at(999));
        let verdict = if p99 <= TARGET.as_secs_f64() * 1e6 { "met" } else { "MISSED" };
        let name = row.name;
        writeln!(out, "| {name} | {p50:.1} µs | {p99:.1} µs | {p999:.1} µs | {verdict} |")?;
        eprintln!("{name}: applied in {} ms, {} MiB", applied.as_millis(), grown >> 20);
    }
    println!("{out}");
    Ok(())
}

fn measure(proxy: &Arc<Proxy>, row: &Row) -> anyhow::Result<Sorted> {
    let questions: Vec<Question> = (0..64).map(|n| question(n * ROUTES / 64, row.says)).collect();
    let wanted = first_target(proxy, questions.first().context("there are questions")?);
    if wanted.as_deref() != Some("pool/one/model-a") {
        return Err(anyhow!("the decision is {wanted:?}"));
    }
    let mut times = Samples::default();
    for (n, question) in questions.iter().cycle().take(WARM_UP + DECISIONS).enumerate() {
        let began = Instant::now();
        black_box(first_target(proxy, black_box(question)));
        if n >= WARM_UP {
            times.push(began.elapsed());
        }
    }
    Ok(times.sorted())
}

fn question(route: usize, tier: usize) -> Question {
    let text = "What does clause seven of the agreement say about late delivery? ".repeat(13);
    let body = json!({
        "model": format!("bot-{route}"),
        "messages": [
            {"role": "system", "content": "You answer questions about contracts."},
            {"role": "user", "content": text},
        ],
        "max_tokens": 512,
    });
    let mut headers = HeaderMap::new();
    if let Ok(tier) = HeaderValue::from_str(&format!("t{tier}")) {
        headers.insert("x-tier", tier);
    }
    Question { path: "/v1/chat/completions".into(), headers, body: Bytes::from(body.to_string()) }
}

fn snapshot(row: &Row) -> anyhow::Result<Snapshot> {
    let price = |dollars: &str| json!({"price": {"input": dollars, "output": dollars}});
    let target = |model: &str, priority: u32, facts: Value| {
        json!({
            "pool": "ai/pool", "model": model, "priority": priority, "weight": 100,
            "candidates": [{"provider": "one", "upstream": model, "facts": facts}],
        })
    };
    let rules: Vec<Value> = (0..RULES)
        .map(|n| {
            let targets = [target("model-a", 0, price("1.00")), target("model-b", 1, price("2.00"))];
            json!({"name": format!("r{n}"), "when": (row.when)(n), "strategy": row.strategy, "targets": targets})
        })
        .collect();
    let failover = json!({
        "reasons": ["Connect"], "maxAttempts": 3, "connectMs": 1000, "firstTokenMs": 1000, "idleMs": 1000,
        "totalMs": 1000,
    });
    let routes: serde_json::Map<String, Value> = (0..ROUTES)
        .map(|n| {
            let route = json!({"models": [format!("bot-{n}")], "rules": rules, "failover": failover});
            (format!("ai/route-{n}"), route)
        })
        .collect();
    let provider = json!({"name": "one", "type": "Simulated", "endpoint": "", "keys": [], "simulated": {
        "latencyMs": 0, "tokensPerSecond": 0, "errorRate": 0, "error": "Connect",
    }});
    let pool = json!({"health": {"consecutiveFailures": 5, "cooldownMs": 1000}, "providers": [provider]});
    let snapshot = json!({"auth": {"mode": "open"}, "pools": {"ai/pool": pool}, "routes": routes});
    serde_json::from_value(snapshot).context("the snapshot of the benchmark")
}
