//! Changes of the files, seen by reading them again.
//!
//! Contents are compared, not times or file events: that works for editors that rename, for mounted
//! ConfigMaps and for network file systems alike, and manifests are small.

use std::time::Duration;

use crate::source::{Origin, Reading, read_all};

const EVERY: Duration = Duration::from_millis(300);
/// Readings in a row in which a file is missing before it is taken for gone: an editor that renames leaves a gap.
const GAP: usize = 4;

/// Decides when a change has come to rest.
struct Settling {
    /// What was last reported.
    reported: Reading,
    latest: Reading,
    /// How many times in a row `latest` was read.
    seen: usize,
}

impl Settling {
    /// Takes one reading; gives it back when it is new and at rest.
    fn take(&mut self, now: Reading) -> Option<Reading> {
        if now == self.latest {
            self.seen += 1;
        } else {
            self.latest = now;
            self.seen = 1;
        }
        let needed = if self.latest.unreadable.is_empty() { 2 } else { GAP };
        if self.seen < needed || self.latest == self.reported {
            return None;
        }
        self.reported.clone_from(&self.latest);
        Some(self.latest.clone())
    }
}

/// The files of `up`, read again and again.
pub struct Watch {
    origins: Vec<Origin>,
    settling: Settling,
}

impl Watch {
    /// Starts from what was read at the beginning.
    pub fn new(origins: Vec<Origin>, first: Reading) -> Self {
        Self { origins, settling: Settling { reported: first.clone(), latest: first, seen: 1 } }
    }

    /// The next reading that differs from the last one reported. Never resolves when nothing can change.
    pub async fn changed(&mut self) -> Reading {
        if self.origins.iter().all(|origin| matches!(origin, Origin::Text(_))) {
            return std::future::pending().await;
        }
        loop {
            tokio::time::sleep(EVERY).await;
            let origins = self.origins.clone();
            // A reading that did not come to an end counts as none.
            let Ok(now) = tokio::task::spawn_blocking(move || read_all(&origins)).await else { continue };
            if let Some(reading) = self.settling.take(now) {
                return reading;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Source, Unreadable};

    fn text(text: &str) -> Reading {
        Reading { sources: vec![Source { name: "a".into(), text: text.into() }], unreadable: vec![] }
    }

    fn gone() -> Reading {
        Reading { sources: vec![], unreadable: vec![Unreadable { name: "a".into(), message: "gone".into() }] }
    }

    fn settling() -> Settling {
        Settling { reported: text("1"), latest: text("1"), seen: 1 }
    }

    #[test]
    fn a_change_is_reported_once_and_at_rest() {
        let mut s = settling();
        assert_eq!(s.take(text("1")), None);
        assert_eq!(s.take(text("2, half writ")), None);
        assert_eq!(s.take(text("2")), None);
        assert_eq!(s.take(text("2")), Some(text("2")));
        assert_eq!(s.take(text("2")), None);
    }

    #[test]
    fn a_file_that_comes_back_was_never_gone() {
        let mut s = settling();
        for reading in [gone(), gone(), text("1"), text("1")] {
            assert_eq!(s.take(reading), None);
        }
        let taken: Vec<_> = (0..5).map(|_| s.take(gone()).is_some()).collect();
        assert_eq!(taken, [false, false, false, true, false]);
    }
}
