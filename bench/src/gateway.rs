//! The gateway under test: the workspace's own `penstock up`, built and run as a user would, with metrics and client
//! keys on.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::call::{Api, CLIENT_KEY, model_name};
use crate::process::Process;
use crate::script;

const START_TIME: Duration = Duration::from_secs(30);
const LISTENING: &str = "listening on ";

/// Builds the binary and says where it is. Does nothing when it is fresh.
pub fn build(profile: &str) -> anyhow::Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the crate lies in the workspace")?;
    let exe = std::env::current_exe()?;
    let target = exe.parent().and_then(Path::parent).context("the benchmark lies in a target folder")?;
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args(["build", "--profile", profile, "-p", "penstock", "--target-dir"])
        .arg(target)
        .current_dir(root);
    // What cargo sets for this run would look like a change to build scripts that watch it.
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("CARGO_")) {
        let text = name.to_string_lossy();
        if ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"].iter().any(|p| text.starts_with(p))
        {
            cargo.env_remove(&name);
        }
    }
    ensure!(cargo.status()?.success(), "penstock does not build");
    Ok(target.join(if profile == "dev" { "debug" } else { profile }).join("penstock"))
}

/// Starts the fake upstream: this very binary, as another process.
pub fn fake_upstream() -> anyhow::Result<(Process, SocketAddr)> {
    let exe = std::env::current_exe()?;
    let process = Process::start("the fake upstream", Command::new(exe).arg("fake-upstream"))?;
    let addr = process.wait_for(START_TIME, address)?;
    Ok((process, addr))
}

/// A running gateway.
pub struct Gateway {
    pub process: Process,
    pub addr: SocketAddr,
    /// From its start to its first 200 on `/readyz`.
    pub start_up: Duration,
    _manifests: TempDir,
}

impl Gateway {
    pub fn start(binary: &Path, upstream: SocketAddr) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("bench.json");
        fs::write(&file, manifests(upstream))?;
        let mut command = Command::new(binary);
        command.arg("up").arg("-f").arg(&file);
        command.args(["--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"]);
        command.args(["--client-keys-secret", "default/clients"]);
        let begin = Instant::now();
        let process = Process::start("penstock up", &mut command)?;
        let addr = process.wait_for(START_TIME, address)?;
        while !is_ready(addr) {
            if begin.elapsed() > START_TIME {
                bail!("penstock up listens, but is not ready after {START_TIME:?}");
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(Self { process, addr, start_up: begin.elapsed(), _manifests: folder })
    }
}

/// In `listening on http://127.0.0.1:8080`, with or without the scheme.
fn address(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once(LISTENING)?;
    rest.trim_start_matches("http://").split_ascii_whitespace().next()?.parse().ok()
}

fn is_ready(addr: SocketAddr) -> bool {
    let ask = || {
        let mut stream = TcpStream::connect(addr)?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n")?;
        let mut status = [0; 12];
        stream.read_exact(&mut status).map(|()| status)
    };
    ask().is_ok_and(|status: [u8; 12]| status == *b"HTTP/1.1 200")
}

/// A pool for each API of the upstream, and a route for each script.
fn manifests(upstream: SocketAddr) -> String {
    let secret = |name: &str, key: &str| {
        let data = json!({"api-key": key});
        object("v1", "Secret", name, json!({"type": "Opaque", "stringData": data}))
    };
    let mut all = vec![secret("upstream", "sk-bench"), secret("clients", CLIENT_KEY)];
    for api in Api::ALL {
        let name = api.name();
        let (kind, endpoint) = match api {
            Api::Chat => ("OpenAICompatible", format!("http://{upstream}/v1")),
            Api::Messages => ("Anthropic", format!("http://{upstream}")),
        };
        let models: Vec<_> = script::ALL.iter().map(|script| json!({"name": script.to_string()})).collect();
        let auth = json!({"apiKeys": [{"secretRef": {"name": "upstream", "key": "api-key"}}]});
        let provider =
            json!({"name": name, "type": kind, "endpoint": endpoint, "auth": auth, "models": models});
        all.push(ours("ProviderPool", name, json!({"providers": [provider]})));
        for script in script::ALL {
            let route = model_name(api, script);
            let rule = json!({"name": "default", "targets": [{"pool": name, "model": script.to_string()}]});
            all.push(ours("ModelRoute", &route, json!({"models": [{"name": route}], "rules": [rule]})));
        }
    }
    all.iter().map(|object| format!("{object}\n")).collect()
}

fn ours(kind: &str, name: &str, spec: Value) -> Value {
    object("penstock.dev/v1alpha1", kind, name, json!({"spec": spec}))
}

fn object(version: &str, kind: &str, name: &str, rest: Value) -> Value {
    let metadata = json!({"name": name, "namespace": "default"});
    let mut object = json!({"apiVersion": version, "kind": kind, "metadata": metadata});
    if let (Some(object), Value::Object(rest)) = (object.as_object_mut(), rest) {
        object.extend(rest);
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_address() {
        let addr = Some("127.0.0.1:4000".parse().unwrap());
        assert_eq!(address("penstock 0.1.0 listening on http://127.0.0.1:4000"), addr);
        assert_eq!(address("listening on 127.0.0.1:4000"), addr);
        assert_eq!(address("  metrics    http://127.0.0.1:4000/metrics"), None);
    }

    #[test]
    fn manifests_are_json_objects_in_a_row() {
        let text = manifests("127.0.0.1:1".parse().unwrap());
        let kinds: Vec<_> = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["kind"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(kinds.len(), 2 + Api::ALL.len() * (1 + script::ALL.len()));
        assert_eq!(kinds[..3], ["Secret", "Secret", "ProviderPool"]);
    }
}
