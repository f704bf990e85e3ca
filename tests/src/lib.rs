//! The harness of the end-to-end tests: a real Kubernetes API server, the real binaries, the
//! official SDKs, and a server that plays a provider.
//!
//! Everything here is blocking and may be called from a plain `#[test]` or from inside a runtime;
//! what needs one runs on a runtime of the harness's own. A harness step that fails panics with
//! what it saw: a test has nothing to do about it. `README.md` beside this crate says how tests
//! find Kubernetes.

pub mod answers;
pub mod assets;
pub mod client;
pub mod cluster;
pub mod conformance;
pub mod metrics;
pub mod node;
pub mod process;
pub mod python;
pub mod replay;
pub mod webhook;

mod workspace;

pub use cluster::{Cluster, Level};
pub use process::{Bins, Proc, cargo_bins};
pub use replay::{Behaviour, End, Event, Replay, Script};
pub use workspace::{target_dir, workspace_root};

use std::thread::sleep;
use std::time::{Duration, Instant};

/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(50);

/// Looks until `seen` is true; panics, naming `what`, when it is not so after `timeout`.
pub fn wait_until(timeout: Duration, what: &str, mut seen: impl FnMut() -> bool) {
    wait_for(timeout, what, || seen().then_some(()).ok_or("not yet"));
}

/// Tries until `attempt` succeeds and returns its value; panics with the last error after `timeout`.
pub fn wait_for<T, E: std::fmt::Display>(
    timeout: Duration,
    what: &str,
    mut attempt: impl FnMut() -> Result<T, E>,
) -> T {
    let end = Instant::now() + timeout;
    loop {
        match attempt() {
            Ok(value) => return value,
            Err(error) if Instant::now() >= end => panic!("{what}: not after {timeout:?}: {error:#}"),
            Err(_) => sleep(POLL),
        }
    }
}

/// Whether this is a CI run, where a test that cannot run must fail.
pub fn in_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| !matches!(value.as_str(), "" | "0" | "false"))
}

/// Says that `test` was skipped and why; under `CI=true` it fails instead.
pub fn skip(test: &str, why: &str) {
    assert!(!in_ci(), "{test} cannot run here: {why}");
    say_skipped(test, why);
}

/// A skipped test passes, and the runner hides the output of a test that passes: this line goes
/// to stderr around its capture.
fn say_skipped(test: &str, why: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "SKIPPED {test}: {why}");
}
