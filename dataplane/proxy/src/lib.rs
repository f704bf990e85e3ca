//! The Penstock proxy: all IO of the data plane.
//!
//! Read `pipeline.rs` first: it tells a request's life from top to bottom.
//!
//! Owns: sockets, timers, tasks, health of targets, metrics, the configuration in force.
//! Refuses to know: custom resources, how a wire format looks inside (that is `penstock-llm`).

// Failures carry what the client will read, and are moved a few times; a box would not make that any clearer.
#![allow(clippy::result_large_err)]

mod asked;
mod attempt;
mod auth;
mod credentials;
mod endpoint;
mod failure;
mod fetch;
mod health;
mod job;
pub mod last_good;
mod meter;
pub mod metrics;
mod pick;
mod pipeline;
mod proxy;
mod pump;
pub mod push;
mod reply;
mod runtime;
mod server;
mod unix_time;
mod upstream;

pub use fetch::MediaOrigin;
pub use proxy::{InvalidSnapshot, Proxy, Settings};
pub use server::{serve, serve_admin};
