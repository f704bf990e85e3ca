//! What a hook said of requests before: bounded in number, the longest unused goes first.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use lru::LruCache;

use super::wire::HookVerdict;

/// Verdicts kept for one hook.
const MOST: NonZeroUsize = NonZeroUsize::new(1024).unwrap();

/// Hash of everything that a hook was sent, but of the request's id.
pub type Key = [u8; 32];

/// The verdicts of one hook.
pub struct Verdicts(Mutex<LruCache<Key, (Instant, Arc<HookVerdict>)>>);

impl Default for Verdicts {
    fn default() -> Self {
        // Its room would be taken at once, for hooks that never keep anything.
        let mut empty = LruCache::unbounded();
        empty.resize(MOST);
        Self(Mutex::new(empty))
    }
}

impl Verdicts {
    /// One that is not older than `life`.
    pub fn get(&self, key: &Key, life: Duration, now: Instant) -> Option<Arc<HookVerdict>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, verdict) = kept.get(key)?;
        if now.saturating_duration_since(*since) < life {
            return Some(verdict.clone());
        }
        kept.pop(key);
        None
    }

    pub fn put(&self, key: Key, verdict: Arc<HookVerdict>, now: Instant) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.put(key, (now, verdict));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFE: Duration = Duration::from_secs(60);

    #[test]
    fn verdicts_live_for_their_time_and_are_bounded() {
        let (kept, t0) = (Verdicts::default(), Instant::now());
        let verdict = Arc::new(HookVerdict::default());
        let key = |n: u16| {
            let mut key = [0; 32];
            key[..2].copy_from_slice(&n.to_be_bytes());
            key
        };
        for n in 0..1024 {
            kept.put(key(n), verdict.clone(), t0);
        }
        assert!(kept.get(&key(0), LIFE, t0 + LIFE - Duration::from_millis(1)).is_some());
        // 0 was used; 1 was not, and makes room.
        kept.put(key(2000), verdict, t0);
        assert!(kept.get(&key(0), LIFE, t0).is_some() && kept.get(&key(1), LIFE, t0).is_none());
        assert!(kept.get(&key(0), LIFE, t0 + LIFE).is_none());
        assert_eq!(kept.0.lock().unwrap().len(), 1023);
        // A shorter time counts for what is there already.
        assert!(kept.get(&key(2), Duration::from_secs(1), t0 + Duration::from_secs(1)).is_none());
    }
}
