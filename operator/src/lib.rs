//! The Penstock operator: watch -> resolve -> compile (pure) -> publish -> status.
//!
//! Read [`engine`] first: it is the main process. Then [`compile`], the pure part that decides everything, [`hub`],
//! which knows how far each proxy has followed and what it says of its targets, and [`status`].
//!
//! Owns: watches, the CA, the push listener, conditions and Events.
//! Refuses to know: what a request looks like, how a proxy serves it.
//!
//! # Permissions
//!
//! Exactly these API verbs are used. In every watched namespace (a ClusterRole without `--watch-namespace`):
//!
//! | API group | resource | verbs | for |
//! |---|---|---|---|
//! | `penstock.dev` | `modelroutes`, `providerpools` | get, list, watch | the watches |
//! | `penstock.dev` | `modelroutes/status`, `providerpools/status` | patch | conditions |
//! | (core) | `secrets` | get, list, watch | one watch by name for each Secret that a pool names, and for `--client-keys-secret` in its namespace; `resourceNames` may narrow it |
//! | `events.k8s.io` | `events` | create | Events on changed conditions, and on providers that fail or recover |
//!
//! For the cluster:
//!
//! | API group | resource | verbs | for |
//! |---|---|---|---|
//! | `authentication.k8s.io` | `tokenreviews` | create | tokens of proxies |
//!
//! In the namespaces of `--ca-secret` and `--ca-configmap`:
//!
//! | API group | resource | verbs | for |
//! |---|---|---|---|
//! | (core) | `secrets` | get on the CA Secret by name; create | the CA is made once |
//! | (core) | `configmaps` | patch on the CA ConfigMap by name; create | the CA's certificate for the proxies |
//!
//! (`create` cannot be narrowed by name.)

mod api_error;
mod backoff;
mod ca;
pub mod catalogue;
pub mod compile;
pub mod engine;
mod events;
mod health;
pub mod hub;
pub mod metrics;
mod publisher;
mod push;
mod report;
mod resolve;
mod run;
mod secrets;
mod served;
pub mod settings;
pub mod status;
mod tls;
mod watch;

pub use api_error::describe;
pub use run::run;

/// Tests share one process, so whoever comes first installs the TLS provider.
#[cfg(test)]
fn test_tls() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}
