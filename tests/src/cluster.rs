//! A throw-away Kubernetes, through `k8s/cluster`, and the commands a person would type at it.

use crate::workspace::workspace_root;
use crate::{assets, skip};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// `k8s/cluster` keeps unix sockets in its state folder, whose paths the kernel bounds.
const MAX_STATE_PATH: usize = 60;

/// How much of Kubernetes a test needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// etcd and the API server: about 3 s.
    Api,
    /// And controllers (namespace deletion, garbage collection, Deployments to Pods) and scheduler: about 7 s.
    Control,
    /// And this many nodes that run pods: about 15 s. Needs root, containerd and their like.
    Node(u8),
}

impl Level {
    fn programs(self) -> &'static [&'static str] {
        const ALL: [&str; 7] = [
            "kube-apiserver",
            "etcd",
            "kubectl",
            "kube-controller-manager",
            "kube-scheduler",
            "kubelet",
            "kube-proxy",
        ];
        match self {
            Level::Api => &ALL[..3],
            Level::Control => &ALL[..5],
            Level::Node(_) => &ALL,
        }
    }

    /// What the machine itself must have, and has not.
    fn lacks(self) -> Option<String> {
        let mut needs = vec!["python3", "openssl"];
        if let Level::Node(_) = self {
            needs.extend(["containerd", "runc", "ctr", "nft", "conntrack", "cc"]);
            let uid = Command::new("id").arg("-u").output().ok()?.stdout;
            if uid.trim_ascii() != b"0" {
                return Some("level node needs root".into());
            }
        }
        let missing: Vec<_> = needs.into_iter().filter(|name| assets::in_path(name).is_none()).collect();
        (!missing.is_empty()).then(|| format!("not installed: {}", missing.join(", ")))
    }
}

/// A running cluster; gone, with all its processes and files, when dropped.
///
/// With `PENSTOCK_TEST_KUBECONFIG` set it is that cluster instead, and it stays.
#[derive(Debug)]
pub struct Cluster {
    kubeconfig: PathBuf,
    kubectl: PathBuf,
    /// Where `k8s/cluster` keeps this one; `None` for a cluster that was there before.
    state: Option<PathBuf>,
}

/// What a command printed.
#[derive(Clone, Debug)]
pub struct Output {
    pub ok: bool,
    pub stdout: String,
    pub stderr: String,
}

impl Cluster {
    /// Starts a cluster of its own for `test`. `None`, after saying so, where that cannot be; under
    /// `CI=true` it panics instead.
    pub fn start(level: Level, test: &str) -> Option<Self> {
        match Self::try_start(level) {
            Ok(cluster) => Some(cluster),
            Err(why) => {
                skip(test, &why);
                None
            }
        }
    }

    /// One cluster for all tests of this binary: each then works in a namespace of its own. It ends
    /// with the process.
    pub fn shared(level: Level, test: &str) -> Option<&'static Self> {
        static SHARED: [OnceLock<Result<Cluster, String>>; 3] = [const { OnceLock::new() }; 3];
        let slot = match level {
            Level::Api => 0,
            Level::Control => 1,
            Level::Node(_) => 2,
        };
        match SHARED[slot].get_or_init(|| Self::try_start(level)) {
            Ok(cluster) => Some(cluster),
            Err(why) => {
                skip(test, why);
                None
            }
        }
    }

    /// `Err` says what is missing here; anything else that goes wrong panics.
    fn try_start(level: Level) -> Result<Self, String> {
        if let Some(kubeconfig) = std::env::var_os("PENSTOCK_TEST_KUBECONFIG") {
            let kubectl = assets::programs(&["kubectl"]).map_err(|missing| missing.to_string())?.remove(0);
            return Ok(Self { kubeconfig: kubeconfig.into(), kubectl, state: None });
        }
        if let Some(missing) = level.lacks() {
            return Err(missing);
        }
        let programs = assets::programs(level.programs()).map_err(|missing| missing.to_string())?;
        let state = state_path();
        let cluster =
            Self { kubeconfig: state.join("kubeconfig"), kubectl: programs[2].clone(), state: Some(state) };

        // The script looks into one folder and then PATH: programs may come from two (an envtest
        // folder has no controllers).
        let folders = programs.iter().map(|path| path.parent().expect("a folder").to_owned());
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(folders.chain(std::env::split_paths(&path))).expect("PATH");
        let bin = programs[0].parent().expect("a folder");
        let mut up = cluster.script("up");
        up.args(["--port", "0", "--owner", &std::process::id().to_string(), "--bin"])
            .arg(bin)
            .env("PATH", path);
        match level {
            Level::Api => up.args(["--level", "api"]),
            Level::Control => up.args(["--level", "control"]),
            Level::Node(count) => up.args(["--level", "node", "--nodes", &count.to_string()]),
        };
        let output = run(&mut up, None);
        // `cluster` drops here, which removes what was started.
        assert!(output.ok, "cluster up at level {level:?}: {}", output.stderr);
        Ok(cluster)
    }

    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    pub fn kubectl(&self, args: &[&str]) -> Output {
        run(self.command(&self.kubectl).args(args), None)
    }

    /// What `kubectl` printed on stdout; panics when it fails.
    pub fn kubectl_ok(&self, args: &[&str]) -> String {
        self.kubectl(args).expect_ok(&format!("kubectl {}", args.join(" ")))
    }

    /// `kubectl apply -f -`, of any number of documents.
    pub fn try_apply(&self, yaml: &str) -> Output {
        run(self.command(&self.kubectl).args(["apply", "-f", "-"]), Some(yaml))
    }

    pub fn apply(&self, yaml: &str) -> String {
        self.try_apply(yaml).expect_ok(&format!("kubectl apply of\n{yaml}\n"))
    }

    pub fn delete(&self, yaml: &str) -> String {
        let output =
            run(self.command(&self.kubectl).args(["delete", "--ignore-not-found", "-f", "-"]), Some(yaml));
        output.expect_ok(&format!("kubectl delete of\n{yaml}\n"))
    }

    /// An object as JSON: `get_json(&["modelroutes.penstock.dev", "support", "-n", "ai"])`.
    pub fn get_json(&self, args: &[&str]) -> serde_json::Value {
        let text = self.kubectl_ok(&[&["get", "-o", "json"], args].concat());
        serde_json::from_str(&text).expect("kubectl prints JSON")
    }

    pub fn helm(&self, args: &[&str]) -> Output {
        let helm = assets::programs(&["helm"]).unwrap_or_else(|missing| panic!("{missing}")).remove(0);
        run(self.command(&helm).args(args), None)
    }

    /// Makes an image of one program and puts it on every node. Level node only; pods then say
    /// `imagePullPolicy: Never`.
    pub fn load_image(&self, name: &str, program: &Path, entrypoint: &str) {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let tar = dir.path().join("image.tar");
        let mut image = Command::new(script_path());
        image.args(["image", "--name", name, "--out"]).arg(&tar).arg("--exe");
        image.arg(format!("{}:{entrypoint}", program.display()));
        image.args(["--entrypoint", &serde_json::json!([entrypoint]).to_string()]);
        run(&mut image, None).expect_ok("cluster image");
        run(self.script("load").arg(&tar), None).expect_ok("cluster load");
    }

    /// Runs a command on node-1's network, where pod and Service addresses answer.
    pub fn on_node(&self, command: &[&str]) -> Output {
        run(self.script("exec").arg("--").args(command), None)
    }

    /// `k8s/cluster <subcommand>` on this cluster, for `crash`, `boot`, `cut`, `join`, `status`.
    pub fn script(&self, subcommand: &str) -> Command {
        let state = self.state.as_ref().expect("a cluster that this test started");
        let mut command = Command::new(script_path());
        command.arg(subcommand).arg("--state").arg(state);
        command
    }

    /// A command that talks to this cluster and to no other that the developer may have set.
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env("KUBECONFIG", &self.kubeconfig)
            .env_remove("HELM_KUBECONTEXT")
            .env_remove("HELM_NAMESPACE");
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(state) = &self.state {
            if std::thread::panicking() {
                let log = std::fs::read_to_string(state.join("log/kube-apiserver.log")).unwrap_or_default();
                let lines: Vec<_> = log.lines().rev().take(20).collect();
                eprintln!("the end of the API server's log:");
                lines.iter().rev().for_each(|line| eprintln!("  {line}"));
            }
            let output = run(&mut self.script("down"), None);
            if !output.ok {
                eprintln!("cluster down: {}", output.stderr);
            }
        }
    }
}

impl Output {
    /// stdout; panics with stderr when the command failed.
    #[track_caller]
    pub fn expect_ok(self, what: &str) -> String {
        assert!(self.ok, "{what}: {}{}", self.stdout, self.stderr);
        self.stdout
    }
}

fn script_path() -> PathBuf {
    workspace_root().join("tests/k8s/cluster")
}

/// A state folder of this process's own, which `cluster up` creates.
fn state_path() -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = format!("pst-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let path = std::env::temp_dir().join(&name);
    if path.as_os_str().len() <= MAX_STATE_PATH { path } else { Path::new("/tmp").join(name) }
}

fn run(command: &mut Command, stdin: Option<&str>) -> Output {
    command.stdin(if stdin.is_some() { Stdio::piped() } else { Stdio::null() });
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.unwrap_or_else(|error| panic!("{}: {error}", command.get_program().display()));
    if let (Some(text), Some(mut pipe)) = (stdin, child.stdin.take()) {
        // A command that ends without reading says why on stderr.
        let _ = pipe.write_all(text.as_bytes());
    }
    let output = child.wait_with_output().expect("the command's output");
    Output {
        ok: output.status.success(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
