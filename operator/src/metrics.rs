//! Every metric of the operator: the one place that knows their names and labels.

use prometheus::core::Collector;
use prometheus::{
    Encoder, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};

/// Name, type, labels and help of a metric.
pub type Description = (&'static str, &'static str, &'static [&'static str], &'static str);

const COMPILE: Description = (
    "penstock_operator_compile_duration_seconds",
    "histogram",
    &[],
    "Time to compile all resources into one snapshot.",
);
const REVISION: Description = (
    "penstock_operator_config_revision_info",
    "gauge",
    &["revision"],
    "1 for the revision that is published now.",
);
const CONNECTED: Description =
    ("penstock_operator_proxies_connected", "gauge", &[], "Proxies with an open push stream.");
const ACKS: Description =
    ("penstock_operator_push_acks_total", "counter", &[], "Revisions that a proxy put in force.");
const REFUSALS: Description =
    ("penstock_operator_push_refusals_total", "counter", &[], "Revisions that a proxy refused.");
const REJECTED: Description = (
    "penstock_operator_push_rejected_total",
    "counter",
    &["reason"],
    "Push streams that were not let in: no_token, wrong_token, wrong_account, review_failed.",
);
const OBJECTS: Description = (
    "penstock_operator_objects",
    "gauge",
    &["kind", "condition", "status"],
    "Objects by condition and its status: True, False or Unknown.",
);
const STATUS_WRITES: Description = (
    "penstock_operator_status_writes_total",
    "counter",
    &["result"],
    "Writes of an object's status: written, gone (deleted meanwhile) or failed (to be tried again).",
);

/// Every metric, for the page in the docs.
pub fn descriptions() -> Vec<Description> {
    vec![COMPILE, REVISION, CONNECTED, ACKS, REFUSALS, REJECTED, OBJECTS, STATUS_WRITES]
}

/// Handles to the metrics.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Registry,
    pub compile: Histogram,
    revision: IntGaugeVec,
    pub proxies_connected: IntGauge,
    pub push_acks: IntCounter,
    pub push_refusals: IntCounter,
    pub push_rejected: IntCounterVec,
    pub objects: IntGaugeVec,
    pub status_writes: IntCounterVec,
}

impl Metrics {
    /// # Errors
    /// Two metrics of one name: a mistake in this file, which the tests catch.
    pub fn new() -> Result<Self, prometheus::Error> {
        // 0.1 ms to 3 s: one object up to a fleet of thousands.
        let buckets = vec![0.000_1, 0.000_3, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0];
        let metrics = Self {
            registry: Registry::new(),
            compile: Histogram::with_opts(HistogramOpts::new(COMPILE.0, COMPILE.3).buckets(buckets))?,
            revision: IntGaugeVec::new(opts(&REVISION), REVISION.2)?,
            proxies_connected: IntGauge::with_opts(opts(&CONNECTED))?,
            push_acks: IntCounter::with_opts(opts(&ACKS))?,
            push_refusals: IntCounter::with_opts(opts(&REFUSALS))?,
            push_rejected: IntCounterVec::new(opts(&REJECTED), REJECTED.2)?,
            objects: IntGaugeVec::new(opts(&OBJECTS), OBJECTS.2)?,
            status_writes: IntCounterVec::new(opts(&STATUS_WRITES), STATUS_WRITES.2)?,
        };
        let all: [Box<dyn Collector>; 8] = [
            Box::new(metrics.compile.clone()),
            Box::new(metrics.revision.clone()),
            Box::new(metrics.proxies_connected.clone()),
            Box::new(metrics.push_acks.clone()),
            Box::new(metrics.push_refusals.clone()),
            Box::new(metrics.push_rejected.clone()),
            Box::new(metrics.objects.clone()),
            Box::new(metrics.status_writes.clone()),
        ];
        all.into_iter().try_for_each(|collector| metrics.registry.register(collector))?;
        Ok(metrics)
    }

    /// Says which revision is published.
    pub fn set_revision(&self, revision: &str) {
        self.revision.reset();
        self.revision.with_label_values(&[revision]).set(1);
    }

    /// Everything, in the Prometheus text format.
    pub fn text(&self) -> String {
        let mut text = Vec::new();
        // Writing to memory fails only for a metric family without metrics, which gather() leaves out.
        let _ = TextEncoder::new().encode(&self.registry.gather(), &mut text);
        String::from_utf8_lossy(&text).into_owned()
    }
}

fn opts(description: &Description) -> Opts {
    Opts::new(description.0, description.3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_described_is_what_is_served() {
        let metrics = Metrics::new().unwrap();
        metrics.set_revision("aa");
        metrics.set_revision("bb");
        metrics.push_rejected.with_label_values(&["no_token"]).inc();
        metrics.objects.with_label_values(&["ModelRoute", "Accepted", "True"]).set(1);
        metrics.status_writes.with_label_values(&["written"]).inc();
        let text = metrics.text();
        for (name, kind, labels, help) in descriptions() {
            assert!(text.contains(&format!("# TYPE {name} {kind}\n")), "{name}");
            assert!(text.contains(&format!("# HELP {name} {help}\n")), "{name}");
            let line = text.lines().find(|line| line.starts_with(name)).unwrap();
            assert!(labels.iter().all(|label| line.contains(&format!("{label}=\""))), "{line}");
        }
        assert!(!text.contains("revision=\"aa\""));
    }
}
