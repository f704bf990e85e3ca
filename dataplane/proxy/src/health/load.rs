//! How busy a target is, and how fast it has been lately. Time is an argument.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::OwnedSemaphorePermit;

/// After this long without news a latency counts for about a third: a target that was slow is tried again, and one that
/// is still slow says so at once.
const FORGET: Duration = Duration::from_secs(10);
/// Times to the first event that are remembered, to tell what is usual.
const REMEMBERED: usize = 128;
/// With fewer nobody can tell.
const ENOUGH: usize = 20;

/// What a target does now, and how long its answers took to begin.
#[derive(Default)]
pub struct Load {
    in_flight: AtomicU32,
    /// Those of them whose answer has not begun.
    waiting: AtomicU32,
    times: Mutex<Times>,
}

#[derive(Default)]
struct Times {
    /// To the first event of a stream.
    streamed: Average,
    /// To the end of an answer that is not streamed.
    whole: Average,
    recent: Recent,
    /// Tokens of an answer.
    answer: Option<f64>,
    /// Part of the prompt that a cache had.
    cached: Option<f64>,
}

/// What a new sample weighs in the averages of use.
const SAMPLE: f64 = 0.05;

/// A peak-sensitive moving average: it jumps up to a worse sample, and comes down over [`FORGET`].
#[derive(Clone, Copy, Default)]
struct Average(Option<(f64, Instant)>);

impl Average {
    /// Seconds.
    fn at(&self, now: Instant) -> Option<f64> {
        let (seconds, at) = self.0?;
        Some(seconds * weight(now.saturating_duration_since(at)))
    }

    fn add(&mut self, sample: f64, now: Instant) {
        let next = match self.0 {
            None => sample,
            Some((seconds, _)) if sample >= seconds => sample,
            Some((seconds, at)) => {
                let old = weight(now.saturating_duration_since(at));
                // Many quick answers in a row come down as fast as the time between them would alone, and a single one
                // counts for something too.
                let old = old.min(0.9);
                seconds * old + sample * (1.0 - old)
            }
        };
        self.0 = Some((next, now));
    }

    fn at_least(&mut self, sample: f64, now: Instant) {
        if self.at(now).is_some_and(|seconds| seconds < sample) {
            self.0 = Some((sample, now));
        }
    }
}

fn weight(age: Duration) -> f64 {
    (-age.as_secs_f64() / FORGET.as_secs_f64()).exp()
}

/// The last times, and the one that 95 of 100 stay below.
#[derive(Default)]
struct Recent {
    seconds: Vec<f32>,
    next: usize,
}

impl Recent {
    fn add(&mut self, seconds: f64) {
        let seconds = seconds as f32;
        match self.seconds.get_mut(self.next) {
            Some(old) => *old = seconds,
            None => self.seconds.push(seconds),
        }
        self.next = (self.next + 1) % REMEMBERED;
    }

    fn usual(&self) -> Option<Duration> {
        if self.seconds.len() < ENOUGH {
            return None;
        }
        let mut sorted = self.seconds.clone();
        let at = (sorted.len() * 95 / 100).min(sorted.len() - 1);
        let (_, seconds, _) = sorted.select_nth_unstable_by(at, f32::total_cmp);
        Duration::try_from_secs_f32(*seconds).ok()
    }
}

impl Load {
    fn times(&self) -> MutexGuard<'_, Times> {
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Requests under way.
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Requests whose answer has not begun.
    pub fn waiting(&self) -> u32 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Seconds until an answer begins (streamed) or ends (not), lately; `None` before the first one.
    pub fn latency(&self, streamed: bool, now: Instant) -> Option<f64> {
        let times = self.times();
        let (own, other) =
            if streamed { (times.streamed, times.whole) } else { (times.whole, times.streamed) };
        own.at(now).or_else(|| other.at(now))
    }

    /// The time within which 95 of 100 answers of this kind began lately; `None` where too few are known.
    pub fn usual(&self) -> Option<Duration> {
        self.times().recent.usual()
    }

    /// An answer took this long to begin, or a failure this long to show.
    pub fn took(&self, streamed: bool, time: Duration, now: Instant) {
        let seconds = time.as_secs_f64();
        let mut times = self.times();
        let average = if streamed { &mut times.streamed } else { &mut times.whole };
        average.add(seconds, now);
        times.recent.add(seconds);
    }

    /// What an answer used.
    pub fn used(&self, answer_tokens: u64, cached: f64) {
        fn add(average: &mut Option<f64>, sample: f64) {
            *average = Some(average.map_or(sample, |old| old + SAMPLE * (sample - old)));
        }
        let mut times = self.times();
        add(&mut times.answer, answer_tokens as f64);
        add(&mut times.cached, cached);
    }

    /// Tokens of an answer, and the part of a prompt that a cache has, lately; `None` before the first answer.
    pub fn usual_use(&self) -> (Option<f64>, Option<f64>) {
        let times = self.times();
        (times.answer, times.cached)
    }

    /// Nobody waited for the end: it would have taken at least this long.
    pub fn took_longer_than(&self, streamed: bool, time: Duration, now: Instant) {
        let mut times = self.times();
        let average = if streamed { &mut times.streamed } else { &mut times.whole };
        average.at_least(time.as_secs_f64(), now);
    }
}

/// A request under way at a target, until it is dropped.
pub struct Seat {
    load: Arc<Load>,
    waits: bool,
    /// Its place where the provider has a limit.
    _place: Option<OwnedSemaphorePermit>,
}

impl Seat {
    pub fn take(load: &Arc<Load>, place: Option<OwnedSemaphorePermit>) -> Self {
        load.in_flight.fetch_add(1, Ordering::Relaxed);
        load.waiting.fetch_add(1, Ordering::Relaxed);
        Self { load: load.clone(), waits: true, _place: place }
    }

    /// Its answer has begun.
    pub fn began(&mut self) {
        if std::mem::take(&mut self.waits) {
            self.load.waiting.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.began();
        self.load.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn a_slow_answer_counts_at_once_and_is_forgotten_slowly() {
        let (load, t0) = (Load::default(), Instant::now());
        assert_eq!(load.latency(true, t0), None);
        load.took(true, ms(100), t0);
        load.took(true, ms(1000), t0);
        assert_eq!(load.latency(true, t0), Some(1.0));
        let later = t0 + FORGET;
        let seconds = load.latency(true, later).unwrap();
        assert!((0.36..0.37).contains(&seconds), "{seconds}");
        load.took(true, ms(100), later);
        let seconds = load.latency(true, later).unwrap();
        assert!((0.35..0.45).contains(&seconds), "{seconds}: the sample of then counts for a third");
    }

    #[test]
    fn whoever_was_given_up_is_at_least_so_slow() {
        let (load, t0) = (Load::default(), Instant::now());
        load.took(true, ms(100), t0);
        load.took_longer_than(true, ms(50), t0);
        assert_eq!(load.latency(true, t0), Some(0.1));
        load.took_longer_than(true, ms(500), t0);
        assert_eq!(load.latency(true, t0), Some(0.5));
    }

    #[test]
    fn the_usual_time_is_the_95th_percentile_of_the_last_ones() {
        let (load, t0) = (Load::default(), Instant::now());
        (0..19).for_each(|_| load.took(true, ms(10), t0));
        assert_eq!(load.usual(), None, "too few");
        (0..200).for_each(|n| load.took(true, ms(if n % 20 == 0 { 900 } else { 10 }), t0));
        let usual = load.usual().unwrap();
        assert!(usual >= ms(9), "{usual:?}");
        (0..200).for_each(|n| load.took(true, ms(if n % 10 == 0 { 900 } else { 10 }), t0));
        assert!(load.usual().unwrap() > ms(800), "a tenth is slow");
    }

    #[test]
    fn a_seat_counts_until_it_is_left() {
        let load = Arc::new(Load::default());
        let mut seat = Seat::take(&load, None);
        assert_eq!((load.in_flight(), load.waiting()), (1, 1));
        seat.began();
        assert_eq!((load.in_flight(), load.waiting()), (1, 0));
        drop(seat);
        assert_eq!((load.in_flight(), load.waiting()), (0, 0));
    }
}
