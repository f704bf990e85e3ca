//! What the measurements of a run leave behind.

use crate::load::Tally;
use crate::report::Figure;

/// Failures shown word for word.
const SHOWN: usize = 10;

#[derive(Default)]
pub struct Found {
    pub figures: Vec<Figure>,
    pub requests: usize,
    pub failed: usize,
    pub failures: Vec<String>,
}

impl Found {
    /// Counts a tally's requests and takes its failures.
    pub fn count(&mut self, row: &str, tally: &mut Tally) {
        self.requests += tally.total.len() + tally.failures.len();
        self.failed += tally.failures.len();
        let room = SHOWN.saturating_sub(self.failures.len());
        self.failures.extend(tally.failures.drain(..).take(room).map(|failure| format!("{row}: {failure}")));
    }
}
