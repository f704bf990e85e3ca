//! `penstock lint` on the corpus: what is good passes, what is bad is named.
//!
//! Each manifest in `manifests/` has its expected output beside it, with the ending `.expected`;
//! `UPDATE_EXPECTED=1 cargo test -p penstock --test lint` writes them anew. What lint refuses in `bad/` as
//! schema or CEL, a real API server refuses too.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn lint(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_penstock")).arg("lint").args(args).current_dir(folder).output().unwrap()
}

fn corpus(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/manifests").join(name)
}

/// Lints every manifest of the folder and compares; gives how many there were.
fn check_all(folder: &str, exit_code: i32) -> usize {
    let folder = corpus(folder);
    let mut names: Vec<String> =
        fs::read_dir(&folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| !name.ends_with(".expected"));
    for name in &names {
        let output = lint(&folder, &["-f", name]);
        let printed = String::from_utf8(output.stdout).unwrap();
        let expected = folder.join(format!("{name}.expected"));
        if std::env::var_os("UPDATE_EXPECTED").is_some() {
            fs::write(&expected, &printed).unwrap();
        }
        assert_eq!(printed, fs::read_to_string(&expected).unwrap_or_default(), "{name}");
        assert_eq!(output.status.code(), Some(exit_code), "{name}");
    }
    names.len()
}

#[test]
fn good_manifests_pass() {
    assert!(check_all("good", 0) >= 7);
}

#[test]
fn bad_manifests_are_named() {
    assert!(check_all("bad", 1) >= 14);
}

#[test]
fn the_examples_pass() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    for entry in fs::read_dir(&examples).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            let output = lint(&path, &["-f", "."]);
            assert!(output.status.success(), "{}: {output:?}", path.display());
        }
    }
}

/// Not the route of the same name on this machine: one of the two is applied.
#[test]
fn the_example_of_a_hook_in_a_cluster_passes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/hooks");
    let output = lint(&folder, &["-f", "pools.yaml", "-f", "cluster"]);
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn secrets_are_errors_when_asked_for() {
    let output = lint(&corpus("good"), &["-f", "secret-elsewhere.yaml", "--strict-secrets"]);
    assert_eq!(output.status.code(), Some(1));
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(
        printed.contains("spec.providers[0].auth.apiKeys[0].secretRef.name: no Secret `openai`"),
        "{printed}"
    );
}

#[test]
fn what_cannot_be_read_is_another_exit_code() {
    let output = lint(&corpus("good"), &["-f", "minimal.yaml", "-f", "absent.yaml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().starts_with("absent.yaml: cannot be read"));
}

#[test]
fn standard_input_is_a_file_too() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_penstock"))
        .args(["lint", "-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"kind: [").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stdout).unwrap().starts_with("<stdin>:1: line 1: "));
}
