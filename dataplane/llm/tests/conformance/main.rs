//! Recorded provider traffic through every decoder and encoder, beside a reading of the recordings that knows neither.
//!
//! The recordings stay outside the repository: `PENSTOCK_CONFORMANCE` names their folder, `shared/conformance` beside
//! the checkout is the default, and where neither is there the test says so and passes. With
//! `PENSTOCK_REENCODED_OUT` it writes every answer, encoded again for every kind of client, one JSON a line, for a
//! check with the official SDKs.
//!
//! Recordings of fidelity `wire` and `events` must all be read as they are; of `sdk` those that still have their
//! format's shape.

mod answers;
mod clients;
mod cuts;
mod exchange;
mod failures;
mod reading;
mod report;
mod requests;
mod turns;
mod wrong;

use std::cell::RefCell;
use std::fs;
use std::io::Write;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use exchange::Exchange;
use report::Report;
use wrong::WRONG;

#[test]
fn recorded_exchanges() {
    let Some(folder) = folder() else { return };
    quiet_workers();
    let lines = lines(folder);
    let next = AtomicUsize::new(0);
    let work = || {
        let mut report = Report::default();
        while let Some(line) = lines.get(next.fetch_add(1, Ordering::Relaxed)) {
            check(&Exchange::read(line), &mut report);
        }
        report
    };
    let workers = thread::available_parallelism().map_or(2, usize::from);
    let mut report = Report::default();
    thread::scope(|scope| {
        let spawn =
            |_| thread::Builder::new().name(WORKER.into()).spawn_scoped(scope, work).expect("a thread");
        let workers: Vec<_> = (0..workers).map(spawn).collect();
        workers.into_iter().for_each(|worker| report.join(worker.join().expect("a worker ends")));
    });
    report.print();
    if let Some(path) = std::env::var_os("PENSTOCK_REENCODED_OUT") {
        let mut out = fs::File::create(path).expect("a file to write to");
        report.written.iter().for_each(|line| writeln!(out, "{line}").expect("room for the answers"));
    }
    report.problems.sort();
    assert!(
        report.problems.is_empty(),
        "{} problems:\n{}",
        report.problems.len(),
        report.problems.join("\n")
    );
}

/// Every line of every file.
fn lines(folder: PathBuf) -> Vec<String> {
    let files = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|it| it == "jsonl")).collect();
    files.sort();
    let text = |path: &PathBuf| fs::read_to_string(path).expect("a file of recordings");
    files.iter().flat_map(|path| text(path).lines().map(str::to_owned).collect::<Vec<_>>()).collect()
}

fn folder() -> Option<PathBuf> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance");
    let folder = std::env::var_os("PENSTOCK_CONFORMANCE").map_or_else(beside, PathBuf::from);
    if folder.join("openai.jsonl").exists() {
        return Some(folder);
    }
    println!("SKIPPED: no recordings in {} (PENSTOCK_CONFORMANCE names their folder)", folder.display());
    None
}

fn check(exchange: &Exchange, report: &mut Report) {
    if !WRONG.iter().any(|(id, _)| exchange.id == *id) {
        return check_whole(exchange, report);
    }
    // It must do no harm; and the list must not hold a recording that reads well.
    let mut aside = Report::default();
    check_whole(exchange, &mut aside);
    report.problems.extend(aside.problems.iter().filter(|problem| problem.contains(PANIC)).cloned());
    if aside.problems.is_empty() {
        report.problem(exchange, "it is listed as wrong, but reads well");
    }
    report.skip(exchange, "the recording is wrong");
}

/// What no input may cause.
const PANIC: &str = "PANIC";

/// A panic is one problem more, with the recording's id. One of the readings means that they do not understand it.
fn check_whole(exchange: &Exchange, report: &mut Report) {
    let mut own = Report::default();
    let outcome = catch_unwind(AssertUnwindSafe(|| match exchange.format() {
        Ok(format) => {
            own.counts(exchange).exchanges += 1;
            requests::check(exchange, format, &mut own);
            answers::check(exchange, format, &mut own);
        }
        Err(why) => own.skip(exchange, why),
    }));
    if outcome.is_err() {
        own.problem(exchange, LAST_PANIC.take());
    }
    report.join(own);
}

thread_local! {
    static LAST_PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

const WORKER: &str = "worker";

/// Keeps what workers say to themselves until it is a problem.
fn quiet_workers() {
    let loud = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if thread::current().name() != Some(WORKER) {
            return loud(info);
        }
        let file = info.location().map_or("", |location| location.file());
        let who = if file.contains("reading") { "cannot be read" } else { PANIC };
        LAST_PANIC.set(format!("{who}: {info}"));
    }));
}
