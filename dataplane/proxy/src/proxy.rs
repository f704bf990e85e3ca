//! The proxy as a whole: the configuration in force, and what outlives a change of it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use penstock_config::{Revision, Snapshot};

use crate::credentials::{CredentialBook, Surroundings};
use crate::fetch::{Fetcher, MediaOrigin};
use crate::health::{HealthBook, Report};
use crate::hooks::HookBook;
use crate::lessons::LessonBook;
use crate::metrics::Metrics;
use crate::runtime::{Books, Runtime};
use crate::trail::Ring;
use crate::upstream::Clients;

/// Limits of a proxy that do not come with its configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Largest request body, in bytes; a larger one is answered 413.
    pub max_request_bytes: usize,
    /// Largest answer of a provider that is not streamed, in bytes.
    pub max_answer_bytes: usize,
    /// A client that sends no byte of its request for so long is answered 408.
    pub client_idle: Duration,
    /// How long requests in flight may go on after a shutdown began.
    pub drain_timeout: Duration,
    /// How many of the last decisions are kept for `penstock explain`; 0 keeps none.
    pub decisions: usize,
    /// Where media may be fetched from that clients name by their addresses; from nowhere when empty.
    pub fetch_media_from: Vec<MediaOrigin>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_request_bytes: 32 << 20,
            max_answer_bytes: 64 << 20,
            client_idle: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(30),
            decisions: 256,
            fetch_media_from: Vec::new(),
        }
    }
}

/// A snapshot that cannot be served. The one before stays in force.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct InvalidSnapshot(pub String);

/// A running proxy.
pub struct Proxy {
    pub(crate) settings: Settings,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) clients: Clients,
    pub(crate) fetcher: Option<Fetcher>,
    pub(crate) decisions: Ring,
    runtime: ArcSwapOption<Runtime>,
    /// Outlive swaps; the lock is held while a runtime is built, never on a request's path.
    books: Mutex<Books>,
    draining: AtomicBool,
}

impl Proxy {
    pub fn new(settings: Settings) -> Arc<Self> {
        let metrics = Arc::new(Metrics::new());
        Arc::new(Self {
            fetcher: Fetcher::new(&settings.fetch_media_from, &metrics),
            decisions: Ring::new(settings.decisions),
            settings,
            metrics,
            clients: Clients::default(),
            runtime: ArcSwapOption::empty(),
            books: Mutex::new(Books {
                health: HealthBook::default(),
                credentials: CredentialBook::new(Surroundings::of_process()),
                hooks: HookBook::default(),
                lessons: LessonBook::default(),
            }),
            draining: AtomicBool::new(false),
        })
    }

    /// Puts a snapshot in force for requests that begin from now on. Requests in flight keep the one they began with.
    pub fn apply(&self, snapshot: &Snapshot) -> Result<Revision, InvalidSnapshot> {
        let mut books = self.books.lock().unwrap_or_else(PoisonError::into_inner);
        let runtime = Runtime::build(snapshot, &mut books, &self.metrics, &self.clients)?;
        let revision = runtime.revision.clone();
        let runtime = Arc::new(runtime);
        let before = self.runtime.swap(Some(runtime.clone()));
        if let Some(before) = &before {
            let kept = runtime.target_labels();
            before.target_labels().difference(&kept).for_each(|labels| self.metrics.forget_target(*labels));
            let kept = runtime.rule_labels();
            before.rule_labels().difference(&kept).for_each(|labels| self.metrics.forget_rule(*labels));
            let kept = runtime.hook_labels();
            before.hook_labels().difference(&kept).for_each(|labels| self.metrics.forget_hook(*labels));
        }
        self.metrics.config_applied(before.as_ref().map(|r| r.revision.as_str()), revision.as_str());
        drop(before);
        books.health.forget_unused(&self.metrics);
        books.credentials.forget_unused();
        books.hooks.forget_unused();
        books.lessons.forget_unused();
        Ok(revision)
    }

    /// The revision in force.
    pub fn serving(&self) -> Option<Revision> {
        self.runtime.load().as_ref().map(|runtime| runtime.revision.clone())
    }

    pub(crate) fn runtime(&self) -> Option<Arc<Runtime>> {
        self.runtime.load_full()
    }

    /// What is not well with the targets in force; `None` without a configuration.
    pub(crate) fn health(&self, now: Instant) -> Option<Report> {
        self.runtime().map(|runtime| Report::of(runtime.seen(), now))
    }

    /// Ready: there is a configuration, and no shutdown has begun.
    pub fn is_ready(&self) -> bool {
        self.runtime.load().is_some() && !self.draining.load(Ordering::Relaxed)
    }

    /// From now on `/readyz` says no, so that load balancers look elsewhere.
    pub fn start_draining(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }
}
