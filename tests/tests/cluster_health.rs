//! Health of targets in the status of routes and pools, on a real API server: true, soon, and without a storm of writes.

mod plane;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering::SeqCst};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use penstock_e2e::metrics::Metrics;
use penstock_e2e::replay::{Replay, Script};
use penstock_e2e::{answers, wait_for};
use plane::{AI, PATIENCE, Plane, condition};
use serde_json::{Value, json};

const ROUTE: &str = "modelroutes.penstock.dev/r";
const POOL: &str = "providerpools.penstock.dev/p";

/// A provider that answers with the status that the test sets; 401 for every key but `sk-2`.
fn provider() -> (Replay, Arc<AtomicU16>) {
    let status = Arc::new(AtomicU16::new(200));
    let good = answers::openai("ok");
    let now = status.clone();
    let replay = Replay::start(Script::by(move |request, n| match now.load(SeqCst) {
        200 => good.behaviour(request, n),
        401 if request.header("authorization") == "Bearer sk-2" => good.behaviour(request, n),
        401 => {
            let quoting = format!("no such key: {}", request.header("authorization"));
            answers::openai_error(401, "invalid_api_key", &quoting)
        }
        other => answers::openai_error(other, "server_error", "down for maintenance"),
    }));
    (replay, status)
}

fn apply(plane: &Plane, upstream: &Replay, cooldown: &str) {
    plane.secret("key", "sk-1");
    let pool = json!({
        "apiVersion": "penstock.dev/v1alpha1", "kind": "ProviderPool",
        "metadata": {"name": "p", "namespace": AI},
        "spec": {
            "providers": [{
                "name": "o", "type": "OpenAI", "endpoint": format!("{}/v1", upstream.url()),
                "auth": {"apiKeys": [{"secretRef": {"name": "key", "key": "api-key"}}]},
            }],
            "health": {"consecutiveFailures": 2, "cooldown": cooldown},
        },
    });
    let route = json!({
        "apiVersion": "penstock.dev/v1alpha1", "kind": "ModelRoute",
        "metadata": {"name": "r", "namespace": AI},
        "spec": {"models": [{"name": "m"}], "rules": [
            {"name": "default", "targets": [{"pool": "p", "model": "gpt-4o"}]},
        ]},
    });
    plane.cluster.apply(&pool.to_string());
    plane.cluster.apply(&route.to_string());
    plane.wait_programmed(ROUTE);
    plane.wait_programmed(POOL);
}

/// Waits until the status is as wanted, and says how long it took.
fn wait_status(plane: &Plane, resource: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let start = Instant::now();
    let status = wait_for(PATIENCE, what, || {
        let status = plane.status(resource);
        if wanted(&status) { Ok(status) } else { Err(status.to_string()) }
    });
    println!("{what}: {:.1} s", start.elapsed().as_secs_f64());
    status
}

fn target_is(health: &str) -> impl Fn(&Value) -> bool {
    move |status| status["targets"][0]["health"] == health
}

fn provider_is(health: &str) -> impl Fn(&Value) -> bool {
    move |status| status["providers"][0]["health"] == health
}

/// Requests to every proxy, ten a second, whatever comes of them.
struct Knocking {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Knocking {
    fn start(plane: &Plane, proxies: impl Iterator<Item = usize>) -> Self {
        let apis: Vec<String> = proxies.map(|i| plane.proxies[i].api.clone()).collect();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            while !stopped.load(SeqCst) {
                for api in &apis {
                    let _ = plane::ask(api, "m", false);
                }
                std::thread::sleep(Duration::from_millis(100));
            }
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Knocking {
    fn drop(&mut self) {
        self.stop.store(true, SeqCst);
        self.thread.take().map(JoinHandle::join);
    }
}

fn status_writes(plane: &Plane) -> f64 {
    let operator = plane.operator.as_ref().expect("an operator");
    let line = operator.wait_for_line("health listening", PATIENCE);
    let address = line.split("address=").nth(1).and_then(|rest| rest.split_whitespace().next());
    let metrics = Metrics::scrape(&format!("http://{}/metrics", address.expect("an address")));
    metrics.sum("penstock_operator_status_writes_total", &[])
}

fn wait_event(plane: &Plane, reason: &str) -> String {
    let selector = format!("--field-selector=reason={reason}");
    wait_for(PATIENCE, reason, || {
        let text = plane.cluster.kubectl_ok(&["get", "events", "-n", AI, &selector, "-o", "json"]);
        let list: Value = serde_json::from_str(&text).expect("JSON");
        match list["items"].as_array().map(Vec::as_slice) {
            Some([event]) => {
                assert_eq!(
                    event["regarding"]["name"].as_str().or(event["involvedObject"]["name"].as_str()),
                    Some("p")
                );
                Ok(event["message"].as_str().unwrap_or_default().to_owned())
            }
            _ => Err(text),
        }
    })
}

#[test]
fn a_provider_fails_and_recovers_and_refuses_a_key() {
    let Some(plane) = Plane::start("health", 2) else { return };
    let (upstream, answers_with) = provider();
    apply(&plane, &upstream, "2s");
    let well = wait_status(&plane, ROUTE, "Healthy at first", target_is("Healthy"));
    assert_eq!(
        well["targets"][0],
        json!({"rule": "default", "pool": "p", "provider": "o", "model": "gpt-4o", "health": "Healthy"})
    );
    let well = wait_status(&plane, POOL, "the pool too", provider_is("Healthy"));
    assert_eq!((&well["providers"][0]["credentials"], &well["healthy"]), (&json!("Valid"), &json!("1/1")));
    let programmed = condition(&plane.status(ROUTE), "Programmed");

    answers_with.store(503, SeqCst);
    let knocking = Knocking::start(&plane, 0..2);
    let ill = wait_status(&plane, ROUTE, "Unavailable in both proxies", target_is("Unavailable"));
    println!("{ill:#}");
    let target = &ill["targets"][0];
    assert_eq!((&target["proxies"], &ill["healthy"]), (&json!("0/2"), &json!("0/1")));
    assert_eq!(target["lastError"]["reason"], "ServerError");
    assert_eq!(target["lastError"]["message"], "down for maintenance");
    for time in [&target["cooldownUntil"], &target["lastError"]["time"]] {
        let time = time.as_str().expect("a time");
        assert!(time.len() == "2026-01-02T03:04:05Z".len() && time.ends_with('Z'), "{time}");
    }
    let ill = wait_status(&plane, POOL, "the pool too", provider_is("Unavailable"));
    println!("{ill:#}");
    let of_pool = &ill["providers"][0];
    assert_eq!((&of_pool["credentials"], &of_pool["models"][0]["name"]), (&json!("Valid"), &json!("gpt-4o")));
    let note = wait_event(&plane, "ProviderUnavailable");
    assert!(note.contains("provider o: ServerError: down for maintenance"), "{note}");
    let table = plane.cluster.kubectl_ok(&["get", "modelroutes,providerpools", "-n", AI]);
    println!("{table}");
    assert_eq!(table.matches(" 0/1 ").count(), 2, "{table}");

    // A breaker with a cooldown of 2 s opens every other second, in each of the two proxies.
    let (writes, start) = (status_writes(&plane), Instant::now());
    std::thread::sleep(Duration::from_secs(40));
    assert!(
        target_is("Unavailable")(&plane.status(ROUTE)) && provider_is("Unavailable")(&plane.status(POOL))
    );
    let writes = status_writes(&plane) - writes;
    println!(
        "status writes in {:.0} s of constant failing, two objects: {writes}",
        start.elapsed().as_secs_f64()
    );
    assert!((1.0..=6.0).contains(&writes), "details come each half minute, and no more: {writes}");
    let now = condition(&plane.status(ROUTE), "Programmed");
    assert_eq!(now, programmed, "health is not what Programmed means");

    answers_with.store(200, SeqCst);
    let well = wait_status(&plane, ROUTE, "Healthy again", target_is("Healthy"));
    assert_eq!((&well["targets"][0]["lastError"], &well["healthy"]), (&Value::Null, &json!("1/1")));
    wait_status(&plane, POOL, "the pool too", provider_is("Healthy"));
    assert_eq!(wait_event(&plane, "ProviderRecovered"), "provider o can be used again");

    answers_with.store(401, SeqCst);
    let refused = wait_status(&plane, POOL, "credentials Refused", |status| {
        status["providers"][0]["credentials"] == "Refused"
    });
    println!("{refused:#}");
    let of_pool = &refused["providers"][0];
    assert_eq!(of_pool["refusedKeys"], json!(["key/api-key"]));
    assert_eq!(
        (&of_pool["health"], &of_pool["lastError"]["reason"]),
        (&json!("Unavailable"), &json!("CredentialsRefused"))
    );
    wait_status(&plane, ROUTE, "the route too", target_is("Unavailable"));
    let note = wait_event(&plane, "CredentialsRefused");
    assert!(note.contains("key/api-key"), "{note}");
    plane.secret("key", "sk-2");
    let rotated = wait_status(&plane, POOL, "Valid after the Secret was changed", |status| {
        status["providers"][0]["credentials"] == "Valid" && provider_is("Healthy")(status)
    });
    assert_eq!(rotated["providers"][0]["refusedKeys"], Value::Null);
    drop(knocking);

    let events = plane.cluster.kubectl_ok(&["get", "events", "-n", AI, "-o", "yaml"]);
    let status = plane.cluster.kubectl_ok(&["get", "modelroutes,providerpools", "-n", AI, "-o", "yaml"]);
    let logs = plane.operator.as_ref().expect("an operator").logs();
    for secret in ["sk-1", "sk-2"] {
        assert!(!(logs.clone() + &events + &status).contains(secret), "{secret} leaked");
    }
}

/// What a proxy said goes with it.
#[test]
fn a_proxy_that_dies_no_longer_counts() {
    let Some(mut plane) = Plane::start("health_dead_proxy", 2) else { return };
    let (upstream, answers_with) = provider();
    apply(&plane, &upstream, "600s");
    wait_status(&plane, ROUTE, "Healthy at first", target_is("Healthy"));
    answers_with.store(503, SeqCst);
    // Only one of them is asked.
    let knocking = Knocking::start(&plane, 1..2);
    let half = wait_status(&plane, ROUTE, "Degraded", target_is("Degraded"));
    assert_eq!(half["targets"][0]["proxies"], "1/2");
    drop(knocking);
    plane.proxies.remove(1).process.kill();
    wait_status(&plane, ROUTE, "Healthy without the dead one", target_is("Healthy"));
    wait_status(&plane, POOL, "the pool too", provider_is("Healthy"));

    // Without any proxy nothing is known; one that comes knows the configuration and has no breaker open.
    plane.proxies.remove(0).process.kill();
    let nobody = wait_status(&plane, ROUTE, "Unknown without proxies", target_is("Unknown"));
    assert_eq!(nobody["healthy"], Value::Null);
    plane.start_proxy("proxy-2");
    wait_status(&plane, ROUTE, "Healthy with a new one", target_is("Healthy"));
}
