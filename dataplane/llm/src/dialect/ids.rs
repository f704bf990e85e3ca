//! Ids of our own for tool calls of providers that give none.

/// An id for a tool call. `answer` is what makes the answer differ from every other: its id, or the moment it began; the
/// history of a conversation holds the calls of many answers, and results find theirs by id.
pub(super) fn made_call_id(answer: &str, index: usize) -> String {
    const MOST: usize = 64;
    let answer: String = answer.chars().filter(char::is_ascii_alphanumeric).take(MOST).collect();
    format!("call_{answer}{}{index}", if answer.is_empty() { "" } else { "_" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_ids() {
        assert_eq!(made_call_id("2025-08-20T09:45:30.39Z", 1), "call_20250820T09453039Z_1");
        assert_eq!(made_call_id("", 0), "call_0");
        assert_eq!(made_call_id(&"x".repeat(1000), 0).len(), 71);
    }
}
