//! Google: access tokens from a key file or from what the pod's environment offers.

mod external_account;
mod key_file;
mod metadata;
mod service_account;
mod user;

use futures_util::future::{BoxFuture, FutureExt};

pub use key_file::KeyFile;

use super::CredentialError;
use super::exchange::Exchange;
use super::mint::{Issued, Issuer};

/// What tokens are for: <https://cloud.google.com/vertex-ai/docs/authentication>.
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

/// Hosts of Google's APIs. Customers' services live elsewhere.
pub const HOST: &str = "googleapis.com";

/// Where a key file comes from, which decides what it may make the proxy do.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum Origin {
    /// A Secret that a resource names: from a user of the cluster.
    #[default]
    Secret,
    /// A file of the pod: from who runs the proxy.
    Pod,
}

/// The pod's own identity: application default credentials without those of a person's workstation.
pub struct Pod;

impl Issuer for Pod {
    fn issue<'a>(&'a self, exchange: &'a Exchange) -> BoxFuture<'a, Result<Issued, CredentialError>> {
        async {
            match exchange.surroundings.variable("GOOGLE_APPLICATION_CREDENTIALS") {
                Some(path) => {
                    let text = exchange.surroundings.read(&path).await?;
                    KeyFile::parse(&text, Origin::Pod)?.fetch(exchange).await
                }
                None => metadata::fetch(exchange).await,
            }
        }
        .boxed()
    }
}
