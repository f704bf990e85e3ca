//! The whole world in, one snapshot and one verdict per object out. Pure: no IO, no clock, no chance.
//!
//! Owns: what an object contributes to the snapshot, and what is said of it.
//! Refuses to know: where objects and Secrets come from, who the proxies are, how status is written.
//!
//! **Last good.** [`World::last_good`] is the snapshot compiled before this one. An object that was good and is
//! now broken keeps what it contributed there:
//! - a pool that is Invalid or unreadable keeps its whole last pool;
//! - a provider whose Secret is gone, unreadable or emptied keeps the last value of that key;
//! - a hook whose signing Secret is gone, unreadable or emptied keeps the last value of its key;
//! - a route that is Invalid or unreadable keeps its last route, without the targets whose pool or provider is no
//!   longer in the snapshot;
//! - a target whose references are broken keeps what it was resolved to last, likewise; the rest of its route is fresh.
//!
//! An object that is deleted is gone, and a route that lost a model name contributes nothing. After a restart of the
//! operator there is no last good: what is broken then contributes only those parts that can be used. (Proxies
//! go on serving their own last good until that snapshot reaches them.)
//!
//! Same world and same last good: same snapshot, byte for byte.

mod claims;
mod client_auth;
mod close;
mod equivalents;
mod facts;
mod failover;
mod hook;
mod intents;
mod keys;
mod pool;
mod route;
mod targets;
mod verdict;
mod wallet;
mod world;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use penstock_config::Snapshot;

pub use verdict::{Fragment, Kind, ObjectKey, Problem, Verdict};
pub use world::{ClientAuthSource, SecretState, Secrets, Unreadable, World, secret_refs};

/// What the world compiles to.
#[derive(Clone, Debug, PartialEq)]
pub struct Compiled {
    pub snapshot: Snapshot,
    pub verdicts: BTreeMap<ObjectKey, Verdict>,
    /// What is wrong with the Secret of client keys. While nothing in it can be used, every caller is refused.
    pub auth_problem: Option<String>,
}

/// Compiles the world.
pub fn compile(world: &World) -> Compiled {
    let (auth, auth_problem) = client_auth::compile(&world.client_auth, &world.secrets);
    let pools = pool::compile_all(world);
    let routes = route::compile_all(world, &pools);

    let mut snapshot = Snapshot { auth, pools: BTreeMap::new(), routes: BTreeMap::new() };
    let mut verdicts = BTreeMap::new();
    for outcome in pools.into_values() {
        verdicts.insert(outcome.key.clone(), outcome.verdict());
        if let Some(pool) = outcome.contribution {
            snapshot.pools.insert(outcome.key.id(), pool);
        }
    }
    for outcome in routes {
        verdicts.insert(outcome.key.clone(), outcome.verdict());
        if let Some(route) = outcome.contribution {
            snapshot.routes.insert(outcome.key.id(), route);
        }
    }
    Compiled { snapshot, verdicts, auth_problem }
}
