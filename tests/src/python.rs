//! Python with the official SDKs, in a venv made once under the target folder.

use crate::workspace::{target_dir, workspace_root};
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// Runs `tests/python/<script>` with `input` as JSON on its stdin, and parses its stdout.
///
/// # Panics
/// When the script fails or prints something else than JSON.
#[track_caller]
pub fn run<T: DeserializeOwned>(
    script: &str,
    args: &[&str],
    env: &[(&str, &str)],
    input: &impl Serialize,
) -> T {
    let mut command = command(script);
    command.args(args).envs(env.iter().copied());
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{script}: {error}"));
    let input = serde_json::to_vec(input).expect("JSON");
    // A script that ends without reading says why on stderr.
    let _ = child.stdin.take().expect("piped").write_all(&input);
    let output = child.wait_with_output().expect("the script's output");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}: {}\n{stderr}", output.status);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("{script}: {error} in {:?}\n{stderr}", String::from_utf8_lossy(&output.stdout))
    })
}

/// The command for a script, to be run by [`crate::Proc::run`] beside the test.
pub fn command(script: &str) -> Command {
    let mut command = Command::new(python());
    command.arg(workspace_root().join("tests/python").join(script));
    // Keys and proxies of the developer are not for the tests; output must come as it is printed.
    for name in ["OPENAI_API_KEY", "OPENAI_BASE_URL", "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"] {
        command.env_remove(name);
    }
    command.env("NO_PROXY", "127.0.0.1,localhost").env("PYTHONUNBUFFERED", "1");
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// The venv's interpreter; the venv is made again when the requirements have changed.
fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let requirements = workspace_root().join("tests/python/requirements.txt");
        let pinned = fs::read(&requirements).expect("tests/python/requirements.txt");
        let wanted: String = Sha256::digest(&pinned).iter().map(|byte| format!("{byte:02x}")).collect();
        let venv = target_dir().join("e2e-venv");
        let stamp = venv.join("stamp");
        let python = venv.join("bin/python");

        // Beside the venv, which is replaced; unlocked when closed, however this process ends.
        let lock = File::create(target_dir().join("e2e-venv.lock")).expect("a lock file");
        lock.lock().expect("the lock");
        if fs::read_to_string(&stamp).is_ok_and(|have| have == wanted) && python.is_file() {
            return python;
        }
        let step = |program: &Path, args: &[&str]| {
            let output = Command::new(program).args(args).output();
            let output = output.unwrap_or_else(|error| panic!("{}: {error}", program.display()));
            assert!(
                output.status.success(),
                "{} {}: {}",
                program.display(),
                args.join(" "),
                String::from_utf8_lossy(&output.stderr)
            );
        };
        let path = |path: &'_ Path| path.to_str().expect("a UTF-8 path").to_owned();
        step(Path::new("python3"), &["-m", "venv", "--clear", &path(&venv)]);
        step(
            &python,
            &["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", &path(&requirements)],
        );
        fs::write(&stamp, wanted).expect("the stamp");
        python
    })
}
