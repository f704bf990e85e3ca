//! What was made of the texts of routes, kept across configurations: a swap must neither read each condition nor learn
//! each intent anew.

use std::collections::HashMap;
use std::sync::Arc;

use penstock_config as config;
use penstock_route::intent::{Examples, Flaw};
use penstock_route::{Condition, Mistake};
use sha2::{Digest, Sha256};

/// Conditions by their texts, and intents by their examples. Routes that have the same share them.
#[derive(Default)]
pub struct LessonBook {
    conditions: HashMap<Wording, Arc<Condition>>,
    intents: HashMap<[u8; 32], Arc<penstock_route::Intents>>,
}

/// A condition's text, and the intents of its route: it may name them.
type Wording = (String, Vec<String>);

/// What a route's requests can be about.
#[derive(Clone, Debug)]
pub struct Intents {
    pub learned: Arc<penstock_route::Intents>,
    /// From which score on an intent counts, from 0 to 1.
    pub threshold: f64,
}

impl LessonBook {
    pub fn condition(&mut self, text: &str, intents: &[&str]) -> Result<Arc<Condition>, Mistake> {
        let wording = (text.to_owned(), intents.iter().map(|name| (*name).to_owned()).collect());
        if let Some(condition) = self.conditions.get(&wording) {
            return Ok(condition.clone());
        }
        let condition = Arc::new(Condition::of_route(text, intents)?);
        self.conditions.insert(wording, condition.clone());
        Ok(condition)
    }

    pub fn intents(&mut self, intents: &config::Intents) -> Result<Intents, Flaw> {
        let config::Intents { examples, threshold } = intents;
        let hash = hash(examples);
        let learned = match self.intents.get(&hash) {
            Some(learned) => learned.clone(),
            None => Arc::new(penstock_route::Intents::learn(examples)?),
        };
        self.intents.insert(hash, learned.clone());
        Ok(Intents { learned, threshold: f64::from(*threshold) / 100.0 })
    }

    /// Drops what nothing else holds: neither a configuration nor a request.
    pub fn forget_unused(&mut self) {
        self.conditions.retain(|_, condition| Arc::strong_count(condition) > 1);
        self.intents.retain(|_, intents| Arc::strong_count(intents) > 1);
    }
}

/// With the length of each text, so that no two lists of them look alike.
fn hash(examples: &Examples) -> [u8; 32] {
    fn add(hash: &mut Sha256, text: &str) {
        hash.update(text.len().to_le_bytes());
        hash.update(text);
    }
    let mut hash = Sha256::new();
    for (name, texts) in examples {
        add(&mut hash, name);
        hash.update(texts.len().to_le_bytes());
        texts.iter().for_each(|text| add(&mut hash, text));
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn intents(texts: &[&str], threshold: u32) -> config::Intents {
        let texts = texts.iter().map(|text| (*text).to_owned()).collect();
        config::Intents { examples: [("faq".to_owned(), texts)].into(), threshold }
    }

    #[test]
    fn what_was_learned_is_shared_and_forgotten() {
        let mut book = LessonBook::default();
        let first = book.intents(&intents(&["reset my password", "log in"], 60)).unwrap();
        // Another threshold is no reason to learn anew; other examples are, and so is another cut between them.
        let same = book.intents(&intents(&["reset my password", "log in"], 80)).unwrap();
        assert!(Arc::ptr_eq(&first.learned, &same.learned) && same.threshold == 0.8);
        let other = book.intents(&intents(&["reset my password log in"], 60)).unwrap();
        assert!(!Arc::ptr_eq(&first.learned, &other.learned));
        drop(other);
        book.forget_unused();
        assert_eq!(book.intents.len(), 1);
        assert!(Arc::ptr_eq(
            &first.learned,
            &book.intents(&intents(&["reset my password", "log in"], 0)).unwrap().learned
        ));
        drop((first, same));
        book.forget_unused();
        assert!(book.intents.is_empty());
        let flaw = book.intents(&intents(&["?"], 60)).unwrap_err();
        assert!(flaw.to_string().starts_with("faq.examples[0]: "), "{flaw}");
        assert!(book.intents.is_empty());
    }

    #[test]
    fn conditions_are_read_once_for_each_list_of_intents() {
        let mut book = LessonBook::default();
        let text = "request.intent == 'faq'";
        let first = book.condition(text, &["faq"]).unwrap();
        assert!(Arc::ptr_eq(&first, &book.condition(text, &["faq"]).unwrap()));
        assert!(!Arc::ptr_eq(&first, &book.condition(text, &["billing", "faq"]).unwrap()));
        assert!(book.condition(text, &[]).is_err());
        book.forget_unused();
        assert_eq!(book.conditions.len(), 1);
        drop(first);
        book.forget_unused();
        assert!(book.conditions.is_empty());
    }
}
