//! The load generator: open loop (constant arrivals), closed loop (as fast as answers come), and held streams.
//!
//! One thread for each connection, with blocking sockets: an asynchronous timer has steps of a millisecond, which is
//! more than what is measured here.

use std::ops::AddAssign;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use crate::call::Call;
use crate::conn::Conn;
use crate::quantiles::Samples;
use crate::schedule::Arrivals;

/// From the start of a turn to its first request: all threads must be there.
const LEAD: Duration = Duration::from_millis(5);
/// A thread that met so many failures in a turn stops sending; a broken gateway must not take hours to measure.
const ENOUGH_FAILURES: usize = 3;

/// What came of some requests.
#[derive(Default)]
pub struct Tally {
    /// From when the request was due to the end of its answer.
    pub total: Samples,
    /// The same to its first token.
    pub first_token: Samples,
    /// From when the request was due to when it was sent: all connections busy, or the generator late.
    pub lag: Samples,
    pub failures: Vec<String>,
    /// How long the sending took.
    pub elapsed: Duration,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.total.append(other.total);
        self.first_token.append(other.first_token);
        self.lag.append(other.lag);
        self.failures.extend(other.failures);
        self.elapsed += other.elapsed;
    }
}

impl Tally {
    fn send(&mut self, conn: &mut Conn, call: &Call, due: Instant, on_first_token: impl FnMut()) {
        let lag = due.elapsed();
        match conn.send(call, on_first_token) {
            Ok(timing) => {
                self.total.push(timing.done - due);
                self.first_token.push(timing.first_token - due);
                self.lag.push(lag);
            }
            Err(failure) => self.failures.push(failure),
        }
    }

    fn goes_on(&self) -> bool {
        self.failures.len() < ENOUGH_FAILURES
    }
}

/// Requests at a constant rate, whatever becomes of the ones before. Each goes to the first connection that is free.
pub fn open_loop(conns: &mut [Conn], call: &Call, rate: u32, seconds: u32) -> Tally {
    let arrivals = Arrivals::new(Instant::now() + LEAD, rate, seconds);
    each(conns, |conn, tally| {
        while let Some(due) = tally.goes_on().then(|| arrivals.take()).flatten() {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            tally.send(conn, call, due, || ());
        }
    })
}

/// On every connection the next request as soon as the one before is answered.
pub fn closed_loop(conns: &mut [Conn], call: &Call, time: Duration) -> Tally {
    let end = Instant::now() + time;
    each(conns, |conn, tally| {
        while Instant::now() < end && tally.goes_on() {
            tally.send(conn, call, Instant::now(), || ());
        }
    })
}

/// One stream on each connection, all at the same time. While they last, `watch` is told again and again how many
/// are between their first token and their end.
pub fn held_streams(conns: &mut [Conn], call: &Call, mut watch: impl FnMut(usize)) -> Tally {
    let open = AtomicUsize::new(0);
    let hold = |conn: &mut Conn, tally: &mut Tally| {
        let mut has_begun = false;
        tally.send(conn, call, Instant::now(), || {
            has_begun = true;
            open.fetch_add(1, Ordering::Relaxed);
        });
        open.fetch_sub(usize::from(has_begun), Ordering::Relaxed);
    };
    thread::scope(|scope| {
        let holding = scope.spawn(|| each(conns, hold));
        while !holding.is_finished() {
            watch(open.load(Ordering::Relaxed));
            thread::sleep(Duration::from_millis(20));
        }
        joined(holding)
    })
}

/// Runs `work` on a thread for each connection and adds up what they did.
fn each(conns: &mut [Conn], work: impl Fn(&mut Conn, &mut Tally) + Sync) -> Tally {
    let begin = Instant::now();
    let mut sum = Tally::default();
    thread::scope(|scope| {
        let work = &work;
        let run = |conn| {
            move || {
                let mut tally = Tally::default();
                work(conn, &mut tally);
                tally
            }
        };
        let threads: Vec<_> = conns.iter_mut().map(|conn| scope.spawn(run(conn))).collect();
        threads.into_iter().for_each(|thread| sum += joined(thread));
    });
    sum.elapsed = begin.elapsed();
    sum
}

fn joined<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
