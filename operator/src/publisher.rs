//! The hub behind a lock, and the newest snapshot for every push stream.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use penstock_config::{PushFrame, Revision, write_frame};
use tokio::sync::watch;

use crate::compile::{Compiled, ObjectKey};
use crate::hub::{Follower, Hub, Published, Sequence, StreamId};
use crate::metrics::Metrics;
use crate::report::Report;
use crate::served::Served;
use crate::watch::Changes;

/// A snapshot as it goes to the proxies: serialized once, shared by all.
#[derive(Debug)]
pub struct Frame {
    pub sequence: Sequence,
    pub revision: Revision,
    pub line: Bytes,
    pub served: Arc<Served>,
}

/// Everything that status depends on, at one moment.
pub struct Look {
    /// Without the proxies that were lost too long ago.
    pub fleet: Vec<Follower>,
    pub objects: Arc<BTreeMap<ObjectKey, Published>>,
    /// Of the proxies that said anything of health.
    pub reports: Vec<Arc<Report>>,
    pub served: Arc<Served>,
}

/// Where compile hands over to the push streams. A stream that is slow skips what was replaced meanwhile, so that
/// memory does not grow with the number of proxies.
pub struct Publisher {
    hub: Mutex<Hub>,
    newest: watch::Sender<Option<Arc<Frame>>>,
    changes: Arc<Changes>,
    metrics: Metrics,
}

impl Publisher {
    pub fn new(lost_grace: Duration, changes: Arc<Changes>, metrics: Metrics) -> Self {
        Self { hub: Mutex::new(Hub::new(lost_grace)), newest: watch::Sender::new(None), changes, metrics }
    }

    /// Publishes the snapshot when it differs from the one before; verdicts always.
    pub fn publish(&self, compiled: Compiled) {
        let Compiled { snapshot, verdicts, auth_problem: _ } = compiled;
        let revision = snapshot.revision();
        let (pools, routes) = (snapshot.pools.len(), snapshot.routes.len());
        let is_new = self.hub().publish(revision.clone(), verdicts);
        if let Some(sequence) = is_new {
            let served = Arc::new(Served::of(&snapshot));
            let frame = PushFrame::Snapshot { revision: revision.clone(), snapshot: Box::new(snapshot) };
            let line = Bytes::from(write_frame(&frame));
            self.metrics.set_revision(revision.as_str());
            tracing::info!(%revision, sequence, routes, pools, bytes = line.len(), "published");
            self.newest.send_replace(Some(Arc::new(Frame { sequence, revision, line, served })));
        }
        self.changes.status.notify_one();
    }

    /// The newest snapshot, and a call for each that replaces it.
    pub fn subscribe(&self) -> watch::Receiver<Option<Arc<Frame>>> {
        self.newest.subscribe()
    }

    pub fn has_published(&self) -> bool {
        self.newest.borrow().is_some()
    }

    /// Whether the proxy of this stream serves the newest revision already.
    pub fn is_current(&self, proxy: &str, stream: StreamId) -> bool {
        self.hub().is_current(proxy, stream)
    }

    pub fn look(&self, now: Instant) -> Look {
        let served = self.newest.borrow().as_ref().map(|frame| Arc::clone(&frame.served));
        let mut hub = self.hub();
        hub.expire(now);
        Look {
            fleet: hub.followers(now),
            objects: Arc::clone(hub.objects()),
            reports: hub.reports(),
            served: served.unwrap_or_default(),
        }
    }

    /// Tells the hub of something a proxy did.
    pub fn update<T>(&self, update: impl FnOnce(&mut Hub) -> T) -> T {
        let mut hub = self.hub();
        let result = update(&mut hub);
        self.metrics.proxies_connected.set(i64::try_from(hub.connected()).unwrap_or(i64::MAX));
        drop(hub);
        self.changes.status.notify_one();
        result
    }

    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    fn hub(&self) -> MutexGuard<'_, Hub> {
        // Its methods leave it whole even if one panicked.
        self.hub.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
