//! A value that no log line, error text or debug print may hold.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A secret. `Debug` hides it; the one way to the value is [`Secret::expose`].
///
/// It does serialize: the snapshot carries credentials to the proxies, over TLS, and to a memory-backed
/// file that only the proxy can read.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself. Each call is a place where it could leak.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_hides_the_value() {
        assert_eq!(format!("{:?}", Some(Secret::new("sk-123"))), "Some([secret])");
    }
}
