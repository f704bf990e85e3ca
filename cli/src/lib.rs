//! The `penstock` command: the whole product on a laptop (`up`), manifests checked offline (`lint`), why a request goes where it goes (`explain`), and what is known of
//! models (`catalogue`).
//!
//! Owns: reading manifest files, the API server's rules applied offline, what a person sees.
//! Refuses to know: how a request is served (the proxy does) and how resources are compiled (the operator does).

pub mod catalogue;
mod close;
mod document;
mod exit;
pub mod explain;
mod findings;
pub mod lint;
mod manifest;
mod metadata;
mod problem;
mod schema;
mod secret;
pub mod source;
pub mod up;
mod yaml;
