//! The metrics page is what the code has.
//!
//! `UPDATE_GENERATED=1 cargo test -p penstock --test docs` writes it anew.

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use penstock_proxy::metrics::{DESCRIPTIONS, Kind};

const HEAD: &str = "\
# Metrics

Generated from the code; `UPDATE_GENERATED=1 cargo test -p penstock --test docs` writes it anew.

Label values come from the configuration and from the code, never from clients, so that their number is bounded by what was applied. `route` and `pool` are `namespace/name`; `provider` is the name in the pool, `gen_ai_provider_name` its vendor as OpenTelemetry calls it; `gen_ai_request_model` is the model as the pool names it. Names that begin with `gen_ai` follow OpenTelemetry's [semantic conventions for generative AI](https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-metrics/), written as Prometheus writes them. Durations are in seconds.
";

fn row(out: &mut String, name: &str, kind: &str, labels: &[&str], help: &str) {
    let labels = labels.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", ");
    let _ = writeln!(out, "| `{name}` | {kind} | {labels} | {help} |");
}

#[test]
fn the_metrics_page_matches_the_code() {
    let table = "\n| name | type | labels | meaning |\n|---|---|---|---|\n";
    let mut page = format!("{HEAD}\n## Proxy\n\n`GET /metrics` on the admin port, 9090.\n{table}");
    for metric in DESCRIPTIONS {
        let kind = match metric.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        row(&mut page, metric.name, kind, metric.labels, metric.help);
    }
    let _ = write!(page, "\n## Operator\n\n`GET /metrics` on the health port, 9090.\n{table}");
    for (name, kind, labels, help) in penstock_operator::metrics::descriptions() {
        row(&mut page, name, kind, labels, help);
    }

    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics.md");
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        fs::create_dir_all(path.parent().expect("a folder")).expect("docs");
        fs::write(&path, &page).expect("the page");
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == page,
        "docs/metrics.md has drifted: run UPDATE_GENERATED=1 cargo test -p penstock --test docs"
    );
}
