//! What hooks keep across configurations: connections, verdicts, and how many are being asked beside requests.

use std::collections::HashMap;
use std::sync::Arc;

use penstock_config as config;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::cache::Verdicts;
use super::client::HookClient;
use super::hook::Hook;
use crate::metrics::Metrics;

/// Requests of one shadow hook that are under way at a time.
const SHADOWS_AT_ONCE: usize = 64;
/// KiB of them all, of all hooks: their bodies outlive the requests that they came from.
const SHADOW_KIB: u32 = 64 << 10;

/// The hooks of all configurations that are in use.
#[derive(Default)]
pub struct HookBook {
    /// Made when the first hook is: most proxies have none.
    shared: Option<Arc<Shared>>,
    kept: HashMap<Whose, Arc<Kept>>,
}

/// Route, hook and URL: one that is asked elsewhere from now on has said nothing yet.
type Whose = (String, String, String);

/// Of all hooks.
pub struct Shared {
    pub client: HookClient,
    shadow_kib: Arc<Semaphore>,
}

/// Of one hook.
pub struct Kept {
    pub verdicts: Verdicts,
    shadows: Arc<Semaphore>,
}

impl Kept {
    fn new() -> Self {
        Self { verdicts: Verdicts::default(), shadows: Arc::new(Semaphore::new(SHADOWS_AT_ONCE)) }
    }

    /// Leave to ask beside a request; held while it is asked.
    pub fn permits(&self, shared: &Shared, bytes: usize) -> Option<[OwnedSemaphorePermit; 2]> {
        // A body that is larger than all the room there is takes all of it.
        let kib = u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX).min(SHADOW_KIB);
        let one = self.shadows.clone().try_acquire_owned().ok()?;
        Some([one, shared.shadow_kib.clone().try_acquire_many_owned(kib).ok()?])
    }
}

impl HookBook {
    /// # Errors
    /// The hook is none that the operator would compile.
    pub fn hook(&mut self, route: &str, hook: &config::Hook, metrics: &Metrics) -> Result<Arc<Hook>, String> {
        let shared = self.shared.get_or_insert_with(|| {
            let shadow_kib = Arc::new(Semaphore::new(SHADOW_KIB as usize));
            Arc::new(Shared { client: HookClient::new(), shadow_kib })
        });
        let whose = (route.to_owned(), hook.name.clone(), hook.url.clone());
        let kept = self.kept.entry(whose).or_insert_with(|| Arc::new(Kept::new()));
        let metrics = metrics.hook([route, &hook.name]);
        Hook::new(hook, kept.clone(), shared.clone(), metrics).map(Arc::new)
    }

    /// Drops what no configuration and no request holds any more.
    pub fn forget_unused(&mut self) {
        self.kept.retain(|_, kept| Arc::strong_count(kept) > 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hook(url: &str) -> config::Hook {
        config::Hook {
            name: "h".into(),
            url: url.into(),
            timeout_ms: 200,
            failure_policy: config::HookFailurePolicy::Ignore,
            send: config::HookSends::Metadata,
            cache_seconds: 60,
            signing: None,
            shadow: false,
        }
    }

    #[test]
    fn what_is_kept_belongs_to_route_name_and_address() {
        let (mut book, metrics) = (HookBook::default(), Metrics::new());
        let first = book.hook("ns/r", &hook("http://a/"), &metrics).unwrap();
        let again = book.hook("ns/r", &hook("http://a/"), &metrics).unwrap();
        let elsewhere = book.hook("ns/r", &hook("http://b/"), &metrics).unwrap();
        let other_route = book.hook("ns/s", &hook("http://a/"), &metrics).unwrap();
        assert_eq!(book.kept.len(), 3);
        drop((first, elsewhere, other_route));
        book.forget_unused();
        assert_eq!(book.kept.len(), 1);
        drop(again);
        book.forget_unused();
        assert!(book.kept.is_empty());
        assert!(book.hook("ns/r", &hook("http://169.254.169.254/"), &metrics).is_err());
    }

    #[test]
    fn shadows_are_bounded_in_number_and_in_bytes() {
        let (mut book, metrics) = (HookBook::default(), Metrics::new());
        let _hook = book.hook("ns/r", &hook("http://a/"), &metrics).unwrap();
        let (shared, kept) = (book.shared.unwrap(), Kept::new());
        let small: Vec<_> = (0..SHADOWS_AT_ONCE).map(|_| kept.permits(&shared, 100).unwrap()).collect();
        assert!(kept.permits(&shared, 100).is_none());
        drop(small);
        let large = kept.permits(&shared, 32 << 20).unwrap();
        assert!(kept.permits(&shared, 33 << 20).is_none(), "there is no room for both");
        drop(large);
        let largest = kept.permits(&shared, usize::MAX).unwrap();
        assert!(Kept::new().permits(&shared, 1).is_none(), "the room is that of all hooks");
        drop(largest);
        assert!(kept.permits(&shared, 1).is_some());
    }
}
