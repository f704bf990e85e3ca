//! What crosses the wire from the operator to a proxy: the snapshot, its revision, and the frames.
//!
//! Owns: the shape and validity of the configuration that a proxy runs on.
//! Refuses to know: Kubernetes, sockets, provider formats.

mod frame;
mod secret;
mod snapshot;

pub use frame::{ProxyFrame, PushFrame, TOKEN_AUDIENCE, read_frame, write_frame};
pub use secret::Secret;
pub use snapshot::*;
