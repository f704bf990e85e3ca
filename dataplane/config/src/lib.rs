//! What crosses the wire between the operator and a proxy: the snapshot, its revision, health, and the frames.
//!
//! Owns: the shape and validity of the configuration that a proxy runs on.
//! Refuses to know: Kubernetes, sockets, provider formats.

mod frame;
mod health;
pub mod hook;
mod secret;
mod snapshot;

pub use frame::{
    FRAMES_HEADER, HEALTH_FRAMES, ProxyFrame, PushFrame, TOKEN_AUDIENCE, read_frame, write_frame,
};
pub use health::{AilingKeys, KeysHealth, LastFailure, OpenBreaker, TargetHealth};
pub use secret::Secret;
pub use snapshot::*;
