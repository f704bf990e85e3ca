//! The stores as one world to compile.

use std::collections::BTreeMap;

use kube::{Resource, ResourceExt};
use penstock_config::Snapshot;
use penstock_llm::catalogue::Overrides;

use crate::compile::{ClientAuthSource, Kind, ObjectKey, SecretState, Unreadable, World, secret_refs};
use crate::secrets::SecretWatches;
use crate::watch::{Guarded, Stores};

/// Gathers the world, and watches the Secrets it names from now on.
pub fn resolve(
    stores: &Stores,
    secrets: &mut SecretWatches,
    client_auth: &ClientAuthSource,
    last_good: Option<&Snapshot>,
) -> World {
    let mut unreadable = Vec::new();
    let pools = readable(stores.pools(), Kind::ProviderPool, &mut unreadable);
    let routes = readable(stores.routes(), Kind::ModelRoute, &mut unreadable);
    secrets.follow(&secret_refs(&pools, &routes, client_auth));
    World {
        pools,
        routes,
        unreadable,
        secrets: secrets.states(),
        client_auth: client_auth.clone(),
        catalogue: Overrides::default(),
        last_good: last_good.cloned(),
    }
}

/// The Secrets of this world that have not been read yet.
pub fn pending(secrets: &BTreeMap<(String, String), SecretState>) -> usize {
    secrets.values().filter(|state| **state == SecretState::Pending).count()
}

fn readable<K: Resource<DynamicType = ()> + Clone>(
    objects: Vec<std::sync::Arc<Guarded<K>>>,
    kind: Kind,
    unreadable: &mut Vec<Unreadable>,
) -> Vec<K> {
    objects
        .into_iter()
        .filter_map(|object| match &object.0 {
            Ok(object) => Some(object.clone()),
            Err(invalid) => {
                unreadable.push(Unreadable {
                    key: key_of(kind, &*object),
                    generation: object.meta().generation.unwrap_or_default(),
                    error: invalid.error.clone(),
                });
                None
            }
        })
        .collect()
}

/// The key of an object.
pub fn key_of(kind: Kind, object: &impl ResourceExt) -> ObjectKey {
    ObjectKey { kind, namespace: object.namespace().unwrap_or_default(), name: object.name_any() }
}
