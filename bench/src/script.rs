//! How the fake upstream answers a request. It stands in the model name, which reaches it on either path.

use std::fmt;
use std::str::FromStr;

/// Streams have so many chunks of content, with this delay between them. An answer that is not streamed ignores both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Script {
    pub chunks: u32,
    pub delay_ms: u32,
}

/// Chunks that follow each other at once.
pub const AT_ONCE: Script = Script { chunks: 100, delay_ms: 0 };
/// Chunks that come one by one: the first reaches the client before the next one is there.
pub const PACED: Script = Script { chunks: 20, delay_ms: 5 };
/// A stream of five seconds, long enough to have hundreds open at the same moment.
pub const SLOW: Script = Script { chunks: 100, delay_ms: 50 };

/// Every script in use, so that the manifests can name them.
pub const ALL: [Script; 3] = [AT_ONCE, PACED, SLOW];

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "script-{}x{}ms", self.chunks, self.delay_ms)
    }
}

impl FromStr for Script {
    type Err = ();

    fn from_str(model: &str) -> Result<Self, ()> {
        let numbers = model.strip_prefix("script-").and_then(|rest| rest.strip_suffix("ms")).ok_or(())?;
        let (chunks, delay) = numbers.split_once('x').ok_or(())?;
        Ok(Self { chunks: chunks.parse().map_err(drop)?, delay_ms: delay.parse().map_err(drop)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        for script in ALL {
            assert_eq!(script.to_string().parse(), Ok(script));
        }
        for other in ["gpt-4o", "script-", "script-1ms", "script-ax0ms"] {
            assert_eq!(other.parse::<Script>(), Err(()), "{other}");
        }
    }
}
