//! Ids of tool calls as a provider takes them: a call and its result change alike, and no two ids of a request become
//! one.

use std::collections::{HashMap, HashSet};

use crate::message::{PartBody, Request};

/// What a provider takes as id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    Any,
    /// Not empty, and no longer than so many characters.
    AtMost(usize),
    /// Mistral: nine letters and digits.
    NineAlphanumeric,
    /// Anthropic: letters, digits, `_` and `-`.
    Word,
}

/// The ids of one request.
#[derive(Debug)]
pub(super) struct Ids {
    kind: Rule,
    known: HashMap<String, String>,
    taken: HashSet<String>,
}

impl Ids {
    /// Ids that fit keep their value, so nothing may be made that is equal to one of them.
    pub fn new(kind: Rule, request: &Request) -> Self {
        let mut taken = HashSet::new();
        if kind != Rule::Any {
            let parts = request.messages.iter().flat_map(|message| &message.parts);
            let ids = parts.filter_map(|part| match &part.body {
                PartBody::ToolCall(call) => Some(&call.id),
                PartBody::ToolResult { id, .. } => Some(id),
                _ => None,
            });
            taken.extend(ids.filter(|id| fits(kind, id)).cloned());
        }
        Self { kind, known: HashMap::new(), taken }
    }

    /// The same for equal ids in equal requests.
    pub fn of(&mut self, id: &str) -> String {
        if fits(self.kind, id) {
            return id.to_owned();
        }
        if let Some(known) = self.known.get(id) {
            return known.clone();
        }
        let made = self.make(id);
        self.known.insert(id.to_owned(), made.clone());
        made
    }

    fn make(&mut self, id: &str) -> String {
        let length = match self.kind {
            Rule::AtMost(most) => most.min(DIGEST),
            Rule::Any | Rule::NineAlphanumeric => 9,
            Rule::Word => {
                let readable: String = id.chars().map(|c| if is_word(c) { c } else { '_' }).collect();
                if !readable.is_empty() && self.taken.insert(readable.clone()) {
                    return readable;
                }
                DIGEST
            }
        };
        let mut salt = 0;
        loop {
            let made = digest(id, salt, length);
            if self.taken.insert(made.clone()) {
                return made;
            }
            salt += 1;
        }
    }
}

fn fits(kind: Rule, id: &str) -> bool {
    match kind {
        Rule::Any => true,
        Rule::AtMost(most) => !id.is_empty() && id.chars().count() <= most,
        Rule::NineAlphanumeric => id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()),
        Rule::Word => !id.is_empty() && id.chars().all(is_word),
    }
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-')
}

/// Longest digest, in characters.
const DIGEST: usize = 24;

/// Letters and digits that stand for the id.
fn digest(id: &str, salt: u64, length: usize) -> String {
    const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut state = fnv1a(id, salt);
    let mut out = String::with_capacity(length);
    for _ in 0..length {
        let letter = usize::try_from(state % 62).ok().and_then(|at| LETTERS.get(at));
        out.push(char::from(*letter.unwrap_or(&b'0')));
        // A step of Knuth's generator, of which the upper bits are the better ones.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407)
            .rotate_left(31);
    }
    out
}

fn fnv1a(text: &str, salt: u64) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325 ^ salt.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    text.bytes().fold(start, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::message::{Message, Role, ToolCall};

    fn request(ids: &[String]) -> Request {
        let call = |id: &String| {
            let (id, name, arguments) = (id.clone(), "a".into(), "{}".into());
            PartBody::ToolCall(ToolCall { id, name, arguments, signature: None }).into()
        };
        Request {
            messages: vec![Message::new(Role::Assistant, ids.iter().map(call).collect())],
            ..Request::default()
        }
    }

    #[test]
    fn fitting_ids_stay() {
        let ids = ["abcDEF123".to_owned(), "call_1".to_owned()];
        let mut nine = Ids::new(Rule::NineAlphanumeric, &request(&ids));
        assert_eq!(nine.of("abcDEF123"), "abcDEF123");
        assert_ne!(nine.of("call_1"), "call_1");
        let mut most = Ids::new(Rule::AtMost(40), &request(&ids));
        assert_eq!(most.of("call_1"), "call_1");
        assert_eq!(most.of(&"x".repeat(41)).len(), DIGEST);
        let mut word = Ids::new(Rule::Word, &request(&["a_b".to_owned(), "a.c".to_owned()]));
        assert_eq!(word.of("a.c"), "a_c");
        assert_ne!(word.of("a.b"), "a_b", "another call has it");
    }

    proptest! {
        #[test]
        fn ids_fit_and_differ(ids in prop::collection::vec("[a-zA-Z0-9_:é]{0,12}|a[.:_]|[a-z0-9]{9}|x{38,44}", 1..20)) {
            for kind in [Rule::Any, Rule::NineAlphanumeric, Rule::AtMost(40), Rule::Word] {
                let mut map = Ids::new(kind, &request(&ids));
                let made: HashMap<&String, String> = ids.iter().map(|id| (id, map.of(id))).collect();
                let different: HashSet<&String> = made.values().collect();
                prop_assert_eq!(different.len(), made.len());
                prop_assert!(made.values().all(|id| fits(kind, id)));
                let mut again = Ids::new(kind, &request(&ids));
                prop_assert!(ids.iter().all(|id| made.get(id) == Some(&again.of(id))));
            }
        }
    }
}
