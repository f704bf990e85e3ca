//! Ids of items that we make, and ids of calls that OpenAI takes.

/// OpenAI takes no longer `call_id` (`FunctionCallOutputItemParam` of its OpenAPI document).
const LONGEST_CALL_ID: usize = 64;
/// How the ids of reasoning items begin that we make. OpenAI refuses one that it does not know and that holds no state of
/// its own, so that a history with such an id is written anew.
pub(super) const MADE_REASONING: &str = "rs_ps_";

/// Is it the id of a reasoning item that we made?
pub(super) fn is_made(id: &str) -> bool {
    id.starts_with(MADE_REASONING)
}

/// What a request's id may add to the ids of its items.
const LONGEST_REQUEST_ID: usize = 40;

/// The request's id, of characters that OpenAI takes in the ids of items.
pub(super) fn stem(request_id: &str) -> String {
    let is_fit = |c: &char| c.is_ascii_alphanumeric() || *c == '-' || *c == '_';
    request_id.chars().filter(is_fit).take(LONGEST_REQUEST_ID).collect()
}

/// The id itself, or a short one that is the same for the same id.
pub(super) fn fit_call_id(id: &str) -> String {
    if id.len() <= LONGEST_CALL_ID {
        return id.to_owned();
    }
    let head: String = id.chars().filter(char::is_ascii_graphic).take(40).collect();
    format!("{head}_{:016x}", fnv(id.as_bytes()))
}

/// FNV-1a, 64 bits (Fowler, Noll, Vo; parameters from their page <http://www.isthe.com/chongo/tech/comp/fnv/>).
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fnv_of_the_page() {
        assert_eq!(fnv(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn long_ids_are_shortened_alike() {
        let (a, b) = ("x".repeat(100), format!("{}y", "x".repeat(99)));
        assert_eq!(fit_call_id("call_1"), "call_1");
        assert_eq!(fit_call_id(&a), fit_call_id(&a));
        assert_ne!(fit_call_id(&a), fit_call_id(&b));
        for id in [&a, &"é".repeat(90)] {
            assert!(fit_call_id(id).len() <= LONGEST_CALL_ID);
        }
    }

    #[test]
    fn stems_are_plain_and_short() {
        assert_eq!(stem("a b\u{e9}/c-1_2"), "abc-1_2");
        assert_eq!(stem(&"r".repeat(500)).len(), LONGEST_REQUEST_ID);
    }
}
