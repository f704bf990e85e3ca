//! Finds the programs of a Kubernetes control plane: those of `KUBEBUILDER_ASSETS` (the envtest
//! convention), else the pinned ones, which `k8s/tools/build` makes once into the target folder.

use crate::workspace::{target_dir, workspace_root};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

/// What `k8s/tools/build` answers when it would have to build and there is no Go.
const NOTHING_TO_BUILD_WITH: i32 = 3;

/// Why a program is not there, and what to install.
#[derive(Debug, thiserror::Error)]
#[error(
    "no {0} in KUBEBUILDER_ASSETS or PATH, and no Go to build it with: install Go 1.26 or newer, or set \
     KUBEBUILDER_ASSETS to a folder with kube-apiserver, etcd and kubectl"
)]
pub struct Missing(String);

/// The path of each program, in the order asked; what is missing is built first.
///
/// # Panics
/// When a build fails.
pub fn programs(names: &[&str]) -> Result<Vec<PathBuf>, Missing> {
    static FOUND: Mutex<BTreeMap<String, PathBuf>> = Mutex::new(BTreeMap::new());
    // Held through the build: a second test waits for it rather than starting its own.
    let mut found = FOUND.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let given = std::env::var_os("KUBEBUILDER_ASSETS").map(PathBuf::from);
    let mut to_build = Vec::new();
    for &name in names {
        if found.contains_key(name) {
            continue;
        }
        match given.iter().map(|dir| dir.join(name)).find(|path| path.is_file()) {
            Some(path) => drop(found.insert(name.to_owned(), path)),
            None => to_build.push(name),
        }
    }
    if !to_build.is_empty() {
        let built = build(&to_build);
        for name in to_build {
            let path = match &built {
                Some(dir) => dir.join(name),
                None => in_path(name).ok_or_else(|| Missing(name.to_owned()))?,
            };
            found.insert(name.to_owned(), path);
        }
    }
    Ok(names.iter().map(|&name| found[name].clone()).collect())
}

/// The folder the pinned programs were built into, or `None` without Go.
fn build(names: &[&str]) -> Option<PathBuf> {
    // stderr stays ours, so that somebody who waits ten minutes sees for what.
    let output = Command::new(workspace_root().join("tests/k8s/tools/build"))
        .args(["--only", &names.join(",")])
        .env("CARGO_TARGET_DIR", target_dir())
        .stderr(Stdio::inherit())
        .output()
        .expect("tests/k8s/tools/build runs");
    match output.status.code() {
        Some(0) => Some(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())),
        Some(NOTHING_TO_BUILD_WITH) => None,
        _ => panic!("tests/k8s/tools/build --only {}: {}", names.join(","), output.status),
    }
}

pub(crate) fn in_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let places =
        std::env::split_paths(&path).chain(["/usr/sbin", "/sbin"].map(|dir| Path::new(dir).to_owned()));
    places.map(|dir| dir.join(name)).find(|path| path.is_file())
}
