//! Why a request could not be given its credentials, and what to do about it.
//!
//! No variant holds a key, a token, an assertion or words of an endpoint: only what was checked to be a code.

use std::fmt;

/// No credentials for a request. Its text may be logged and shown: it holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// The Secret, or what the pod's environment says, cannot be used as it is.
    #[error("{0}")]
    Unusable(String),
    /// An endpoint that gives tokens out said no.
    #[error("{who} answered {status}{codes}; {advice}")]
    Refused { who: Who, status: u16, codes: Codes, advice: &'static str },
    /// No usable answer from an endpoint that gives tokens out.
    #[error("{who}: {why}; {advice}")]
    NoAnswer { who: Who, why: String, advice: &'static str },
    /// The pod's own identity would leave for a host that is not its vendor's.
    #[error(
        "the pod's own identity is not sent to {host}, which is no host of {vendor}; give the provider a Secret, or \
         name the host in the proxy's PENSTOCK_POD_IDENTITY_HOSTS"
    )]
    ForeignHost { host: String, vendor: &'static str },
}

impl CredentialError {
    pub fn unusable(text: impl Into<String>) -> Self {
        Self::Unusable(text.into())
    }

    /// May the next try succeed without anyone's help?
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Unusable(_) | Self::ForeignHost { .. } => false,
            Self::Refused { status, .. } => *status == 429 || *status >= 500,
            Self::NoAnswer { .. } => true,
        }
    }
}

/// An endpoint as people know it, with the host that was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who {
    pub name: &'static str,
    pub host: String,
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, host } = self;
        write!(f, "{name} ({host})")
    }
}

/// Error codes of an endpoint's answer. Empty where it gave none that may be shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Codes(pub Vec<String>);

impl fmt::Display for Codes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, ": {}", self.0.join(", ")) }
    }
}
