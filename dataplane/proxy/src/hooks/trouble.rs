//! Why a hook gave no answer that can be used.

use std::fmt;

use crate::metrics::HookResult;

#[derive(Clone, Debug, PartialEq)]
pub enum Trouble {
    /// No connection, or one that broke.
    Connect(String),
    Timeout,
    Status(u16),
    /// What is wrong with what it said.
    Invalid(String),
    /// Its signing secret could not be read, and without a signature it is not asked.
    Unsigned,
}

impl Trouble {
    pub fn result(&self) -> HookResult {
        match self {
            Self::Connect(_) => HookResult::Connect,
            Self::Timeout => HookResult::Timeout,
            Self::Status(_) => HookResult::Status,
            Self::Invalid(_) => HookResult::Invalid,
            Self::Unsigned => HookResult::Unsigned,
        }
    }

    /// For the client, who has no use for the names of a private network.
    pub fn for_client(&self) -> &'static str {
        match self {
            Self::Connect(_) => "it could not be reached",
            Self::Timeout => "it gave no answer in time",
            Self::Status(_) => "it answered with an error",
            Self::Invalid(_) => "its answer cannot be used",
            Self::Unsigned => "the key that it is asked with is missing",
        }
    }
}

/// For who runs the gateway.
impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(why) => write!(f, "no connection: {why}"),
            Self::Timeout => f.write_str("no answer in time"),
            Self::Status(status) => write!(f, "the answer's status is {status}; 200 and 204 are answers"),
            Self::Invalid(why) => write!(f, "the answer is no verdict: {why}"),
            Self::Unsigned => {
                f.write_str("its signing secret could not be read: the status of the ModelRoute says why")
            }
        }
    }
}
