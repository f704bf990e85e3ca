//! The whole product on a real API server: chart, operator and proxies as processes.

#![allow(dead_code)] // Each test binary uses its own part.

use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread::JoinHandle;
use std::time::Duration;

use penstock_e2e::client::Call;
use penstock_e2e::cluster::{Cluster, Level};
use penstock_e2e::metrics::Metrics;
use penstock_e2e::process::{Proc, cargo_bins};
use penstock_e2e::{wait_for, wait_until, workspace_root};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Namespace of operator and proxies.
pub const SYSTEM: &str = "penstock";
/// The ConfigMap that adds to the catalogue; most tests have none of this name.
pub const CATALOGUE: &str = "penstock-catalogue";
/// Namespace of pools and routes.
pub const AI: &str = "ai";
/// Generous: a loaded CI machine is slow, and nothing here measures speed.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub struct Plane {
    pub proxies: Vec<ProxyProc>,
    pub operator: Option<Proc>,
    push_port: u16,
    folder: TempDir,
    pub cluster: Cluster,
}

pub struct ProxyProc {
    pub name: String,
    pub process: Proc,
    pub api: String,
    pub admin: String,
}

impl Plane {
    /// A cluster with the chart installed (its RBAC is what the operator runs under), an operator and proxies.
    pub fn start(test: &str, proxies: usize) -> Option<Self> {
        let mut plane = Self::without_processes(test)?;
        plane.start_operator();
        plane.fetch_ca();
        for i in 0..proxies {
            plane.start_proxy(&format!("proxy-{i}"));
        }
        Some(plane)
    }

    /// The cluster and the chart alone.
    pub fn without_processes(test: &str) -> Option<Self> {
        let cluster = Cluster::start(Level::Api, test)?;
        // The chart makes a Role in it.
        cluster.kubectl_ok(&["create", "namespace", AI]);
        let chart = workspace_root().join("charts/penstock");
        let installed = cluster.helm(&[
            "install",
            "penstock",
            &chart.display().to_string(),
            "--namespace",
            SYSTEM,
            "--create-namespace",
            "--set",
            "clientAuth.allowAnonymous=true",
            "--set",
            "secrets.namespaces={ai}",
            "--set",
            &format!("catalogue.configMap={CATALOGUE}"),
        ]);
        if !installed.ok {
            panic!("helm install: {}", installed.stderr);
        }
        let folder = tempfile::tempdir().expect("a folder");
        let plane = Self { proxies: vec![], operator: None, push_port: free_port(), folder, cluster };
        plane.write_operator_kubeconfig();
        let audience = ["--audience", "penstock-operator", "--duration", "1h"];
        let token = plane.token("penstock-proxy", &audience);
        plane.with_token(&token);
        Some(plane)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Proxies that start from now on present this one.
    pub fn with_token(&self, token: &str) {
        std::fs::write(self.file("token"), token).expect("a token file");
    }

    fn token(&self, account: &str, more: &[&str]) -> String {
        let args = [&["create", "token", account, "-n", SYSTEM][..], more].concat();
        self.cluster.kubectl_ok(&args).trim().to_owned()
    }

    /// The operator has its ServiceAccount's rights and no more.
    fn write_operator_kubeconfig(&self) {
        let text = self.cluster.kubectl_ok(&["config", "view", "--raw", "-o", "json"]);
        let mut config: Value = serde_json::from_str(&text).expect("a kubeconfig");
        let token = self.token("penstock-operator", &["--duration", "1h"]);
        for user in config["users"].as_array_mut().expect("users") {
            user["user"] = json!({"token": token});
        }
        std::fs::write(self.file("operator.kubeconfig"), config.to_string()).expect("a kubeconfig");
    }

    pub fn start_operator(&mut self) {
        let args: Vec<String> = [
            format!("--push-listen=127.0.0.1:{}", self.push_port),
            "--push-hostname=127.0.0.1".into(),
            "--health-listen=127.0.0.1:0".into(),
            format!("--ca-secret={SYSTEM}/penstock-ca"),
            format!("--ca-configmap={SYSTEM}/penstock-ca"),
            format!("--proxy-service-account={SYSTEM}/penstock-proxy"),
            format!("--catalogue-configmap={SYSTEM}/{CATALOGUE}"),
            "--allow-anonymous".into(),
            "--proxy-lost-grace=5s".into(),
        ]
        .into();
        let env = [
            ("KUBECONFIG", self.file("operator.kubeconfig").display().to_string()),
            ("RUST_LOG", "info,penstock_operator=debug".into()),
        ];
        let operator = Proc::spawn("operator", &cargo_bins().operator, args, env);
        operator.wait_for_line("push listening", PATIENCE);
        self.operator = Some(operator);
    }

    pub fn fetch_ca(&self) {
        let get = ["get", "configmap", "penstock-ca", "-n", SYSTEM, "-o", "jsonpath={.data.ca\\.crt}"];
        let pem = wait_for(PATIENCE, "the operator's CA", || {
            let output = self.cluster.kubectl(&get);
            if output.ok && !output.stdout.is_empty() { Ok(output.stdout) } else { Err(output.stderr) }
        });
        std::fs::write(self.file("ca.crt"), pem).expect("a CA file");
    }

    pub fn start_proxy(&mut self, name: &str) -> &ProxyProc {
        let args: Vec<String> = [
            "--listen=127.0.0.1:0".into(),
            "--admin-listen=127.0.0.1:0".into(),
            format!("--operator=https://127.0.0.1:{}", self.push_port),
            format!("--operator-ca-file={}", self.file("ca.crt").display()),
            format!("--token-file={}", self.file("token").display()),
            format!("--state-dir={}", self.file(&format!("state-{name}")).display()),
            format!("--proxy-id={name}"),
            "--drain-delay=200ms".into(),
        ]
        .into();
        let env = [("RUST_LOG", "info,penstock_proxy=debug"), ("NO_COLOR", "1")];
        let process = Proc::spawn(name, &cargo_bins().proxy, args, env);
        let line = process.wait_for_line(" listening", PATIENCE);
        let address = |key: &str| {
            let at =
                line.find(&format!("{key}=")).unwrap_or_else(|| panic!("no {key} in {line}")) + key.len() + 1;
            format!("http://{}", line[at..].split_whitespace().next().expect("an address"))
        };
        let (api, admin) = (address("api"), address("admin"));
        self.proxies.push(ProxyProc { name: name.into(), process, api, admin });
        self.proxies.last().expect("just pushed")
    }

    /// `kubectl wait --for=condition=Programmed`, as a user does it.
    pub fn wait_programmed(&self, resource: &str) {
        let timeout = format!("--timeout={}s", PATIENCE.as_secs());
        let output =
            self.cluster.kubectl(&["wait", "-n", AI, "--for=condition=Programmed", resource, &timeout]);
        assert!(output.ok, "{resource}: {}\n{}", output.stderr, self.status(resource));
    }

    pub fn status(&self, resource: &str) -> Value {
        let object = self.cluster.kubectl_ok(&["get", "-n", AI, resource, "-o", "json"]);
        serde_json::from_str::<Value>(&object).expect("JSON")["status"].clone()
    }

    /// Waits until a condition of the object's present generation has this status; returns the condition.
    pub fn wait_condition(&self, resource: &str, kind: &str, status: &str) -> Value {
        wait_for(PATIENCE, &format!("{resource} {kind}={status}"), || {
            let text = self.cluster.kubectl_ok(&["get", "-n", AI, resource, "-o", "json"]);
            let object: Value = serde_json::from_str(&text).expect("JSON");
            let found = condition(&object["status"], kind);
            if found["status"] == status && found["observedGeneration"] == object["metadata"]["generation"] {
                Ok(found)
            } else {
                Err(object["status"].to_string())
            }
        })
    }

    pub fn secret(&self, name: &str, key: &str) {
        self.cluster.apply(
            &json!({
                "apiVersion": "v1", "kind": "Secret",
                "metadata": {"name": name, "namespace": AI}, "stringData": {"api-key": key},
            })
            .to_string(),
        );
    }
}

pub fn condition(status: &Value, kind: &str) -> Value {
    let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
    conditions.into_iter().find(|condition| condition["type"] == kind).unwrap_or_default()
}

impl ProxyProc {
    pub fn metrics(&self) -> Metrics {
        Metrics::scrape(&format!("{}/metrics", self.admin))
    }

    pub fn ask(
        &self,
        model: &str,
        stream: bool,
    ) -> Result<penstock_e2e::client::Answer, penstock_e2e::client::Error> {
        ask(&self.api, model, stream)
    }

    pub fn wait_serving(&self, model: &str) {
        wait_until(PATIENCE, &format!("{} serves {model}", self.name), || {
            self.ask(model, false).is_ok_and(|answer| answer.status == 200)
        });
    }
}

pub fn ask(
    api: &str,
    model: &str,
    stream: bool,
) -> Result<penstock_e2e::client::Answer, penstock_e2e::client::Error> {
    let body = json!({"model": model, "stream": stream, "messages": [{"role": "user", "content": "hello"}]});
    Call::post(&format!("{api}/v1/chat/completions"), &body).send()
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port()
}

/// Requests without pause, streamed and not in turn, until it is stopped.
pub struct Traffic {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicUsize>,
    threads: Vec<JoinHandle<Vec<String>>>,
}

impl Traffic {
    /// Two clients for each address.
    pub fn start(apis: &[String], model: &str) -> Self {
        let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let threads = apis.iter().chain(apis).enumerate().map(|(i, api)| {
            let (stop, sent, api, model) = (stop.clone(), sent.clone(), api.clone(), model.to_owned());
            std::thread::spawn(move || {
                let mut failures = vec![];
                let mut n = i;
                while !stop.load(SeqCst) {
                    let stream = n % 2 == 0;
                    n += 1;
                    match ask(&api, &model, stream) {
                        Ok(answer)
                            if answer.status == 200 && (!stream || answer.text().contains("[DONE]")) => {}
                        Ok(answer) => failures.push(format!("{} {}", answer.status, answer.text())),
                        Err(error) => failures.push(error.to_string()),
                    }
                    sent.fetch_add(1, SeqCst);
                    std::thread::sleep(Duration::from_millis(3));
                }
                failures
            })
        });
        Self { threads: threads.collect(), stop, sent }
    }

    /// Lets so many more requests go by.
    pub fn pass(&self, more: usize) {
        let until = self.sent.load(SeqCst) + more;
        wait_until(PATIENCE, "traffic to flow", || self.sent.load(SeqCst) >= until);
    }

    /// How many were sent; panics when one failed.
    pub fn stop_without_failures(self, what: &str) -> usize {
        self.stop.store(true, SeqCst);
        let failures: Vec<String> =
            self.threads.into_iter().flat_map(|t| t.join().expect("traffic")).collect();
        let sent = self.sent.load(SeqCst);
        assert!(
            failures.is_empty(),
            "{what}: {} of {sent} requests failed: {:?}",
            failures.len(),
            &failures[..1]
        );
        println!("{what}: {sent} requests, 0 failed");
        sent
    }
}
