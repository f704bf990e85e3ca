//! What a target failed with last, in words that may stand in a status.

use std::time::Instant;

use penstock_config::FailoverReason;

/// Characters kept of a message.
const LONGEST_MESSAGE: usize = 200;
/// A quotation longer than this is left out: it may be of somebody's prompt.
const LONGEST_QUOTATION: usize = 32;

/// The last failure of a target.
#[derive(Clone, Debug, PartialEq)]
pub struct LastFailure {
    pub reason: FailoverReason,
    /// One short line.
    pub message: String,
    pub at: Instant,
}

impl LastFailure {
    /// `message` must hold no key any more. A status is read by more people than an answer is, so that nothing of a
    /// prompt or an answer may be in it either.
    pub fn new(reason: FailoverReason, code: Option<&str>, message: &str, at: Instant) -> Self {
        let message = match code {
            // Its message shows what could not be read: the answer.
            Some("provider_answer_malformed") => "the provider's answer cannot be read".to_owned(),
            _ => brief(message),
        };
        Self { reason, message, at }
    }
}

/// One line without long quotations, cut to its length.
fn brief(message: &str) -> String {
    let words = message.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let line = without_quotations(&words.collect::<Vec<_>>().join(" "));
    match line.char_indices().nth(LONGEST_MESSAGE) {
        None => line,
        Some((at, _)) => format!("{}...", line.get(..at).unwrap_or_default()),
    }
}

/// A quotation without an end goes as far as the text does.
fn without_quotations(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut before = ' ';
    let mut rest = line;
    while let Some(open) = rest.chars().next() {
        let inside = rest.get(open.len_utf8()..).unwrap_or_default();
        let close = match open {
            '"' | '`' => open,
            '“' => '”',
            '«' => '»',
            // Behind a letter it is an apostrophe.
            '\'' if !before.is_alphanumeric() => open,
            _ => {
                out.push(open);
                (before, rest) = (open, inside);
                continue;
            }
        };
        let end = inside.find(close).unwrap_or(inside.len());
        let quoted = inside.get(..end).unwrap_or_default();
        out.push(open);
        out.push_str(if quoted.chars().count() > LONGEST_QUOTATION { "..." } else { quoted });
        rest = inside.get(end..).unwrap_or_default();
        if let Some(after) = rest.strip_prefix(close) {
            out.push(close);
            rest = after;
        }
        before = close;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(code: &str, message: &str) -> String {
        LastFailure::new(FailoverReason::ServerError, Some(code), message, Instant::now()).message
    }

    #[test]
    fn messages_are_one_short_line() {
        assert_eq!(said("x", "down for\n\n  maintenance\u{7}"), "down for maintenance");
        assert_eq!(said("x", "").len(), 0);
        let long = said("x", &"é".repeat(1000));
        assert_eq!((long.chars().count(), long.ends_with("...")), (203, true));
    }

    #[test]
    fn nothing_of_a_prompt_is_quoted() {
        let prompt = "My name is Ada and my account is overdrawn";
        for (open, close) in [("\"", "\""), ("'", "'"), ("`", "`"), ("“", "”"), ("«", "»"), ("'", "")] {
            let message = said("x", &format!("the engine can't parse {open}{prompt}{close}"));
            assert!(!message.contains("Ada") && message.starts_with("the engine can't parse "), "{message}");
        }
        assert_eq!(
            said("x", "model `gpt-4o` doesn't exist, 'o3' isn't here"),
            "model `gpt-4o` doesn't exist, 'o3' isn't here"
        );
        let broken = format!("a chunk is not JSON: {prompt}");
        assert_eq!(said("provider_answer_malformed", &broken), "the provider's answer cannot be read");
    }
}
