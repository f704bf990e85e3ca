//! What is known of models: limits, abilities, prices.
//!
//! Owns: the catalogue inside the binary (`models.txt`, written by `penstock catalogue update`), the corrections that
//! people wrote (`corrections.txt`), how a model is found in them, what a request cost, and overrides.
//! Refuses to know: files, the network, where overrides come from.
//!
//! Nothing is read at start-up: a lookup searches the sorted text and parses the one line that it finds.

mod cost;
mod facts;
pub mod line;
mod names;
mod overrides;
mod price;
pub mod sources;
mod table;
pub mod vendor;

#[cfg(test)]
mod tests;

pub use cost::{Cost, cost};
pub use facts::*;
pub use names::undated;
pub use overrides::{BadOverride, Overrides};
pub use price::*;

use line::Line;
use sources::Source;
use table::{Key, Table};

/// The generated catalogue.
pub const MODELS: &str = include_str!("models.txt");

/// What people wrote from vendors' pages. Its lines with a `*` are rules for models whose names begin so.
pub const CORRECTIONS: &str = include_str!("corrections.txt");

/// Bytes. No provider's model has a longer name; clients may send anything.
const LONGEST_NAME: usize = 512;

/// The catalogue inside the binary.
pub const BUILT_IN: Catalogue<'static> = Catalogue::new(MODELS, CORRECTIONS);

/// A catalogue: lines for models, and rules for families of models.
#[derive(Clone, Copy, Debug)]
pub struct Catalogue<'a> {
    models: Table<'a>,
    corrections: Table<'a>,
}

/// How a model was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// Under its own name, or one that means the same model at the same price.
    Name,
    /// Under the name of the same model at another price (another region, the base of a fine-tune): without price.
    OtherPrice,
    /// By a rule for names that begin so: without price.
    Family,
    /// Under its vendor's name for it: its abilities only.
    Vendor,
}

/// A line that tells of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found<'a> {
    pub line: Line<'a>,
    pub via: Via,
}

impl Found<'_> {
    /// Does this fact of the line count for the model that was asked for?
    pub fn counts(&self, name: &str) -> bool {
        match self.via {
            Via::Name => true,
            Via::OtherPrice | Via::Family => !name.starts_with('$'),
            Via::Vendor => vendor::INHERITED.contains(&name),
        }
    }

    pub fn facts(&self) -> Facts {
        // Every line parses: a test reads them all.
        self.line.facts_about(|name| self.counts(name)).unwrap_or_default()
    }
}

impl<'a> Catalogue<'a> {
    /// Both texts are sorted by key; see `docs/catalogue.md` for their format.
    pub const fn new(models: &'a str, corrections: &'a str) -> Self {
        Self { models: Table::new(models), corrections: Table::new(corrections) }
    }

    /// The line that tells of a model, see [`find`].
    pub fn lookup(&self, provider: &str, model: &str) -> Option<Found<'a>> {
        if model.len() > LONGEST_NAME {
            return None;
        }
        self.own(provider, model).or_else(|| {
            let (vendor, name) = vendor::of(provider, model)?;
            self.own(vendor, &name).map(|found| Found { via: Via::Vendor, ..found })
        })
    }

    /// The line that tells of a model at this very provider, or the rule for its family.
    pub fn own(&self, provider: &str, model: &str) -> Option<Found<'a>> {
        if model.len() > LONGEST_NAME {
            return None;
        }
        let hit = names::locate(&self.models, provider, model).map(|names::Hit { line, same_price }| {
            let via = if same_price { Via::Name } else { Via::OtherPrice };
            Found { line, via }
        });
        hit.or_else(|| self.family(provider, model).map(|line| Found { line, via: Via::Family }))
    }

    /// The rule for this model: of those whose beginning fits the longest.
    pub fn family(&self, provider: &str, model: &str) -> Option<Line<'a>> {
        let name = names::without_path(provider, model);
        let name = name.strip_prefix("ft:").unwrap_or(name);
        let fits = |line: &Line<'_>| {
            let start = line.key.split_once('/').and_then(|(_, start)| start.strip_suffix('*'));
            start.is_some_and(|start| name.starts_with(start))
        };
        let rules = self.corrections.starting_with(Key { provider, prefix: "", model: "" });
        rules.filter(fits).max_by_key(|line| line.key.len())
    }

    /// Every model, sorted by key.
    pub fn lines(&self) -> impl Iterator<Item = Line<'a>> + use<'a> {
        self.models.lines()
    }

    /// What the letters behind facts stand for.
    pub fn sources(&self) -> impl Iterator<Item = Source<'a>> + use<'a> {
        sources::read(self.models.header())
    }

    /// The models of a provider, sorted.
    pub fn models<'p>(&self, provider: &'p str) -> impl Iterator<Item = &'a str> + use<'a, 'p> {
        let length = provider.len() + 1;
        let lines = self.models.starting_with(Key { provider, prefix: "", model: "" });
        lines.filter_map(move |line| line.key.get(length..))
    }

    /// The provider keys, sorted.
    pub fn providers(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let mut last = "";
        self.models.lines().filter_map(move |line| {
            let (provider, _) = line.key.split_once('/')?;
            (std::mem::replace(&mut last, provider) != provider).then_some(provider)
        })
    }
}

/// What is known of a provider's model; `None` where nothing is. `provider` is the key of a provider type (its name in
/// lower case), `model` the name as the provider takes it.
///
/// A model that is not in the catalogue is found under its other names, see [`Via`]: with or without date, region, path
/// or variant. Failing that a rule for its family counts, then what its vendor says of it.
pub fn find(provider: &str, model: &str) -> Option<Facts> {
    BUILT_IN.lookup(provider, model).map(|found| found.facts())
}

/// Is this known to be one of the provider's models? Its families count: a vendor serves tomorrow's models, too.
pub fn serves(provider: &str, model: &str) -> bool {
    BUILT_IN.own(provider, model).is_some()
}

/// The models of a provider, sorted.
pub fn models(provider: &str) -> impl Iterator<Item = &'static str> + use<'_> {
    BUILT_IN.models(provider)
}

/// The provider keys of the catalogue, sorted.
pub fn providers() -> impl Iterator<Item = &'static str> {
    BUILT_IN.providers()
}
