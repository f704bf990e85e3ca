//! Child processes: their output while they start, their memory and CPU time from `/proc`, their end.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

/// A process of ours; dropping it ends it.
pub struct Process {
    name: &'static str,
    child: Child,
    lines: Receiver<String>,
}

impl Process {
    /// Standard input is a pipe that ends when this process does.
    pub fn start(name: &'static str, command: &mut Command) -> anyhow::Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("starting {name}"))?;
        let (sender, lines) = channel();
        follow(child.stdout.take(), sender.clone());
        follow(child.stderr.take(), sender);
        Ok(Self { name, child, lines })
    }

    /// What `find` makes of the first line it takes, from either output.
    pub fn wait_for<T>(&self, time: Duration, find: impl Fn(&str) -> Option<T>) -> anyhow::Result<T> {
        let end = Instant::now() + time;
        let mut seen = String::new();
        while let Ok(line) = self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
            if let Some(found) = find(&line) {
                return Ok(found);
            }
            seen += &line;
            seen += "\n";
        }
        bail!("{} did not say where it listens; it said:\n{seen}", self.name)
    }

    /// Resident memory, in bytes.
    pub fn rss(&self) -> anyhow::Result<u64> {
        parse_rss(&self.proc("status")?).context("no VmRSS in /proc")
    }

    /// CPU time so far, user and system, of all threads.
    pub fn cpu(&self) -> anyhow::Result<Duration> {
        parse_cpu(&self.proc("stat")?).context("no times in /proc")
    }

    fn proc(&self, file: &str) -> anyhow::Result<String> {
        let path = format!("/proc/{}/{file}", self.child.id());
        fs::read_to_string(&path)
            .with_context(|| format!("{}: {path}: it has ended, or this is no Linux", self.name))
    }
}

/// Resident memory of this process, in bytes.
pub fn own_rss() -> anyhow::Result<u64> {
    parse_rss(&fs::read_to_string("/proc/self/status")?).context("no VmRSS in /proc")
}

impl Drop for Process {
    fn drop(&mut self) {
        // Errors mean that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads to the end even when nobody listens any more: a full pipe would stop the process.
fn follow(output: Option<impl Read + Send + 'static>, lines: Sender<String>) {
    let Some(output) = output else { return };
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let _ = lines.send(line);
        }
    });
}

fn parse_rss(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib << 10)
}

fn parse_cpu(stat: &str) -> Option<Duration> {
    /// USER_HZ is 100 on every architecture that Rust's standard library supports on Linux.
    const TICK: Duration = Duration::from_millis(10);
    // The name before the bracket may hold anything; `utime` and `stime` are fields 14 and 15 of the whole line.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_ascii_whitespace().skip(11).map(str::parse::<u32>);
    Some(TICK * (times.next()?.ok()? + times.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_proc() {
        assert_eq!(parse_rss("Name:\tx\nVmHWM:\t 9 kB\nVmRSS:\t   12 kB\n"), Some(12 << 10));
        assert_eq!(parse_rss("Name:\tx\n"), None);
        let stat = "7 (a) b) S 1 7 7 0 -1 4194304 100 0 0 0 31 12 0 0 20 0 5 0 100 1 2";
        assert_eq!(parse_cpu(stat), Some(Duration::from_millis(430)));
        assert_eq!(parse_cpu("7 (a) S 1"), None);
    }

    #[test]
    fn tells_what_a_process_said() {
        let process =
            Process::start("sh", Command::new("sh").args(["-c", "echo one; echo two >&2; read x"])).unwrap();
        let found =
            process.wait_for(Duration::from_secs(10), |line| line.strip_prefix("tw").map(str::to_owned));
        assert_eq!(found.unwrap(), "o");
        assert!(process.rss().unwrap() > 0 && process.cpu().is_ok());
        let silent = Process::start("sh", Command::new("sh").args(["-c", "echo no"])).unwrap();
        let error = silent.wait_for(Duration::from_secs(10), |_| None::<()>).unwrap_err();
        assert!(error.to_string().ends_with("no\n"), "{error}");
    }
}
