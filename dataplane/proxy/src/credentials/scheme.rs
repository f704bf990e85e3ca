//! How a provider is told who is calling, as data: what a provider type and a pool say.

use std::fmt;

use http::HeaderName;

use super::aws::Scope;

/// How a provider wants its credentials.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// The key in a header, after a prefix. Without a key the provider asks for none.
    Header { name: HeaderName, prefix: &'static str },
    /// A signature; the Secret holds an access key as JSON, or one of Bedrock's API keys. Without a Secret: the pod's
    /// own identity.
    Aws(Scope),
    /// An access token; the Secret holds a key file. Without a Secret: the pod's own identity.
    Google,
    /// A token; the Secret holds an API key. `endpoint`: another IAM than the public one, with its path.
    IbmIam { endpoint: Option<String> },
    /// The Secret's API key in the header `api-key`. Without a Secret: a token of the pod's own identity.
    AzureEntra,
}

/// For log lines.
impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header { name, prefix: _ } => write!(f, "header {name}"),
            Self::Aws(Scope { service, region }) => write!(f, "AWS {service} in {region}"),
            Self::Google => f.write_str("Google"),
            Self::IbmIam { endpoint: _ } => f.write_str("IBM Cloud IAM"),
            Self::AzureEntra => f.write_str("Microsoft Entra"),
        }
    }
}
