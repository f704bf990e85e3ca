//! The project's own binaries, built once, and child processes whose output a test can read.

use crate::workspace::{profile_dir, target_dir, workspace_root};
use std::collections::VecDeque;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Lines kept of each process.
const KEPT_LINES: usize = 5000;
/// Lines shown of each process when a test fails.
const SHOWN_LINES: usize = 60;
/// How long a process has to end after SIGTERM before `stop` fails the test.
const STOP_TIMEOUT: Duration = Duration::from_secs(40);

/// The project's binaries, in the profile the tests were built with.
#[derive(Debug)]
pub struct Bins {
    pub operator: PathBuf,
    pub proxy: PathBuf,
    pub penstock: PathBuf,
}

/// Builds the binaries, once per process; does nothing when they are fresh.
pub fn cargo_bins() -> &'static Bins {
    static BINS: OnceLock<Bins> = OnceLock::new();
    BINS.get_or_init(|| {
        let profile = match profile_dir().file_name().and_then(OsStr::to_str).expect("a profile") {
            "debug" => "dev",
            other => other,
        };
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(["build", "--quiet", "--profile", profile, "--target-dir"]).arg(target_dir());
        cargo.args(["-p", "penstock-operator", "-p", "penstock-proxy", "-p", "penstock"]);
        cargo.current_dir(workspace_root());
        // What cargo sets for the tests would look like a change to build scripts that watch it
        // (ring's), and rebuild half the tree on every run.
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            let for_tests = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"];
            if for_tests.iter().any(|prefix| text.starts_with(prefix)) {
                cargo.env_remove(&name);
            }
        }
        for name in ["CARGO", "CARGO_PRIMARY_PACKAGE", "CARGO_TARGET_TMPDIR", "CARGO_MAKEFLAGS"] {
            cargo.env_remove(name);
        }
        let status = cargo.status().expect("cargo runs");
        assert!(status.success(), "the binaries do not build: {status}");
        let bin = |name: &str| profile_dir().join(name);
        Bins { operator: bin("penstock-operator"), proxy: bin("penstock-proxy"), penstock: bin("penstock") }
    })
}

/// Runs one test of another crate, which writes what it is asked for to the file that `variable` names, and returns what
/// it said.
///
/// # Panics
/// When the test fails.
#[track_caller]
pub fn rust_test(package: &str, binary: &str, test: &str, variable: &str, file: &Path) -> String {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["test", "--quiet", "-p", package, "--test", binary, "--target-dir"]).arg(target_dir());
    cargo.args(["--", "--nocapture", "--exact", test]).env(variable, file);
    let output = cargo.current_dir(workspace_root()).output().expect("cargo runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    said
}

/// A child process. Dropping it kills it; when the test is failing, its last lines are printed.
#[derive(Debug)]
pub struct Proc {
    name: String,
    child: Child,
    log: Arc<Log>,
    readers: Vec<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Log {
    lines: Mutex<Lines>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Lines {
    /// Newest last.
    kept: VecDeque<String>,
    dropped: usize,
    /// Output streams that have ended; both have when the process has.
    ended: usize,
}

impl Proc {
    /// Starts `program` with this environment added to the test's own.
    pub fn spawn<A, E, K, V>(name: &str, program: &Path, args: A, env: E) -> Self
    where
        A: IntoIterator<Item: AsRef<OsStr>>,
        E: IntoIterator<Item = (K, V)>,
        K: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        Self::run(name, Command::new(program).args(args).envs(env))
    }

    /// Starts a command that the test has set up itself.
    pub fn run(name: &str, command: &mut Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        let log = Arc::new(Log::default());
        let stdout = follow(child.stdout.take().expect("piped"), Arc::clone(&log));
        let stderr = follow(child.stderr.take().expect("piped"), Arc::clone(&log));
        Self { name: name.to_owned(), child, log, readers: vec![stdout, stderr] }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// stdout and stderr so far, as lines in the order they came.
    pub fn logs(&self) -> String {
        let lines = self.log.lines();
        lines.kept.iter().map(|line| format!("{line}\n")).collect()
    }

    /// A place in the output: `wait_for_line_after` looks only past it.
    pub fn mark(&self) -> usize {
        let lines = self.log.lines();
        lines.dropped + lines.kept.len()
    }

    /// The first line that contains `part`, which may have come already. Panics when the process
    /// ends without it.
    #[track_caller]
    pub fn wait_for_line(&self, part: &str, timeout: Duration) -> String {
        self.wait_for_line_after(0, part, timeout)
    }

    #[track_caller]
    pub fn wait_for_line_after(&self, mark: usize, part: &str, timeout: Duration) -> String {
        let end = Instant::now() + timeout;
        let mut lines = self.log.lines();
        loop {
            let skipped = mark.saturating_sub(lines.dropped);
            if let Some(line) = lines.kept.iter().skip(skipped).find(|line| line.contains(part)) {
                return line.clone();
            }
            let left = end.saturating_duration_since(Instant::now());
            let over = if lines.ended == 2 { Some("it ended") } else { left.is_zero().then_some("timeout") };
            if let Some(why) = over {
                drop(lines);
                panic!("{}: no line with {part:?}: {why}", self.name);
            }
            lines = self.log.changed.wait_timeout(lines, left).unwrap_or_else(|p| p.into_inner()).0;
        }
    }

    /// Whether it still runs.
    pub fn running(&mut self) -> bool {
        self.child.try_wait().expect("the state of a child").is_none()
    }

    /// Sends a signal by name: `HUP`, `STOP`, `CONT`, `TERM`.
    pub fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", signal, &pid]).status().expect("kill runs");
        assert!(status.success(), "{}: kill -s {signal}: {status}", self.name);
    }

    /// SIGTERM, and its exit status; panics when it does not end.
    pub fn stop(&mut self) -> ExitStatus {
        if self.running() {
            self.signal("TERM");
        }
        self.wait(STOP_TIMEOUT)
    }

    /// SIGKILL, and its exit status.
    pub fn kill(&mut self) -> ExitStatus {
        // An error here means that it has ended.
        let _ = self.child.kill();
        self.wait(STOP_TIMEOUT)
    }

    /// Its exit status, once it ends by itself; panics when it has not after `timeout`.
    pub fn wait(&mut self, timeout: Duration) -> ExitStatus {
        let end = Instant::now() + timeout;
        loop {
            if let Some(status) = self.child.try_wait().expect("the state of a child") {
                // So that `logs` is complete.
                self.readers.drain(..).for_each(|reader| reader.join().expect("a log reader"));
                return status;
            }
            assert!(Instant::now() < end, "{} still runs after {timeout:?}", self.name);
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Proc {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let lines = self.log.lines();
            eprintln!("the last lines of {}:", self.name);
            let first = lines.kept.len().saturating_sub(SHOWN_LINES);
            lines.kept.iter().skip(first).for_each(|line| eprintln!("  {line}"));
        }
    }
}

impl Log {
    fn lines(&self) -> MutexGuard<'_, Lines> {
        // Poisoned by a test that is failing already, and whose log is wanted.
        self.lines.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

fn follow(stream: impl Read + Send + 'static, log: Arc<Log>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        // Bytes, not `lines()`: output that is not UTF-8 must not end the reading.
        let mut stream = BufReader::new(stream);
        let mut bytes = Vec::new();
        while stream.read_until(b'\n', &mut bytes).is_ok_and(|count| count > 0) {
            let line = String::from_utf8_lossy(bytes.trim_ascii_end()).into_owned();
            bytes.clear();
            let mut lines = log.lines();
            if lines.kept.len() == KEPT_LINES {
                lines.kept.pop_front();
                lines.dropped += 1;
            }
            lines.kept.push_back(line);
            log.changed.notify_all();
        }
        log.lines().ended += 1;
        log.changed.notify_all();
    })
}
