//! Which rule of a route a request meets: conditions (`when`), as pure code.
//!
//! Owns: the language of conditions, its variables and types, and how one is evaluated.
//! Refuses to know: wire formats, custom resources, configuration, clocks.
//!
//! The language is CEL, <https://github.com/google/cel-spec>. Its parser is the `cel` crate's; checking and evaluating
//! are here, because that crate's interpreter finds wrong types only when it meets them, and copies a request's messages
//! to look at one of them. One pass makes a tree in which every node's type is known; what cannot be evaluated cannot be
//! made. What is left to go wrong at run time is a number that overflows or is divided by zero, an index behind the end of
//! a list, a text that is no number, and more steps than [`condition::MOST_STEPS`].

mod check;
pub mod condition;
mod eval;
pub mod intent;
mod scan;
pub mod subject;

pub use check::{is_credential, is_label};
pub use condition::{Condition, Mistake};
pub use intent::Intents;
pub use subject::{Feature, Subject, Turn};
