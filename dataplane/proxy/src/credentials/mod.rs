//! Who the proxy says it is: keys in headers, signatures, and tokens that are fetched and renewed.
//!
//! A provider type says its [`Scheme`]; the [`CredentialBook`] hands out an [`Authorizer`] for it and a secret, which
//! puts credentials on requests. Signing and reading are pure; calls to token endpoints go through `exchange.rs`, the
//! environment, files and the clock come in through [`Surroundings`].
//!
//! Owns: every credential in memory, its renewal, where the pod's own identity may go.
//! Refuses to know: pools, targets, breakers, what a request says. No `Debug`, error or log line here holds a secret.

mod authorizer;
mod aws;
mod book;
mod credential;
mod entra;
mod error;
mod exchange;
mod expiry;
mod google;
mod ibm;
mod mint;
mod oauth;
mod reach;
mod renewal;
mod scheme;
mod surroundings;
#[cfg(test)]
pub mod tests;

pub use authorizer::Authorizer;
pub use aws::Scope as AwsScope;
pub use book::CredentialBook;
pub use error::CredentialError;
pub use scheme::Scheme;
pub use surroundings::Surroundings;

use credential::Credential;
