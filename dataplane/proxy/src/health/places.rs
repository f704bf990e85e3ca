//! The places at a provider that works on a bounded number of requests, and the queue before them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use penstock_config::Concurrency;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Every place is taken, and so is the queue, or the wait was too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Saturated;

/// The places of one provider in this proxy.
pub struct Places {
    free: Arc<Semaphore>,
    waiting: AtomicU32,
    settings: Concurrency,
}

impl Places {
    pub fn new(settings: Concurrency) -> Self {
        let free = Arc::new(Semaphore::new(settings.limit as usize));
        Self { free, waiting: AtomicU32::new(0), settings }
    }

    pub fn settings(&self) -> Concurrency {
        self.settings
    }

    /// Is there a place now?
    pub fn has_room(&self) -> bool {
        self.free.available_permits() > 0
    }

    /// A place without a wait.
    pub fn take_now(&self) -> Result<OwnedSemaphorePermit, Saturated> {
        self.free.clone().try_acquire_owned().map_err(|_| Saturated)
    }

    /// A place, after a wait in the queue where that has room, but no longer than `most`.
    pub async fn take(&self, most: Duration) -> Result<OwnedSemaphorePermit, Saturated> {
        if let Ok(place) = self.take_now() {
            return Ok(place);
        }
        let Some(_waiting) = Waiting::join(&self.waiting, self.settings.queue) else { return Err(Saturated) };
        let longest = Duration::from_millis(self.settings.queue_ms).min(most);
        match tokio::time::timeout(longest, self.free.clone().acquire_owned()).await {
            Ok(Ok(place)) => Ok(place),
            // Nobody closes the semaphore.
            Ok(Err(_)) | Err(_) => Err(Saturated),
        }
    }
}

/// Counts whoever waits, until it is dropped: a client that leaves does not wait on.
struct Waiting<'a>(&'a AtomicU32);

impl<'a> Waiting<'a> {
    fn join(waiting: &'a AtomicU32, most: u32) -> Option<Self> {
        let joined = |n: u32| (n < most).then(|| n + 1);
        waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, joined).ok().map(|_| Self(waiting))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(limit: u32, queue: u32) -> Places {
        Places::new(Concurrency { limit, queue, queue_ms: 50 })
    }

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn without_a_queue_whoever_finds_no_place_goes_on_at_once() {
        let places = places(1, 0);
        let first = places.take(LONG).await.unwrap();
        assert!(!places.has_room());
        assert_eq!(places.take(LONG).await.err(), Some(Saturated));
        drop(first);
        assert!(places.take(LONG).await.is_ok());
    }

    #[tokio::test]
    async fn a_queue_is_bounded_in_length_and_time() {
        let places = Arc::new(places(1, 1));
        let first = places.take(LONG).await.unwrap();
        let waiting = tokio::spawn({
            let places = places.clone();
            async move { places.take(LONG).await.is_ok() }
        });
        tokio::task::yield_now().await;
        assert_eq!(places.take(LONG).await.err(), Some(Saturated), "one waits already");
        drop(first);
        assert!(waiting.await.unwrap(), "the place went to whoever waited");
        let began = tokio::time::Instant::now();
        let _held = places.take(LONG).await.unwrap();
        assert_eq!(places.take(LONG).await.err(), Some(Saturated));
        assert!(began.elapsed() >= Duration::from_millis(50));
    }

    #[tokio::test]
    async fn whoever_leaves_the_queue_frees_it() {
        let places = Arc::new(places(1, 1));
        let _held = places.take(LONG).await.unwrap();
        {
            let mut waiting = Box::pin(places.take(LONG));
            assert!(futures_util::FutureExt::now_or_never(&mut waiting).is_none());
        }
        let mut next = Box::pin(places.take(LONG));
        assert!(futures_util::FutureExt::now_or_never(&mut next).is_none(), "it may wait");
    }
}
