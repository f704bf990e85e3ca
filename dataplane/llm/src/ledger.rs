//! What happened to each field of a request on its way to a provider.
//!
//! Nothing is dropped in silence: every fate but "mapped" is written here, and the proxy discloses it in
//! `x-penstock-translation` and in metrics.

use std::fmt;

use crate::Format;
use crate::field::Field;

/// What became of a field that was not simply mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fate {
    /// The provider has no such field; the same effect was reached by other means.
    Emulated,
    /// The value was moved into the range that the provider accepts, or a mandatory value was filled in.
    Clamped,
    /// The provider has nothing like it; it was left out.
    Dropped,
}

impl Fate {
    /// Header value and metric label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Emulated => "emulated",
            Self::Clamped => "clamped",
            Self::Dropped => "dropped",
        }
    }
}

/// One field and its fate. Each (field, fate) stands once.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// A field name of the client's format, see [`Field::name`].
    pub field: &'static str,
    pub fate: Fate,
}

/// The entries of one attempt, in the order they arose, in the words of the client's format.
#[derive(Clone, Debug, PartialEq)]
pub struct Ledger {
    client: Format,
    entries: Vec<Entry>,
}

impl Ledger {
    pub fn new(client: Format) -> Self {
        Self { client, entries: Vec::new() }
    }

    pub fn note(&mut self, field: Field, fate: Fate) {
        self.add(field.name(self.client), fate);
    }

    /// What was dropped, first of all that the client must hear of it in a strict route.
    pub fn dropped(&self) -> impl Iterator<Item = &'static str> {
        self.entries.iter().filter(|entry| entry.fate == Fate::Dropped).map(|entry| entry.field)
    }

    /// Did this happen to the field?
    pub fn has(&self, field: Field, fate: Fate) -> bool {
        self.entries.contains(&Entry { field: field.name(self.client), fate })
    }

    fn add(&mut self, field: &'static str, fate: Fate) {
        let entry = Entry { field, fate };
        if !self.entries.contains(&entry) {
            self.entries.push(entry);
        }
    }

    /// Adds what another ledger of the same attempt noted.
    pub fn merge(&mut self, other: &Self) {
        for entry in &other.entries {
            self.add(entry.field, entry.fate);
        }
    }

    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// As the header has it: `seed=dropped, max_tokens=clamped`.
impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, entry) in self.entries.iter().enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            write!(f, "{comma}{}={}", entry.field, entry.fate.as_str())?;
        }
        Ok(())
    }
}
