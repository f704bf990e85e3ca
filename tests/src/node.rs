//! Node with the official SDK, its packages installed once under the target folder.

use crate::workspace::{target_dir, workspace_root};
use serde::{Serialize, de::DeserializeOwned};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

const FILES: [&str; 3] = ["package.json", "package-lock.json", "sdk.mjs"];

/// Runs `tests/node/sdk.mjs` with `input` as JSON on its stdin, and parses its stdout. `None` where there is no Node.
///
/// # Panics
/// When the script fails or prints something else than JSON.
#[track_caller]
pub fn run<T: DeserializeOwned>(input: &impl Serialize) -> Option<T> {
    let folder = folder()?;
    let mut child = Command::new("node")
        .arg("sdk.mjs")
        .current_dir(folder)
        .env_remove("OPENAI_API_KEY")
        .env("NO_PROXY", "127.0.0.1,localhost")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("node: {error}"));
    let input = serde_json::to_vec(input).expect("JSON");
    // A script that ends without reading says why on stderr.
    let _ = child.stdin.take().expect("piped").write_all(&input);
    let output = child.wait_with_output().expect("the script's output");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "sdk.mjs: {}\n{stderr}", output.status);
    let printed = serde_json::from_slice(&output.stdout);
    Some(printed.unwrap_or_else(|error| panic!("sdk.mjs: {error}\n{stderr}")))
}

/// Where the script and its packages lie; made again when one of the files has changed.
fn folder() -> Option<&'static Path> {
    static FOLDER: OnceLock<Option<PathBuf>> = OnceLock::new();
    let made = FOLDER.get_or_init(|| {
        let has = |program: &str| Command::new(program).arg("--version").output().is_ok();
        if !has("node") || !has("npm") {
            return None;
        }
        let from = workspace_root().join("tests/node");
        let files = FILES.map(|name| (name, fs::read(from.join(name)).expect(name)));
        let folder = target_dir().join("e2e-node");
        // Unlocked when closed, however this process ends.
        let lock = File::create(target_dir().join("e2e-node.lock")).expect("a lock file");
        lock.lock().expect("the lock");
        let stamp = folder.join("stamp");
        let packages: Vec<u8> = files.iter().take(2).flat_map(|(_, bytes)| bytes.clone()).collect();
        fs::create_dir_all(&folder).expect("a folder");
        for (name, bytes) in &files {
            fs::write(folder.join(name), bytes).expect(name);
        }
        if fs::read(&stamp).is_ok_and(|have| have == packages) {
            return Some(folder);
        }
        let install = Command::new("npm")
            .args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"])
            .current_dir(&folder)
            .output();
        let install = install.expect("npm");
        assert!(install.status.success(), "npm ci: {}", String::from_utf8_lossy(&install.stderr));
        fs::write(&stamp, packages).expect("the stamp");
        Some(folder)
    });
    made.as_deref()
}
