//! Operator and proxies as pods on a real node, from images of the release binaries, installed by the chart.
//!
//! `cargo test -p penstock-e2e --test node -- --ignored --nocapture`; needs root and the Debian packages that
//! `tests/README.md` names.

use std::process::Command;
use std::time::Duration;

use penstock_e2e::cluster::{Cluster, Level};
use penstock_e2e::{target_dir, wait_for, workspace_root};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(180);

fn build_release() {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args([
        "build",
        "--release",
        "--quiet",
        "-p",
        "penstock-operator",
        "-p",
        "penstock-proxy",
        "--target-dir",
    ]);
    cargo.arg(target_dir()).current_dir(workspace_root());
    // Build scripts would take the variables of this test for a change, and rebuild half the tree.
    for (variable, _) in std::env::vars_os() {
        if variable.to_string_lossy().starts_with("CARGO_") && variable != "CARGO_HOME" {
            cargo.env_remove(variable);
        }
    }
    assert!(cargo.status().expect("cargo runs").success(), "the release binaries do not build");
}

fn release_binary(name: &str) -> std::path::PathBuf {
    let path = target_dir().join("release").join(name);
    let size = path.metadata().expect("a binary").len();
    println!("{name}: {:.1} MB", size as f64 / 1e6);
    path
}

#[test]
#[ignore = "needs root, containerd and cgroups: a command of its own, see tests/README.md"]
fn the_chart_runs_on_a_real_node() {
    build_release();
    let operator = release_binary("penstock-operator");
    let proxy = release_binary("penstock-proxy");
    let Some(cluster) = Cluster::start(Level::Node(1), "the_chart_runs_on_a_real_node") else { return };
    cluster.load_image("docker.io/penstock/operator:e2e", &operator, "/penstock-operator");
    cluster.load_image("docker.io/penstock/proxy:e2e", &proxy, "/penstock-proxy");
    let chart = workspace_root().join("charts/penstock").display().to_string();
    let install = |verb: &str, more: &[&str]| {
        let values = [
            "image.operator.repository=penstock/operator",
            "image.operator.tag=e2e",
            "image.operator.pullPolicy=Never",
            "image.proxy.repository=penstock/proxy",
            "image.proxy.tag=e2e",
            "image.proxy.pullPolicy=Never",
            "proxy.replicas=2",
            "clientAuth.allowAnonymous=true",
        ];
        let mut args = vec![
            verb,
            "penstock",
            &chart,
            "--namespace",
            "penstock",
            "--create-namespace",
            "--wait",
            "--timeout",
            "3m",
        ];
        for value in values.iter().chain(more) {
            args.extend(["--set", value]);
        }
        let output = cluster.helm(&args);
        if !output.ok {
            let logs = ["logs", "-n", "penstock", "-l", "app.kubernetes.io/name=penstock", "--tail=50"];
            for show in [["describe", "nodes"].as_slice(), &["get", "pods,events", "-n", "penstock"], &logs] {
                println!("{}", cluster.kubectl(show).stdout);
            }
        }
        output.expect_ok(verb);
    };
    install("install", &[]);

    cluster.kubectl_ok(&["apply", "-f", &workspace_root().join("examples/quickstart").display().to_string()]);
    let wait = ["wait", "--for=condition=Programmed", "modelroutes.penstock.dev/support", "--timeout=120s"];
    let output = cluster.kubectl(&wait);
    assert!(
        output.ok,
        "{}\n{}",
        output.stderr,
        cluster.kubectl_ok(&["get", "modelroutes.penstock.dev", "-o", "yaml"])
    );
    println!("{}", cluster.kubectl_ok(&["get", "modelroutes.penstock.dev,providerpools.penstock.dev"]));
    println!("{}", cluster.kubectl_ok(&["get", "pods", "-n", "penstock", "-o", "wide"]));
    assert_eq!(cluster.get_json(&["modelroutes.penstock.dev", "support"])["status"]["proxies"], "2/2");
    ask(&cluster);

    // A rollout of the proxies, by an upgrade: the new ones are programmed, and the Service goes on answering.
    install("upgrade", &["proxy.podAnnotations.rollout=second"]);
    wait_for(PATIENCE, "the new proxies to be the ones that count", || {
        let status = cluster.get_json(&["modelroutes.penstock.dev", "support"])["status"].clone();
        if status["proxies"] == "2/2" { Ok(()) } else { Err(status.to_string()) }
    });
    ask(&cluster);
    cluster.helm(&["uninstall", "penstock", "-n", "penstock", "--wait"]).expect_ok("uninstall");
    assert!(
        cluster.kubectl(&["get", "modelroutes.penstock.dev", "support"]).ok,
        "uninstall took a user's object"
    );
}

/// Through the Service's address, from the node's network: the first target fails, the second answers.
fn ask(cluster: &Cluster) {
    let ip = cluster.kubectl_ok(&[
        "get",
        "service",
        "penstock",
        "-n",
        "penstock",
        "-o",
        "jsonpath={.spec.clusterIP}",
    ]);
    let url = format!("http://{ip}/v1/chat/completions");
    let body = r#"{"model":"support-bot","messages":[{"role":"user","content":"hello"}]}"#;
    let text = wait_for(PATIENCE, "an answer through the Service", || {
        let output = cluster.on_node(&[
            "curl",
            "-sS",
            "-i",
            "--max-time",
            "10",
            "-H",
            "content-type: application/json",
            "-d",
            body,
            &url,
        ]);
        if output.ok && output.stdout.starts_with("HTTP/1.1 200") {
            Ok(output.stdout)
        } else {
            Err(output.stdout + &output.stderr)
        }
    });
    assert!(text.to_ascii_lowercase().contains("x-penstock-attempts: 2"), "{text}");
    let body = text.split("\r\n\r\n").nth(1).expect("a body");
    let answer: Value = serde_json::from_str(body).expect("JSON");
    assert_eq!(answer["object"], "chat.completion", "{text}");
}
