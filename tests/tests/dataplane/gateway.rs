//! `penstock up` as a process, and the manifests it serves.

use crate::wire::Wire;
use penstock_e2e::client::{Answer, Call};
use penstock_e2e::metrics::Metrics;
use penstock_e2e::{Proc, cargo_bins, wait_until};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;

/// For what happens at once, on a machine that is busy with other things.
pub const SOON: Duration = Duration::from_secs(30);

/// The values of the Secret `keys`, entries `one` and `two`.
pub const KEY_ONE: &str = "sk-provider-one-0123456789";
pub const KEY_TWO: &str = "sk-provider-two-0123456789";

/// The model as routes name it, and as each provider is asked for it.
pub const CHAT_MODEL: &str = "gpt-4o";
pub const MESSAGES_MODEL: &str = "claude-sonnet-4-5";

/// The pool whose target answered.
pub fn pool_of(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.header("x-penstock-target").split('/').next().unwrap_or_default().to_owned()
}

/// Manifests.
#[derive(Clone)]
pub struct World {
    objects: Vec<Value>,
    /// Of the pools that follow: failures in a row that open the breaker, and its cooldown.
    pub health: Value,
}

impl World {
    pub fn new() -> Self {
        Self::with_key(KEY_ONE)
    }

    /// With another value of the key `one`.
    pub fn with_key(one: &str) -> Self {
        let mut world =
            Self { objects: vec![], health: json!({"consecutiveFailures": 100, "cooldown": "30s"}) };
        world.secret("keys", &[("one", one), ("two", KEY_TWO)]);
        world
    }

    fn object(&mut self, api: &str, kind: &str, name: &str, member: &str, value: Value) {
        let metadata = json!({"name": name, "namespace": "default"});
        self.objects.push(json!({"apiVersion": api, "kind": kind, "metadata": metadata, member: value}));
    }

    pub fn secret(&mut self, name: &str, entries: &[(&str, &str)]) {
        let entries: Value =
            entries.iter().map(|&(key, value)| (key.to_owned(), Value::from(value))).collect();
        self.object("v1", "Secret", name, "stringData", entries);
    }

    /// A pool of this name with one provider, `up`, that serves the model `m`.
    pub fn pool(&mut self, name: &str, wire: Wire, endpoint: &str) {
        self.pool_with(name, wire, endpoint, &["one"]);
    }

    /// The same with these keys, all of one weight.
    pub fn pool_with(&mut self, name: &str, wire: Wire, endpoint: &str, keys: &[&str]) {
        let keys: Vec<_> =
            keys.iter().map(|key| json!({"secretRef": {"name": "keys", "key": key}})).collect();
        let mut provider = Self::provider(wire, endpoint);
        provider["auth"]["apiKeys"] = json!(keys);
        self.pool_of(name, provider);
    }

    /// The provider `up` with the key `one`, which serves the model `m`.
    pub fn provider(wire: Wire, endpoint: &str) -> Value {
        let (kind, upstream) = match wire {
            Wire::Chat => ("OpenAI", CHAT_MODEL),
            Wire::Messages => ("Anthropic", MESSAGES_MODEL),
        };
        json!({
            "name": "up", "type": kind, "endpoint": endpoint,
            "auth": {"apiKeys": [{"secretRef": {"name": "keys", "key": "one"}}]},
            "models": [{"name": "m", "upstream": upstream}],
        })
    }

    pub fn pool_of(&mut self, name: &str, provider: Value) {
        self.pool_of_many(name, &[provider]);
    }

    pub fn pool_of_many(&mut self, name: &str, providers: &[Value]) {
        let spec = json!({"providers": providers, "health": self.health});
        self.object("penstock.dev/v1alpha1", "ProviderPool", name, "spec", spec);
    }

    /// A route for the model of the same name to the model `m` of these pools, one after the other.
    pub fn route(&mut self, name: &str, pools: &[&str], failover: Value) {
        let target =
            |(priority, pool): (usize, &&str)| json!({"pool": pool, "model": "m", "priority": priority});
        let targets: Vec<_> = pools.iter().enumerate().map(target).collect();
        let spec = json!({
            "models": [{"name": name}],
            "rules": [{"name": "all", "targets": targets}],
            "failover": failover,
        });
        self.object("penstock.dev/v1alpha1", "ModelRoute", name, "spec", spec);
    }

    /// A route for the model of this name with one rule, `all`.
    pub fn route_by_rule(&mut self, name: &str, mut rule: Value, failover: Value) {
        rule["name"] = json!("all");
        self.route_of(name, json!({"models": [{"name": name}], "rules": [rule], "failover": failover}));
    }

    /// A route for the model of this name with these rules: name, condition where it has one, and the pool whose model
    /// `m` answers.
    pub fn route_by_rules(&mut self, name: &str, rules: &[(&str, Option<&str>, &str)]) {
        let rules: Vec<_> = rules
            .iter()
            .map(|(name, when, pool)| {
                let mut rule = json!({"name": name, "targets": [{"pool": pool, "model": "m"}]});
                if let Some(when) = when {
                    rule["when"] = json!(when);
                }
                rule
            })
            .collect();
        let spec = json!({"models": [{"name": name}], "rules": rules});
        self.object("penstock.dev/v1alpha1", "ModelRoute", name, "spec", spec);
    }

    /// The same with these hooks.
    pub fn route_with_hooks(&mut self, name: &str, rules: &[(&str, Option<&str>, &str)], hooks: &[Value]) {
        self.route_by_rules(name, rules);
        let route = self.objects.last_mut().expect("the route");
        route["spec"]["hooks"] = json!(hooks);
    }

    /// A route that is written out.
    pub fn route_of(&mut self, name: &str, spec: Value) {
        self.object("penstock.dev/v1alpha1", "ModelRoute", name, "spec", spec);
    }

    /// The same with this `parameterPolicy`.
    pub fn route_with_policy(&mut self, name: &str, pools: &[&str], policy: &str) {
        self.route(name, pools, json!({}));
        let route = self.objects.last_mut().expect("the route");
        route["spec"]["parameterPolicy"] = json!(policy);
    }

    pub fn remove_route(&mut self, name: &str) {
        self.objects.retain(|object| object["kind"] != "ModelRoute" || object["metadata"]["name"] != name);
    }

    /// A route for one model name to the model `m` of one pool.
    pub fn route_named(&mut self, name: &str, model: &str, pool: &str) {
        let spec = json!({
            "models": [{"name": model}],
            "rules": [{"name": "all", "targets": [{"pool": pool, "model": "m"}]}],
        });
        self.object("penstock.dev/v1alpha1", "ModelRoute", name, "spec", spec);
    }

    pub fn text(&self) -> String {
        json!({"apiVersion": "v1", "kind": "List", "items": self.objects}).to_string()
    }
}

/// A gateway that serves manifests until it is dropped.
pub struct Gateway {
    pub process: Proc,
    /// `http://127.0.0.1:<port>`
    pub url: String,
    metrics: String,
    pub manifest: PathBuf,
    _dir: TempDir,
}

impl Gateway {
    pub fn start(world: &World) -> Self {
        Self::start_with(world, &[])
    }

    pub fn start_with(world: &World, arguments: &[&str]) -> Self {
        Self::start_as(world, arguments, &[])
    }

    pub fn start_with_env(world: &World, env: &[(&str, &str)]) -> Self {
        Self::start_as(world, &[], env)
    }

    fn start_as(world: &World, arguments: &[&str], env: &[(&str, &str)]) -> Self {
        Self::start_on(&world.text(), arguments, env)
    }

    /// On manifests as they are.
    pub fn start_on(manifests: &str, arguments: &[&str], env: &[(&str, &str)]) -> Self {
        let gateway = Self::start_with_problems(manifests, arguments, env);
        let logs = gateway.process.logs();
        assert!(!logs.contains("error:"), "the manifests of this test have problems:\n{logs}");
        gateway
    }

    /// On manifests that have problems.
    pub fn start_with_problems(manifests: &str, arguments: &[&str], env: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let manifest = dir.path().join("manifest.yaml");
        std::fs::write(&manifest, manifests).expect("a manifest");
        let mut all = vec!["up", "-f", manifest.to_str().expect("a UTF-8 path")];
        all.extend(["--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"]);
        all.extend(arguments);
        // At debug, so that tests can look for what must not be in a log.
        let env = [("RUST_LOG", "penstock=debug,warn")].into_iter().chain(env.iter().copied());
        let process = Proc::spawn("penstock up", &cargo_bins().penstock, all, env);
        let url = |part: &str| {
            // Hundreds of objects take a while to be checked in a build for tests.
            let line = process.wait_for_line(part, 4 * SOON);
            let at = line.find("http://").expect("a URL");
            line[at..].trim().to_owned()
        };
        let (api, metrics) = (url("listening on"), url("metrics  "));
        Self { process, url: api, metrics, manifest, _dir: dir }
    }

    /// Replaces the manifests and waits until they are served.
    pub fn reload(&self, world: &World) {
        let mark = self.process.mark();
        let beside = self.manifest.with_extension("new");
        std::fs::write(&beside, world.text()).expect("a manifest");
        std::fs::rename(&beside, &self.manifest).expect("a manifest");
        self.process.wait_for_line_after(mark, "reloaded", SOON);
    }

    pub fn call(&self, wire: Wire, request: &Value) -> Call {
        Call::post(&format!("{}{}", self.url, wire.path()), request)
    }

    /// Asks the route `model` in the simplest way.
    pub fn ask(&self, wire: Wire, model: &str, stream: bool) -> Call {
        self.call(wire, &wire.request(model, stream))
    }

    /// `http://127.0.0.1:<port>` of the admin port.
    pub fn admin(&self) -> String {
        self.metrics.trim_end_matches("/metrics").to_owned()
    }

    pub fn metrics(&self) -> Metrics {
        Metrics::scrape(&self.metrics)
    }

    /// The sum of a counter over the samples with these labels. Metrics are settled a moment after the client has
    /// its answer: wait for the last request with `settled` first.
    pub fn count(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        self.metrics().sum(name, labels) as u64
    }

    /// Waits until no request is in flight.
    pub fn settled(&self) -> Metrics {
        let mut last = Metrics::default();
        wait_until(SOON, "no request in flight", || {
            last = self.metrics();
            last.sum("penstock_requests_in_flight", &[]) == 0.0
        });
        last
    }
}
