//! Figures, beside what was promised: as a table, and as JSON.

use std::fmt::Write;

use serde::Serialize;

/// Everything that a run found.
#[derive(Serialize)]
pub struct Report {
    pub settings: Settings,
    pub machine: Machine,
    pub figures: Vec<Figure>,
    pub requests: usize,
    pub failed: usize,
    /// The first of them.
    pub failures: Vec<String>,
}

#[derive(Serialize)]
pub struct Settings {
    pub rate: u32,
    pub seconds: u32,
    pub connections: usize,
    pub streams: usize,
    /// Which build of the gateway.
    pub gateway: String,
}

#[derive(Serialize)]
pub struct Machine {
    pub cores: usize,
    pub cpu: String,
}

/// One line of the table.
#[derive(Serialize)]
pub struct Figure {
    pub section: String,
    pub name: String,
    pub unit: Unit,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direct: Option<f64>,
    pub gateway: f64,
    /// Gateway minus direct, where that is what counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub added: Option<f64>,
    /// Gateway by direct.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio: Option<f64>,
    /// For what is added, where something is; else for the gateway's own figure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
}

#[derive(Clone, Copy, Serialize)]
pub enum Unit {
    #[serde(rename = "µs")]
    Micros,
    #[serde(rename = "ms")]
    Millis,
    #[serde(rename = "s")]
    Seconds,
    #[serde(rename = "MiB")]
    Mebibytes,
    #[serde(rename = "MB")]
    Megabytes,
    #[serde(rename = "/s")]
    PerSecond,
}

#[derive(Clone, Copy, Serialize)]
pub struct Target {
    pub at_most: f64,
    pub met: bool,
}

impl Figure {
    /// Of the gateway alone.
    pub fn of_gateway(section: &str, name: &str, unit: Unit, gateway: f64) -> Self {
        let (section, name) = (section.to_owned(), name.to_owned());
        Self { section, name, unit, direct: None, gateway, added: None, ratio: None, target: None }
    }

    /// Beside the direct call; the ratio is what counts.
    pub fn beside(mut self, direct: f64) -> Self {
        self.direct = Some(direct);
        self.ratio = (direct > 0.0).then(|| self.gateway / direct);
        self
    }

    /// Beside the direct call; the difference is what counts.
    pub fn added_to(self, direct: f64) -> Self {
        let added = Some(self.gateway - direct);
        Self { added, ..self.beside(direct) }
    }

    pub fn at_most(mut self, limit: f64) -> Self {
        let counts = self.added.unwrap_or(self.gateway);
        self.target = Some(Target { at_most: limit, met: counts <= limit });
        self
    }
}

impl Report {
    pub fn table(&self) -> String {
        let Settings { rate, seconds, connections, gateway, .. } = &self.settings;
        let Machine { cores, cpu } = &self.machine;
        let mut out = format!("{gateway}; {cores} cores, {cpu}\n");
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "{rate} requests/s on {connections} connections, {seconds} s for each side of a row, in turns of a second"
        );
        let mut section = "";
        for figure in &self.figures {
            if section != figure.section {
                section = &figure.section;
                let _ = write!(
                    out,
                    "\n{section:<53}{:>10}{:>10}{:>10}{:>7}   target\n",
                    "direct", "gateway", "added", "ratio"
                );
            }
            let _ = writeln!(out, "{}", figure.line());
        }
        let _ = writeln!(out, "\n{} requests measured, {} failed", self.requests, self.failed);
        for failure in &self.failures {
            let _ = writeln!(out, "  {failure}");
        }
        out
    }
}

impl Figure {
    fn line(&self) -> String {
        let show = |value: Option<f64>| value.map(|value| self.unit.show(value)).unwrap_or_default();
        let ratio = self.ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default();
        let target = self.target.map(|target| {
            let verdict = if target.met { "met" } else { "MISSED" };
            format!("   ≤ {} {verdict}", self.unit.show(target.at_most))
        });
        let line = format!(
            "  {:<51}{:>10}{:>10}{:>10}{ratio:>7}{}",
            self.name,
            show(self.direct),
            self.unit.show(self.gateway),
            show(self.added),
            target.unwrap_or_default()
        );
        line.trim_end().to_owned()
    }
}

impl Unit {
    fn show(self, value: f64) -> String {
        let (value, name) = match self {
            Self::Micros if value.abs() >= 10_000.0 => (value / 1000.0, "ms"),
            // Adding zero makes -0 a 0.
            Self::Micros => return format!("{:.0} µs", value.round() + 0.0),
            Self::Millis => (value, "ms"),
            Self::Seconds => return format!("{value:.3} s"),
            Self::Mebibytes => (value, "MiB"),
            Self::Megabytes => (value, "MB"),
            Self::PerSecond => return format!("{value:.0}/s"),
        };
        format!("{value:.1} {name}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_held_against_the_target() {
        let figure = Figure::of_gateway("s", "p50", Unit::Micros, 400.0).added_to(250.0);
        let figure = figure.at_most(150.0);
        assert_eq!((figure.added, figure.ratio), (Some(150.0), Some(1.6)));
        assert!(
            figure.line().ends_with("250 µs    400 µs    150 µs   1.60   ≤ 150 µs met"),
            "{}",
            figure.line()
        );
    }

    #[test]
    fn a_figure_of_its_own_is_held_against_the_target() {
        let figure = Figure::of_gateway("s", "idle", Unit::Mebibytes, 15.5).at_most(15.0);
        assert!(figure.line().ends_with("≤ 15.0 MiB MISSED"), "{}", figure.line());
        let figure = Figure::of_gateway("s", "rate", Unit::PerSecond, 5.0).beside(0.0);
        assert!(figure.line().ends_with("0/s       5/s"), "{}", figure.line());
    }

    #[test]
    fn long_times_are_shown_in_milliseconds() {
        assert_eq!(Unit::Micros.show(9999.4), "9999 µs");
        assert_eq!(Unit::Micros.show(-12_340.0), "-12.3 ms");
        assert_eq!(Unit::Micros.show(-0.4), "0 µs");
    }
}
