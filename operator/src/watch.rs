//! Watches of ModelRoutes and ProviderPools, and the stores they fill.
//!
//! Owns: what the API server last said of these two kinds. Refuses to know: what it means.

use std::fmt::Debug;
use std::sync::Arc;

use futures_util::StreamExt;
use k8s_openapi::serde::de::DeserializeOwned;
use kube::core::{DeserializeGuard, NamespaceResourceScope};
use kube::runtime::reflector::{ObjectRef, Store, store::Writer};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use penstock_crds::{ModelRoute, ProviderPool};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::api_error::describe;
use crate::backoff::Backoff;

/// An object, or the reason why it cannot be read: one such object must not end the watch of all others.
pub type Guarded<K> = DeserializeGuard<K>;

/// What woke up.
#[derive(Debug, Default)]
pub struct Changes {
    /// Something that compiles differently: a spec, an object more or less, a Secret.
    pub world: Notify,
    /// Something that status depends on: any object, any proxy.
    pub status: Notify,
}

impl Changes {
    pub fn of_world(&self) {
        self.world.notify_one();
        self.status.notify_one();
    }
}

/// Everything the watches know.
#[derive(Clone)]
pub struct Stores {
    pub routes: Vec<Store<Guarded<ModelRoute>>>,
    pub pools: Vec<Store<Guarded<ProviderPool>>>,
}

impl Stores {
    /// Waits until every store has been filled once: before that, what is missing may only be unread.
    pub async fn synced(&self) {
        for store in &self.routes {
            // The writer lives as long as its watch, which only ends with the process.
            let _ = store.wait_until_ready().await;
        }
        for store in &self.pools {
            let _ = store.wait_until_ready().await;
        }
    }

    pub fn routes(&self) -> Vec<Arc<Guarded<ModelRoute>>> {
        self.routes.iter().flat_map(Store::state).collect()
    }

    pub fn pools(&self) -> Vec<Arc<Guarded<ProviderPool>>> {
        self.pools.iter().flat_map(Store::state).collect()
    }
}

/// Starts the watches, in all namespaces when none is given. They end with `tasks`.
pub fn start(
    client: &Client,
    namespaces: &[String],
    changes: &Arc<Changes>,
    tasks: &mut JoinSet<()>,
) -> Stores {
    Stores {
        routes: start_kind::<ModelRoute>(client, namespaces, changes, tasks),
        pools: start_kind::<ProviderPool>(client, namespaces, changes, tasks),
    }
}

fn start_kind<K>(
    client: &Client,
    namespaces: &[String],
    changes: &Arc<Changes>,
    tasks: &mut JoinSet<()>,
) -> Vec<Store<Guarded<K>>>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned
        + Send
        + Sync
        + 'static,
{
    let apis: Vec<Api<Guarded<K>>> = if namespaces.is_empty() {
        vec![Api::all(client.clone())]
    } else {
        namespaces.iter().map(|namespace| Api::namespaced(client.clone(), namespace)).collect()
    };
    apis.into_iter()
        .map(|api| {
            let writer = Writer::default();
            let store = writer.as_reader();
            tasks.spawn(follow(api, writer, Arc::clone(changes)));
            store
        })
        .collect()
}

async fn follow<K>(api: Api<Guarded<K>>, mut writer: Writer<Guarded<K>>, changes: Arc<Changes>)
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    let store = writer.as_reader();
    let mut events = Box::pin(watcher(api, watcher::Config::default()));
    let mut backoff = Backoff::api();
    let mut last_error = String::new();
    while let Some(event) = events.next().await {
        let event = match event {
            Ok(event) => event.modify(|object| object.managed_fields_mut().clear()),
            // Every watch is too old some day; it begins anew by itself.
            Err(watcher::Error::WatchError(status)) if status.code == 410 => continue,
            Err(error) => {
                complain(&K::plural(&()), &error, &mut last_error);
                tokio::time::sleep(backoff.next().unwrap_or_default()).await;
                continue;
            }
        };
        // Each try begins with `Init`, also one that fails: only what comes after it is a success.
        if !matches!(event, Event::Init) {
            backoff = Backoff::api();
            last_error.clear();
        }
        let compiles_differently = match &event {
            Event::Apply(object) => !is_same_spec(&store, object),
            Event::Delete(_) | Event::InitDone => true,
            Event::Init | Event::InitApply(_) => false,
        };
        writer.apply_watcher_event(&event);
        match compiles_differently {
            true => changes.of_world(),
            false => changes.status.notify_one(),
        }
    }
}

/// Our own status writes come back through the watch; they are no reason to compile.
fn is_same_spec<K>(store: &Store<Guarded<K>>, object: &Guarded<K>) -> bool
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    store.get(&ObjectRef::from_obj(object)).is_some_and(|known| {
        known.meta().uid == object.meta().uid
            && known.meta().generation == object.meta().generation
            && known.0.is_ok() == object.0.is_ok()
    })
}

/// The same error comes with each retry; it is said once.
fn complain(what: &str, error: &watcher::Error, last: &mut String) {
    let error = describe(error);
    if error != *last {
        tracing::warn!(
            error,
            "cannot watch {what}.penstock.dev; trying again (are the CRDs and the operator's ClusterRole installed?)"
        );
        *last = error;
    }
}
