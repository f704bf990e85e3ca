//! A provider without a network; what it answers is in [`crate::simulated`].

use super::Provider;
use crate::Format;

#[derive(Debug)]
pub struct Simulated;

impl Provider for Simulated {
    fn name(&self) -> &'static str {
        "Simulated"
    }

    fn otel_name(&self) -> &'static str {
        "simulated"
    }

    fn format(&self) -> Option<Format> {
        None
    }

    fn url(&self, _endpoint: &str) -> String {
        String::new()
    }
}
