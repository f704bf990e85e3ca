//! `penstock up` as a process: it answers, shows the failover, reloads, and keeps what was good.

use std::cell::RefCell;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

/// Longer than anything here takes, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(30);

const POOL: &str = "apiVersion: penstock.dev/v1alpha1
kind: ProviderPool
metadata: {name: sim}
spec: {providers: [{name: sim, type: Simulated, models: [{name: m}], simulated: {reply: REPLY}}]}
";
const ROUTE: &str = "apiVersion: penstock.dev/v1alpha1
kind: ModelRoute
metadata: {name: bot}
spec: {models: [{name: bot}], rules: [{name: all, targets: [{pool: sim, model: m}]}]}
";

/// A running `penstock up`, on a port of its own.
struct Up {
    child: Child,
    lines: Receiver<String>,
    /// Lines that nobody has asked for yet: standard output and standard error come in no order.
    unclaimed: RefCell<Vec<String>>,
    address: String,
}

impl Up {
    fn start(args: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_penstock"))
            .args(["up", "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"])
            .args(args)
            .env("PENSTOCK_TEST_CLIENT_KEY", "a-client-key")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (send, lines) = channel();
        for stream in [
            Box::new(child.stdout.take().unwrap()) as Box<dyn Read + Send>,
            Box::new(child.stderr.take().unwrap()),
        ] {
            let send = send.clone();
            thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    // Nobody listens any more when the test is over.
                    let _ = send.send(line);
                }
            });
        }
        let mut up = Self { child, lines, unclaimed: RefCell::default(), address: String::new() };
        let listening = up.line("listening on http://");
        up.address = listening.split("http://").nth(1).unwrap().to_owned();
        up
    }

    /// Waits for a line that contains `text`; each line is given out once.
    fn line(&self, text: &str) -> String {
        let mut unclaimed = self.unclaimed.borrow_mut();
        if let Some(at) = unclaimed.iter().position(|line| line.contains(text)) {
            return unclaimed.remove(at);
        }
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) if line.contains(text) => return line,
                Ok(line) => unclaimed.push(line),
                Err(error) => panic!("no line with {text:?} ({error}); there were {unclaimed:#?}"),
            }
        }
    }

    /// Status line, headers and body of one chat request.
    fn chat(&self, model: &str, stream: bool, header: &str) -> String {
        let body = format!(
            r#"{{"model":"{model}","stream":{stream},"messages":[{{"role":"user","content":"hello"}}]}}"#
        );
        let mut socket = TcpStream::connect(&self.address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(
            socket,
            "POST /v1/chat/completions HTTP/1.1\r\nhost: test\r\nconnection: close\r\n{header}content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        answer
    }

    fn stop(mut self) -> ExitStatus {
        let kill = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(kill.success());
        self.child.wait().unwrap()
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        // A test that failed leaves nothing behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn write(folder: &Path, name: &str, text: &str) {
    fs::write(folder.join(name), text).unwrap();
}

#[test]
fn the_quickstart_shows_a_failover_on_the_first_request() {
    let up = Up::start(&[]);
    let answer = up.chat("support-bot", false, "");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("x-penstock-attempts: 2\r\n"), "{answer}");
    assert!(answer.contains("x-penstock-target: healthy/steady/sim-small\r\n"), "{answer}");
    assert!(answer.contains("hello"), "{answer}");

    let stream = up.chat("support-eu", true, "");
    assert!(stream.contains("x-penstock-attempts: 2\r\n"), "{stream}");
    assert!(stream.contains("text/event-stream") && stream.contains("data: [DONE]"), "{stream}");
    assert!(up.stop().success());
}

#[test]
fn the_printed_lines_can_be_pasted() {
    let up = Up::start(&[]);
    for stream in [false, true] {
        let line = up.line("curl -i");
        assert_eq!(line.contains("curl -iN"), stream, "{line}");
        let output = match Command::new("sh").args(["-c", &line]).output() {
            Ok(output) if output.status.code() != Some(127) => output,
            _ => return eprintln!("curl is not installed: the printed line was not run"),
        };
        let answer = String::from_utf8(output.stdout).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("x-penstock-attempts: 2"), "{answer}");
        assert_eq!(answer.contains("data: [DONE]"), stream, "{answer}");
    }
}

#[test]
fn it_reloads_and_keeps_what_was_good() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path();
    write(folder, "pool.yaml", &POOL.replace("REPLY", "first"));
    write(folder, "route.yaml", ROUTE);
    let up = Up::start(&["-f", folder.to_str().unwrap()]);
    assert!(up.chat("bot", false, "").contains("first"));

    write(folder, "pool.yaml", &POOL.replace("REPLY", "second"));
    up.line("reloaded: bot (default/bot)");
    assert!(up.chat("bot", false, "").contains("second"));

    write(folder, "pool.yaml", &POOL.replace("REPLY", "[third]"));
    up.line("spec.providers[0].simulated.reply: must be text");
    up.line("reloaded with 1 problem");
    assert!(up.chat("bot", false, "").contains("second"));

    // As editors do it: write beside, then rename.
    write(folder, ".pool.yaml.swp", &POOL.replace("REPLY", "fourth"));
    fs::rename(folder.join(".pool.yaml.swp"), folder.join("pool.yaml")).unwrap();
    up.line("reloaded: bot (default/bot)");
    assert!(up.chat("bot", false, "").contains("fourth"));
}

#[test]
fn callers_need_the_key_where_there_is_one() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "all.yaml", &format!("{POOL}---\n{ROUTE}").replace("REPLY", "open"));
    let args = [
        "--client-keys-secret",
        "default/clients",
        "--env-secret",
        "default/clients/me=PENSTOCK_TEST_CLIENT_KEY",
    ];
    let up = Up::start(&[&["-f", dir.path().to_str().unwrap()], args.as_slice()].concat());
    up.line("need the key in Secret default/clients");
    assert!(up.chat("bot", false, "").starts_with("HTTP/1.1 401"));
    assert!(up.chat("bot", false, "authorization: Bearer wrong\r\n").starts_with("HTTP/1.1 401"));
    assert!(up.chat("bot", false, "authorization: Bearer a-client-key\r\n").starts_with("HTTP/1.1 200"));
}

#[test]
fn a_bad_object_does_not_stop_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let bad = ROUTE.replace("name: bot", "name: bad").replace("pool: sim", "pool: absent");
    write(dir.path(), "all.yaml", &format!("{POOL}---\n{ROUTE}---\n{bad}").replace("REPLY", "served"));
    let up = Up::start(&["-f", dir.path().to_str().unwrap()]);
    assert!(up.chat("bot", false, "").contains("served"));
    assert!(up.chat("bad", false, "").starts_with("HTTP/1.1 404"));
}

/// Exit code and standard error of a start that fails.
fn refused(args: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_penstock")).arg("up").args(args).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_wrong_start_says_why() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let open = "127.0.0.1:0";
    for (args, text) in [
        (vec!["--listen", "0.0.0.0:0"], "--allow-anonymous"),
        (vec!["--listen", taken.as_str()], "Address already in use"),
        (vec!["--listen", open, "--metrics-listen", taken.as_str()], "--metrics-listen"),
        (vec!["--listen", open, "-f", "absent.yaml"], "absent.yaml: cannot be read"),
        (
            vec!["--listen", open, "--env-secret", "a/b/c=PENSTOCK_TEST_NOT_SET"],
            "PENSTOCK_TEST_NOT_SET is not set",
        ),
        (vec!["--listen", open, "--env-secret", "a"], "namespace/name/key=VARIABLE"),
        (vec!["--allow-anonymous", "--client-keys-secret", "a/b"], "cannot be used with"),
    ] {
        let (code, stderr) = refused(&args);
        assert_eq!(code, Some(2), "{args:?}: {stderr}");
        assert!(stderr.contains(text), "{args:?}: {stderr}");
    }
}
