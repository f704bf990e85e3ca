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

    fn default_endpoint(&self) -> Option<&'static str> {
        None
    }

    fn url(&self, _endpoint: &str) -> String {
        String::new()
    }

    fn auth_header(&self, key: &str) -> (&'static str, String) {
        ("authorization", format!("Bearer {key}"))
    }

    fn fixed_headers(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    fn passed_headers(&self) -> &'static [&'static str] {
        &[]
    }

    /// A pool has to say which models it plays.
    fn serves(&self, _model: &str) -> bool {
        false
    }

    fn is_reasoning_model(&self, _model: &str) -> bool {
        false
    }
}
