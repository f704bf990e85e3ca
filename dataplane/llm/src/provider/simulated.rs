//! A provider without a network; what it answers is in [`crate::simulated`].

use super::{Auth, Call, Provider, Site};
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

    fn docs(&self) -> &'static str {
        ""
    }

    fn formats(&self, _model: &str) -> &'static [Format] {
        &[]
    }

    fn url(&self, _site: &Site<'_>, _model: &str, _format: Format, _call: Call) -> Option<String> {
        None
    }

    fn auth(&self) -> Auth {
        Auth::None
    }
}
