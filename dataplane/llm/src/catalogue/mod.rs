//! What is known of models: limits, abilities, prices.

mod facts;

pub use facts::*;
