//! What is known of models: limits, abilities, prices.

mod facts;

pub use facts::*;

/// What is known of a provider's model.
pub fn find(_provider: &str, _model: &str) -> Option<Facts> {
    None
}
