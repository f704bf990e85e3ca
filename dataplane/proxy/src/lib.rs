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
mod attempts;
mod auth;
mod credentials;
mod endpoint;
mod exit;
mod explain;
mod failure;
mod fetch;
mod guarded;
mod health;
mod hooks;
mod inbound;
mod job;
pub mod last_good;
mod lessons;
mod live;
mod meter;
pub mod metrics;
mod models;
mod pick;
mod pipeline;
mod plan;
mod proxy;
mod pump;
pub mod push;
mod reply;
mod runtime;
mod server;
pub mod trail;
mod unix_time;
mod upstream;

pub use explain::{Question, explain, first_target};
pub use fetch::MediaOrigin;
pub use proxy::{InvalidSnapshot, Proxy, Settings};
pub use server::{serve, serve_admin};
