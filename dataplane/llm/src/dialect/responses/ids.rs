//! Ids of items that we make, and ids of calls that OpenAI takes.

/// OpenAI takes no longer `call_id` (`FunctionCallOutputItemParam` of its OpenAPI document).
pub(super) const LONGEST_CALL_ID: usize = 64;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stems_are_plain_and_short() {
        assert_eq!(stem("a b\u{e9}/c-1_2"), "abc-1_2");
        assert_eq!(stem(&"r".repeat(500)).len(), LONGEST_REQUEST_ID);
    }
}
