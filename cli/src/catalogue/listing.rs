//! What one source says, in our own terms.

use std::collections::BTreeMap;

use penstock_llm::catalogue::{Facts, Price};

/// What a source says of its models, by our key (`provider/model`).
pub type Listing = BTreeMap<String, Listed>;

/// What a source says of one model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Listed {
    pub facts: Facts,
    /// The source names the vendor's page that it read.
    pub names_page: bool,
}

/// A price of a source. Most zeros there stand for "not known" or "not sold by the token": a zero is no price, unless
/// the model is said to be free.
pub fn known(price: Option<Price>, is_free: bool) -> Option<Price> {
    price.filter(|price| is_free || price.0 > 0)
}

/// Adds one entry. Several entries may mean the same model (LiteLLM has some under two names): one that names its page
/// goes before one that does not, else the first; what the other knows besides is kept.
pub fn add(listing: &mut Listing, key: String, listed: Listed) {
    let Some(known) = listing.get_mut(&key) else {
        listing.insert(key, listed);
        return;
    };
    let (mut over, under) = if listed.names_page && !known.names_page {
        (listed, known.clone())
    } else {
        (known.clone(), listed)
    };
    let price = over.facts.price.clone().or_else(|| under.facts.price.clone());
    let mut facts = under.facts;
    facts.overlay(&over.facts);
    over.facts = Facts { price, ..facts };
    *known = over;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(max_output: u64, context_window: Option<u64>, names_page: bool) -> Listed {
        Listed {
            facts: Facts { max_output: Some(max_output), context_window, ..Facts::default() },
            names_page,
        }
    }

    #[test]
    fn an_entry_with_a_page_goes_before_one_without() {
        let mut listing = Listing::new();
        add(&mut listing, "a/b".into(), listed(1, Some(9), false));
        add(&mut listing, "a/b".into(), listed(2, None, true));
        add(&mut listing, "a/b".into(), listed(3, None, true));
        assert_eq!(listing["a/b"], listed(2, Some(9), true));
    }
}
