//! One watch for each Secret that is named, and none for the others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::StreamExt;
use k8s_openapi::api::core::v1 as core;
use kube::runtime::utils::StreamBackoff;
use kube::runtime::watcher::{Error, watch_object};
use kube::{Api, Client};
use penstock_config::Secret;
use tokio::task::{AbortHandle, JoinSet};

use crate::api_error::describe;
use crate::backoff::Backoff;
use crate::compile::{SecretState, Secrets};
use crate::watch::Changes;

type Id = (String, String);

/// The Secrets that are named now.
pub struct SecretWatches {
    client: Client,
    changes: Arc<Changes>,
    tasks: JoinSet<()>,
    watched: BTreeMap<Id, AbortHandle>,
    states: Arc<Mutex<Secrets>>,
}

impl SecretWatches {
    pub fn new(client: Client, changes: Arc<Changes>) -> Self {
        Self { client, changes, tasks: JoinSet::new(), watched: BTreeMap::new(), states: Arc::default() }
    }

    /// Watches exactly these from now on. A new one is `Pending` until it has been read.
    pub fn follow(&mut self, refs: &BTreeSet<Id>) {
        let dropped: Vec<Id> = self.watched.keys().filter(|id| !refs.contains(*id)).cloned().collect();
        for id in dropped {
            if let Some(task) = self.watched.remove(&id) {
                task.abort();
            }
            lock(&self.states).remove(&id);
        }
        for id in refs {
            if self.watched.contains_key(id) {
                continue;
            }
            lock(&self.states).insert(id.clone(), SecretState::Pending);
            let api = Api::namespaced(self.client.clone(), &id.0);
            let task = self.tasks.spawn(watch_one(
                api,
                id.clone(),
                Arc::clone(&self.states),
                Arc::clone(&self.changes),
            ));
            self.watched.insert(id.clone(), task);
        }
        // Ended tasks would pile up.
        while self.tasks.try_join_next().is_some() {}
    }

    pub fn states(&self) -> Secrets {
        lock(&self.states).clone()
    }
}

async fn watch_one(api: Api<core::Secret>, id: Id, states: Arc<Mutex<Secrets>>, changes: Arc<Changes>) {
    let (namespace, name) = &id;
    let mut versions = Box::pin(StreamBackoff::new(watch_object(api, name), Backoff::api()));
    while let Some(version) = versions.next().await {
        let state = match version {
            Ok(Some(secret)) => SecretState::Present(entries(secret)),
            Ok(None) => SecretState::Missing,
            Err(error) if is_forbidden(&error) => SecretState::Forbidden(format!(
                "its ServiceAccount needs a Role in namespace `{namespace}` with the verbs get, list and watch on Secret `{name}`"
            )),
            Err(error) => {
                // What was read last stays true until something else is known.
                let error = describe(&error);
                tracing::debug!(error, namespace, name, "the watch of a Secret broke; trying again");
                continue;
            }
        };
        let is_new = match lock(&states).get_mut(&id) {
            Some(known) if *known != state => {
                known.clone_from(&state);
                true
            }
            // Unchanged, or no longer followed: this task is about to end.
            Some(_) | None => false,
        };
        if is_new {
            if let SecretState::Forbidden(why) = &state {
                tracing::warn!(namespace, name, why, "a Secret may not be read");
            }
            changes.of_world();
        }
    }
}

fn entries(secret: core::Secret) -> BTreeMap<String, Secret<Vec<u8>>> {
    secret.data.unwrap_or_default().into_iter().map(|(entry, value)| (entry, Secret::new(value.0))).collect()
}

fn is_forbidden(error: &Error) -> bool {
    match error {
        Error::InitialListFailed(kube::Error::Api(status))
        | Error::WatchStartFailed(kube::Error::Api(status))
        | Error::WatchFailed(kube::Error::Api(status)) => status.is_forbidden(),
        Error::WatchError(status) => status.is_forbidden(),
        _ => false,
    }
}

fn lock(states: &Mutex<Secrets>) -> MutexGuard<'_, Secrets> {
    // Nothing that holds it can panic half-way.
    states.lock().unwrap_or_else(PoisonError::into_inner)
}
