//! Reasoning of earlier turns, for models that sign nothing.

use crate::field::Field;
use crate::ledger::{Fate, Ledger};
use crate::message::ReasoningBlock;

/// The text of a block, where it has one. A signature is another issuer's, and stays here.
pub(super) fn unsigned<'b>(block: &'b ReasoningBlock, ledger: &mut Ledger) -> Option<&'b str> {
    match block {
        ReasoningBlock::Thinking { text, signature } => {
            if signature.is_some() {
                ledger.note(Field::ReasoningSignature, Fate::Dropped);
            }
            Some(text.as_str()).filter(|text| !text.is_empty())
        }
        ReasoningBlock::Redacted { .. } => {
            ledger.note(Field::ReasoningHistory, Fate::Dropped);
            None
        }
    }
}
