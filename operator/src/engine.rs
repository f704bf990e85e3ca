//! The main process: wait for a change, resolve, compile, publish. Again.

use std::sync::Arc;
use std::time::Duration;

use penstock_config::Snapshot;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use crate::catalogue::CatalogueWatch;
use crate::compile::{ClientAuthSource, Compiled, World, compile};
use crate::publisher::Publisher;
use crate::resolve::{pending, resolve};
use crate::secrets::SecretWatches;
use crate::watch::{Changes, Stores};

/// A change is compiled when nothing else has changed for this long,
const QUIET: Duration = Duration::from_millis(20);
/// or this long after the first one.
const LONGEST_WAIT: Duration = Duration::from_millis(200);
/// How long a Secret that a running operator does not know yet may hold up everything else.
const PATIENCE: Duration = Duration::from_secs(1);

/// Everything the process works with.
pub struct Engine {
    pub stores: Stores,
    pub secrets: SecretWatches,
    pub catalogue: CatalogueWatch,
    pub client_auth: ClientAuthSource,
    pub changes: Arc<Changes>,
    pub publisher: Arc<Publisher>,
    /// Set once the first snapshot is published.
    pub synced: watch::Sender<bool>,
}

/// Runs for ever.
pub async fn run(mut engine: Engine) {
    // Invariant 1: until every store has been filled, what is missing may only be unread.
    engine.stores.synced().await;
    tracing::info!("every store has synced");
    let mut last_good: Option<Snapshot> = None;
    let mut auth_problem = None;
    loop {
        let world = next_world(&mut engine, last_good.as_ref()).await;
        if let Some(compiled) = compile_apart(&engine, world).await {
            say_auth_problem(&mut auth_problem, &compiled);
            last_good = Some(compiled.snapshot.clone());
            engine.publisher.publish(compiled);
            engine.synced.send_replace(true);
        }
        changed(&engine.changes).await;
    }
}

/// The world, as soon as every Secret it names has been read. At the start that is waited for without end: a world
/// with Secrets that were not read yet would look like one where they are missing. Later, one Secret that cannot be
/// read must not stop the others.
async fn next_world(engine: &mut Engine, last_good: Option<&Snapshot>) -> World {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let overrides = engine.catalogue.overrides();
        let is_read = overrides.is_some();
        let world = World {
            catalogue: overrides.unwrap_or_default(),
            ..resolve(&engine.stores, &mut engine.secrets, &engine.client_auth, last_good)
        };
        let unread = pending(&world.secrets) + usize::from(!is_read);
        if unread == 0 {
            return world;
        }
        if !engine.publisher.has_published() {
            tracing::info!(unread, "waiting for Secrets and the catalogue to be read");
            changed(&engine.changes).await;
        } else if timeout_at(deadline, engine.changes.world.notified()).await.is_err() {
            return world;
        }
    }
}

/// Waits for a change, and then until changes pause.
async fn changed(changes: &Changes) {
    changes.world.notified().await;
    let deadline = Instant::now() + LONGEST_WAIT;
    loop {
        let quiet = (Instant::now() + QUIET).min(deadline);
        if timeout_at(quiet, changes.world.notified()).await.is_err() {
            return;
        }
    }
}

/// Compiles on a thread of its own: thousands of routes would hold up the push streams. Should it ever panic, the
/// operator goes on with what it published last.
async fn compile_apart(engine: &Engine, world: World) -> Option<Compiled> {
    let timer = engine.publisher.metrics().compile.start_timer();
    let compiled = tokio::task::spawn_blocking(move || compile(&world)).await;
    timer.observe_duration();
    compiled
        .inspect_err(|error| tracing::error!(%error, "compile failed; what was published last stays"))
        .ok()
}

/// It belongs to no object, so it has no condition: it is logged when it changes.
fn say_auth_problem(last: &mut Option<String>, compiled: &Compiled) {
    if *last != compiled.auth_problem {
        match &compiled.auth_problem {
            Some(problem) => tracing::warn!(problem, "clients cannot all be let in"),
            None => tracing::info!("client keys are good"),
        }
        last.clone_from(&compiled.auth_problem);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Milliseconds until `changed` returns, with a change at each of these times.
    async fn waited(at: &[u64]) -> u128 {
        let changes = Arc::new(Changes::default());
        let start = Instant::now();
        let ringing = {
            let (changes, at) = (Arc::clone(&changes), at.to_vec());
            tokio::spawn(async move {
                for ms in at {
                    tokio::time::sleep_until(start + Duration::from_millis(ms)).await;
                    changes.world.notify_one();
                }
            })
        };
        changed(&changes).await;
        ringing.abort();
        start.elapsed().as_millis()
    }

    #[tokio::test(start_paused = true)]
    async fn changes_are_gathered_until_they_pause_but_not_for_ever() {
        let near = |waited: u128, wanted: u128| waited.abs_diff(wanted) <= 2;
        assert!(near(waited(&[0]).await, 20));
        assert!(near(waited(&[0, 10, 25]).await, 45));
        let steady: Vec<u64> = (0..100).map(|i| i * 10).collect();
        assert!(near(waited(&steady).await, 200));
    }
}
